"""Lamps and buzzer: what each signal looks and sounds like, in levels of the lines over time."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hw.drivers.lamps import DISPLAYS, Indicator, Pattern
from hw.errors import DeviceClosed
from hw.ports import Lamp
from hw.sim.clock import ManualClock

if TYPE_CHECKING:
    from hw.drivers.relay import OutputLine

LIGHTS = ("lamp_go", "lamp_stop")


def levels(lane: Any, seconds: float, step: float = 0.05) -> list[str]:
    """Which of go, stop and buzzer are on, sampled between changes."""
    seen = []
    for _ in range(round(seconds / step)):
        seen.append("+".join(key for key in (*LIGHTS, "buzzer") if lane.turnstile.active(key)))
        lane.clock.advance(step)
    return seen


def rhythm(lane: Any, lamp: Lamp) -> tuple[bool, ...]:
    """Whether any light is on, 10 ms by 10 ms, over six seconds from the beginning of a signal."""
    lane.gate.indicate(lamp)
    lane.clock.advance(0.005)
    return tuple("lamp" in on for on in levels(lane, 6, 0.01))


def test_go_is_steady_with_one_beep(lane: Any) -> None:
    lane.gate.indicate(Lamp.GO)
    lane.clock.advance(0.025)
    seen = levels(lane, 2)
    assert seen[:2] == ["lamp_go+buzzer"] * 2
    assert set(seen[2:]) == {"lamp_go"}


def test_look_blinks_once_a_second_and_idle_is_dark(lane: Any) -> None:
    lane.gate.indicate(Lamp.LOOK)
    lane.clock.advance(0.025)
    assert levels(lane, 3) == (["lamp_go"] * 10 + [""] * 10) * 3
    lane.gate.indicate(Lamp.IDLE)
    lane.clock.advance(0.01)
    assert set(levels(lane, 1)) == {""}


def test_stop_flashes_in_pairs_and_beeps_twice(lane: Any) -> None:
    lane.gate.indicate(Lamp.STOP)
    lane.clock.advance(0.025)
    seen = [on.replace("+buzzer", "") for on in levels(lane, 2.4)]
    assert seen == (["lamp_stop"] * 3 + [""] * 3 + ["lamp_stop"] * 3 + [""] * 15) * 2
    assert lane.pin_levels("buzzer") == [0, 1, 0, 1, 0]


def test_wait_glints_silently(lane: Any) -> None:
    lane.gate.indicate(Lamp.WAIT)
    lane.clock.advance(0.025)
    assert levels(lane, 3) == (["lamp_stop"] * 4 + [""] * 26) * 2
    assert lane.pin_levels("buzzer") == [0]


def test_an_alarm_sounds_for_as_long_as_it_is_shown(lane: Any) -> None:
    lane.gate.indicate(Lamp.ALARM)
    lane.clock.advance(30)
    beeps = sum(lane.pin_levels("buzzer"))
    assert beeps == math.ceil(30 / 0.34)
    lane.gate.indicate(Lamp.WAIT)
    lane.clock.advance(5)
    assert sum(lane.pin_levels("buzzer")) == beeps
    assert not lane.turnstile.active("buzzer")


def test_every_signal_is_told_without_its_colour(lane: Any) -> None:
    """In grey, and with both colours in one housing: each pair of signals differs for a second of the first three."""
    seen = {lamp: rhythm(lane, lamp)[:300] for lamp in Lamp}
    for one, other in itertools.combinations(Lamp, 2):
        differing = sum(a != b for a, b in zip(seen[one], seen[other], strict=True))
        assert differing >= 40, (one, other, differing)
    steady = [lamp for lamp in Lamp if all(seen[lamp])]
    assert steady == [Lamp.GO]


@pytest.mark.parametrize("lamp", list(Lamp))
def test_no_lamp_flashes_faster_than_three_times_a_second(lane: Any, lamp: Lamp) -> None:
    seen = rhythm(lane, lamp)
    rises = [n for n in range(1, len(seen)) if seen[n] and not seen[n - 1]]
    assert all(sum(n <= rise < n + 100 for rise in rises) <= 3 for n in range(len(seen)))


def test_a_muted_buzzer_sounds_for_alarms_alone(lane: Any) -> None:
    lane.gate.mute(on=True)
    for lamp in (Lamp.GO, Lamp.STOP):
        lane.gate.indicate(lamp)
        lane.clock.advance(2)
    assert lane.pin_levels("buzzer") == [0]
    lane.gate.indicate(Lamp.ALARM)
    lane.clock.advance(0.1)
    assert lane.turnstile.active("buzzer")
    lane.gate.mute(on=False)
    lane.gate.indicate(Lamp.GO)
    lane.clock.advance(2)
    assert lane.pin_levels("buzzer")[-2:] == [1, 0]


def test_muting_cuts_a_beep_short(lane: Any) -> None:
    lane.gate.indicate(Lamp.STOP)
    lane.clock.advance(0.05)
    assert lane.turnstile.active("buzzer")
    lane.gate.mute(on=True)
    lane.clock.advance(0.001)
    assert not lane.turnstile.active("buzzer")
    assert lane.turnstile.active("lamp_stop")


def test_closing_turns_them_off(lane: Any) -> None:
    lane.gate.indicate(Lamp.ALARM)
    lane.clock.advance(0.05)
    assert lane.turnstile.active("lamp_stop")
    lane.gate.close()
    assert not lane.turnstile.active("lamp_stop")
    assert not lane.turnstile.active("buzzer")
    with pytest.raises(DeviceClosed):
        lane.gate.indicate(Lamp.GO)
    with pytest.raises(DeviceClosed):
        lane.gate.mute(on=True)


class Line:
    """An output that may refuse."""

    def __init__(self) -> None:
        self.level = False
        self.broken = False

    def on(self) -> None:
        self._set(level=True)

    def off(self) -> None:
        self._set(level=False)

    def _set(self, *, level: bool) -> None:
        if self.broken:
            raise OSError(5, "write failed")
        self.level = level


def test_a_lamp_that_fails_leaves_no_buzzer_on() -> None:
    clock = ManualClock()
    lines = {"lamp_stop": Line(), "buzzer": Line()}
    outputs: dict[str, OutputLine] = {**lines}
    indicator = Indicator(outputs, clock)
    indicator.show(Lamp.ALARM)
    indicator.service(0.0)
    assert lines["buzzer"].level
    lines["lamp_stop"].broken = True
    indicator.show(Lamp.IDLE)
    with pytest.raises(OSError, match="write failed"):
        indicator.service(0.1)
    assert [line.level for line in lines.values()] == [True, False]
    lines["lamp_stop"].broken = False
    indicator.service(0.2)
    assert [line.level for line in lines.values()] == [False, False]


@given(
    st.builds(
        Pattern,
        on=st.floats(0.01, 2),
        off=st.floats(0.01, 2),
        flashes=st.integers(1, 4),
        pause=st.floats(0, 2),
        once=st.booleans(),
    ),
    st.floats(0, 60),
)
def test_a_pattern_keeps_its_word(pattern: Pattern, elapsed: float) -> None:
    """The level lasts for as long as was said; one that ends is off for ever."""
    level, lasting = pattern.at(elapsed)
    assert lasting > 0
    if math.isinf(lasting):
        assert pattern.once
        assert not level
        assert pattern.at(elapsed + 1e6) == (False, math.inf)
        return
    assume(lasting > 1e-6)  # nearer to a change, rounding decides
    for share in (0.1, 0.5, 0.9):
        assert pattern.at(elapsed + share * lasting)[0] is level


def test_patterns_of_all_signals_begin_with_light() -> None:
    """A signal is seen at once, not after its pause."""
    for lamp, display in DISPLAYS.items():
        lit = [getattr(display, name).at(0.0)[0] for name in ("go", "stop")]
        assert any(lit) is (lamp is not Lamp.IDLE)
