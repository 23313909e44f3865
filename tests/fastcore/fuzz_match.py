"""Bytes to a sequence of changes and searches: a gallery finds what a dict of the same templates holds.

A harness for atheris, run by built.py.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import atheris
import numpy as np

import _fastcore
from _fastcore.match import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

DIMS = (1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 192, 255, 256, 257, 512, 1000)
NEAR = 1e-5
"""What a score may be off the product in float64."""


@functools.cache
def _pool(dim: int) -> NDArray[np.float32]:
    """Templates to choose from: some at random, some close to another, some along an axis, some opposite."""
    rng = np.random.default_rng(dim)
    rows = rng.standard_normal((16, dim))
    rows[4:8] = rows[:4] + rng.standard_normal((4, dim)) * 1e-3
    rows[8:12] = np.eye(dim)[rng.integers(0, dim, 4)]
    rows[12:] = -rows[8:12]
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


class Run:
    """A gallery beside a dict."""

    def __init__(self, choice: Any) -> None:
        self.choice = choice
        self.dim = DIMS[choice.ConsumeIntInRange(0, len(DIMS) - 1)]
        self.gallery = Gallery(self.dim)
        self.model: dict[int, Vector] = {}

    def _key(self) -> int:
        return int(self.choice.ConsumeIntInRange(-3, 60))

    def _template(self) -> Vector:
        template: Vector = _pool(self.dim)[self.choice.ConsumeIntInRange(0, 15)]
        return template

    def add(self) -> None:
        key, template = self._key(), self._template()
        self.gallery.add(key, template)
        self.model[key] = template

    def add_many(self) -> None:
        start, count = self._key(), self.choice.ConsumeIntInRange(0, 400)
        keys = np.arange(start, start + count, dtype=np.int64)
        templates = np.resize(np.roll(_pool(self.dim), self.choice.ConsumeIntInRange(0, 15), axis=0), (count, self.dim))
        self.gallery.add_many(keys, templates)
        self.model |= dict(zip(keys.tolist(), templates, strict=True))

    def remove(self) -> None:
        key = self._key()
        try:
            self.gallery.remove(key)
        except KeyError:
            assert key not in self.model
            return
        del self.model[key]

    def refuse(self) -> None:
        """Any floats at all: taken only when their length is 1."""
        raw = self.choice.ConsumeBytes(self.choice.ConsumeIntInRange(0, 4 * self.dim))
        vector = np.zeros(self.dim, dtype=np.float32)
        part = np.frombuffer(raw[: len(raw) // 4 * 4], dtype=np.float32)
        vector[: part.size] = part
        with np.errstate(all="ignore"):
            length = float(np.sqrt(np.sum(vector.astype(np.float64) ** 2)))
        key = self._key()
        try:
            self.gallery.add(key, vector)
        except ValueError:
            assert not abs(length - 1) < 0.99e-3
            return
        assert abs(length - 1) < 1.01e-3
        self.model[key] = vector

    def search(self) -> None:
        probe, k = self._template(), self.choice.ConsumeIntInRange(1, 80)
        threshold = self.choice.ConsumeIntInRange(-8, 8) / 8 if self.choice.ConsumeBool() else None
        keys, scores = self.gallery.search(probe, k, threshold)
        self._check(probe, k, threshold, dict(zip(keys.tolist(), scores.tolist(), strict=True)))
        assert np.array_equal(np.lexsort((keys, -scores)), np.arange(keys.size))
        other_keys, other_scores = self.gallery.search_exhaustive(probe, k, threshold)
        np.testing.assert_array_equal(keys, other_keys)
        np.testing.assert_array_equal(scores, other_scores)

    def _check(self, probe: Vector, k: int, threshold: float | None, found: dict[int, float]) -> None:
        least = -2.0 if threshold is None else threshold
        if not self.model:
            assert not found
            return
        rows = np.array(list(self.model.values()), dtype=np.float64)
        exact = dict(zip(self.model, (rows @ probe.astype(np.float64)).tolist(), strict=True))
        for key, score in found.items():
            assert abs(exact[key] - score) <= NEAR
            assert score >= least
        surely, maybe = (sum(score >= least + by for score in exact.values()) for by in (NEAR, -NEAR))
        assert min(k, surely) <= len(found) <= min(k, maybe)
        if len(found) == k:
            worst = min(found.values())
            assert all(score <= worst + NEAR for key, score in exact.items() if key not in found)

    def path(self) -> None:
        names = _fastcore.available_backends()
        _fastcore.select_backend(names[self.choice.ConsumeIntInRange(0, len(names) - 1)])


STEPS = (Run.add, Run.add, Run.add_many, Run.remove, Run.refuse, Run.search, Run.search, Run.path)


def one(data: bytes) -> None:
    """One input."""
    choice = atheris.FuzzedDataProvider(data)
    run = Run(choice)
    for _ in range(200):
        if not choice.remaining_bytes():
            break
        STEPS[choice.ConsumeIntInRange(0, len(STEPS) - 1)](run)
        assert len(run.gallery) == len(run.model)
    run.search()


atheris.Setup(sys.argv, one)
atheris.Fuzz()
