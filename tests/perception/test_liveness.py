"""Heat tells a face from a photograph, and says UNKNOWN where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.lane.model import Liveness
from controller.perception.heat import average
from controller.perception.liveness import LivenessSettings
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]

SETTINGS = LivenessSettings()


def judged(film: Film, scene: Any, box: Box, **options: Any) -> Liveness:
    return judge_liveness(average(film(scene, **options), box), SETTINGS)


@pytest.mark.parametrize("warmest", [33.0, 35.5, 38.5])
def test_a_face_is_live(film: Film, scene: Scene, box: Box, warmest: float) -> None:
    assert judged(film, scene(warmest), box, noise=0.5) is Liveness.LIVE


@pytest.mark.parametrize("room", [15.0, 23.0, 29.0])
def test_paper_is_a_spoof(film: Film, box: Box, room: float) -> None:
    assert judged(film, np.full((24, 32), room), box, noise=0.5) is Liveness.SPOOF


def test_paper_before_a_warm_body_is_a_spoof(film: Film, scene: Scene, box: Box) -> None:
    body = np.full((24, 32), 23.0)
    body[4:, 5:27] = 33.0
    body[5:20, 10:22] = 23.5
    assert judged(film, body, box, noise=0.5) is Liveness.SPOOF


def test_a_hand_behind_a_card_is_not_live(film: Film, box: Box) -> None:
    card = np.full((24, 32), 23.0)
    card[14:19, 15:21] = 33.0
    assert judged(film, card, box) is not Liveness.LIVE


def test_an_evenly_warm_screen_is_not_live(film: Film, box: Box) -> None:
    screen = np.full((24, 32), 23.0)
    screen[4:21, 9:24] = 33.0
    assert judged(film, screen, box, noise=0.5) is not Liveness.LIVE


def test_in_a_room_as_warm_as_skin_heat_says_nothing(film: Film, scene: Scene, box: Box) -> None:
    assert judged(film, scene(36.0, room=34.0), box) is Liveness.UNKNOWN


def test_too_few_pixels_or_frames_say_nothing(film: Film, scene: Scene, box: Box) -> None:
    assert judged(film, scene(35.5), Box(15, 10, 3, 4)) is Liveness.UNKNOWN
    assert judged(film, scene(35.5), box, count=2) is Liveness.UNKNOWN
    assert judge_liveness(None, SETTINGS) is Liveness.UNKNOWN
