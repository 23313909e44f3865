"""Made-up galleries and probes: how templates lie in space decides how much a search can skip.

`isotropic`: random directions. `anisotropic`: a spectrum that decays as i^-0.7 in a rotated basis, and a mean that all
share, as embeddings of real networks have. `clustered`: eight near-duplicates (cosine 0.64 among them) of each of many
random directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

Distribution = Literal["isotropic", "anisotropic", "clustered"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)
ProbeKind = Literal["stranger", "genuine"]
PROBE_KINDS: tuple[ProbeKind, ...] = get_args(ProbeKind)

DECAY = 0.7
"""Of an anisotropic spectrum: 512 dimensions have about 120 effective ones, 128 about 50."""
SHARED_MEAN = 0.25
"""Length of what all templates share; two strangers' mean cosine is its square."""
CLUSTER = 8
TO_CENTRE = 0.8
"""Cosine of a cluster's member and its centre."""
GENUINE = (0.6, 0.7)
"""Cosine of a genuine probe and its template: one person's two pictures."""
BLOCK = 1 << 22
"""Numbers drawn at once, so that a large gallery needs little more memory than itself."""


@dataclass(frozen=True, slots=True)
class Made:
    """A gallery's rows, whose keys are 0, 1, 2 ..., and probes of both kinds."""

    rows: Rows
    probes: dict[ProbeKind, Rows]


def unit(rows: Rows) -> Rows:
    """L2-normalised, in place."""
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return rows


def make(distribution: Distribution, count: int, dim: int, probes: int, seed: int = 0) -> Made:
    """A gallery of `count` templates and so many probes of each kind, all from one seed."""
    rng = np.random.default_rng((seed, count, dim))
    draw = drawer(distribution, dim, rng)
    rows = np.empty((count, dim), dtype=np.float32)
    step = max(CLUSTER, BLOCK // dim // CLUSTER * CLUSTER)
    for start in range(0, count, step):
        block = rows[start : start + step]
        block[:] = draw(len(block))
    # One person's templates needn't lie side by side.
    rng.shuffle(rows)
    return Made(rows, {"stranger": draw(probes * CLUSTER)[::CLUSTER].copy(), "genuine": genuine(rows, probes, rng)})


def genuine(rows: Rows, count: int, rng: Generator) -> Rows:
    """Other pictures of `count` of the rows: each with noise at right angles, the cosine evenly within `GENUINE`."""
    chosen = rows[rng.integers(len(rows), size=count)]
    noise = rng.standard_normal(chosen.shape, dtype=np.float32)
    if rows.shape[1] > 1:
        noise -= np.sum(noise * chosen, axis=1, keepdims=True) * chosen
    cosine = rng.uniform(*GENUINE, size=(count, 1))
    probes = cosine * chosen + np.sqrt(1 - cosine**2) * unit(noise)
    return unit(probes.astype(np.float32))


class _Isotropic:
    def __init__(self, dim: int, rng: Generator) -> None:
        self._dim, self._rng = dim, rng

    def __call__(self, count: int) -> Rows:
        return unit(self._rng.standard_normal((count, self._dim), dtype=np.float32))


class _Anisotropic(_Isotropic):
    def __init__(self, dim: int, rng: Generator) -> None:
        super().__init__(dim, rng)
        basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        spectrum = np.arange(1, dim + 1) ** (-DECAY / 2)
        self._shape = np.asarray(spectrum[:, None] / np.linalg.norm(spectrum) * basis, dtype=np.float32)
        self._mean = super().__call__(1) * np.float32(SHARED_MEAN)

    def __call__(self, count: int) -> Rows:
        own = self._rng.standard_normal((count, self._dim), dtype=np.float32) @ self._shape
        return unit(unit(own) * np.float32(np.sqrt(1 - SHARED_MEAN**2)) + self._mean)


class _Clustered(_Isotropic):
    def __call__(self, count: int) -> Rows:
        centres = np.repeat(super().__call__(-(-count // CLUSTER)), CLUSTER, axis=0)[:count]
        own = super().__call__(count)
        return unit(np.float32(TO_CENTRE) * centres + np.float32(np.sqrt(1 - TO_CENTRE**2)) * own)


def drawer(distribution: str, dim: int, rng: Generator) -> Callable[[int], Rows]:
    """What draws so many new templates of one distribution: its basis and its mean are drawn here, once."""
    kinds = {"isotropic": _Isotropic, "anisotropic": _Anisotropic, "clustered": _Clustered}
    return kinds[distribution](dim, rng)
