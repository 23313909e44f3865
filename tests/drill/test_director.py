"""The director acts on what it can see: the sign and the arm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from controller.drill.diary import Arm, Sign
from controller.drill.director import ANSWER_WAIT, PUSH_FOR, Director, SignReader
from controller.drill.scenario import Ending, Kind, Visit
from controller.lane.effects import Prompt
from hw.sim.clock import ScaledClock, VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Play = Callable[..., Any]

PASS = (Prompt.PASS, None)
NO = (Prompt.DENIED, "unknown_person")
DOCTOR = (Prompt.SEE_DOCTOR, "elevated_temperature")


def visit(kind: Kind = Kind.ENROLLED, number: int = 1) -> Visit:
    return Visit(number, kind, 100 + number, None, core=36.9, scatter=0.0, distance=0.5, offset=0.0, pause=0.5)


def test_who_is_granted_pushes_and_walks_through(play: Play) -> None:
    played = play([visit()], [PASS])
    (log,) = played.diary
    assert log.ending is Ending.ADMITTED
    assert [push.gave_way for push in log.pushes] == [True]
    (attempt,) = log.tries
    assert attempt.stepped
    assert attempt.began == 0.5
    assert attempt.answer is not None
    assert attempt.answer.at == 1.5
    assert played.gate.acts == ["up 1", "push in", "off"]
    assert log.on_mark(1.0)
    assert not log.on_mark(3.0)


def test_a_foot_on_the_mark_is_one_also_where_acting_takes_time(play: Play) -> None:
    played = play([visit()], [DOCTOR, PASS], clock=ScaledClock(50.0))
    (log,) = played.diary
    assert [attempt.stepped for attempt in log.tries] == [True, False]
    assert log.tries[0].began == log.stays[0].begin
    assert log.tries[1].began > log.tries[0].began


def test_everybody_is_prepared_before_they_step_up(play: Play) -> None:
    played = play([visit(), visit(number=2)], [PASS, PASS])
    texts = [text for _, text in played.gate.log]
    assert [texts.index(f"prepare {n}") < texts.index(f"up {n}") for n in (1, 2)] == [True, True]


def test_who_is_refused_stays_and_tries_once_more(play: Play) -> None:
    played = play([visit()], [DOCTOR, PASS])
    (log,) = played.diary
    assert log.ending is Ending.ADMITTED
    assert [attempt.stepped for attempt in log.tries] == [True, False]
    assert played.gate.acts == ["up 1", "push in", "off"]


def test_who_is_refused_twice_leaves(play: Play) -> None:
    played = play([visit()], [NO, NO, PASS])
    (log,) = played.diary
    assert log.ending is Ending.TURNED_AWAY
    assert len(log.tries) == 2
    assert "push in" not in played.gate.acts


@pytest.mark.parametrize(("locked", "ending"), [(True, Ending.TURNED_AWAY), (False, Ending.ADMITTED)])
def test_a_refused_stranger_tries_the_arm_once(play: Play, *, locked: bool, ending: Ending) -> None:
    played = play([visit(Kind.STRANGER)], [NO, NO], locked=locked)
    (log,) = played.diary
    assert log.ending is ending
    assert [push.gave_way for push in log.pushes] == [not locked]


def test_a_gate_without_an_answer_is_given_up(play: Play) -> None:
    played = play([visit(), visit(number=2)], [None, PASS])
    assert [log.ending for log in played.diary] == [Ending.UNDECIDED, Ending.ADMITTED]
    assert played.diary[0].tries[0].answer is None
    assert played.diary[0].end == pytest.approx(0.5 + ANSWER_WAIT)


def test_an_arm_that_stays_locked_is_pushed_for_a_while(play: Play) -> None:
    played = play([visit()], [PASS], locked=True)
    (log,) = played.diary
    assert log.ending is Ending.STUCK
    assert len(log.pushes) > 5
    assert log.pushes[-1].at - log.pushes[0].at >= PUSH_FOR


def test_who_walks_away_never_touches_the_arm_and_waits_out_the_grant(play: Play) -> None:
    played = play([visit(Kind.WALK_AWAY), visit(number=2)], [PASS, PASS])
    first, second = played.diary
    assert first.ending is Ending.LEFT_UNUSED
    assert first.pushes == ()
    assert second.ending is Ending.ADMITTED
    assert second.tries[0].began > first.end


def test_a_tailgater_follows_the_one_who_was_let_in(play: Play) -> None:
    played = play([visit(Kind.TAILGATE)], [PASS])
    (log,) = played.diary
    assert [(push.follower, push.gave_way) for push in log.pushes] == [(False, True), (True, True)]
    assert log.ending is Ending.ADMITTED


def test_from_the_cold_leaves_the_mark_and_comes_back_warm(play: Play) -> None:
    played = play([visit(Kind.FROM_COLD)], [(Prompt.WARM_UP, "too_cold"), PASS])
    (log,) = played.diary
    assert log.ending is Ending.ADMITTED
    assert played.gate.acts == ["up 1 after 0 min", "off", "up 1 after 10 min", "push in", "off"]
    assert [stay.warm_minutes for stay in log.stays] == [0.0, 10.0]
    assert all(attempt.stepped for attempt in log.tries)


def test_who_is_told_to_take_glasses_off_does_so(play: Play) -> None:
    played = play([visit(Kind.GLASSES)], [(Prompt.UNCOVER, "face_covered"), PASS])
    (log,) = played.diary
    assert log.ending is Ending.ADMITTED
    assert played.gate.acts == ["up 1 in glasses", "off", "up 1", "push in", "off"]


def test_the_sensor_is_plugged_in_again_and_somebody_walks_out_meanwhile(play: Play) -> None:
    played = play([visit(Kind.SENSOR_DROPOUT)], [PASS], think=4.0)
    (log,) = played.diary
    assert log.ending is Ending.ADMITTED
    assert log.outage is not None
    assert log.outage.end - log.outage.begin == pytest.approx(3.0)
    (out,) = [push for push in log.pushes if push.outward]
    assert log.outage.begin < out.at < log.outage.end


@pytest.mark.parametrize(
    ("felt", "ending"),
    [
        ([], Ending.WENT_OUT),
        ([Arm.LOCKED], Ending.HINDERED),
        ([Arm.OCCUPIED, Arm.OCCUPIED, Arm.GIVES_WAY], Ending.WENT_OUT),
        ([Arm.OCCUPIED] * 100, Ending.HINDERED),
    ],
)
def test_a_leaver_needs_the_arm_and_waits_for_others_but_for_no_lock(
    play: Play, felt: list[Arm], ending: Ending
) -> None:
    played = play([visit(Kind.LEAVER)], [], egress=felt)
    assert [log.ending for log in played.diary] == [ending]
    assert played.diary[0].tries == ()


def test_being_out_of_service_is_no_answer() -> None:
    assert not Sign(Prompt.OUT_OF_SERVICE, "lane_fault", 0.0).refuses
    assert not Sign(Prompt.DENIED, "lane_fault", 0.0).refuses
    assert Sign(Prompt.DENIED, "unknown_person", 0.0).refuses
    assert Sign(Prompt.WAIT, "no_temperature", 0.0).refuses
    # Another look follows by itself.
    assert not Sign(Prompt.WAIT, "recheck_temperature", 0.0).refuses
    assert not Sign(Prompt.WAIT, None, 0.0).refuses


def test_an_interrupted_morning_keeps_what_is_over_and_clears_the_mark() -> None:
    clock = VirtualClock()
    off: list[float] = []

    class Deaf:
        async def prepare(self, visit: Visit) -> None:
            pass

        def step_up(self, visit: Visit, *, warm_minutes: float | None, bare: bool) -> None:
            pass

        def step_off(self) -> None:
            off.append(clock.monotonic())

        def present(self, visit: Visit) -> None:
            pass

        async def key_in(self, text: str) -> None:
            pass

        def push(self, *, outward: bool) -> Arm:
            return Arm.GIVES_WAY if outward else Arm.LOCKED

        def follow(self) -> Arm:
            return Arm.LOCKED

        def unplug_sensor(self, *, on: bool) -> None:
            pass

    async def main() -> Director:
        sign = SignReader()
        sign.show(Sign(Prompt.IDLE, None, 0.0))
        director = Director(Deaf(), sign, clock)
        playing = asyncio.get_running_loop().create_task(director.play([visit(Kind.LEAVER), visit(number=2)]))
        await asyncio.sleep(6.0)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        return director

    director = run(main(), clock)
    assert [log.visit.number for log in director.diary] == [1]
    assert off[-1] == 6.0
