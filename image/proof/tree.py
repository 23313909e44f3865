"""A folder that is filled as a RAM disk is (`image.proof.cpio.Archive`): the root of a container."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Tree:
    """A root in the making; what is there already is written over.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> None:
        """Add a folder; its parent must have been added."""
        (self._root / name).mkdir(exist_ok=True)

    def link(self, name: str, goal: str) -> None:
        """Add a symbolic link."""
        (self._root / name).unlink(missing_ok=True)
        (self._root / name).symlink_to(goal)

    def file(self, name: str, content: bytes, mode: int = 0o644, changed: float = 0.0) -> None:
        """Add a file; `changed`: seconds since 1970."""
        path = self._root / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        os.utime(path, (changed, changed))

    def tree(self, path: Path, name: str, skip: Callable[[Path], bool] = lambda _: False) -> None:
        """Add a folder with all that is in it and that `skip` does not leave out, in place of what was there."""

        def left_out(folder: str, names: list[str]) -> list[str]:
            return [entry for entry in names if skip(path.__class__(folder, entry))]

        shutil.rmtree(self._root / name, ignore_errors=True)
        shutil.copytree(path, self._root / name, symlinks=True, ignore=left_out)
