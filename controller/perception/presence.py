"""Whether somebody stands on the mark, with hysteresis: one missed face is nobody gone, one ghost is nobody there."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

if TYPE_CHECKING:
    from controller.perception.types import Face, HeatFrame

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=60)]
Pictures = Annotated[int, msgspec.Meta(ge=1, le=100)]


class PresenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who counts as standing on the mark, and from when."""

    region: tuple[Share, Share, Share, Share] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom of the lane in the camera's picture, as shares of it; a face counts by its middle."""
    least_width: Share = 0.15
    """Least width of a face, as a share of the picture's: 0.15 is an adult at about 0.8 m. Smaller ones queue
    behind."""
    arrive: Pictures = 2
    """Pictures in a row with a face that make an arrival."""
    leave: Pictures = 4
    """Pictures in a row without one that make a departure."""
    leave_after: Seconds = 0.4
    """And seconds without a face."""
    linger: Seconds = 3.0
    """A body that stays without a face (turned away) counts as present for so long."""
    body_after: Seconds = 1.5
    """A body without a face for so long is an arrival of its own: somebody whom the camera does not see."""
    body_share: Share = 0.15
    """Least share of the thermal picture that is warm when a body is near."""
    body_warmth: Annotated[float, msgspec.Meta(ge=15, le=40)] = 28.0
    """°C that count as warm, and at least `body_contrast` above the room."""
    body_contrast: Annotated[float, msgspec.Meta(ge=0, le=20)] = 4.0

    def __post_init__(self) -> None:
        """Refuse a region without an inside."""
        left, top, right, bottom = self.region
        if left >= right or top >= bottom:
            raise ValueError("`region` is left, top, right, bottom, with left < right and top < bottom")


SEATED: dict[str, object] = {"region": [0.0, 0.3, 1.0, 1.0], "least_width": 0.13, "body_share": 0.1}
"""[perception.presence] of a driver before a reading pillar: lower in the picture than who walks past behind the car,
half a metre to 0.8 m away, and of the body only what the open window shows. Heat does not pass through glass."""


class Change(enum.Enum):
    """What happened to the presence."""

    APPROACHED = "approached"
    LEFT = "left"


def in_region(faces: list[Face], size: tuple[int, int], settings: PresenceSettings) -> tuple[Face, ...]:
    """The faces that stand on the mark; `size` is the picture's (height, width). Order is kept."""
    height, width = size
    left, top, right, bottom = settings.region
    return tuple(
        face
        for face in faces
        if left <= face.box.centre[0] / width <= right
        and top <= face.box.centre[1] / height <= bottom
        and face.box.width >= settings.least_width * width
    )


def has_body(frame: HeatFrame, settings: PresenceSettings) -> bool:
    """Whether a warm body is near, by one thermal frame."""
    values = frame.temperatures[np.isfinite(frame.temperatures)]
    if not values.size:
        return False
    limit = max(settings.body_warmth, float(np.quantile(values, 0.2)) + settings.body_contrast)
    return float((values >= limit).mean()) >= settings.body_share


class Presence:
    """Follows one mark. All times are monotonic seconds and never go back."""

    def __init__(self, settings: PresenceSettings) -> None:
        """Nobody there."""
        self._settings = settings
        self.present = False
        self.blind = False
        """There is no camera: a warm body alone is somebody, for as long as it stays."""
        self.by_heat = False
        """Whoever presented a card need not show a face: they are there for as long as a warm body is."""
        self._seen = 0
        self._missed = 0
        self._bodiless = 0
        self._last_face = -math.inf
        self._body_since: float | None = None

    def update(self, now: float, *, faces: int | None, body: bool | None) -> Change | None:
        """What the newest picture (faces in the region) and thermal frame show; None: there was no new one."""
        if body is not None:
            if self.blind and faces is None:
                faces = 0  # there won't be one
            self._bodiless = 0 if body else self._bodiless + 1
            self._body_since = (now if self._body_since is None else self._body_since) if body else None
        if faces:
            self._seen, self._missed, self._last_face = self._seen + 1, 0, now
        elif faces == 0:
            self._seen, self._missed = 0, self._missed + 1
        return self._leave(now) if self.present else self._arrive(now)

    def _arrive(self, now: float) -> Change | None:
        by_face = self._seen >= self._settings.arrive
        by_body = self._body_since is not None and self._lasts(now)
        if not by_face and not by_body:
            return None
        self.present = True
        # A body seen without a face lingers from its arrival on.
        self._last_face, self._missed = now, 0
        return Change.APPROACHED

    def _lasts(self, now: float) -> bool:
        """Whether a body has been there without a face for `body_after`, counted anew from the last face."""
        since = max(self._body_since or 0.0, self._last_face)
        return now - since >= self._settings.body_after and self._missed >= self._settings.leave

    def _leave(self, now: float) -> Change | None:
        if self._missed < self._settings.leave or now - self._last_face < self._settings.leave_after:
            return None
        lingers = self.blind or self.by_heat or now - self._last_face < self._settings.linger
        if self._body_since is not None and lingers:
            return None
        if self.blind and self._bodiless < self._settings.leave:
            return None
        self.clear()
        self._last_face = now
        return Change.LEFT

    def clear(self) -> None:
        """Nobody there any more, and no count of anybody; a body must go or stay `body_after` to count again."""
        self.present = False
        self._seen = self._missed = self._bodiless = 0
        self._last_face = -math.inf
        self._body_since = None
