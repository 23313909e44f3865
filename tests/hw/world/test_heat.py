"""What the thermal array sees of people, cards and tablets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw.sim import heat as heat_maps
from hw.sim.figures import Card, Person, Screen
from hw.sim.mount import Mount
from hw.sim.skin import face_maximum
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw.sim.clock import ManualClock


def test_the_empty_entrance_is_at_room_temperature(world: World) -> None:
    heat = world.heat(0.0)
    assert heat.shape == (24, 32)
    assert heat.dtype == np.float32
    assert np.abs(heat - world.ambient).max() < 2.0
    assert heat.mean() == pytest.approx(world.ambient, abs=0.5)


@pytest.mark.parametrize("core", [36.6, 38.8])
@pytest.mark.parametrize("ambient", [18.0, 26.0])
def test_half_a_metre_away_the_hottest_region_is_below_the_faces_maximum(
    clock: ManualClock, bare_faced: Iterator[int], core: float, ambient: float
) -> None:
    """0.9 K at 24 °C, and in proportion to how much warmer a face is than the room."""
    world = World(clock, seed=1, ambient=ambient)
    for _ in range(12):
        world.clear()
        world.place(Person(identity=next(bare_faced), core=core, distance=0.5))
        hottest = np.sort(world.heat(4.0), axis=None)[-4:].mean()
        maximum = face_maximum(core, ambient)
        assert maximum - hottest == pytest.approx(0.9 * (maximum - ambient) / 11.8, abs=0.15)


@pytest.mark.parametrize(
    ("x", "y", "metres", "below", "spread"), [(0.16, 0.02, 0.012, 0.76, 0.15), (0.0, -0.45, 0.05, 1.41, 0.3)]
)
def test_spots_of_a_face_are_as_far_below_its_maximum_as_in_the_data(
    x: float, y: float, metres: float, below: float, spread: float
) -> None:
    """12 mm at the inner corner of an eye, and the forehead, at 24 °C (doi 10.13026/3bhc-9065)."""
    shares = heat_maps.shares(3, hat=False, mask=False, glasses=False)[..., 0]
    rows, columns = np.mgrid[: shares.shape[0], : shares.shape[1]]
    across, down = columns / heat_maps.SCALE - heat_maps.EXTENT[0], rows / heat_maps.SCALE + heat_maps.EXTENT[1]
    spot = shares[np.hypot(across - x, down - y) <= metres / 2 / 0.074]
    maximum = face_maximum(36.9, 24.0)
    assert (1 - spot.mean()) * (maximum - 24.0) == pytest.approx(below, abs=spread)


def test_further_away_the_face_is_smaller_and_seems_cooler(world: World, bare_faced: Iterator[int]) -> None:
    number = next(bare_faced)
    warm, hottest = [], []
    for distance in (0.4, 0.8, 1.6):
        world.clear()
        world.place(Person(identity=number, distance=distance))
        heat = world.heat(4.0)
        warm.append(int((heat > 30).sum()))
        hottest.append(float(heat.max()))
    assert hottest[0] > hottest[1] > hottest[2] > 30
    # A face's area falls with the square of the distance; close to, part of it is out of sight.
    assert 2.5 < warm[0] / warm[1] < 5.5
    assert 2.5 < warm[1] / warm[2] < 6.5


def test_a_face_is_unevenly_warm(world: World, bare_faced: Iterator[int]) -> None:
    world.place(Person(identity=next(bare_faced), distance=0.45, sway=0.0))
    heat = world.heat(4.0)
    mount, unit = world.mount, 0.074

    def at(x: float, y: float) -> float:
        column, row = mount.to_array(x * unit, -0.03 + y * unit, 0.45, 32, 24)
        return float(heat[int(row), int(column)])

    assert at(0, 0) > at(0, 0.5) + 1.0
    assert at(0, 0) > at(0.6, 0.6) + 0.5
    assert at(0, 1.5) > 31
    assert at(0, 0) > at(0, -1.05) + 2


def test_breath_shows_on_a_mask(world: World) -> None:
    world.place(Person(identity=1, mask=True, sway=0.0))
    series = np.stack([world.heat(second / 4) for second in range(24)])
    swing = np.ptp(series, axis=0)
    assert 1.0 < swing.max() < 4.0
    assert swing[0].max() < 0.05


def test_someone_from_the_cold_warms_up(world: World, bare_faced: Iterator[int]) -> None:
    world.place(Person(identity=next(bare_faced), minutes_indoors=0.0, arrival=10.0, distance=0.45))
    first, later = world.heat(10.0).max(), world.heat(10.0 + 180).max()
    # The hottest pixel is a mean of the face, which the chill moves by its share.
    assert later - first == pytest.approx(2.6 * 0.92, abs=0.15)


def test_glasses_and_a_hat_hide_warm_skin(world: World, bare_faced: Iterator[int]) -> None:
    number = next(bare_faced)
    warm = {}
    for name, figure in {
        "bare": Person(identity=number, sway=0.0),
        "hat": Person(identity=number, sway=0.0, hat=True),
        "glasses": Person(identity=number, sway=0.0, glasses=True),
    }.items():
        world.clear()
        world.place(figure)
        warm[name] = float(np.clip(world.heat(4.0) - 33, 0, None).sum())
    assert warm["hat"] < 0.9 * warm["bare"]
    assert warm["glasses"] < 0.9 * warm["bare"]


def test_a_card_is_at_room_temperature_and_its_holders_fingers_are_warm(world: World) -> None:
    world.place(Card(identity=5, distance=0.4))
    assert np.abs(world.heat(1.0) - world.ambient).max() < 1.0
    world.clear()
    world.place(Card(identity=5, distance=0.4, held_by=Person(identity=6)))
    heat = world.heat(1.0)
    column, row = (round(value) for value in world.mount.to_array(0, -0.03, 0.4, 32, 24))
    assert heat[row - 3 : row + 6, column - 4 : column + 4] == pytest.approx(world.ambient, abs=0.05)
    assert heat[-8:].max() > 30


def test_a_card_may_be_warmed_and_a_tablet_is_warm(world: World) -> None:
    for figure, expected in ((Card(identity=5, temperature=35.0), 35.0), (Screen(identity=5), 31.0)):
        world.clear()
        world.place(figure)
        assert world.heat(1.0)[12, 15] == pytest.approx(expected, abs=0.05)


def test_the_array_beside_the_camera_sees_the_face_shifted(clock: ManualClock, bare_faced: Iterator[int]) -> None:
    number = next(bare_faced)
    centres = []
    for array_x in (0.0, 0.04):
        world = World(clock, seed=1, mount=Mount(array_x=array_x))
        world.place(Person(identity=number, distance=0.5, sway=0.0))
        warm = np.clip(world.heat(4.0)[:18] - 30, 0, None)
        centres.append(float((warm.sum(axis=0) * (np.arange(32) + 0.5)).sum() / warm.sum()))
    cells = Mount().array_focal(32, 24)[0] * 0.04 / 0.5
    assert centres[0] - centres[1] == pytest.approx(cells, abs=0.2)
