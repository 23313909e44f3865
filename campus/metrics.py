"""What the hub tells Prometheus: on a loopback port of its own, as a board does; numbers and names of gates alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from campus import tables
from campus.errors import HubConfigError, HubStoreError
from campus.gates.told import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from campus.database import Database
    from campus.intake.ingest import Commit, Ingest

REFRESH = 15.0
"""Seconds between two looks at what the database says of gates: Prometheus asks about as often."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200)

log = structlog.stdlib.get_logger("hub")


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[metrics]`: for Prometheus."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """TCP port on the loopback address; None: not served."""


class HubMetrics:
    """Everything the hub counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._batch = Histogram("thermogate_hub_batch_size", "Messages of a COMMIT", buckets=SIZES, registry=registry)
        self._commit = Histogram(
            "thermogate_hub_commit_seconds", "Time of one batch in the database", buckets=SECONDS, registry=registry
        )
        self._acks = Counter("thermogate_hub_acks", "Acknowledgements, requests among them", registry=registry)
        self._requests = Histogram(
            "thermogate_hub_request_seconds",
            "Time of one answer over REST",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )
        self._gates = Gauge("thermogate_hub_gates", "Gates by what is known of them", ["online"], registry=registry)
        self._lag = Gauge(
            "thermogate_hub_gate_lag", "Events that a gate tells of and that are not here", ["gate"], registry=registry
        )
        self._waiting = Gauge(
            "thermogate_hub_gate_waiting", "Events ahead of a gate's mark", ["gate"], registry=registry
        )
        self._seen = Gauge(
            "thermogate_hub_gate_seen_timestamp_seconds", "When a gate was heard of last", ["gate"], registry=registry
        )
        self._gaps = Gauge("thermogate_hub_gaps", "Gaps that stay open", ["alerted"], registry=registry)
        self._holes = Gauge("thermogate_hub_holes", "Ranges of events lost to this hub", registry=registry)
        self.certificate_days = Gauge(
            "thermogate_hub_certificate_days_left",
            "Days left of the hub's certificates",
            ["of", "which"],
            registry=registry,
        )
        self._duties = Gauge("thermogate_hub_duty", "1: this hub does it, 0: another", ["duty"], registry=registry)
        self._conflicts = Gauge("thermogate_hub_conflicts", "Other events at places that were taken", registry=registry)

    def duty(self, name: str, held: bool) -> None:  # noqa: FBT001 - a value, not a switch
        """Whether a duty is this hub's; fits `Duties(told=...)`."""
        self._duties.labels(name).set(held)

    def watch(self, intake: Ingest) -> None:
        """Tell what this intake counts."""
        self.registry.register(_Counts(intake))

    def committed(self, commit: Commit) -> None:
        """A batch was stored; fits `Ingest(on_commit=...)`."""
        self._batch.observe(len(commit.batch))
        self._commit.observe(commit.seconds)
        self._acks.inc(len(commit.marks))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route`: the pattern of its path, so that there are no more labels than routes."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    async def run(self, database: Database) -> NoReturn:
        """Keep what the database says of gates up to date, until cancelled."""
        while True:
            try:
                await self.refresh(database)
            except HubStoreError as error:
                log.warning("metrics are old", error=str(error))
            await asyncio.sleep(REFRESH)

    async def refresh(self, database: Database) -> None:
        """Read it once. Raises `HubStoreError`."""
        count, pending, gap = sa.func.count(), tables.pending.c, tables.gap.c
        async with database.transaction() as query:
            gates = (await query.execute(sa.select(tables.gate))).all()
            waiting = (await query.execute(sa.select(pending.gate, count).group_by(pending.gate))).all()
            alerted = (await query.execute(sa.select(gap.alerted.is_not(None)))).scalars().all()
            holes = (await query.execute(sa.select(count).select_from(tables.hole))).scalar_one()
            conflicts = (await query.execute(sa.select(count).select_from(tables.conflict))).scalar_one()
        for known in (True, False, None):
            self._gates.labels(_word(known)).set(sum(gate.online is known for gate in gates))
        for gate in gates:
            self._seen.labels(gate.gate).set(gate.seen)
            self._waiting.labels(gate.gate).set(0)
            said = state_of(gate.gate, gate.state)
            self._lag.labels(gate.gate).set(0 if said is None else said.outbox)
        for gate, number in waiting:
            self._waiting.labels(gate).set(number)
        for state in (True, False):
            self._gaps.labels(_word(state)).set(sum(bool(one) is state for one in alerted))
        self._holes.set(holes)
        self._conflicts.set(conflicts)

    @contextlib.contextmanager
    def served(self, port: int | None) -> Iterator[None]:
        """Answer Prometheus on this port of the loopback address, if any. Raises `HubConfigError` where it is taken."""
        if port is None:
            yield
            return
        try:
            server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except (OSError, OverflowError) as error:
            raise HubConfigError(f"[metrics] port: {port} cannot be used: {error}") from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Counts(Collector):
    """What an intake counts anyway."""

    def __init__(self, intake: Ingest) -> None:
        self._intake = intake

    def collect(self) -> Iterator[Metric]:
        """Everything it has counted so far."""
        events = CounterMetricFamily(
            "thermogate_hub_events", "Events that came, by what became of them", labels=["result"]
        )
        for result in ("stored", "duplicates", "conflicts", "holes"):
            events.add_metric([result], self._intake.store.counts[result])
        yield events
        refused = CounterMetricFamily("thermogate_hub_refused", "Messages not of good form", labels=["gate"])
        for gate, count in list(self._intake.refused.items()):
            refused.add_metric([gate], count)
        yield refused
        up = float(self._intake.connected.is_set())
        yield GaugeMetricFamily("thermogate_hub_broker_up", "1 while gates are heard", up)
        yield CounterMetricFamily("thermogate_hub_dropped", "Messages there was no room for", self._intake.dropped)
        yield CounterMetricFamily("thermogate_hub_asked", "Times gates were asked to send again", self._intake.asked)


def _word(value: bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    return "unknown" if value is None else "yes" if value else "no"
