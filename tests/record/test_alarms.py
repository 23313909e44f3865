"""Alarms that nobody has acknowledged, read from a journal whose program was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.errors import StoreError
from controller.record.alarms import standing_alarms
from controller.record.entry import Entry
from controller.record.journal import Journal

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from controller.record.entry import Entry
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

async def main():
    journal = Journal(Path(sys.argv[1]), ClockExecutor(SystemClock(), 1, "journal"), boot_id="b")
    await journal.open()
    await journal.append(Entry("intrusion", 1.0, 1.0, "unknown", None, None, {"state": "locked", "alarm": "intrusion"}))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
ACKNOWLEDGED = {"command": "acknowledge", "actor": "guard", "accepted": True, "alarms": "intrusion"}


def test_an_alarm_is_on_disk_when_the_program_is_killed(path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=Path(__file__).parents[2], check=False)
    assert died.returncode == -signal.SIGKILL
    assert standing_alarms(path) == ("intrusion",)


@pytest.mark.asyncio
async def test_only_an_order_that_was_carried_out_ends_them(make: Make, entry: MakeEntry, path: Path) -> None:
    assert standing_alarms(path) == ()
    journal = make()
    await journal.open()

    async def append(kind: str, **detail: object) -> tuple[str, ...]:
        await journal.append(entry(1, kind=kind, detail=detail))
        return standing_alarms(path)

    assert await append("intrusion", alarm="intrusion", state="locked") == ("intrusion",)
    assert await append("tamper", active=True, alarm="tamper") == ("intrusion", "tamper")
    assert await append("command", **ACKNOWLEDGED | {"accepted": False}) == ("intrusion", "tamper")
    assert await append("command_received", command="acknowledge", accepted=True) == ("intrusion", "tamper")
    assert await append("command", **ACKNOWLEDGED) == ()
    assert await append("warning", reason="door_held_open", alarm="door_held_open lock_not_secure") == (
        "door_held_open",
        "lock_not_secure",
    )
    assert await append("command_received", reason='"alarm": "typed"', command="reset") == (
        "door_held_open",
        "lock_not_secure",
    )
    (first,) = await journal.outbox.pending(1)
    assert await journal.outbox.retire_epoch(first.epoch, "the campus is ahead")
    assert standing_alarms(path) == ("door_held_open", "lock_not_secure"), "written again in another epoch"
    await journal.close()
    path.write_bytes(b"no database" * 1000)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    with pytest.raises(StoreError, match="alarms cannot be read"):
        standing_alarms(path)
