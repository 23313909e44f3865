"""OSDP (IEC 60839-11-5): a reader on RS-485 that answers, is encrypted, and shows on its own lamp how a passage stands.

The protocol is libosdp's, an extra; this is its control panel. One that is not heard of is made anew every few seconds,
since after a failed secure channel the library itself would wait for five minutes.
"""

from __future__ import annotations

import importlib
import logging
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hw.drivers.wiegand import PinPad, decode, forms_of
from hw.errors import DeviceError, DeviceMissing
from hw.ports import CredentialRead, Lamp, ReaderState, ReadKind, unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.bus import ByteLine
    from hw.clock import Clock
    from hw.settings import ReaderSettings

POLL: Final = 0.02
"""Seconds between two looks at the line; the library wants at most 50 ms."""
PATIENCE: Final = 8.0
"""Seconds for a reader to come online, or back, before the channel is made anew; a stale channel is dropped in 8 s."""
AGAIN: Final = 2.0
"""Seconds between attempts to open a port that is gone."""
SILENCE: Final = 1.5
"""Seconds without a byte after which it is gone: it is asked every 50 ms. The library itself takes 8 s to say so."""
PD: Final = 0
"""The library's number of the only reader."""
MUTE: Final = 0
"""Its log level: it would print to the program's own standard error; what counts is said here."""
_KEYS: Final = {0x7F: "*", 0x0D: "#", **{ord(digit): digit for digit in "0123456789"}}
"""OSDP's keypad reply."""

_BLACK, _RED, _GREEN, _AMBER, _BLUE = range(5)
SHOWN: Final = {
    Lamp.IDLE: (_BLUE, _BLUE, 0),
    Lamp.LOOK: (_AMBER, _AMBER, 0),
    Lamp.GO: (_GREEN, _GREEN, 1),
    Lamp.STOP: (_RED, _RED, 2),
    Lamp.WAIT: (_AMBER, _BLACK, 0),
    Lamp.ALARM: (_RED, _BLACK, 3),
}
"""Colours that the reader's lamp changes between (codes of osdp_LED), and how often it sounds."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class OsdpCounters:
    """What was read and dropped since `open`."""

    cards: int = 0
    keys: int = 0
    unknown_format: int = 0
    """Cards of another length than the configured formats'."""
    parity: int = 0
    insecure: int = 0
    """Reads that came outside of the secure channel, which were dropped."""
    renewed: int = 0
    """How often the channel was made anew."""
    failed_callbacks: int = 0


class _Channel:
    """The line, as the library wants it: whole or silent, and never an exception, which it would swallow."""

    def __init__(self, line: ByteLine) -> None:
        self.id = 0
        self.heard = 0
        self.lost: DeviceError | None = None
        self._line = line

    def read(self, max_bytes: int) -> bytes:
        try:
            data = self._line.read(max_bytes)
        except DeviceError as error:
            self.lost = error
            return b""
        self.heard += len(data)
        return data

    def write(self, buf: bytes) -> int:
        try:
            return self._line.write(bytes(buf))
        except DeviceError as error:
            self.lost = error
            return len(buf)

    def flush(self) -> None:
        """Drop nothing: what is stale has a wrong sequence number."""


class OsdpReader:
    """`hw.ports.CredentialReader` and `ReaderLamp` on a serial line.

    Args:
        settings: `port`, `address`, `secure_channel`, and the formats of its cards.
        line: closed.
        key: the secure channel's key, 16 bytes; asked for at each opening. Raises `DeviceError` kinds.
        clock: only waited on: the library has the machine's own time.
        patience: seconds for it to come online.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        line: ByteLine,
        key: Callable[[], bytes],
        clock: Clock,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._settings = settings
        self._line = line
        self._key = key
        self._clock = clock
        self._patience = patience
        self._forms = forms_of(settings)
        self._pad = PinPad(settings.key_timeout)
        self._stop = threading.Event()
        self._open = False
        self._on_read: Callable[[CredentialRead], None] = lambda _: None
        self._on_state: Callable[[ReaderState], None] = unheard
        self._library: Any = None
        self._panel: Any = None
        self._channel = _Channel(line)
        self._lamp = Lamp.IDLE
        self._shown: Lamp | None = None
        self._heard = 0
        self._heard_at = -math.inf
        self.counters = OsdpCounters()

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        """Open the line and start to poll; whether the reader answers is told to `on_state`. Raises `DeviceError`."""
        self._on_read, self._on_state = on_read, on_state
        self._library = _library()
        self._begin()
        self._open = True
        self._clock.spawn(self._service, "reader-osdp")
        secure = {"required": "encrypted", "install": "taking a key", "off": "NOT encrypted"}
        how = secure[self._settings.secure_channel]
        return f"osdp on {self._line.name}, address {self._settings.address}, {how}"

    def close(self) -> None:
        """Stop polling and let the line go."""
        self._open = False
        self._stop.set()
        self._line.close()

    def indicate(self, lamp: Lamp) -> None:
        """Show `lamp` on the reader; from any thread."""
        self._lamp = lamp

    def _begin(self) -> None:
        """Make a new channel on the line, freshly opened."""
        wanted, flags = self._settings, 0
        key = None if wanted.secure_channel == "off" else self._key()
        if wanted.secure_channel == "required":
            flags = self._library.FLAG_ENFORCE_SECURE
        elif wanted.secure_channel == "install":
            flags = self._library.FLAG_INSTALL_MODE
        self._line.close()
        self._line.open()
        self._channel = _Channel(self._line)
        self._library.set_loglevel(MUTE)
        self._panel = self._library.ControlPanel(
            [
                {
                    "name": "reader",
                    "address": wanted.address,
                    "flags": flags,
                    "scbk": key,
                    "channel": self._channel,
                    # Only a peripheral device says who it is.
                    **dict.fromkeys(("version", "model", "vendor_code", "serial_number", "firmware_version"), 0),
                }
            ]
        )
        self._panel.set_event_callback(self._take)
        self._shown = None

    def _service(self) -> None:
        up, told, changed = False, "", self._clock.monotonic()
        while self._open and not self._clock.wait(self._stop, POLL):
            self._panel.refresh()
            now = self._clock.monotonic()
            if self._channel.heard != self._heard:
                self._heard, self._heard_at = self._channel.heard, now
            online = self._online() and now - self._heard_at < SILENCE
            if online != up:
                up, changed, told = online, now, ""
                if up:
                    self._on_state(ReaderState(up=True, text=f"address {self._settings.address} answers"))
            if up:
                self._show()
            elif self._channel.lost is not None or now - changed > self._patience:
                # Said once for each reason, however long it lasts.
                why = self._why()
                if why != told and self._open:
                    told = why
                    self._on_state(ReaderState(up=False, text=why))
                while not self._renew() and not self._clock.wait(self._stop, AGAIN):
                    continue
                changed = self._clock.monotonic()

    def _online(self) -> bool:
        up = bool(self._panel.status() & 1) and self._channel.lost is None
        return up and (self._settings.secure_channel == "off" or bool(self._panel.sc_status() & 1))

    def _why(self) -> str:
        where = f"[reader] {self._line.name}, address {self._settings.address}"
        if self._channel.lost is not None:
            return f"{where}: {self._channel.lost}"
        if self._clock.monotonic() - self._heard_at < SILENCE:
            return (
                f"{where}: somebody answers, but no secure channel comes about: another key (a new reader takes one "
                f'with `secure_channel = "install"`), another address, two readers of one address, or noise'
            )
        return f"{where}: nobody answers: is it powered, A and B not swapped, `address` and `baud` as it was set?"

    def _renew(self) -> bool:
        self.counters.renewed += 1
        try:
            self._begin()
        except DeviceError:
            return False
        return True

    def _show(self) -> None:
        lamp = self._lamp
        if lamp is self._shown:
            return
        self._shown = lamp
        first, second, sounds = SHOWN[lamp]
        led = {
            "command": self._library.CMD_LED,
            "reader": 0,
            "led_number": 0,
            "temporary": False,
            "control_code": 1,
            "on_count": 3,
            "off_count": 3,
            "on_color": first,
            "off_color": second,
            "timer_count": 0,
        }
        self._panel.submit_command(PD, led)
        if sounds:
            tone = {"control_code": 2, "on_count": 2, "off_count": 2, "rep_count": sounds}
            self._panel.submit_command(PD, {"command": self._library.CMD_BUZZER, "reader": 0, **tone})

    def _take(self, _pd: int, event: dict[str, Any]) -> int:
        """An event of the reader, on the polling thread; 0: taken."""
        library, kind = self._library, event["event"]
        if kind in (library.EVENT_CARDREAD, library.EVENT_KEYPRESS) and not self._online():
            self.counters.insecure += 1
        elif kind == library.EVENT_CARDREAD:
            self._card(event)
        elif kind == library.EVENT_KEYPRESS:
            for code in event["data"]:
                self._press(code)
        elif kind == library.EVENT_STATUS and event["type"] == library.STATUS_REPORT_LOCAL:
            self._status(event["report"])
        return 0

    def _card(self, event: dict[str, Any]) -> None:
        data = bytes(event["data"])
        # A reader that sends its cards as characters can be set to send their bits.
        length = -1 if event["format"] == self._library.CARD_FMT_ASCII else int(event["length"])
        form = self._forms.get(length)
        bits = tuple(byte >> place & 1 for byte in data for place in range(7, -1, -1))[: max(length, 0)]
        if form is None or len(bits) < length:
            self.counters.unknown_format += 1
            _log.warning("[reader] %d bits (-1: characters) are no card of a configured format", length)
            return
        value = decode(bits, form)
        if value is None:
            self.counters.parity += 1
            _log.warning("[reader] a card's parity is wrong")
            return
        self._report(ReadKind.CARD, value)

    def _press(self, code: int) -> None:
        key = _KEYS.get(code)
        if key is None or not self._settings.keypad:
            return
        self.counters.keys += 1
        entered = self._pad.press(key, self._clock.monotonic())
        if entered is not None:
            self._report(ReadKind.PIN, entered)

    def _status(self, report: bytes) -> None:
        """osdp_LSTATR: tamper and power failure, a byte each."""
        tampered, unpowered = report[:1] > b"\0", report[1:2] > b"\0"
        text = "its housing is open" if tampered else "its housing is closed"
        self._on_state(ReaderState(up=True, text=text + (", its power fails" if unpowered else ""), tampered=tampered))

    def _report(self, kind: ReadKind, value: str) -> None:
        self.counters.cards += kind is ReadKind.CARD
        try:
            self._on_read(CredentialRead(kind, value, self._clock.monotonic()))
        except Exception:  # noqa: BLE001 - whatever a callback does, the next card is still read
            self.counters.failed_callbacks += 1
            _log.exception("[reader] the callback failed")


def _library() -> Any:
    try:
        return importlib.import_module("osdp_sys")
    except ImportError as error:
        raise DeviceMissing(
            f"[reader] osdp needs the extra thermogate[osdp] (wheels for x86-64 and aarch64; elsewhere a C compiler "
            f"and CMake build it): {error}"
        ) from error
