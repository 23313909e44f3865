"""The hub's own command line, in a process that ends itself by SIGKILL at a named point.

    python -m benchmarks.hub.deadly_hub POINT NUMBER serve --config hub.toml

The NUMBERth time it comes to POINT:

    migrating   before a statement that makes or changes a table
    storing     before another statement of a transaction
    committing  before COMMIT
    committed   behind COMMIT, before anything is acknowledged

Nothing of the hub is changed for it: SQLAlchemy tells of all four.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import sqlalchemy as sa

from campus.cli.main import main as hub

POINTS = ("migrating", "storing", "committing", "committed")
_CHANGES = ("CREATE", "ALTER", "DROP")


class Deadline:
    """Ends this process at a named point."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._left = number
        sa.event.listen(sa.Engine, "before_cursor_execute", self._executing)
        sa.event.listen(sa.Engine, "commit", lambda _: self._reached("committing"))
        sa.event.listen(sa.Pool, "checkin", lambda *_: self._reached("committed"))

    def _executing(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        changes = statement.lstrip().upper().startswith(_CHANGES)
        self._reached("migrating" if changes else "storing")

    def _reached(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Deadline(sys.argv[1], int(sys.argv[2]))
    sys.exit(hub(sys.argv[3:]))
