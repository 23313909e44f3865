"""A person's own baseline: drawn towards everybody's, silent without evidence, and never able to lower a verdict."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config import parse
from controller.errors import ConfigError
from controller.lane.model import Verdict
from controller.perception import history
from controller.perception.history import Evidence, PersonalNote, baseline, note, with_history
from controller.perception.history_settings import HistorySettings
from controller.perception.variance import Components, Interval, components, days_of, readings

ON = HistorySettings(inform=True)


def population(between: float = 0.45, within: float = 0.25, *, margin: float = 0.02) -> Components:
    share = between**2 / (between**2 + within**2 + 0.04)
    spread = Interval(share, max(share - margin, 0), share + margin)
    one, two = Interval(between, between, between), Interval(within, within, within)
    return Components("measured", 300, 6000, 9000, 0.0, one, two, 0.2, spread)


def person(
    mean: float, days: int = 20, *, flagged: tuple[int, ...] = (), fever: float = 0.0
) -> list[tuple[int, float, float, bool]]:
    """Two readings a day; on flagged days `fever` is on top."""
    return [
        (day, mean + (fever if day in flagged else 0.0), 0.2, day in flagged) for day in range(days) for _ in range(2)
    ]


def told(
    value: float, rows: list[tuple[int, float, float, bool]], people: Components, settings: HistorySettings = ON
) -> PersonalNote:
    days = days_of(readings(rows), episode=settings.episode, before=100)
    return note(value, 0.2, days, people, settings, expected=36.7)


def test_a_baseline_is_drawn_towards_everybody_and_less_so_with_more_days() -> None:
    people = population()
    values = [baseline(days_of(readings(person(-0.6, days)), episode=3), people) for days in (1, 3, 10, 50)]
    drawn = [one.value for one in values]
    assert all(-0.6 < value < 0 for value in drawn)
    assert drawn == sorted(drawn, reverse=True)
    assert [one.uncertainty for one in values] == sorted((one.uncertainty for one in values), reverse=True)
    assert drawn[-1] == pytest.approx(-0.6, abs=0.01)


def test_the_baseline_is_the_best_linear_prediction() -> None:
    """Of simulated people its error is what it says, and smaller than that of their plain mean."""
    rng = np.random.default_rng(2)
    people, errors, plain, promised = population(0.26, 0.40), [], [], []
    for _ in range(3000):
        true = rng.normal(0, 0.26)
        rows = [(day, true + rng.normal(0, 0.40) + rng.normal(0, 0.2), 0.2, False) for day in range(6)]
        found = baseline(days_of(readings(rows), episode=3), people)
        errors.append(found.value - true)
        plain.append(np.mean([row[1] for row in rows]) - true)
        promised.append(found.uncertainty)
    assert np.std(errors) == pytest.approx(np.mean(promised), rel=0.05)
    assert np.std(errors) < 0.9 * np.std(plain)


def test_where_people_hardly_differ_a_baseline_says_nothing() -> None:
    rows = person(-0.8)
    assert baseline(days_of(readings(rows), episode=3), population(0.0, 0.4)).value == 0
    found = told(38.0, rows, population(0.1, 0.5))
    assert (found.evidence, found.informs, found.second_look) == (Evidence.SHARE_TOO_SMALL, False, False)


def test_an_unusual_reading_asks_for_a_second_look_when_switched_on() -> None:
    low = person(-0.6)
    found = told(37.2, low, population())
    assert found.evidence is Evidence.ENOUGH
    assert found.second_look
    assert found.expected == pytest.approx(36.1, abs=0.05)
    assert found.z is not None
    assert found.z > 2.5
    off = told(37.2, low, population(), HistorySettings())
    assert (off.informs, off.second_look, off.unusual, off.evidence) == (False, False, True, Evidence.ENOUGH)
    assert off.z == found.z
    assert not told(37.2, person(0.3), population()).second_look


def test_what_is_expected_of_all_moves_with_the_crowd() -> None:
    days = days_of(readings(person(-0.6)), episode=3)
    warm = note(37.7, 0.2, days, population(), ON, expected=37.2)
    cool = note(37.2, 0.2, days, population(), ON, expected=36.7)
    assert warm.z == pytest.approx(cool.z)


def test_an_illness_does_not_become_normal() -> None:
    ill = tuple(range(10, 15))
    well, sick = person(0.0, 30), person(0.0, 30, flagged=ill, fever=1.5)
    # The day before the first alarm is already raised, the day after the last one still is, both below the alarm.
    eve = [(9, 0.6, 0.2, False), (15, 0.5, 0.2, False)]
    usual, after = told(37.6, well, population()), told(37.6, sick + eve, population())
    assert after.expected == pytest.approx(usual.expected, abs=0.02)
    assert after.second_look
    # What it would be if illness counted: the flags are what keeps it out.
    unflagged = [(day, value, noise, False) for day, value, noise, _ in sick + eve]
    assert told(37.6, unflagged, population()).expected > 36.85  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rows", "people", "reason"),
    [
        (person(-0.6), replace(population(), source="published"), Evidence.UNMEASURED),
        (person(-0.6), population(0.45, 0.25, margin=0.4), Evidence.SHARE_TOO_SMALL),
        (person(-0.6, 4), population(), Evidence.FEW_READINGS),
        ([(day % 4, -0.6, 0.2, False) for day in range(20)], population(), Evidence.FEW_DAYS),
        (person(-0.6), population(0.27, 0.40, margin=-0.2), Evidence.GAIN_TOO_SMALL),
        ([], population(), Evidence.FEW_READINGS),
    ],
)
def test_each_bound_is_held_and_named(
    rows: list[tuple[int, float, float, bool]], people: Components, reason: Evidence
) -> None:
    found = told(39.0, rows, people)
    assert found.evidence is reason
    assert (found.informs, found.second_look) == (False, False)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_no_note(bad: float) -> None:
    days = days_of(readings(person(-0.6)), episode=3)
    for value, noise, expected in ((bad, 0.2, 36.7), (37.0, bad, 36.7), (37.0, 0.2, bad)):
        found = note(value, noise, days, population(), ON, expected=expected)
        assert found == history.without(Evidence.NOT_A_NUMBER)


def test_only_normal_becomes_recheck_and_only_before_the_deciding_look() -> None:
    asks = told(37.6, person(-0.6), population())
    assert asks.second_look
    silent = replace(asks, second_look=False)
    for verdict, one, look in itertools.product(Verdict, (asks, silent), (1, 2, 3)):
        after = with_history(verdict, one, look=look, looks=2)
        if verdict is Verdict.NORMAL and one.second_look and look == 1:
            assert after is Verdict.RECHECK
        else:
            assert after is verdict


@given(value=st.floats(34, 42), mean=st.floats(-1.5, 1.5), noise=st.floats(0, 0.5), inform=st.booleans())
def test_a_higher_reading_is_never_less_suspicious(value: float, mean: float, noise: float, *, inform: bool) -> None:
    days = days_of(readings(person(mean)), episode=3)
    settings = msgspec.structs.replace(ON, inform=inform)
    lower, higher = (note(v, noise, days, population(), settings, expected=36.7) for v in (value, value + 0.5))
    assert lower.second_look <= higher.second_look
    assert lower.second_look <= lower.informs <= inform


def test_what_switching_it_on_would_bring() -> None:
    """The figures that `HistorySettings.z` states, in a world where a person's own usual does matter."""
    rng, clearly_normal = np.random.default_rng(1), 0.6 - 1.645 * 0.2  # K above the crowd: alarm less guard band
    usual = rng.normal(0, 0.45, 300)
    own = [
        days_of(
            readings((day, u + rng.normal(0, 0.25) + rng.normal(0, 0.2), 0.2, False) for day in range(20)), episode=3
        )
        for u in usual
    ]
    people = components(own, least=50)
    assert people.share.low > ON.share

    def asked(rise: float) -> tuple[float, float]:
        """(part that reads clearly normal, part that is asked again nevertheless)."""
        normal = again = 0
        for u, days in zip(usual, own, strict=True):
            for value in u + rise + rng.normal(0, math.hypot(0.25, 0.2), 40):
                if value < clearly_normal:
                    normal += 1
                    again += note(36.9 + value, 0.2, days, people, ON, expected=36.9).second_look
        return normal / 12_000, again / 12_000

    _, well = asked(0.0)
    normal, fevers = asked(1.0)
    assert 0.001 < well < 0.004
    assert 0.35 < fevers / normal < 0.55


def test_settings_are_read_and_contradictions_refused() -> None:
    config = parse("[perception.history]\ninform = true\nkeep_days = 30", where="gate.toml")
    assert config.perception.history.inform
    assert not parse("", where="gate.toml").perception.history.inform
    with pytest.raises(ConfigError, match=r"history.*keep_days"):
        parse("[perception.history]\ndays = 50\nkeep_days = 30", where="gate.toml")
    with pytest.raises(ConfigError, match="keep_readings"):
        parse("[perception.history]\nreadings = 50\nkeep_readings = 30", where="gate.toml")
