"""A face's heat becomes a temperature without bias, a verdict with its probability, and never NORMAL for no person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.lane.model import Verdict
from controller.perception.heat import average
from controller.perception.screening import (
    ScreeningAttempt,
    ScreeningSettings,
    compensation,
    judge,
    noise_left,
    prediction,
    screen,
    surface,
    uncertainty,
)
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]

SETTINGS = ScreeningSettings()
NORMAL_SURFACE = 36.8 - compensation(23.0)


def verdict(film: Film, scene: Any, box: Box, settings: ScreeningSettings = SETTINGS, **options: Any) -> Verdict:
    return screen(average(film(scene, **options), box), settings).verdict


def test_the_reading_is_unbiased_and_as_noisy_as_it_says(film: Film, scene: Scene, box: Box) -> None:
    readings, claimed = [], []
    for seed in range(120):
        heat = average(film(scene(35.5), 16, noise=0.6, seed=seed), box)
        assert heat is not None
        seen = surface(heat, SETTINGS)
        assert seen is not None
        readings.append(seen.value)
        claimed.append(seen.noise)
    # The naive maximum of the same maps lies about half a kelvin too high.
    assert np.mean(readings) == pytest.approx(35.5, abs=0.12)
    assert np.std(readings) == pytest.approx(np.mean(claimed), rel=0.3)


def test_a_healthy_face_is_normal_and_says_how_sure(film: Film, scene: Scene, box: Box) -> None:
    found = screen(average(film(scene(NORMAL_SURFACE)), box), SETTINGS)
    assert found.verdict is Verdict.NORMAL
    assert found.value == pytest.approx(36.8, abs=0.3)
    assert found.uncertainty == pytest.approx(uncertainty(SETTINGS, 0.06).combined, abs=0.05)
    assert found.frames == 16


def test_a_fever_is_elevated_and_slope_one_is_kept(film: Film, scene: Scene, box: Box) -> None:
    found = screen(average(film(scene(NORMAL_SURFACE + 1.8)), box), SETTINGS)
    assert found.verdict is Verdict.ELEVATED
    assert found.value == pytest.approx(38.6, abs=0.3)


def test_a_warmer_room_asks_for_less_compensation() -> None:
    assert compensation(28.0) - compensation(23.0) == pytest.approx(5 * -0.085)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(-3.0, Verdict.TOO_COLD), (8.0, Verdict.TOO_HOT)],
)
def test_what_no_living_face_has_is_no_result(
    film: Film, scene: Scene, box: Box, change: float, expected: Verdict
) -> None:
    found = screen(average(film(scene(NORMAL_SURFACE + change)), box), SETTINGS)
    assert (found.verdict, found.value, found.uncertainty) == (expected, None, None)


def test_near_the_alarm_the_first_look_asks_again_and_the_second_decides(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(SETTINGS.alarm - compensation(23.0))), box)
    assert screen(heat, SETTINGS, look=1).verdict is Verdict.RECHECK
    assert screen(heat, SETTINGS, look=2).verdict in (Verdict.NORMAL, Verdict.ELEVATED)


def test_too_few_pixels_is_too_far(film: Film, scene: Scene) -> None:
    small = Box(15, 10, 4, 5)
    assert verdict(film, scene(NORMAL_SURFACE, box=small), small) is Verdict.TOO_FAR


def test_too_few_frames_are_unstable(film: Film, scene: Scene, box: Box) -> None:
    assert verdict(film, scene(NORMAL_SURFACE), box, count=SETTINGS.frames - 1) is Verdict.UNSTABLE


def test_a_sensor_too_noisy_to_say_is_unstable(film: Film, scene: Scene, box: Box) -> None:
    assert verdict(film, scene(NORMAL_SURFACE), box, noise=2.0) is Verdict.UNSTABLE


def test_a_frozen_picture_is_no_measurement(film: Film, scene: Scene, box: Box) -> None:
    assert verdict(film, scene(NORMAL_SURFACE), box, noise=0.0) is Verdict.UNSTABLE


def test_a_blind_or_cooked_sensor_is_unfit(film: Film, scene: Scene, box: Box) -> None:
    assert verdict(film, np.full((24, 32), np.nan), box) is Verdict.SENSOR_UNFIT
    assert verdict(film, scene(NORMAL_SURFACE), box, ambient=120.0) is Verdict.SENSOR_UNFIT
    assert screen(None, SETTINGS).verdict is Verdict.SENSOR_UNFIT


def test_a_covered_face_is_obstructed(film: Film, scene: Scene, box: Box) -> None:
    covered = scene(NORMAL_SURFACE)
    covered[int(box.centre[1]) - 1 :] = 24.0
    assert verdict(film, covered, box) is Verdict.OBSTRUCTED


def test_a_warm_wall_is_no_face(film: Film, box: Box) -> None:
    assert verdict(film, np.full((24, 32), 36.0), box) is not Verdict.NORMAL


@pytest.mark.realdata
def test_scenes_without_a_person_are_never_normal_wherever_a_face_is_claimed(film: Film, testdata: Path) -> None:
    """Every place and size that a face box could have on the two recorded scenes, with the sensor's noise on top."""
    golden = np.load(testdata / "thermal" / "mlx90640_golden.npz")
    chosen = [index for index, kind in enumerate(golden["kind"]) if kind == "real"]
    assert chosen
    seen: Counter[Verdict] = Counter()
    for index in chosen[::5]:
        frames = film(golden["to_fixed"][index].reshape(24, 32).astype(np.float64), 14, noise=0.5, seed=index)
        for width in (5.0, 7.0, 9.0, 12.0):
            for x in np.arange(-1, 33 - width, 2):
                for y in np.arange(-1, 25 - 1.3 * width, 2):
                    seen[screen(average(frames, Box(x, y, width, 1.4 * width)), SETTINGS).verdict] += 1
    assert sum(seen.values()) > 500
    assert seen[Verdict.NORMAL] == 0, seen


@pytest.mark.parametrize("true", [36.6, 37.2, 37.45, 37.9])
def test_the_prediction_is_what_happens(film: Film, scene: Scene, box: Box, true: float) -> None:
    hot = true - compensation(23.0)
    noise, count, runs = 0.6, 16, 80
    chances = prediction(SETTINGS, true_surface=hot, room=23.0, noise=noise, frames=count)
    seen = Counter(
        screen(average(film(scene(hot), count, noise=noise, seed=seed), box), SETTINGS).verdict for seed in range(runs)
    )
    for outcome in (Verdict.NORMAL, Verdict.RECHECK, Verdict.ELEVATED):
        chance = chances[outcome]
        # Four standard deviations of the count, and 0.1 for the hand-drawn pattern's own reading bias.
        assert abs(seen[outcome] / runs - chance) < 0.1 + 4 * np.sqrt(max(chance * (1 - chance), 0.01) / runs)


@given(
    surface_value=st.floats(25, 45),
    room=st.floats(10, 35),
    noise=st.floats(0.01, 3),
    frames=st.integers(1, 64),
    look=st.integers(1, 3),
)
def test_predictions_are_distributions(surface_value: float, room: float, noise: float, frames: int, look: int) -> None:
    chances = prediction(SETTINGS, true_surface=surface_value, room=room, noise=noise, frames=frames, look=look)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert min(chances.values()) >= 0
    if look >= SETTINGS.looks:
        assert chances.get(Verdict.RECHECK, 0.0) == pytest.approx(0.0)


@given(value=st.floats(20, 45), noise=st.floats(0.01, 0.5), look=st.integers(1, 2))
def test_warmer_is_never_judged_healthier(value: float, noise: float, look: int) -> None:
    order = [Verdict.TOO_COLD, Verdict.NORMAL, Verdict.RECHECK, Verdict.ELEVATED]
    assert order.index(judge(SETTINGS, value + 0.1, noise, look)) >= order.index(judge(SETTINGS, value, noise, look))


def test_noise_left_falls_with_the_samples() -> None:
    assert noise_left(0.8, 16) == pytest.approx(noise_left(0.8, 4) / 2)


def test_an_attempt_averages_only_while_the_face_stands_still(film: Film, scene: Scene, box: Box) -> None:
    attempt = ScreeningAttempt(SETTINGS)
    frames = film(scene(NORMAL_SURFACE), 30)
    for frame in frames[:10]:
        attempt.add(frame, Box(box.x - 8, box.y, box.width, box.height))
    for frame in frames[10:]:
        attempt.add(frame, box)
        attempt.add(frame, box)  # the same frame twice is one frame
    heat = attempt.heat()
    assert heat is not None
    assert heat.frames == 20
    assert attempt.screening().verdict is Verdict.NORMAL


def test_an_attempt_without_frames_has_no_reading() -> None:
    assert ScreeningAttempt(SETTINGS).heat() is None
    assert ScreeningAttempt(SETTINGS).screening().verdict is Verdict.SENSOR_UNFIT


@pytest.mark.parametrize("wrong", [{"alarm": 30.0}, {"looks": 0}, {"unknown": 1}, {"warm_share": 2.0}])
def test_settings_refuse_what_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, ScreeningSettings)
