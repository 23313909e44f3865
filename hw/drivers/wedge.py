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
CONTROLS: Final = frozenset({29, 97})
ALT, ALT_GR, CAPS_LOCK = 56, 100, 58
ALT_DIGITS: Final = 10
"""Digits of a character's number, Alt held; the largest is one of four bytes in GB 18030."""

MODIFIERS: Final = SHIFTS | CONTROLS | {ALT, ALT_GR}
UNTYPED: Final = CONTROLS | {ALT, ALT_GR}
"""With one of these held, a key is no character of the layout."""

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
        alt_codes: what numbers mean that are keyed in with Alt held, as scanners do for what no layout has:
            `unicode`, `gbk` or `utf-8`.
    """

    def __init__(self, layout: str, terminator: str, timeout: float, alt_codes: str = "unicode") -> None:
        self._keys = key_map(layout)
        self._ends = {"enter": {ENTER, KEYPAD_ENTER}, "tab": {TAB}, "none": set[int]()}[terminator]
        self._timeout = timeout
        self._alt_codes = alt_codes
        self._alt = ""
        """Digits since Alt went down."""
        self._bytes = bytearray()
        """Of a character in UTF-8 that is not complete."""
        self._caps = False
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
            self._spoiled = bool(self._text or self._alt or self._bytes) or self._spoiled
            return ended
        if event.code in MODIFIERS:
            (self._held.add if event.down else self._held.discard)(event.code)
            if event.code == ALT and not event.down:
                self._last = at
                self._alt_code()
            return ended
        if not event.down:
            return ended
        if event.code == CAPS_LOCK:
            self._caps = not self._caps
            return ended
        self._last = at
        if event.code in self._ends:
            return self._end() or ended
        self._type(event.code)
        return ended

    def settle(self, at: float) -> str | None:
        """What silence has ended by `at`: a text where nothing else ends one, else what is dropped."""
        if not (self._text or self._spoiled or self._bytes) or at - self._last < self._timeout:
            return None
        if not self._ends:
            return self._end()
        self._drop()
        return None

    def _type(self, code: int) -> None:
        pair = self._keys.get(code)
        if ALT in self._held and code in _KEYPAD and len(self._alt) < ALT_DIGITS:
            self._alt += _KEYPAD[code]
        elif pair is None or self._held & UNTYPED or self._bytes:
            # A text with a hole in it would be another text.
            self._spoiled = True
        else:
            shifted = bool(self._held & SHIFTS)
            self._add(pair[shifted is not (self._caps and pair[0].isalpha())])

    def _add(self, character: str) -> None:
        if len(self._text) >= LONGEST:
            self._spoiled = True
        else:
            self._text.append(character)

    def _alt_code(self) -> None:
        """A character by its number."""
        digits, self._alt = self._alt, ""
        if not digits:
            return
        character = self._character(int(digits)) if digits.isdigit() else None
        if character is None or not character.isprintable():
            self._spoiled = True
        elif character:
            self._add(character)

    def _character(self, number: int) -> str | None:
        """The character of a number; empty where it is a part of one, None where there is none."""
        try:
            if self._alt_codes == "unicode" or number < 0x80:
                return chr(number) if not self._bytes else None
            if self._alt_codes == "gbk":
                return number.to_bytes(4).lstrip(b"\0").decode("gb18030")
            self._bytes.append(number)
            character = self._bytes.decode("utf-8")
        except UnicodeDecodeError as error:
            # At the end: more bytes belong to it.
            part = self._alt_codes == "utf-8" and error.reason == "unexpected end of data"
            return "" if part else None
        except (ValueError, OverflowError):
            return None
        self._bytes.clear()
        return character

    def _end(self) -> str | None:
        if self._spoiled or self._bytes:
            self._drop()
            return None
        text, self._text = "".join(self._text).strip(), []
        return text or None

    def _drop(self) -> None:
        self.dropped += 1
        self._alt = ""
        self._bytes.clear()
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
        self.typist = Typist(settings.layout, settings.terminator, settings.type_timeout, settings.alt_codes)

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
