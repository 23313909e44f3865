"""What every test may lean on: research data and models where they are, and a loop that is never blocked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from controller.perception.types import Face


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"{variable}={value} is not a folder")
    return path


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of golden sensor vectors, faces and fever data."""
    return _folder("THERMOGATE_TESTDATA")


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of detector and embedder weights."""
    return _folder("THERMOGATE_MODELS")


class BlindEngine:
    """Sees nobody, at no cost: for what is not about people."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0

    def __init__(self, *, rehearsal_only: bool = False) -> None:
        self.rehearsal_only = rehearsal_only

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


@pytest.fixture
def blind() -> type[BlindEngine]:
    """An engine that sees nobody."""
    return BlindEngine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2.5 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2560k", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
