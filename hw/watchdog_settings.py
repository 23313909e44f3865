"""[watchdog] of gate.toml."""

from __future__ import annotations

from typing import Annotated

import msgspec


class WatchdogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hardware watchdog that the program itself feeds, for a board whose service manager does not."""

    device: str = "/dev/watchdog1"
    """A watchdog of its own: /dev/watchdog0 is the service manager's, where RuntimeWatchdogSec is set."""
    timeout: Annotated[int, msgspec.Meta(ge=5, le=600)] = 60
    """Seconds without being fed after which the board is reset. Longer than a restart of the program takes."""
