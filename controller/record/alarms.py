"""The alarms that nobody has acknowledged, read past the program that writes the journal: a restart keeps them.

Whatever put an alarm on the list says so in its record, and the order that acknowledges silences all there are. So
those that stand are the ones since the latest such order; they are on disk with the record that told of them.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import TYPE_CHECKING, Final

import msgspec

from controller.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST: Final = 32
"""Different alarms at once; a lane knows fewer."""
_NEWEST_FIRST: Final = """
    SELECT kind, detail FROM entry
    WHERE detail LIKE '%"alarm":%' OR (kind = 'command' AND detail LIKE '%"acknowledge"%')
    ORDER BY era DESC, seq DESC"""
_REASON: Final = re.compile(r"[a-z_]{1,64}")


class _Detail(msgspec.Struct):
    alarm: str = ""
    command: str = ""
    accepted: bool = False


def standing_alarms(path: Path) -> tuple[str, ...]:
    """Reasons of the alarms that nobody has acknowledged, by name. Raises `StoreError`; an absent file has none."""
    if not path.exists():
        return ()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)) as query:
            return standing(query.execute(_NEWEST_FIRST))
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise StoreError(f"journal {path}: alarms cannot be read: {error}") from error


def standing(newest_first: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The same of entries, each its kind and its detail as JSON. Raises `msgspec.DecodeError`."""
    found: set[str] = set()
    for kind, text in newest_first:
        told = msgspec.json.decode(text, type=_Detail)
        if kind == "command" and told.command == "acknowledge" and told.accepted:
            break
        found.update(reason for reason in told.alarm.split() if _REASON.fullmatch(reason))
        if len(found) >= MOST:
            break
    return tuple(sorted(found))
