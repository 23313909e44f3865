"""Time as the hardware rooms see it: drivers and timers take a `Clock`, so a rehearsal may run faster than life."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """A monotonic clock that can be waited on from threads."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Block this thread until `event` is set or `timeout` seconds have passed; True when set."""
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
        return event.wait(max(0.0, timeout))
