"""The benchmark's own measurements on a small scale: lean gates and a real one, everything stored and acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.hub import command, measure, services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.hub.services import Process, School

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def school() -> Iterator[tuple[School, Process]]:
    """A school with three gates, and its hub."""
    try:
        with services.school(3) as made:
            hub = made.start_hub()
            try:
                command.wait_until_it_listens(made, hub)
                yield made, hub
            finally:
                services.end(hub)
    except services.MissingError as error:
        pytest.skip(str(error))


def test_lean_gates_at_full_speed_and_at_a_rate(school: tuple[School, Process]) -> None:
    made, hub = school
    for rate in (0.0, 100.0):
        run = measure.lean(made, hub, made.gates[:2], 60, rate)
        assert run.events == run.stored == len(run.latencies) == 120
        assert all(latency > 0 for latency in run.latencies)
        assert set(run.cpu) == set(measure.ROLES)


def test_a_gate_that_was_offline(school: tuple[School, Process]) -> None:
    made, hub = school
    run = measure.drain(made, hub, made.gates[2], 300)
    assert run.stored == run.events == 300
