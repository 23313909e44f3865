"""Those who watch a lane for a living: metrics, and the log's one line per passage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from controller.health.device import Health
from controller.lane.effects import RecordKind
from controller.observe.log import PassageLine
from controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    import structlog
    from prometheus_client import Counter

    from controller.app import App
    from controller.health.device import Report
    from controller.observe.metrics import Metrics
    from controller.watch import Step

LOGGED_ALONE = frozenset(
    {
        RecordKind.TAILGATE.value,
        RecordKind.INTRUSION.value,
        RecordKind.REVERSE.value,
        RecordKind.FAULT.value,
        RecordKind.FAULT_CLEARED.value,
        RecordKind.EMERGENCY.value,
        RecordKind.COMMAND.value,
        RecordKind.TAMPER.value,
        RecordKind.WARNING.value,
    }
)
"""Records that are not part of a passage, each a line of its own."""


COLLECT_EVERY = 5.0
"""Seconds between two collections; Prometheus asks less often."""


class Depth(Protocol):
    """The part of the outbox that is measured."""

    @property
    def depth(self) -> int:
        """Entries the campus does not have."""
        ...


class MetricsWatch(Watch):
    """Counts what the lane does."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_step(self, step: Step) -> None:
        """Count decisions and ends of passages."""
        for stored in step.stored:
            entry = stored.entry
            if entry.kind == RecordKind.GRANT.value:
                self._metrics.granted()
            elif entry.kind == RecordKind.DENY.value:
                self._metrics.denied(str(entry.detail.get("reason", "")))
            elif entry.kind == RecordKind.PASSAGE.value:
                self._metrics.passages.labels(str(entry.detail.get("outcome", ""))).inc()

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        """Show whether a device works."""
        del text
        self._metrics.device_up.labels(name).set(1 if up else 0)

    def on_health(self, name: str, report: Report) -> None:
        """Show how a device is."""
        for health in Health:
            self._metrics.device_health.labels(name, health.value).set(1 if health is report.health else 0)

    def on_stage(self, stage: str, seconds: float) -> None:
        """Time a stage."""
        self._metrics.stage(stage, seconds)

    def on_delay(self, stage: str, seconds: float) -> None:
        """Time a stretch of the way."""
        self._metrics.stage(stage, seconds)


class CountersWatch:
    """Carries the counters of capture threads, slots, runner and outbox over to the metrics; a service of the app."""

    def __init__(self, metrics: Metrics, app: Callable[[], App], outbox: Depth) -> None:
        self._metrics = metrics
        self._app = app
        self._outbox = outbox
        self._carried: dict[str, int] = {}

    async def run(self) -> None:
        """Carry over for ever."""
        while True:
            await asyncio.sleep(COLLECT_EVERY)
            self.collect()

    def collect(self) -> None:
        """Carry over what was counted since the last time."""
        app, metrics = self._app(), self._metrics
        for capture in app.captures:
            counters, name = capture.counters, capture.name
            self._carry(metrics.frames.labels(name), f"{name} frames", counters.frames)
            self._carry(metrics.frames_torn.labels(name), f"{name} torn", counters.bad_frames)
            self._carry(metrics.frames_lost.labels(name), f"{name} lost", counters.lost)
            self._carry(metrics.reopened.labels(name), f"{name} reopened", counters.reopened)
            self._carry(metrics.power_cycles.labels(name), f"{name} power", capture.report.power_cycles)
        for name, slot in (("camera", app.eyes.pictures), ("thermal", app.eyes.heat)):
            self._carry(metrics.frames_dropped.labels(name), f"{name} dropped", slot.dropped)
        self._carry(metrics.journal_failures, "records failed", app.runner.failed_records)
        metrics.outbox_depth.set(self._outbox.depth)

    def _carry(self, counter: Counter, key: str, total: int) -> None:
        counter.inc(total - self._carried.get(key, 0))
        self._carried[key] = total


class PassageLog(Watch):
    """Writes one line per passage or denial, with everything about it; other records are lines of their own."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._open: dict[str, PassageLine] = {}

    def on_step(self, step: Step) -> None:
        """Collect a grant, end it with its passage."""
        for stored in step.stored:
            entry = stored.entry
            if entry.kind == RecordKind.GRANT.value and entry.grant_id is not None:
                line = PassageLine(self._log, entry.grant_id)
                line.add(person=entry.person, seq=stored.seq, **entry.detail)
                self._open[entry.grant_id] = line
            elif entry.kind == RecordKind.PASSAGE.value:
                known = self._open.pop(entry.grant_id, None) if entry.grant_id else None
                line = known or PassageLine(self._log, entry.grant_id)
                told = dict(entry.detail)
                line.end(str(told.pop("outcome", "free")), **told)
            elif entry.kind == RecordKind.DENY.value:
                PassageLine(self._log).end("denied", person=entry.person, seq=stored.seq, **entry.detail)
            elif entry.kind in LOGGED_ALONE:
                self._log.warning(entry.kind, person=entry.person, seq=stored.seq, **entry.detail)
