"""Who finds the most similar templates: the kernel, NumPy, and faiss."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from _fastcore import reference
from _fastcore.match import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]
    Found = tuple[NDArray[np.int64], NDArray[np.float32]]

AGREEMENT = 2e-6
"""Of scores: float32 sums of the same products in different orders."""


class Contender(Protocol):
    """An exact search, filled with templates under keys 0, 1, 2 ..."""

    def search(self, probe: Rows, k: int) -> Found:
        """Keys and scores of the best k, best first."""
        ...


class _Kernel:
    """Our C."""

    def __init__(self, rows: Rows) -> None:
        self._gallery = Gallery(rows.shape[1])
        for key, row in enumerate(rows):
            self._gallery.add(key, row)

    def search(self, probe: Rows, k: int) -> Found:
        return self._gallery.search(probe, k)


class _Numpy:
    """One matrix-vector product (BLAS), then argmax or a partial sort."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def search(self, probe: Rows, k: int) -> Found:
        scores = self._rows @ probe
        if k == 1:
            best = int(np.argmax(scores))
            return np.array([best]), scores[best : best + 1]
        head = np.argpartition(scores, -k)[-k:]
        order = head[np.argsort(-scores[head], kind="stable")]
        return order, scores[order]


class _Faiss:
    """faiss' exact index, one thread. Raises ImportError where it isn't installed."""

    def __init__(self, rows: Rows) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self._index: Any = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(rows)

    def search(self, probe: Rows, k: int) -> Found:
        scores, keys = self._index.search(probe[None], k)
        return keys[0], scores[0]


def contenders(rows: Rows) -> dict[str, Contender]:
    """Every implementation at hand by name, the kernel first, filled with the rows under keys 0, 1, 2 ..."""
    found: dict[str, Contender] = {"thermogate": _Kernel(rows), "NumPy": _Numpy(rows)}
    with contextlib.suppress(ImportError):
        found["faiss IndexFlatIP"] = _Faiss(rows)
    return found


def disagreement(implementations: dict[str, Contender], rows: Rows, probe: Rows, k: int) -> str | None:
    """Who differs from the oracle, and how; None when nobody does."""
    keys, scores = reference.search(np.arange(len(rows)), rows, probe, k)
    for name, each in implementations.items():
        found, similar = each.search(probe, k)
        if not np.allclose(similar, scores, rtol=0, atol=AGREEMENT):
            return f"{name} differs from the oracle's scores"
        # Keys may change places only where the scores are equal to within the tolerance.
        if not np.allclose(rows[found] @ probe, scores, rtol=0, atol=2 * AGREEMENT) or found[0] != keys[0]:
            return f"{name} finds {found.tolist()}, the oracle {keys.tolist()}"
    return None
