"""A search that skips templates against looking at all: a short run of the long check, and that the check checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import _fastcore
from _fastcore.match import Gallery
from benchmarks import adversaries, exactness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Careless:
    """A gallery that, for several results, now and then drops the last one, or swaps ties, or rounds a score."""

    def __init__(self, dim: int, fault: str) -> None:
        self._gallery: Any = Gallery(dim)
        self._fault = fault
        self.add, self.remove = self._gallery.add, self._gallery.remove

    def search_exhaustive(self, probe: NDArray[np.float32], k: int, threshold: float | None) -> Found:
        found: Found = self._gallery.search(probe, k, threshold)
        return found

    def search(self, probe: NDArray[np.float32], k: int, threshold: float | None = None) -> Found:
        keys, scores = self.search_exhaustive(probe, k, threshold)
        match self._fault:
            case "drops" if len(keys) > 3:
                return keys[:-1], scores[:-1]
            case "swaps" if len(keys) > 1 and scores[0] == scores[1]:
                keys[:2] = keys[1], keys[0]
            case "rounds" if len(keys) > 3:
                scores[1] = np.nextafter(scores[1], np.float32(-1))
            case _:
                pass
        return keys, scores


def test_a_search_finds_what_looking_at_all_finds() -> None:
    before = _fastcore.backend()
    outcome = exactness.run(5_000, 11, print)
    assert outcome.shown == []
    assert outcome.mismatches == 0
    assert outcome.queries >= 5_000
    assert set(outcome.by_path) <= set(_fastcore.available_backends())
    assert _fastcore.backend() == before


@pytest.mark.parametrize("family", adversaries.ALL)
def test_each_family_and_its_probes_are_normalised(family: str) -> None:
    rng = np.random.default_rng(5)
    for dim in (1, 7, 100):
        draw = adversaries.drawer(family, dim, rng)
        rows = draw(30)
        probes = adversaries.probes(rows, draw, 40, rng)
        for each in (rows, probes):
            assert each.dtype == np.float32
            assert np.all(np.isfinite(each))
            assert np.linalg.norm(each.astype(np.float64), axis=1) == pytest.approx(1, abs=9.5e-4)


@pytest.mark.parametrize("fault", ["drops", "swaps", "rounds"])
def test_a_careless_search_is_found_out(fault: str) -> None:
    outcome = exactness.run(20_000, 2, print, make=lambda dim: Careless(dim, fault))
    assert outcome.mismatches > 0
    assert len(outcome.shown) <= exactness.SHOWN
    assert "gallery " in outcome.shown[0]


def test_a_gallery_can_be_played_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert exactness.main(["--queries", "100000", "--seed", "2", "--gallery", "4"]) == 0
    once = capsys.readouterr().out.splitlines()[-1]
    assert exactness.main(["--queries", "100000", "--seed", "2", "--gallery", "4"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == once
    assert "1 galleries, 0 mismatches" in once
