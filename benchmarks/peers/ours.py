"""The kernel, and NumPy's matrix-vector product beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from _fastcore.match import Gallery
from benchmarks.peers.base import Contender, Memory, best

if TYPE_CHECKING:
    from benchmarks.peers.base import Found, Rows


class Kernel(Contender):
    """Our C."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self.gallery = Gallery(rows.shape[1])
        self.gallery.add_many(range(len(rows)), rows)

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """The gallery's own."""
        return self.gallery.search(probe, k, threshold)

    def memory(self) -> Memory:
        """What the gallery says."""
        return Memory(sum(self.gallery.memory()), "reported")

    def hot_bytes(self) -> int | None:
        """Bytes that searches read first."""
        return self.gallery.memory().hot

    def delete(self, key: int) -> None:
        """Remove and wipe."""
        self.gallery.remove(key)

    def work(self, probe: Rows, k: int, threshold: float | None) -> dict[str, int] | None:
        """What one search has to do, as counts."""
        return self.gallery.explain(probe, k, threshold)._asdict()


class Exhaustive(Kernel):
    """Our C, every template in float32: what skipping templates is worth."""

    def __init__(self, kernel: Contender) -> None:
        if not isinstance(kernel, Kernel):
            raise TypeError("an exhaustive search looks into the kernel's gallery")
        self.gallery = kernel.gallery

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """The gallery's own brute force."""
        return self.gallery.search_exhaustive(probe, k, threshold)


class NumPy(Contender):
    """One matrix-vector product (BLAS), then argmax or a partial sort."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self._rows = rows

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """All scores, then the best."""
        return best(self._rows @ probe, k, threshold)

    def memory(self) -> Memory:
        """The matrix."""
        return Memory(self._rows.nbytes, "array")

    def delete(self, key: int) -> None:
        """A matrix without the row: a copy."""
        self._rows = np.delete(self._rows, key, axis=0)
