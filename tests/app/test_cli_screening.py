"""`thermogate screening`: the table says what it should, wrong input is refused by the flag's name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from controller.cli.main import main
from controller.config import parse
from controller.gallery.history_store import DATABASE, HistoryStore, Reading
from controller.gallery.keyfile import create_key

if TYPE_CHECKING:
    from pathlib import Path

PLAN = ["screening", "plan", "--people", "3000", "--prevalence", "0.002"]


def told(capsys: pytest.CaptureFixture[str], *more: str, status: int = 0) -> str:
    assert main([*PLAN, *more]) == status
    return capsys.readouterr().out


def test_a_school_reads_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "--alarms-a-day", "60")
    assert "a fever: 6.0 a day" in out
    assert "10.13026/3bhc-9065" in out
    assert re.search(r"\d+ people with a fever, \d+ without", out)
    marked = [line for line in out.splitlines() if re.match(r"> \d", line)]
    assert len(marked) == 1
    assert re.search(r"Fevers among 100 who go to the doctor: about \d+", out)
    assert "children is not known" in out
    chinese = [line for line in out.splitlines() if re.search(r"[一-鿿]", line)]
    assert len(chinese) == 2
    assert "每 100 人中约" in chinese[1]


@pytest.mark.parametrize("stages", ["one", "two"])
def test_its_lines_for_gate_toml_are_read_and_mean_the_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, stages: str
) -> None:
    out = told(capsys, "--misses", "0.25", "--stages", stages)
    lines = out[out.index("[perception.screening]") :].split("\n\n")[0]
    screening = parse(lines, where="printed").perception.screening
    marked = next(line for line in out.splitlines() if re.match(r"> \d", line))
    assert marked.startswith(f"> {screening.alarm:.2f}")
    assert screening.looks == (1 if stages == "one" else 2)
    if stages == "two":
        assert f"{screening.alarm - screening.guard * 0.2:.2f}" in marked
    path = tmp_path / "gate.toml"
    path.write_text(lines, encoding="utf-8")
    again = told(capsys, "--config", str(path), "--stages", stages)
    assert f"> {screening.alarm:.2f}" in again
    assert "as set now" in again


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "--alarms-a-day", "60", "--stages", "both", "--json")
    found = json.loads(out)
    assert [plan["stages"] for plan in found["plans"]] == ["one", "two"]
    for plan in found["plans"]:
        chosen = next(point for point in plan["points"] if point["alarm"] == plan["chosen"])
        assert chosen["doctor"]["value"] <= 60
        assert chosen["doctor"]["low"] < chosen["doctor"]["value"] < chosen["doctor"]["high"]
    one, two = (next(point for point in plan["points"] if point["alarm"] == plan["chosen"]) for plan in found["plans"])
    assert two["sensitivity"]["value"] >= one["sensitivity"]["value"]  # what the second look is for


def test_the_gates_sensor_is_the_default_and_a_camera_does_better(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = {}
    for sensor in ((), ("--sensor", "mlx90640"), ("--sensor", "camera")):
        found = json.loads(told(capsys, *sensor, "--json"))
        finding = [point for point in found["plans"][0]["points"] if point["sensitivity"]["value"] >= 0.7]
        stopped[sensor[1:]] = (found["sensor"], found["spot"], min(point["doctor"]["value"] for point in finding))
    assert stopped[()] == stopped["mlx90640",]
    assert stopped[()][:2] == ("mlx90640", 0.012)
    assert stopped["camera",][:2] == ("camera", 0.0)
    assert stopped[()][2] > 1.5 * stopped["camera",][2]


def test_the_text_says_which_sensor_and_that_the_truth_is_worse(capsys: pytest.CaptureFixture[str]) -> None:
    gate = told(capsys)
    assert "Sensor: MLX90640, judged by what spots of 12 mm show" in gate
    assert "a little worse still" in gate
    assert "Sensor: a thermographic camera" in told(capsys, "--sensor", "camera")


def test_a_gates_settings_are_of_the_gates_sensor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text("[thermal]\nrefresh_hz = 16\n", encoding="utf-8")
    assert json.loads(told(capsys, "--config", str(path), "--json"))["sensor"] == "mlx90640"
    assert main([*PLAN, "--config", str(path), "--sensor", "camera"]) == 2
    assert f"--config {path}: the gate's sensor is an MLX90640" in capsys.readouterr().err


def test_more_noise_finds_fewer(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for noise in ("0", "0.25", "0.5"):
        plan = json.loads(told(capsys, "--sensor-noise", noise, "--stages", "one", "--json"))["plans"][0]
        by_misses = [point for point in plan["points"] if point["sensitivity"]["value"] >= 0.8]
        found.append(min(point["doctor"]["value"] for point in by_misses))
    assert found == sorted(found)
    assert found[2] > 1.3 * found[0]


def test_a_wish_that_cannot_be_fulfilled_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PLAN, "--alarms-a-day", "0"]) == 1
    shown = capsys.readouterr()
    assert "no threshold fulfils this wish" in shown.err
    assert "alarm =" not in shown.out


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--people", "0"),
        ("--people", "-3"),
        ("--people", "many"),
        ("--people", "2.5"),
        ("--prevalence", "1.2"),
        ("--prevalence", "0"),
        ("--prevalence", "nan"),
        ("--sensor-noise", "-0.1"),
        ("--sensor-noise", "nan"),
        ("--sensor-noise", "inf"),
        ("--alarms-a-day", "nan"),
        ("--alarms-a-day", "-1"),
        ("--misses", "1.5"),
        ("--stages", "three"),
        ("--sensor", "toy"),
    ],
)
def test_wrong_input_is_refused_by_its_flag(capsys: pytest.CaptureFixture[str], flag: str, value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*PLAN, f"{flag}={value}"])
    assert caught.value.code == 2
    assert f"argument {flag}" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "value"), [("--sensor-noise", "0.6"), ("--sensor-noise", "7")])
def test_what_was_not_evaluated_is_refused_by_its_flag(
    capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    assert main([*PLAN, flag, value]) == 2
    assert flag in capsys.readouterr().err


@pytest.mark.parametrize("noise", ["0", "0.01", "0.03", "0.5"])
def test_its_lines_are_valid_at_any_noise(capsys: pytest.CaptureFixture[str], noise: str) -> None:
    out = told(capsys, "--misses", "0.3", "--sensor-noise", noise)
    parse(out[out.index("[perception.screening]") :].split("\n\n")[0], where="printed")


def test_a_gates_own_noise_is_taken_and_refused_where_it_was_not_evaluated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "gate.toml"
    path.write_text("[thermal]\nrefresh_hz = 16\n[perception.screening]\nframes = 24\n", encoding="utf-8")
    quiet = json.loads(told(capsys, "--config", str(path), "--json"))["sensor_noise"]
    assert quiet == pytest.approx(1.15 * 0.25 * 4 / (4 * 12) ** 0.5)  # 24 frames renew each pixel 12 times
    path.write_text("[thermal]\nrefresh_hz = 64\n[perception.screening]\nframes = 2\n", encoding="utf-8")
    assert main([*PLAN, "--config", str(path)]) == 2
    assert f"--config {path}: a noise of" in capsys.readouterr().err


def test_history_prints_variances_and_no_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    create_key(tmp_path / "gallery.key")
    config = tmp_path / "gate.toml"
    config.write_text(f'[store]\nfolder = "{tmp_path}"\n', encoding="utf-8")
    assert main(["screening", "history", "--config", str(config)]) == 1
    assert f"{DATABASE}: there is no history" in capsys.readouterr().err

    def fill(people: range, spread: float) -> None:
        with HistoryStore.open(tmp_path, create=True) as store:
            for person in people:
                who = store.pseudonym(f"student-{person}")
                days = [
                    Reading(
                        who, 739000 + day, 0.0, spread * (person % 7 - 3) + 0.1 * (day % 3 - 1), 0.05, flagged=False
                    )
                    for day in range(6)
                ]
                store.append(days, keep=100)

    fill(range(20), 0.2)
    assert main(["screening", "history", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "20 people, 120 readings" in out
    assert "published" in out
    assert "may not inform: it takes 50 people" in out
    fill(range(20, 90), 0.2)
    assert main(["screening", "history", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "Measured here" in out
    assert "It may inform, but is switched off" in out
    assert "student" not in out
    config.write_text(f'[store]\nfolder = "{tmp_path}"\n[perception.history]\nshare = 0.99\n', encoding="utf-8")
    assert main(["screening", "history", "--config", str(config)]) == 0
    assert "the share must surely exceed 0.99" in capsys.readouterr().out
