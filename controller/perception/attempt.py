"""One attempt to assess who stands there: probes of several pictures and heat of several frames, fused into one value.

Sans-IO: time comes only with the evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.model import Assessment, Liveness, Remark, Screening, Verdict
from controller.perception.fusion import Fusion
from controller.perception.liveness import Life, LivenessAttempt
from controller.perception.screening import ScreeningAttempt, no_result
from controller.perception.types import Identification

if TYPE_CHECKING:
    from controller.perception.heat import Levels
    from controller.perception.screening import Footing
    from controller.perception.settings import PerceptionSettings
    from controller.perception.types import Box, HeatFrame, Identify, Probe

STALE = 0.25
"""Seconds before its begin from which an attempt still takes a thermal frame: it and the picture travel apart."""
PENDING = frozenset({Verdict.UNSTABLE, Verdict.TOO_FAR, Verdict.SENSOR_UNFIT, Verdict.OBSTRUCTED})
"""Verdicts that more frames may still change; they are given only when the time is used up."""


class Attempt:
    """Collects evidence about one person until it is enough or the time is used up."""

    def __init__(
        self,
        identify: Identify,
        settings: PerceptionSettings,
        *,
        started: float,
        number: int = 1,
        look: int = 1,
        earlier: tuple[tuple[float, float], ...] = (),
        face: bool = True,
    ) -> None:
        """`number` counts the attempts of this presence, `look` those that asked for another look, both from 1.

        `earlier` is (temperature, noise) of the looks before, pooled. `face`: it is asked whose face it is.
        """
        self._identify = identify
        self._settings = settings
        self._started = started
        self.number = number
        self.look = look
        self._earlier = earlier
        self._face = face
        self._restart()

    def _restart(self) -> None:
        self.drop_heat()
        self._fusion = Fusion(self._identify, pictures=self._settings.attempt.pictures)
        self._best_quality = 0.0
        self._faces: list[int] = []
        self._place: Box | None = None

    def see(self, faces: int, place: Box | None) -> None:
        """A picture showed so many faces in the region, the largest at `place`, camera pixels.

        A largest face that jumps away from the last one is another person: what was collected is dropped.
        """
        if place is not None and self._place is not None and not _overlap(place, self._place):
            self.look, self._earlier = 1, ()
            self._restart()
        self._place = place or self._place
        self._faces = [*self._faces[-9:], faces]

    def add_probe(self, probe: Probe) -> None:
        """The face that `see` was told of, embedded; one too poor to use counts only as the quality that was reached.

        A face elsewhere in the picture is not the tracked one, and is not taken.
        """
        if self._place is not None and not _overlap(self._place, probe.face.box):
            return
        self._best_quality = max(self._best_quality, probe.quality.overall)
        if probe.quality.overall >= self._settings.attempt.quality:
            self._fusion.add(probe.embedding, probe.quality.overall)

    def note_quality(self, quality: float) -> None:
        """A face was there but too poor to embed."""
        self._best_quality = max(self._best_quality, quality)

    def suspect(self, score: float) -> None:
        """A picture-based model's suspicion of a picture, 0..1."""
        self._life.suspect(score)

    def add_heat(self, frame: HeatFrame, box: Box, levels: Levels | None = None, lag: float = 0.0) -> None:
        """A thermal frame, with the face's place on it in thermal pixels, `lag` seconds from a picture of it."""
        self._heat.add(frame, box, levels)
        self._life.add(frame, box, levels, lag)
        self._heat_frames += 1

    def drop_heat(self) -> None:
        """Begin anew with the thermal frames: those before rest on another footing."""
        self._heat = ScreeningAttempt(self._settings.screening, self.look, self._earlier, self._started - STALE)
        self._life = LivenessAttempt(self._settings.liveness, self._started - STALE)
        self._heat_frames = 0

    def assessment(self, now: float, footing: Footing | None = None) -> Assessment | None:
        """The finding, when the evidence is enough or the time is used up; None: go on."""
        over = now - self._started >= self._settings.attempt.budget
        if self._crowd() > 1 and not self._settings.attempt.companions:
            return self._finding(Identification(None), _unscreened(), Life(Liveness.UNKNOWN))
        if not over and (self._heat_frames < self._settings.screening.frames or not self._identity_is_clear()):
            return None
        heat = self._heat.heat()
        screening = self._heat.screening(heat, footing)
        life = self._life.judge()
        settled = screening.verdict not in PENDING and (life.liveness is not Liveness.UNKNOWN or self._by_heat())
        # A picture held up needs no temperature.
        if not over and not settled and life.liveness is not Liveness.SPOOF:
            return None
        return self._finding(self._fusion.identity(), screening, life)

    def _finding(self, who: Identification, screening: Screening, life: Life) -> Assessment:
        return Assessment(
            match=who.match,
            ambiguous=who.ambiguous,
            liveness=life.liveness,
            liveness_reasons=life.reasons,
            screening=screening,
            quality=self._best_quality,
            faces=self._crowd(),
            attempt=self.number,
        )

    def _crowd(self) -> int:
        """Faces in the region by the majority of the latest pictures; a ghost in one picture is nobody."""
        latest = self._faces[-5:]
        if sum(count > 1 for count in latest) >= 2 and 2 * sum(count > 1 for count in latest) > len(latest):
            return max(latest)
        return min(1, max(self._faces, default=0))

    def _identity_is_clear(self) -> bool:
        """Whether more pictures would hardly change who it is."""
        wanted = self._settings.attempt
        if self._by_heat() or len(self._fusion) >= wanted.unknown_pictures:
            return True
        return len(self._fusion) >= wanted.pictures and self._fusion.identity().match is not None

    def _by_heat(self) -> bool:
        """Whether heat alone answers: nobody asked for a face, and no picture shows one whose life could be judged."""
        return not self._face and self._crowd() == 0


def _overlap(a: Box, b: Box) -> bool:
    """Whether two boxes of consecutive pictures may be the same face: each middle within a box width of the other's."""
    (ax, ay), (bx, by) = a.centre, b.centre
    reach = 0.75 * min(a.width, b.width)
    return abs(ax - bx) <= reach and abs(ay - by) <= reach and 0.5 <= a.width / max(b.width, 1e-6) <= 2.0


def _unscreened() -> Screening:
    return no_result(Verdict.UNSTABLE, 0, Remark.NO_FRAME)
