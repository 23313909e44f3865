"""Wiegand: a card's bits as falling edges of two wires, D0 for 0 and D1 for 1 (SIA AC-01).

A bit is a low pulse of 20 to 100 us, bits are 0.2 to 20 ms apart, silence ends a card. There is no more than parity to
tell a damaged one: what has no configured length, fails its parity, or has both wires fall together is counted and
dropped, and the person presents it again.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from hw.ports import CredentialRead, ReaderState, ReadKind, unheard
from hw.settings import WIEGAND_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw.bus import Wires
    from hw.clock import Clock
    from hw.settings import ReaderSettings, Span, WiegandFormat

LONGEST: Final = 128
"""Bits after which a burst is noise, whatever follows."""
SWAPPED_AFTER: Final = 3
"""Cards in a row that would be right with D0 and D1 exchanged; one may be noise."""
KEYS: Final = "0123456789*#"
PIN_MOST: Final = 32
"""Keys that are kept of one entry."""

_log = logging.getLogger(__name__)

Bits = tuple[int, ...]


@dataclass(slots=True)
class WiegandCounters:
    """What was dropped since `open`."""

    cards: int = 0
    keys: int = 0
    ringing: int = 0
    """Edges too soon after one of the same wire."""
    spoiled: int = 0
    """Bursts in which both wires fell together: crosstalk, or two cards at once."""
    wrong_length: int = 0
    parity: int = 0
    swapped: int = 0
    """Of these, cards that would be right with D0 and D1 exchanged."""
    failed_callbacks: int = 0


class FrameAssembler:
    """Edges to bursts of bits. Pure: times come with the edges.

    Args:
        gap: seconds of silence that end a burst.
        glitch: seconds within which a second edge of the same wire is ringing, and one of the other wire spoils all.
    """

    def __init__(self, gap: float, glitch: float, counters: WiegandCounters) -> None:
        self._gap, self._glitch, self._counters = gap, glitch, counters
        self._bits: list[int] = []
        self._last = -math.inf
        self._last_wire = -1
        self._spoiled = False

    @property
    def pending(self) -> bool:
        """Whether a burst has begun."""
        return bool(self._bits)

    def feed(self, wire: int, at: float) -> Bits | None:
        """Take an edge; returns the burst that had ended before it."""
        since = at - self._last
        ended = self.end() if self._bits and not since < self._gap else None
        if self._bits and since <= self._glitch:
            if wire == self._last_wire:
                self._counters.ringing += 1
                return ended
            self._spoiled = True
        self._bits.append(wire)
        self._last, self._last_wire = at, wire
        # What is too long is noise already; the rest of it must not fill the memory.
        del self._bits[LONGEST + 1 :]
        return ended

    def end(self) -> Bits | None:
        """The burst, now that there was silence; None where both wires fell together in it."""
        bits, self._bits, spoiled, self._spoiled = tuple(self._bits), [], self._spoiled, False
        if spoiled:
            self._counters.spoiled += 1
            return None
        return bits


def forms_of(settings: ReaderSettings) -> dict[int, WiegandFormat]:
    """The configured formats by their number of bits."""
    forms = [*(WIEGAND_FORMATS[name] for name in settings.formats), *settings.custom]
    return {form.bits: form for form in forms}


def decode(bits: Sequence[int], form: WiegandFormat) -> str | None:
    """The card's number, `FACILITY-NUMBER` where the format has both; None where a parity is wrong.

    `bits` has the format's length.
    """
    if form.even is not None and sum(_cut(bits, form.even)) % 2:
        return None
    if form.odd is not None and not sum(_cut(bits, form.odd)) % 2:
        return None
    number = str(_number(_cut(bits, form.number)))
    return number if form.facility is None else f"{_number(_cut(bits, form.facility))}-{number}"


def encode(form: WiegandFormat, number: int, facility: int = 0) -> Bits:
    """The bits of a card, parity and all. Raises ValueError for a number that does not fit."""
    bits = [0] * form.bits
    for value, span in ((number, form.number), (facility, form.facility)):
        if span is None:
            continue
        width = span[1] - span[0] + 1
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit into {width} bits")
        bits[span[0] : span[1] + 1] = [value >> place & 1 for place in reversed(range(width))]
    if form.even is not None:
        bits[form.even[0]] ^= sum(_cut(bits, form.even)) % 2
    if form.odd is not None:
        bits[form.odd[1]] ^= 1 - sum(_cut(bits, form.odd)) % 2
    return tuple(bits)


def key_of(bits: Bits) -> str | None:
    """The key of a burst of 4 bits, or of 8 whose first half is the complement of the second; None: not a key."""
    value = _number(bits)
    if len(bits) == 8:
        if value >> 4 != ~value & 0xF:
            return None
        value &= 0xF
    return KEYS[value] if value < len(KEYS) else None


class PinPad:
    """Keys to `NUMBER*PIN`, ended by #. Two * in a row, or a pause, begin anew."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._text = ""
        self._last = -math.inf

    def clear(self) -> None:
        """Forget what was not ended: somebody else is there."""
        self._text = ""

    def press(self, key: str, at: float) -> str | None:
        """Take a key; returns what was entered when it ends there."""
        if at - self._last > self._timeout:
            self._text = ""
        self._last = at
        if key == "#":
            text, self._text = self._text, ""
            return text or None
        self._text = "" if key == "*" and self._text.endswith("*") else (self._text + key)[:PIN_MOST]
        return None


class WiegandReader:
    """`hw.ports.CredentialReader` on two wires.

    The wires call in from whatever thread sees their edges and only leave a note; a thread of the reader does the rest.
    """

    def __init__(self, settings: ReaderSettings, wires: Wires, clock: Clock) -> None:
        self._settings = settings
        self._wires = wires
        self._clock = clock
        self._forms = forms_of(settings)
        self._notes: deque[tuple[int, float, float]] = deque()
        self._wake = threading.Event()
        self._open = False
        self._on_read: Callable[[CredentialRead], None] = lambda _: None
        self._on_state: Callable[[ReaderState], None] = unheard
        self._swapped = 0
        """Cards in a row that would be right with the wires exchanged."""
        self.counters = WiegandCounters()
        self._frames = FrameAssembler(settings.frame_gap, settings.glitch, self.counters)
        self._pad = PinPad(settings.key_timeout)

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        """Claim the wires and report what is read. Raises `DeviceError` naming the line.

        A silent reader and a cut cable look alike, so `on_state` is told of exchanged wires only.
        """
        self._on_read, self._on_state = on_read, on_state
        self._wires.open(self._note)
        self._open = True
        self._clock.spawn(self._service, "reader-wiegand")
        lengths = ", ".join(str(bits) for bits in sorted(self._forms))
        return f"wiegand on {self._wires.name}, {lengths} bits"

    def close(self) -> None:
        """Let the wires go."""
        self._open = False
        self._wake.set()
        self._wires.close()

    def _note(self, wire: int, at: float) -> None:
        self._notes.append((wire, at, self._clock.monotonic()))
        self._wake.set()

    def _service(self) -> None:
        quiet_at = math.inf
        while self._open:
            self._clock.wait(self._wake, quiet_at - self._clock.monotonic())
            self._wake.clear()
            # Two wires may be two queues of the kernel: what arrives together is put in the order of its moments.
            batch = sorted((self._notes.popleft() for _ in range(len(self._notes))), key=itemgetter(1))
            for wire, at, arrived in batch:
                quiet_at = arrived + self._settings.frame_gap
                self._take(self._frames.feed(wire, at), arrived)
            now = self._clock.monotonic()
            # Edges are stamped where they happen and arrive later: silence is counted from the arrival.
            if now >= quiet_at and not self._notes:
                quiet_at = math.inf
                self._take(self._frames.end(), now)

    def _take(self, bits: Bits | None, at: float) -> None:
        """A burst: a card, a key, or nothing that can be used."""
        if not bits:
            return
        form = self._forms.get(len(bits))
        if form is not None:
            self._card(bits, form, at)
            return
        key = key_of(bits) if self._settings.keypad and len(bits) in (4, 8) else None
        if key is None:
            self.counters.wrong_length += 1
            _log.warning("[reader] %d bits are no card of a configured format", len(bits))
            return
        self.counters.keys += 1
        entered = self._pad.press(key, at)
        if entered is not None:
            self._report(CredentialRead(ReadKind.PIN, entered, at))

    def _card(self, bits: Bits, form: WiegandFormat, at: float) -> None:
        value = decode(bits, form)
        if value is None:
            self.counters.parity += 1
            _log.warning("[reader] a card's parity is wrong")
            self._look_for_exchange(bits, form)
            return
        if self._swapped >= SWAPPED_AFTER:
            self._on_state(ReaderState(up=True, text=f"cards on {self._wires.name} are right again"))
        self._swapped = 0
        self.counters.cards += 1
        self._pad.clear()
        self._report(CredentialRead(ReadKind.CARD, value, at))

    def _look_for_exchange(self, bits: Bits, form: WiegandFormat) -> None:
        """A card's complement has right parity by chance one time in four, card after card only when wires are wrong.

        A format whose parities span an even number of bits cannot tell: its complement is as right as the card.
        """
        if decode(tuple(1 - bit for bit in bits), form) is None:
            self._swapped = 0
            return
        self.counters.swapped += 1
        self._swapped += 1
        if self._swapped == SWAPPED_AFTER:
            text = (
                f"[reader] {SWAPPED_AFTER} cards in a row would be right with D0 and D1 of {self._wires.name} exchanged"
            )
            self._on_state(ReaderState(up=False, text=f"{text}: swap the two wires, or `d0` and `d1`"))

    def _report(self, read: CredentialRead) -> None:
        try:
            self._on_read(read)
        except Exception:  # noqa: BLE001 - whatever a callback does, the next card is still read
            self.counters.failed_callbacks += 1
            _log.exception("[reader] the callback failed")


def _cut(bits: Sequence[int], span: Span) -> Sequence[int]:
    return bits[span[0] : span[1] + 1]


def _number(bits: Sequence[int]) -> int:
    return int("".join(map(str, bits)), 2)
