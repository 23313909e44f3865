"""CSV files as school offices write them: in any of their encodings, every wrong place named by row and column."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.errors import GalleryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_BYTES = 50_000_000
"""A roll of 100,000 people has some 10 MB."""
NAMED = 20
"""Mistakes that one message names; the rest is counted."""


@dataclass(slots=True)
class Mistakes:
    """What is wrong in a file: collected, so that the office mends all of it at once."""

    path: Path
    found: list[str] = field(default_factory=list)

    def add(self, line: int, column: str, reason: str) -> None:
        """Note one place. `line` counts from 1, the header's."""
        self.found.append(f"{self.path}:{line}: {column}: {reason}" if column else f"{self.path}:{line}: {reason}")

    def raise_any(self) -> None:
        """Raise `GalleryError` with all of them, if there are any."""
        if self.found:
            more = len(self.found) - NAMED
            told = self.found[:NAMED] + ([f"and {more} more mistakes"] if more > 0 else [])
            raise GalleryError("\n".join(told))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, each field without spaces around it."""

    line: int
    """Of the file, from 1; a row with line breaks inside ends there."""
    fields: dict[str, str]

    def get(self, column: str) -> str:
        """The field; empty where there is no such column."""
        return self.fields.get(column, "")

    def day(self, column: str, mistakes: Mistakes) -> dt.date | None:
        """A day as ISO 8601 writes it; None for an empty field, and for a wrong one, which is noted."""
        text = self.get(column)
        try:
            return dt.date.fromisoformat(text) if text else None
        except ValueError:
            mistakes.add(self.line, column, f"{text!r} is not a date like 2026-09-01")
            return None


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: RFC 4180, with a header."""

    path: Path
    encoding: str
    """`UTF-8`, `UTF-8 with a byte order mark` or `GB18030`."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """Read a CSV file. Raises `GalleryError` that names the file and what is wrong: unreadable, no text, no table."""
    text, encoding = _text(path)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    mistakes = Mistakes(path)
    columns: tuple[str, ...] = ()
    read = []
    try:
        columns = tuple(name.strip() for name in next(rows, ()))
        _check_columns(columns, mistakes)
        read = list(_rows(rows, columns, mistakes))
    except csv.Error as error:
        mistakes.add(rows.line_num, "", str(error))
    mistakes.raise_any()
    return Table(path, encoding, columns, tuple(read))


def _rows(rows: Iterator[list[str]], columns: tuple[str, ...], mistakes: Mistakes) -> Iterator[Row]:
    for values in rows:
        line = int(getattr(rows, "line_num", 0))
        if not any(value.strip() for value in values):
            continue  # spreadsheets leave empty rows at the end
        if len(values) != len(columns):
            mistakes.add(line, "", f"has not as many fields as the header ({len(values)}, not {len(columns)})")
            continue
        yield Row(line, {name: value.strip() for name, value in zip(columns, values, strict=True)})


def _check_columns(columns: tuple[str, ...], mistakes: Mistakes) -> None:
    if not any(columns):
        mistakes.add(1, "", "has no header")
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        mistakes.add(1, name, "stands twice in the header")


def _text(path: Path) -> tuple[str, str]:
    """The file's text and its encoding.

    UTF-8 is tried first: text in GB18030 is hardly ever valid UTF-8, while UTF-8 is often valid GB18030.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise GalleryError(f"{path}: is larger than {LARGEST_BYTES // 1_000_000} MB")
        data = path.read_bytes()
    except OSError as error:
        raise GalleryError(f"{path}: cannot be read: {error.strerror}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise GalleryError(f"{path}: is UTF-16 text; save it as «CSV UTF-8»")
    if data.startswith(b"PK\x03\x04"):
        raise GalleryError(f"{path}: is an Excel workbook; save it as «CSV UTF-8»")
    if b"\0" in data:
        raise GalleryError(f"{path}: is not text (byte {data.index(0)} is zero)")
    try:
        marked = data.startswith(b"\xef\xbb\xbf")
        return data.decode("utf-8-sig"), "UTF-8 with a byte order mark" if marked else "UTF-8"
    except UnicodeDecodeError as utf:
        try:
            return data.decode("gb18030"), "GB18030"
        except UnicodeDecodeError as error:
            where = f"UTF-8 breaks at byte {utf.start}, GB18030 at {error.start}"
            raise GalleryError(f"{path}: is neither UTF-8 nor GB18030 text ({where})") from error
