"""The page of lamps, sounds and screen says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.cli.main import main
from controller.config import Config, parse
from controller.indicators.letters import needed
from controller.indicators.mirror import WARM
from controller.indicators.settings import ScreenSettings, SoundSettings
from controller.lane.effects import Prompt
from hw.drivers.lamps import DISPLAYS
from hw.ports import Lamp

PAGE = (Path(__file__).parents[2] / "docs" / "indicators.md").read_text(encoding="utf-8")


def block(section: str) -> str:
    """The example of one section of gate.toml."""
    (found,) = re.findall(rf"```\n(\[{section}\]\n.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_table_has_every_signal_and_its_rhythm() -> None:
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", PAGE, flags=re.MULTILINE)
    told = {name: cells for name, *cells in rows if name in {lamp.value for lamp in Lamp}}
    assert set(told) == {lamp.value for lamp in Lamp}
    for lamp, display in DISPLAYS.items():
        for cell, pattern, dark in zip(
            told[lamp.value], (display.go, display.stop, display.buzzer), ("dark", "dark", "-"), strict=True
        ):
            assert (cell.strip() == dark) is (not pattern.at(0.0)[0]), (lamp, cell)


def test_the_examples_are_the_defaults() -> None:
    assert parse(block("sound"), where="page").sound == SoundSettings()
    assert parse(block("screen"), where="page").screen == ScreenSettings()
    assert parse(block("indicators"), where="page").indicators.quiet == ("22:00-06:00",)
    assert parse("", where="page") == Config()


def test_every_key_of_the_screen_is_told() -> None:
    for key in ScreenSettings.__struct_fields__:
        assert re.search(rf"`{key}`|^(?:# )?{key} = ", PAGE, flags=re.MULTILINE), key


def test_the_letters_are_those_of_the_rule() -> None:
    for size, diagonal, latin, chinese in (((800, 480), 5, 74, 105), ((1024, 600), 7, 67, 96)):
        heights = needed(*size, diagonal, 2.0)
        assert latin - 1 < heights.latin <= latin
        assert chinese - 1 < heights.chinese <= chinese
        assert re.search(rf"\b{latin} px\b", PAGE)
        assert re.search(rf"\b{chinese} px\b", PAGE)


def test_the_scale_of_warmth_is_the_programs() -> None:
    assert f"ends its scale at {WARM:g} °C" in PAGE


def test_prompts_that_are_named_are_there() -> None:
    names = {prompt.value for prompt in Prompt}
    for line in re.findall(r"^silent = \[(.*)\]", PAGE, flags=re.MULTILINE):
        assert set(re.findall(r'"(\w+)"', line)) <= names


@pytest.mark.parametrize("command", sorted(set(re.findall(r"thermogate (prompts \w+|drill --screen)", PAGE))))
def test_commands_are_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.split()
    with pytest.raises(SystemExit) as ended:
        main([*[word for word in words if not word.startswith("--")], "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert all(word in told for word in words if word.startswith("--"))
