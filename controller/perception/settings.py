"""[perception] of gate.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from controller.perception.history_settings import HistorySettings
from controller.perception.liveness import LivenessSettings
from controller.perception.presence import PresenceSettings
from controller.perception.reference_settings import ReferenceSettings
from controller.perception.registration import RegistrationSettings
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.thresholds import FALSE_ACCEPT, VERIFY_FALSE_ACCEPT


class AttemptSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much evidence an assessment takes."""

    pictures: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    """Usable pictures that must agree on the person, each on its own."""
    unknown_pictures: Annotated[int, msgspec.Meta(ge=1, le=20)] = 4
    """Usable pictures before somebody is called unknown or ambiguous: one blurred face proves nothing."""
    quality: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """Least quality of a usable picture."""
    budget: Annotated[float, msgspec.Meta(gt=0.2, le=30)] = 2.5
    """Seconds after which the assessment says what there is."""
    companions: bool = False
    """More faces than one: true judges the largest and counts the others, as in a car; false judges nobody."""


class PerceptionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the lane sees."""

    engine: Literal["auto", "opencv", "tflite", "demo"] = "auto"
    models: Path | None = None
    """Folder of model files; None: THERMOGATE_MODELS, else the user's data folder."""
    threshold: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    """Least match score, whoever is enrolled; None: by `false_accept` and the number enrolled."""
    false_accept: Annotated[float, msgspec.Meta(gt=0, lt=1)] = FALSE_ACCEPT
    """Part of strangers' attempts that may end in somebody's name (FPIR), from which the threshold follows."""
    verify_threshold: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    """The same for somebody who presented a card, compared with their own templates only; None: by
    `verify_false_accept`, or as `threshold` where that is given."""
    verify_false_accept: Annotated[float, msgspec.Meta(gt=0, lt=1)] = VERIFY_FALSE_ACCEPT
    """Part of other people's attempts that may pass with somebody's card and their own face (FMR)."""
    margin: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Least lead over the second-best person; None: the engine's own."""
    attempt: AttemptSettings = AttemptSettings()
    presence: PresenceSettings = PresenceSettings()
    registration: RegistrationSettings = RegistrationSettings()
    screening: ScreeningSettings = ScreeningSettings()
    reference: ReferenceSettings | None = None
    """None: no black body is in view."""
    liveness: LivenessSettings = LivenessSettings()
    history: HistorySettings = HistorySettings()

    def __post_init__(self) -> None:
        """Refuse an attempt that would outlast whoever shows no face: nobody would ever be told what was found."""
        linger, budget = self.presence.linger, self.attempt.budget
        if linger <= budget:
            raise ValueError(
                f"`presence.linger` ({linger:g} s) must be longer than `attempt.budget` ({budget:g} s): whoever shows "
                "no face to the camera would count as gone before anything was found"
            )
