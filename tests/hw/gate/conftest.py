"""A lane under test: the real driver on gpiozero's mock pins over the simulated turnstile, in time moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from hw.drivers.gate import GpioGate
from hw.ports import Edge, Side, Signal
from hw.settings import GateSettings
from hw.sim.clock import ManualClock
from hw.sim.turnstile import RelayMove, SimulatedTurnstile

if TYPE_CHECKING:
    from collections.abc import Callable

ALL_LINES: dict[str, Any] = {
    "unlock_a": 17,
    "unlock_b": 27,
    "stop": 24,
    "lamp_go": 22,
    "lamp_stop": 23,
    "buzzer": 25,
    "pass_a": 5,
    "pass_b": 6,
    "ready": 12,
    "fire": 13,
    "tamper": 16,
    "key": 20,
}


@dataclass
class Lane:
    """Driver, turnstile and what the driver reported."""

    clock: ManualClock
    settings: GateSettings
    mechanics: SimulatedTurnstile
    gate: GpioGate
    edges: list[Edge] = field(default_factory=list)

    @property
    def turnstile(self) -> SimulatedTurnstile:
        return self.mechanics

    def relay_moves(self, side: Side = Side.A) -> list[tuple[float, bool]]:
        """What the unlock line did: (seconds, active), rounded to microseconds."""
        moves = [move for move in self.turnstile.moves if isinstance(move, RelayMove) and move.side is side]
        return [(round(move.timestamp, 6), move.active) for move in moves]

    def edges_of(self, signal: Signal) -> list[bool]:
        return [edge.active for edge in self.edges if edge.signal is signal]

    def pin_levels(self, key: str) -> list[int]:
        """gpiozero's own log of the levels of one line."""
        return [int(state.state) for state in self.turnstile.pin_factory.pin(getattr(self.settings, key)).states]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start=100.0)


@pytest.fixture
def build(clock: ManualClock, keep: Callable[..., Lane]) -> Callable[..., Lane]:
    """Make a lane; keyword arguments go to the settings, `turnstile` to the simulated turnstile."""

    def make(*, opened: bool = True, turnstile: dict[str, Any] | None = None, **changes: Any) -> Lane:
        settings = GateSettings(**(ALL_LINES | changes))
        sim = SimulatedTurnstile(settings, clock, **(turnstile or {}))
        lane = Lane(clock, settings, sim, GpioGate(settings, sim.pin_factory, clock))
        return keep(lane, opened=opened, settles=0.2)

    return make


@pytest.fixture
def lane(build: Callable[..., Lane]) -> Lane:
    return build()
