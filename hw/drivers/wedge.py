"""A keyboard wedge: a USB reader or scanner that types what it read. Key codes in, credentials out.

Codes are Linux's (linux/input-event-codes.h); which character a key is depends on the layout the scanner was set to.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from typing import TYPE_CHECKING, Final

from hw.bus import LOST
from hw.errors import DeviceError
from hw.ports import CredentialRead, ReaderState, ReadKind, unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.bus import KeyEvent, KeySource
    from hw.clock import Clock
    from hw.settings import ReaderSettings

LONGEST: Final = 512
"""Characters beyond which what is typed is dropped."""
POLL: Final = 0.25
"""Seconds of one wait for a key."""
AGAIN: Final = 2.0
"""Seconds between attempts to find a reader that was lost."""
ENTER, KEYPAD_ENTER, TAB = 28, 96, 15
SHIFTS: Final = frozenset({42, 54})
ALT_GR: Final = 100

_ROWS: Final = {2: 12, 16: 12, 30: 11, 44: 10}
"""First code of each row of the main block, and how many keys it has (code 41 stands alone)."""
_US: Final = ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
_US_SHIFT: Final = ("!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"', "ZXCVBNM<>?")
_DE: Final = ("1234567890ß´", "qwertzuiopü+", "asdfghjklöä", "yxcvbnm,.-")
_DE_SHIFT: Final = ('!"§$%&/()=?`', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ", "YXCVBNM;:_")
_FR: Final = ("&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù", "wxcvbn,;:!")
_FR_SHIFT: Final = ("1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM%", "WXCVBN?./§")
LAYOUTS: Final = {"us": (_US, _US_SHIFT), "de": (_DE, _DE_SHIFT), "fr": (_FR, _FR_SHIFT)}
_EXTRA: Final = {
    "us": {41: "`~", 43: "\\|"},
    "de": {41: "^°", 43: "#'", 86: "<>"},
    "fr": {43: "*µ", 86: "<>"},
}
_KEYPAD: Final = {71: "7", 72: "8", 73: "9", 74: "-", 75: "4", 76: "5", 77: "6", 78: "+", 79: "1", 80: "2", 81: "3",
                  82: "0", 83: ".", 55: "*", 98: "/"}  # fmt: skip
_PIN: Final = re.compile(r"\d+\*\d+")

_log = logging.getLogger(__name__)


def key_map(layout: str) -> dict[int, tuple[str, str]]:
    """(plain, shifted) character of each key code."""
    keys = {57: (" ", " "), **{code: (one, one) for code, one in _KEYPAD.items()}}
    plain, shifted = LAYOUTS[layout]
    for (first, count), low, high in zip(_ROWS.items(), plain, shifted, strict=True):
        keys |= {first + place: (low[place], high[place]) for place in range(count)}
    return keys | {code: (pair[0], pair[1]) for code, pair in _EXTRA[layout].items()}


class Typist:
    """Keys to texts. Pure: times come with the keys.

    Args:
        layout: a key of `LAYOUTS`.
        terminator: `enter`, `tab`, or `none`: the timeout ends a text.
        timeout: seconds without a key after which a text that was not ended is dropped.
    """

    def __init__(self, layout: str, terminator: str, timeout: float) -> None:
        self._keys = key_map(layout)
        self._ends = {"enter": {ENTER, KEYPAD_ENTER}, "tab": {TAB}, "none": set[int]()}[terminator]
        self._timeout = timeout
        self._text: list[str] = []
        self._held: set[int] = set()
        self._last = -math.inf
        self._spoiled = False
        self.dropped = 0
        """Texts that were not ended, too long, or had a key that is no character."""

    def feed(self, event: KeyEvent, at: float) -> str | None:
        """Take an event; returns a text that it, or the silence before it, ended."""
        ended = self.settle(at)
        if event.code == LOST:
            self._held.clear()
            self._spoiled = bool(self._text) or self._spoiled
            return ended
        if event.code in SHIFTS or event.code == ALT_GR:
            (self._held.add if event.down else self._held.discard)(event.code)
            return ended
        if not event.down:
            return ended
        self._last = at
        if event.code in self._ends:
            return self._end() or ended
        self._type(event.code)
        return ended

    def settle(self, at: float) -> str | None:
        """What silence has ended by `at`: a text where nothing else ends one, else what is dropped."""
        if not (self._text or self._spoiled) or at - self._last < self._timeout:
            return None
        if not self._ends:
            return self._end()
        self._drop()
        return None

    def _type(self, code: int) -> None:
        pair = self._keys.get(code)
        if pair is None or ALT_GR in self._held or len(self._text) >= LONGEST:
            # A text with a hole in it would be another text.
            self._spoiled = True
        else:
            self._text.append(pair[bool(self._held & SHIFTS)])

    def _end(self) -> str | None:
        if self._spoiled:
            self._drop()
            return None
        text, self._text = "".join(self._text).strip(), []
        return text or None

    def _drop(self) -> None:
        self.dropped += 1
        self._text, self._spoiled = [], False


def kind_of(text: str, kind: str) -> ReadKind:
    """What a text is, where the settings leave it open (`auto`)."""
    if kind != "auto":
        return ReadKind(kind)
    if _PIN.fullmatch(text):
        return ReadKind.PIN
    return ReadKind.CARD if text.isascii() and text.isdigit() and len(text) <= 20 else ReadKind.QR


class WedgeReader:
    """`hw.ports.CredentialReader` on a grabbed keyboard. One that is unplugged is looked for again every 2 s."""

    def __init__(self, settings: ReaderSettings, keys: KeySource, clock: Clock) -> None:
        self._settings = settings
        self._source = keys
        self._clock = clock
        self._open = False
        self._stop = threading.Event()
        self._on_read: Callable[[CredentialRead], None] = lambda _: None
        self._on_state: Callable[[ReaderState], None] = unheard
        self.typist = Typist(settings.layout, settings.terminator, settings.type_timeout)

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        """Grab the keyboard. Raises `DeviceError` kinds."""
        self._on_read, self._on_state = on_read, on_state
        name = self._source.open()
        self._open = True
        self._clock.spawn(self._service, "reader-wedge")
        return f"{name} on {self._source.name}"

    def close(self) -> None:
        """Let it go."""
        self._open = False
        self._stop.set()
        self._source.close()

    def _service(self) -> None:
        while self._open:
            try:
                events = self._source.read(POLL)
            except DeviceError as error:
                if self._open:
                    self._on_state(ReaderState(up=False, text=str(error)))
                    self._find_again()
                continue
            now = self._clock.monotonic()
            for event in events:
                self._report(self.typist.feed(event, now), now)
            self._report(self.typist.settle(now), now)

    def _find_again(self) -> None:
        self._source.close()
        while self._open and not self._clock.wait(self._stop, AGAIN):
            try:
                name = self._source.open()
            except DeviceError:
                continue
            self._on_state(ReaderState(up=True, text=f"{name} on {self._source.name}"))
            return

    def _report(self, text: str | None, at: float) -> None:
        if text is None:
            return
        try:
            self._on_read(CredentialRead(kind_of(text, self._settings.kind), text, at))
        except Exception:  # noqa: BLE001 - whatever a callback does, the next card is still read
            _log.exception("[reader] the callback failed")
