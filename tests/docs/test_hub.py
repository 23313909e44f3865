"""The hub's page: its examples are read by the program, and what it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from starlette.routing import Match

from campus.api.app import make_app
from campus.auth.roles import Role
from campus.broker import Broker
from campus.cli.main import _parser
from campus.config import load
from campus.database import Database
from campus.intake.ingest import Ingest
from campus.intake.store import HubStore
from campus.metrics import HubMetrics

PAGE = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = re.findall(r"^(thermogate-hub .*)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("text", TOML)
def test_examples_of_hub_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(text if "campus =" in text else f'campus = "school"\ndatabase = "x"\n{text}', encoding="utf-8")
    load(path)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands(line: str) -> None:
    _parser().parse_args(shlex.split(line, comments=True)[1:])


def test_places_that_it_names(tmp_path: Path) -> None:
    app = make_app(Database(str(tmp_path / "x"), "school"))
    for path in set(re.findall(r"(?:GET |8480)(/[\w/.-]+)", PAGE)):
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        found = {route.matches(dict(scope))[0] for route in app.routes}
        assert found & {Match.FULL, Match.PARTIAL}, path


def test_metrics_that_it_names(tmp_path: Path) -> None:
    metrics = HubMetrics()
    metrics.watch(Ingest("school", Broker("127.0.0.1", 1), HubStore(Database(str(tmp_path / "x"), "school"))))
    told = generate_latest(metrics.registry).decode()
    named = set(re.findall(r"thermogate_hub_\w+", PAGE))
    assert len(named) >= 4
    assert {name for name in named if f"# TYPE {name} " not in told} == set()


def test_every_role_is_told() -> None:
    section = PAGE.partition("## Who may do what")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(Role)
