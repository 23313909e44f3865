"""The mechanics of a turnstile's lock, without pins, threads or a clock of its own: who may push the arm, and why.

Behaves as tripods and speed gates are documented to: in pulse mode an unlock of at least 100 ms is latched until one
passage or 5 s (PERCo, TiSO), and a relay held for over 3 s means HOLD OPEN (PG300); in potential mode the side is free
while the relay is on. Fire and key free both sides; STOP blocks entry; egress is free by construction.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final, Literal

from hw.ports import Side

SHORTEST_PULSE: Final = 0.1
LATCH_TIME: Final = 5.0
HOLD_OPEN: Final = 3.0


class Opening(enum.Enum):
    """What let an arm give way."""

    PULSE = "pulse"
    HELD = "held"
    EGRESS = "free egress"
    FIRE = "fire"
    KEY = "key"
    WELDED = "welded relay"
    FOLLOWED = "followed"
    FORCED = "forced"


@dataclass(slots=True)
class _Relay:
    commanded: bool = False
    welded: bool = False
    dead: bool = False
    """Its coil is broken."""
    since: float = -math.inf
    """When it last closed."""
    spent: bool = True
    """The unlock was used up by a passage."""

    @property
    def closed(self) -> bool:
        return (self.commanded and not self.dead) or self.welded


class Arm:
    """The lock of both directions. Every method takes the time; times never go back."""

    def __init__(self, mode: Literal["pulse", "potential"], entry: Side, *, free_egress: bool) -> None:
        self._mode = mode
        self._entry = entry
        self._free_egress = free_egress
        self._relays = {side: _Relay() for side in Side}
        self.stop = False
        self.fire = False
        self.key = False

    def command(self, side: Side, now: float, *, closed: bool) -> None:
        """The relay of `side` is told to close or open."""
        relay = self._relays[side]
        before, relay.commanded = relay.closed, closed
        self._switched(relay, now, before=before)

    def weld(self, side: Side, now: float, *, on: bool) -> None:
        """The contacts of the relay of `side` stick together from now on, whatever is commanded, or come apart."""
        relay = self._relays[side]
        before, relay.welded = relay.closed, on
        self._switched(relay, now, before=before)

    def break_coil(self, side: Side, now: float, *, on: bool) -> None:
        """The relay of `side` pulls no more, whatever is commanded, or does again."""
        relay = self._relays[side]
        before, relay.dead = relay.closed, on
        self._switched(relay, now, before=before)

    def closed(self, side: Side) -> bool:
        """Whether the contacts of the relay of `side` are closed."""
        return self._relays[side].closed

    def _switched(self, relay: _Relay, now: float, *, before: bool) -> None:
        if relay.closed and not before:
            relay.since, relay.spent = now, False
        elif before and not relay.closed and now < relay.since + SHORTEST_PULSE:
            relay.spent = True  # too short for the turnstile to notice

    def opening(self, side: Side, now: float) -> Opening | None:
        """Why `side` gives way at `now`; None: it is locked."""
        if self.fire:
            return Opening.FIRE
        if self.key:
            return Opening.KEY
        if self.stop and side is self._entry:
            return None
        return self._unlocked(self._relays[side], now) or self._egress(side)

    def use(self, side: Side) -> None:
        """Somebody passes: a latched unlock is used up."""
        self._relays[side].spent = True

    def next_change(self, now: float) -> float:
        """When `opening` may next say more than it does now, without a further call; infinity: never."""
        changes = (
            relay.since + after
            for relay in self._relays.values()
            for after in (SHORTEST_PULSE, HOLD_OPEN)
            if relay.closed
        )
        return min((at for at in changes if at > now), default=math.inf)

    def _egress(self, side: Side) -> Opening | None:
        return Opening.EGRESS if self._free_egress and side is not self._entry else None

    def _unlocked(self, relay: _Relay, now: float) -> Opening | None:
        # Compared as `next_change` computes them, or rounding could wake the arm a hair too early and never again.
        if relay.closed and (self._mode == "potential" or now >= relay.since + HOLD_OPEN):
            return Opening.HELD if relay.commanded else Opening.WELDED
        latched = relay.since + SHORTEST_PULSE <= now < relay.since + LATCH_TIME and not relay.spent
        if latched and self._mode == "pulse":
            return Opening.WELDED if relay.welded and not relay.commanded else Opening.PULSE
        return None
