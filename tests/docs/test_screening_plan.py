"""The table in docs/screening-plan.md is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.main import main

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "screening-plan.md"
BLOCK = re.compile(r"<!-- plan: thermogate (?P<command>[^\n]+) -->\n```\n(?P<table>.*?)```\n", re.DOTALL)


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    found = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert main(shlex.split(found["command"])) == 0
    assert found["table"] == capsys.readouterr().out, (
        f"paste what `thermogate {found['command']}` prints into {PAGE.name}"
    )
