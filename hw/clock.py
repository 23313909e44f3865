"""Time as the hardware rooms see it. Drivers and timers take a `Clock`, so a rehearsal may run faster than life."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """A monotonic clock that can be waited on from threads."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Block this thread until `event` is set or `timeout` seconds (may be `math.inf`) passed; True when set."""
        ...

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        """Start a daemon thread that this clock knows from its first moment: simulated time waits for it."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def monotonic(self) -> float:
        """Seconds of `time.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """`time.sleep`, at least zero."""
        time.sleep(max(0.0, seconds))

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """`threading.Event.wait`."""
        return event.wait(bounded(timeout))

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        """A started daemon thread."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


def bounded(timeout: float) -> float | None:
    """`timeout` as `threading` takes it: at least 0, and None for infinity or more than it can count."""
    return None if timeout >= threading.TIMEOUT_MAX or math.isinf(timeout) else max(0.0, timeout)
