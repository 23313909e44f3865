"""Counters and histograms of one lane for Prometheus: typed, in a registry of their own, with bounded labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from controller.errors import ConfigError

if TYPE_CHECKING:
    from threading import Thread
    from types import TracebackType
    from wsgiref.simple_server import WSGIServer

STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Seconds; 0.5 is the promise for a decision, 2 the standard's limit from reading to actuator."""
DISK_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; an SD card's fsync can take several."""


class Metrics:
    """Everything the lane counts. Methods may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.frames = Counter("thermogate_frames", "Frames read", ["device"], registry=registry)
        self.frames_dropped = Counter(
            "thermogate_frames_dropped", "Frames overwritten before anybody looked", ["device"], registry=registry
        )
        self.frames_torn = Counter(
            "thermogate_frames_torn", "Frames that could not be right: torn or glitched", ["device"], registry=registry
        )
        self.frames_lost = Counter(
            "thermogate_frames_lost", "Frames a device took that did not come through", ["device"], registry=registry
        )
        self.reopened = Counter("thermogate_device_reopened", "Devices opened again", ["device"], registry=registry)
        self.device_up = Gauge("thermogate_device_up", "1 while a device works", ["device"], registry=registry)
        self.device_health = Gauge(
            "thermogate_device_health", "1 at the health a device is in", ["device", "health"], registry=registry
        )
        self.power_cycles = Counter(
            "thermogate_device_power_cycles", "Supplies cut to free a device", ["device"], registry=registry
        )
        self.decisions = Counter(
            "thermogate_decisions", "Grants and denials", ["decision", "reason"], registry=registry
        )
        self.passages = Counter("thermogate_passages", "Ends of granted passages", ["outcome"], registry=registry)
        self.stage_seconds = Histogram(
            "thermogate_stage_seconds",
            "Time of one stage of the work",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self.loop_late_seconds = Histogram(
            "thermogate_loop_late_seconds", "How late the event loop was", buckets=STAGE_BUCKETS, registry=registry
        )
        self.journal_seconds = Histogram(
            "thermogate_journal_commit_seconds", "Time of one commit", buckets=DISK_BUCKETS, registry=registry
        )
        self.journal_entries = Counter("thermogate_journal_entries", "Entries on disk", registry=registry)
        self.journal_failures = Counter("thermogate_journal_failures", "Entries that failed", registry=registry)
        self.outbox_depth = Gauge("thermogate_outbox_depth", "Entries the campus does not have", registry=registry)
        self.link_up = Gauge("thermogate_link_up", "1 while connected to the broker", registry=registry)
        self.certificate_days = Gauge(
            "thermogate_certificate_days_left", "Days left of the link's certificates", ["which"], registry=registry
        )
        self.link_broker = Gauge(
            "thermogate_link_broker", "1 at the broker in use, 0 at the one just lost", ["broker"], registry=registry
        )
        self.link_sent = Counter("thermogate_link_sent", "Events published, repeats among them", registry=registry)
        self.link_refused = Counter(
            "thermogate_link_refused", "Messages from the campus that were refused", ["reason"], registry=registry
        )

    def granted(self) -> None:
        """A passage was granted."""
        self.decisions.labels("grant", "").inc()

    def denied(self, reason: str) -> None:
        """A passage was denied; `reason` is a `DenyReason` value."""
        self.decisions.labels("deny", reason).inc()

    def committed(self, entries: int, seconds: float) -> None:
        """A journal commit; fits `Journal(on_commit=...)`."""
        self.journal_entries.inc(entries)
        self.journal_seconds.observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the work ended; fits `Watch.on_stage`."""
        self.stage_seconds.labels(name).observe(seconds)


class MetricsServer:
    """Serves a registry on the loopback address; a context manager.

    Raises `ConfigError` when the port is taken.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        self._metrics = metrics
        self._port = port
        self._running: tuple[WSGIServer, Thread] | None = None

    def __enter__(self) -> Self:
        try:
            self._running = start_http_server(self._port, addr="127.0.0.1", registry=self._metrics.registry)
        except OSError as error:
            raise ConfigError(f"[observe] metrics_port: {self._port} cannot be used: {error.strerror}") from error
        return self

    @property
    def port(self) -> int:
        """The port in use."""
        return self._port if self._running is None else int(self._running[0].server_port)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
            self._running = None
