"""Galleries and probes that are hard on a search that skips: ties to the last bit, outliers, denormals, crowds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from _fastcore import reference_planes
from benchmarks import galleries
from benchmarks.galleries import unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from benchmarks.galleries import Rows

    Make = Callable[[int, int, Generator], Rows]
    Draw = Callable[[int], Rows]

TOLERATED = 9e-4
"""A gallery takes lengths that differ from 1 by up to 1e-3."""


def _isotropic(count: int, dim: int, rng: Generator) -> Rows:
    return galleries.drawer("isotropic", dim, rng)(count)


def _duplicates(count: int, dim: int, rng: Generator) -> Rows:
    """A few templates under many keys."""
    few = _isotropic(max(1, count // 6), dim, rng)
    rows: Rows = few[rng.integers(len(few), size=count)]
    return rows


def nudged(rows: Rows, rng: Generator) -> Rows:
    """A few numbers of each row moved by one unit in the last place."""
    at = rng.integers(rows.shape[1], size=(len(rows), 3))
    moved = rows.copy()
    for column in at.T:
        each = np.arange(len(rows)), column
        moved[each] = np.nextafter(moved[each], np.float32(rng.choice((-2, 2))))
    return moved


def _near_ties(count: int, dim: int, rng: Generator) -> Rows:
    """Few templates, each many times, all but equal."""
    return nudged(_duplicates(count, dim, rng), rng)


def _signs(count: int, dim: int, rng: Generator) -> Rows:
    """Corners of a cube: scores are few multiples of one number."""
    corners: Rows = (rng.choice((-1.0, 1.0), size=(count, dim)) / np.sqrt(dim)).astype(np.float32)
    return corners


def _one_hot(count: int, dim: int, rng: Generator) -> Rows:
    """Axes and their opposites."""
    rows = np.zeros((count, dim), dtype=np.float32)
    rows[np.arange(count), rng.integers(dim, size=count)] = rng.choice((-1.0, 1.0), size=count)
    return rows


def _denormals(count: int, dim: int, rng: Generator) -> Rows:
    """Axes whose other numbers are below float32's normal range."""
    return _one_hot(count, dim, rng) + (rng.standard_normal((count, dim)) * 1e-40).astype(np.float32)


def _spikes(count: int, dim: int, rng: Generator) -> Rows:
    """One number far beyond the others, as quantisers dread."""
    rows = _isotropic(count, dim, rng)
    rows[np.arange(count), rng.integers(dim, size=count)] = rng.choice((-20.0, 20.0), size=count)
    return unit(rows)


def _crowd(count: int, dim: int, rng: Generator) -> Rows:
    """All within a small angle: less than 8 bits can tell apart."""
    spread = np.float32(10.0 ** rng.uniform(-6, -1))
    return unit(_isotropic(1, dim, rng) + spread * _isotropic(count, dim, rng))


def _antipodes(count: int, dim: int, rng: Generator) -> Rows:
    """Templates and their opposites."""
    rows = _isotropic(count, dim, rng)
    rows[1::2] = -rows[: count // 2 * 2 : 2]
    return rows


def _lengths(count: int, dim: int, rng: Generator) -> Rows:
    """Not quite normalised."""
    return stretched(_isotropic(count, dim, rng), rng)


def stretched(rows: Rows, rng: Generator) -> Rows:
    """Each to a length that is still tolerated."""
    return rows * rng.uniform(1 - TOLERATED, 1 + TOLERATED, size=(len(rows), 1)).astype(np.float32)


def _steps(count: int, dim: int, rng: Generator) -> Rows:
    """Numbers on the grid of an 8-bit quantiser, and halfway between."""
    grid = rng.integers(-254, 255, size=(count, dim)) / 2.0
    grid[np.arange(count), rng.integers(dim, size=count)] = 127.0
    return unit(grid.astype(np.float32))


FAMILIES: dict[str, Make] = {
    "duplicates": _duplicates,
    "near ties": _near_ties,
    "signs": _signs,
    "one hot": _one_hot,
    "denormals": _denormals,
    "spikes": _spikes,
    "crowd": _crowd,
    "antipodes": _antipodes,
    "lengths": _lengths,
    "steps": _steps,
}
ALL = (*galleries.DISTRIBUTIONS, *FAMILIES)


def drawer(family: str, dim: int, rng: Generator) -> Draw:
    """What draws so many contiguous rows of a family; those of one drawer share a basis, where the family has one."""
    if family in galleries.DISTRIBUTIONS:
        return galleries.drawer(family, dim, rng)
    make = FAMILIES[family]
    return lambda count: np.ascontiguousarray(make(count, dim, rng))


def _along(some: Rows, rng: Generator) -> Rows:
    """From what a search reads of a template towards the template, and a little along what it reads.

    There the bound that it compares is all but a score, at any height. Templates that reading leaves as they are give
    themselves.
    """
    rotated = reference_planes.rotate(some.astype(np.float64))
    which = int(rng.integers(4))
    read = reference_planes.fine(rotated) if which == 3 else reference_planes.readings(rotated)[which]
    away = rotated - read
    sizes = np.linalg.norm(away, axis=1, keepdims=True)
    along = away / np.maximum(sizes, 1e-6) + rng.uniform(0, 0.5, size=(len(some), 1)) * read
    return unit(np.where(sizes > 1e-6, reference_planes.unrotate(along), some).astype(np.float32))


def probes(rows: Rows, draw: Draw, count: int, rng: Generator) -> Rows:
    """Probes of every kind, mixed: strangers, relatives of a template, templates themselves, ones that try a bound."""
    some, others = rows[rng.integers(len(rows), size=(2, count))]
    noise = _isotropic(count, rows.shape[1], rng)
    # The second one's opposite would leave nothing between the two.
    between = np.where(np.sum(some * others, axis=1, keepdims=True) > -0.5, some + others, some)
    kinds = (
        noise,
        draw(count),
        galleries.genuine(rows, count, rng),
        some,
        -some,
        nudged(some, rng),
        stretched(unit(some.copy()), rng),
        unit(between),
        unit(some + np.float32(1e-3) * noise),
        _one_hot(count, rows.shape[1], rng),
        _along(some, rng),
    )
    return np.ascontiguousarray(np.stack(kinds)[rng.integers(len(kinds), size=count), np.arange(count)])
