"""simsimd and numkong, libraries of dot products: all scores in one call, then NumPy's argmax; and sqlite-vec."""

from __future__ import annotations

import importlib
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.base import Contender, Memory, best, reaching
from benchmarks.peers.libraries import NO_EXTENSIONS

if TYPE_CHECKING:
    from benchmarks.peers.base import Found, Rows


class Simsimd(Contender):
    """simsimd's cdist, into an array of its own: with `out=`, its release 6.5 drops a reference to None each time."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self._cdist: Any = importlib.import_module("simsimd").cdist
        self._rows = rows

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        scores = np.asarray(self._cdist(probe[None], self._rows, metric="dot", out_dtype="float32"))
        return best(scores[0], k, threshold)

    def memory(self) -> Memory:
        return Memory(self._rows.nbytes, "array")


class Numkong(Contender):
    """numkong's cdist, into an array of ours, which is its faster way."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self._cdist: Any = importlib.import_module("numkong").cdist
        self._rows, self._scores = rows, np.empty((1, len(rows)), dtype=np.float32)

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        self._cdist(probe[None], self._rows, metric="dot", out=self._scores, out_dtype="float32")
        return best(self._scores[0], k, threshold)

    def memory(self) -> Memory:
        return Memory(self._rows.nbytes, "array")


class NumkongPacked(Contender):
    """numkong's packed matrix, which sums in float64."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        numkong: Any = importlib.import_module("numkong")
        self._packed, self._product = numkong.dots_pack(rows), numkong.dots_packed

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        scores = np.asarray(self._product(probe[None], self._packed))[0]
        keys, found = best(scores, k, threshold)
        return keys, found.astype(np.float32)

    def memory(self) -> Memory:
        return Memory(int(self._packed.nbytes), "reported")


class SqliteVec(Contender):
    """A vec0 table in memory, cosine distance."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        database = sqlite3.connect(":memory:")
        if not hasattr(database, "enable_load_extension"):
            database.close()
            raise ImportError(NO_EXTENSIONS)
        database.enable_load_extension(True)
        importlib.import_module("sqlite_vec").load(database)
        database.enable_load_extension(False)
        database.execute(f"CREATE VIRTUAL TABLE templates USING vec0(v float[{rows.shape[1]}] distance_metric=cosine)")
        with database:
            database.executemany("INSERT INTO templates(rowid, v) VALUES (?, ?)", enumerate(map(bytes, rows)))
        self._database = database

    def __del__(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        question = "SELECT rowid, distance FROM templates WHERE v MATCH ? AND k = ?"
        found = self._database.execute(question, (probe.tobytes(), k)).fetchall()
        keys, distances = np.array([row[0] for row in found]), np.array([row[1] for row in found], dtype=np.float32)
        return reaching(keys, 1 - distances, threshold)

    def memory(self) -> Memory:
        (pages,), (size,) = (
            self._database.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size")
        )
        return Memory(pages * size, "pages")

    def delete(self, key: int) -> None:
        with self._database:
            self._database.execute("DELETE FROM templates WHERE rowid = ?", (key,))
