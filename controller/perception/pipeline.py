"""The eyes of the lane: pictures and thermal frames in, arrivals, departures and assessments out.

`Perception.observe` does the computing and may take tens of milliseconds; call it from one executor thread at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from controller.lane.model import Liveness, Personal, Verdict
from controller.perception.attempt import Attempt
from controller.perception.footing import FootingKeeper
from controller.perception.head import head_box
from controller.perception.history import with_history
from controller.perception.pairing import Place, Sightings
from controller.perception.presence import Change, Presence, has_body, in_region
from controller.perception.quality import assess
from controller.perception.types import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.lane.model import Assessment
    from controller.perception.footing import Fitness
    from controller.perception.history import PersonalNote
    from controller.perception.linearity import LinearityResult
    from controller.perception.settings import PerceptionSettings
    from controller.perception.types import Box, Face, FaceEngine, HeatFrame, Identify, Picture, Suspicion


class History(Protocol):
    """Everybody's earlier readings. Called from the thread that calls `observe`; never blocks."""

    def assess(self, person: str, value: float, noise: float, *, expected: float) -> PersonalNote:
        """What they say about an estimate, oral-equivalent °C; `noise` and `expected` in K and °C."""
        ...

    def record(self, person: str, value: float, noise: float, *, expected: float, flagged: bool) -> None:
        """Keep one reading: once a passage, after its last look; `flagged`: it was an alarm."""
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """What one step found."""

    timestamp: float
    """Monotonic seconds of the newest frame in it."""
    faces: tuple[Face, ...]
    """Faces in the lane's region of the picture, largest first; empty without a picture."""
    heat_box: Box | None
    """The largest face's place on the thermal array, pixels."""
    change: Change | None
    """Somebody came or went."""
    present: bool
    assessment: Assessment | None
    """A finished attempt; the next one begins after `Perception.reassess`."""
    fitness: Fitness | None = None
    """Whether people may be measured, where that has changed."""
    tests: tuple[LinearityResult, ...] = ()
    """Self-tests of the thermal sensor that have ended."""


class Perception:
    """One lane's perception. Not thread-safe: one caller at a time."""

    def __init__(
        self,
        engine: FaceEngine,
        identify: Identify,
        settings: PerceptionSettings,
        footing: FootingKeeper | None = None,
        history: History | None = None,
        *,
        suspicion: Suspicion | None = None,
    ) -> None:
        """`identify` answers an embedding with a person; it is called from the thread that calls `observe`.

        `footing` None: one that knows no wall clock and remembers no crowd. `history` None: none is kept.
        `suspicion` None: heat alone judges whether a face is a living one; a model can turn LIVE into UNKNOWN.
        """
        self._engine = engine
        self._identify = identify
        self._settings = settings
        self._presence = Presence(settings.presence)
        self._attempt: Attempt | None = None
        self._face = True
        self._attempts = 0
        self._looks = 1
        self._earlier: tuple[tuple[float, float], ...] = ()
        self._learnt = False
        self._footing = footing or FootingKeeper(settings.screening, settings.reference)
        self._history = history
        self._suspicion = suspicion
        self._next_attempt = -math.inf
        self._sightings = Sightings(settings.registration)
        self._now = -math.inf

    def observe(self, picture: Picture | None, heat: Sequence[HeatFrame] = ()) -> Observation:
        """One step with the newest picture, or None where there is no new one, and the thermal frames since the last.

        Raises `ImageError` or `EngineError` for a picture that cannot be used; the heat of that step is lost then.
        """
        if picture is None and not heat:
            raise ValueError("observe needs a picture or thermal frames")
        stamps = [frame.timestamp for frame in heat] + ([picture.timestamp] if picture is not None else [])
        self._now = max(self._now, *stamps)
        heat = self._corrected(heat)
        faces = self._look(picture) if picture is not None else ()
        change = self._presence.update(
            self._now,
            faces=None if picture is None else len(faces),
            body=has_body(heat[-1], self._settings.presence) if heat else None,
        )
        if change is not None:
            self._begin_presence()
        assessment = self._work(picture, faces, heat) if self._presence.present else None
        place = self._place(heat[-1]) if heat else None
        return Observation(
            self._now,
            faces,
            None if place is None else place.box,
            change,
            self._presence.present,
            assessment,
            self._footing.news(),
            self._footing.tests(),
        )

    def reassess(self, not_before: float | None = None) -> None:
        """Begin another attempt on whoever is present, at once or from `not_before` (monotonic seconds) on."""
        self._attempt = None
        self._next_attempt = self._now if not_before is None else not_before

    def ask(self, *, face: bool, claimed: bool = False) -> None:
        """Whose face it is, or (`face` False) the temperature alone, from now on; the running attempt begins anew.

        `claimed`: of somebody who presented a card, and who without a face to show is followed by their heat.
        """
        self._face = face
        self._presence.by_heat = claimed and not face
        if self._attempt is not None:
            self.reassess()

    def go_blind(self, *, on: bool) -> None:
        """There is no camera any more, or there is one again: without one, heat alone tells who comes and goes."""
        self._presence.blind = on

    def forget(self) -> None:
        """Drop all that was seen, as after the loss of a device; somebody present will approach anew."""
        self._presence.clear()
        self._begin_presence()
        self._sightings.clear()

    def _begin_presence(self) -> None:
        self._attempt, self._attempts, self._looks = None, 0, 1
        self._earlier, self._learnt = (), False
        self._next_attempt = -math.inf

    def _corrected(self, heat: Sequence[HeatFrame]) -> list[HeatFrame]:
        """The frames with their correction. Those before the sensor became fit had none, and are dropped then."""
        corrected: list[HeatFrame] = []
        for frame in heat:
            was_unfit, found = self._footing.footing().unfit, self._footing.correct(frame)
            if was_unfit is not None and self._footing.footing().unfit is None:
                corrected.clear()
                if self._attempt is not None:
                    self._attempt.drop_heat()
            corrected.append(found)
        return corrected

    def _look(self, picture: Picture) -> tuple[Face, ...]:
        size = (picture.pixels.shape[0], picture.pixels.shape[1])
        faces = in_region(self._engine.detect(picture.pixels), size, self._settings.presence)
        if faces:
            self._sightings.add(picture.timestamp, faces[0], size)
        return faces

    def _work(self, picture: Picture | None, faces: tuple[Face, ...], heat: Sequence[HeatFrame]) -> Assessment | None:
        """Feed the running attempt and ask it for its finding."""
        attempt = self._running()
        if attempt is None:
            return None
        if picture is not None:
            self._feed(attempt, picture, faces)
        for frame in heat:
            place = self._place(frame)
            if place is not None:
                attempt.add_heat(frame, place.box, place.levels, place.lag)
        finding = attempt.assessment(self._now, self._footing.footing())
        if finding is not None:
            self._attempt, self._next_attempt = None, math.inf
            self._looks, self._earlier = attempt.look, ()
            finding = self._beside_history(finding)
            self._conclude(finding)
        return finding

    def _beside_history(self, finding: Assessment) -> Assessment:
        """The finding with what the person's own earlier readings say; they may ask for another look, nothing else."""
        found, match = finding.screening, finding.match
        if self._history is None or match is None or finding.liveness is not Liveness.LIVE:
            return finding
        if found.value is None or found.parts is None:
            return finding
        expected = self._footing.expected()
        note = self._history.assess(match.person, found.value, found.parts.noise, expected=expected)
        looks = self._settings.screening.looks
        verdict = with_history(found.verdict, note, look=self._looks, looks=looks)
        told = Personal(note.evidence.value, note.unusual, note.z, note.days)
        risk = found.risk if verdict is found.verdict else None
        return replace(finding, screening=replace(found, verdict=verdict, risk=risk, personal=told))

    def _conclude(self, finding: Assessment) -> None:
        """Remember a look that another one follows; tell the crowd of a person that was measured."""
        found = finding.screening
        if found.verdict is Verdict.RECHECK and found.value is not None and found.parts is not None:
            self._looks += 1
            self._earlier = ((found.value, found.parts.noise),)
            return
        living = finding.liveness is Liveness.LIVE and finding.faces == 1
        if living and not self._learnt and found.verdict.is_result and found.room is not None:
            self._learnt = True
            self._footing.learn(found, found.room)
            if self._history is not None and finding.match is not None and found.value is not None and found.parts:
                self._history.record(
                    finding.match.person,
                    found.value,
                    found.parts.noise,
                    expected=self._footing.expected(),
                    flagged=found.verdict is Verdict.ELEVATED,
                )

    def _running(self) -> Attempt | None:
        if self._attempt is None and self._now >= self._next_attempt:
            self._attempts += 1
            self._attempt = Attempt(
                self._identify,
                self._settings,
                started=self._now,
                number=self._attempts,
                look=self._looks,
                earlier=self._earlier,
                face=self._face,
            )
        return self._attempt

    def _feed(self, attempt: Attempt, picture: Picture, faces: tuple[Face, ...]) -> None:
        attempt.see(len(faces), faces[0].box if faces else None)
        if not faces:
            return
        quality = assess(picture.pixels, faces[0])
        if quality.overall < self._settings.attempt.quality:
            attempt.note_quality(quality.overall)
            return
        if self._suspicion is not None:
            attempt.suspect(self._suspicion(picture.pixels, faces[0]))
        embedding = self._engine.embed(picture.pixels, faces[0])
        attempt.add_probe(Probe(embedding, quality, faces[0], picture.timestamp))

    def _place(self, frame: HeatFrame) -> Place | None:
        """The face's place on a thermal frame: the pictures', or the head's where no picture shows a face."""
        rows, columns = frame.temperatures.shape
        seen = self._sightings.place(frame.timestamp, (rows, columns))
        if seen is not None:
            return seen
        head = head_box(frame.temperatures, self._settings.presence) if self._presence.present else None
        return None if head is None else Place(head, None, math.inf)
