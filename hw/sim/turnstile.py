"""A simulated turnstile below the driver, at the level of lines: relays in, an arm that people push, contacts out.

The program's gate driver gets `pin_factory` and drives gpiozero's mock pins; the world calls `push`, `follow` and the
rest. What the relays did and who passed stands in `moves`, for the audit of a rehearsal.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import math
import random
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from hw.gate_settings import GATE_INPUTS, GATE_OUTPUTS
from hw.ports import ACTIVE_AT_REST, Side, Signal
from hw.sim.arm import Arm, Opening
from hw.sim.fixture import RELAY_OPERATES
from hw.sim.lines import WiredFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.gate_settings import GateSettings

PASS_PULSE: Final = 0.3
"""Length of a passage contact, seconds (TiSO)."""

PASS_AT: Final = 0.45
"""Where in a rotation the passage contact closes, as a fraction."""

INTRUSION_PULSE: Final = 1.0
"""Seconds for which the turnstile's own sensor tells of somebody who climbs through."""

PASS: Final = {Side.A: Signal.PASS_A, Side.B: Signal.PASS_B}

FOLLOW_WINDOW: Final = 0.4
"""Seconds after a rotation in which a tailgater may still slip through before the arm has locked."""


@dataclass(frozen=True, slots=True)
class RelayMove:
    """The program drove an unlock line to another level."""

    timestamp: float
    side: Side
    active: bool


@dataclass(frozen=True, slots=True)
class ArmPassage:
    """Somebody went through; the moment is that of the passage contact."""

    timestamp: float
    side: Side
    opened_by: Opening


class PushResult(enum.Enum):
    """What came of leaning on the arm. True where it gave way."""

    ROTATES = "rotates"
    BLOCKED = "blocked"
    OCCUPIED = "occupied"

    def __bool__(self) -> bool:
        return self is PushResult.ROTATES


class Fault(enum.Enum):
    """What may be wrong with a turnstile."""

    RELAY_WELDED = "relay welded"
    COIL_BROKEN = "relay coil broken"
    PASS_STUCK = "passage contact stuck closed"
    PASS_BROKEN = "passage contact broken"
    CONTACT_BOUNCE = "contact bounce"
    ARM_JAMMED = "arm jammed half-way"


@dataclass(slots=True, eq=False)
class _Leaner:
    side: Side
    gave_way: threading.Event


class SimulatedTurnstile:
    """One lane's turnstile. Every method may be called from any thread; pins move on the turnstile's own.

    Args:
        settings: the wiring, as the driver has it.
        clock: whose time the arm moves in.
        entry: the direction that STOP blocks.
        free_egress: the other direction needs no unlock.
        rotation: seconds of one passage, from the push until the arm is home.
        seed: of the contacts' bounce.
    """

    def __init__(
        self,
        settings: GateSettings,
        clock: Clock,
        *,
        entry: Side = Side.A,
        free_egress: bool = True,
        rotation: float = 1.2,
        seed: int = 0,
    ) -> None:
        self.moves: list[RelayMove | ArmPassage] = []
        """Every change of an unlock line and every passage, in order."""
        self.pin_factory = WiredFactory(self._output_changed)
        self._settings = settings
        self._clock = clock
        self._rotation = rotation
        self._random = random.Random(seed)
        self._arm = Arm(settings.mode, entry, free_egress=free_egress)
        self._keys = {line: key for key in GATE_OUTPUTS if (line := getattr(settings, key)) is not None}
        self._active = dict.fromkeys(GATE_OUTPUTS, False)
        at_rest = {signal.value for signal in ACTIVE_AT_REST}
        self._contacts = {name: name in at_rest for name in GATE_INPUTS}
        """What each contact says, by its name in the settings."""
        self._faults: set[tuple[Fault, Side]] = set()
        self._rotating: Side | None = None
        self._home_at = -math.inf
        self._last_home: tuple[Side | None, float] = (None, -math.inf)
        self._followers = 0
        self._leaners: list[_Leaner] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        for name, active in self._contacts.items():
            self._drive(name, active=active)
        self._thread = clock.spawn(self._run, "turnstile")

    # What people do

    def push(self, side: Side, *, seconds: float = 0.0) -> PushResult:
        """Lean on the arm towards `side` for up to `seconds`; returns once it gives way, and it turns by itself then.

        OCCUPIED: somebody else was in the arm all the time.
        """
        leaner = _Leaner(side, threading.Event())
        with self._lock:
            self._leaners.append(leaner)
            self._let_through()
        self._clock.wait(leaner.gave_way, seconds)
        with self._lock:
            if leaner.gave_way.is_set():
                return PushResult.ROTATES
            self._leaners.remove(leaner)
            return PushResult.BLOCKED if self._rotating is None else PushResult.OCCUPIED

    def follow(self, side: Side) -> PushResult:
        """Slip through behind somebody, in the opening that was theirs."""
        with self._lock:
            home_side, home_at = self._last_home
            if self._rotating is side:
                self._followers += 1
                return PushResult.ROTATES
            late = self._clock.monotonic() - home_at > FOLLOW_WINDOW
            if self._rotating is not None or home_side is not side or late:
                return PushResult.BLOCKED
            self._turn(side, Opening.FOLLOWED)
            return PushResult.ROTATES

    def force(self, side: Side) -> PushResult:
        """Climb over or break through, locked or not."""
        with self._lock:
            if self._rotating is not None:
                return PushResult.OCCUPIED
            self._turn(side, Opening.FORCED)
            if self._settings.intrusion is not None:
                over = self._clock.monotonic() + INTRUSION_PULSE
                self._signal(Signal.INTRUSION, active=True)
                self._at(over, partial(self._signal, Signal.INTRUSION, active=False))
            return PushResult.ROTATES

    def press_fire(self, on: bool) -> None:  # noqa: FBT001 - reads well: press_fire(True)
        """The fire panel's contact, wired straight to the turnstile: both sides free while on."""
        with self._lock:
            self._arm.fire = on
            self._signal(Signal.FIRE, active=on)
        self._wake.set()

    def turn_key(self, on: bool) -> None:  # noqa: FBT001
        """The mechanical key: both sides free while on."""
        with self._lock:
            self._arm.key = on
            self._signal(Signal.KEY, active=on)
        self._wake.set()

    def open_cover(self, on: bool) -> None:  # noqa: FBT001
        """The tamper contact of the housing."""
        self._signal(Signal.TAMPER, active=on)

    def cut_mains(self, on: bool) -> None:  # noqa: FBT001
        """The mains supply fails, and the gate goes on on its battery; or it comes back."""
        self._signal(Signal.MAINS, active=not on)

    def inject(self, fault: Fault, side: Side = Side.A) -> None:
        """Break something of `side`."""
        self._set_fault(fault, side, on=True)

    def repair(self, fault: Fault, side: Side = Side.A) -> None:
        """Mend it again; a jammed arm goes home."""
        self._set_fault(fault, side, on=False)

    # What can be seen

    @property
    def rotating(self) -> Side | None:
        """The direction somebody is passing in."""
        return self._rotating

    def active(self, output: str) -> bool:
        """Whether the program holds this output (`unlock_a`, `stop`, `lamp_go`, ...) at its active level."""
        return self._active[output]

    def passages(self, side: Side) -> list[ArmPassage]:
        """Who went through in this direction."""
        with self._lock:
            return [move for move in self.moves if isinstance(move, ArmPassage) and move.side is side]

    def close(self) -> None:
        """End the turnstile's thread; harmless when closed."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    # Relays

    def _output_changed(self, line: int, level: bool | None) -> None:  # noqa: FBT001 - an electrical level
        """A line let go floats to inactive, by the pull on the relay board."""
        key = self._keys.get(line)
        if key is None:
            return
        active = level is not None and level != self._settings.active_low(key)
        with self._lock:
            if active == self._active[key]:
                return
            self._active[key] = active
            if key == "stop":
                self._arm.stop = active
            elif key.startswith("unlock_"):
                side = Side(key.removeprefix("unlock_"))
                now = self._clock.monotonic()
                self.moves.append(RelayMove(now, side, active))
                self._arm.command(side, now, closed=active)
                self._follow_relay(side, now)
        self._wake.set()

    # The arm

    def _let_through(self) -> None:
        """Turn for the first of those leaning for whom the arm gives way. The caller holds the lock."""
        if self._rotating is not None:
            return
        now = self._clock.monotonic()
        for leaner in self._leaners:
            opening = self._arm.opening(leaner.side, now)
            if opening is not None:
                self._leaners.remove(leaner)
                leaner.gave_way.set()
                self._turn(leaner.side, opening)
                return

    def _turn(self, side: Side, opening: Opening) -> None:
        """Begin a passage. The caller holds the lock."""
        now = self._clock.monotonic()
        self._rotating = side
        if opening not in (Opening.FOLLOWED, Opening.FORCED):
            self._arm.use(side)
        self._home_at = now + self._rotation
        contact_at = now + PASS_AT * self._rotation
        self._signal(Signal.READY, active=False)
        self._at(contact_at, partial(self._pass, side, opening))
        self._at(contact_at + PASS_PULSE, partial(self._signal, PASS[side], active=False))
        self._at(self._home_at, partial(self._come_home, side))

    def _pass(self, side: Side, opening: Opening) -> None:
        with self._lock:
            self.moves.append(ArmPassage(self._clock.monotonic(), side, opening))
            self._signal(PASS[side], active=True)

    def _come_home(self, side: Side) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if self._rotating is not side or now < self._home_at or (Fault.ARM_JAMMED, side) in self._faults:
                return
            self._rotating = None
            self._last_home = (side, now)
            if self._followers:
                self._followers -= 1
                self._turn(side, Opening.FOLLOWED)
            else:
                self._signal(Signal.READY, active=True)

    def _set_fault(self, fault: Fault, side: Side, *, on: bool) -> None:
        with self._lock:
            contact = PASS[side].value
            now, before = self._clock.monotonic(), self._effective(contact)
            (self._faults.add if on else self._faults.discard)((fault, side))
            self._bounce(contact, before)
            if fault is Fault.RELAY_WELDED:
                self._arm.weld(side, now, on=on)
            elif fault is Fault.COIL_BROKEN:
                self._arm.break_coil(side, now, on=on)
            self._follow_relay(side, now)
            self._at(now, partial(self._come_home, side))  # an arm that was jammed

    # Contacts

    def _signal(self, signal: Signal, *, active: bool) -> None:
        """Move a contact, with its bounce."""
        self._move(signal.value, active=active)

    def _follow_relay(self, side: Side, now: float) -> None:
        """The auxiliary contact, where it is wired, goes with the relay's a little later."""
        name = f"readback_{side.value}"
        if getattr(self._settings, name) is not None:
            self._at(now + RELAY_OPERATES, lambda: self._move(name, active=self._arm.closed(side)))

    def _move(self, name: str, *, active: bool) -> None:
        with self._lock:
            before = self._effective(name)
            self._contacts[name] = active
            self._bounce(name, before)

    def _bounce(self, name: str, before: bool) -> None:  # noqa: FBT001 - a level
        """Drive what has become of a contact that was `before`; it flutters for a few ms. The caller holds the lock."""
        after = self._effective(name)
        if after == before:
            return
        at = self._clock.monotonic()
        flutters, longest = (12, 0.006) if self._chatters(name) else (2, 0.0015)
        for _ in range(flutters):
            for level in (after, before):
                self._at(at, partial(self._drive, name, active=level))
                at += self._random.uniform(0.2, 1.0) * longest
        self._at(at, partial(self._settle, name))

    def _settle(self, name: str) -> None:
        self._drive(name, active=self._effective(name))

    def _chatters(self, name: str) -> bool:
        return any(PASS[side].value == name and (Fault.CONTACT_BOUNCE, side) in self._faults for side in Side)

    def _effective(self, name: str) -> bool:
        """Whether the contact says the signal is active, faults included."""
        for side in Side:
            if PASS[side].value == name:
                if (Fault.PASS_BROKEN, side) in self._faults:
                    return False
                if (Fault.PASS_STUCK, side) in self._faults:
                    return True
        return self._contacts[name]

    def _drive(self, name: str, *, active: bool) -> None:
        line = getattr(self._settings, name)
        if line is not None:
            inverted = self._settings.active_low(name) != (name in self._settings.normally_closed)
            self.pin_factory.pin(line).set_contact(active != inverted)

    # The turnstile's thread

    def _at(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), action))
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._clock.wait(self._wake, self._remaining())
            self._wake.clear()
            while (action := self._due()) is not None:
                action()
            with self._lock:
                self._let_through()

    def _due(self) -> Callable[[], None] | None:
        with self._lock:
            if self._agenda and self._agenda[0][0] <= self._clock.monotonic():
                return heapq.heappop(self._agenda)[2]
            return None

    def _remaining(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            due = self._agenda[0][0] if self._agenda else math.inf
            return min(due, self._arm.next_change(now)) - now
