"""The whole program on the emulated PC: its configuration, its process, and what it wrote into its journal."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof.inside.check import CannotTry, NotShown, need

if TYPE_CHECKING:
    from collections.abc import Callable

PERSON: Final = "v-17"
FACILITY, NUMBER = 123, 45678
"""The card of `PERSON`."""
STORE: Final = Path("/var/lib/thermogate")
CONFIG: Final = Path("/etc/gate.toml")
LOG: Final = Path("/tmp/program.log")  # noqa: S108 - in a machine of its own
ENDS: Final = 30.0
STARTS: Final = 180.0
"""Seconds in which the program is up, on an emulated processor that others may load."""

# Slower than a board's defaults where an emulated processor is: fewer pictures and frames, longer waits for them.
TEXT: Final = """
[site]
name = "proof"
[thermal]
driver = "mlx90640"
refresh_hz = 2.0
[camera]
width = 320
height = 180
fps = 2.0
[gate]
chip = {chip}
fire = 16
mode = "potential"
[reader]
driver = "wiegand"
d0 = 20
d1 = 21
[lane]
require = "card"
passage_wait = 6.0
screening_timeout = 30.0
[perception]
engine = "tflite"
[perception.screening]
frames = 4
[store]
append_timeout = 10.0
"""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of the journal."""

    kind: str
    monotonic: float
    detail: str


def configure(chip: int) -> None:
    """Write gate.toml for this machine."""
    if "THERMOGATE_MODELS" not in os.environ:
        raise CannotTry("no models: the program refuses to run without (`thermogate models pull`, THERMOGATE_MODELS)")
    CONFIG.write_text(TEXT.format(chip=chip))


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end."""
    line = [sys.executable, "-m", "controller", *words]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def give_card() -> None:
    """Let `PERSON`, who has no face here, have the card."""
    done = command("credential", "add", PERSON, "card", f"{FACILITY}-{NUMBER}", "--create", "--config", str(CONFIG))
    need(done.returncode == 0, f"thermogate credential: {done.stderr}")


def records(since: float = 0.0) -> list[Record]:
    """The journal's entries from `since` (monotonic) on."""
    path = STORE / "journal.sqlite3"
    query = "SELECT kind, monotonic, detail FROM entry WHERE monotonic >= ? ORDER BY era, seq"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)) as connection:
            return [Record(*row) for row in connection.execute(query, (since,))]
    except sqlite3.OperationalError:
        return []  # the program has not made it yet


def wait_for(kind: str, since: float, seconds: float, holds: Callable[[Record], bool] = lambda _: True) -> Record:
    """The first record of a kind since a moment. Raises NotShown with what was recorded in its place."""
    deadline = time.monotonic() + seconds
    while True:
        found = records(since)
        for record in found:
            if record.kind == kind and holds(record):
                return record
        told = "; ".join(f"{record.kind} {record.detail}" for record in found[-4:])
        need(time.monotonic() < deadline, f"no {kind} within {seconds:g} s; the journal has: {told or 'nothing'}")
        time.sleep(0.05)


def start() -> subprocess.Popen[str]:
    """`thermogate run`, from its start until its lane is in service."""
    began = time.monotonic()
    line = [sys.executable, "-m", "controller", "run", str(CONFIG)]
    with LOG.open("w") as log:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)
    try:
        wait_for("state", began, STARTS, lambda record: '"locked"' in record.detail)
    except NotShown as late:
        process.kill()
        tell_log()
        raise NotShown(str(late)) from late
    return process


def end(process: subprocess.Popen[str]) -> None:
    """End it with SIGTERM. Raises NotShown where it does not end in order."""
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(ENDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        tell_log()
        raise NotShown(f"it did not end within {ENDS:g} s of SIGTERM") from None
    if status:
        tell_log()
    need(status == 0, f"SIGTERM ended it with status {status}")


def tell_log() -> None:
    """Show the end of the program's log on the console, where a claim about it failed."""
    print(f"the program said: {LOG.read_text()[-6000:] or 'nothing'}", file=sys.stderr)
