"""A face's heat becomes a temperature without bias, a verdict with its probability, and never NORMAL for no person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.lane.model import Remark, Verdict
from controller.perception import spot
from controller.perception.decision import judge
from controller.perception.heat import average
from controller.perception.prediction import Scene as Truth
from controller.perception.prediction import elevated_at_last, prediction
from controller.perception.screening import (
    Footing,
    ScreeningAttempt,
    noise_left,
    pixel_size,
    plain_footing,
    reading,
    screen,
    surface,
)
from controller.perception.screening import Surface as Seen
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Film = Callable[..., list[Any]]
    Scene = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]

SETTINGS = ScreeningSettings()
ROOM = 23.0
ACROSS = 9.0
"""Pixels across the hand-drawn face."""


def surface_of(core: float, room: float = ROOM) -> float:
    """What the pixels of the hand-drawn face show of a body of `core` °C."""
    return core - reading(Seen(0.0, 0.1, room, pixel_size(ACROSS)), Footing(0.0)).value


NORMAL_SURFACE = surface_of(36.8)


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
    assert found.parts is not None
    assert found.uncertainty == pytest.approx(found.parts.combined)
    assert found.parts.noise == pytest.approx(noise_left(0.3, 8), rel=0.3)
    assert found.parts.reference == pytest.approx(1 / 3**0.5)
    assert found.parts.region > spot.scatter(pixel_size(ACROSS), ROOM) * 0.97
    assert found.risk is not None
    assert 0 < found.risk < 0.5
    assert found.frames == 16


def test_a_fever_is_elevated_and_slope_one_is_kept(film: Film, scene: Scene, box: Box) -> None:
    found = screen(average(film(scene(NORMAL_SURFACE + 1.8)), box), SETTINGS, look=2)
    assert found.verdict is Verdict.ELEVATED
    assert found.value == pytest.approx(38.6, abs=0.3)


def test_a_warmer_room_asks_for_less_compensation() -> None:
    assert surface_of(37.0, 28.0) > surface_of(37.0, 23.0) + 5 * 0.08


@pytest.mark.parametrize("core", np.arange(36.0, 42.01, 0.5))
def test_a_fever_comes_out_as_hot_as_it_is(film: Film, scene: Scene, box: Box, core: float) -> None:
    found = screen(average(film(scene(surface_of(core)), 16, noise=0.1), box), SETTINGS, look=2)
    assert found.value == pytest.approx(core, abs=0.12)


def test_the_slope_is_one_from_34_to_42(film: Film, scene: Scene, box: Box) -> None:
    cores = np.arange(34.0, 42.01, 0.25)
    values = []
    for core in cores:
        heat = average(film(scene(surface_of(core)), 16, noise=0.1), box)
        assert heat is not None
        seen = surface(heat, SETTINGS)
        assert seen is not None
        values.append(reading(seen, plain_footing(SETTINGS)).value)
    slope, _ = np.polyfit(cores, values, 1)
    assert slope == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(-3.0, Verdict.TOO_COLD), (12.0, Verdict.TOO_HOT)],
)
def test_what_no_living_face_has_is_no_result(
    film: Film, scene: Scene, box: Box, change: float, expected: Verdict
) -> None:
    found = screen(average(film(scene(NORMAL_SURFACE + change)), box), SETTINGS)
    assert (found.verdict, found.value, found.uncertainty) == (expected, None, None)


def test_near_the_alarm_the_first_look_asks_again_and_the_second_decides(film: Film, scene: Scene, box: Box) -> None:
    heat = average(film(scene(surface_of(SETTINGS.alarm))), box)
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
    found = screen(average(film(scene(NORMAL_SURFACE), noise=0.0), box), SETTINGS)
    assert (found.verdict, found.remarks) == (Verdict.SENSOR_UNFIT, (Remark.FROZEN,))


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


def truth(core: float, noise: float, frames: int) -> Truth:
    return Truth(surface=surface_of(core), size=pixel_size(ACROSS), room=ROOM, noise=noise, frames=frames)


@pytest.mark.parametrize("true", [36.6, 37.2, 37.5, 37.9])
def test_the_prediction_is_what_happens(film: Film, scene: Scene, box: Box, true: float) -> None:
    hot = surface_of(true)
    noise, count, runs = 0.6, 16, 80
    chances = prediction(SETTINGS, truth(true, noise, count))
    seen = Counter(
        screen(average(film(scene(hot), count, noise=noise, seed=seed), box), SETTINGS).verdict for seed in range(runs)
    )
    for outcome in (Verdict.NORMAL, Verdict.RECHECK, Verdict.ELEVATED):
        chance = chances.get(outcome, 0.0)
        # Four standard deviations of the count, and 0.1 for the hand-drawn pattern's own reading bias.
        assert abs(seen[outcome] / runs - chance) < 0.1 + 4 * np.sqrt(max(chance * (1 - chance), 0.01) / runs)


@given(
    surface_value=st.floats(25, 45),
    room=st.floats(10, 35),
    noise=st.floats(0.01, 3),
    frames=st.integers(1, 64),
    final=st.booleans(),
)
def test_predictions_are_distributions(
    surface_value: float,
    room: float,
    noise: float,
    frames: int,
    final: bool,  # noqa: FBT001
) -> None:
    scene = Truth(surface=surface_value, size=0.016, room=room, noise=noise, frames=frames)
    chances = prediction(SETTINGS, scene, final=final)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert min(chances.values()) >= 0
    assert (Verdict.RECHECK if final else Verdict.ELEVATED) not in chances
    assert 0 <= elevated_at_last(SETTINGS, scene) <= 1


def test_two_looks_in_a_row_are_as_predicted() -> None:
    rng = np.random.default_rng(4)
    scene = truth(37.45, 0.8, 16)
    left = noise_left(0.8, 8)
    looks = 37.45 + left * rng.standard_normal((200_000, 2))
    flagged = looks[:, 0] >= SETTINGS.alarm - SETTINGS.guard * left
    rate = float((flagged & (looks.mean(axis=1) >= SETTINGS.alarm)).mean())
    assert elevated_at_last(SETTINGS, scene) == pytest.approx(rate, abs=0.01)


@given(value=st.floats(20, 45), noise=st.floats(0.01, 0.5), final=st.booleans())
def test_warmer_is_never_judged_healthier(value: float, noise: float, final: bool) -> None:  # noqa: FBT001
    order = [Verdict.TOO_COLD, Verdict.NORMAL, Verdict.RECHECK, Verdict.ELEVATED]
    warmer, as_is = (judge(each, noise, SETTINGS, final=final) for each in (value + 0.1, value))
    assert order.index(warmer) >= order.index(as_is)


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


def test_a_fine_array_reads_the_corners_of_the_eyes_as_well(film: Film) -> None:
    """A face 40 pixels wide whose forehead is a kelvin warmer than its eyes: both count, by the model's weights."""
    box = Box(10.0, 5.0, 40.0, 56.0)
    rows, columns = np.mgrid[:72, :60] + 0.5
    radius = np.hypot((columns - 30) / 20, (rows - 33) / 28)
    scene = np.where(radius <= 1, 34.0, ROOM)
    scene[10:14, 26:34] = 36.0
    scene[25:28, 26:29] = scene[25:28, 31:34] = 35.0
    heat = average(film(scene, 16, noise=0.05), box)
    assert heat is not None
    seen = surface(heat, SETTINGS)
    assert seen is not None
    assert seen.value == pytest.approx(36.1, abs=0.15)
    assert seen.canthi == pytest.approx(35.1, abs=0.15)
    both = reading(seen, Footing(0.0)).value
    alone = reading(Seen(seen.value, seen.noise, seen.room, seen.size), Footing(0.0)).value
    assert both < alone - 0.1
