"""The gallery's key: 32 random bytes in a file that only its owner may read."""

from __future__ import annotations

import os
import stat
import tempfile
from typing import TYPE_CHECKING

from controller.errors import GalleryError

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
"""AES-256."""


def read_key(path: Path) -> bytes:
    """The key in a file. Raises `GalleryError`: absent, readable by others, or not a key."""
    try:
        # O_NONBLOCK: a pipe under this name is refused, not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            _check_mode(path, os.fstat(descriptor).st_mode)
            key = os.read(descriptor, KEY_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise GalleryError(f"{path}: the gallery's key is missing; without it the templates cannot be read") from error
    except OSError as error:
        raise GalleryError(f"{path}: the gallery's key cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise GalleryError(f"{path}: is not a gallery key of {KEY_BYTES} bytes")
    return key


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise GalleryError(f"{path}: the gallery's key is not a regular file")
    if mode & 0o077:
        raise GalleryError(
            f"{path}: others may read the gallery's key (mode {stat.S_IMODE(mode):04o}); `chmod 600 {path}`"
        )


def create_key(path: Path) -> bytes:
    """Make a new key, mode 0600, whole or not at all; when another process was first, that one's.

    Raises `GalleryError` where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes mode 0600; a link never replaces a key that is there, as a rename would.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        except FileExistsError:
            return read_key(path)
        finally:
            os.unlink(name)  # noqa: PTH108 - mkstemp gives a name
        _sync(path.parent)
    except OSError as error:
        raise GalleryError(f"{path}: the gallery's key cannot be made: {error.strerror}") from error
    return read_key(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
