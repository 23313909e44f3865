"""The model from a face's surface to an oral-equivalent temperature."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.perception.temperature import (
    FITTED_DISTANCE,
    FITTED_ROOM,
    REFERENCE_ROOM,
    ROOM_UNKNOWN,
    SHIPPED,
    FeverModel,
    Readings,
    RegionFit,
    average,
    estimate,
)

NAN = math.nan
CHOICES = [(NAN, NAN), (-0.2, NAN), (-0.2, -0.8), (NAN, -0.8)]
"""Canthi and forehead less the face, K; NaN: not resolved."""
SURFACES = [34 + 0.1 * step for step in range(81)]


def readings(face: float, canthi: float = NAN, forehead: float = NAN, room: float = 23.0) -> Readings:
    return Readings(face=face, canthi=face + canthi, forehead=face + forehead, room=room, distance=0.6)


@pytest.mark.parametrize(("canthi", "forehead"), CHOICES)
@pytest.mark.parametrize("room", [16.0, 20.0, 24.0, 28.0, 33.0, NAN])
def test_the_slope_is_one_from_34_to_42(canthi: float, forehead: float, room: float) -> None:
    values = [estimate(readings(face, canthi, forehead, room)).value for face in SURFACES]
    steps = [(b - a) / 0.1 for a, b in itertools.pairwise(values)]
    assert min(steps) == pytest.approx(1.0, abs=1e-9)
    assert max(steps) == pytest.approx(1.0, abs=1e-9)


def test_a_fever_comes_out_as_far_above_the_usual_as_it_went_in() -> None:
    usual, fever = (estimate(readings(face, -0.2)).value for face in (35.7, 38.7))
    assert fever - usual == pytest.approx(3.0)
    assert fever > 39.4


def test_healthy_people_of_the_data_read_as_healthy() -> None:
    # Median face 35.73 and canthi 35.63 °C in the file, at 23.8 °C; their oral median is 36.94.
    value = estimate(Readings(face=35.73, canthi=35.63, room=23.8)).value
    assert value == pytest.approx(36.9, abs=0.15)


def test_a_cold_room_cools_the_skin_and_is_added_back() -> None:
    cold, warm = (estimate(readings(35.5, -0.2, room=room)).value for room in (20.0, 28.0))
    assert cold - warm == pytest.approx(-8 * SHIPPED.with_canthi.room_slope)
    assert 0.4 < cold - warm < 1.0


def test_canthi_that_cannot_be_resolved_are_not_taken_for_nothing() -> None:
    without, with_them = estimate(readings(36.0)), estimate(readings(36.0, -0.2))
    assert abs(without.value - with_them.value) < 0.15
    assert without.region > with_them.region
    assert without.value == estimate(Readings(face=36.0, room=23.0)).value


def test_a_forehead_alone_changes_nothing() -> None:
    assert estimate(readings(36.0, NAN, -3.0)) == estimate(readings(36.0))


def test_a_room_that_nobody_knows_costs_certainty_and_nothing_else() -> None:
    known, unknown = estimate(readings(36.0, room=REFERENCE_ROOM)), estimate(readings(36.0, room=NAN))
    assert unknown.value == known.value
    spread = abs(SHIPPED.face_only.room_slope) * ROOM_UNKNOWN
    assert unknown.compensation == pytest.approx(math.hypot(known.compensation, spread))


def test_the_uncertainty_is_the_root_of_the_squares() -> None:
    found = estimate(readings(36.0))
    assert found.uncertainty == pytest.approx(math.sqrt(found.compensation**2 + found.region**2))
    assert 0.2 < found.uncertainty < 0.4


@pytest.mark.parametrize(
    ("room", "distance", "outside"),
    [
        (24.0, 0.6, ()),
        (*(FITTED_ROOM[0], FITTED_DISTANCE[1]), ()),
        (15.0, 0.6, ("room",)),
        (24.0, 1.4, ("distance",)),
        (33.0, 0.2, ("room", "distance")),
        (NAN, NAN, ()),
    ],
)
def test_what_lies_outside_the_data_is_named(room: float, distance: float, outside: tuple[str, ...]) -> None:
    assert estimate(Readings(face=36.0, room=room, distance=distance)).outside == outside


def test_no_face_is_no_reading() -> None:
    with pytest.raises(ValueError, match="face temperature is needed"):
        estimate(Readings(face=NAN, canthi=36.0))


@pytest.mark.parametrize("name", ["face", "canthi", "forehead", "room", "distance"])
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_value_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is infinite"):
        estimate(dataclasses.replace(Readings(face=36.0), **{name: value}))


def test_weights_that_would_shrink_are_no_model() -> None:
    shrunk = RegionFit(0.5, 0.3, 0.0, 1.1, -0.08, 0.3, 0.0)
    with pytest.raises(ValueError, match="sum to 1"):
        FeverModel(SHIPPED.face_only, shrunk, SHIPPED.with_forehead)


def test_an_average_leaves_out_what_was_not_measured() -> None:
    found = average([Readings(35.0, NAN, room=23.0), Readings(36.0, 35.5, room=23.0), Readings(37.0, 36.5, room=23.0)])
    assert (found.face, found.canthi, found.room) == (36.0, 36.0, 23.0)
    assert math.isnan(found.forehead)


def test_no_rounds_have_no_average() -> None:
    with pytest.raises(ValueError, match="no rounds"):
        average([])


@given(st.floats(30, 45), st.floats(-2, 0), st.floats(-5, 45), st.floats(-3, 3))
def test_the_value_moves_exactly_as_the_face_does(face: float, canthi: float, room: float, warmer: float) -> None:
    before = estimate(readings(face, canthi, room=room)).value
    after = estimate(readings(face + warmer, canthi, room=room)).value
    assert after - before == pytest.approx(warmer, abs=1e-9)
