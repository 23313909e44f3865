"""People's own picture: cut around the face, flipped like a mirror, and no fever to be read from its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.indicators.mirror import STRONGEST, WARM, Mirror, cut_around
from controller.perception.registration import RegistrationSettings
from controller.perception.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (240, 180)
MIDDLE = (90, 120)
FACE = Box(240.0, 140.0, 160.0, 200.0)
GREY = np.full((480, 640, 3), 128, np.uint8)
PLAIN = RegistrationSettings(offset_y=0.0, camera_fov=55.0, thermal_fov=(55.0, 42.6))
"""Camera and array see the same, so that a place in one is the same place in the other."""


def heat(face: float, room: float = 21.0) -> NDArray[np.float32]:
    """A face of one temperature in the middle of a room."""
    found = np.full((24, 32), room, np.float32)
    found[7:17, 12:20] = face
    return found


def mirror(*, warm: bool = True, flip: bool = False) -> Mirror:
    return Mirror(PLAIN, heat=warm, flip=flip)


def test_a_fever_cannot_be_seen() -> None:
    """Faces of 34.5 and 38.5 °C give the same picture to the last bit."""
    well = mirror().seen(GREY, FACE, heat(34.5), SIZE)
    ill = mirror().seen(GREY, FACE, heat(38.5), SIZE)
    np.testing.assert_array_equal(well, ill)
    assert WARM < 32
    room = mirror().seen(GREY, FACE, heat(21.0), SIZE)
    assert not np.array_equal(well, room)


def test_warmth_is_where_the_face_is() -> None:
    seen = mirror().seen(GREY, FACE, heat(34.0), SIZE).astype(int)
    warm = seen[:, :, 0] - seen[:, :, 2] > 20
    assert warm[MIDDLE]
    assert not warm[:5].any()
    rows, columns = np.nonzero(warm)
    assert abs(columns.mean() - SIZE[0] / 2) < 8
    # The array's rows 7 to 17 of 24 are the camera's 140 to 340 of 480, as the face's box.
    assert abs(rows.mean() - SIZE[1] / 2) < 8


def test_the_picture_shines_through() -> None:
    black, white = np.zeros_like(GREY), np.full_like(GREY, 255)
    middle = (SIZE[1] // 2, SIZE[0] // 2)
    difference = (
        mirror().seen(white, FACE, heat(34), SIZE)[middle].astype(int)
        - mirror().seen(black, FACE, heat(34), SIZE)[middle]
    )
    assert difference == pytest.approx(255 * (1 - STRONGEST), abs=3)


@pytest.mark.parametrize("temperatures", [None, np.full((24, 32), np.nan, np.float32)])
def test_without_heat_the_picture_is_as_it_is(
    temperatures: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None,
) -> None:
    seen = mirror().seen(GREY, FACE, temperatures, SIZE)
    assert (seen[MIDDLE] == 128).all()
    off = mirror(warm=False).seen(GREY, FACE, heat(34.0), SIZE)
    assert (off[MIDDLE] == 128).all()


def test_colours_and_sides_are_a_mirrors() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[:, :320] = (255, 0, 0)  # blue, as OpenCV has it, at the left
    face = Box(270.0, 190.0, 100.0, 100.0)
    seen = mirror(flip=True, warm=False).seen(picture, face, None, SIZE)
    assert tuple(seen[5, -5]) == (0, 0, 255)
    assert tuple(seen[5, 5]) == (0, 0, 0)


def test_corners_frame_the_face() -> None:
    seen = mirror(warm=False).seen(np.zeros_like(GREY), FACE, None, SIZE)
    rows, columns = np.nonzero(seen.max(axis=2) > 200)
    cut = cut_around(FACE, (640, 480), SIZE[0] / SIZE[1])
    scale = SIZE[0] / cut.width
    assert columns.min() == pytest.approx((FACE.x - cut.x) * scale, abs=3)
    assert columns.max() == pytest.approx((FACE.x + FACE.width - cut.x) * scale, abs=3)
    assert rows.min() == pytest.approx((FACE.y - cut.y) * scale, abs=3)
    assert rows.max() == pytest.approx((FACE.y + FACE.height - cut.y) * scale, abs=3)


@given(
    st.floats(-50, 640),
    st.floats(-50, 480),
    st.floats(1, 700),
    st.floats(1, 600),
    st.sampled_from([(640, 480), (480, 640)]),
)
def test_the_cut_is_inside_the_picture_and_keeps_its_shape(
    x: float, y: float, wide: float, high: float, picture: tuple[int, int]
) -> None:
    cut = cut_around(Box(x, y, wide, high), picture, 4 / 3)
    assert cut.x >= 0
    assert cut.y >= 0
    assert cut.x + cut.width <= picture[0] + 1e-6
    assert cut.y + cut.height <= picture[1] + 1e-6
    assert cut.width / cut.height == pytest.approx(4 / 3)


def test_the_cut_follows_without_jumping_and_forgets() -> None:
    ramp = np.linspace(0, 200, 640).astype(np.uint8)
    picture = np.repeat(np.tile(ramp, (480, 1))[:, :, None], 3, axis=2)
    left, right = Box(100.0, 200.0, 80.0, 100.0), Box(420.0, 200.0, 80.0, 100.0)
    moving = mirror(warm=False)

    def place(face: Box) -> float:
        return float(np.median(moving.seen(picture, face, None, SIZE)))

    places = [place(left), *(place(right) for _ in range(20))]
    assert places == sorted(places)
    assert places[0] < places[1] < places[2] < places[-1]
    assert places[-1] - places[-2] < 2
    moving.forget()
    assert place(left) == places[0]
