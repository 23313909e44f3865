"""New values into a gate.toml: everything else of it stays as it is, and what was good stays good in any failure."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Item, Table

from controller.config import parse
from controller.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit.container import Container

Value: TypeAlias = "float | str | bool | tuple[float, ...]"

BACKUP: Final = ".bak"
"""Added to the name of what was replaced."""
STAMP: Final = "calibrated "
"""How a remark by this program begins, so that the next calibration renews it and leaves the user's own alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """New values for one section of gate.toml."""

    section: str
    """Dotted, as in `perception.registration`."""
    values: Mapping[str, Value]
    """By key."""
    remark: str = ""
    """What was measured, for a comment behind the first key."""
    removed: tuple[str, ...] = field(default=())
    """Keys that no longer hold."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A gate.toml as it is and as it shall be."""

    path: Path
    """The file itself, no link to it."""
    before: bytes
    after: bytes

    @property
    def difference(self) -> str:
        """The lines that change, as `diff -u` shows them; empty when nothing does."""
        old, new = (_decoded(data, self.path).splitlines() for data in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, str(self.path), f"{self.path} (new)", n=2, lineterm=""))


def plan(path: Path, changes: tuple[Change, ...]) -> Rewrite:
    """What `path` would become. Writes nothing.

    Raises `ConfigError` when the file can't be read, isn't a valid gate.toml, would not be one afterwards, or is laid
    out in a way that can't be edited without touching other keys; the message then holds what to put in by hand.
    """
    real = path.resolve()
    try:
        before = real.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    text = _decoded(before, path)
    parse(text, where=str(path))
    new = edited(text, changes, where=str(path))
    parse(new, where=f"{path} (as it would become)")
    mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
    return Rewrite(real, before, mark + new.encode())


def edited(text: str, changes: tuple[Change, ...], *, where: str) -> str:
    """`text` (TOML) with the changes, its comments, order, spacing and line ends kept. Raises `ConfigError`."""
    carriage = "\r\n" in text
    plain = text.replace("\r\n", "\n") if carriage else text
    wanted = tomllib.loads(plain)
    for change in changes:
        _merge(wanted, change)
    try:
        document = tomlkit.parse(plain)
        for change in changes:
            _apply(document, change)
        new = tomlkit.dumps(document)
        if not plain.endswith("\n\n"):
            new = new.rstrip("\n") + "\n"
        # The editor is not trusted with a gate: tables in an unusual order have made it move keys to other sections.
        faithful = tomllib.loads(new) == wanted
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, AttributeError, ValueError, KeyError) as error:
        raise ConfigError(_by_hand(where, changes)) from error
    if not faithful:
        raise ConfigError(_by_hand(where, changes))
    return new.replace("\n", "\r\n") if carriage else new


def replace(rewrite: Rewrite) -> Path:
    """Put the new file in the old one's place, at once or not at all; returns the backup's path.

    Either file is whole on disk before it gets its name, so whatever stops the program or the power leaves the old or
    the new one. Raises `ConfigError` when the file was changed by somebody else meanwhile or the folder can't be
    written.
    """
    path = rewrite.path
    backup = path.with_name(path.name + BACKUP)
    try:
        if path.read_bytes() != rewrite.before:
            raise ConfigError(f"{path}: was changed by somebody else meanwhile; nothing is written, start again")
        _put(backup, rewrite.before, like=path)
        _put(path, rewrite.after, like=path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; it is as it was") from error
    return backup


def _put(path: Path, data: bytes, *, like: Path) -> None:
    """Write a file whole, flushed, with `like`'s mode and owner, then give it its name."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            shutil.copymode(like, temporary)
            with suppress(PermissionError):  # only root may give files away; then the name keeps its rights at least
                os.chown(name, like.stat().st_uid, like.stat().st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, by its known name
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _apply(document: tomlkit.TOMLDocument, change: Change) -> None:
    """Set the values of one section, which is made where there is none."""
    table: Any = document
    fresh = False
    for name in change.section.split("."):
        if name not in table:
            fresh = not isinstance(table, InlineTable)
            table[name] = tomlkit.table() if fresh else tomlkit.inline_table()
        table = table[name]
    for key in change.removed:
        if key in table:
            del table[key]
    for number, (key, value) in enumerate(change.values.items()):
        _set(table, key, value, change.remark if number == 0 and not isinstance(table, InlineTable) else "")
    if fresh:
        table.add(tomlkit.nl())


def _set(table: Table | Container, key: str, value: Value, remark: str) -> None:
    """Set one key; its old comment stays unless it was this program's."""
    old = table.item(key) if key in table and hasattr(table, "item") else table.get(key)
    comment = old.trivia.comment if isinstance(old, Item) else ""
    table[key] = _item(value)
    new: Any = table[key]
    mine = not comment or comment.removeprefix("#").strip().startswith(STAMP)
    if remark and mine and hasattr(new, "comment"):
        new.comment(STAMP + remark)


def _item(value: Value) -> Item:
    """A value as it shall stand in the file; nine numbers as the rows of a matrix."""
    if not isinstance(value, tuple):
        return tomlkit.item(value)
    if len(value) != 9:
        return tomlkit.item(list(value))
    rows = (", ".join(repr(number) for number in value[at : at + 3]) for at in (0, 3, 6))
    return tomlkit.value("[\n    " + ",\n    ".join(rows) + ",\n]")


def _merge(tree: dict[str, Any], change: Change) -> None:
    """The same change on plain dictionaries: what the edited file must say."""
    for name in change.section.split("."):
        tree = tree.setdefault(name, {})
    for key in change.removed:
        tree.pop(key, None)
    for key, value in change.values.items():
        tree[key] = list(value) if isinstance(value, tuple) else value


def _by_hand(where: str, changes: tuple[Change, ...]) -> str:
    lines = []
    for change in changes:
        lines.append(f"[{change.section}]")
        lines += [f"{key} = {_item(value).as_string()}" for key, value in change.values.items()]
    return f"{where}: its layout can't be edited without touching other keys; put this in by hand:\n" + "\n".join(lines)


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
