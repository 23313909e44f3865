"""OSDP with libosdp's own peripheral device at the other end of a pseudo-terminal: the whole protocol, both ways."""

from __future__ import annotations

import os
import pty
import queue
import random
import select
import sys
import threading
import tty
from typing import TYPE_CHECKING, Any

import pytest

from hw.clock import SystemClock
from hw.drivers.osdp import SHOWN, OsdpReader
from hw.drivers.wiegand import encode
from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing
from hw.linux.serial import SerialLine, read_key
from hw.ports import CredentialRead, Lamp, ReaderState, ReadKind
from hw.settings import WIEGAND_FORMATS, ReaderSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

osdp = pytest.importorskip("osdp", reason="libosdp is not installed")
sys_module = pytest.importorskip("osdp_sys")

KEY = bytes(range(16))
PATIENCE = 20.0
"""Seconds for what is waited for; it comes in fractions of one."""
W26 = WIEGAND_FORMATS["w26"]
CAPABILITIES = (
    osdp.Capability.OutputControl,
    osdp.Capability.LEDControl,
    osdp.Capability.AudibleControl,
    osdp.Capability.CardDataFormat,
    osdp.Capability.Readers,
    osdp.Capability.ContactStatusMonitoring,
    osdp.Capability.CommunicationSecurity,
)


class Cable:
    """A peripheral device's end: what it reads is kept, and noise may be put between."""

    def __init__(self, descriptor: int) -> None:
        self.id = 0
        self.descriptor = descriptor
        self.heard = b""
        self.sent = b""

    def read(self, most: int) -> bytes:
        try:
            data = os.read(self.descriptor, most)
        except (BlockingIOError, OSError):
            return b""
        self.heard += data
        return data

    def write(self, data: bytes) -> int:
        self.sent += data
        return os.write(self.descriptor, data)

    def flush(self) -> None:
        pass


class Peripheral:
    """A card reader, by libosdp."""

    def __init__(
        self, descriptor: int, *, address: int = 3, key: bytes | None = KEY, flags: tuple[int, ...] = ()
    ) -> None:
        self.cable = Cable(descriptor)
        self.commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        info = osdp.PDInfo(address, self.cable, scbk=key, flags=list(flags))
        capabilities = osdp.PDCapabilities([(one, 1, 1) for one in CAPABILITIES])
        sys_module.set_loglevel(0)
        self._device = sys_module.PeripheralDevice(info.get(), capabilities=capabilities.get())
        self._device.set_command_callback(self._command)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _command(self, command: dict[str, Any]) -> tuple[int, None]:
        self.commands.put(command)
        return 0, None

    def _work(self) -> None:
        while not self._over.is_set():
            select.select([self.cable.descriptor], [], [], 0.01)
            with self._lock:
                self._device.refresh()

    def tell(self, **event: object) -> None:
        with self._lock:
            assert self._device.submit_event({"reader_no": 0, **event})

    def card(self, facility: int, number: int) -> None:
        bits = "".join(map(str, encode(W26, number, facility)))
        data = int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
        self.tell(event=osdp.Event.CardRead, direction=0, format=osdp.CardFormat.Wiegand, length=26, data=data)

    def keys(self, data: bytes) -> None:
        self.tell(event=osdp.Event.KeyPress, data=data)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


class Desk:
    """The driver on one end of a pseudo-terminal, a peripheral device on the other."""

    def __init__(self, **settings: object) -> None:
        self.master, self.slave = pty.openpty()
        for end in (self.master, self.slave):
            tty.setraw(end)
        os.set_blocking(self.master, False)
        port = os.ttyname(self.slave)
        chosen = ReaderSettings(driver="osdp", port=port, address=3, keypad=True, **settings)  # type: ignore[arg-type]
        self.reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
        self.states: queue.SimpleQueue[ReaderState] = queue.SimpleQueue()
        line = SerialLine(port, 9600)
        self.reader = OsdpReader(chosen, line, lambda: KEY, SystemClock(), patience=1.5)
        self.devices: list[Peripheral] = []

    def plug(self, **how: Any) -> Peripheral:
        self.devices.append(Peripheral(self.master, **how))
        return self.devices[-1]

    def open(self) -> str:
        return self.reader.open(self.reads.put, self.states.put)

    def state(self, *, up: bool) -> str:
        """The next state of that kind."""
        while True:
            state = self.states.get(timeout=PATIENCE)
            if state.up is up:
                return state.text

    def close(self) -> None:
        self.reader.close()
        for device in self.devices:
            device.stop()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def make() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def build(**settings: object) -> Desk:
        desks.append(Desk(**settings))
        return desks[-1]

    yield build
    for desk in desks:
        desk.close()


def command_of(device: Peripheral, kind: int) -> dict[str, Any]:
    while True:
        command = device.commands.get(timeout=PATIENCE)
        if command["command"] == kind:
            return command


def test_cards_and_pins_come_through_the_secure_channel(make: Callable[..., Desk]) -> None:
    desk = make()
    device = desk.plug()
    assert "address 3, encrypted" in desk.open()
    assert "answers" in desk.state(up=True)
    device.card(123, 45678)
    read = desk.reads.get(timeout=PATIENCE)
    assert (read.kind, read.value) == (ReadKind.CARD, "123-45678")
    device.keys(b"20417\x7f4711\r")
    read = desk.reads.get(timeout=PATIENCE)
    assert (read.kind, read.value) == (ReadKind.PIN, "20417*4711")
    bits = "".join(map(str, encode(W26, 45678, 123))).ljust(32, "0")
    assert int(bits, 2).to_bytes(4, "big") not in device.cable.sent, "the number is not on the wire in the clear"


def test_without_a_secure_channel_the_number_is_on_the_wire(make: Callable[..., Desk]) -> None:
    """The check above can fail: what is switched off is readable."""
    desk = make(secure_channel="off")
    device = desk.plug(key=None)
    assert "NOT encrypted" in desk.open()
    desk.state(up=True)
    device.card(123, 45678)
    assert desk.reads.get(timeout=PATIENCE).value == "123-45678"
    bits = "".join(map(str, encode(W26, 45678, 123))).ljust(32, "0")
    assert int(bits, 2).to_bytes(4, "big") in device.cable.sent


def test_a_damaged_or_foreign_card_is_none(make: Callable[..., Desk]) -> None:
    desk = make()
    device = desk.plug()
    desk.open()
    desk.state(up=True)
    card = {"event": osdp.Event.CardRead, "direction": 0, "format": osdp.CardFormat.Wiegand}
    device.tell(**card, length=26, data=bytes(4))
    device.tell(**card, length=27, data=bytes(4))
    device.tell(**card, length=40, data=bytes(5))
    device.card(1, 2)
    assert desk.reads.get(timeout=PATIENCE).value == "1-2"
    counters = desk.reader.counters
    assert (counters.cards, counters.parity, counters.unknown_format) == (1, 1, 2)


def test_the_lamp_and_the_sounder_follow_the_lane(make: Callable[..., Desk]) -> None:
    desk = make()
    device = desk.plug()
    desk.reader.indicate(Lamp.GO)
    desk.open()
    led, sound = command_of(device, osdp.Command.LED), command_of(device, osdp.Command.Buzzer)
    assert (led["on_color"], led["off_color"]) == (osdp.CommandLEDColor.Green, osdp.CommandLEDColor.Green)
    assert sound["rep_count"] == 1
    desk.reader.indicate(Lamp.ALARM)
    led, sound = command_of(device, osdp.Command.LED), command_of(device, osdp.Command.Buzzer)
    assert (led["on_color"], led["off_color"]) == (osdp.CommandLEDColor.Red, osdp.CommandLEDColor.Black)


def test_everything_that_a_lamp_tells_can_be_shown() -> None:
    assert set(SHOWN) == set(Lamp)


def test_an_opened_housing_is_told(make: Callable[..., Desk]) -> None:
    desk = make()
    device = desk.plug()
    desk.open()
    desk.state(up=True)
    for tampered in (1, 0):
        device.tell(event=osdp.Event.Status, type=osdp.StatusReportType.Local, report=bytes([tampered, 0]))
        state = desk.states.get(timeout=PATIENCE)
        assert (state.up, state.tampered) == (True, bool(tampered))


def test_another_key_is_told_from_silence_and_the_right_one_is_taken(make: Callable[..., Desk]) -> None:
    desk = make()
    wrong = desk.plug(key=bytes(16))
    desk.open()
    assert "somebody answers, but no secure channel comes about: another key" in desk.state(up=False)
    wrong.stop()
    device = desk.plug()
    desk.state(up=True)
    device.card(1, 2)
    assert desk.reads.get(timeout=PATIENCE).value == "1-2"


def test_nobody_at_the_address_is_said_with_what_to_look_for(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.plug(address=4)
    desk.open()
    assert "address 3: nobody answers: is it powered" in desk.state(up=False)
    assert desk.states.empty(), "said once"


def test_a_reader_that_knows_no_key_is_not_listened_to(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.plug(key=None)
    desk.open()
    assert "no secure channel" in desk.state(up=False)


def test_a_reader_that_was_off_comes_back(make: Callable[..., Desk]) -> None:
    desk = make()
    first = desk.plug()
    desk.open()
    desk.state(up=True)
    first.stop()
    assert "nobody answers" in desk.state(up=False)
    second = desk.plug()
    desk.state(up=True)
    second.card(3, 4)
    assert desk.reads.get(timeout=PATIENCE).value == "3-4"


def test_noise_on_the_line_costs_no_card(make: Callable[..., Desk]) -> None:
    desk = make()
    device = desk.plug()
    desk.open()
    desk.state(up=True)
    dice = random.Random(1)
    for number in range(5):
        os.write(desk.master, dice.randbytes(dice.randint(1, 40)))
        device.card(1, number)
        assert desk.reads.get(timeout=PATIENCE).value == f"1-{number}"


def test_a_new_reader_takes_the_key_only_where_that_is_asked_for(make: Callable[..., Desk]) -> None:
    desk = make(secure_channel="install")
    device = desk.plug(key=None, flags=(osdp.LibFlag.InstallMode,))
    assert "taking a key" in desk.open()
    keyset = command_of(device, osdp.Command.Keyset)
    assert bytes(keyset["data"]) == KEY


def test_a_cable_that_is_pulled_is_an_error_that_names_the_port(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.plug()
    desk.open()
    desk.state(up=True)
    desk.reader._line.close()
    assert "is closed" in desk.state(up=False)
    assert "answers" in desk.state(up=True), "and is opened again"


def test_without_the_library_the_extra_is_named(make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osdp_sys", None)
    with pytest.raises(DeviceMissing, match=r"needs the extra thermogate\[osdp\]"):
        make().open()


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"driver": "osdp"}, "needs `port`"),
        ({"driver": "wedge", "device": "/dev/x", "port": "/dev/y"}, "and no other, needs `port`"),
        ({"driver": "osdp", "port": "/dev/y", "address": 127}, "<= 126"),
    ],
)
def test_a_reader_that_cannot_be_is_refused(settings: dict[str, object], wrong: str) -> None:
    import msgspec

    with pytest.raises((ValueError, msgspec.ValidationError), match=wrong):
        msgspec.convert(settings, ReaderSettings)


# The port and the key


def test_a_port_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="none is not there; by id there is: "):
        SerialLine(str(tmp_path / "none"), 9600).open()
    with pytest.raises(DeviceError, match="/dev/null: is no serial port"):
        SerialLine("/dev/null", 9600).open()
    closed = SerialLine("/dev/null", 9600)
    closed.close()
    for use in (lambda: closed.read(1), lambda: closed.write(b"x")):
        with pytest.raises(DeviceClosed):
            use()


def test_a_key_is_read_from_a_file_that_nobody_else_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "osdp.key"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(DeviceMissing, match=r"or the systemd credential osdp\.key"):
        read_key(None, "osdp.key")
    with pytest.raises(DeviceMissing, match="is not there"):
        read_key(str(path), "osdp.key")
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o640)
    with pytest.raises(DeviceDenied, match="chmod 600"):
        read_key(str(path), "osdp.key")
    path.chmod(0o600)
    assert read_key(str(path), "osdp.key") == KEY
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_key(None, "osdp.key") == KEY
    path.write_text("secret, but no key")
    with pytest.raises(DeviceError, match="32 hex digits") as caught:
        read_key(None, "osdp.key")
    assert "secret" not in str(caught.value)
