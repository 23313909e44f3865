"""The merged picture: mean and noise against weights written out, NaN, patterns, early estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import _fastcore
from _fastcore import reference
from _fastcore.thermal import Merger, Mlx90640

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

FASTCORE = settings.get_profile("fastcore")
CHESS, INTERLEAVED = 0x1901, 0x0901


def _frames(own: Vectors, count: int, *, seed: int = 0, control: int = CHESS) -> list[NDArray[np.uint16]]:
    """Frames of one scene, subpages in turn, with a noise of 5 counts."""
    rng, frames = np.random.default_rng(seed), []
    for number in range(count):
        frame = own["frames"][0, number % 2].copy()
        frame[:768] += np.rint(rng.normal(0, 5, 768)).astype(np.int16).view(np.uint16)
        frame[832] = control
        frames.append(frame)
    return frames


def _readings(kernel: Mlx90640, frames: Sequence[NDArray[np.uint16]], *, check: bool = False) -> NDArray[np.float64]:
    """To of each frame, float64[n, 24, 32], NaN where the frame has no reading."""
    pictures = np.full((len(frames), 24, 32), np.nan, dtype=np.float32)
    for frame, picture in zip(frames, pictures, strict=True):
        with kernel.bind(frame, picture, check=check) as bound:
            bound.convert()
    return pictures.astype(np.float64)


def _assert_merged(merger: Merger, readings: NDArray[np.float64], frames: int) -> None:
    mean, noise = reference.merged(readings, frames)
    np.testing.assert_allclose(merger.mean, mean, rtol=0, atol=2e-4)
    np.testing.assert_allclose(merger.noise, noise, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("control", [CHESS, INTERLEAVED])
def test_it_agrees_with_the_oracle_at_every_step(own: Vectors, path: str, control: int) -> None:
    kernel, frames = Mlx90640(own["eeprom"][0]), _frames(own, 24, control=control)
    readings, merger = _readings(kernel, frames), kernel.merge(5)
    latest = np.full((24, 32), np.nan)
    for number, frame in enumerate(frames):
        assert merger.add(frame) == number % 2
        latest = np.where(reference.subpage_mask(frame), readings[number], latest)
        np.testing.assert_array_equal(merger.latest, latest.astype(np.float32))
        _assert_merged(merger, readings[: number + 1], 5)


@settings(FASTCORE, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(2, 30),
    count=st.integers(1, 20),
    glitches=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 767)), max_size=60),
)
def test_nan_readings_are_left_out(
    own: Vectors, seed: int, window: int, count: int, glitches: list[tuple[int, int]]
) -> None:
    kernel, frames = Mlx90640(own["eeprom"][0]), _frames(own, count, seed=seed)
    for number, pixel in glitches:
        if number < count:
            frames[number][pixel] = 0x7FFF
    readings, before, results = _readings(kernel, frames, check=True), _fastcore.backend(), []
    for name in _fastcore.available_backends():
        _fastcore.select_backend(name)
        merger = kernel.merge(window, check=True)
        for frame in frames:
            merger.add(frame)
            assert merger.saturated == np.count_nonzero(reference.saturated(frame))
        _assert_merged(merger, readings, window)
        results.append(np.stack([merger.latest, merger.mean, merger.noise]))
    _fastcore.select_backend(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_glitch_shows_in_the_latest_picture_alone(own: Vectors, path: str) -> None:
    kernel, frames = Mlx90640(own["eeprom"][0]), _frames(own, 6)
    merger = kernel.merge(check=True)
    for frame in frames[:4]:
        merger.add(frame)
    mean, noise = merger.mean.copy(), merger.noise.copy()
    frames[4][0] = 0x7FFF
    merger.add(frames[4])
    assert np.isnan(merger.latest[0, 0])
    assert (merger.mean[0, 0], merger.noise[0, 0]) == (mean[0, 0], noise[0, 0])
    assert merger.saturated == 1
    merger.add(frames[5])
    assert merger.saturated == 0


def test_early_estimates_are_right_and_late_ones_settle(own: Vectors, path: str) -> None:
    """A pixel's noise, averaged over the picture, is the truth from the second reading on."""
    kernel, frames = Mlx90640(own["eeprom"][0]), _frames(own, 160)
    truth = float(np.sqrt(np.nanmean(np.nanvar(_readings(kernel, frames), axis=0, ddof=1))))
    merger = kernel.merge(10)
    for number, frame in enumerate(frames):
        merger.add(frame)
        if number in {3, 5, 9, 21, 159}:
            assert float(np.sqrt(np.mean(merger.noise.astype(np.float64) ** 2))) == pytest.approx(truth, rel=0.1)


def test_a_still_scene_has_no_noise(own: Vectors, path: str) -> None:
    kernel, merger = Mlx90640(own["eeprom"][0]), Mlx90640(own["eeprom"][0]).merge(3)
    for number in range(12):
        merger.add(own["frames"][0, number % 2])
    expected = np.full((24, 32), np.nan, dtype=np.float32)
    for frame in own["frames"][0]:
        kernel.object_temperatures(frame, expected)
    np.testing.assert_array_equal(merger.mean, expected)
    np.testing.assert_array_equal(merger.noise, np.where(np.isnan(expected), np.nan, 0))


def test_before_the_first_frame_all_is_nan(own: Vectors) -> None:
    merger = Mlx90640(own["eeprom"][0]).merge()
    for picture in (merger.latest, merger.mean, merger.noise):
        assert (picture.shape, str(picture.dtype), picture.flags.writeable) == ((24, 32), "float32", False)
        assert np.all(np.isnan(picture))


def test_the_pictures_stay_the_same_arrays(own: Vectors, path: str) -> None:
    merger = Mlx90640(own["eeprom"][0]).merge()
    mean = merger.mean
    merger.add(own["frames"][0, 0])
    assert merger.mean is mean
    assert np.count_nonzero(~np.isnan(mean)) > 300
    with pytest.raises(ValueError, match="read-only"):
        mean[0, 0] = 0
    del merger
    assert np.count_nonzero(~np.isnan(mean)) > 300


def test_another_pattern_begins_anew(own: Vectors, path: str) -> None:
    kernel = Mlx90640(own["eeprom"][0])
    merger, fresh = kernel.merge(), kernel.merge()
    for frame in _frames(own, 6, control=CHESS):
        merger.add(frame)
    for frame in _frames(own, 5, seed=1, control=INTERLEAVED):
        merger.add(frame)
        fresh.add(frame)
        for one, other in ((merger.latest, fresh.latest), (merger.mean, fresh.mean), (merger.noise, fresh.noise)):
            np.testing.assert_array_equal(one, other)


def test_big_endian_frames(own: Vectors, path: str) -> None:
    kernel = Mlx90640(own["eeprom"][0])
    native, swapped, raw = kernel.merge(), kernel.merge(), kernel.merge()
    for frame in _frames(own, 6):
        native.add(frame)
        swapped.add(frame.astype(">u2"))
        raw.add(frame.astype(">u2").tobytes())
    for other in (swapped, raw):
        np.testing.assert_array_equal(native.mean, other.mean)
        np.testing.assert_array_equal(native.noise, other.noise)


def test_a_refused_frame_changes_nothing(own: Vectors, path: str) -> None:
    merger, frames = Mlx90640(own["eeprom"][0]).merge(), _frames(own, 5)
    for frame in frames[:4]:
        merger.add(frame)
    before = np.stack([merger.latest, merger.mean, merger.noise])
    damaged = frames[4].copy()
    damaged[832] = INTERLEAVED
    damaged[0x070A - 0x0400] = 0
    with pytest.raises(ValueError, match="gain is not positive"):
        merger.add(damaged)
    damaged[833] = 9
    with pytest.raises(ValueError, match="subpage word must be 0 or 1, not 9"):
        merger.add(damaged)
    np.testing.assert_array_equal(before, np.stack([merger.latest, merger.mean, merger.noise]))


@pytest.mark.parametrize("frames", [1, 0, -3, 2**21, 2.5, "8", None])
def test_a_wrong_number_of_frames(own: Vectors, frames: Any) -> None:
    with pytest.raises(ValueError, match="frames must be an integer from 2 to 1048576, not"):
        Mlx90640(own["eeprom"][0]).merge(frames)


def test_wrong_surroundings(own: Vectors) -> None:
    with pytest.raises(ValueError, match="emissivity"):
        Mlx90640(own["eeprom"][0]).merge(8, 1.5)
    with pytest.raises(ValueError, match="reflected"):
        Mlx90640(own["eeprom"][0]).merge(8, 0.9, -400)
