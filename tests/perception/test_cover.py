"""Glasses, hats, sun and hot things on drawn faces are told from their heat; a bare face is left in peace.

Counted on a few drawn people, with the noise of an MLX90640 at 16 Hz; `python -m benchmarks.sensor_faces` counts many.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.lane.model import Remark, Verdict
from controller.perception.cover import find_cover
from controller.perception.heat import average
from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.screening import Footing, screen
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.types import Box
from hw.sim.clock import ManualClock
from hw.sim.figures import Lamp, Mug, Person
from hw.sim.skin import face_maximum
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from controller.lane.model import Screening
    from controller.perception.heat import HeatMap

    Film = Callable[..., list[Any]]

SETTINGS = ScreeningSettings()
SURE = Footing(0.1)
ROOM = 22.0
NOISE = 0.9
"""Of a pixel on a face, K, at 16 Hz."""
PEOPLE = (61, 64, 70, 77, 83, 90)
"""None of those whom the constants were fitted on."""
SEEDS = (0, 1, 2, 3)
THINGS = {
    "mug": Mug(),
    "mug beside": Mug(x=0.11, y=-0.03),
    "lamp": Lamp(x=0.36, y=-0.12, radius=0.05),
    "wall of heat": Lamp(distance=0.45, x=0.0, y=-0.05, radius=0.06, temperature=60.0),
}


@lru_cache(maxsize=256)
def scene(
    identity: int, distance: float, thing: str | None, worn: tuple[tuple[str, Any], ...]
) -> tuple[NDArray[np.float32], Box]:
    """What the optics deliver of somebody, and where the face is on the array."""
    world = World(ManualClock(), seed=4, ambient=ROOM)
    wears: dict[str, Any] = {"glasses": False, "core": 36.9, **dict(worn)}
    person = Person(identity=identity, distance=distance, **wears)
    world.place(person)
    if thing is not None:
        world.place(THINGS[thing])
    mount = world.mount
    settings = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    face = Box(*world.face_box(person, 4.0))
    return world.heat(4.0), thermal_box(settings, face, (world.height, world.width), (24, 32))


def maps(film: Film, distance: float = 0.5, thing: str | None = None, **worn: Any) -> list[HeatMap]:
    found = []
    for identity in PEOPLE:
        picture, box = scene(identity, distance, thing, tuple(worn.items()))
        for seed in SEEDS:
            heat = average(film(picture.astype(np.float64), 16, noise=NOISE, seed=100 * identity + seed), box)
            assert heat is not None
            found.append(heat)
    return found


def screened(heats: list[HeatMap]) -> list[Screening]:
    return [screen(heat, SETTINGS, 2, SURE) for heat in heats]


def share_of(found: list[Screening], verdict: Verdict, remark: Remark | None = None) -> float:
    hits = [each.verdict is verdict and (remark is None or remark in each.remarks) for each in found]
    return sum(hits) / len(hits)


def remarked(found: list[Screening], remark: Remark) -> float:
    return sum(remark in each.remarks for each in found) / len(found)


@pytest.mark.parametrize("distance", [0.35, 0.5, 0.65])
def test_a_bare_face_is_read(film: Film, distance: float) -> None:
    found = screened(maps(film, distance))
    assert sum(each.value is not None for each in found) >= len(found) - 1
    assert remarked(found, Remark.HOT_OBJECT_LEFT_OUT) < 0.05


@pytest.mark.parametrize(("distance", "least"), [(0.35, 0.95), (0.5, 0.9), (0.65, 0.6)])
@pytest.mark.parametrize("mask", [False, True])
def test_glasses_are_asked_to_come_off(film: Film, distance: float, least: float, *, mask: bool) -> None:
    found = screened(maps(film, distance, glasses=True, mask=mask))
    assert share_of(found, Verdict.OBSTRUCTED, Remark.EYES_COVERED) >= least


@pytest.mark.parametrize("core", [36.9, 39.0])
def test_glasses_are_told_in_a_fever_too(film: Film, core: float) -> None:
    assert share_of(screened(maps(film, glasses=True, core=core)), Verdict.OBSTRUCTED) >= 0.9


def test_a_mask_is_no_hindrance(film: Film) -> None:
    found = screened(maps(film, mask=True))
    assert share_of(found, Verdict.NORMAL) >= 0.9
    assert not any(cover.eyes for cover in (find_cover(heat, SETTINGS) for heat in maps(film, mask=True)))


@pytest.mark.parametrize("worn", ["hat", "fringe"])
def test_a_covered_forehead_is_told_and_the_face_read(film: Film, worn: str) -> None:
    found = screened(maps(film, 0.5, None, **{worn: True}))
    assert remarked(found, Remark.FOREHEAD_COVERED) >= 0.5
    assert share_of(found, Verdict.NORMAL) >= 0.9


def test_an_open_mouth_is_not_read(film: Film) -> None:
    """Its inside is warmer than any part of the face: read, it would pass for a fever."""
    shut, wide = (screened(maps(film, mouth_open=open_)) for open_ in (False, True))
    values = [np.mean([each.value for each in found if each.value is not None]) for found in (shut, wide)]
    assert values[1] == pytest.approx(values[0], abs=0.05)


def test_a_face_out_of_the_sun_is_too_hot(film: Film) -> None:
    found = screened(maps(film, 0.35, sunlit=4.0))
    assert share_of(found, Verdict.TOO_HOT, Remark.SUN_WARMED) >= 0.85
    assert share_of(found, Verdict.NORMAL) == 0.0


def test_a_little_sun_is_never_taken_for_covered_eyes(film: Film) -> None:
    for kelvin in (1.0, 2.0):
        covers = [find_cover(heat, SETTINGS) for heat in maps(film, sunlit=kelvin)]
        assert sum(cover.eyes or cover.forehead for cover in covers) <= 0.05 * len(covers)


@pytest.mark.parametrize("thing", ["mug", "mug beside", "lamp"])
@pytest.mark.parametrize("distance", [0.35, 0.5])
def test_something_hot_beside_the_face_is_not_read(film: Film, thing: str, distance: float) -> None:
    found = screened(maps(film, distance, thing))
    bare = np.mean([each.value for each in screened(maps(film, distance)) if each.value is not None])
    told = [each.value for each in found if each.value is not None]
    assert share_of(found, Verdict.ELEVATED) < 0.05
    assert np.mean(told) == pytest.approx(bare, abs=0.35)


def test_a_hot_thing_that_is_left_out_is_told(film: Film) -> None:
    assert remarked(screened(maps(film, 0.35, "mug beside")), Remark.HOT_OBJECT_LEFT_OUT) >= 0.5


def test_something_hot_before_the_face_is_no_face(film: Film) -> None:
    assert share_of(screened(maps(film, 0.5, "wall of heat")), Verdict.TOO_HOT, Remark.HOT_OBJECT) == 1.0


def test_a_fever_beside_a_mug_is_a_fever(film: Film) -> None:
    assert share_of(screened(maps(film, 0.5, "mug beside", core=39.0)), Verdict.ELEVATED) >= 0.95


def test_a_warm_room_hides_no_glasses(film: Film) -> None:
    """In a room of 28 °C glass is hardly 3 K below skin."""
    world = World(ManualClock(), seed=4, ambient=28.0)
    covered = 0
    for identity in PEOPLE:
        picture, box = scene(identity, 0.4, None, (("glasses", True),))
        surface = face_maximum(36.9, ROOM)
        warmer = world.ambient + (picture.astype(np.float64) - ROOM) * (surface - 28.0) / (surface - ROOM)
        heat = average(film(warmer, 32, noise=NOISE, seed=identity), box)
        assert heat is not None
        covered += find_cover(heat, SETTINGS).eyes
    assert covered >= len(PEOPLE) - 1
