"""The target in both pictures, through the shipped drivers, with the sensor's noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import pytest

from controller.calibrate.mark import find_mark, mean_picture
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.spot import find_plate, find_spot
from controller.calibrate.stillness import still
from hw.ports import ThermalFrame
from hw.sim.figures import BlackBody, Mug, Person, WarmTarget
from hw.sim.mount import Mount

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Shape = Literal["disc", "ring", "cross"]
PLACES = ((-0.3, -0.15), (0.0, 0.0), (0.28, 0.15))


@pytest.mark.parametrize("shape", ["disc", "ring", "cross"])
def test_a_target_is_found_to_a_tenth_of_a_thermal_pixel(shape: Shape, make_lane: Callable[..., Any]) -> None:
    lane = make_lane(Mount(array_yaw=2, array_pitch=-1.5, array_roll=3, array_y=0.025))
    for z in (0.45, 0.8):
        for across, down in PLACES:
            lane.show(WarmTarget(shape=shape, distance=z, x=across * z, y=down * z, temperature=60.0))
            look = lane.eyes.look(1.5, 2)
            mark = find_mark(mean_picture([*look.before, *look.after]))
            u, v = lane.mount.to_picture(across * z, down * z, z, (640, 480))
            assert math.hypot(mark.x - u, mark.y - v) < 0.1
            spot = find_spot(still(look.frames), mark.radius / 20)
            column, row = lane.on_array(across * z, down * z, z)
            assert math.hypot(spot.column - column, spot.row - row) < 0.16
            assert spot.error < 0.05


def test_whoever_holds_it_is_not_taken_for_it(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    for across in (-0.1, 0.15):
        holder = Person(identity=3, distance=0.75, x=0.75 * across + 0.08, y=-0.1)
        heat = lane.heat(holder, WarmTarget(distance=0.5, x=0.5 * across, y=0.02, temperature=48.0))
        spot = find_spot(heat, 1.9)
        column, row = lane.on_array(0.5 * across, 0.02, 0.5)
        assert math.hypot(spot.column - column, spot.row - row) < 0.2


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(CalibrationError) as caught:
        call()
    return caught.value.refusal


def test_a_thermal_picture_without_one_target_is_refused_by_name(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    empty = lane.heat()
    assert refused(lambda: find_spot(empty)) is Refusal.NO_TARGET
    target = WarmTarget(x=-0.1, y=0.0)
    two = lane.heat(target, Mug(distance=0.5, x=0.12, y=0.0))
    assert refused(lambda: find_spot(two, 2.0)) is Refusal.TWO_CANDIDATES
    cut = lane.heat(WarmTarget(x=0.29, y=0.0))
    assert refused(lambda: find_spot(cut, 2.0)) is Refusal.CUT_OFF
    cool = lane.heat(WarmTarget(temperature=33.0, x=-0.1), Person(identity=3, x=0.1, distance=0.6))
    # It might be found, but so might the face.
    assert refused(lambda: find_spot(cool, 2.0)) is Refusal.NO_TARGET


def test_a_camera_picture_without_one_target_is_refused_by_name(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    lane.show(Person(identity=3))
    assert refused(lambda: find_mark(lane.world.picture())) is Refusal.NO_TARGET
    lane.show(WarmTarget(x=-0.12), WarmTarget(x=0.12))
    assert refused(lambda: find_mark(lane.world.picture())) is Refusal.TWO_CANDIDATES
    assert refused(lambda: mean_picture([])) is Refusal.SENSOR
    half = np.full((480, 640, 3), 240, np.uint8)
    cv2.ellipse(half, (320, 240), (40, 20), 0, 0, 360, (10, 10, 10), -1)
    assert refused(lambda: find_mark(half)) is Refusal.NO_TARGET


@pytest.mark.parametrize("seed", range(6))
def test_no_backdrop_and_nobody_looks_like_a_target(seed: int, make_lane: Callable[..., Any]) -> None:
    lane = make_lane(seed=seed)
    lane.show(Person(identity=seed, glasses=True, distance=0.5))
    assert refused(lambda: find_mark(lane.world.picture())) is Refusal.NO_TARGET


def test_a_mark_in_uneven_light_keeps_its_middle() -> None:
    picture = np.full((480, 640), 230.0, np.float32)
    rows, columns = np.indices(picture.shape) + 0.5
    cover = np.clip(30 - np.hypot(columns - 321.3, rows - 200.8) + 0.5, 0, 1)
    picture = picture * (1 - cover) + 15 * cover
    picture *= np.linspace(0.55, 1.0, 640, dtype=np.float32)
    mark = find_mark(np.dstack([picture] * 3).astype(np.float32))
    assert math.hypot(mark.x - 321.3, mark.y - 200.8) < 0.5


def frame(temperatures: NDArray[np.float64], number: int) -> ThermalFrame:
    return ThermalFrame(temperatures.astype(np.float32), 25.0, 3.3, number / 16, number, number % 2)


def test_dead_pixels_are_filled_and_glitches_left_out() -> None:
    rng = np.random.default_rng(2)
    frames = []
    for number in range(40):
        picture = 22 + rng.normal(0, 0.5, (24, 32))
        picture[10, 10] = np.nan
        if number % 9 == 0:
            picture[5, 5] = 290.0
        frames.append(frame(picture, number))
    heat = still(frames)
    assert heat.dead.sum() == 1
    assert heat.mean[10, 10] == pytest.approx(22, abs=0.4)
    assert heat.mean[5, 5] == pytest.approx(22, abs=0.4)
    assert heat.noise == pytest.approx(0.5, rel=0.1)
    assert heat.left == pytest.approx(0.5 / math.sqrt(40), rel=0.1)


def test_too_little_to_average_is_refused() -> None:
    assert refused(lambda: still([])) is Refusal.SENSOR
    assert refused(lambda: still([frame(np.full((24, 32), 22.0), n) for n in range(30)])) is Refusal.SENSOR
    assert refused(lambda: still([frame(np.full((24, 32), np.nan), n) for n in range(30)])) is Refusal.SENSOR


def test_a_plate_of_any_size_is_found(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    for radius in (0.025, 0.08):
        column, row = find_plate(lane.heat(BlackBody(distance=0.45, radius=radius, x=-0.02, temperature=50.0)))
        true = lane.on_array(-0.02, -0.03, 0.45)
        assert math.hypot(column - true[0], row - true[1]) < 0.6
    two = lane.heat(BlackBody(x=-0.12, temperature=50.0), BlackBody(x=0.12, temperature=50.0))
    assert refused(lambda: find_plate(two)) is Refusal.TWO_CANDIDATES
    lane.show()
    assert refused(lambda: find_plate(lane.heat())) is Refusal.NO_TARGET
