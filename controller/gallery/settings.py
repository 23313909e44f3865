"""[enrolment] of gate.toml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Score = Annotated[float, msgspec.Meta(ge=-1, le=1)]


class EnrolmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What enrolment takes, refuses and marks."""

    duplicate: Score | None = None
    """Score from which the faces of two ids are one person's; None: the engine's (docs/enrolment.md)."""
    resemblance: Score | None = None
    """Score from which, below `duplicate`, two people need a second factor; None: the engine's."""
    on_duplicate: Literal["refuse", "mark"] = "refuse"
    """`mark`: enrol the second id all the same, both marked for a second factor."""
    consent_scope: str = "face"
    """Word that a consent's scope must contain."""
    removal_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Part of the enrolled that one run may remove or suspend without being told the number."""
    renew_after: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    """Days after which new photographs are advised; 180 for small children."""
    score_drop: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.08
    """Fall of a person's usual match score at the gate from which new photographs are advised."""

    def __post_init__(self) -> None:
        """Refuse a band that is upside down."""
        if self.duplicate is not None and self.resemblance is not None and self.resemblance > self.duplicate:
            raise ValueError(f"resemblance ({self.resemblance}) must not be above duplicate ({self.duplicate})")
