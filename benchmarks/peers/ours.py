"""The kernel, and NumPy's matrix-vector product beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from _fastcore.match import Gallery
from benchmarks.peers.base import Contender, Memory, best

if TYPE_CHECKING:
    from benchmarks.peers.base import Found, Rows

# Of a gallery whose kernel is being renewed: what it doesn't have yet is left out.
HAS_EXHAUSTIVE = hasattr(Gallery, "search_exhaustive")
HAS_EXPLAIN = hasattr(Gallery, "explain")


class Kernel(Contender):
    """Our C."""

    def __init__(self, rows: Rows, limit: float) -> None:
        del limit
        self.gallery: Any = Gallery(rows.shape[1])
        if hasattr(self.gallery, "add_many"):
            self.gallery.add_many(np.arange(len(rows)), rows)
        else:
            for key, row in enumerate(rows):
                self.gallery.add(key, row)

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """The gallery's own."""
        found: Found = self.gallery.search(probe, k, threshold)
        return found

    def memory(self) -> Memory:
        """What the gallery says; its templates' bytes before it could."""
        if hasattr(self.gallery, "memory"):
            return Memory(sum(self.gallery.memory()), "reported")
        return Memory(len(self.gallery) * (self.gallery.dim * 4 + 8), "templates and keys")

    def hot_bytes(self) -> int | None:
        """Bytes that every search reads, or None before the gallery could tell."""
        return int(self.gallery.memory().hot) if hasattr(self.gallery, "memory") else None

    def delete(self, key: int) -> None:
        """Remove and wipe."""
        self.gallery.remove(key)

    def work(self, probe: Rows, k: int, threshold: float | None) -> dict[str, int] | None:
        """What one search has to do, as counts, or None before the gallery could tell."""
        return self.gallery.explain(probe, k, threshold)._asdict() if HAS_EXPLAIN else None


class Exhaustive(Kernel):
    """Our C, every template in float32: what skipping templates is worth."""

    def __init__(self, kernel: Contender) -> None:
        if not isinstance(kernel, Kernel):
            raise TypeError("an exhaustive search looks into the kernel's gallery")
        self.gallery = kernel.gallery

    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """The gallery's own brute force."""
        found: Found = self.gallery.search_exhaustive(probe, k, threshold)
        return found


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
