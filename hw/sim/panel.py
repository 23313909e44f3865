"""A simulated access panel on two wires: it times what falls and rises by its own clock, and reads cards from that.

It shares no code with the sender: lengths, parities and times are written down here once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw.bus import Pulse
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock

LAYOUTS: Final = {26: (9, 17), 34: (17, 17), 37: (17, 20)}
"""Of each length: where the number begins, and how many bits from there on, parity and all."""


class SimulatedPanel:
    """`hw.bus.PulseTrain` with a panel at the other end.

    Args:
        clock: the world's.
        late: seconds by which each pulse, counted from 0 since the start, ends too late.
    """

    name = "simulated panel wires"
    remedy = "this is a rehearsal"

    def __init__(self, clock: Clock, late: Callable[[int], float] = lambda _place: 0.0) -> None:
        self._clock = clock
        self._late = late
        self._opened = False
        self._bits: list[int] = []
        self._heard = 0.0
        self._count = 0
        self.cut: set[int] = set()
        """Wires that are cut behind the program's end: their pulses are sent and do not arrive."""
        self.cards: list[str] = []
        """What the panel read, `FACILITY-NUMBER`."""
        self.dropped = 0
        """Bursts that were no card."""

    def open(self) -> str:
        """Rest."""
        self._opened = True
        return "timed by nobody"

    def play(self, wires: bytes, width: float, spacing: float, longest: float) -> list[Pulse]:
        """Let the panel see pulses."""
        if not self._opened:
            raise DeviceError(f"{self.name}: closed")
        seen: list[Pulse] = []
        for wire in wires:
            start = self._clock.monotonic()
            end = start + width + self._late(self._count)
            self._count += 1
            self._clock.sleep(spacing)
            if wire in self.cut:
                continue
            self._hear(wire, start, end)
            seen.append(Pulse(wire, start, start, end - start, end - start))
            if end - start > longest:
                break
        return seen

    def close(self) -> None:
        """Let go."""
        self._opened = False

    def listen(self) -> list[str]:
        """What the panel has read by now."""
        if self._bits and self._clock.monotonic() - self._heard > 0.03:
            self._end()
        return self.cards

    def _hear(self, wire: int, fell: float, rose: float) -> None:
        """Take a pulse: one of another width than a reader's is noise to the panel."""
        if self._bits and fell - self._heard > 0.03:
            self._end()
        self._heard = fell
        if 15e-6 <= rose - fell <= 120e-6:
            self._bits.append(wire)

    def _end(self) -> None:
        bits, self._bits = self._bits, []
        half = (len(bits) + 1) // 2
        odd_from = len(bits) - half
        layout = LAYOUTS.get(len(bits))
        if layout is None or sum(bits[:half]) % 2 or not sum(bits[odd_from:]) % 2:
            self.dropped += 1
            return
        first, count = layout
        text = "".join(map(str, bits))
        self.cards.append(f"{int(text[1:first], 2)}-{int(text[first : first + count - 1], 2)}")
