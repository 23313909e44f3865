"""The black body: found where it is, and every way in which it can be wrong by its own name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from controller.calibrate.blackbody import Known, find_source
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.perception.reference import Reference
from controller.perception.reference_settings import ReferenceSettings
from hw.sim.figures import BlackBody, Lamp, Person
from hw.sim.mlx90640_flaws import Imperfections

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.calibrate.stillness import StillMap

KNOWN = Known(37.0, emissivity=0.97)


def body(**changes: Any) -> BlackBody:
    usual: dict[str, Any] = {"distance": 0.5, "x": -0.15, "y": -0.06, "radius": 0.05, "temperature": 37.0}
    return BlackBody(**{**usual, **changes})


def refused(heat: StillMap, known: Known = KNOWN, at: tuple[float, float] | None = None) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        find_source(heat, known, at)
    return caught.value


@pytest.mark.parametrize(("x", "radius"), [(-0.15, 0.05), (0.1, 0.045), (0.0, 0.06)])
def test_it_is_found_with_what_it_surely_fills(x: float, radius: float, make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    found = find_source(lane.heat(body(x=x, radius=radius), seconds=10), KNOWN)
    column, row = lane.on_array(x, -0.06, 0.5)
    assert math.hypot(found.column - column, found.row - row) < 0.1
    narrow = radius / 0.5 * lane.mount.array_focal(32, 24)[0]
    assert 1.0 <= found.radius < narrow - 0.5
    assert abs(found.error) < 3 * found.noise + 0.08
    assert abs(found.drift) < 0.3


def test_the_sensors_error_is_what_is_told(make_lane: Callable[..., Any]) -> None:
    right = find_source(make_lane(imperfections=Imperfections()).heat(body(), seconds=10), KNOWN)
    wrong = find_source(make_lane(imperfections=Imperfections(bias=0.8)).heat(body(), seconds=10), KNOWN)
    assert wrong.error - right.error == pytest.approx(0.8, abs=0.15)


def test_the_gate_reads_on_it_what_was_told(make_lane: Callable[..., Any]) -> None:
    lane = make_lane(imperfections=Imperfections(bias=0.6))
    found = find_source(lane.heat(body(), seconds=10), KNOWN)
    written = ReferenceSettings(
        column=round(found.column, 2),
        row=round(found.row, 2),
        radius=round(found.radius - 0.05, 1),
        temperature=37.0,
        emissivity=0.97,
    )
    follower = Reference(written)
    frames = lane.eyes.frames(10.0)
    for frame in frames:
        follower.feed(frame)
    standing = follower.standing(frames[-1].timestamp)
    assert standing is not None
    assert standing.correction == pytest.approx(-found.error, abs=0.15)


def test_two_are_told_apart_by_where(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    heat = lane.heat(body(), body(x=0.15), seconds=5)
    told = refused(heat)
    assert told.refusal is Refusal.TWO_CANDIDATES
    assert "--at COLUMN,ROW" in str(told)
    column, row = lane.on_array(0.15, -0.06, 0.5)
    assert find_source(heat, KNOWN, (column, row)).column == pytest.approx(column, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"radius": 0.028}, Refusal.TOO_SMALL),
        ({"x": -0.235}, Refusal.CUT_OFF),
        ({"temperature": lambda time: 36.6 + 0.08 * time}, Refusal.UNSTEADY),
        ({"temperature": 40.0}, Refusal.OFF_SET_POINT),
        ({"temperature": 31.0}, Refusal.NO_TARGET),
        ({"temperature": 60.0}, Refusal.NO_TARGET),
    ],
)
def test_each_fault_has_its_name(changes: dict[str, Any], refusal: Refusal, make_lane: Callable[..., Any]) -> None:
    assert refused(make_lane().heat(body(**changes), seconds=8)).refusal is refusal


def test_other_warm_things_are_not_it(make_lane: Callable[..., Any]) -> None:
    lane = make_lane()
    assert refused(lane.heat(Lamp(x=0.2, y=-0.1), seconds=5)).refusal is Refusal.NO_TARGET
    with_lamp = lane.heat(body(), Lamp(x=0.5, y=-0.3), seconds=8)
    assert find_source(with_lamp, KNOWN).column < 10
    assert refused(lane.heat(body(), Person(identity=3, x=0.05), seconds=5)).refusal is Refusal.TWO_CANDIDATES


def test_nothing_where_it_is_said_to_be(make_lane: Callable[..., Any]) -> None:
    told = refused(make_lane().heat(body(), seconds=5), at=(25.0, 20.0))
    assert told.refusal is Refusal.NO_TARGET
    assert "at column 25, row 20 it is 2" in str(told)


def test_a_set_point_near_the_room_is_refused(make_lane: Callable[..., Any]) -> None:
    told = refused(make_lane().heat(body(temperature=25.0), seconds=5), Known(25.0))
    assert told.refusal is Refusal.BADLY_CONDITIONED
