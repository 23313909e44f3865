"""Match scores of the people who passed, from a journal's file, while the gate may be writing it."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import msgspec

from controller.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_QUERY = """
    SELECT person, wall, detail FROM entry
    WHERE person IS NOT NULL AND clock = 'synchronised' ORDER BY era, seq"""


class _Detail(msgspec.Struct):
    score: float | None = None


def read_scores(path: Path) -> dict[str, list[tuple[dt.date, float]]]:
    """(local day, score) of each person's recognitions, in their order; empty where there is no journal.

    Only what was recorded with a clock that was right, and only where somebody was recognised: a face that fell below
    the threshold is nobody's. Raises `StoreError` naming the file.
    """
    if not path.exists():
        return {}
    found: dict[str, list[tuple[dt.date, float]]] = {}
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            for person, wall, detail in connection.execute(_QUERY):
                score = msgspec.json.decode(detail, type=_Detail).score
                if score is not None:
                    day = dt.datetime.fromtimestamp(wall).astimezone().date()
                    found.setdefault(person, []).append((day, score))
        finally:
            connection.close()
    except (sqlite3.Error, msgspec.MsgspecError) as error:
        raise StoreError(f"journal {path}: cannot be read: {error}") from error
    return found
