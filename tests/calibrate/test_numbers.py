"""Emissivity, distance and offset: the equations, what they promise, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from controller.calibrate.breadth import Fitted, Standing, fit_distance
from controller.calibrate.offset import Pair, find_offset, read_pairs, student
from controller.calibrate.radiance import Target, emissivity_of, reading_of, sensor_error
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.perception.registration import RegistrationSettings, distance
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def refused(call: Callable[[], object]) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        call()
    return caught.value


USUAL = Target(
    reading=50.0,
    reading_error=0.3,
    surface=52.0,
    surface_error=0.2,
    reflected=22.0,
    reflected_error=1.0,
    told=0.98,
    assumed=17.0,
)


@settings(max_examples=100, deadline=None)
@given(
    true=st.floats(0.5, 1.0),
    surface=st.floats(45, 90),
    reflected=st.floats(5, 25),
    told=st.floats(0.8, 1.0),
    assumed=st.floats(5, 30),
)
def test_an_emissivity_comes_back(true: float, surface: float, reflected: float, told: float, assumed: float) -> None:
    reading = reading_of(surface, true, told=told, reflected=reflected, assumed=assumed)
    target = replace(USUAL, reading=reading, surface=surface, reflected=reflected, told=told, assumed=assumed)
    found = emissivity_of(target)
    assert found.value == pytest.approx(true, abs=1e-9)
    assert found.error == pytest.approx(sum(part**2 for _, part in found.parts) ** 0.5)


def test_its_uncertainty_is_that_of_a_thousand_tries() -> None:
    rng = np.random.default_rng(1)
    true = reading_of(52.0, 0.93, told=0.98, reflected=22.0, assumed=17.0)
    said = emissivity_of(replace(USUAL, reading=true)).error
    tries = []
    for _ in range(1000):
        target = replace(
            USUAL,
            reading=true + rng.normal(0, 0.3),
            surface=52.0 + rng.normal(0, 0.2),
            reflected=22.0 + rng.normal(0, 1.0),
        )
        tries.append(emissivity_of(target).raw)
    assert np.std(tries) == pytest.approx(said, rel=0.1)


def test_a_known_patch_tells_the_sensors_error() -> None:
    patch = reading_of(52.0, 0.95, told=0.98, reflected=22.0, assumed=17.0) + 0.7
    assert sensor_error(patch, 52.0, 0.95, USUAL) == pytest.approx(0.7)


def test_what_tells_no_emissivity_is_refused() -> None:
    near = refused(lambda: emissivity_of(replace(USUAL, surface=30.0)))
    assert near.refusal is Refusal.BADLY_CONDITIONED
    vague = refused(lambda: emissivity_of(replace(USUAL, reading_error=3.0)))
    assert vague.refusal is Refusal.BADLY_CONDITIONED
    assert "most of it by the reading" in str(vague)
    assert refused(lambda: emissivity_of(replace(USUAL, reading=60.0))).refusal is Refusal.IMPOSSIBLE
    assert refused(lambda: emissivity_of(replace(USUAL, reading=24.0))).refusal is Refusal.IMPOSSIBLE
    held = emissivity_of(replace(USUAL, reading=53.2, reading_error=0.58))
    assert held.value == 1.0 < held.raw


def standing(far: float, breadth: float = 0.14, fov: float = 62.0, scale: float = 1.0) -> Standing:
    focal = 320 / np.tan(np.radians(fov) / 2)
    return Standing(far, Box(200, 150, float(breadth * focal / far * scale), 200))


@pytest.mark.parametrize(("key", "value"), [("camera_fov", 62.0), ("face_breadth", 0.1345)])
def test_a_distance_comes_back(key: Fitted, value: float) -> None:
    given_settings = RegistrationSettings(camera_fov=60.0)
    fov = value if key == "camera_fov" else 60.0
    breadth = value if key == "face_breadth" else 0.14
    people = [standing(far, breadth, fov) for far in (0.4, 0.5, 0.8)]
    found = fit_distance(people, 640, given_settings, key)
    assert found.value == pytest.approx(value, rel=1e-3)
    assert found.rms < 0.002
    assert distance(found.settings, people[1].box, 640) == pytest.approx(0.5, abs=0.002)


def test_distances_that_tell_nothing_are_refused() -> None:
    default = RegistrationSettings()
    one = refused(lambda: fit_distance([standing(0.5), standing(0.5)], 640, default))
    assert one.refusal is Refusal.TOO_FEW
    near = refused(lambda: fit_distance([standing(0.5), standing(0.55)], 640, default))
    assert near.refusal is Refusal.ONE_DISTANCE
    wrong = refused(lambda: fit_distance([standing(0.4), standing(0.5), standing(0.8, scale=1.4)], 640, default))
    assert wrong.refusal is Refusal.RESIDUAL
    assert wrong.args[0].count("at 0.8 m") == 1
    child = refused(lambda: fit_distance([standing(0.4, 0.9), standing(0.8, 0.9)], 640, default, "face_breadth"))
    assert child.refusal is Refusal.IMPOSSIBLE


def people(count: int, shift: float = 0.3, scatter: float = 0.25, seed: int = 1) -> list[Pair]:
    rng = np.random.default_rng(seed)
    return [
        Pair(f"p{n}", 36.4 + float(rng.normal(0, 0.2)), 36.4 + shift + float(rng.normal(0, scatter)))
        for n in range(count)
    ]


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    # The largest readings are left out as febrile; at 36.7 ± 0.32 that is one in 160, and is allowed for.
    runs = [find_offset(people(20, seed=seed), 0.0) for seed in range(400)]
    held = np.mean([run.low <= 0.3 <= run.high for run in runs])
    assert 0.91 <= held <= 0.98


def test_the_present_offset_counts() -> None:
    assert find_offset(people(20), 0.5).value == pytest.approx(find_offset(people(20), 0.0).value + 0.5)


def test_fevers_and_strays_are_left_out_and_named() -> None:
    pairs = [*people(15), Pair("sick", 38.0, 38.4), Pair("frost", 33.0, 36.7)]
    found = find_offset(pairs, 0.0)
    assert [pair.name for pair in found.febrile] == ["sick"]
    assert [pair.name for pair in found.outliers] == ["frost"]
    assert len(found.used) == 15


def test_too_few_or_too_strange_people_are_refused() -> None:
    few = refused(lambda: find_offset([*people(9), Pair("sick", 38.0, 38.4)], 0.0))
    assert few.refusal is Refusal.TOO_FEW
    assert "sick" in str(few)
    odd = [Pair(f"odd{n}", 33.0, 36.5) for n in range(5)]
    assert refused(lambda: find_offset([*people(12), *odd], 0.0)).refusal is Refusal.CONTRADICTION
    away = [Pair(pair.name, pair.gate - 6, pair.clinical) for pair in people(12)]
    assert refused(lambda: find_offset(away, 0.0)).refusal is Refusal.IMPOSSIBLE


@given(freedom=st.integers(8, 500))
def test_students_t_is_never_too_small(freedom: int) -> None:
    # Cornish and Fisher's expansion about the normal quantile.
    z = 1.959964
    near = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    assert near - 0.01 < student(freedom) < near + 0.06


def test_pairs_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("# morning\nname, gate, clinical\nAn,36.4,36.6\n,36.1 ,36.9 °C\n", encoding="utf-8")
    assert read_pairs(file) == [Pair("An", 36.4, 36.6), Pair("line 4", 36.1, 36.9)]
    file.write_text("\ufeffgate;clinical\n36,4;36,6\n", encoding="utf-8")
    assert read_pairs(file) == [Pair("line 2", 36.4, 36.6)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("gate,oral\n36,36\n", "line 1: there is no column `clinical`"),
        ("gate,clinical\n36.5,36.6\n36.5,98.2\n", r"line 3, clinical: '98.2' .* \(that is Fahrenheit\)"),
        ("gate,clinical\n36.5\n", "line 2, clinical: None"),
        ("gate,clinical\n\n\nwarm,36.5\n", "line 4, gate: 'warm'"),
        ("gate,clinical\nnan,36.5\n", "line 2, gate: 'nan'"),
        ("", "is empty"),
    ],
)
def test_a_wrong_file_names_its_place(text: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CalibrationError, match=place) as caught:
        read_pairs(file)
    assert str(file) in str(caught.value)
    assert caught.value.refusal is Refusal.WRONG_INPUT


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_pairs(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"gate,clinical\n\xff")
    with pytest.raises(CalibrationError, match="is not UTF-8"):
        read_pairs(tmp_path / "latin.csv")
