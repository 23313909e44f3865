"""Those who watch a lane for a living: metrics, and the log's one line per passage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.effects import RecordKind
from controller.observe.log import PassageLine
from controller.watch import Watch

if TYPE_CHECKING:
    import structlog

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

    def on_stage(self, stage: str, seconds: float) -> None:
        """Time a stage."""
        self._metrics.stage(stage, seconds)


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
