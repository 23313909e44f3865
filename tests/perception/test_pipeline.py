"""From pictures and heat to one assessment: who, how warm, alive, alone; and honest when it cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.lane.model import Assessment, Liveness, Match, Personal, Remark, Verdict
from controller.perception.history import Evidence, PersonalNote
from controller.perception.pipeline import Observation, Perception
from controller.perception.presence import Change
from controller.perception.reference_settings import ReferenceSettings
from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.screening import Footing, pixel_size, reading
from controller.perception.screening import Surface as Seen
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.settings import AttemptSettings, PerceptionSettings
from controller.perception.types import Box, Identification

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SETTINGS = PerceptionSettings(screening=ScreeningSettings(settled=0))
NORMAL = 36.7 - reading(Seen(0.0, 0.1, 23.0, pixel_size(9.0)), Footing(0.0)).value
KNOWN = {1: "p1", 2: "p2"}


def identify(embedding: NDArray[np.float32]) -> Identification:
    best = int(np.argmax(embedding))
    score = float(embedding[best])
    if best not in KNOWN or score < 0.6:
        return Identification(None, ambiguous=best == 7)
    return Identification(Match(KNOWN[best], score, 0.5))


class Lane:
    """Feeds one perception with 15 pictures and 16 thermal frames a second of whatever is put before it."""

    def __init__(self, engine: Any, film: Any, shot: Any, settings: PerceptionSettings = SETTINGS) -> None:
        self.perception = Perception(engine, identify, settings)
        self.engine = engine
        self._film, self._shot = film, shot
        self.now = 0.0
        self.seen: list[Observation] = []

    def show(self, entry: int, heat: NDArray[np.float64], seconds: float, *, noise: float = 0.3) -> list[Assessment]:
        frames = self._film(heat, round(seconds * 16) + 1, noise=noise, seed=round(self.now * 100))
        found = []
        for index in range(round(seconds * 15)):
            begin, end = index / 15, (index + 1) / 15
            due = [
                type(frame)(frame.temperatures, frame.ambient, self.now + frame.timestamp)
                for frame in frames
                if begin <= frame.timestamp < end
            ]
            seen = self.perception.observe(self._shot(self.now + end, entry), due)
            self.seen.append(seen)
            found += [seen.assessment] if seen.assessment else []
        self.now += round(seconds * 15) / 15
        return found

    def changes(self) -> list[Change]:
        return [seen.change for seen in self.seen if seen.change]


@pytest.fixture
def heat_place(make_face: Callable[..., Any]) -> Box:
    return thermal_box(RegistrationSettings(), make_face(320).box, (480, 640), (24, 32))


@pytest.fixture
def lane(scripted: Any, film: Any, shot: Any) -> Lane:
    script = {
        1: [(320.0, 170.0, 1)],
        2: [(320.0, 170.0, 2)],
        3: [(320.0, 170.0, 5)],
        4: [(250.0, 170.0, 1), (450.0, 150.0, 2)],
        5: [(320.0, 60.0, 1)],
        6: [(320.0, 170.0, 7)],
        8: [(440.0, 170.0, 2)],
    }
    return Lane(scripted(script), film, shot)


@pytest.fixture
def warm(scene: Callable[..., NDArray[np.float64]], heat_place: Box) -> NDArray[np.float64]:
    return scene(NORMAL, box=heat_place)


EMPTY = np.full((24, 32), 23.0)


def test_a_known_healthy_person_is_assessed_in_a_second(lane: Lane, warm: NDArray[np.float64]) -> None:
    lane.show(0, EMPTY, 0.5)
    (found,) = lane.show(1, warm, 1.0)
    assert found.match is not None
    assert found.match.person == "p1"
    assert (found.liveness, found.screening.verdict) == (Liveness.LIVE, Verdict.NORMAL)
    assert (found.faces, found.attempt, found.ambiguous) == (1, 1, False)
    assert found.quality > SETTINGS.attempt.quality
    assert lane.changes() == [Change.APPROACHED]


def test_one_assessment_until_another_is_asked_for(lane: Lane, warm: NDArray[np.float64]) -> None:
    assert len(lane.show(1, warm, 3.0)) == 1
    lane.perception.reassess(lane.now + 1.0)
    assert lane.show(1, warm, 0.9) == []
    (again,) = lane.show(1, warm, 1.5)
    assert again.attempt == 2


def test_whoever_leaves_and_comes_back_begins_anew(lane: Lane, warm: NDArray[np.float64]) -> None:
    lane.show(1, warm, 1.5)
    lane.show(0, EMPTY, 1.5)
    (found,) = lane.show(2, warm, 1.5)
    assert lane.changes() == [Change.APPROACHED, Change.LEFT, Change.APPROACHED]
    assert found.attempt == 1
    assert found.match is not None
    assert found.match.person == "p2"


def test_a_stranger_is_nobody(lane: Lane, warm: NDArray[np.float64]) -> None:
    (found,) = lane.show(3, warm, 2.0)
    assert (found.match, found.ambiguous) == (None, False)


def test_an_ambiguous_face_is_called_so(lane: Lane, warm: NDArray[np.float64]) -> None:
    (found,) = lane.show(6, warm, 2.0)
    assert (found.match, found.ambiguous) == (None, True)


def test_a_photograph_is_a_spoof(lane: Lane) -> None:
    (found,) = lane.show(1, EMPTY, 2.0)
    assert found.liveness is Liveness.SPOOF
    assert not found.screening.verdict.is_result


def test_two_people_are_counted_at_once(lane: Lane, warm: NDArray[np.float64]) -> None:
    (found,) = lane.show(4, warm, 0.5)
    assert (found.faces, found.match) == (2, None)


def test_somebody_queueing_behind_is_not_on_the_mark(lane: Lane, warm: NDArray[np.float64]) -> None:
    assert lane.show(5, EMPTY, 1.0) == []
    assert lane.changes() == []


def test_a_fever_is_elevated(lane: Lane, scene: Any, heat_place: Box) -> None:
    hot = scene(NORMAL + 2.0, box=heat_place)
    (first,) = lane.show(1, hot, 1.5)
    lane.perception.reassess()
    (second,) = lane.show(1, hot, 1.5)
    assert first.screening.verdict is Verdict.RECHECK
    assert (second.screening.verdict, second.screening.looks) == (Verdict.ELEVATED, 2)
    assert second.match is not None


def test_the_second_look_is_pooled_with_the_first(lane: Lane, scene: Any, heat_place: Box) -> None:
    near = scene(NORMAL + SETTINGS.screening.alarm - 36.7, box=heat_place)
    (first,) = lane.show(1, near, 1.5, noise=0.8)
    lane.perception.reassess()
    (second,) = lane.show(1, near, 1.5, noise=0.8)
    assert first.screening.verdict is Verdict.RECHECK
    assert second.screening.verdict in (Verdict.NORMAL, Verdict.ELEVATED)
    assert first.screening.parts is not None
    assert second.screening.parts is not None
    assert second.screening.parts.noise < 0.85 * first.screening.parts.noise


def test_another_person_begins_with_a_first_look(lane: Lane, scene: Any, heat_place: Box) -> None:
    lane.show(1, scene(NORMAL + 2.0, box=heat_place), 1.5)
    lane.show(0, EMPTY, 1.5)
    (found,) = lane.show(2, scene(NORMAL + 2.0, box=heat_place), 1.5)
    assert (found.screening.verdict, found.screening.looks) == (Verdict.RECHECK, 1)


def test_when_the_time_is_used_up_the_answer_is_honest(lane: Lane, warm: NDArray[np.float64]) -> None:
    (found,) = lane.show(1, warm, 4.0, noise=2.5)
    assert found.screening.verdict is Verdict.UNSTABLE
    assert found.screening.value is None


def test_no_thermal_frame_at_all_ends_without_a_reading(lane: Lane, shot: Any) -> None:
    found = [lane.perception.observe(shot(index / 15, 1)).assessment for index in range(60)]
    (assessment,) = [one for one in found if one]
    assert assessment.screening.verdict is Verdict.SENSOR_UNFIT
    assert assessment.screening.remarks == (Remark.NO_FRAME,)
    assert assessment.liveness is Liveness.UNKNOWN


def test_swapping_the_person_drops_what_the_first_one_showed(lane: Lane, warm: NDArray[np.float64]) -> None:
    """Half an attempt of somebody known, then a jump to another face: the first one's evidence must not count."""
    lane.show(1, warm, 0.5)
    found = lane.show(8, EMPTY, 3.0)
    assert all(one.match is None or one.match.person == "p2" for one in found)
    assert all(one.liveness is not Liveness.LIVE for one in found)


def test_swapping_at_the_same_place_is_noticed_by_the_faces(lane: Lane, warm: NDArray[np.float64]) -> None:
    lane.show(1, warm, 0.4)
    (found,) = lane.show(2, warm, 3.0)
    assert (found.match, found.ambiguous) == (None, True)


def test_forgetting_makes_whoever_stands_there_approach_anew(lane: Lane, warm: NDArray[np.float64]) -> None:
    lane.show(1, warm, 1.0)
    lane.perception.forget()
    assert len(lane.show(1, warm, 1.5)) == 1
    assert lane.changes() == [Change.APPROACHED, Change.APPROACHED]


def test_embedding_stops_with_the_attempt(lane: Lane, warm: NDArray[np.float64]) -> None:
    lane.show(1, warm, 1.0)
    used = lane.engine.embedded
    lane.show(1, warm, 2.0)
    assert lane.engine.embedded == used


def test_a_step_with_nothing_in_it_is_refused(lane: Lane) -> None:
    with pytest.raises(ValueError, match="picture or thermal"):
        lane.perception.observe(None, [])


def test_thermal_steps_alone_move_time_but_see_nobody(lane: Lane, film: Any) -> None:
    for frame in film(EMPTY, 40):
        seen = lane.perception.observe(None, [frame])
        assert (seen.present, seen.faces, seen.assessment) == (False, (), None)


def test_a_poor_picture_is_never_embedded(lane: Lane, film: Any, shot: Any, warm: NDArray[np.float64]) -> None:
    picky = Lane(lane.engine, film, shot, PerceptionSettings(attempt=AttemptSettings(quality=1.0)))
    (found,) = picky.show(1, warm, 4.0)
    assert picky.engine.embedded == 0
    assert found.match is None
    assert 0 < found.quality < 1


class Memory:
    """Earlier readings that say the same of everybody."""

    def __init__(self, *, second_look: bool) -> None:
        self._note = PersonalNote(
            Evidence.ENOUGH, informs=second_look, second_look=second_look, unusual=True, z=2.4, days=9
        )
        self.asked: list[tuple[str, float]] = []
        self.kept: list[tuple[str, bool]] = []

    def assess(self, person: str, value: float, noise: float, *, expected: float) -> PersonalNote:
        assert 0 < noise < 1
        assert 36 < expected < 38
        self.asked.append((person, value))
        return self._note

    def record(self, person: str, value: float, noise: float, *, expected: float, flagged: bool) -> None:
        assert abs(value - expected) < 5
        assert 0 < noise < 1
        self.kept.append((person, flagged))


@pytest.fixture
def with_memory(scripted: Any, film: Any, shot: Any) -> Callable[[Memory], Lane]:
    def make(memory: Memory) -> Lane:
        lane = Lane(scripted({1: [(320.0, 170.0, 1)], 3: [(320.0, 170.0, 5)]}), film, shot)
        lane.perception = Perception(lane.engine, identify, SETTINGS, history=memory)
        return lane

    return make


def test_an_unusual_reading_asks_for_one_more_look_and_is_kept_once(
    with_memory: Callable[[Memory], Lane], warm: NDArray[np.float64]
) -> None:
    memory = Memory(second_look=True)
    lane = with_memory(memory)
    (first,) = lane.show(1, warm, 1.5)
    assert first.screening.verdict is Verdict.RECHECK
    assert memory.kept == []
    lane.perception.reassess()
    (second,) = lane.show(1, warm, 1.5)
    assert (second.screening.verdict, second.screening.looks) == (Verdict.NORMAL, 2)
    assert second.screening.personal == Personal("enough", unusual=True, z=2.4, days=9)
    assert memory.kept == [("p1", False)]


def test_a_history_that_may_not_inform_changes_nothing_and_is_told(
    with_memory: Callable[[Memory], Lane], warm: NDArray[np.float64]
) -> None:
    memory = Memory(second_look=False)
    (found,) = with_memory(memory).show(1, warm, 1.5)
    assert found.screening.verdict is Verdict.NORMAL
    assert found.screening.personal is not None
    assert found.screening.personal.unusual
    assert memory.kept == [("p1", False)]


def test_a_history_silences_no_alarm(with_memory: Callable[[Memory], Lane], scene: Any, heat_place: Box) -> None:
    memory = Memory(second_look=False)
    lane = with_memory(memory)
    hot = scene(NORMAL + 2.0, box=heat_place)
    lane.show(1, hot, 1.5)
    lane.perception.reassess()
    (second,) = lane.show(1, hot, 1.5)
    assert second.screening.verdict is Verdict.ELEVATED
    assert memory.kept == [("p1", True)]


def test_a_strangers_temperature_is_nobodys_history(
    with_memory: Callable[[Memory], Lane], warm: NDArray[np.float64]
) -> None:
    memory = Memory(second_look=True)
    with_memory(memory).show(3, warm, 2.0)
    assert memory.asked == memory.kept == []


def test_a_face_that_no_picture_shows_is_found_by_its_heat(lane: Lane, warm: NDArray[np.float64]) -> None:
    """The camera is covered: no identity, but the warm head is screened or says why not."""
    found = lane.show(0, warm, 6.0)
    assert found
    assert all(one.match is None for one in found)
    assert found[-1].screening.frames > 0


def test_frames_from_before_the_sensor_was_fit_are_not_averaged_with_those_after(
    lane: Lane, film: Any, shot: Any, scene: Any, heat_place: Box
) -> None:
    """The black body appears while somebody stands there: what came before had no correction."""
    place = ReferenceSettings(column=3.5, row=3.5, temperature=37.0)
    settings = PerceptionSettings(reference=place)
    footed = Lane(lane.engine, film, shot, settings)
    # The sensor reads 1.5 K too much; nobody knows before the source is seen.
    covered = scene(NORMAL, box=heat_place) + 1.5
    seen = covered.copy()
    seen[1:6, 1:6] = 37.0 + 1.5
    footed.show(0, np.full((24, 32), 24.5), 1.0)
    assert footed.show(1, covered, 0.7) == []
    (found,) = footed.show(1, seen, 2.6)
    assert found.screening.value == pytest.approx(36.7, abs=0.35)
    assert found.screening.correction == pytest.approx(-1.5, abs=0.2)
    assert found.screening.frames < 42


def test_the_levels_of_a_face_that_left_are_not_the_next_ones(lane: Lane, warm: NDArray[np.float64], film: Any) -> None:
    lane.show(1, warm, 1.5)
    frame = film(warm, 1)[0]
    now = type(frame)(frame.temperatures, frame.ambient, lane.now)
    later = type(frame)(frame.temperatures, frame.ambient, lane.now + 1.0)
    assert lane.perception._levels(now) is not None
    assert lane.perception._levels(later) is None
