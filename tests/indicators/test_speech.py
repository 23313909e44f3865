"""What is said when: the newest prompt, not the same one twice at once, alarms even in quiet hours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from controller.indicators.quiet import BuzzerKeeper, QuietHours, parse_span, within
from controller.indicators.speech import EMERGENCY_EVERY, Announcer, Speech
from controller.lane import events as ev
from controller.lane.effects import Prompt
from controller.lane.states import State
from controller.watch import Step
from hw.errors import DeviceClosed
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.ports import Gate

ALL = frozenset(Prompt)
STEP = Step(ev.Booted(now=0.0), State.BOOT, State.BOOT, (), (), 0.0, 0.0)


def test_the_same_prompt_is_not_said_again_at_once() -> None:
    announcer = Announcer(ALL, repeat=6.0)
    assert announcer.shown(Prompt.PASS, 0.0, quiet=False) is Prompt.PASS
    assert announcer.shown(Prompt.IDLE, 1.0, quiet=False) is Prompt.IDLE
    assert announcer.shown(Prompt.PASS, 5.9, quiet=False) is None
    assert announcer.shown(Prompt.PASS, 6.0, quiet=False) is Prompt.PASS


def test_what_is_not_spoken_stays_unsaid() -> None:
    announcer = Announcer(ALL - {Prompt.SEE_DOCTOR}, repeat=0.0)
    assert announcer.shown(Prompt.SEE_DOCTOR, 0.0, quiet=False) is None


def test_quiet_hours_leave_alarm_and_emergency() -> None:
    announcer = Announcer(ALL, repeat=0.0)
    said = {prompt for prompt in Prompt if announcer.shown(prompt, 0.0, quiet=True)}
    assert said == {Prompt.ALARM, Prompt.EMERGENCY}


def test_an_emergency_is_repeated_for_as_long_as_it_stands() -> None:
    announcer = Announcer(ALL, repeat=600.0)
    assert announcer.shown(Prompt.EMERGENCY, 0.0, quiet=True) is Prompt.EMERGENCY
    said = [second for second in range(1, 36) if announcer.tick(float(second))]
    assert said == [10, 20, 30]
    announcer.shown(Prompt.WAIT, 36.0, quiet=False)
    assert announcer.tick(60.0) is None


class Speaker:
    """Writes down what it is given."""

    def __init__(self, clock: VirtualClock) -> None:
        self.told: list[tuple[float, object]] = []
        self._clock = clock

    def open(self, on_state: Callable[[str | None], None]) -> None:
        del on_state
        self.told.append((self._clock.monotonic(), "open"))

    def play(self, sound: bytes) -> None:
        self.told.append((self._clock.monotonic(), sound))

    def close(self) -> None:
        self.told.append((self._clock.monotonic(), "close"))


def test_speech_follows_the_sign() -> None:
    clock = VirtualClock()
    speaker = Speaker(clock)
    sign = Prompt.OUT_OF_SERVICE
    sounds = {prompt: prompt.value.encode() for prompt in (Prompt.PASS, Prompt.EMERGENCY)}
    speech = Speech(speaker, sounds, sign=lambda: sign, repeat=6.0, quiet=lambda: False, clock=clock)

    async def main() -> None:
        nonlocal sign
        service = asyncio.create_task(speech.run())
        for prompt, seconds in ((Prompt.WAIT, 1.0), (Prompt.PASS, 2.0), (Prompt.PASS, 2.0), (Prompt.EMERGENCY, 21.5)):
            sign = prompt
            speech.on_step(STEP)
            await asyncio.sleep(seconds)
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)
        speech.close()

    run(main(), clock)
    said = [(when, what) for when, what in speaker.told if isinstance(what, bytes)]
    assert said[:2] == [(1.0, b"pass"), (5.0, b"emergency")]
    assert [what for _, what in said[2:]] == [b"emergency"] * 2
    assert [when for when, _ in said[2:]] == pytest.approx([5 + EMERGENCY_EVERY, 5 + 2 * EMERGENCY_EVERY], abs=1.0)
    assert (speaker.told[0][1], speaker.told[-1][1]) == ("open", "close")


@pytest.mark.parametrize(
    ("spans", "quiet", "loud"),
    [
        (["22:00-06:00"], ["22:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "21:59"]),
        (["12:30-13:45", "21:00-23:00"], ["12:30", "13:44", "22:59"], ["12:29", "13:45", "23:00", "00:00"]),
    ],
)
def test_spans_of_the_day(spans: list[str], quiet: list[str], loud: list[str]) -> None:
    parsed = [parse_span(span) for span in spans]

    def minute(text: str) -> int:
        return 60 * int(text[:2]) + int(text[3:])

    assert all(within(minute(text), parsed) for text in quiet)
    assert not any(within(minute(text), parsed) for text in loud)


@pytest.mark.parametrize("text", ["22-6", "24:00-06:00", "22:00-06:60", "06:00-06:00", "", "22:00 - 06:00"])
def test_no_span_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span of a day|begins when it ends"):
        parse_span(text)


def hours(state: str, *, dated: bool = True) -> QuietHours:
    return QuietHours(["22:00-06:00"], (lambda: 23 * 3600.0) if dated else None, lambda: state, local=time.gmtime)


def test_a_clock_that_may_be_wrong_silences_nothing() -> None:
    assert hours("synchronised").now()
    assert not hours("unsynchronised").now()
    assert not hours("unknown").now()
    assert not hours("synchronised", dated=False).now()


class MutedGate:
    """A gate as far as a buzzer goes."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def mute(self, *, on: bool) -> None:
        if not self.told:
            self.told.append(on)
            raise DeviceClosed("the gate is closed")
        self.told.append(on)


def test_the_buzzer_is_muted_when_the_hours_begin_and_back_when_they_end() -> None:
    clock, gate = VirtualClock(), MutedGate()
    ten_to_ten = 21 * 3600 + 50 * 60
    quiet = QuietHours(
        ["22:00-22:10"], lambda: ten_to_ten + clock.monotonic(), lambda: "synchronised", local=time.gmtime
    )
    keeper = BuzzerKeeper(_as_gate(gate), quiet, always=False)

    async def main() -> None:
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(1800)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main(), clock)
    assert gate.told == [False, True, False]


def _as_gate(gate: MutedGate) -> Gate:
    from typing import cast

    return cast("Gate", gate)
