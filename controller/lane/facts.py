"""What stands: orders, inputs and faults that outlast any one visit, and the state and outputs that follow from them.

Outputs that are held (FREE, EMERGENCY, STOP) are functions of the facts alone. So nothing can move them but a change of
a fact, and whatever ends a fact ends what it held.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.lane.effects import Prompt
from controller.lane.model import Direction, FaultKind
from controller.lane.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = frozenset(Direction)

LATCHED = frozenset({FaultKind.RELAY, FaultKind.SELF_TEST})
"""Faults that only an authorised reset (or, for the self-test, a passed one) ends. No order admits anyone meanwhile."""

DENYING = frozenset(
    {
        FaultKind.SENSOR_THERMAL,
        FaultKind.CAMERA,
        FaultKind.NOT_HOME,
        FaultKind.JOURNAL,
        FaultKind.ARM_STUCK,
        FaultKind.ARM_MOVED,
        FaultKind.ARM_CONTACTS,
        FaultKind.LOOP,
        FaultKind.PHOTOCELL,
        FaultKind.POWER,
    }
)
"""Faults that end with their cause. The lane admits nobody by itself; the guard still may, one by one."""


SIGHT = frozenset({FaultKind.SENSOR_THERMAL, FaultKind.CAMERA})
"""Without one of these a lane may be told to go on by the other; without both it sees nobody."""


class Phase(enum.Enum):
    """How far the program has come."""

    BOOT = "boot"
    SELFTEST = "selftest"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that stands."""

    phase: Phase = Phase.BOOT
    fire_line: bool = False
    emergency: bool = False
    """Latched by the fire line; ended by an authorised reset."""
    key: bool = False
    lockdown: bool = False
    maintenance: bool = False
    free: frozenset[Direction] = frozenset()
    """Directions that an order holds free."""
    asked: bool = False
    """Somebody inside asked to leave, at a door's button or on a barrier's inner loop, and may."""
    faults: frozenset[FaultKind] = frozenset()
    tampered: bool = False
    """The housing is open."""
    stuck: frozenset[Direction] = frozenset()
    """Passage contacts that are stuck: passages there are not seen, and unlocks are ended by time."""
    tolerated: frozenset[FaultKind] = frozenset()
    """Faults that policy says to live with (degraded)."""
    disobeying: frozenset[Direction] = frozenset()
    """Relays whose read-back differs from the command."""

    @property
    def latched(self) -> frozenset[FaultKind]:
        """Faults that put the lane out of service until a reset."""
        return self.faults & LATCHED

    @property
    def resettable(self) -> frozenset[FaultKind]:
        """Latched faults whose cause no longer stands."""
        return self.latched - ({FaultKind.RELAY} if self.disobeying else frozenset())

    @property
    def broken(self) -> frozenset[FaultKind]:
        """Every fault, a stuck contact included."""
        return self.faults | ({FaultKind.PASS_STUCK} if self.stuck else frozenset())

    @property
    def denying(self) -> frozenset[FaultKind]:
        """Faults that stop the lane from admitting anyone by itself."""
        tolerated = self.tolerated - SIGHT if self.faults >= SIGHT else self.tolerated
        return self.faults & DENYING - tolerated

    @property
    def stops_entry(self) -> bool:
        """Whether the turnstile's STOP is wanted."""
        return (self.lockdown or FaultKind.RELAY in self.faults) and not self.emergency and not self.key

    @property
    def held(self) -> frozenset[Direction]:
        """Directions whose lock is held open."""
        if self.emergency:
            return BOTH
        return self.free | {Direction.EXIT} if self.asked else self.free

    @property
    def admission_bar(self) -> str | None:
        """Why no order may open the entry now; None where one may."""
        state = resting(self)
        if state in _ORDERS_ADMIT or (state is State.FAULT and not self.latched):
            return None
        return state.value


_ORDERS_ADMIT = frozenset({State.FREE_ENTRY, State.FREE_BOTH, State.FREE_EXIT, State.LOCKED})

PRIORITY: tuple[tuple[State, Callable[[Facts], bool], str], ...] = (
    (State.EMERGENCY_OPEN, lambda facts: facts.emergency, "the fire line was active, and nobody has reset it"),
    (State.KEY_OVERRIDE, lambda facts: facts.key, "the guard's key is turned"),
    (State.BOOT, lambda facts: facts.phase is Phase.BOOT, "the program has just begun"),
    (State.SELFTEST, lambda facts: facts.phase is Phase.SELFTEST, "the self-test runs"),
    (State.LOCKDOWN, lambda facts: facts.lockdown, "lockdown is ordered: no entry, egress as ever"),
    (State.FAULT, lambda facts: bool(facts.latched), "a relay doesn't obey, or the self-test failed: until a reset"),
    (State.MAINTENANCE, lambda facts: facts.maintenance, "maintenance is ordered"),
    (State.FREE_BOTH, lambda facts: facts.free == BOTH, "both ways are ordered free"),
    (State.FREE_ENTRY, lambda facts: Direction.ENTRY in facts.free, "the entry is ordered free"),
    (State.FAULT, lambda facts: bool(facts.denying), "a sensor, the journal or the barrier's home position is missing"),
    (State.FREE_EXIT, lambda facts: Direction.EXIT in facts.free, "the exit is ordered free; the entry works as usual"),
    (State.LOCKED, lambda facts: facts.phase is Phase.READY, "nothing else stands"),
)
"""The standing state is the first whose condition holds: EMERGENCY > key > lockdown > free > normal."""


def resting(facts: Facts) -> State:
    """Return the standing state that the facts call for."""
    return next(state for state, holds, _ in PRIORITY if holds(facts))


_PROMPTS: dict[State, tuple[Prompt, str | None]] = {
    State.BOOT: (Prompt.WAIT, None),
    State.SELFTEST: (Prompt.WAIT, None),
    State.LOCKED: (Prompt.IDLE, None),
    State.FREE_ENTRY: (Prompt.FREE, None),
    State.FREE_EXIT: (Prompt.IDLE, None),
    State.FREE_BOTH: (Prompt.FREE, None),
    State.LOCKDOWN: (Prompt.DENIED, "lockdown"),
    State.EMERGENCY_OPEN: (Prompt.EMERGENCY, None),
    State.KEY_OVERRIDE: (Prompt.WAIT, "mechanical_key"),
    State.MAINTENANCE: (Prompt.OUT_OF_SERVICE, "maintenance"),
    State.FAULT: (Prompt.OUT_OF_SERVICE, "lane_fault"),
}


def standing_prompt(state: State) -> tuple[Prompt, str | None]:
    """Return what a standing state shows, and the reason beside it."""
    return _PROMPTS[state]
