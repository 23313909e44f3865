"""Worlds to look at, and how to compare boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hw.sim.clock import ManualClock
from hw.sim.faces_identity import Identity
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.sim.placing import Box


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(clock: ManualClock) -> World:
    return World(clock, seed=3)


@pytest.fixture
def overlap() -> Callable[[Box, Box], float]:
    """Intersection over union."""

    def iou(a: Box, b: Box) -> float:
        across = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
        down = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
        return across * down / (a[2] * a[3] + b[2] * b[3] - across * down)

    return iou


@pytest.fixture
def bare_faced() -> Iterator[int]:
    """Numbers of people who wear no glasses and are not bald."""
    people = (Identity.of(number) for number in range(1000))
    return (who.number for who in people if not who.style.glasses and who.style.hair != "bald")
