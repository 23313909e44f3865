"""What the absolute value rests on: the black body, else the crowd, else the data sheet; and when on nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.lane.model import Remark, Screening, Uncertainty, Verdict
from controller.perception.crowd import PRIOR_WEIGHT, RECENT, SCATTER, CrowdBaseline, expected
from controller.perception.footing import CROWD_FLOOR, MISSING, FootingKeeper
from controller.perception.linearity import ENOUGH
from controller.perception.reference import LocalTime
from controller.perception.reference_settings import LinearitySettings, ReferenceSettings
from controller.perception.screening import Footing, plain_footing
from controller.perception.screening_settings import ScreeningSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SETTINGS = ScreeningSettings()
PLACE = ReferenceSettings(column=25.5, row=17.5, temperature=37.0)
PLAIN = SETTINGS.accuracy / math.sqrt(3)
RATE = 16.0


@dataclass(frozen=True)
class Frame:
    temperatures: NDArray[np.float32]
    ambient: float
    timestamp: float


def frame(at: float, source: float = 37.0) -> Frame:
    temperatures = np.full((24, 32), 23.0, np.float32)
    temperatures[15:20, 23:28] = source
    return Frame(temperatures, 30.0, at)


def watch(keeper: FootingKeeper, begin: float, seconds: float, source: float = 37.0) -> list[Remark | None]:
    """Feed frames; what was told on the way."""
    told = []
    for index in range(round(seconds * RATE)):
        keeper.correct(frame(begin + index / RATE, source))
        news = keeper.news()
        told += [] if news is None else [news.unfit]
    return told


def reading(value: float, *, correction: float | None = None, region: float = 0.08, noise: float = 0.05) -> Screening:
    return Screening(
        Verdict.NORMAL,
        value,
        0.4,
        35.0,
        16,
        parts=Uncertainty(noise, 0.1, region, 0.3),
        correction=correction,
        room=24.0,
    )


def taught(error: float, people: int, **parts: float) -> FootingKeeper:
    """A keeper that has seen so many healthy people on a sensor that is wrong by `error` K."""
    keeper = FootingKeeper(SETTINGS, None)
    keeper.correct(frame(SETTINGS.settled + 1))
    for _ in range(people):
        correction = keeper.footing().correction or 0.0
        keeper.learn(reading(expected(math.nan) + error + correction, correction=correction, **parts), 24.0)
    return keeper


# With a black body


def test_a_black_body_corrects_and_says_how_well() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    assert keeper.footing().unfit is Remark.REFERENCE_MISSING
    assert watch(keeper, 0.0, 2.0, source=37.6) == []
    found = keeper.footing()
    assert found.correction == pytest.approx(-0.6, abs=0.01)
    assert found.uncertainty == pytest.approx(math.hypot(0.2 / math.sqrt(3), SETTINGS.pattern), rel=0.05)
    assert (found.unfit, found.remarks) == (None, ())


def test_a_black_body_needs_no_warm_up() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    watch(keeper, 0.0, 2.0)
    assert keeper.footing().unfit is None


def test_a_corrected_frame_is_the_same_and_warmer() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    watch(keeper, 0.0, 2.0, source=36.0)
    raw = frame(2.0, source=36.0)
    before = raw.temperatures.copy()
    corrected = keeper.correct(raw)
    assert corrected.temperatures.dtype == np.float32
    assert (corrected.ambient, corrected.timestamp) == (raw.ambient, raw.timestamp)
    np.testing.assert_allclose(corrected.temperatures, before + 1.0, atol=0.01)
    np.testing.assert_array_equal(raw.temperatures, before)


def test_a_correction_keeps_holes_and_precision() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    watch(keeper, 0.0, 2.0, source=36.0)
    holed = frame(2.0, source=36.0)
    holed.temperatures[3, 4] = math.nan
    assert np.isnan(keeper.correct(holed).temperatures[3, 4])
    precise: Any = Frame(frame(2.1).temperatures.astype(np.float64), 30.0, 2.1)
    assert keeper.correct(precise).temperatures.dtype == np.float64


def test_a_missing_black_body_is_told_after_a_while_once() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    assert watch(keeper, 0.0, 10.0) == []
    assert watch(keeper, 10.0, MISSING - 1.0, source=23.0) == []
    assert keeper.footing() == Footing(math.inf, unfit=Remark.REFERENCE_MISSING)
    assert watch(keeper, 10.0 + MISSING - 1.0, 60.0, source=23.0) == [Remark.REFERENCE_MISSING]
    assert watch(keeper, 100.0, 10.0) == [None]
    assert keeper.footing().unfit is None


def test_a_hand_before_it_is_nothing_to_tell() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    told = watch(keeper, 0.0, 10.0) + watch(keeper, 10.0, 8.0, source=23.0) + watch(keeper, 18.0, 10.0)
    assert told == []


def test_a_black_body_that_was_never_there_is_told_as_well() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    assert watch(keeper, 0.0, MISSING - 1.0, source=23.0) == []
    assert watch(keeper, MISSING - 1.0, 5.0, source=23.0) == [Remark.REFERENCE_MISSING]


def test_a_drift_beyond_its_bound_is_told_once_and_its_end_once() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    assert watch(keeper, 0.0, 10.0, source=39.5) == [Remark.REFERENCE_DRIFT]
    assert keeper.footing().unfit is Remark.REFERENCE_DRIFT
    # Frames are corrected all the same: who is alive can still be told.
    assert keeper.correct(frame(10.0, 39.5)).temperatures[0, 0] == pytest.approx(20.5, abs=0.05)
    assert watch(keeper, 10.1, 30.0, source=38.0) == [None]


def test_a_drifted_sensor_whose_source_is_covered_does_not_become_fit() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    told = watch(keeper, 0.0, 10.0, source=39.5) + watch(keeper, 10.0, 20.0, source=23.0)
    assert told == [Remark.REFERENCE_DRIFT]
    assert watch(keeper, 30.0, 30.0, source=23.0) == [Remark.REFERENCE_MISSING]


def test_with_a_black_body_nothing_is_learned_of_people() -> None:
    keeper = FootingKeeper(SETTINGS, PLACE)
    watch(keeper, 0.0, 2.0)
    before = keeper.crowd.state
    keeper.learn(reading(37.2, correction=0.3), 24.0)
    assert keeper.crowd.state is before


# The self-test

PROGRAMME = LinearitySettings(at="00:01", points=(35.0, 37.5, 40.0), dwell=10.0, settle=5.0)
TESTED = ReferenceSettings(column=25.5, row=17.5, temperature=37.0, linearity=PROGRAMME)


def self_tests(shown: dict[int, Callable[[float], float]]) -> tuple[FootingKeeper, list[tuple[int, Remark | None]]]:
    """Days of two minutes with the programme in each; `shown`: by day, what a sensor shows of a temperature."""
    today = {"day": 0, "seconds": 0.0}
    keeper = FootingKeeper(SETTINGS, TESTED, local=lambda: LocalTime(int(today["day"]), today["seconds"]))
    told: list[tuple[int, Remark | None]] = []
    for day, sensor in shown.items():
        for index in range(round(120 * RATE)):
            seconds = index / RATE
            today.update(day=day, seconds=seconds)
            step = int((seconds - 60) // 10)
            truth = PROGRAMME.points[step] if 0 <= step < 3 else 37.0
            keeper.correct(frame(1000.0 * day + seconds, sensor(truth)))
            news = keeper.news()
            told += [] if news is None else [(day, news.unfit)]
    return keeper, told


def straight(truth: float) -> float:
    return truth + 0.4


def steep(truth: float) -> float:
    return truth + 0.12 * (truth - 37.0)


def test_a_passed_self_test_is_told_and_changes_nothing() -> None:
    keeper, told = self_tests({1: straight})
    (result,) = keeper.tests()
    assert result.passed
    assert told == []
    assert keeper.tests() == ()


def test_a_sensor_that_is_not_linear_is_told_until_a_test_passes() -> None:
    keeper, told = self_tests({1: steep, 2: steep, 3: straight})
    assert told == [(1, Remark.NOT_LINEAR), (3, None)]
    assert [result.passed for result in keeper.tests()] == [False, False, True]


def test_a_test_that_read_too_little_clears_nothing() -> None:
    """The source was covered for a point: the rest, within bounds or not, is no proof that the sensor is well."""

    def covered(truth: float) -> float:
        return 23.0 if truth == 40.0 else straight(truth)

    keeper, told = self_tests({1: steep, 2: covered})
    assert told == [(1, Remark.NOT_LINEAR)]
    assert [result.complete for result in keeper.tests()] == [True, False]
    assert keeper.footing().unfit is Remark.NOT_LINEAR
    assert round(PROGRAMME.dwell - PROGRAMME.settle) * RATE > ENOUGH


# Without one


def test_before_it_has_settled_the_sensor_is_not_fit_and_that_is_no_fault() -> None:
    keeper = FootingKeeper(SETTINGS, None)
    assert watch(keeper, 0.0, 3.0) == []
    assert keeper.footing().unfit is Remark.WARMING_UP
    assert watch(keeper, SETTINGS.settled, 1.0) == []
    assert keeper.footing() == plain_footing(SETTINGS)


def test_before_anybody_came_there_is_only_the_data_sheet() -> None:
    keeper = taught(0.0, 0)
    raw = frame(SETTINGS.settled + 2)
    assert keeper.correct(raw) is raw
    assert keeper.footing().uncertainty == pytest.approx(PLAIN)
    assert keeper.footing().remarks == (Remark.NO_REFERENCE,)


@pytest.mark.parametrize("error", [-0.4, 0.3])
def test_a_crowd_corrects_the_frames(error: float) -> None:
    keeper = taught(error, 200)
    raw = frame(SETTINGS.settled + 2)
    corrected = keeper.correct(raw)
    assert corrected.temperatures.dtype == np.float32
    assert float(corrected.temperatures[0, 0] - raw.temperatures[0, 0]) == pytest.approx(-error, abs=0.05)
    assert keeper.footing().correction == pytest.approx(-error, abs=0.05)
    assert keeper.footing().uncertainty == pytest.approx(CROWD_FLOOR, abs=0.02)


def test_a_correction_is_not_learned_as_if_the_sensor_had_it() -> None:
    """What is learned is the value without it; else each person would take the sensor's error for cured."""
    whole, naive = taught(0.4, 100), FootingKeeper(SETTINGS, None)
    naive.correct(frame(SETTINGS.settled + 1))
    for _ in range(100):
        naive.learn(reading(expected(math.nan) + 0.4), 24.0)
    assert whole.crowd.state.mean == pytest.approx(naive.crowd.state.mean)
    assert whole.footing().correction == pytest.approx(-0.4 * 100 / (100 + PRIOR_WEIGHT), abs=0.02)


def test_a_screening_without_a_value_teaches_nothing() -> None:
    keeper = taught(0.2, 5)
    before = keeper.crowd.state
    keeper.learn(Screening(Verdict.UNSTABLE, None, None, None, 0), 24.0)
    assert keeper.crowd.state is before


def test_people_on_large_pixels_count_for_less() -> None:
    sharp, coarse = taught(0.2, 60), taught(0.2, 60, region=0.45)
    weight = SCATTER**2 / (SCATTER**2 + 0.45**2)
    now = sharp.crowd.state.time
    assert now is not None
    people = [keeper.crowd.correction(now, 24.0).people for keeper in (sharp, coarse)]
    assert people[1] / people[0] == pytest.approx(weight, rel=0.15)
    assert coarse.footing().uncertainty > sharp.footing().uncertainty


@pytest.mark.parametrize("people", [3, 10, 40, 150])
@pytest.mark.parametrize("region", [0.08, 0.45])
def test_what_a_crowd_leaves_is_what_it_says(people: int, region: float) -> None:
    """Sensors off by up to ±0.6 K, evenly, whose people differ as they do: the error is not larger than stated."""
    settings = ScreeningSettings(accuracy=0.6)
    dice = np.random.default_rng(people)
    errors, stated = [], []
    for _ in range(60):
        keeper = FootingKeeper(settings, None)
        keeper.correct(frame(settings.settled + 1))
        offset = dice.uniform(-0.6, 0.6)
        for _ in range(people):
            value = expected(math.nan) + offset + dice.normal(0, math.hypot(SCATTER, region))
            keeper.learn(reading(value, region=region, noise=0.0), 24.0)
        found = keeper.footing()
        errors.append(offset + (found.correction or 0.0))
        stated.append(found.uncertainty)
    # Warm readings on a sensor that reads high pass for fevers and are left out: a tenth of a kelvin that none knows.
    root_mean_square = math.sqrt(np.mean(np.square(errors)))
    assert root_mean_square < 1.25 * np.mean(stated) + 0.03
    assert np.mean(stated) < 0.6 / math.sqrt(3) + 1e-9


def test_a_crowd_that_is_impossible_is_told_once_and_forgiven_the_next_day() -> None:
    """Nobody is measured on an unfit sensor, so nobody could ever clear it: the next day it is asked anew."""
    keeper = taught(0.0, 30)
    told = []
    for _ in range(RECENT):
        keeper.learn(reading(39.0), 24.0)
        news = keeper.news()
        told += [] if news is None else [news.unfit]
    assert told == [Remark.CROWD_DRIFT]
    assert keeper.footing().unfit is Remark.CROWD_DRIFT
    assert keeper.news() is None
    later = SETTINGS.settled + 12 * 3600.0
    assert watch(keeper, later, 1.0) == [None]
    assert keeper.footing().unfit is None


def test_a_crowd_far_from_normal_is_a_drift() -> None:
    keeper = taught(-1.9, 200)
    told = keeper.news()
    assert told is not None
    assert told.unfit is Remark.CROWD_DRIFT


def test_a_restart_keeps_the_crowd() -> None:
    days = {"now": 1.7e9}
    first = FootingKeeper(SETTINGS, None, unix=lambda: days["now"])
    first.correct(frame(SETTINGS.settled + 1))
    for _ in range(100):
        first.learn(reading(expected(math.nan) - 0.3), 24.0)
    before = first.footing()
    days["now"] += 60.0
    # The board's own monotonic clock has begun anew.
    again = FootingKeeper(SETTINGS, None, crowd=CrowdBaseline(first.crowd.state), unix=lambda: days["now"])
    again.correct(frame(SETTINGS.settled + 1))
    assert again.footing().correction == pytest.approx(before.correction, abs=1e-3)
    assert again.footing().uncertainty == pytest.approx(before.uncertainty, abs=1e-3)


def test_the_hour_is_asked_where_it_is_known() -> None:
    morning = FootingKeeper(SETTINGS, None, local=lambda: LocalTime(1, 8 * 3600.0))
    evening = FootingKeeper(SETTINGS, None, local=lambda: LocalTime(1, 17 * 3600.0))
    for keeper in (morning, evening):
        keeper.correct(frame(SETTINGS.settled + 1))
        for _ in range(50):
            keeper.learn(reading(36.9), 24.0)
    corrections = [keeper.footing().correction or 0.0 for keeper in (morning, evening)]
    assert corrections[1] - corrections[0] == pytest.approx((expected(17) - expected(8)) * 50 / 60, abs=0.03)
