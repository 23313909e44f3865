"""Synthetic files in the published layout: three header rows, blank separators, four rounds."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUND = ("T_offset", "T_LC", "canthiMax", "T_FH_Max", "T_Max")
SPOTS = ("aveAllR13_", "aveAllL13_")
OTHERS = ("aveOralF", "aveOralM", "Gender", "Age", "T_atm", "Humidity", "Distance", "Time", "Date")


@dataclass
class Published:
    """A file to be spoilt by a test before it is written."""

    names: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    bom: bool = True

    def column(self, name: str) -> int:
        return self.names.index(name)

    def write(self, path: Path) -> Path:
        blank = "," * (len(self.names) - 1)
        lines = ["Round 1:" + blank, "T̅_CR" + blank, ",".join(self.names), *(",".join(row) for row in self.rows)]
        path.write_text(("\ufeff" if self.bom else "") + "\r\n".join(lines) + "\r\n", encoding="utf-8")
        return path


def published(
    people: int = 120,
    *,
    seed: int = 1,
    febrile: int = 12,
    start: dt.date = dt.date(2017, 1, 9),
    spots: bool = False,
) -> Published:
    """Ten people a day, so many of them febrile, evenly spread; skin follows the room by 0.08 K/K.

    `spots`: with the circles of 13 pixels, 0.8 and 0.9 K below the face's maximum.
    """
    dice = random.Random(seed)
    names = ["SubjectID", ""]
    for at in range(1, 5):
        names += ["T_LC14" if (name, at) == ("T_LC", 4) else f"{name}{at}" for name in ROUND]
        names += [f"{name}{at}" for name in SPOTS] if spots else []
        names.append("")
    names += OTHERS
    rows = []
    for person in range(people):
        day = start + dt.timedelta(days=person // 10)
        sick = febrile and person % max(people // febrile, 1) == 0
        oral = dice.uniform(37.6, 39.2) if sick else min(dice.gauss(36.9, 0.25), 37.4)
        room = dice.uniform(21, 27)
        gap = dice.gauss(0, 0.2)
        row = [f"{day:%y%m%d}-{person % 10 + 1}", ""]
        for at in range(1, 5):
            skin = oral - 1.15 + 0.08 * (room - 24) + gap + dice.gauss(0, 0.1)
            mouth = 1.0 if at == 4 else 0.0
            values = (0.8, skin - 0.1, skin - 0.1, skin - 0.6, skin + mouth)
            row += [f"{value:.2f}" for value in values]
            row += [f"{skin - 0.8:.2f}", f"{skin - 0.9:.2f}"] if spots else []
            row.append("")
        minute = person % 10 * 45
        time = f"{9 + minute // 60}:{minute % 60:02d}:05"
        row += [
            f"{oral - 0.1:.2f}",
            f"{oral:.2f}",
            "Female",
            "21-30",
            f"{room:.1f}",
            "30",
            "0.6",
            time,
            f"{day:%y-%m-%d}",
        ]
        rows.append(row)
    return Published(names, rows)


@pytest.fixture
def make() -> Callable[..., Published]:
    """Makes a `Published` file."""
    return published
