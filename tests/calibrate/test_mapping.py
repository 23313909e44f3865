"""The registration's fit: finds a known mount, refuses what fixes nothing, and leaves out what lies."""

from __future__ import annotations

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from controller.calibrate.mapping import Place, View, fit, residuals
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.registering import register, require_layout
from controller.perception.registration import RegistrationSettings, thermal_point
from hw.sim.mount import Mount

VIEW = View(32, 24, (55.0, 35.0))
SIZE = (640, 480)


def seen(mount: Mount, x: float, y: float, z: float, noise: tuple[float, float] = (0.0, 0.0)) -> Place:
    u, v = mount.to_picture(x, y, z, SIZE)
    column, row = mount.to_array(x, y, z, 32, 24)
    radius = 0.03 * mount.focal(SIZE[0]) / z / SIZE[0]
    return Place((u / SIZE[0], v / SIZE[1]), (column + noise[0], row + noise[1]), z, radius)


def grid(
    mount: Mount, distances: tuple[float, ...] = (0.5, 0.8), *, noise: float = 0.0, seed: int = 1, reach: float = 0.35
) -> list[Place]:
    rng = np.random.default_rng(seed)
    return [
        seen(mount, i * z, j * z, z, (float(rng.normal(0, noise)), float(rng.normal(0, noise))))
        for z in distances
        for j in (-0.55 * reach, 0.0, 0.55 * reach)
        for i in (-reach, 0.0, reach)
    ]


def off(found: RegistrationSettings, place: Place) -> float:
    column, row = thermal_point(found, place.camera, place.distance, (1, 1), (24, 32))
    return math.hypot(place.array[0] - column, place.array[1] - row)


angle = st.floats(-4, 4)
shift = st.floats(-0.06, 0.06)


@settings(max_examples=40, deadline=None)
@given(yaw=angle, pitch=angle, roll=angle, x=shift, y=shift, z=st.floats(0.4, 1.0))
def test_any_mount_is_found_where_no_target_was(
    yaw: float, pitch: float, roll: float, x: float, y: float, z: float
) -> None:
    mount = Mount(array_yaw=yaw, array_pitch=pitch, array_roll=roll, array_x=x, array_y=y)
    found = register(grid(mount), VIEW, RegistrationSettings())
    assert found.cross_worst < 0.15
    assert all(off(found.settings, seen(mount, i * z, j * z, z)) < 0.2 for i in (-0.3, 0.1) for j in (-0.15, 0.2))
    # A tilt of some degrees makes a little of the parallax look like an offset.
    assert abs(found.settings.offset_x - x) < 0.008
    assert abs(found.settings.offset_y - y) < 0.008


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.0, 0.2))
def test_noise_costs_what_the_residuals_say(seed: int, noise: float) -> None:
    mount = Mount(array_yaw=2, array_pitch=-1, array_roll=3, array_x=0.03, array_y=0.025)
    found = register(grid(mount, noise=noise, seed=seed), VIEW, RegistrationSettings(), bound=2.0)
    true = [off(found.settings, seen(mount, i * z, 0.1 * z, z)) for z in (0.5, 0.65) for i in (-0.3, 0.0, 0.3)]
    assert math.sqrt(np.mean(np.square(true))) < max(0.05, 1.8 * noise)
    assert found.rms < max(0.05, 2.4 * noise)
    assert found.cross_rms >= found.rms * 0.9


@settings(max_examples=20, deadline=None)
@given(numbers=st.sets(st.integers(0, 17), min_size=1, max_size=3), across=st.floats(3, 12), seed=st.integers(0, 100))
def test_places_that_lie_are_left_out_and_named(numbers: set[int], across: float, seed: int) -> None:
    mount = Mount(array_roll=2, array_y=0.03)
    places = grid(mount, noise=0.05, seed=seed)
    for number in numbers:
        column, row = places[number].array
        places[number] = replace(places[number], array=(column + across, row - across / 2))
    found = register(places, VIEW, RegistrationSettings())
    assert {number for number, result in enumerate(found.places) if not result.used} == numbers
    assert found.cross_worst < 0.4


def test_the_derivatives_are_those_of_the_prediction() -> None:
    places = grid(Mount(array_roll=3, array_x=0.02))
    best = fit(places, VIEW, 0.5)
    camera = np.array([place.camera for place in places])
    far = np.array([place.distance for place in places])
    spread = best.uncertainty(camera, far)
    assert np.isfinite(spread).all()
    for number in range(10):
        moved = best.unknowns.copy()
        moved[number] += 1e-6
        change = replace(best, unknowns=moved).predict(camera, far) - best.predict(camera, far)
        assert np.isfinite(change).all()
        again = fit(places, VIEW, 0.5, moved)
        assert np.abs(residuals(again, places)).max() < 0.1


def refused(places: list[Place]) -> Refusal:
    with pytest.raises(CalibrationError) as caught:
        register(places, VIEW, RegistrationSettings())
    assert str(caught.value).startswith(caught.value.refusal.value + ": ")
    return caught.value.refusal


def test_layouts_that_fix_nothing_are_refused_by_name() -> None:
    mount = Mount()
    near, far = grid(mount, (0.5,)), grid(mount, (0.8,))
    assert refused([]) is Refusal.TOO_FEW
    assert refused(near[:5] + far[:3]) is Refusal.TOO_FEW
    assert refused(near + far[:2]) is Refusal.TOO_FEW
    assert refused(near) is Refusal.ONE_DISTANCE
    assert refused(near + grid(mount, (0.55,))) is Refusal.ONE_DISTANCE
    line = [seen(mount, i * z, 0.3 * i * z, z) for z in (0.5, 0.8) for i in np.linspace(-0.3, 0.3, 7)]
    assert refused(line) is Refusal.ON_A_LINE
    assert refused([*near[4:5] * 6, *far[4:5] * 6]) is Refusal.ON_A_LINE
    assert refused(grid(mount, reach=0.13)) is Refusal.NOT_SPREAD


def test_a_tape_measure_read_wrong_is_found_by_the_targets_size() -> None:
    places = [replace(place, distance=1.2) if place.distance == 0.8 else place for place in grid(Mount())]
    with pytest.raises(CalibrationError, match=r"1\.2 m is 0\.80 m if 0\.5 m is right") as caught:
        require_layout(places, VIEW)
    assert caught.value.refusal is Refusal.WRONG_INPUT


def test_mirrored_and_turned_pictures_are_told_apart() -> None:
    places = grid(Mount())
    mirrored = [replace(place, array=(32 - place.array[0], place.array[1])) for place in places]
    assert refused(mirrored) is Refusal.MIRRORED
    turned = [replace(place, array=(32 - place.array[0], 24 - place.array[1])) for place in places]
    assert refused(turned) is Refusal.TURNED


def test_a_fit_that_leaves_too_much_is_refused() -> None:
    assert refused(grid(Mount(), noise=1.2)) in (Refusal.RESIDUAL, Refusal.CONTRADICTION)


def test_many_contradictions_are_refused_not_left_out() -> None:
    rng = np.random.default_rng(4)
    places = grid(Mount())
    for number in range(0, 18, 2):
        column, row = places[number].array
        moved = (column + float(rng.uniform(-8, 8)), row + float(rng.uniform(-6, 6)))
        places[number] = replace(places[number], array=moved)
    assert refused(places) in (Refusal.CONTRADICTION, Refusal.RESIDUAL, Refusal.NOT_SPREAD)
