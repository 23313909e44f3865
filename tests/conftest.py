"""What every test may lean on: research data and models where they are, and a loop that is never blocked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
