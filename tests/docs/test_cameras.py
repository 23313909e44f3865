"""What docs/cameras.md tells people to write is accepted, and what it says the program says is in the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.config import parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cameras.md").read_text(encoding="utf-8")
SOURCES = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "hw" / "linux").glob("*.py"))
BLOCKS = re.findall(r"```\n(\[camera\].*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("commented", [True, False])
@pytest.mark.parametrize("block", BLOCKS)
def test_settings_are_accepted(block: str, *, commented: bool) -> None:
    text = block if commented else re.sub(r"(?m)^# ", "", block)
    assert parse(text, where="docs/cameras.md").camera.source != "/dev/video0"


def test_there_are_blocks() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize(
    "said",
    [
        "no such camera; there is: ",
        "carries the metadata of its pictures",
        "belongs to a camera pipeline",
        "is in use by ",
        "permission denied",
        "the USB bus has no room",
        "MJPEG needs simplejpeg",
        "rate kept in the dark",
    ],
)
def test_what_the_program_says(said: str) -> None:
    assert said.removesuffix(" ").removesuffix(":") in PAGE
    assert said in SOURCES
