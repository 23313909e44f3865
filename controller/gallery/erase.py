"""Erasure everywhere: gallery, personal history, logs and free pages, with the proof in the audit log.

The proof is a search: every record's nonce and name (of templates, cards, photographs and readings alike), bytes that
exist only because of these people, are looked for in all files of both databases afterwards. The journal of passages
keeps its ids for its own retention; no template is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from controller.errors import GalleryError, GateError, StoreError
from controller.gallery import history_store, store
from controller.gallery.audit import ERASED, ERASING
from controller.gallery.history_store import HistoryStore
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from controller.gallery.audit import AuditLog

PIECE = 1 << 20
"""Bytes that are searched at once."""
PREFIX = 8
"""Bytes by which traces are looked for before they are compared whole; every trace is longer."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of one person."""

    person: str
    enrolled: bool
    templates: int
    credentials: int
    pictures: int
    readings: int
    traces: int
    """Byte strings that were looked for afterwards, and not found."""


def erase(people: Iterable[str], folder: Path, key: Path | None, audit: AuditLog) -> list[Erased]:
    """Erase these people from everything in `folder`, and prove it.

    Also somebody who is enrolled no more: an earlier erasure may have ended in between. Raises `GateError` kinds when
    something cannot be erased or is still found; the audit log then has the beginning without the end.
    """
    wanted = tuple(dict.fromkeys(people))
    with GalleryStore.open(folder, key) as gallery:
        # Nothing is opened for it: a damaged record of somebody must not keep anybody enrolled.
        traces = {person: gallery.traces(person) for person in wanted}
        records = {person: gallery.records(person) for person in wanted}
        for person in wanted:
            audit.append(ERASING, who=person, counts=_counts(records[person]))
        gallery.remove_all(wanted)
    try:
        readings = _erase_readings(wanted, folder, key, traces)
    except GateError as error:
        raise StoreError(f"templates erased, but the temperature readings stay: {error}") from error
    done = []
    _search(folder, [trace for found in traces.values() for trace in found])
    for person in wanted:
        counts = {**_counts(records[person]), "readings": readings[person]}
        done.append(Erased(person, bool(records[person]), **counts, traces=len(traces[person])))
        audit.append(ERASED, who=person, counts={**counts, "searched": len(traces[person]), "found": 0})
    return done


def erase_face(person: str, folder: Path, key: Path | None, audit: AuditLog, *, second_factor: bool) -> int:
    """Let somebody be known without their face, and prove that nothing of it is left; how many traces were looked for.

    Raises as `erase` does, and `GalleryError` where nobody is enrolled as `person`.
    """
    with GalleryStore.open(folder, key) as gallery:
        traces = gallery.traces(person, ("template", "picture"))
        counts = {f"{table}s": gallery.records(person)[table] for table in ("template", "picture")}
        audit.append("face_erasing", who=person, counts=counts)
        if not gallery.set_factors(person, second_factor=second_factor, no_face=True):
            raise GalleryError(f"{gallery.path}: nobody is enrolled as {person!r}")
    _search(folder, traces)
    audit.append("face_erased", who=person, counts={**counts, "searched": len(traces), "found": 0})
    return len(traces)


def _search(folder: Path, traces: Sequence[bytes]) -> None:
    """Raises `StoreError` where one of the traces is still in a file."""
    left = _count(_database_files(folder), traces)
    if left:
        raise StoreError(f"{folder}: {left} traces of erased people are still in its files")


def _counts(records: Counter[str]) -> dict[str, int]:
    return {f"{table}s": records[table] for table in ("template", "credential", "picture")}


def _erase_readings(
    people: Sequence[str], folder: Path, key: Path | None, traces: dict[str, list[bytes]]
) -> dict[str, int]:
    """Erase the readings, adding what is to be searched for; how many each had."""
    if not (folder / history_store.DATABASE).exists():
        return dict.fromkeys(people, 0)
    with HistoryStore.open(folder, key) as history:
        for person in people:
            traces[person] += history.traces(person)
        return {person: history.erase(person) for person in people}


def _database_files(folder: Path) -> list[Path]:
    """Both databases with whatever stands beside them under their names: logs, indices of logs, rollback journals."""
    names = (store.DATABASE, history_store.DATABASE)
    return [file for file in sorted(folder.iterdir()) if file.name.startswith(names) and file.is_file()]


def _count(files: Iterable[Path], traces: Sequence[bytes]) -> int:
    """How many of the traces are in the files."""
    if not traces:
        return 0
    prefixes = np.unique(np.frombuffer(b"".join(trace[:PREFIX] for trace in traces), dtype=np.uint64))
    longest = max(map(len, traces))
    found: set[bytes] = set()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file}: cannot be searched: {error.strerror}") from error
        for start in range(0, len(data), PIECE):
            piece = np.frombuffer(data[start : start + PIECE + PREFIX - 1], dtype=np.uint8)
            if len(piece) < PREFIX:
                break
            windows = np.lib.stride_tricks.sliding_window_view(piece, PREFIX)
            hits = np.flatnonzero(np.isin(np.ascontiguousarray(windows).view(np.uint64).ravel(), prefixes))
            for at in hits.tolist():
                around = data[start + at : start + at + longest]
                found.update(trace for trace in traces if around.startswith(trace))
    return len(found)
