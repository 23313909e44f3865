"""The passages of the last day, read past the program that writes them: a restart need not forget who is where."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from controller.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_NEWEST_FIRST = """
    SELECT boot_id, monotonic, wall, clock, person, detail FROM entry
    WHERE kind = 'passage' ORDER BY era DESC, seq DESC LIMIT ?"""


class Passage(NamedTuple):
    """Somebody who went through."""

    person: str | None
    """None: nobody knows who."""
    direction: str
    """A `Direction` value."""
    at: float
    """Monotonic seconds of this boot; below zero where it was before that."""


class _Detail(msgspec.Struct):
    direction: str = ""
    outcome: str = ""


def recent_passages(
    path: Path, *, boot_id: str, monotonic: float, wall: float | None, seconds: float, most: int = 100_000
) -> list[Passage]:
    """Completed passages of the last `seconds`, oldest first.

    `boot_id`, `monotonic` and `wall` (Unix seconds; None: not known) are of now. A passage of an earlier boot whose
    time cannot be told is left out. Raises `StoreError`; an absent file has none.
    """
    if not path.exists():
        return []
    found = []
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)) as query:
            for boot, then, unix, clock, person, detail in query.execute(_NEWEST_FIRST, (most,)):
                at = then
                if boot != boot_id:
                    if wall is None or clock != "synchronised":
                        continue
                    at = monotonic - (wall - unix)
                if monotonic - at >= seconds:
                    break
                told = msgspec.json.decode(detail, type=_Detail)
                if told.outcome == "completed":
                    # None is yet to come, though a clock that was put back says so: all later ones would be ignored.
                    found.append(Passage(person, told.direction, min(at, monotonic)))
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise StoreError(f"journal {path}: passages cannot be read: {error}") from error
    return found[::-1]
