"""The walk through the code names functions that are there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "passage.md"
PACKAGES = ("controller", "hw", "_fastcore", "campus")
ROOMS = ("lane", "perception", "gallery", "record", "link", "observe")
NAME = re.compile(r"`([A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`")


def names() -> list[str]:
    found = dict.fromkeys(NAME.findall(PAGE.read_text(encoding="utf-8")))
    return [name for name in found if not name.startswith("loop.")]


def resolve(name: str) -> object:
    parts = name.split(".")
    if parts[0] in ROOMS:
        parts = ["controller", *parts]
    if parts[0] not in PACKAGES:
        return attribute(class_named(parts[0]), parts[1:])
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return attribute(module, parts[length:])
    raise LookupError(name)


def attribute(owner: object, parts: list[str]) -> object:
    for part in parts:
        owner = getattr(owner, part)
    return owner


def class_named(name: str) -> type:
    """A class that some dotted name on the page names, or whose module one does."""
    for dotted in names():
        if dotted.split(".", maxsplit=1)[0] not in (*PACKAGES, *ROOMS):
            continue
        owner: object = resolve(dotted)
        home = owner.__name__ if isinstance(owner, ModuleType) else getattr(owner, "__module__", None)
        found = getattr(importlib.import_module(home), name, None) if home else None
        if isinstance(found, type):
            return found
    raise LookupError(f"no module on the page has a class {name}")


@pytest.mark.parametrize("name", names())
def test_what_the_page_names_is_there(name: str) -> None:
    assert resolve(name) is not None


def test_the_page_names_the_whole_way() -> None:
    assert len(names()) > 50
