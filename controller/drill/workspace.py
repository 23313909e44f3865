"""Where a rehearsal keeps its journal and gallery: a folder that is gone afterwards, or one that was asked for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "thermogate-drill-"
_LOCK: Final = "running"


@contextlib.contextmanager
def workspace(keep: Path | None, *, parent: Path | None = None) -> Iterator[Path]:
    """A folder for one rehearsal: a temporary one, removed at the end, or `keep`, which must be new or empty.

    A rehearsal that is killed cannot remove its folder; the next one does. Raises `ConfigError` for a `keep` that
    cannot be used.
    """
    if keep is not None:
        yield _kept(keep)
        return
    base = parent or Path(tempfile.gettempdir())
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    with (folder / _LOCK).open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(base: Path) -> list[Path]:
    """Remove what killed rehearsals of this user left in `base`; returns what was removed.

    The lock of a rehearsal that still runs is held, and goes with its process.
    """
    removed = []
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("r+", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


def _kept(keep: Path) -> Path:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        occupied = any(keep.iterdir())
    except OSError as error:
        raise ConfigError(f"{keep}: cannot keep the rehearsal there: {error.strerror}") from error
    if occupied:
        raise ConfigError(f"{keep}: is not empty; name a new folder, so that no other journal is mixed in")
    return keep
