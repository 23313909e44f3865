"""Which gates are whose, where several workers take in what gates report.

By a hash of the gate's name, so that one worker alone has a gate: MQTT's shared subscriptions would hand the events of
one gate to several at once, and promise no order between them.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from campus.errors import HubConfigError

MOST = 64


class Share(NamedTuple):
    """Worker `number` (from 1) of `workers`."""

    number: int
    workers: int

    @property
    def is_everything(self) -> bool:
        """Whether there is one worker alone."""
        return self.workers == 1

    @property
    def suffix(self) -> str:
        """For names that no two workers may share; empty where there is one alone."""
        return "" if self.is_everything else f"-{self.number}-of-{self.workers}"

    def takes(self, gate: str) -> bool:
        """Whether this gate is this worker's: of all `workers` exactly one says yes."""
        return int.from_bytes(hashlib.sha256(gate.encode()).digest()[:8]) % self.workers == self.number - 1


EVERYTHING = Share(1, 1)


def read_share(text: str) -> Share:
    """`2/4` as the second worker of four. Raises `HubConfigError`."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", text)
    share = Share(int(found[1]), int(found[2])) if found else Share(0, 0)
    if not 1 <= share.number <= share.workers <= MOST:
        raise HubConfigError(f"--worker {text}: NUMBER/WORKERS, as 2/4, of {MOST} at most")
    return share
