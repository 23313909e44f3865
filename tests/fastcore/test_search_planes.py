"""The bounds that make the search exact: none is ever under a score, and probes made to break them do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import _fastcore
from _fastcore import reference_planes
from _fastcore.match import Gallery
from benchmarks import adversaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DIMS = (32, 64, 100, 128, 200, 512)
FINE = 3
READINGS = range(FINE + 1)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _gallery(rows: NDArray[np.float32]) -> Gallery:
    gallery = Gallery(rows.shape[1])
    gallery.add_many(range(len(rows)), rows)
    return gallery


def _has_planes(path: str) -> bool:
    """A path may score every template instead, where planes would be slower."""
    before = _fastcore.backend()
    _fastcore.select_backend(path)
    axis = np.eye(64, dtype=np.float32)[0]
    found = Gallery(64).bounds(axis, 0)[0] is not None
    _fastcore.select_backend(before)
    return found


@pytest.fixture(params=[path for path in _fastcore.available_backends() if _has_planes(path)])
def planes(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each kernel path of this machine that reads planes, in use for the test."""
    before = _fastcore.backend()
    _fastcore.select_backend(request.param)
    yield str(request.param)
    _fastcore.select_backend(before)


def _bounds(gallery: Gallery, probe: NDArray[np.float32], reading: int) -> NDArray[np.float64]:
    keys, bounds = gallery.bounds(probe, reading)
    assert keys is not None
    assert bounds is not None
    ordered = np.empty(len(keys))
    ordered[keys] = bounds
    return ordered


def _exact(rows: NDArray[np.float32], probe: NDArray[np.float32]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = rows.astype(np.float64) @ probe.astype(np.float64)
    return scores


def _as_read(rows: NDArray[np.float32], reading: int) -> NDArray[np.float64]:
    rotated = reference_planes.rotate(rows.astype(np.float64))
    return reference_planes.fine(rotated) if reading == FINE else reference_planes.readings(rotated)[reading]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("family", adversaries.ALL)
def test_no_bound_is_under_the_score(planes: str, family: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    draw = adversaries.drawer(family, dim, rng)
    rows = draw(300)
    gallery = _gallery(rows)
    for probe in adversaries.probes(rows, draw, 24, rng):
        for reading in READINGS:
            assert np.all(_bounds(gallery, probe, reading) >= _exact(rows, probe)), (family, reading)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("reading", READINGS)
def test_a_probe_along_what_rounding_took_away_is_not_missed(planes: str, dim: int, reading: int) -> None:
    """The worst case of the bound: the probe points from the reading to the template.

    Its score is what was read plus the whole distance; all that is left to the bound is what rounding lookups up adds,
    and for 8 bits, nothing.
    """
    rows = _unit(np.random.default_rng(5).standard_normal((200, dim)))
    rotated = reference_planes.rotate(rows.astype(np.float64))
    read = _as_read(rows, reading)
    gallery = _gallery(rows)
    probes = _unit(reference_planes.unrotate(rotated - read))
    distance = np.linalg.norm(rotated - read, axis=1)
    for key, probe in enumerate(probes):
        score = float(_exact(rows[key : key + 1], probe)[0])
        bound = float(_bounds(gallery, probe, reading)[key])
        assert score <= bound
        likely = float(reference_planes.rotate(probe[None].astype(np.float64))[0] @ read[key])
        assert score == pytest.approx(likely + distance[key], abs=1e-5)


@pytest.mark.parametrize("dim", DIMS)
def test_bounds_are_as_close_as_they_are_said_to_be(planes: str, dim: int) -> None:
    """Planes err by the distance, 8 bits by the distances of both sides; lookups add to the former."""
    rng = np.random.default_rng(dim)
    rows, probe = _unit(rng.standard_normal((500, dim))), _unit(rng.standard_normal((1, dim)))[0]
    gallery = _gallery(rows)
    rotated = reference_planes.rotate(rows.astype(np.float64))
    turned = reference_planes.rotate(probe[None].astype(np.float64))
    for reading in READINGS:
        read = _as_read(rows, reading)
        distance = np.linalg.norm(rotated - read, axis=1)
        closest = read @ turned[0] + distance
        if reading == FINE:
            probe_read = reference_planes.fine(turned)
            closest = read @ probe_read[0] + distance + np.linalg.norm(turned - probe_read)
        excess = _bounds(gallery, probe, reading) - closest
        assert np.all(excess > -1e-4), reading
        assert np.mean(excess) < (1e-4 if reading == FINE else 0.05), reading


def test_the_oracles_rotation_is_one() -> None:
    rng = np.random.default_rng(0)
    for dim in (1, 7, 32, 100, 512):
        rows = rng.standard_normal((20, dim))
        turned = reference_planes.rotate(rows)
        np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-10)
        np.testing.assert_allclose(reference_planes.unrotate(turned), rows, atol=1e-12)


def test_planes_spare_most_of_the_reading(path: str) -> None:
    rng = np.random.default_rng(3)
    rows = _unit(rng.standard_normal((4000, 512)))
    gallery = _gallery(rows)
    stranger, known = _unit(rng.standard_normal((1, 512)))[0], rows[7]
    for probe, threshold, first in ((stranger, 0.45, 0.15), (stranger, 0.35, 0.05), (known, None, 0.05)):
        work = gallery.explain(probe, threshold=threshold)
        assert work.templates == 4000
        if not _has_planes(path):
            assert (work.hot_bytes, work.refined, work.rescored) == (0, 0, 4000)
        else:
            assert 4000 * 128 <= work.hot_bytes <= 4096 * 264
            assert work.refined < first * 4000
            assert work.rescored < 40


@pytest.mark.parametrize(("k", "threshold"), [(256, None), (257, None), (257, 0.3), (600, 0.2), (600, -1.0)])
def test_many_results_are_those_of_an_exhaustive_search(planes: str, k: int, threshold: float | None) -> None:
    rng = np.random.default_rng(8)
    rows = _unit(rng.standard_normal((5000, 64)))
    gallery = _gallery(rows)
    for probe in (rows[3], _unit(rng.standard_normal((1, 64)))[0]):
        (keys, scores), (others, exact) = (
            find(probe, k, threshold) for find in (gallery.search, gallery.search_exhaustive)
        )
        assert np.array_equal(keys, others)
        assert np.array_equal(scores, exact)


@pytest.mark.parametrize("dim", [4, 31, 2049, 4096])
def test_dimensions_without_planes(path: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    rows = _unit(rng.standard_normal((100, dim)))
    gallery = _gallery(rows)
    assert gallery.bounds(rows[0], 1) == (None, None)
    assert gallery.search(rows[5], 3)[0][0] == 5
    assert gallery.memory().hot == gallery.memory().refine == 0


@pytest.mark.parametrize("reading", [-1, 4])
def test_an_unknown_reading_is_refused(reading: int) -> None:
    with pytest.raises(ValueError, match="reading must be 0 to 3"):
        Gallery(64).bounds(np.eye(64, dtype=np.float32)[0], reading)


def test_hot_memory_is_half_a_byte_an_element_and_eight() -> None:
    for dim in (64, 128, 512):
        gallery = _gallery(_unit(np.random.default_rng(0).standard_normal((100, dim))))
        used = gallery.memory()
        assert used.hot == 100 * (dim // 2 + 8)
        assert used.refine == 100 * dim
        assert used.exact == 400 * dim
    assert _fastcore.backend() in _fastcore.available_backends()
