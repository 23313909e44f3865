"""The command line of the rehearsal: what it takes and what it refuses, with the reason."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from controller.cli import drill as cli_drill


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="thermogate")
    cli_drill.add_parser(top.add_subparsers(required=True))
    return top


def test_the_defaults(parser: argparse.ArgumentParser) -> None:
    found = parser.parse_args(["drill"])
    assert (found.people, found.seed, found.speed, found.engine, found.plain) == (12, 1, None, "auto", False)
    assert parser.parse_args(["drill", "--speed", "max"]).speed is None
    assert found.run is cli_drill.run


def test_everything_can_be_set(parser: argparse.ArgumentParser) -> None:
    line = "drill --people 30 --seed 9 --speed 2.5 --engine demo --models m --report r.json --keep k --plain"
    found = parser.parse_args(line.split())
    assert (found.people, found.seed, found.speed, found.engine) == (30, 9, 2.5, "demo")
    assert (found.models, found.report, found.keep, found.plain) == (Path("m"), Path("r.json"), Path("k"), True)


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--people", "0", "from 1 to 10000"),
        ("--people", "many", "from 1 to 10000"),
        ("--people", "²", "from 1 to 10000"),
        ("--seed", "-1", "whole number"),
        ("--seed", "1.5", "whole number"),
        ("--speed", "0", "neither a number"),
        ("--speed", "nan", "neither a number"),
        ("--speed", "fast", "neither a number"),
        ("--engine", "magic", "invalid choice"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], option: str, value: str, reason: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["drill", option, value])
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_help_is_good_enough_to_work_from(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["drill", "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in ("--people", "--seed", "--speed", "--engine", "--models", "--report", "--keep", "--plain"):
        assert option in text
    assert "exit status" in text
    assert max(map(len, text.splitlines())) <= 120
