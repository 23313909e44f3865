"""Hysteresis of coming and going."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.perception.presence import Change, Presence, PresenceSettings, has_body, in_region

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTINGS = PresenceSettings()
STEP = 1 / 15


def play(faces: Sequence[int | None], *, body: bool | None = None) -> list[tuple[int, Change]]:
    presence = Presence(SETTINGS)
    changes = [presence.update(index * STEP, faces=count, body=body) for index, count in enumerate(faces)]
    return [(index, change) for index, change in enumerate(changes) if change is not None]


def test_a_face_in_two_pictures_has_arrived() -> None:
    assert play([0, 1, 1, 1]) == [(2, Change.APPROACHED)]


def test_one_ghost_is_nobody() -> None:
    assert play([0, 1, 0, 1, 0, 1, 0]) == []


def test_a_missed_face_is_nobody_gone() -> None:
    assert play([1, 1, 0, 0, 0, 1, 1]) == [(1, Change.APPROACHED)]


def test_nobody_for_long_enough_has_left() -> None:
    changes = play([1, 1] + [0] * 10)
    assert [change for _, change in changes] == [Change.APPROACHED, Change.LEFT]
    index = changes[1][0]
    assert (index - 1) * STEP >= SETTINGS.leave_after - 1e-9


def test_steps_without_a_picture_change_nothing() -> None:
    assert play([1, 1, *[None] * 100]) == [(1, Change.APPROACHED)]


def test_a_body_that_turned_away_lingers_and_then_has_left() -> None:
    changes = play([1, 1] + [0] * 80, body=True)
    assert changes[0][1] is Change.APPROACHED
    assert changes[1][1] is Change.LEFT
    assert changes[1][0] * STEP == pytest.approx(SETTINGS.linger, abs=0.2)


def test_a_body_that_came_by_card_stays_without_a_face_until_it_goes() -> None:
    presence = Presence(SETTINGS)
    presence.by_heat = True
    changes = [presence.update(step * STEP, faces=0, body=step < 100) for step in range(120)]
    assert [(step, change) for step, change in enumerate(changes) if change is Change.LEFT] == [(100, Change.LEFT)]


def test_a_body_without_a_face_arrives_late() -> None:
    (index, change), *_ = play([0] * 60, body=True)
    assert change is Change.APPROACHED
    assert index * STEP == pytest.approx(SETTINGS.body_after, abs=0.1)


def test_a_blind_camera_makes_no_arrivals_of_bodies() -> None:
    assert play([None] * 100, body=True) == []


@given(st.lists(st.tuples(st.sampled_from([None, 0, 1, 2]), st.sampled_from([None, False, True])), max_size=120))
def test_arrivals_and_departures_alternate(steps: list[tuple[int | None, bool | None]]) -> None:
    presence = Presence(SETTINGS)
    expected = Change.APPROACHED
    for index, (faces, body) in enumerate(steps):
        change = presence.update(index * STEP, faces=faces, body=body)
        if change is not None:
            assert change is expected
            expected = Change.LEFT if change is Change.APPROACHED else Change.APPROACHED
        assert presence.present is (expected is Change.LEFT)


def test_only_large_faces_in_the_region_count(make_face: Callable[..., Any]) -> None:
    settings = PresenceSettings(region=(0.25, 0.0, 0.75, 1.0))
    faces = [make_face(320, 170), make_face(600, 170), make_face(320, 60)]
    assert in_region(faces, (480, 640), settings) == (faces[0],)


def test_a_region_without_an_inside_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="region"):
        msgspec.convert({"region": [0.5, 0.0, 0.5, 1.0]}, PresenceSettings)


def test_a_body_is_warm_and_large(film: Callable[..., Any], scene: Callable[..., Any]) -> None:
    near = film(scene(35.0), 1)[0]
    empty = film(np.full((24, 32), 23.0), 1)[0]
    summer = film(np.full((24, 32), 33.0), 1)[0]
    assert (has_body(near, PresenceSettings(body_share=0.05)), has_body(empty, SETTINGS)) == (True, False)
    assert not has_body(summer, SETTINGS)
    assert not has_body(film(np.full((24, 32), np.nan), 1)[0], SETTINGS)
