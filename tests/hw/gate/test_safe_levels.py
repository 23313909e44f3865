"""Boot, restart, reconnect and crash never move a relay: whatever happens, in any order, and wherever it is cut off."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.drivers.gate import GpioGate
from hw.errors import DeviceError
from hw.gate_settings import GATE_OUTPUTS, POTENTIAL_CAP, GateSettings, LineSettings
from hw.ports import Lamp, Side
from hw.sim.clock import ManualClock
from hw.sim.turnstile import RelayMove, SimulatedTurnstile

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.ports import Edge

LINES: dict[str, Any] = {"stop": 24, "buzzer": 25, "ready": 12, "fire": 13, "readback_a": 19, "readback_b": 26}
POLARITIES: list[dict[str, Any]] = [
    {},
    {"outputs_active_low": True},
    {"line": {"unlock_a": LineSettings(active_low=True), "stop": LineSettings(active_low=True)}},
]
TICK = 0.05

_side = st.sampled_from(Side)
COMMANDS = st.one_of(
    st.tuples(st.just("unlock"), _side, st.sampled_from([0.1, 0.3, 1.5])),
    st.tuples(st.just("hold"), _side, st.booleans()),
    st.tuples(st.just("relock"), _side),
    st.tuples(st.just("stop"), st.booleans()),
    st.tuples(st.just("lamp"), st.sampled_from(Lamp)),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.25, 2.0])),
)
LIVES = st.lists(st.tuples(st.lists(COMMANDS, max_size=6), st.sampled_from(["close", "kill", "kill kept"])), max_size=4)
"""What a program does from its start to its end, and which end that is, life after life on one turnstile."""


class Bench:
    """One turnstile, and one program after the other that has its lines."""

    def __init__(self, changes: dict[str, Any], mode: Any) -> None:
        self.clock = ManualClock(start=100.0)
        self.settings = GateSettings(**LINES, **changes, mode=mode)
        self.turnstile = SimulatedTurnstile(self.settings, self.clock)
        self.gates: list[GpioGate] = []
        self.edges: list[Edge] = []

    def start(self) -> GpioGate:
        gate = GpioGate(self.settings, self.turnstile.pin_factory, self.clock)
        self.gates.append(gate)
        gate.open(self.edges.append)
        return gate

    def perform(self, gate: GpioGate, command: tuple[Any, ...]) -> None:
        match command:
            case ("unlock", side, seconds):
                gate.unlock(side, seconds)
            case ("hold", side, on):
                gate.hold(side, on=on)
            case ("relock", side):
                gate.relock(side)
            case ("stop", on):
                gate.stop(on=on)
            case ("lamp", lamp):
                gate.indicate(lamp)
            case ("wait", seconds):
                self.clock.advance(seconds)

    def relays(self) -> dict[Side, bool]:
        return {side: self.turnstile.active(f"unlock_{side.value}") for side in Side}

    def active(self) -> list[str]:
        return [name for name in GATE_OUTPUTS if self.turnstile.active(name)]

    def rises(self) -> int:
        return sum(isinstance(move, RelayMove) and move.active for move in self.turnstile.moves)

    def clear(self) -> None:
        for gate in self.gates:
            gate.close()
        self.turnstile.close()


@pytest.mark.parametrize("changes", POLARITIES, ids=["active high", "active low", "mixed"])
@pytest.mark.parametrize("mode", ["pulse", "potential"])
@given(lives=LIVES)
@settings(max_examples=40, deadline=None)
def test_only_a_command_ever_energises_a_relay(
    changes: dict[str, Any], mode: str, lives: list[tuple[list[tuple[Any, ...]], str]]
) -> None:
    bench = Bench(changes, mode)
    try:
        for commands, end in lives:
            before = bench.rises()
            gate = bench.start()
            assert bench.rises() == before, "opening energised a relay"
            assert bench.active() == [], "whatever a dead program left on is off from the claim on"
            for command in commands:
                before = bench.rises()
                bench.perform(gate, command)
                if command[0] not in ("unlock", "hold"):
                    assert bench.rises() == before, f"{command} energised a relay"
            before, left = bench.rises(), bench.active()
            if end == "close":
                gate.close()
            else:
                bench.turnstile.pin_factory.lose_process(kept=end == "kill kept")
            assert bench.rises() == before, f"{end} energised a relay"
            # The one thing no program can do: make its lines safe after its death, on a kernel that keeps them driven.
            assert bench.active() == (left if end == "kill kept" else [])
            bench.clock.advance(TICK)
            assert bench.rises() == before
    finally:
        bench.clear()


@pytest.mark.parametrize("changes", POLARITIES, ids=["active high", "active low", "mixed"])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
def test_killed_in_a_pulse_and_started_again(changes: dict[str, Any], kept: bool, after: float) -> None:  # noqa: FBT001
    bench = Bench(changes, "pulse")
    gate = bench.start()
    gate.unlock(Side.A, 0.3)
    gate.hold(Side.B, on=True)
    gate.stop(on=True)
    bench.clock.advance(after)
    bench.turnstile.pin_factory.lose_process(kept=kept)
    assert bench.relays() == {Side.A: kept, Side.B: kept}
    bench.clock.advance(2.0)
    assert bench.relays() == {Side.A: kept, Side.B: kept}, "the dead program's own threads move nothing"
    bench.start()
    assert bench.active() == []
    bench.clock.advance(2.0)
    assert bench.active() == []
    bench.clear()


class Cut(BaseException):
    """The program is cut off right here."""


@pytest.mark.parametrize("changes", POLARITIES, ids=["active high", "active low", "mixed"])
def test_cut_off_at_any_line_while_opening_or_closing(changes: dict[str, Any]) -> None:
    """Each claim and each write of a line is once the last thing the program does."""
    for stop_at in itertools.count():
        bench = Bench(changes, "pulse")
        factory, calls = bench.turnstile.pin_factory, itertools.count()
        forward: Callable[[int, bool | None], None] = factory.on_output

        def on_output(
            line: int,
            level: bool | None,  # noqa: FBT001
            calls: Any = calls,
            forward: Callable[[int, bool | None], None] = forward,
            last: int = stop_at,
        ) -> None:
            forward(line, level)
            if next(calls) == last:
                raise Cut

        factory.on_output = on_output
        cut = False
        try:
            gate = bench.start()
            bench.clock.advance(0.5)
            gate.close()
        except Cut:
            cut = True
        except DeviceError:
            cut = True  # a line that failed while it was claimed
        assert bench.rises() == 0
        factory.on_output = forward
        factory.lose_process(kept=False)
        assert bench.active() == []
        bench.clear()
        if not cut:
            assert stop_at >= len(GATE_OUTPUTS), "every output was claimed once"
            return


@pytest.mark.parametrize("mode", ["pulse", "potential"])
@given(
    asks=st.lists(
        st.tuples(_side, st.floats(0.05, 20.0), st.floats(0.01, 4.0), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_the_cap_holds_in_both_modes_whatever_is_asked(mode: str, asks: list[tuple[Side, float, float, bool]]) -> None:
    """On the wire, not in the driver's own state: no pulse is longer than the cap from its first moment."""
    bench = Bench({}, mode)
    cap = 1.5 if mode == "pulse" else POTENTIAL_CAP
    gate = bench.start()
    try:
        for side, seconds, gap, relock in asks:
            if seconds > cap:
                with pytest.raises(ValueError, match="at most"):
                    gate.unlock(side, seconds)
            else:
                gate.unlock(side, seconds)
            bench.clock.advance(gap)
            if relock:
                gate.relock(side)
        bench.clock.advance(cap + 1.0)
        assert bench.active() == []
        for side in Side:
            moves = [move for move in bench.turnstile.moves if isinstance(move, RelayMove) and move.side is side]
            for on, off in itertools.pairwise(moves):
                assert not on.active or off.timestamp - on.timestamp <= cap + 1e-6
    finally:
        bench.clear()
