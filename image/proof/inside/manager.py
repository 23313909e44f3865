"""The service manager of the emulated PC: its words about a unit, and the commands of the docs that install one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof.inside.check import NotShown, need

if TYPE_CHECKING:
    from collections.abc import Callable

DROP_INS: Final = Path("/run/systemd/system")


def command(*words: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it said and its status are the caller's to judge."""
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds)


def done(*words: str, seconds: float = 120.0) -> str:
    """Run a command that has to succeed; what it printed. Raises NotShown with what it said in its place."""
    ran = command(*words, seconds=seconds)
    need(ran.returncode == 0, f"{' '.join(words[:6])}: status {ran.returncode}: {(ran.stderr or ran.stdout).strip()}")
    return ran.stdout.strip()


def documented(page: Path, mention: str) -> list[str]:
    """The commands of the one block of a page's that mentions this. Raises LookupError where it is not one block."""
    blocks: list[list[str]] = []
    is_inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("```"):
            is_inside = not is_inside
            blocks += [[]] * is_inside
        elif is_inside and line.strip():
            blocks[-1] = [*blocks[-1], line.split(" # ")[0].strip()]
    found = [block for block in blocks if mention in " ".join(block)]
    if len(found) != 1:
        raise LookupError(f"{page.name} has {len(found)} blocks of commands with {mention!r}")
    return found[0]


def install(page: str, mention: str, skip: Callable[[str], bool]) -> int:
    """Run the commands of a page in its checkout as they stand, but those that `skip` names; how many ran."""
    lines = [line for line in documented(Path("docs") / page, mention) if not skip(line)]
    for line in lines:
        done("sh", "-c", line)
    return len(lines)


def show(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit."""
    printed = done("systemctl", "show", unit, *(f"--property={name}" for name in names))
    return dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)


def state(unit: str) -> str:
    """`active`, `activating`, `failed`, ..."""
    return show(unit, "ActiveState")["ActiveState"]


def pid(unit: str) -> int:
    """Its main process; 0: none."""
    return int(show(unit, "MainPID")["MainPID"])


def restarts(unit: str) -> int:
    """How often it was started again by itself."""
    return int(show(unit, "NRestarts")["NRestarts"])


def since(unit: str) -> float:
    """The monotonic moment at which it became active."""
    return int(show(unit, "ActiveEnterTimestampMonotonic")["ActiveEnterTimestampMonotonic"]) / 1e6


def until(holds: Callable[[], bool], seconds: float, said: Callable[[], str]) -> float:
    """Seconds until something holds. Raises NotShown with what is said then."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise NotShown(f"not within {seconds:g} s: {said()}")
        time.sleep(0.05)
    return time.monotonic() - began


def until_active(unit: str, seconds: float) -> float:
    """Seconds until a unit is active. Raises NotShown with the end of its log."""
    return until(lambda: state(unit) == "active", seconds, lambda: f"{unit} is {state(unit)}: {log(unit)[-1500:]}")


def mark() -> str:
    """Where the log ends now."""
    done("journalctl", "--sync")
    printed = done("journalctl", "--no-pager", "--lines=1", "--show-cursor", "--output=cat")
    return printed.rpartition("-- cursor: ")[2].strip()


def log(unit: str, after: str | None = None) -> str:
    """What a unit said, and what systemd said of it."""
    done("journalctl", "--sync")
    # Not --after-cursor: with a filter it leaves out the first entry behind one that does not pass the filter.
    words = [] if after is None else [f"--cursor={after}"]
    return done("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *words)


def drop_in(unit: str, name: str, text: str) -> Path:
    """Add to a unit for this check; systemd knows of it at once."""
    path = DROP_INS / f"{unit}.d" / f"{name}.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done("systemctl", "daemon-reload")
    return path


def take_out(path: Path) -> None:
    """Undo `drop_in`."""
    path.unlink()
    done("systemctl", "daemon-reload")


def tell_log(unit: str) -> None:
    """Show the end of a unit's log on the console, where a claim about it failed."""
    print(f"{unit} said: {log(unit)[-6000:] or 'nothing'}", file=sys.stderr, flush=True)


def exposure(unit: str) -> str:
    """What `systemd-analyze security` says of a unit."""
    printed = command("systemd-analyze", "security", "--no-pager", unit).stdout
    told = re.search(r"exposure level for \S+: ([\d.]+)", printed)
    need(told, f"systemd-analyze security {unit}: {printed[-200:]}")
    assert told is not None  # noqa: S101 - `need` has seen to it
    return f"{told[1]} of 10"


def identity(process: int) -> dict[str, list[str]]:
    """The lines of /proc/PID/status, each in words."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
