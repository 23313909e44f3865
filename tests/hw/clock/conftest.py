"""Clocks that a test makes, ended with it."""

from __future__ import annotations

import pytest

from hw.sim.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    """A virtual clock with little patience, so that a deadlock shows quickly."""
    return VirtualClock(patience=0.3)
