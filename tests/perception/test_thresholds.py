"""The threshold by the number enrolled and the wanted rate: between measurements, at their ends, and beyond them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import EvaluationError
from controller.perception.thresholds import (
    FALSE_ACCEPT,
    VERIFY_FALSE_ACCEPT,
    EngineTable,
    FaceEvaluation,
    Sized,
    load,
    rule,
    shipped,
    verify_score,
)

if TYPE_CHECKING:
    from pathlib import Path

RATES = [0.01, 0.001]
TABLE = FaceEvaluation(
    source="drawn",
    command="none",
    method="none",
    false_accepts=RATES,
    verify_false_accepts=[0.01, 0.0001],
    engines=[
        EngineTable(
            engine="opencv",
            template_model="net:1",
            strangers=900,
            support=0.3,
            sizes=[
                Sized(people=10, thresholds=[0.30, 0.40]),
                Sized(people=100, thresholds=[0.40, 0.50]),
                Sized(people=1000, thresholds=[0.46, 0.56]),
            ],
            verify=[0.26, 0.40],
            verify_people=900,
        )
    ],
)


def score(people: int, rate: float = 0.01) -> float:
    found = rule(TABLE, "opencv", "net:1", rate)
    assert found is not None
    return found.at(people).score


def test_measured_values_come_back() -> None:
    assert [score(people) for people in (10, 100, 1000)] == pytest.approx([0.30, 0.40, 0.46])
    assert score(100, 0.001) == pytest.approx(0.50)


def test_between_sizes_and_rates_it_goes_by_logarithms() -> None:
    assert score(round(math.sqrt(10 * 100))) == pytest.approx(0.35, abs=2e-3)
    assert score(100, math.sqrt(0.01 * 0.001)) == pytest.approx(0.45)


def test_a_small_gallery_takes_the_smallest_measured() -> None:
    assert score(0) == score(1) == score(10)


def test_beyond_the_largest_it_rises_on_and_says_so() -> None:
    found = rule(TABLE, "opencv", "net:1", 0.01)
    assert found is not None
    assert not found.at(1000).extrapolated
    beyond = found.at(5000)
    assert beyond.extrapolated
    assert beyond.score > 0.46
    assert beyond.by_face_alone


def test_far_beyond_a_face_alone_lets_nobody_in() -> None:
    found = rule(TABLE, "opencv", "net:1", 0.01)
    assert found is not None
    last, far = found.at(10_000), found.at(10_001)
    assert last.by_face_alone
    assert not far.by_face_alone
    assert far.score == last.score


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0.001, 0.01), st.floats(0.001, 0.01))
def test_more_people_or_a_stricter_rate_never_lower_it(few: int, many: int, strict: float, lax: float) -> None:
    few, many = sorted((few, many))
    strict, lax = sorted((strict, lax))
    assert score(few, lax) <= score(many, lax) + 1e-12
    assert score(few, lax) <= score(few, strict) + 1e-12


@pytest.mark.parametrize("rate", [0.02, 0.0005])
def test_a_rate_that_was_not_measured_is_refused(rate: float) -> None:
    with pytest.raises(EvaluationError, match=r"false_accept .* from 0\.001 to 0\.01"):
        rule(TABLE, "opencv", "net:1", rate)


@pytest.mark.parametrize(("engine", "model"), [("opencv", "net:2"), ("tflite", "net:1")])
def test_an_engine_that_was_not_measured_has_no_rule(engine: str, model: str) -> None:
    assert rule(TABLE, engine, model, 0.01) is None
    assert verify_score(TABLE, engine, model, 0.01) is None


def test_one_to_one_goes_by_the_logarithm_of_its_rate() -> None:
    found = [verify_score(TABLE, "opencv", "net:1", rate) for rate in (0.01, 0.001, 0.0001)]
    assert found == pytest.approx([0.26, 0.33, 0.40])
    with pytest.raises(EvaluationError, match=r"verify_false_accept 0\.1 .* from 0\.0001 to 0\.01.*verify_threshold"):
        verify_score(TABLE, "opencv", "net:1", 0.1)


def test_every_shipped_engine_has_a_score_for_the_usual_rate() -> None:
    for table in shipped().engines:
        found = verify_score(shipped(), table.engine, table.template_model, VERIFY_FALSE_ACCEPT)
        assert found is not None
        # Stricter than the search of a tiny gallery would be a search's threshold by another name.
        assert 0.2 < found < table.sizes[-1].thresholds[-1]


def test_support_is_never_above_the_threshold() -> None:
    table = msgspec.structs.replace(TABLE, engines=[msgspec.structs.replace(TABLE.engines[0], support=0.35)])
    found = rule(table, "opencv", "net:1", 0.01)
    assert found is not None
    assert found.at(10).support == found.at(10).score


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(msgspec.json.encode(TABLE))
    assert load(path) == TABLE


BAD = {
    "false_accepts": (b'"false_accepts":[0.01,0.001]', b'"false_accepts":[0.001,0.01]', "must fall"),
    "sizes": (b'"people":100,', b'"people":5,', "sizes must rise"),
    "thresholds": (b"[0.4,0.5]", b"[0.5,0.4]", "thresholds must rise"),
    "count": (b"[0.4,0.5]", b"[0.4]", "thresholds must rise"),
    "support": (b'"support":0.3', b'"support":3.0', "support"),
    "verify": (b'"verify":[0.26,0.4]', b'"verify":[0.4,0.26]', "verify: thresholds must rise"),
    "key": (b'"support"', b'"suport"', "suport"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_table_is_named(tmp_path: Path, case: str) -> None:
    old, new, message = BAD[case]
    path = tmp_path / "table.json"
    data = msgspec.json.encode(TABLE)
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(EvaluationError, match=message) as caught:
        load(path)
    assert "table.json" in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.json"):
        load(tmp_path / "none.json")


def test_the_shipped_table_is_sound_and_knows_both_engines() -> None:
    found = shipped()
    assert {table.engine for table in found.engines} == {"opencv", "tflite"}
    for table in found.engines:
        made = rule(found, table.engine, table.template_model, FALSE_ACCEPT)
        assert made is not None
        assert 0.35 < made.at(20).score < made.at(500).score < 0.6
        assert not made.at(500).extrapolated
        assert table.strangers >= 800
