"""The command on synthetic files, what it writes, and what it refuses."""

from __future__ import annotations

import builtins
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from benchmarks.fever import operating, robustness
from benchmarks.fever.data import read_file
from benchmarks.fever.fit import fit
from benchmarks.fever.frozen import SHIPPED_THRESHOLDS
from benchmarks.fever.values import AVERAGED, HEADLINE, WAYS, crowd, judge
from controller.cli.main import main
from controller.errors import EvaluationError
from controller.perception.evaluation import SHIPPED_FILE, ScreeningEvaluation, load
from controller.perception.temperature import SHIPPED, Readings, estimate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

QUICK = ["--bootstrap", "4"]


def run(*words: object) -> int:
    return main(["eval", "fever", *map(str, words), *QUICK])


def test_the_command_prints_and_writes_one_report(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    make(120).write(data / "FLIR_a.csv")
    make(80, seed=5).write(data / "ICI_a.csv")
    assert run("--data", data, "--out", tmp_path / "out", "--fit", "train") == 0
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    for words in ("Camera FLIR", "Camera ICI", "By camera", "by room, °C", "by hour", "gain in AUC", "out of fold"):
        assert words in text
        assert words in printed
    assert "No reading here was used for the fit." in text
    pictures = [line for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 7
    for line in pictures:
        assert (tmp_path / "out" / line.split("](")[1].rstrip(")")).stat().st_size > 5000


def test_without_matplotlib_the_report_says_so(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **more)

    def missing_module(name: str, package: str | None = None) -> Any:
        return missing(name)

    monkeypatch.setattr("importlib.import_module", missing_module)
    assert run("--data", make(60).write(tmp_path / "ICI.csv"), "--out", tmp_path / "out") == 0
    assert "no pictures: matplotlib is not installed" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["report.md"]


def test_bad_data_is_one_line_with_the_place(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = make(60)
    file.rows[7][file.column("T_Max1")] = "hot"
    assert run("--data", file.write(tmp_path / "FLIR.csv")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "FLIR.csv: row 11, column" in error
    assert "(T_Max1): 'hot' is not a number" in error


def test_nobody_febrile_is_nothing_to_judge(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", make(60, febrile=0).write(tmp_path / "ICI.csv")) == 1
    assert "needs febrile and afebrile people" in capsys.readouterr().err


def test_the_operating_file_is_only_written_from_the_fits_own_data(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", make(60).write(tmp_path / "ICI.csv"), "--write-operating", tmp_path / "x.json") == 1
    assert "needs --fit shipped" in capsys.readouterr().err


def test_values_are_the_boards_own(make: Make, tmp_path: Path) -> None:
    people = read_file(make(60).write(tmp_path / "FLIR.csv"))
    judged = judge(people, SHIPPED, HEADLINE)
    board = estimate(Readings(people.face[9, 0], people.canthi[9, 0], people.forehead[9, 0], people.room[9], 0.6))
    assert judged.model[9] == board.value
    assert judged.crowd[9] == pytest.approx(board.value + judged.correction[9])
    assert judge(people, SHIPPED, AVERAGED).model[9] == pytest.approx(
        np.mean([judge(people, SHIPPED, way).model[9] for way in WAYS[:3]])
    )


def test_the_crowd_knows_nothing_of_the_future(make: Make, tmp_path: Path) -> None:
    people = read_file(make(90).write(tmp_path / "FLIR.csv"))
    values = judge(people, SHIPPED, HEADLINE).model
    before, _ = crowd(people, values)
    later = values.copy()
    later[60:] += 0.8
    after, _ = crowd(people, later)
    np.testing.assert_array_equal(after[:61], before[:61])
    assert (after[61:] != before[61:]).all()


def test_a_fit_recovers_what_the_data_were_made_with(make: Make, tmp_path: Path) -> None:
    found = fit(read_file(make(600).write(tmp_path / "FLIR.csv"))).face_only
    assert found.offset == pytest.approx(1.15, abs=0.05)
    assert found.room_slope == pytest.approx(-0.08, abs=0.02)
    assert math.hypot(found.compensation, found.region) == pytest.approx(math.hypot(0.2, 0.1), abs=0.04)


def test_a_fit_never_looks_at_fevers(make: Make, tmp_path: Path) -> None:
    people = read_file(make(200).write(tmp_path / "FLIR.csv"))
    hotter = dataclasses.replace(people, face=people.face + 2.0 * people.febrile[:, None])
    assert fit(hotter) == fit(people)


def test_too_few_people_fit_nothing(make: Make, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="too few"):
        fit(read_file(make(20, febrile=4).write(tmp_path / "FLIR.csv")))


def test_a_steady_shift_leaves_the_ranks_alone_and_a_drift_does_not(make: Make, tmp_path: Path) -> None:
    people = read_file(make(200).write(tmp_path / "FLIR.csv"))
    random = np.random.default_rng(0)
    calm = judge(people, SHIPPED, HEADLINE)
    warm = judge(robustness.steady(robustness.SKIN_SLOPE, 1)(people, random), SHIPPED, HEADLINE)
    np.testing.assert_array_equal(np.argsort(warm.baseline), np.argsort(calm.baseline))
    left = 4 * (robustness.SKIN_SLOPE + SHIPPED.with_canthi.room_slope)
    np.testing.assert_allclose(warm.model, calm.model + left, atol=1e-9)
    drifted = judge(robustness.drift(0.0)(people, random), SHIPPED, HEADLINE)
    moved = drifted.baseline - calm.baseline
    assert 0.3 < np.std([moved[people.day == day][0] for day in np.unique(people.day)]) < 0.8
    assert all(np.ptp(moved[people.day == day]) < 1e-9 for day in np.unique(people.day))


def test_counts_fall_with_both_thresholds_and_noise_blurs_them(make: Make, tmp_path: Path) -> None:
    people = read_file(make(120).write(tmp_path / "FLIR.csv"))
    found = operating.evaluated("x", "FLIR", operating.pairs(people, SHIPPED), people.febrile, seed=1, draws=20)
    assert (found.febrile_n, found.afebrile_n) == (people.febrile.sum(), (~people.febrile).sum())
    for counts in found.counts:
        for name in ("febrile", "afebrile"):
            grid, first = np.array(getattr(counts, name)), np.array(getattr(counts, f"{name}_first"))
            assert (np.diff(grid, axis=0) <= 1e-9).all()
            assert (np.diff(grid, axis=1) <= 1e-9).all()
            assert (grid <= first[:, None] + 1e-9).all()
    clean, noisy = found.at(0.0), found.at(0.5)
    assert all(value.is_integer() for value in clean.afebrile_first)
    at = operating.thresholds().tolist().index(38.0)
    assert noisy.afebrile_first[at] > clean.afebrile_first[at]
    with pytest.raises(EvaluationError, match=r"0\.7 K"):
        found.at(0.7)


def test_the_shipped_evaluation_loads_and_is_of_the_shipped_model() -> None:
    found = load()
    assert found.model == SHIPPED.name
    assert found.thresholds[0] == 36.6
    assert found.thresholds[-1] == 38.4
    assert {each.noise for each in found.sets[0].counts} == {0.0, 0.1, 0.2, 0.3, 0.5}
    assert found.named("test part").camera == "FLIR"
    coarse = found.named("test part", coarse=True)
    assert (coarse.camera, coarse.spot) == ("FLIR, 12 mm spots", 0.012)
    with pytest.raises(EvaluationError, match="no set 'x'"):
        found.named("x")


def _spoilt(change: Callable[[dict[str, Any]], object]) -> bytes:
    raw = msgspec.json.decode(SHIPPED_FILE.read_bytes())
    change(raw)
    return msgspec.json.encode(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("source"), "source"),
        (lambda raw: raw.update(extra=1), "extra"),
        (lambda raw: raw["thresholds"].reverse(), "thresholds must rise"),
        (lambda raw: raw["sets"][0]["counts"][1]["febrile"].pop(), r"counts\[1\]: febrile does not fit"),
        (lambda raw: raw["sets"][0]["counts"][0]["afebrile_first"].__setitem__(0, 999), "outside 0 to"),
        (lambda raw: raw["sets"][0].update(febrile_n="many"), "febrile_n"),
    ],
)
def test_a_damaged_evaluation_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = tmp_path / "evaluation.json"
    path.write_bytes(_spoilt(change))
    with pytest.raises(EvaluationError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_missing_evaluation_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"nothing\.json"):
        load(tmp_path / "nothing.json")


def test_every_way_has_its_frozen_threshold() -> None:
    assert tuple(SHIPPED_THRESHOLDS) == WAYS
    assert all(36.0 < limit < 38.0 for each in SHIPPED_THRESHOLDS.values() for limit in each.values())


def test_the_schema_has_a_round_trip(tmp_path: Path) -> None:
    found = load()
    operating.write(found, tmp_path / "again.json")
    assert load(tmp_path / "again.json") == found
    assert isinstance(found, ScreeningEvaluation)
