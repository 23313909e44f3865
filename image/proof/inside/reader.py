"""Checks of the card reader's driver: cards as edges of two kernel lines."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from hw.ports import CredentialRead

CARDS: Final = 50
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
    # What a machine that stands still does to a card is not the driver's; that it reads no other number is.
    need(right >= CARDS // 2, f"{right} of {CARDS} cards were read; {late} were sent too slowly")
    return (
        f"{right} of {CARDS} read, none wrong, {late} sent too slowly; bits {duration(PERIOD)} apart, low for "
        f"{duration(percentile(cards.widths, 0.5))} (median); number known after {spread(waits)}"
    )


CHECKS: Final = (
    Check(
        "Wiegand card ← kernel edges",
        "26-bit cards as pulls of two gpio-sim lines; the kernel's times of the edges, the shipped reader",
        _cards,
        180,
    ),
)
