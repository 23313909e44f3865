"""The hub's command line sets up a log; no other test inherits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def log_restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()
