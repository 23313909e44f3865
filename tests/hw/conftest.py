"""Rigs of a driver on gpiozero's mock pins over its simulated mechanics: opened as asked, closed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.ports import Edge, Gate
    from hw.sim.clock import ManualClock


class Wired(Protocol):
    """What a rig has: a time moved by hand, a driver, what it reported, and what it is wired to."""

    clock: ManualClock
    edges: list[Edge]

    @property
    def gate(self) -> Gate: ...
    @property
    def mechanics(self) -> Any: ...


AnyRig = TypeVar("AnyRig", bound=Wired)


@pytest.fixture
def keep() -> Iterator[Callable[..., Any]]:
    """Take a rig, open its driver unless told not to and let `settles` seconds pass; at the end close all of it."""
    kept: list[Wired] = []

    def take(rig: AnyRig, *, opened: bool = True, settles: float = 0.5) -> AnyRig:
        kept.append(rig)
        if opened:
            rig.gate.open(rig.edges.append)
            rig.clock.advance(settles)
        return rig

    yield take
    for rig in kept:
        rig.gate.close()
        rig.mechanics.close()
