"""Checks of the readers' drivers: cards as edges of two kernel lines, numbers as keys of a kernel's keyboard."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import time
from typing import TYPE_CHECKING, Final

from hw.board import linux_reader
from hw.settings import GateSettings, ReaderSettings
from image.proof.claims import duration, percentile, spread
from image.proof.inside.cards import PERIOD, Reader
from image.proof.inside.check import Check, need
from image.proof.inside.gate import pins
from image.proof.inside.keyboard import Keyboard

if TYPE_CHECKING:
    from hw.ports import CredentialRead, ReaderState

CARDS: Final = 50
SCANS: Final = 20
D0, D1 = 20, 21


def _cards() -> str:
    wires = pins()
    cards = Reader(wires, D0, D1)
    settings = ReaderSettings(driver="wiegand", d0=D0, d1=D1)
    reader = linux_reader(settings, GateSettings(chip=wires.chip))
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    reader.open(reads.put)
    dice = random.Random(26)  # noqa: S311 - numbers of cards, no secrets
    right = late = wrong = 0
    waits: list[float] = []
    try:
        for _ in range(CARDS):
            facility, number = dice.randrange(256), dice.randrange(65536)
            in_time = cards.present(facility, number)
            sent = time.monotonic()
            try:
                value = reads.get(timeout=2.0).value
            except queue.Empty:
                value = None
            waits.append(time.monotonic() - sent)
            right += value == f"{facility}-{number}"
            wrong += value not in (None, f"{facility}-{number}")
            late += not in_time
    finally:
        reader.close()
    need(not wrong, f"{wrong} of {CARDS} cards were read as another number")
    # What a machine that stands still does to a card as it is sent is not the driver's; all others are to be read.
    need(right >= CARDS - late, f"{right} of {CARDS} cards were read; {late} were sent too slowly")
    need(late < CARDS // 2, f"{late} of {CARDS} cards were sent too slowly")
    return (
        f"{right} of {CARDS} read, none wrong, {late} sent too slowly; bits {duration(PERIOD)} apart, low for "
        f"{duration(percentile(cards.widths, 0.5))} (median); number known after {spread(waits)}"
    )


def _typed() -> str:
    board = Keyboard("a scanner")
    reader = linux_reader(ReaderSettings(driver="wedge", device=board.path), GateSettings())
    reads: queue.SimpleQueue[CredentialRead] = queue.SimpleQueue()
    states: queue.SimpleQueue[ReaderState] = queue.SimpleQueue()
    console = os.open(board.path, os.O_RDONLY | os.O_NONBLOCK)
    waits: list[float] = []
    name = reader.open(reads.put, states.put)
    try:
        for number in range(SCANS):
            digits = f"{8046766 + 1237 * number:010d}"
            typed = time.monotonic()
            board.scan(digits)
            value = reads.get(timeout=5.0).value
            waits.append(time.monotonic() - typed)
            need(value == digits, f"number {number + 1} was read as another one")
        with contextlib.suppress(BlockingIOError):
            need(not os.read(console, 1024), "another program was typed to as well")
        board.unplug()
        state = states.get(timeout=5.0)
        need(not state.up, state.text)
    finally:
        reader.close()
        os.close(console)
    return f"{name}: {SCANS} of {SCANS} read, after {spread(waits)}, no key to another program; then “{state.text}”"


CHECKS: Final = (
    Check(
        "Wiegand card ← kernel edges",
        "26-bit cards as pulls of two gpio-sim lines; the kernel's times of the edges, the shipped reader",
        _cards,
        180,
    ),
    Check(
        "Keyboard-wedge reader ← kernel's keys",
        "a keyboard of the kernel's uinput types ten digits; the shipped reader, by evdev",
        _typed,
    ),
)
