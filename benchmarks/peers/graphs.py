"""usearch and hnswlib: graphs that find near neighbours without looking at all, and usearch's exhaustive searches."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.base import Contender, Memory, reaching, timed_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.peers.base import Found, Rows

# usearch's defaults, for both, so that the graphs are alike.
NEIGHBOURS, WIDTH_ADDING, WIDTH_SEARCHING = 16, 128, 64
PARAMETERS = f"M {NEIGHBOURS}, efConstruction {WIDTH_ADDING}, ef {WIDTH_SEARCHING}"


def _usearch() -> Any:
    # simsimd's symbols have to be there before usearch's of the same names.
    for name in ("simsimd", "numkong"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    return importlib.import_module("usearch.index")


class UsearchGraph(Contender):
    """usearch's Index: HNSW over float32."""

    exhaustive = False

    def __init__(self, rows: Rows, limit: float) -> None:
        index: Any = _usearch().Index(
            ndim=rows.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=NEIGHBOURS,
            expansion_add=WIDTH_ADDING,
            expansion_search=WIDTH_SEARCHING,
        )
        self.index = index

        def add(first: int, some: Rows) -> None:
            index.add(np.arange(first, first + len(some)), some, threads=1)

        timed_chunks(rows, limit, add, time.perf_counter)

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        found = self.index.search(probe, k, threads=1, exact=self.exhaustive)
        return reaching(found.keys.astype(np.int64), 1 - found.distances, threshold)

    def memory(self) -> Memory:
        return Memory(int(self.index.memory_usage), "reported")

    def delete(self, key: int) -> None:
        self.index.remove(key)


class UsearchIndexExact(UsearchGraph):
    """The same Index, told to look at all: its fastest exhaustive search, at the price of a graph."""

    exhaustive = True

    def __init__(self, graph: Contender) -> None:
        if not isinstance(graph, UsearchGraph):
            raise TypeError("an exhaustive search looks into usearch's own index")
        self.index = graph.index


class UsearchExact(Contender):
    """usearch.index.search: exhaustive, over an array without an index."""

    metric = "IP"

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        usearch: Any = _usearch()
        self._search, self._metric = usearch.search, getattr(usearch.MetricKind, self.metric)
        self._rows: NDArray[Any] = self._converted(rows)

    def _converted(self, rows: Rows) -> NDArray[Any]:
        return rows

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        found = self._search(self._rows, self._converted(probe), k, self._metric, exact=True, threads=1)
        return reaching(found.keys.astype(np.int64), 1 - found.distances, threshold)

    def memory(self) -> Memory:
        return Memory(self._rows.nbytes, "array")


class UsearchHalf(UsearchExact):
    """The same in 16-bit floats."""

    def _converted(self, rows: Rows) -> NDArray[Any]:
        return rows.astype(np.float16)


class UsearchBytes(UsearchExact):
    """The same in 8-bit integers, scaled to the gallery's largest number; cosine, so the scale cancels."""

    metric = "Cos"

    def __init__(self, rows: Rows, limit: float) -> None:
        self._scale = np.float32(127 / max(float(np.abs(rows).max()), 1e-9))
        super().__init__(rows, limit)

    def _converted(self, rows: Rows) -> NDArray[Any]:
        scaled: NDArray[np.int8] = np.clip(np.rint(rows * self._scale), -127, 127).astype(np.int8)
        return scaled


class Hnswlib(Contender):
    """hnswlib: HNSW over float32, inner product."""

    def __init__(self, rows: Rows, limit: float) -> None:
        hnswlib: Any = importlib.import_module("hnswlib")
        index = hnswlib.Index(space="ip", dim=rows.shape[1])
        index.init_index(max_elements=len(rows), M=NEIGHBOURS, ef_construction=WIDTH_ADDING)
        index.set_num_threads(1)
        index.set_ef(WIDTH_SEARCHING)

        def add(first: int, some: Rows) -> None:
            index.add_items(some, np.arange(first, first + len(some)))

        timed_chunks(rows, limit, add, time.perf_counter)
        self._index = index

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        keys, distances = self._index.knn_query(probe, k, num_threads=1)
        return reaching(keys[0].astype(np.int64), 1 - distances[0], threshold)

    def memory(self) -> Memory:
        return Memory(int(self._index.index_file_size()), "size of its file")

    def delete(self, key: int) -> None:
        # It marks; the memory stays taken.
        self._index.mark_deleted(key)
