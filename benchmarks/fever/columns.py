"""Cells of the published tables: which column is meant, and what a cell says. Errors name file, row and column."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path

ID = "SubjectID"
HEADER_SEARCH = 10
"""Rows in which the names are looked for; as published they are in the third."""
MISSING = frozenset({"", "-", "--", "nan", "na", "n/a", "none", "null", "#n/a", "#value!", "#div/0!"})
DATES = (
    "%y-%m-%d",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%m/%d/%y",
    "%d/%m/%Y",
    "%d-%b-%y",
    "%d-%b-%Y",
    "%Y%m%d",
    "%y%m%d",
)
TIMES = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")


@dataclass(frozen=True, slots=True)
class Table:
    """One file: its names and rows, as text without blanks around it."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    first_row: int
    """Row of the file, counted from 1, that rows[0] is."""

    def column(self, name: str) -> int | None:
        """Where a column is; None where it is missing. Case, blanks and underscores do not matter.

        Raises:
            EvaluationError: two columns have this name.
        """
        wanted = _plain(name)
        plain = [_plain(each) for each in self.names]
        # The publishers' own slip: T_LC14 stands where T_LC4 belongs, and so it might elsewhere.
        for candidate in (wanted, re.sub(r"(?<=\D)([1-4])$", r"1\1", wanted)):
            found = [at for at, each in enumerate(plain) if each == candidate]
            if len(found) > 1:
                raise EvaluationError(f"{self.path}: two columns are called {name} ({found[0] + 1} and {found[1] + 1})")
            if found:
                return found[0]
        return None

    def required(self, name: str) -> int:
        """As `column`.

        Raises:
            EvaluationError: it is missing.
        """
        at = self.column(name)
        if at is None:
            raise EvaluationError(f"{self.path}: row {self.first_row - 1}: no column {name}")
        return at

    def where(self, row: int, column: int) -> str:
        """The place of a cell, for a message."""
        return f"{self.path}: row {self.first_row + row}, column {column + 1} ({self.names[column]})"

    def text(self, row: int, column: int) -> str:
        """A cell."""
        return self.rows[row][column]

    def number(self, row: int, column: int) -> float:
        """A cell as a number; NaN where it is empty or says that nothing was measured.

        Raises:
            EvaluationError: it is neither.
        """
        text = self.text(row, column)
        if text.lower() in MISSING:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            raise EvaluationError(f"{self.where(row, column)}: {text!r} is not a number") from None
        if math.isinf(value):
            raise EvaluationError(f"{self.where(row, column)}: {text!r} is not a temperature or a length")
        return value


def read_table(path: Path) -> Table:
    """A published file's rows.

    Raises:
        EvaluationError: it cannot be read, has no row of names, or rows that do not fit them.
    """
    rows = _rows(path)
    header = next((at for at, row in enumerate(rows[:HEADER_SEARCH]) if _plain(ID) in map(_plain, row)), None)
    if header is None:
        raise EvaluationError(f"{path}: none of the first {HEADER_SEARCH} rows has a column {ID}")
    names = tuple(name.strip() for name in rows[header])
    body = tuple(_fitted(path, at, row, len(names)) for at, row in enumerate(rows[header + 1 :], header + 2))
    if not any(cell for row in body for cell in row):
        raise EvaluationError(f"{path}: no rows below the header")
    return Table(path, names, body, header + 2)


def _rows(path: Path) -> list[list[str]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Only the names of the second header row are not ASCII, and nobody reads those.
        text = raw.decode("latin-1")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise EvaluationError(f"{path}: not a CSV file: {error}") from error


def _fitted(path: Path, at: int, row: list[str], width: int) -> tuple[str, ...]:
    """A row as wide as the header. A blank one stays, or the row numbers of messages would be wrong."""
    cells = tuple(cell.strip() for cell in row)
    if not any(cells):
        return ("",) * width
    if len(cells) < width or any(cells[width:]):
        raise EvaluationError(f"{path}: row {at}: {len(cells)} columns where the header has {width}")
    return cells[:width]


def dates(table: Table, rows: list[int], subjects: list[str]) -> list[dt.date | None]:
    """The day of each row: the Date column in whichever of DATES fits all rows, else the subject's number (YYMMDD-…).

    Raises:
        EvaluationError: a date cannot be read.
    """
    at = table.column("Date")
    prefixes = [_prefix(subject) for subject in subjects]
    if at is None:
        return prefixes
    texts = [table.text(row, at) for row in rows]
    given = [index for index, text in enumerate(texts) if text.lower() not in MISSING]
    fitting: list[tuple[int, list[dt.date | None]]] = []
    for form in DATES:
        parsed = [_date(text, form) if index in set(given) else None for index, text in enumerate(texts)]
        if all(parsed[index] for index in given):
            # 01/02/2017 reads two ways; the subject's number was given on the day itself.
            agree = sum(one == other for one, other in zip(parsed, prefixes, strict=True) if one and other)
            fitting.append((agree, parsed))
    if not fitting:
        failed = next((index for index in given if not any(_date(texts[index], form) for form in DATES)), given[0])
        raise EvaluationError(f"{table.where(rows[failed], at)}: {texts[failed]!r} is not a date like its neighbours")
    best = max(fitting, key=lambda each: each[0])[1]
    return [day or prefix for day, prefix in zip(best, prefixes, strict=True)]


def hour(table: Table, row: int, column: int) -> float:
    """The time of day, hours from 0 to 24; NaN where there is none.

    Raises:
        EvaluationError: it cannot be read.
    """
    text = table.text(row, column)
    if text.lower() in MISSING:
        return math.nan
    for form in TIMES:
        try:
            time = dt.datetime.strptime(text, form).time()  # noqa: DTZ007 - a wall clock in Maryland
        except ValueError:
            continue
        return time.hour + time.minute / 60 + time.second / 3600
    raise EvaluationError(f"{table.where(row, column)}: {text!r} is not a time of day")


def _plain(name: str) -> str:
    return re.sub(r"[\s_]", "", name).lower()


def _date(text: str, form: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text.split(" ", maxsplit=1)[0], form).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def _prefix(subject: str) -> dt.date | None:
    found = re.match(r"(\d{6})\D", subject)
    return _date(found[1], "%y%m%d") if found else None
