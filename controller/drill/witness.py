"""A gate that looks at the disk before it moves: which grants does another reader find there, at that very moment?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.ports import Edge, Gate, Lamp, Side, Signal


@dataclass(frozen=True, slots=True)
class Sighting:
    """An order to energise an unlock relay, and what was on disk when it came."""

    at: float
    """Monotonic seconds of the board's clock."""
    side: Side
    grants_on_disk: int
    unlocks: bool = True
    """For one passage; else to hold it free."""


class WitnessedGate:
    """Passes everything on to `gate`, after it has counted the grants on disk.

    What the relays really did is in the turnstile's own log; an order is matched to a move afterwards, and a move
    without an order stays without a witness.
    """

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self.sightings: list[Sighting] = []
        self._gate = gate
        self._clock = clock
        self._count_grants: Callable[[], int] = lambda: 0

    def watch(self, count_grants: Callable[[], int]) -> None:
        """Count with this from now on; before, there is no disk to look at and nothing counts."""
        self._count_grants = count_grants

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """See `hw.ports.Gate`."""
        self._gate.open(on_edge)

    def read(self, signal: Signal) -> bool | None:
        """See `hw.ports.Gate`."""
        return self._gate.read(signal)

    def unlock(self, side: Side, seconds: float) -> None:
        """See `hw.ports.Gate`."""
        self._look(side)
        self._gate.unlock(side, seconds)

    def hold(self, side: Side, *, on: bool) -> None:
        """See `hw.ports.Gate`."""
        if on:
            self._look(side, unlocks=False)
        self._gate.hold(side, on=on)

    def relock(self, side: Side) -> None:
        """See `hw.ports.Gate`."""
        self._gate.relock(side)

    def stop(self, *, on: bool) -> None:
        """See `hw.ports.Gate`."""
        self._gate.stop(on=on)

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        """See `hw.ports.Gate`."""
        self._gate.indicate(lamp, silent=silent)

    def mute(self, *, on: bool) -> None:
        """See `hw.ports.Gate`."""
        self._gate.mute(on=on)

    def close(self) -> None:
        """See `hw.ports.Gate`."""
        self._gate.close()

    def _look(self, side: Side, *, unlocks: bool = True) -> None:
        self.sightings.append(Sighting(self._clock.monotonic(), side, self._count_grants(), unlocks))
