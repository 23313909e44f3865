"""The same people as a coarse array sees them: the board's own code, on synthetic files."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.fever import coarse, operating
from benchmarks.fever.comparison import Part
from benchmarks.fever.data import Recording, read_file
from benchmarks.fever.fit import fit
from benchmarks.fever.splits import chronological
from benchmarks.fever.statistics import Sampling
from benchmarks.fever.values import HEADLINE, judge
from controller.cli.main import main
from controller.perception import spot
from controller.perception.screening import Footing, Surface, reading
from controller.perception.temperature import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

SAMPLING = Sampling(6, 1)


@pytest.fixture
def people(make: Make, tmp_path: Path) -> Recording:
    return read_file(make(120, spots=True).write(tmp_path / "FLIR.csv"))


def everybody(people: Recording) -> Part:
    return Part("whole file", np.ones(len(people), bool), honest=False)


def test_an_estimate_is_the_boards_own(people: Recording) -> None:
    found = judge(coarse.seen(people), SHIPPED, HEADLINE).model
    for person in (0, 7, 60):
        seen = Surface(people.spots[person, 0], 0.2, people.room[person], coarse.SIZE)
        assert found[person] == pytest.approx(reading(seen, Footing(0.0)).value, abs=1e-9)


def test_a_room_that_is_not_known_leaves_no_spot(people: Recording) -> None:
    room = people.room.copy()
    room[3] = np.nan
    seen = coarse.seen(dataclasses.replace(people, room=room))
    assert np.isnan(seen.face[3]).all()
    assert np.isfinite(seen.face[4]).all()


def test_the_loss_is_measured_with_its_scatter(people: Recording) -> None:
    found = coarse.loss(people)
    assert found.measured[0] == pytest.approx(0.8, abs=0.01)
    assert found.measured[1] == pytest.approx(0.0, abs=0.01)
    assert found.measured[2] < 0.01
    assert found.assumed[0] == spot.loss(coarse.SIZE, spot.ROOM)


def test_scatter_is_split_into_people_and_rounds(people: Recording) -> None:
    random = np.random.default_rng(3)
    moved = random.normal(0, 0.3, (len(people), 1)) + random.normal(0, 0.2, (len(people), 3))
    found = coarse.loss(dataclasses.replace(people, spots=people.spots - moved))
    assert found.between == pytest.approx(0.3, abs=0.05)
    assert found.within == pytest.approx(0.2, abs=0.03)


def test_every_kind_is_there_and_gains_are_over_the_full_resolution(people: Recording) -> None:
    found = coarse.resolve(people, coarse.views(people, SHIPPED, SAMPLING), SHIPPED, everybody(people), SAMPLING)
    assert found is not None
    assert [(row.way, row.kind) for row in found.figures] == [
        (way, kind) for way in coarse.WAYS for kind in coarse.KINDS
    ]
    for row in found.figures:
        assert (row.auc_gain is None) == (row.kind == coarse.FULL)
        assert row.febrile_n == people.febrile.sum()
        full = next(each for each in found.figures if (each.way, each.kind) == (row.way, coarse.FULL))
        if row.auc_gain is not None:
            assert row.auc_gain.value == pytest.approx(row.auc.value - full.auc.value)
    # The synthetic spots miss the same everywhere: only what the board adds by the room tells them from the face.
    spots = next(row for row in found.figures if row.kind == coarse.SPOTTED)
    assert spots.auc.value > 0.9


def test_without_spots_there_is_nothing_and_the_report_says_so(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = read_file(make(60).write(tmp_path / "ICI.csv"))
    assert coarse.views(bare, SHIPPED, SAMPLING) is None
    assert coarse.resolve(bare, None, SHIPPED, everybody(bare), SAMPLING) is None
    assert main(["eval", "fever", "--data", str(tmp_path / "ICI.csv"), "--bootstrap", "4"]) == 0
    assert "Not judged: the files have no columns aveAllR13_1" in capsys.readouterr().out


def test_the_report_has_the_section(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(60, spots=True).write(tmp_path / "ICI.csv")
    assert main(["eval", "fever", "--data", str(tmp_path / "ICI.csv"), "--bootstrap", "4"]) == 0
    out = capsys.readouterr().out
    for words in ("as a coarse array sees a face", "12 mm spot + 0.2 K + crowd", "what a spot misses", "Deming"):
        assert words in out


def test_the_operating_sets_are_those_of_both_sensors(make: Make, tmp_path: Path, people: Recording) -> None:
    test = ~chronological(people)
    both = operating.build(people, test, SHIPPED, command="x", seed=1).sets
    assert [(each.name, each.camera, each.spot) for each in both] == [
        (operating.TEST_PART, "FLIR", 0.0),
        (operating.OUT_OF_FOLD, "FLIR", 0.0),
        (operating.TEST_PART, "FLIR, 12 mm spots", 0.012),
        (operating.OUT_OF_FOLD, "FLIR, 12 mm spots", 0.012),
    ]
    assert len({each.febrile_n for each in both[1::2]}) == 1
    bare = read_file(make(120).write(tmp_path / "ICI.csv"))
    assert [each.spot for each in operating.build(bare, test, SHIPPED, command="x", seed=1).sets] == [0.0, 0.0]


def test_out_of_fold_the_fit_stays_the_cameras_own(people: Recording) -> None:
    """A spot that is a kelvin cooler reads a kelvin lower: no fit makes up for it."""
    spots = coarse.seen(people)
    cooler = dataclasses.replace(spots, face=spots.face - 1.0)
    first, _ = operating.out_of_fold(people, 1, spots)
    lower, _ = operating.out_of_fold(people, 1, cooler)
    np.testing.assert_allclose(first - lower, 1.0)
    assert np.abs(first - operating.pairs(spots, fit(people))[0]).max() < 0.1
