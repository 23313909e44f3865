"""Golden vectors and kernel paths for the kernel tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

import _fastcore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

DATA = Path(__file__).parents[1] / "data"

# A sanitizer makes everything some ten times slower; the same examples in the same order each time.
settings.register_profile("fastcore", deadline=None, derandomize=True)


@pytest.fixture(autouse=True, scope="session")
def _the_expected_build() -> None:
    """Under a runner that made a build of its own, the extensions under test must be that build's."""
    expected = os.environ.get("THERMOGATE_EXPECT_BUILD")
    if expected:
        assert Path(_fastcore.__file__).is_relative_to(expected)


@pytest.fixture(params=_fastcore.available_backends())
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each kernel path of this machine, in use for the test."""
    before = _fastcore.backend()
    _fastcore.select_backend(request.param)
    yield str(request.param)
    _fastcore.select_backend(before)


def _load(file: Path) -> Vectors:
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="session")
def own() -> Vectors:
    """The project's own golden vectors: 104 cases of two subpages, put out by the vendor's library."""
    return _load(DATA / "own_golden.npz")


@pytest.fixture(scope="session")
def own_defects() -> Vectors:
    """EEPROMs with defects, and the vendor's code for each."""
    return _load(DATA / "own_defects.npz")


@pytest.fixture(scope="session", params=["own", pytest.param("research", marks=pytest.mark.realdata)])
def golden(request: pytest.FixtureRequest) -> Vectors:
    """Golden vectors: our own, and the research set with the real sensors' dumps."""
    if request.param == "own":
        vectors: Vectors = request.getfixturevalue("own")
        return vectors
    testdata: Path = request.getfixturevalue("testdata")
    return _load(testdata / "thermal" / "mlx90640_golden.npz")
