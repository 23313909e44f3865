"""A device's password: from a file or a systemd credential, never from the configuration, never in a message."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hw.errors import DeviceDenied

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts a service's credentials (systemd.exec(5))."""
LONGEST: Final = 1024


def read_password(file: Path | None, credential: str) -> str | None:
    """The first line of `file`, else of the systemd credential `credential`; None where there is neither.

    Raises `DeviceDenied`: it cannot be read, others may read it, or it is empty.
    """
    if file is not None:
        return _first_line(file, own=True)
    folder = os.environ.get(CREDENTIALS)
    place = Path(folder) / credential if folder else None
    return None if place is None or not place.exists() else _first_line(place, own=False)


def _first_line(file: Path, *, own: bool) -> str:
    try:
        # O_NONBLOCK: a pipe under this name is refused, not waited for.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise DeviceDenied(f"[camera] {file}: the password is not in a regular file")
            if own and found.st_mode & 0o007:
                raise DeviceDenied(f"[camera] {file}: everybody may read the password; `chmod o= {file}`")
            text = os.read(descriptor, LONGEST).decode()
        finally:
            os.close(descriptor)
    except UnicodeDecodeError:  # whose text would show it
        raise DeviceDenied(f"[camera] {file}: the password is not UTF-8 text") from None
    except DeviceDenied:
        raise
    except OSError as error:
        raise DeviceDenied(f"[camera] {file}: the password cannot be read: {error.strerror}") from error
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise DeviceDenied(f"[camera] {file}: the password's file is empty")
    return password
