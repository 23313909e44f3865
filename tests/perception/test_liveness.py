"""Heat tells a face from what only looks like one, says UNKNOWN where it cannot, and why."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.lane.model import Liveness, LivenessReason
from controller.perception.liveness import ATTACKS, LivenessAttempt, LivenessSettings, evidence, judge
from controller.perception.signs import Sign, Signs, usual_contrast
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.perception.liveness import Life

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]

SETTINGS = LivenessSettings()
ORDER = (Liveness.SPOOF, Liveness.UNKNOWN, Liveness.LIVE)


def attempt(frames: list[Any], box: Box, lag: float = 0.02, not_before: float = -math.inf) -> LivenessAttempt:
    found = LivenessAttempt(SETTINGS, not_before)
    for frame in frames:
        found.add(frame, box, lag=lag)
    return found


def judged(film: Film, scene: Any, box: Box, **options: Any) -> Life:
    return attempt(film(scene, **options), box).judge()


def living(**changes: Any) -> Signs:
    """The signs of a usual person in a room of 22 °C after a second."""
    usual = Signs(
        room=22.0,
        usual=usual_contrast(22.0),
        warmth=Sign(1.0, 0.05),
        excess=Sign(0.0, 0.6),
        ring=Sign(0.9, 0.05),
        relief=Sign(0.045, 0.015),
        brow=Sign(0.015, 0.015),
        mouth=Sign(0.035, 0.015),
        crown=Sign(0.45, 0.02),
        shift=Sign(0.0, 0.003),
        width=Sign(0.03, 0.003),
        drift=Sign(0.0, 0.015),
        far_shift=Sign(0.0, 0.004),
        far_width=Sign(-0.04, 0.004),
    )
    return dataclasses.replace(usual, **changes)


@pytest.mark.parametrize("warmest", [33.0, 35.5, 38.5])
def test_a_face_is_live(film: Film, scene: Scene, box: Box, warmest: float) -> None:
    found = judged(film, scene(warmest), box, noise=0.5)
    assert (found.liveness, found.reasons) == (Liveness.LIVE, ())


@pytest.mark.parametrize("room", [15.0, 23.0, 29.0])
def test_paper_is_a_spoof(film: Film, box: Box, room: float) -> None:
    found = judged(film, np.full((24, 32), room), box, noise=0.5)
    assert found.liveness is Liveness.SPOOF
    assert LivenessReason.NOT_WARM in found.reasons


def test_paper_before_a_warm_body_is_a_spoof(film: Film, box: Box) -> None:
    body = np.full((24, 32), 23.0)
    body[4:, 5:27] = 33.0
    body[5:20, 10:22] = 23.5
    assert judged(film, body, box, noise=0.5).liveness is Liveness.SPOOF


def test_a_hand_behind_a_card_is_not_live(film: Film, box: Box) -> None:
    card = np.full((24, 32), 23.0)
    card[14:19, 15:21] = 33.0
    assert judged(film, card, box).liveness is not Liveness.LIVE


def test_a_warm_screen_goes_on_beyond_the_face(film: Film, box: Box) -> None:
    screen = np.full((24, 32), 23.0)
    screen[1:23, 7:26] = 33.0
    found = judged(film, screen, box, noise=0.5)
    assert found.liveness is Liveness.SPOOF
    assert LivenessReason.BEYOND_FACE in found.reasons


def test_a_warmed_print_cools(film: Film, scene: Scene, box: Box) -> None:
    """As much warmer than the room as a face is, and an eighth of it lost each second."""
    frames = film(scene(35.5), 32, noise=0.3)
    cooling = []
    for frame in frames:
        left = math.exp(-frame.timestamp / 8)
        picture = 23.0 + (frame.temperatures - 23.0) * left
        cooling.append(dataclasses.replace(frame, temperatures=picture.astype(np.float32)))
    found = attempt(cooling, box).judge()
    assert found.liveness is not Liveness.LIVE
    assert LivenessReason.COOLING in found.reasons


@pytest.mark.parametrize("columns", [-6, -4, 4, 6])
def test_a_box_beside_the_heat_is_not_live(film: Film, scene: Scene, box: Box, columns: int) -> None:
    beside = Box(box.x + columns, box.y, box.width, box.height)
    assert attempt(film(scene(35.5), noise=0.5), beside).judge().liveness is Liveness.SPOOF


@pytest.mark.parametrize("columns", [-3, 3])
def test_heat_beside_the_face_breaks_agreement(film: Film, scene: Scene, box: Box, columns: int) -> None:
    frames = film(scene(35.5), noise=0.5)
    beside = Box(box.x + columns, box.y, box.width, box.height)
    found = attempt(frames, beside).judge()
    assert found.liveness is not Liveness.LIVE
    assert LivenessReason.WRONG_PLACE in found.reasons


@pytest.mark.parametrize("times", [0.6, 1.6])
def test_heat_of_another_size_than_the_face_breaks_agreement(film: Film, scene: Scene, box: Box, times: float) -> None:
    x, y = box.centre
    other = Box(x - times * box.width / 2, y - times * box.height / 2, times * box.width, times * box.height)
    assert attempt(film(scene(35.5), noise=0.5), other).judge().liveness is not Liveness.LIVE


def test_in_a_room_as_warm_as_skin_heat_says_nothing(film: Film, scene: Scene, box: Box) -> None:
    found = judged(film, scene(36.0, room=34.0), box)
    assert (found.liveness, found.reasons) == (Liveness.UNKNOWN, (LivenessReason.HOT_ROOM,))


def test_a_cold_face_is_unknown_and_is_told_so() -> None:
    found = judge(living(warmth=Sign(0.7, 0.05)), SETTINGS)
    assert (found.liveness, found.reasons[0]) == (Liveness.UNKNOWN, LivenessReason.COLD_FACE)


def test_too_few_pixels_or_frames_say_nothing(film: Film, scene: Scene, box: Box) -> None:
    far = judged(film, scene(35.5), Box(15, 10, 3, 4))
    assert (far.liveness, far.reasons) == (Liveness.UNKNOWN, (LivenessReason.FEW_PIXELS,))
    few = judged(film, scene(35.5), box, count=4)
    assert (few.liveness, few.reasons) == (Liveness.UNKNOWN, (LivenessReason.FEW_FRAMES,))
    assert LivenessAttempt(SETTINGS).judge().liveness is Liveness.UNKNOWN


def test_heat_that_no_picture_belongs_to_proves_no_life(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.5), 32, noise=0.5)
    assert attempt(frames, box).judge().liveness is Liveness.LIVE
    for lag in (SETTINGS.paired + 0.01, math.inf, math.nan):
        found = attempt(frames, box, lag=lag).judge()
        assert (found.liveness, found.reasons) == (Liveness.UNKNOWN, (LivenessReason.NOT_PAIRED,))


def test_heat_from_before_the_attempt_proves_no_life(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.5), 32, noise=0.5)
    assert attempt(frames, box, not_before=frames[-3].timestamp).judge().liveness is Liveness.UNKNOWN


def test_a_frame_that_comes_twice_counts_once(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.5), 4, noise=0.5)
    assert attempt(frames * 5, box).judge().reasons == (LivenessReason.FEW_FRAMES,)


def test_a_usual_person_is_live() -> None:
    assert judge(living(), SETTINGS).liveness is Liveness.LIVE


WARMTH = st.floats(-0.1, 1.0)


@given(WARMTH, WARMTH)
def test_more_contrast_never_makes_a_face_less_live(one: float, other: float) -> None:
    cooler, warmer = sorted((one, other))
    found = [ORDER.index(judge(living(warmth=Sign(value, 0.05)), SETTINGS).liveness) for value in (cooler, warmer)]
    assert found[0] <= found[1]


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.booleans())
def test_further_from_the_face_never_makes_heat_more_live(one: float, other: float, left: bool) -> None:  # noqa: FBT001
    near, far = sorted((one, other))
    side = -1 if left else 1
    found = [ORDER.index(judge(living(shift=Sign(side * value, 0.003)), SETTINGS).liveness) for value in (near, far)]
    assert found[0] >= found[1]


@given(st.sampled_from(["warmth", "ring", "width", "shift", "drift", "crown", "relief"]), st.floats(-3, 3))
def test_a_figure_that_is_all_noise_convicts_nobody(name: str, value: float) -> None:
    found = judge(living(**{name: Sign(value, 50.0)}), SETTINGS)
    assert found.liveness is not Liveness.SPOOF


@given(st.sampled_from(["warmth", "width", "relief", "drift"]))
def test_without_a_needed_sign_nobody_is_live(name: str) -> None:
    assert judge(living(**{name: Sign(math.nan)}), SETTINGS).liveness is Liveness.UNKNOWN


def test_every_kind_of_attack_has_evidence_against_a_usual_person() -> None:
    assert all(evidence(living(), attack) > SETTINGS.live for attack in ATTACKS)


def test_suspicion_only_adds_doubt(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.5), noise=0.5)
    for scores, expected in (
        ([0.1, 0.2], Liveness.LIVE),
        ([0.9, 0.8], Liveness.UNKNOWN),
        ([math.nan], Liveness.UNKNOWN),
    ):
        found = attempt(frames, box)
        for score in scores:
            found.suspect(score)
        assert found.judge().liveness is expected
    paper = attempt(film(np.full((24, 32), 23.0), noise=0.5), box)
    paper.suspect(0.0)
    assert paper.judge().liveness is Liveness.SPOOF


def test_the_usual_contrast_falls_to_a_floor_on_a_hot_day() -> None:
    values = [usual_contrast(room) for room in (10.0, 22.0, 30.0, 36.0, 40.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0
