"""A keyboard of the kernel's own, made through /dev/uinput: grab, auto-repeat, unplugging, a second one of its kind."""

from __future__ import annotations

import os
import queue
from typing import TYPE_CHECKING, Final

import pytest

from hw.clock import SystemClock
from hw.drivers.wedge import WedgeReader
from hw.errors import DeviceError
from hw.linux.evdev import EVENT, EvdevSource
from hw.settings import ReaderSettings
from image.proof.inside.keyboard import UINPUT, Keyboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw.ports import CredentialRead, ReaderState

NAME: Final = "thermogate test scanner"
PATIENCE: Final = 10.0
pytestmark = pytest.mark.skipif(not os.access(UINPUT, os.W_OK), reason="/dev/uinput is not here, or not for us")


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    made = Keyboard(NAME)
    yield made
    made.unplug()


def test_a_scan_is_read_and_reaches_nobody_else(keyboard: Keyboard) -> None:
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    console = os.open(keyboard.path, os.O_RDONLY | os.O_NONBLOCK)
    reader = WedgeReader(
        ReaderSettings(driver="wedge", device=keyboard.path), EvdevSource(keyboard.path), SystemClock()
    )
    try:
        assert NAME in reader.open(reads.put)
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
    other = Keyboard("another of the tests")
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
