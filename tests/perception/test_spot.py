"""What a pixel misses of the warmest spot: through the three points that are known, and monotone between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.perception.spot import FACE_LOSS, FACE_SCATTER, ROOM, ROOM_SLOPE, loss, scatter

sizes = st.floats(0, 0.2)
rooms = st.floats(5, 40)


@pytest.mark.parametrize(
    ("size", "missed", "differing", "within"),
    [
        (0.0, 0.0, 0.0, 1e-12),
        (0.012, 0.81, 0.39, 0.005),
        (1.0, 1.40, 0.56, 0.005),
    ],
)
def test_the_three_points_of_the_data(size: float, missed: float, differing: float, within: float) -> None:
    assert loss(size, ROOM) == pytest.approx(missed, abs=within)
    assert scatter(size, ROOM) == pytest.approx(differing, abs=within)


def test_the_room_slope_at_12_mm_is_that_of_the_data() -> None:
    """−0.038 K/K in the data; the shape was fitted at full loss, so a tenth may be lost here."""
    assert (loss(0.012, 26.0) - loss(0.012, 22.0)) / 4 == pytest.approx(-0.038, abs=0.004)


@given(sizes, sizes, rooms)
def test_a_larger_pixel_misses_more_and_less_alike(one: float, other: float, room: float) -> None:
    small, large = sorted((one, other))
    assert 0.0 <= loss(small, room) <= loss(large, room)
    assert 0.0 <= scatter(small, room) <= scatter(large, room)


@given(sizes, rooms, rooms)
def test_in_a_warmer_room_there_is_less_to_miss(size: float, one: float, other: float) -> None:
    cool, warm = sorted((one, other))
    assert loss(size, warm) <= loss(size, cool)
    assert scatter(size, warm) <= scatter(size, cool)


@given(sizes)
def test_the_room_scales_both_alike(size: float) -> None:
    factor = 1 + ROOM_SLOPE / FACE_LOSS * (30.0 - ROOM)
    assert loss(size, 30.0) == pytest.approx(factor * loss(size, ROOM))
    assert scatter(size, 30.0) == pytest.approx(factor * scatter(size, ROOM))


@given(st.floats(-1, 0), st.floats(-50, 100))
def test_a_pixel_of_no_size_misses_nothing_and_nothing_is_ever_negative(size: float, room: float) -> None:
    assert loss(size, room) == 0.0
    assert loss(0.02, room) >= 0.0
    assert scatter(10.0, room) <= FACE_SCATTER * max(0.0, 1 + ROOM_SLOPE / FACE_LOSS * (room - ROOM)) + 1e-9
