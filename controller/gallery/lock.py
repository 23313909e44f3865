"""Who uses a gallery's folder: gates share it, a change of the key has it alone."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from controller.errors import StoreError
from controller.gallery.keyfile import give_to_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "gallery.lock"


@contextmanager
def folder_lock(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the folder; the kernel lets it go with the process, however that ends. Raises `StoreError` at once."""
    path = folder / LOCK
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_to_owner(file, folder)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = "a gate runs on this gallery: stop it first" if alone else "the gallery's key is being changed"
            raise StoreError(f"{path}: {who}") from error
        yield
    finally:
        os.close(file)
