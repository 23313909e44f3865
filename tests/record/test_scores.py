"""Match scores are read from the journal's file, of those who were recognised under a sure clock."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import pytest

from controller.errors import StoreError
from controller.record.schema import CREATE
from controller.record.scores import read_scores

if TYPE_CHECKING:
    from pathlib import Path

NOON = dt.datetime(2026, 9, 1, 12).astimezone()
ROWS = [
    ("grant", NOON.timestamp(), "synchronised", "p1", '{"score":0.71,"verdict":"normal"}'),
    ("grant", NOON.timestamp(), "unsynchronised", "p1", '{"score":0.4}'),
    ("grant", NOON.timestamp() + 86_400, "synchronised", "p1", '{"score":0.69}'),
    ("deny", NOON.timestamp(), "synchronised", None, '{"score":0.5}'),
    ("outcome", NOON.timestamp(), "synchronised", "p2", '{"outcome":"completed"}'),
]


def test_scores_of_the_recognised(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    assert read_scores(path) == {}
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(CREATE)
    connection.execute("INSERT INTO epoch VALUES (1, 7, 's', 'new', 0.0, 0, 0, x'00', 0)")
    for seq, (kind, wall, clock, person, detail) in enumerate(ROWS, start=1):
        connection.execute(
            "INSERT INTO entry VALUES (1, ?, 'b', ?, 1.0, ?, ?, NULL, ?, ?, NULL, x'00')",
            (seq, kind, wall, clock, person, detail),
        )
    connection.close()
    day = NOON.date()
    assert read_scores(path) == {"p1": [(day, 0.71), (day + dt.timedelta(days=1), 0.69)]}


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"journal\.sqlite3: cannot be read"):
        read_scores(path)
