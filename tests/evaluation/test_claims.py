"""What docs/fever-evaluation.md claims, on the published data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.fever import coarse, operating
from benchmarks.fever.calibration import model_slope
from benchmarks.fever.columns import read_table
from benchmarks.fever.comparison import columns, judge_all
from benchmarks.fever.data import Recording, read_file
from benchmarks.fever.fit import choose, fit
from benchmarks.fever.frozen import SHIPPED_THRESHOLDS, TRAINED_UNTIL, thresholds
from benchmarks.fever.robustness import drift
from benchmarks.fever.splits import chronological
from benchmarks.fever.splits import test_part as later_people
from benchmarks.fever.statistics import auc, over_columns, sensitivity
from benchmarks.fever.values import AVERAGED, HEADLINE, judge
from controller.perception import spot
from controller.perception.evaluation import load
from controller.perception.temperature import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def people(testdata: Path) -> Recording:
    path = testdata / "fever" / "FLIR_before_2018-02.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    return read_file(path)


@pytest.fixture(scope="module")
def training(people: Recording) -> NDArray[np.bool_]:
    return chronological(people)


def figures(people: Recording, part: NDArray[np.bool_], way: str, kind: str) -> tuple[float, float]:
    values = columns(judge_all(people, SHIPPED), way, kind)[part]
    febrile = people.febrile[part]
    return over_columns(auc, values, febrile), over_columns(sensitivity, values, febrile)


def test_the_file_is_read_completely(people: Recording) -> None:
    assert (len(people), int(people.febrile.sum()), people.camera) == (666, 52, "FLIR")
    assert people.distance.max() < 1
    assert len(people.notes) == 1


@pytest.mark.parametrize(("way", "published"), [(HEADLINE, (0.939, 0.71)), (AVERAGED, (0.955, 0.83))])
def test_the_plain_face_maximum_is_as_known(people: Recording, way: str, published: tuple[float, float]) -> None:
    found = figures(people, np.ones(len(people), bool), way, "baseline")
    assert found[0] == pytest.approx(published[0], abs=6e-4)
    assert found[1] == pytest.approx(published[1], abs=6e-3)


@pytest.mark.parametrize("way", [HEADLINE, AVERAGED])
@pytest.mark.parametrize("kind", ["model", "crowd"])
def test_it_beats_the_plain_face_maximum_on_later_days(
    people: Recording, training: NDArray[np.bool_], way: str, kind: str
) -> None:
    test = later_people(people, training)
    assert not (test & training).any()
    plain, ours = figures(people, test, way, "baseline"), figures(people, test, way, kind)
    assert ours[0] > plain[0] + 0.01
    # One fever of 19 is 0.053.
    assert ours[1] > plain[1] + 0.05


@pytest.mark.parametrize("way", [HEADLINE, AVERAGED])
def test_it_ranks_better_on_the_whole_file_and_finds_no_fewer(people: Recording, way: str) -> None:
    everybody = np.ones(len(people), bool)
    plain, ours = figures(people, everybody, way, "baseline"), figures(people, everybody, way, "crowd")
    assert ours[0] > plain[0] + 0.005
    assert ours[1] >= plain[1]


def test_the_shipped_fit_is_what_the_training_part_gives(people: Recording, training: NDArray[np.bool_]) -> None:
    assert people.day[training].max() == TRAINED_UNTIL.toordinal()
    refitted = fit(people.take(training))
    for name in ("face_only", "with_canthi", "with_forehead"):
        found, shipped = getattr(refitted, name), getattr(SHIPPED, name)
        assert (found.face, found.canthi, found.forehead) == (shipped.face, shipped.canthi, shipped.forehead)
        assert found.offset == pytest.approx(shipped.offset, abs=6e-4)
        assert found.room_slope == pytest.approx(shipped.room_slope, abs=6e-5)
        assert found.compensation == pytest.approx(shipped.compensation, abs=6e-3)
        assert found.region == pytest.approx(shipped.region, abs=6e-3)


def test_the_weights_are_the_training_parts_best(people: Recording, training: NDArray[np.bool_]) -> None:
    canthi, forehead, *_ = choose(people.take(training))[0]
    assert (canthi, forehead) == (SHIPPED.with_forehead.canthi, SHIPPED.with_forehead.forehead)


def test_the_frozen_thresholds_are_the_training_parts(people: Recording, training: NDArray[np.bool_]) -> None:
    assert thresholds(people.take(training), SHIPPED) == SHIPPED_THRESHOLDS


def test_the_slope_is_one() -> None:
    assert list(model_slope(SHIPPED)) == pytest.approx([1.0, 1.0], abs=1e-9)


def test_the_afebrile_are_right_on_average_on_later_days(people: Recording, training: NDArray[np.bool_]) -> None:
    test = later_people(people, training)
    error = (judge(people, SHIPPED, AVERAGED).model - people.oral)[test & ~people.febrile]
    assert abs(float(np.nanmean(error))) < 0.05
    assert float(np.nanstd(error)) < 0.31


def test_the_crowd_rescues_half_of_what_drift_costs(people: Recording) -> None:
    costs: dict[str, list[float]] = {"model": [], "crowd": []}
    calm = judge(people, SHIPPED, HEADLINE)
    for scene in range(6):
        rough = judge(drift(0.0)(people, np.random.default_rng(scene)), SHIPPED, HEADLINE)
        for kind, found in costs.items():
            before, after = (over_columns(auc, getattr(each, kind)[:, None], people.febrile) for each in (calm, rough))
            found.append(before - after)
    assert np.mean(costs["crowd"]) < 0.6 * np.mean(costs["model"])


def test_the_shipped_evaluation_is_what_the_command_writes(people: Recording, training: NDArray[np.bool_]) -> None:
    shipped = load()
    built = operating.build(people, later_people(people, training), SHIPPED, command=shipped.command, seed=1)
    assert built.sets == shipped.sets


def test_what_a_spot_misses_is_what_the_training_part_says(
    testdata: Path, people: Recording, training: NDArray[np.bool_]
) -> None:
    found = coarse.loss(people.take(training & ~people.febrile))
    assert (found.n, found.readings) == (365, 1086)
    assert found.measured[0] == pytest.approx(spot.loss(coarse.SIZE, spot.ROOM), abs=6e-3)
    assert found.measured[1] == pytest.approx(found.assumed[1], abs=1e-3)
    assert found.measured[2] == pytest.approx(spot.scatter(coarse.SIZE, spot.ROOM), abs=6e-3)
    # The third anchor: the middle of the forehead stands for a large part of the face.
    forehead = middle_of_the_forehead(testdata / "fever" / people.files[0], people)
    large = coarse.loss(dataclasses.replace(people, spots=forehead).take(training & ~people.febrile))
    assert large.measured[0] == pytest.approx(spot.FACE_LOSS, abs=6e-3)
    assert large.measured[2] == pytest.approx(spot.FACE_SCATTER, abs=6e-3)


def middle_of_the_forehead(path: Path, people: Recording) -> NDArray[np.float64]:
    table = read_table(path)
    wanted = [table.required(name) for name in ("SubjectID", "T_FHCC1", "T_FHCC2", "T_FHCC3")]
    values = {
        table.text(row, wanted[0]): [table.number(row, at) for at in wanted[1:]] for row in range(len(table.rows))
    }
    return np.array([values[subject] for subject in people.subjects])


def test_the_spots_offset_and_scatter_hold_on_later_days(people: Recording, training: NDArray[np.bool_]) -> None:
    test = later_people(people, training) & ~people.febrile
    found = coarse.loss(people.take(test))
    assert found.measured[0] == pytest.approx(found.assumed[0], abs=0.03)
    assert found.measured[2] == pytest.approx(found.assumed[2], abs=0.02)
    error = (judge(coarse.seen(people), SHIPPED, AVERAGED).model - people.oral)[test]
    assert abs(float(np.nanmean(error))) < 0.05


@pytest.mark.parametrize(("way", "area"), [("round 1", 0.889), ("round 2", 0.903), ("round 3", 0.918)])
def test_a_coarse_array_ranks_worse_than_the_camera(people: Recording, way: str, area: float) -> None:
    everybody = np.ones(len(people), bool)
    spots = judge(coarse.seen(people), SHIPPED, way).model
    found = over_columns(auc, spots[:, None], people.febrile)
    assert found == pytest.approx(area, abs=6e-3)
    assert found < figures(people, everybody, way, "model")[0] - 0.03
