"""An initial RAM disk: files, folders, links and devices as the kernel unpacks them (cpio "newc", no tool needed)."""

from __future__ import annotations

import stat
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Archive:
    """A RAM disk in the making."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._folders: set[str] = set()

    def folder(self, name: str) -> None:
        """Add a folder that is not there yet; its parent must have been added."""
        if name not in self._folders:
            self._folders.add(name)
            self._add(name, stat.S_IFDIR | 0o755, b"")

    def link(self, name: str, goal: str) -> None:
        """Add a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, goal.encode())

    def file(self, name: str, content: bytes, mode: int = 0o644, changed: float = 0.0) -> None:
        """Add a file; `changed`: seconds since 1970, by which Python knows what it has compiled."""
        self._add(name, stat.S_IFREG | mode, content, changed=int(changed))

    def device(self, name: str, major: int, minor: int) -> None:
        """Add a character device."""
        self._add(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def tree(self, path: Path, name: str, skip: Callable[[Path], bool] = lambda _: False) -> None:
        """Add a folder with all that is in it and that `skip` does not leave out."""
        self.folder(name)
        for entry in sorted(path.iterdir()):
            if skip(entry):
                continue
            inner = f"{name}/{entry.name}"
            if entry.is_symlink():
                self.link(inner, str(entry.readlink()))
            elif entry.is_dir():
                self.tree(entry, inner, skip)
            elif entry.is_file():
                about = entry.stat()
                self.file(inner, entry.read_bytes(), about.st_mode & 0o777, about.st_mtime)

    def tar(self, path: Path, skip: Callable[[str], bool] = lambda _: False) -> None:
        """Add what is in a tar archive, with its owners, and that `skip` does not leave out by its name.

        Devices are left out: the kernel makes those that it has.
        """
        with tarfile.open(path) as archive:
            for member in archive:
                name, mode = member.name.removeprefix("./").strip("/"), member.mode & 0o7777
                if name in {"", "."} or skip(name):
                    continue
                owner = (member.uid, member.gid)
                if member.isdir():
                    self._folders.add(name)
                    self._add(name, stat.S_IFDIR | mode, b"", owner=owner)
                elif member.issym():
                    self._add(name, stat.S_IFLNK | 0o777, member.linkname.encode(), owner=owner)
                elif (content := archive.extractfile(member) if member.isreg() or member.islnk() else None) is not None:
                    changed = int(member.mtime)
                    self._add(name, stat.S_IFREG | mode, content.read(), owner=owner, changed=changed)

    def packed(self) -> bytes:
        """The archive, whole."""
        end = Archive()
        end._add("TRAILER!!!", 0, b"")
        return b"".join([*self._parts, *end._parts])

    def _add(
        self,
        name: str,
        mode: int,
        content: bytes,
        device: tuple[int, int] = (0, 0),
        *,
        owner: tuple[int, int] = (0, 0),
        changed: int = 0,
    ) -> None:
        self._count += 1
        path = name.encode() + b"\0"
        # Inode, mode, user, group, links, time, size, four device numbers (the last two its own), name's size, no sum.
        numbers = (self._count, mode, *owner, 1, changed, len(content), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._parts += [_even(header + path), _even(content)]


def _even(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
