"""Simulated readers below their drivers: wires that fall as Wiegand's do, and a keyboard that types.

They share no code with the drivers: parities and key codes are written down here once more.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from hw.bus import KeyEvent
from hw.errors import DeviceClosed, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw.clock import Clock

BIT: Final = 0.002
"""Seconds between two bits."""
_DIGITS: Final = {"1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11, "*": 55}
_ENTER: Final = 28


def card_26(facility: int, number: int) -> list[int]:
    """The bits of a 26-bit card: even parity, 8 bits of facility, 16 of number, odd parity."""
    middle = [int(one) for one in f"{facility:08b}{number:016b}"]
    return [sum(middle[:12]) % 2, *middle, (sum(middle[12:]) + 1) % 2]


class SimulatedWires:
    """`hw.bus.Wires` that somebody holds cards to."""

    name = "simulated wires"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._on_fall: Callable[[int, float], None] | None = None

    def open(self, on_fall: Callable[[int, float], None]) -> None:
        """Report edges from now on."""
        self._on_fall = on_fall

    def close(self) -> None:
        """Report none any more."""
        self._on_fall = None

    def send(self, bits: Sequence[int], *, spacing: float = BIT) -> None:
        """A reader sends bits; they arrive together, each with its moment, as an event queue hands them over."""
        now = self._clock.monotonic()
        self.edges([(bit, now + place * spacing) for place, bit in enumerate(bits)])

    def edges(self, edges: Sequence[tuple[int, float]]) -> None:
        """Any edges, (wire, seconds)."""
        for wire, at in edges:
            if self._on_fall is not None:
                self._on_fall(wire, at)

    def hold(self, facility: int, number: int) -> None:
        """Somebody holds a 26-bit card to the reader."""
        self.send(card_26(facility, number))


class SimulatedKeys:
    """`hw.bus.KeySource` that somebody scans codes with, or unplugs."""

    name = "simulated keys"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: deque[KeyEvent] = deque()
        self._wake = threading.Event()
        self._opened = False
        self.plugged = True
        self.opened = 0
        """How often it was opened."""

    def open(self) -> str:
        """Grab it."""
        if not self.plugged:
            raise DeviceMissing(f"{self.name}: unplugged")
        self._opened = True
        self.opened += 1
        return "a simulated scanner"

    def read(self, timeout: float) -> list[KeyEvent]:
        """Wait for keys."""
        if not self._opened:
            raise DeviceClosed(f"{self.name}: closed")
        if not self._events:
            self._clock.wait(self._wake, timeout)
        self._wake.clear()
        if not self.plugged:
            raise DeviceMissing(f"{self.name}: unplugged")
        found, self._events = list(self._events), deque()
        return found

    def close(self) -> None:
        """Let it go."""
        self._opened = False
        self._wake.set()

    def press(self, *codes: int, down: bool = True) -> None:
        """Keys of these codes go down, and up again unless they are held."""
        for code in codes:
            self._events.append(KeyEvent(code, down))
            if down:
                self._events.append(KeyEvent(code, down=False))
        self._wake.set()

    def scan(self, digits: str) -> None:
        """A scanner types digits and Enter."""
        self.press(*(_DIGITS[one] for one in digits), _ENTER)

    def unplug(self) -> None:
        """Pull the plug."""
        self.plugged = False
        self._wake.set()
