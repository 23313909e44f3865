"""The cast: repeatable, complete, and warm as people are."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.drill import scenario
from controller.drill.scenario import BY_REQUEST, EXPECTED, NEVER_GRANTED, Ending, Kind, draw

people = st.integers(1, 60)
seeds = st.integers(0, 2**32)


@settings(deadline=None)  # machines may be busy
@given(people, seeds)
def test_the_same_seed_draws_the_same_morning(count: int, seed: int) -> None:
    assert draw(count, seed) == draw(count, seed)


@settings(deadline=None)  # machines may be busy
@given(people, seeds)
def test_nobody_is_two_people(count: int, seed: int) -> None:
    drawn = draw(count, seed)
    faces = [visit.identity for visit in drawn.visits]
    faces += [visit.companion for visit in drawn.visits if visit.companion is not None]
    assert len(set(faces)) == len(faces)
    assert [visit.number for visit in drawn.visits] == list(range(1, count + 1))


@settings(deadline=None)  # machines may be busy
@given(people, seeds)
def test_the_gallery_holds_those_it_should(count: int, seed: int) -> None:
    drawn = draw(count, seed)
    for visit in drawn.visits:
        assert (visit.identity in drawn.registered) == visit.kind.is_registered
        assert visit.companion not in drawn.registered
    assert len(drawn.registered) == sum(visit.kind.is_registered for visit in drawn.visits) + scenario.ABSENT


@settings(deadline=None)  # machines may be busy
@given(st.integers(12, 60), seeds)
def test_twelve_people_contain_every_kind(count: int, seed: int) -> None:
    counts = draw(count, seed).counts
    assert set(counts) == set(Kind) - set(BY_REQUEST)
    assert counts[Kind.ENROLLED] >= 3


@settings(deadline=None)  # machines may be busy
@given(st.integers(1, 11), seeds)
def test_a_small_cast_takes_the_important_kinds_first(count: int, seed: int) -> None:
    counts = draw(count, seed).counts
    wanted = [kind for kind in Kind if kind not in BY_REQUEST][:count]
    assert [counts[kind] >= 1 for kind in wanted] == [True] * len(wanted)
    assert counts.total() == count


@settings(deadline=None)  # machines may be busy
@given(people, seeds)
def test_temperatures_and_places_are_those_of_their_kind(count: int, seed: int) -> None:
    for visit in draw(count, seed).visits:
        if visit.kind is Kind.FEBRILE:
            assert scenario.FEVER_LOW <= visit.core <= scenario.FEVER_HIGH
        else:
            assert 36.0 <= visit.core < scenario.AFEBRILE_BELOW
        assert 0.4 <= visit.distance <= 0.6
        assert abs(visit.scatter) <= scenario.SCATTER_CUT * scenario.SURFACE_SD + 0.01


def test_other_seeds_draw_other_mornings() -> None:
    assert len({draw(12, seed).visits for seed in range(20)}) == 20


def test_a_large_cast_is_as_warm_as_the_population() -> None:
    cores = [visit.core for visit in draw(3000, 5).visits if visit.kind is Kind.ENROLLED]
    # Cut at 37.5 °C and two standard deviations, the mean hardly moves and the spread shrinks to 0.88 of itself.
    assert statistics.mean(cores) == pytest.approx(scenario.CORE_MEAN, abs=0.02)
    assert statistics.stdev(cores) == pytest.approx(0.88 * scenario.CORE_SD, abs=0.02)


@settings(deadline=None)  # machines may be busy
@given(st.integers(12, 40), seeds)
def test_no_borderline_temperature_hides_what_comes_after_a_grant(count: int, seed: int) -> None:
    for visit in draw(count, seed).visits:
        if visit.kind in scenario.NEEDS_GRANT:
            assert abs(visit.core + visit.scatter - scenario.CORE_MEAN) <= 0.36


def test_those_who_must_not_enter_are_expected_to_be_refused() -> None:
    assert {EXPECTED[kind] for kind in NEVER_GRANTED} == {Ending.TURNED_AWAY}
    assert set(EXPECTED) == set(Kind)


def test_a_rehearsal_needs_somebody() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw(0, 1)
