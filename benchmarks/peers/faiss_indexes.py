"""faiss: its exact index, its 8-bit scalar quantiser, and 4-bit product quantisation with exact refinement."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.base import Contender, Memory, Unsuitable, reaching

if TYPE_CHECKING:
    from benchmarks.peers.base import Found, Rows

REFINED = 32
"""Candidates that the product quantiser hands to the exact refinement, for each result."""
TRAINING = 624
"""Templates that faiss asks for to train 16 centroids."""
TRAINED_ON = 20_000
"""Templates it is trained on at most; faiss itself draws 4,096 of them."""


def load() -> Any:
    """The module, one thread."""
    with warnings.catch_warnings():
        # SWIG's types have no __module__, which Python 3.12 warns of.
        warnings.filterwarnings("ignore", message="builtin type [Ss]wig", category=DeprecationWarning)
        faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    return faiss


class _Faiss(Contender):
    _index: Any

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        scores, keys = self._index.search(probe[None], k)
        return reaching(keys[0], scores[0], threshold)

    def memory(self) -> Memory:
        return Memory(self._index.ntotal * self._index.sa_code_size(), "codes")

    def delete(self, key: int) -> None:
        self._index.remove_ids(np.array([key]))


class Flat(_Faiss):
    """IndexFlatIP: exact."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self._index = load().IndexFlatIP(rows.shape[1])
        self._index.add(rows)


class ScalarQuantizer(_Faiss):
    """IndexScalarQuantizer, 8 bits a dimension, inner product."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        faiss = load()
        kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        self._index = faiss.IndexScalarQuantizer(rows.shape[1], kind, metric)
        self._index.train(rows)
        self._index.add(rows)


class ProductQuantizer(_Faiss):
    """PQ fast-scan, 4 bits for 4 dimensions, then the candidates exactly."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        faiss, dim = load(), rows.shape[1]
        if dim % 4:
            raise Unsuitable("needs a dimension that 4 divides")
        if len(rows) < TRAINING:
            raise Unsuitable(f"needs {TRAINING} templates to train on")
        self._codes = dim // 8
        self._index = faiss.index_factory(dim, f"PQ{dim // 4}x4fs,RFlat", faiss.METRIC_INNER_PRODUCT)
        self._index.k_factor = REFINED
        self._index.train(rows[:TRAINED_ON])
        self._index.add(rows)
        self._bytes = len(rows) * (self._codes + 4 * dim)

    def memory(self) -> Memory:
        return Memory(self._bytes, "codes and templates")

    def delete(self, key: int) -> None:
        raise NotImplementedError
