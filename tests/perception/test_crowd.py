"""The baseline of afebrile passers-by: it rescues drift, and fevers do not move it."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.perception import crowd
from controller.perception.crowd import CLIP, PRIOR_WEIGHT, RECENT, SCATTER, CrowdBaseline, CrowdState, Passer, expected

DAY = 86400.0
ALARM = 37.5


def walk(
    baseline: CrowdBaseline,
    people: int,
    *,
    error: float = 0.0,
    start: float = 0.0,
    room: float = 24.0,
    seed: int = 0,
    scatter: float = SCATTER,
    every: float = 30.0,
) -> None:
    """So many healthy people, each read wrong by `error` K; the baseline judges by itself who alarms."""
    dice = random.Random(seed)
    for at in range(people):
        time = start + every * at
        value = expected(12.0) + dice.gauss(0, scatter) + error
        flagged = baseline.correction(time, room).alarms(value, ALARM)
        baseline.observe(Passer(time, room, 12.0, value - expected(12.0), flagged))


def test_before_anybody_came_there_is_no_correction() -> None:
    found = CrowdBaseline().correction(0.0, 24.0)
    assert (found.value, found.people, found.jumped) == (0.0, 0.0, False)
    assert found.uncertainty == pytest.approx(SCATTER / math.sqrt(PRIOR_WEIGHT))


@pytest.mark.parametrize("people", [1, 5, 10, 40])
def test_the_prior_weighs_ten_people(people: int) -> None:
    baseline = CrowdBaseline()
    for at in range(people):
        baseline.observe(Passer(float(at), 24.0, 12.0, 0.2, flagged=False))
    found = baseline.correction(float(people), 24.0)
    # What is forgotten with time and people is little within a minute.
    assert found.value == pytest.approx(-0.2 * people / (people + PRIOR_WEIGHT), rel=0.03)
    assert found.people == pytest.approx(people, rel=0.03)
    assert found.uncertainty == pytest.approx(SCATTER / math.sqrt(people + PRIOR_WEIGHT), rel=0.03)


def test_readings_that_scatter_more_count_for_less() -> None:
    """Twice the scatter is a quarter of a person, for the correction, for the evidence and for what days teach."""
    people, coarse = 20, CrowdBaseline()
    for at in range(people):
        coarse.observe(Passer(float(at), 24.0, 12.0, 0.2, flagged=False, scatter=2 * SCATTER))
    found = coarse.correction(float(people), 24.0)
    assert found.people == pytest.approx(people / 4, rel=0.03)
    assert found.value == pytest.approx(-0.2 * (people / 4) / (people / 4 + PRIOR_WEIGHT), rel=0.03)


def test_scatter_is_not_taken_for_a_difference_between_days() -> None:
    """Few people a day on large pixels: their means differ by chance, and each is told how much."""
    learned = []
    for told in (2 * SCATTER, SCATTER):
        baseline, dice = CrowdBaseline(), random.Random(8)
        for day in range(20):
            for at in range(8):
                deviation = dice.gauss(0, 2 * SCATTER)
                baseline.observe(Passer(day * DAY + 30.0 * at, 24.0, 12.0, deviation, flagged=False, scatter=told))
        learned.append(baseline.correction(20 * DAY, 24.0).uncertainty)
    assert learned[0] < 0.9 * learned[1]


@pytest.mark.parametrize("scatter", [0.0, -1.0, math.nan, math.inf])
def test_a_scatter_that_is_none_is_refused(scatter: float) -> None:
    baseline = CrowdBaseline()
    with pytest.raises(ValueError, match="no evidence"):
        baseline.observe(Passer(0.0, 24.0, 12.0, 0.1, flagged=False, scatter=scatter))
    assert baseline.state == CrowdState()


def test_who_alarmed_yesterday_is_forgotten_over_night() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 50)
    walk(baseline, RECENT, error=2.0, start=2000.0)
    assert baseline.correction(3000.0, 24.0).jumped
    assert not baseline.correction(DAY, 24.0).jumped
    assert baseline.state.plausible


@pytest.mark.parametrize("error", [-0.5, -0.3, 0.3, 0.5])
def test_a_camera_that_is_wrong_is_corrected(error: float) -> None:
    baseline = CrowdBaseline()
    walk(baseline, 150, error=error)
    found = baseline.correction(150 * 30.0, 24.0)
    assert found.value == pytest.approx(-error, abs=0.12)
    assert found.people > 50


@pytest.mark.parametrize("seed", range(5))
def test_a_camera_that_is_right_is_left_alone(seed: int) -> None:
    baseline = CrowdBaseline()
    corrections = []
    for day in range(10):
        walk(baseline, 100, start=day * DAY, seed=100 * seed + day)
        corrections.append(baseline.correction(day * DAY + 3000, 24.0).value)
    assert math.sqrt(sum(each**2 for each in corrections) / len(corrections)) < 0.06


def test_readings_that_alarm_are_left_out() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 50)
    before = baseline.correction(2000.0, 24.0)
    for at in range(8):
        baseline.observe(Passer(2000.0 + at, 24.0, 12.0, 2.5, flagged=True))
    after = baseline.correction(2008.0, 24.0)
    assert after.value == pytest.approx(before.value, abs=1e-6)
    assert after.people == pytest.approx(before.people, abs=0.1)
    assert not after.jumped


def test_a_run_of_fevers_does_not_drag_it() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 100)
    before = baseline.correction(3000.0, 24.0)
    for at in range(15):
        value = 38.6
        flagged = baseline.correction(3000.0 + at, 24.0).alarms(value, ALARM)
        baseline.observe(Passer(3000.0 + at, 24.0, 12.0, value - expected(12.0), flagged))
    assert baseline.correction(3020.0, 24.0).value == pytest.approx(before.value, abs=0.01)


def test_one_absurd_reading_counts_no_more_than_a_large_one() -> None:
    corrections = []
    for deviation in (-1.0, -30.0):
        baseline = CrowdBaseline()
        walk(baseline, 30)
        baseline.observe(Passer(900.0, 24.0, 12.0, deviation, flagged=False))
        corrections.append(baseline.correction(901.0, 24.0).value)
    assert corrections[0] == pytest.approx(corrections[1], abs=0.01)
    assert abs(corrections[1]) < CLIP * SCATTER


def test_a_sensor_that_jumps_is_called_out_instead_of_followed() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 100)
    before = baseline.correction(3000.0, 24.0)
    walk(baseline, RECENT, error=2.0, start=3000.0)
    after = baseline.correction(4000.0, 24.0)
    assert after.jumped
    assert after.value == pytest.approx(before.value, abs=0.05)


def test_it_learns_that_this_camera_wakes_up_different_every_day() -> None:
    dice = random.Random(3)
    baseline, fresh = CrowdBaseline(), CrowdBaseline()
    for day in range(15):
        walk(baseline, 40, error=dice.gauss(0, 0.5), start=day * DAY, seed=day)
    for learner in (baseline, fresh):
        walk(learner, 3, error=-0.6, start=15 * DAY, scatter=0.05)
    learned, naive = (learner.correction(15 * DAY + 100, 24.0) for learner in (baseline, fresh))
    assert abs(learned.value - 0.6) < 0.25 < abs(naive.value - 0.6)
    assert baseline.correction(16 * DAY, 24.0).uncertainty > 0.3


def test_a_night_ends_today_but_not_the_camera() -> None:
    baseline = CrowdBaseline()
    for day in range(20):
        walk(baseline, 60, error=-0.4, start=day * DAY, seed=day)
    evening, morning = baseline.correction(19 * DAY + 1800, 24.0), baseline.correction(20 * DAY, 24.0)
    assert 0.15 < morning.value < 0.4
    assert morning.uncertainty > evening.uncertainty


def test_what_was_is_forgotten_in_the_holidays() -> None:
    baseline = CrowdBaseline()
    for day in range(8):
        walk(baseline, 60, error=-0.4, start=day * DAY, seed=day)
    assert abs(baseline.correction(70 * DAY, 24.0).value) < 0.02
    assert baseline.correction(70 * DAY, 24.0).people < 1


def test_a_cold_room_is_only_half_known_from_a_warm_one() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 100, room=25.0)
    near, far = (baseline.correction(3000.0, room) for room in (25.0, 17.0))
    assert far.uncertainty > 1.5 * near.uncertainty
    assert far.people < near.people


def test_it_learns_a_sites_own_room_slope() -> None:
    baseline = CrowdBaseline()
    for day in range(20):
        room = 20.0 if day % 2 else 28.0
        walk(baseline, 60, error=-0.05 * (room - 24.0), start=day * DAY, room=room, seed=day)
    cold, warm = (baseline.correction(20 * DAY, room).value for room in (20.0, 28.0))
    assert warm - cold == pytest.approx(0.4, abs=0.15)


def test_the_afternoon_is_no_drift() -> None:
    assert expected(16.0) - expected(9.0) == pytest.approx(7 * crowd.EXPECTED_SLOPE)
    assert expected(3.0) == expected(8.0)
    assert expected(23.0) == expected(17.0)
    assert expected(math.nan) == crowd.EXPECTED


def test_without_a_clock_a_reading_counts_less() -> None:
    people = []
    for hour in (12.0, math.nan):
        baseline = CrowdBaseline()
        for at in range(50):
            baseline.observe(Passer(float(at), 24.0, hour, 0.1, flagged=False))
        people.append(baseline.correction(50.0, 24.0).people)
    assert people[1] < people[0]


def test_a_clock_set_back_does_no_harm() -> None:
    baseline = CrowdBaseline()
    walk(baseline, 20, start=5000.0)
    before = baseline.correction(6000.0, 24.0)
    baseline.observe(Passer(-1e6, 24.0, 12.0, -before.value, flagged=False))
    assert baseline.correction(6000.0, 24.0).value == pytest.approx(before.value, abs=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_evidence_changes_nothing(bad: float) -> None:
    baseline = CrowdBaseline()
    walk(baseline, 5)
    before = baseline.state
    for passer in (Passer(bad, 24.0, 12.0, 0.1, flagged=False), Passer(300.0, 24.0, 12.0, bad, flagged=False)):
        with pytest.raises(ValueError, match=r"no time|no evidence"):
            baseline.observe(passer)
    with pytest.raises(ValueError, match="no room"):
        baseline.correction(300.0, math.inf)
    assert baseline.state == before


def test_a_restart_keeps_everything() -> None:
    baseline = CrowdBaseline()
    for day in range(3):
        walk(baseline, 30, error=0.3, start=day * DAY, seed=day)
    stored = msgspec.json.encode(baseline.state)
    again = CrowdBaseline(msgspec.json.decode(stored, type=CrowdState))
    for each in (baseline, again):
        walk(each, 10, start=3 * DAY, seed=9)
    assert again.state == baseline.state


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 3 * DAY),
            st.one_of(st.floats(5, 40), st.just(math.nan)),
            st.one_of(st.floats(0, 24), st.just(math.nan)),
            st.floats(-5, 5),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_it_stays_sane_whatever_comes(people: list[tuple[float, float, float, float, bool]]) -> None:
    baseline, time = CrowdBaseline(), 0.0
    for step, room, hour, deviation, flagged in people:
        time += step
        baseline.observe(Passer(time, room, hour, deviation, flagged))
        found = baseline.correction(time, room)
        assert math.isfinite(found.value)
        assert 0 < found.uncertainty < 5
        assert 0 <= found.people <= crowd.WINDOW * 2
        covariance = baseline.state.covariance
        for row in range(3):
            assert covariance[row][row] >= 0
            for column in range(3):
                assert covariance[row][column] == pytest.approx(covariance[column][row], abs=1e-12)
