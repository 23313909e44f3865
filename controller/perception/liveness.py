"""Whether a face is a living one, judged by its heat: a photograph has the temperature of the room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from controller.lane.model import Liveness

if TYPE_CHECKING:
    from controller.perception.heat import HeatMap


class LivenessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What heat a living face must show. Temperatures are of surfaces, °C."""

    pixels: Annotated[int, msgspec.Meta(ge=4, le=768)] = 16
    """Least pixels on the face; below, the answer is UNKNOWN."""
    frames: Annotated[int, msgspec.Meta(ge=1, le=512)] = 4
    hottest_room: Annotated[float, msgspec.Meta(ge=20, le=45)] = 33.0
    """In a warmer room a photograph is as warm as skin: UNKNOWN."""
    skin: tuple[float, float] = (29.5, 41.0)
    """Between these the warm part of a bare face lies, also in winter."""
    contrast: Annotated[float, msgspec.Meta(ge=0.2, le=10)] = 2.0
    """Kelvin by which the warm part of a living face exceeds what is beside it."""
    flat: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    """Less contrast than this is a picture on paper, as warm as its surroundings."""
    fill: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.6
    """Least share of the face that must be warm: heat of the face's extent, not a hand behind a card."""
    relief: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.4
    """Least spread within a living face, K (10 % to 90 %): eyes' corners are warm, nose and cheeks cool; a screen is
    even."""


def judge_liveness(heat: HeatMap | None, settings: LivenessSettings) -> Liveness:
    """LIVE, SPOOF for a face without a living one's heat, UNKNOWN where heat cannot tell."""
    if heat is None or heat.frames < settings.frames:
        return Liveness.UNKNOWN
    face, around = heat.mean[heat.region.face], heat.mean[heat.region.around]
    inner = heat.mean[heat.region.inner]
    face, around, inner = face[np.isfinite(face)], around[np.isfinite(around)], inner[np.isfinite(inner)]
    if face.size < settings.pixels or inner.size < 4:
        return Liveness.UNKNOWN
    if not math.isfinite(heat.room) or heat.room > settings.hottest_room:
        return Liveness.UNKNOWN
    # The upper quartile: a mask, a fringe or a cold nose do not lower it.
    warm = float(np.quantile(face, 0.75))
    beside = float(np.median(around)) if around.size >= 4 else heat.room
    if warm < settings.skin[0] or warm - min(beside, heat.room) < settings.flat:
        return Liveness.SPOOF
    # Judged on the inner part, which is all face even when the box is a pixel off.
    filled = float((inner >= (warm + heat.room) / 2).mean()) >= settings.fill
    low, high = np.quantile(inner, (0.1, 0.9))
    noise = 0.0 if math.isnan(heat.noise) else heat.noise / math.sqrt(max(heat.samples, 1.0))
    # 2.56 standard deviations lie between the deciles of pure noise.
    relief = math.sqrt(max(float(high - low) ** 2 - (2.56 * noise) ** 2, 0.0))
    if warm > settings.skin[1] or warm - beside < settings.contrast or not filled or relief < settings.relief:
        return Liveness.UNKNOWN
    return Liveness.LIVE
