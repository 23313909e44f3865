"""Where a point lands on an array that looks a little elsewhere than the camera."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hw.sim.figures import Person, WarmTarget
from hw.sim.mount import LENSES, Mount
from hw.sim.world import World

FOCAL = 16 / math.tan(math.radians(55 / 2))


def spot(mount: Mount, clock: Any, **at: Any) -> tuple[float, float]:
    """Centre of warmth of a target in the heat scene: column, row."""
    world = World(clock, seed=1, mount=mount)
    world.place(WarmTarget(temperature=60.0, **at))
    warm = np.clip(world.heat(0.0).astype(float) - 26.0, 0, None)
    row, column = np.mgrid[0:24, 0:32] + 0.5
    return float((warm * column).sum() / warm.sum()), float((warm * row).sum() / warm.sum())


def test_an_array_turned_right_sees_things_further_left(clock: Any) -> None:
    straight = spot(Mount(), clock, y=0.0)
    turned = spot(Mount(array_yaw=5.0), clock, y=0.0)
    # The target lies 3 cm left of the array's axis.
    bearing = math.atan2(-0.03, 0.5)
    assert straight[0] == pytest.approx(16 + FOCAL * math.tan(bearing), abs=0.1)
    assert turned[0] == pytest.approx(16 + FOCAL * math.tan(bearing - math.radians(5)), abs=0.1)
    assert turned[1] == pytest.approx(straight[1], abs=0.1)


def test_an_array_turned_down_sees_things_further_up(clock: Any) -> None:
    down = 12 / math.tan(math.radians(35 / 2))
    straight, turned = spot(Mount(), clock, y=0.0), spot(Mount(array_pitch=4.0), clock, y=0.0)
    assert turned[1] - straight[1] == pytest.approx(-down * math.tan(math.radians(4)), abs=0.1)


def test_an_array_rolled_clockwise_sees_the_scene_rolled_back(clock: Any) -> None:
    # On the array's axis nothing moves; 8 cm to its right a roll of 10° lifts a thing by sin 10°.
    mount = Mount(array_x=0.0, array_roll=10.0)
    assert spot(mount, clock, x=0.0, y=0.0) == pytest.approx((16, 12), abs=0.1)
    column, row = spot(mount, clock, x=0.08, y=0.0)
    down = 12 / math.tan(math.radians(35 / 2))
    assert column == pytest.approx(16 + FOCAL * 0.16 * math.cos(math.radians(10)), abs=0.1)
    assert row == pytest.approx(12 - down * 0.16 * math.sin(math.radians(10)), abs=0.1)


@pytest.mark.parametrize("mount", [Mount(), Mount(array_yaw=3, array_pitch=-4, array_roll=7, array_y=0.02)])
@pytest.mark.parametrize("z", [0.3, 1.0])
def test_there_and_back(mount: Mount, z: float) -> None:
    for column, row in ((3.0, 4.5), (16.0, 12.0), (29.5, 22.0)):
        x, y = mount.from_array(column, row, z)
        assert mount.to_array(x, y, z, 32, 24) == pytest.approx((column, row))
    x_grid, y_grid = mount.plane(z, 32, 24)
    assert (float(x_grid[4, 3]), float(y_grid[4, 3])) == pytest.approx(mount.from_array(3.5, 4.5, z))


def test_the_slope_is_the_derivative() -> None:
    mount, at, step = Mount(array_yaw=6, array_pitch=3, array_roll=-8), (0.05, -0.08, 0.45), 1e-6
    slope = mount.slope(at, 128, 96, (1.0, 2.0))
    here = np.array(mount.to_array(*at, 128, 96))
    right = np.array(mount.to_array(at[0] + step, at[1], at[2], 128, 96))
    below = np.array(mount.to_array(at[0], at[1] + 2 * step, at[2], 128, 96))
    assert slope == pytest.approx(np.stack([right - here, below - here], axis=1) / step, rel=1e-3)


def test_a_person_is_warm_where_a_target_at_the_same_place_is(clock: Any) -> None:
    mount = Mount(array_yaw=4.0, array_pitch=-3.0, array_roll=6.0)
    world = World(clock, seed=1, mount=mount)
    world.place(Person(identity=1, glasses=False, sway=0.0, distance=0.45))
    column, row = mount.to_array(0.0, -0.03, 0.45, 32, 24)
    face = world.heat(4.0)
    y, x = np.unravel_index(int(face.argmax()), face.shape)
    assert math.hypot(x + 0.5 - column, y + 0.5 - row) < 3.0


@pytest.mark.parametrize(("degrees", "size"), [(55, 0.0163), (110, 0.0446)])
def test_the_lenses_are_the_data_sheets(degrees: int, size: float) -> None:
    mount = Mount.with_lens(degrees)
    assert mount.array_fov == LENSES[degrees]
    assert mount.lens == degrees
    # Half a metre away a pixel of the middle is so wide.
    left, right = (mount.from_array(column, 12.0, 0.5)[0] for column in (16.0, 17.0))
    assert right - left == pytest.approx(size, abs=1e-4)


def test_the_wide_lens_sees_more_and_the_face_smaller(clock: Any) -> None:
    warm = {}
    for degrees in (55, 110):
        world = World(clock, seed=1, mount=Mount.with_lens(degrees))
        world.place(Person(identity=1, glasses=False))
        warm[degrees] = int((world.heat(1.0) > 31).sum())
    ratio = (math.tan(math.radians(55)) / math.tan(math.radians(27.5))) * (
        math.tan(math.radians(37.5)) / math.tan(math.radians(17.5))
    )
    assert warm[55] / warm[110] == pytest.approx(ratio, rel=0.4)


def test_wild_mounts_are_refused() -> None:
    with pytest.raises(ValueError, match="30 degrees"):
        Mount(array_roll=45.0)
    with pytest.raises(ValueError, match="55 or 110"):
        Mount.with_lens(90)
