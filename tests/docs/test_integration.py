"""What docs/integration.md and docs/tickets.md tell people to write and to ask for is accepted and there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campus.api.app import PREFIX, make_app
from campus.cli.main import main
from campus.config import load
from campus.database import Database
from campus.doctor.tickets import Outcome
from campus.people.sources import COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
INTEGRATION = (DOCS / "integration.md").read_text(encoding="utf-8")
TICKETS = (DOCS / "tickets.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_are_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", INTEGRATION, re.DOTALL)
    assert len(blocks) == 3
    path = tmp_path / "hub.toml"
    path.write_text("\n".join(['campus = "school"', 'database = "x"', *blocks]), encoding="utf-8")
    config = load(path)
    assert config.alerts.mail is not None
    assert config.people.source is not None
    assert config.webhooks.allow == ("10.20.0.0/16",)


def test_the_requests_of_the_pages_are_there(tmp_path: Path) -> None:
    paths = make_app(Database(str(tmp_path / "hub.db"), "school")).openapi()["paths"]
    known = {(method.upper(), re.sub(r"\{\w+\}", "ID", path)) for path, ways in paths.items() for method in ways}
    asked = re.findall(r"`(GET|POST) (?:/api/v1)?(/[\w/]+)", TICKETS + INTEGRATION)
    assert len(asked) >= 8
    for method, path in asked:
        assert (method, PREFIX + re.sub(r"/(7|ID)\b", "/ID", path)) in known, (method, path)


def test_the_words_of_the_pages_are_those_of_the_program() -> None:
    assert all(f"`{outcome.value}`" in TICKETS or f'"{outcome.value}"' in TICKETS for outcome in Outcome)
    assert all(f"`{column}`" in INTEGRATION for column in COLUMNS)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^thermogate-hub ((?:import|alert)[^\n]*)", INTEGRATION, re.MULTILINE)))
)
def test_the_commands_of_the_page_are_parsed(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tmp_path / word) if word == "hub.toml" else word for word in command.split()]
    assert main(words) == 1, "there is no such hub.toml here"
    assert "hub.toml: cannot be read" in capsys.readouterr().err
