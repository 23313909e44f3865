"""Metrics are readable on the loopback address, and the loop's own lateness is one of them."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.request

import pytest

from controller.errors import ConfigError
from controller.observe.lateness import LatenessMonitor
from controller.observe.metrics import Metrics, MetricsServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_is_counted_is_served_on_loopback() -> None:
    metrics = Metrics()
    metrics.granted()
    metrics.denied("too_cold")
    metrics.denied("too_cold")
    metrics.committed(3, 0.004)
    metrics.stage("identify", 0.02)
    metrics.outbox_depth.set(7)
    with MetricsServer(metrics, free_port()) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        with socket.socket() as elsewhere:
            elsewhere.settimeout(5)
            assert elsewhere.connect_ex(("127.0.0.2", server.port)) != 0, "only 127.0.0.1 answers"
    for line in (
        'thermogate_decisions_total{decision="grant",reason=""} 1.0',
        'thermogate_decisions_total{decision="deny",reason="too_cold"} 2.0',
        "thermogate_journal_entries_total 3.0",
        'thermogate_journal_commit_seconds_bucket{le="0.005"} 1.0',
        'thermogate_stage_seconds_count{stage="identify"} 1.0',
        "thermogate_outbox_depth 7.0",
    ):
        assert line in text.splitlines()


def test_two_lanes_do_not_share_numbers() -> None:
    one, two = Metrics(), Metrics()
    one.granted()
    assert two.registry.get_sample_value("thermogate_decisions_total", {"decision": "grant", "reason": ""}) is None


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"\[observe\] metrics_port: {port} cannot be used"):
            MetricsServer(Metrics(), port).__enter__()


@pytest.mark.asyncio
async def test_a_blocked_loop_is_seen() -> None:
    seen: list[float] = []
    twice = asyncio.Event()

    def observe(late: float) -> None:
        seen.append(late)
        if len(seen) >= 2:
            twice.set()

    monitor = LatenessMonitor(observe, interval=0.01, warn_after=0.1)
    running = asyncio.ensure_future(monitor.run())
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - the offence that is to be noticed
    await asyncio.wait_for(twice.wait(), 20)
    running.cancel()
    assert seen[0] > 0.2
    assert monitor.worst == max(seen)
