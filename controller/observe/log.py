"""The log: one structured line for each thing worth knowing, and exactly one for a passage.

Lines are rendered where they are made and written by a thread of their own, so that a slow terminal or a full pipe
cannot hold up the event loop; what does not fit its bounded queue is dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import sys
import threading
from typing import TYPE_CHECKING, TextIO

import structlog

from controller.observe.redact import redact

if TYPE_CHECKING:
    from structlog.typing import Processor

    from controller.observe.settings import ObserveSettings

QUEUE_LINES = 10_000
CLOSE_SECONDS = 2.0
"""What a reader that hangs may cost at the end, twice."""

_Lines = queue.Queue[logging.LogRecord | None]

# In front of both structlog's lines and those of libraries that use the standard library's logging.
_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    redact,
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one room."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class LogHandle:
    """The running log; `close` writes what is queued."""

    def __init__(self, handler: _BoundedHandler, writer: _Writer) -> None:
        self._handler = handler
        self._writer = writer

    @property
    def dropped(self) -> int:
        """Lines lost because the reader of the log was too slow."""
        return self._handler.dropped

    def close(self) -> None:
        """Write what is queued, for a bounded time, and stop; harmless when stopped."""
        root = logging.getLogger()
        if self._handler in root.handlers:
            root.removeHandler(self._handler)
            self._writer.stop()
            self._handler.close()


def configure(settings: ObserveSettings, stream: TextIO | None = None) -> LogHandle:
    """Send every line of the program, and of its libraries, to `stream` (default: standard error)."""
    stream = stream or sys.stderr
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    lines: _Lines = queue.Queue(QUEUE_LINES)
    handler = _BoundedHandler(lines)
    handler.setFormatter(_formatter(as_json=as_json, colours=stream.isatty()))
    writer = _Writer(lines, stream)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return LogHandle(handler, writer)


class PassageLine:
    """Collects what becomes known about one passage and writes it as one line when it is over.

    Args:
        log: where the line goes.
        grant_id: or None until there is one.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger, grant_id: str | None = None) -> None:
        self._log = log
        self._fields: dict[str, object] = {} if grant_id is None else {"grant_id": grant_id}
        self._written = False

    def add(self, **fields: object) -> None:
        """Note more about it; a later value replaces an earlier one."""
        self._fields |= fields

    def end(self, outcome: str, **fields: object) -> None:
        """Write the line. Only the first end counts."""
        if not self._written:
            self._written = True
            self._log.info("passage", outcome=outcome, **self._fields | fields)


class _Writer:
    """The thread that waits for the reader of the log.

    Not a `QueueListener`: that cannot be stopped while its queue is full, and waits for ever for a reader that hangs.
    """

    def __init__(self, lines: _Lines, stream: TextIO) -> None:
        self._lines = lines
        self._handler = logging.StreamHandler(stream)
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_SECONDS)
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        while (record := self._lines.get()) is not None:
            self._handler.handle(record)


class _BoundedHandler(logging.handlers.QueueHandler):
    """Queues rendered lines, and drops those that do not fit."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__(lines)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def _formatter(*, as_json: bool, colours: bool) -> structlog.stdlib.ProcessorFormatter:
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        plain = structlog.dev.plain_traceback  # never the rich one: it shows local variables
        last.append(structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain))
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=list(_COMMON), processors=last)
