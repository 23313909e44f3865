"""Frames that no sensor saw are named, and never become a temperature."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.lane.model import Remark, Verdict
from controller.perception.frame_checks import frame_fault
from controller.perception.screening import ScreeningAttempt
from controller.perception.screening_settings import ScreeningSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Screening
    from controller.perception.types import Box

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]

SETTINGS = ScreeningSettings()
WARM = 35.0


def looked(frames: list[Any], box: Box, **options: Any) -> Screening:
    attempt = ScreeningAttempt(SETTINGS, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frame in frames:
            attempt.add(frame, box)
        return attempt.screening()


def none_is_read(found: Screening, remark: Remark, verdict: Verdict = Verdict.SENSOR_UNFIT) -> None:
    assert (found.verdict, found.remarks) == (verdict, (remark,))
    assert (found.value, found.uncertainty, found.parts, found.risk) == (None, None, None, None)


def swapped(frame: Any) -> None:
    frame.temperatures[:] = frame.temperatures.byteswap()


def as_raw_words(frame: Any) -> None:
    """Hundredths of a kelvin as uint16, low byte first where high byte first is right."""
    words = np.rint((frame.temperatures + 273.15) * 100).astype(np.uint16)
    frame.temperatures[:] = words.byteswap() / np.float32(100) - np.float32(273.15)


def blank(frame: Any) -> None:
    frame.temperatures[:] = np.nan


def gaps(frame: Any) -> None:
    frame.temperatures[:, ::4] = np.nan


def saturated(frame: Any) -> None:
    frame.temperatures[:, :8] = 300.0


def dead(frame: Any) -> None:
    frame.temperatures[:] = -273.15


def infinite(frame: Any) -> None:
    frame.temperatures[:] = np.inf


@pytest.mark.parametrize(
    ("spoil", "remark"),
    [
        (swapped, Remark.IMPLAUSIBLE),
        (as_raw_words, Remark.IMPLAUSIBLE),
        (blank, Remark.NOT_A_NUMBER),
        (gaps, Remark.NOT_A_NUMBER),
        (infinite, Remark.NOT_A_NUMBER),
        (saturated, Remark.SATURATED),
        (dead, Remark.IMPLAUSIBLE),
    ],
)
def test_a_spoilt_picture_is_named_and_not_read(
    film: Film, scene: Scene, box: Box, spoil: Callable[[Any], None], remark: Remark
) -> None:
    frames = film(scene(WARM), 24)
    for frame in frames:
        spoil(frame)
    assert {frame_fault(frame) for frame in frames} == {remark}
    none_is_read(looked(frames, box), remark)


@pytest.mark.parametrize("die", [-60.0, 120.0, float("nan"), float("inf")])
def test_a_die_at_no_possible_temperature(film: Film, scene: Scene, box: Box, die: float) -> None:
    none_is_read(looked(film(scene(WARM), 24, ambient=die), box), Remark.IMPOSSIBLE_AMBIENT)


@pytest.mark.parametrize("room", [-10.0, 2.0])
def test_a_room_in_which_nothing_is_known(film: Film, scene: Scene, box: Box, room: float) -> None:
    none_is_read(looked(film(scene(WARM, room=room), 24), box), Remark.IMPOSSIBLE_AMBIENT)


def test_frames_from_before_the_look_are_somebody_elses(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(WARM), 24)
    none_is_read(looked(frames, box, not_before=frames[-1].timestamp + 1.0), Remark.STALE)


def test_a_frozen_sensor(film: Film, scene: Scene, box: Box) -> None:
    none_is_read(looked(film(scene(WARM), 24, noise=0.0), box), Remark.FROZEN)


@pytest.mark.parametrize("alive", [1, 3, 11])
def test_a_sensor_that_freezes_under_way(film: Film, scene: Scene, box: Box, alive: int) -> None:
    frames = film(scene(WARM), 24)
    for frame in frames[alive:]:
        frame.temperatures[:] = frames[alive - 1].temperatures
    none_is_read(looked(frames, box), Remark.FROZEN)


def test_a_few_spoilt_frames_among_good_ones_are_left_out(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(WARM), 32)
    good = looked(frames[:24], box)
    for frame in frames[24:]:
        swapped(frame)
    found = looked(frames, box)
    assert found.value == good.value
    assert found.frames == 24


def test_more_spoilt_frames_than_good_ones_are_a_sensor_that_is_unfit(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(WARM), 40)
    for frame in frames[:24]:
        dead(frame)
    found = looked(frames, box)
    assert (found.verdict, found.value) == (Verdict.SENSOR_UNFIT, None)


def test_a_wrong_byte_and_a_dead_pixel_spoil_no_frame(film: Film, scene: Scene) -> None:
    (frame,) = film(scene(WARM), 1)
    frame.temperatures[3, 4] = 900.0
    frame.temperatures[5, 6] = np.nan
    frame.temperatures[7, 8] = -273.15
    assert frame_fault(frame) is None
