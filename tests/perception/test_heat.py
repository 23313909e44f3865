"""Averaging: what is noise, what is a glitch, what is a new sample."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.perception.heat import average
from controller.perception.types import Corrected

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.perception.types import Box

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]


@pytest.mark.parametrize("noise", [0.1, 0.4, 0.8])
def test_noise_is_measured_from_the_frames(film: Film, scene: Scene, box: Box, noise: float) -> None:
    heat = average(film(scene(35.0), 32, noise=noise), box)
    assert heat is not None
    assert heat.noise == pytest.approx(noise, rel=0.12)


def test_a_renewed_half_counts_as_half_a_sample(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(35.0), 32), box)
    assert heat is not None
    assert heat.frames == 32
    assert heat.samples == pytest.approx(16, abs=1)


def with_moving_correction(frames: list[Any]) -> list[Corrected]:
    """Frames as a black body corrects them: by a little more or less each time."""
    steps = np.random.default_rng(5).normal(0.5, 0.02, len(frames)).astype(np.float32)
    return [
        Corrected(frame.temperatures + step, frame.ambient, frame.timestamp, measured=frame.temperatures)
        for frame, step in zip(frames, steps, strict=True)
    ]


def test_a_correction_that_moves_makes_no_new_samples(film: Film, scene: Scene, box: Box) -> None:
    """Or half of the face would pass for measured twice, and the noise for a hundredth of what it is."""
    frames = film(scene(35.0), 32, noise=0.8)
    plain, corrected = average(frames, box), average(with_moving_correction(frames), box)
    assert plain is not None
    assert corrected is not None
    assert corrected.noise == pytest.approx(plain.noise, rel=0.02)
    assert (corrected.samples, corrected.glitches) == (plain.samples, plain.glitches)
    assert float(np.nanmean(corrected.mean - plain.mean)) == pytest.approx(0.5, abs=0.02)


def test_a_frozen_picture_is_found_below_a_correction_that_moves(film: Film, scene: Scene, box: Box) -> None:
    heat = average(with_moving_correction(film(scene(35.0), 16, noise=0.0)), box)
    assert heat is not None
    assert heat.frozen


def test_the_mean_is_the_scene_within_its_noise(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(35.0), 32, noise=0.4), box)
    assert heat is not None
    error = (heat.mean - scene(35.0))[heat.region.face]
    assert np.abs(error).max() < 5 * 0.4 / np.sqrt(16)
    assert abs(error.mean()) < 0.05


def test_glitches_and_dead_pixels_do_not_reach_the_mean(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.0), 24)
    frames[5].temperatures[10, 15] = 700.0
    frames[9].temperatures[11, 16] = -273.15
    for frame in frames:
        frame.temperatures[9, 14] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heat = average(frames, box)
    assert heat is not None
    assert np.isnan(heat.mean[9, 14])
    assert abs(heat.mean[10, 15] - scene(35.0)[10, 15]) < 0.5
    assert abs(heat.mean[11, 16] - scene(35.0)[11, 16]) < 0.5


def test_frames_after_a_step_of_the_sensor_are_left_out(film: Film, scene: Scene, box: Box) -> None:
    frames = film(scene(35.0), 24)
    for frame in frames[20:]:
        frame.temperatures[:] += 3.0
    heat = average(frames, box)
    assert heat is not None
    assert (heat.frames, heat.rejected) == (20, 4)
    assert abs(float(np.nanmean((heat.mean - scene(35.0))[heat.region.face]))) < 0.15


def test_the_room_is_what_is_behind(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(35.0, room=19.0), 16), box)
    assert heat is not None
    assert heat.room == pytest.approx(19.0, abs=0.3)


def test_no_frame_is_no_map(box: Box) -> None:
    assert average([], box) is None


def test_the_shoulders_do_not_count_as_surroundings(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(35.0), 4), box)
    assert heat is not None
    x, y = box.centre
    below = heat.region.around[int(y + box.height / 2) :, int(x)]
    assert not below.any()
    assert heat.region.around.any()
    assert not (heat.region.around & heat.region.face).any()
