"""A piece of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.fever.statistics import Interval


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, and a table (its first row has the names)."""

    title: str
    text: str
    table: list[list[str]]
    level: int = 3


def signed(found: Interval | None) -> str:
    """A difference with its interval; a dash where there is none."""
    return "–" if found is None else f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
