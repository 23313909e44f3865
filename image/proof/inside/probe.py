"""What a process may do inside a unit's sandbox: it tries, and prints what came of each trial as JSON.

Started in place of the unit's own program. Imports nothing of the project: it may see little of the file system.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWUSER = 0x10000000


def _opened(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))


def _written(path: str) -> None:
    with Path(path).open("x") as file:
        file.write("x")
    Path(path).unlink()


def _called(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def _others() -> None:
    others = [
        name
        for name in (path.name for path in Path("/proc").iterdir())
        if name.isdecimal() and int(name) != os.getpid()
    ]
    if not others:
        raise OSError(errno.ENOENT, "none is seen")


def _asked() -> None:
    """Ask logind, over the system bus, whether the machine may be restarted: any answer will do."""
    words = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "CanReboot"]
    done = subprocess.run(["busctl", "--system", "--timeout=20", "call", *words], capture_output=True, check=False)
    if done.returncode:
        raise OSError(errno.EACCES, done.stderr.decode())


def _came_of(trial: Callable[[], object]) -> str:
    try:
        trial()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "ok"


def main() -> None:
    """Try to open the paths of argument 1, to write below those of argument 2, and all else that is of interest."""
    devices, folders = (words.split(",") for words in sys.argv[1:3])
    found = {path: _came_of(lambda path=path: _opened(path)) for path in devices}  # type: ignore[misc]
    found |= {f"{folder}/": _came_of(lambda folder=folder: _written(f"{folder}/x")) for folder in folders}  # type: ignore[misc]
    found["/etc/shadow"] = _came_of(Path("/etc/shadow").read_bytes)
    buffer = ctypes.create_string_buffer(512)
    found["the clock is asked"] = _came_of(lambda: _called("adjtimex", buffer))
    found["logind is asked"] = _came_of(_asked)
    found["the clock is set"] = _came_of(lambda: _called("settimeofday", buffer, None))
    found["a packet socket"] = _came_of(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
    found["real-time priority"] = _came_of(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
    found["a user namespace"] = _came_of(lambda: _called("unshare", CLONE_NEWUSER))
    found["processes of others"] = _came_of(_others)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
