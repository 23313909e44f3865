"""The skin's temperature as documented."""

from __future__ import annotations

import pytest

from hw.sim.skin import OFFSET, chill, face_maximum, surface


def test_an_acclimatised_face_at_reference_is_the_offset_below_the_core() -> None:
    assert face_maximum(37.0, 24.0) == pytest.approx(37.0 - OFFSET)
    assert face_maximum(37.0, 24.0, scatter=0.2) == pytest.approx(37.2 - OFFSET)


def test_a_fever_shows_degree_by_degree() -> None:
    assert face_maximum(39.0, 22.0) - face_maximum(36.8, 22.0) == pytest.approx(2.2)


def test_a_warmer_room_brings_skin_nearer_to_the_core() -> None:
    assert face_maximum(37.0, 25.0) - face_maximum(37.0, 24.0) == pytest.approx(0.084)


@pytest.mark.parametrize(("minutes", "forehead"), [(0, 33.2), (1, 34.9), (2, 35.35), (3, 35.8), (5, 36.1), (60, 36.1)])
def test_the_cold_wears_off_as_measured(minutes: float, forehead: float) -> None:
    assert 36.1 - chill(minutes) == pytest.approx(forehead)
    assert face_maximum(37.0, 22.0, minutes_indoors=minutes) == pytest.approx(face_maximum(37.0, 22.0) - chill(minutes))


def test_parts_lie_between_room_and_maximum() -> None:
    assert surface(0.0, 35.8, 22.0) == 22.0
    assert surface(1.0, 35.8, 22.0) == pytest.approx(35.8)
