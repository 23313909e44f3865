"""The published facial and oral temperatures as arrays (doi 10.13026/3bhc-9065; Wang et al., Sensors 2022, 22, 215)."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fever.columns import ID, MISSING, dates, hour, read_table
from controller.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.fever.columns import Table

    Values = NDArray[np.float64]

SOURCE = "10.13026/3bhc-9065"
FEBRILE = 37.5
"""Oral temperature, °C, from which somebody is febrile: the data's authors' own limit."""
ROUNDS = (1, 2, 3)
"""Round 4 is with the mouth open, which the face's maximum then reads: left out."""
REGIONS = {"face": "T_Max", "canthi": "canthiMax", "forehead": "T_FH_Max"}
SPOTS = ("aveAllR13_", "aveAllL13_")
"""Mean of a circle of 13 camera pixels about the inner corner of the right and of the left eye."""
ORAL = "aveOralM"
ARRAYS = ("oral", "face", "canthi", "forehead", "spots", "room", "distance", "day", "hour")
PLAUSIBLE = {"surface": (20.0, 45.0), "oral": (33.0, 43.0), "room": (5.0, 45.0), "distance": (0.2, 3.0)}
"""Outside, °C or m, a value is a slip of the pen: it counts as not measured, and the report names its cell."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The people one camera measured, in the order of their visits. n people, three rounds each; NaN: not measured."""

    camera: str
    files: tuple[str, ...]
    subjects: tuple[str, ...]
    oral: Values
    """[n] °C."""
    face: Values
    """[n, 3] °C; also `canthi` and `forehead`."""
    canthi: Values
    forehead: Values
    spots: Values
    """[n, 3] °C; the warmer of both SPOTS. NaN for everybody where a file has no such columns."""
    room: Values
    """[n] °C."""
    distance: Values
    """[n] m."""
    day: NDArray[np.int64]
    """[n] proleptic ordinal of the date."""
    hour: Values
    """[n] time of day, h; NaN: not known."""
    notes: tuple[str, ...]
    """What was odd in the files, and what was done about it."""

    def __len__(self) -> int:
        """People."""
        return len(self.subjects)

    @property
    def febrile(self) -> NDArray[np.bool_]:
        """[n] whether the oral temperature is at least FEBRILE."""
        return self.oral >= FEBRILE

    @property
    def time(self) -> Values:
        """[n] seconds of the visit on one axis; people whose hour is not known are put at noon."""
        return self.day * 86400.0 + np.where(np.isnan(self.hour), 12.0, self.hour) * 3600.0

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Recording:
        """Some of the people, in the order of `index`."""
        chosen = np.flatnonzero(index) if index.dtype == bool else index
        changes: dict[str, Any] = {name: getattr(self, name)[chosen] for name in ARRAYS}
        changes["subjects"] = tuple(self.subjects[at] for at in chosen)
        return dataclasses.replace(self, **changes)


def read(path: Path) -> list[Recording]:
    """The recordings in a file, or in all CSV files of a folder: one for each camera (the first word of a file's name).

    Raises:
        EvaluationError: nothing is there, or a file is wrong; the message names the file, row and column.
    """
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix.lower() == ".csv")
        if not files:
            raise EvaluationError(f"{path}: no CSV file in this folder")
    elif path.exists():
        files = [path]
    else:
        raise EvaluationError(f"{path}: no such file or folder")
    cameras: dict[str, list[Recording]] = {}
    for file in files:
        found = read_file(file)
        cameras.setdefault(found.camera, []).append(found)
    return [_merge(each) for each in cameras.values()]


def read_file(path: Path) -> Recording:
    """One published file.

    Raises:
        EvaluationError: as in `read`.
    """
    table = read_table(path)
    identity, oral = table.required(ID), table.required(ORAL)
    notes: list[str] = []
    # Blank rows, and what spreadsheets write below a table: no number and no reference.
    rows = [
        row
        for row in range(len(table.rows))
        if any(table.text(row, at).lower() not in MISSING for at in (identity, oral))
    ]
    subjects = [table.text(row, identity) for row in rows]
    for row, subject in zip(rows, subjects, strict=True):
        if subject.lower() in MISSING:
            raise EvaluationError(f"{table.where(row, identity)}: a subject without a number")
    days = dates(table, rows, subjects)
    undated = next((row for row, day in zip(rows, days, strict=True) if day is None), None)
    if undated is not None:
        raise EvaluationError(
            f"{table.path}: row {table.first_row + undated}: no date, and none in the subject's number"
        )
    regions = {name: _rounds(table, rows, stem, notes) for name, stem in REGIONS.items()}
    if np.isnan(regions["face"]).all():
        raise EvaluationError(f"{path}: no face maximum in any of the rounds 1 to 3 ({REGIONS['face']}1 …)")
    found = Recording(
        camera=re.split(r"[\W_]", path.stem)[0],
        files=(path.name,),
        subjects=tuple(subjects),
        oral=_column(table, rows, oral, "oral", notes),
        face=regions["face"],
        canthi=regions["canthi"],
        forehead=regions["forehead"],
        spots=_spots(table, rows, notes),
        room=_optional(table, rows, "T_atm", "room", notes),
        distance=_optional(table, rows, "Distance", "distance", notes),
        day=np.array([day.toordinal() for day in days if day is not None], np.int64),
        hour=_hours(table, rows, notes),
        notes=(),
    )
    # A person without reference or without any reading can judge nothing.
    usable = np.isfinite(found.oral) & np.isfinite(found.face).any(axis=1)
    if not usable.all():
        notes.append(f"{path.name}: {int((~usable).sum())} people left out: no oral reference or no face reading")
    if not usable.any():
        raise EvaluationError(f"{path}: nobody has both an oral reference and a face reading")
    return dataclasses.replace(_in_order(found.take(usable)), notes=tuple(notes))


def _in_order(found: Recording) -> Recording:
    return found.take(np.argsort(found.time, kind="stable"))


def _merge(parts: Sequence[Recording]) -> Recording:
    """One camera's files as one; people who are in several files count once."""
    notes = [note for part in parts for note in part.notes]
    changes: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
    changes["files"] = tuple(name for part in parts for name in part.files)
    changes["subjects"] = tuple(subject for part in parts for subject in part.subjects)
    joined = dataclasses.replace(parts[0], **changes)
    seen: set[tuple[str, float]] = set()
    first = np.zeros(len(joined), bool)
    for at, key in enumerate(zip(joined.subjects, joined.time.tolist(), strict=True)):
        first[at] = key not in seen
        seen.add(key)
    if not first.all():
        notes.append(f"{joined.camera}: {int((~first).sum())} visits were in several files and count once")
    return dataclasses.replace(_in_order(joined.take(first)), notes=tuple(notes))


def _rounds(table: Table, rows: list[int], stem: str, notes: list[str]) -> Values:
    """[n, 3]; a column that is missing is NaN."""
    return np.stack([_optional(table, rows, f"{stem}{each}", "surface", notes) for each in ROUNDS], axis=1)


def _spots(table: Table, rows: list[int], notes: list[str]) -> Values:
    """[n, 3]; a round without both columns is NaN, about which the report's section speaks, not a note."""
    found = np.full((len(rows), len(ROUNDS)), math.nan)
    for at, each in enumerate(ROUNDS):
        both = [table.column(f"{stem}{each}") for stem in SPOTS]
        if None not in both:
            sides = [_column(table, rows, column, "surface", notes) for column in both if column is not None]
            # Where one side was not measured the other stands alone.
            found[:, at] = np.fmax(*sides)
    return found


def _optional(table: Table, rows: list[int], name: str, kind: str, notes: list[str]) -> Values:
    at = table.column(name)
    if at is None:
        notes.append(f"{table.path.name}: no column {name}: not known for anybody")
        return np.full(len(rows), math.nan)
    return _column(table, rows, at, kind, notes)


def _column(table: Table, rows: list[int], at: int, kind: str, notes: list[str]) -> Values:
    low, high = PLAUSIBLE[kind]
    values = []
    for row in rows:
        value = table.number(row, at)
        if kind == "distance" and low <= value / 100 <= high:
            notes.append(f"{table.where(row, at)}: {value:g} is taken for centimetres")
            value /= 100
        elif not math.isnan(value) and not low <= value <= high:
            notes.append(f"{table.where(row, at)}: {value:g} is outside {low:g} to {high:g}: not measured")
            value = math.nan
        values.append(value)
    return np.array(values)


def _hours(table: Table, rows: list[int], notes: list[str]) -> Values:
    at = table.column("Time")
    if at is None:
        notes.append(f"{table.path.name}: no column Time: people are in the order of their dates")
        return np.full(len(rows), math.nan)
    return np.array([hour(table, row, at) for row in rows])
