"""A keyboard of the kernel's own, made through /dev/uinput: grab, auto-repeat, unplugging, a second one of its kind."""

from __future__ import annotations

import fcntl
import os
import queue
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from hw.clock import SystemClock
from hw.drivers.wedge import WedgeReader
from hw.errors import DeviceError
from hw.linux.evdev import EVENT, EvdevSource
from hw.settings import ReaderSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw.ports import CredentialRead, ReaderState

UINPUT: Final = "/dev/uinput"
UI_SET_EVBIT, UI_SET_KEYBIT = 0x40045564, 0x40045565
UI_DEV_CREATE, UI_DEV_DESTROY = 0x5501, 0x5502
UI_GET_SYSNAME: Final = 0x8040552C
"""UI_GET_SYSNAME(64), _IOC(_IOC_READ, 'U', 44, 64) of linux/uinput.h."""
USER_DEV: Final = struct.Struct("80sHHHHI256i")
"""struct uinput_user_dev: name, bus, vendor, product, version, ff_effects_max, four arrays of 64."""
EV_SYN, EV_KEY, EV_REP = 0, 1, 20
PATIENCE: Final = 10.0
DIGITS: Final = {"1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11}

pytestmark = pytest.mark.skipif(not os.access(UINPUT, os.W_OK), reason="/dev/uinput is not here, or not for us")


class Keyboard:
    """One that types."""

    def __init__(self, name: str = "thermogate test scanner") -> None:
        self._descriptor = os.open(UINPUT, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        for kind in (EV_KEY, EV_REP):
            fcntl.ioctl(self._descriptor, UI_SET_EVBIT, kind)
        for code in range(1, 128):
            fcntl.ioctl(self._descriptor, UI_SET_KEYBIT, code)
        os.write(self._descriptor, USER_DEV.pack(name.encode(), 3, 0x1234, 0x5678, 1, 0, *[0] * 256))
        fcntl.ioctl(self._descriptor, UI_DEV_CREATE)
        sysname = fcntl.ioctl(self._descriptor, UI_GET_SYSNAME, bytes(64)).split(b"\0", 1)[0].decode()
        folder = Path("/sys/devices/virtual/input", sysname)
        (node,) = (entry.name for entry in folder.iterdir() if entry.name.startswith("event"))
        self.path = f"/dev/input/{node}"
        deadline = time.monotonic() + PATIENCE
        while not os.access(self.path, os.R_OK):  # devtmpfs or udev makes it
            assert time.monotonic() < deadline, f"{self.path} did not come"
            time.sleep(0.01)

    def send(self, code: int, value: int) -> None:
        os.write(self._descriptor, EVENT.pack(0, 0, EV_KEY, code, value) + EVENT.pack(0, 0, EV_SYN, 0, 0))

    def scan(self, digits: str) -> None:
        for code in [*(DIGITS[one] for one in digits), 28]:
            self.send(code, 1)
            self.send(code, 0)

    def unplug(self) -> None:
        if self._descriptor >= 0:
            fcntl.ioctl(self._descriptor, UI_DEV_DESTROY)
            os.close(self._descriptor)
            self._descriptor = -1


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    made = Keyboard()
    yield made
    made.unplug()


def test_a_scan_is_read_and_reaches_nobody_else(keyboard: Keyboard) -> None:
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    console = os.open(keyboard.path, os.O_RDONLY | os.O_NONBLOCK)
    reader = WedgeReader(
        ReaderSettings(driver="wedge", device=keyboard.path), EvdevSource(keyboard.path), SystemClock()
    )
    try:
        assert "thermogate test scanner" in reader.open(reads.put)
        keyboard.scan("0008046766")
        assert reads.get(timeout=PATIENCE).value == "0008046766"
        with pytest.raises(BlockingIOError):
            os.read(console, EVENT.size)
        with pytest.raises(DeviceError, match="another program has grabbed it"):
            EvdevSource(keyboard.path).open()
    finally:
        reader.close()
        os.close(console)


def test_a_key_that_repeats_is_pressed_once(keyboard: Keyboard) -> None:
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    reader = WedgeReader(
        ReaderSettings(driver="wedge", device=keyboard.path), EvdevSource(keyboard.path), SystemClock()
    )
    reader.open(reads.put)
    try:
        keyboard.send(2, 1)
        for _ in range(5):
            keyboard.send(2, 2)
        keyboard.send(2, 0)
        keyboard.scan("2")
        assert reads.get(timeout=PATIENCE).value == "12"
    finally:
        reader.close()


def test_one_that_is_unplugged_is_told(keyboard: Keyboard) -> None:
    states: queue.SimpleQueue[ReaderState] = queue.SimpleQueue()
    reader = WedgeReader(
        ReaderSettings(driver="wedge", device=keyboard.path), EvdevSource(keyboard.path), SystemClock()
    )
    reader.open(lambda _: None, states.put)
    try:
        keyboard.unplug()
        state = states.get(timeout=PATIENCE)
        assert (state.up, keyboard.path in state.text) == (False, True)
    finally:
        reader.close()


def test_two_of_one_model_are_two(keyboard: Keyboard) -> None:
    other = Keyboard()
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    reader = WedgeReader(ReaderSettings(driver="wedge", device=other.path), EvdevSource(other.path), SystemClock())
    reader.open(reads.put)
    try:
        keyboard.scan("111")
        other.scan("222")
        assert reads.get(timeout=PATIENCE).value == "222"
    finally:
        reader.close()
        other.unplug()
