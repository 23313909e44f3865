"""`python -m controller`, and the console script `thermogate`."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from controller.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable


def entry(run: Callable[[], int] = main) -> NoReturn:
    """Run, and end the process with the exit status.

    A device thread that hangs in its driver is left behind, and Python before 3.14 ends such a thread by unwinding it
    when it comes back: in C++ that is an abort, which a service manager would take for a crash. So the process ends
    without waiting for any of them; everything that had to be closed is.
    """
    status = run()
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    entry()
