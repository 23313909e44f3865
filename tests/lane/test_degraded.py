"""What a lane does without one of its senses, as [lane] on_thermal_lost and on_camera_lost say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import CredentialKind, Direction, FaultKind, Liveness, Verdict
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

    Someone = Callable[..., Assessment]

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
THERMAL, CAMERA = FaultKind.SENSOR_THERMAL, FaultKind.CAMERA
BOTH = {"on_thermal_lost": "manual", "on_camera_lost": "cards"}


def without(make_rig: MakeRig, *faults: FaultKind, **settings: Any) -> Rig:
    """A lane in service that has lost these devices."""
    rig = make_rig(**settings).boot()
    for fault in faults:
        rig.feed(ev.DeviceLost, fault=fault)
    return rig


def no_heat(someone: Someone, person: str | None = "p1") -> Assessment:
    """What is found of somebody whom only the camera sees."""
    return someone(person, Verdict.UNSTABLE, liveness=Liveness.UNKNOWN)


def measure(rig: Rig, temperature: float) -> str:
    """The guard takes a temperature and orders to open."""
    grant_id = rig.new_id()
    rig.feed(ev.OpenOnce, direction=ENTRY, grant_id=grant_id, actor="guard", temperature=temperature)
    return grant_id


@pytest.mark.parametrize(("fault", "settings"), [(THERMAL, {}), (CAMERA, {}), (THERMAL, {"on_camera_lost": "cards"})])
def test_closed_is_what_nobody_chose_otherwise(make_rig: MakeRig, fault: FaultKind, settings: dict[str, str]) -> None:
    assert without(make_rig, fault, **settings).state() is State.FAULT


def test_without_heat_the_guard_takes_the_temperature_of_whoever_is_identified(
    make_rig: MakeRig, someone: Someone
) -> None:
    rig = without(make_rig, THERMAL, on_thermal_lost="manual")
    assert rig.state() is State.LOCKED
    assert rig.records(RecordKind.FAULT)[0].detail == {"fault": "sensor_thermal", "degraded": True}
    rig.approach()
    rig.assess(no_heat(someone))
    assert rig.shown() == (Prompt.SEE_GUARD, "manual_temperature")
    assert rig.unlocked == set()
    grant_id = measure(rig, 36.4)
    assert rig.state() is State.GRANTED
    grant = rig.records(RecordKind.GRANT)[0]
    assert (grant.grant_id, grant.person) == (grant_id, "p1")
    assert grant.detail["manual_temperature"] == 36.4


def test_without_heat_a_fever_by_hand_goes_to_the_doctor(make_rig: MakeRig, someone: Someone) -> None:
    rig = without(make_rig, THERMAL, on_thermal_lost="manual")
    rig.approach()
    rig.assess(no_heat(someone))
    measure(rig, 38.2)
    assert rig.unlocked == set()
    assert rig.shown()[0] is Prompt.SEE_DOCTOR


def test_without_heat_a_stranger_gets_no_thermometer(make_rig: MakeRig, someone: Someone) -> None:
    rig = without(make_rig, THERMAL, on_thermal_lost="manual")
    rig.approach()
    rig.assess(no_heat(someone, None))
    assert rig.shown() == (Prompt.DENIED, "unknown_person")


def test_without_heat_a_card_leads_to_the_guard_as_well(make_rig: MakeRig, someone: Someone) -> None:
    rig = without(make_rig, THERMAL, on_thermal_lost="manual")
    rig.approach()
    rig.present("p1")
    rig.assess(no_heat(someone, None))
    assert rig.shown() == (Prompt.SEE_GUARD, "manual_temperature")
    measure(rig, 36.4)
    assert rig.records(RecordKind.GRANT)[0].detail["credential"] == "card"


def test_without_a_camera_people_pass_by_card_and_heat(make_rig: MakeRig, someone: Someone) -> None:
    rig = without(make_rig, CAMERA, on_camera_lost="cards", require="face")
    rig.approach()
    rig.assess(someone(None, quality=0.0, faces=0))
    assert rig.shown() == (Prompt.PRESENT_CARD, "credential_needed")
    rig.present("p1")
    assert rig.expected is not None
    assert (rig.expected.person, rig.expected.face) == ("p1", False)
    rig.assess(someone(None, quality=0.0, faces=0, liveness=Liveness.UNKNOWN))
    assert rig.state() is State.GRANTED
    assert rig.records(RecordKind.GRANT)[0].detail["verified"] is None


def test_without_a_camera_a_fever_is_a_fever(make_rig: MakeRig, someone: Someone) -> None:
    rig = without(make_rig, CAMERA, on_camera_lost="cards")
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None, Verdict.ELEVATED, quality=0.0, faces=0, liveness=Liveness.UNKNOWN))
    assert rig.shown()[0] is Prompt.SEE_DOCTOR


def test_a_card_does_not_stand_in_for_a_second_factor(make_rig: MakeRig) -> None:
    rig = without(make_rig, CAMERA, on_camera_lost="cards")
    rig.approach()
    rig.present("p1", second_factor=True)
    assert rig.shown() == (Prompt.ASK_GUARD, "face_unavailable")
    assert rig.lane._core.claim is None


def test_a_lane_that_asks_for_both_lets_in_by_card_only_whoever_is_known_without_a_face(
    make_rig: MakeRig, someone: Someone
) -> None:
    rig = without(make_rig, CAMERA, on_camera_lost="cards", require="face_and_card")
    rig.approach()
    rig.present("p1")
    assert rig.shown() == (Prompt.ASK_GUARD, "face_unavailable")
    rig.advance(10.0)
    rig.present("p2", no_face=True)
    rig.assess(someone(None, quality=0.0, faces=0, liveness=Liveness.UNKNOWN))
    assert rig.state() is State.GRANTED


@pytest.mark.parametrize("kind", [ev.DeviceLost, ev.DeviceBack])
def test_a_card_is_presented_anew_when_the_camera_goes_or_comes(
    make_rig: MakeRig, kind: type[ev.DeviceLost | ev.DeviceBack]
) -> None:
    lost_before = (CAMERA,) if kind is ev.DeviceBack else ()
    rig = without(make_rig, *lost_before, on_camera_lost="cards", require="face_or_card")
    rig.approach()
    rig.present("p1", CredentialKind.CARD)
    rig.feed(kind, fault=CAMERA)
    assert rig.lane._core.claim is None
    assert rig.unlocked == set()


def test_without_both_senses_nobody_is_admitted_whatever_was_chosen(make_rig: MakeRig) -> None:
    rig = without(make_rig, THERMAL, CAMERA, **BOTH)
    assert rig.state() is State.FAULT
    assert rig.records(RecordKind.FAULT)[1].detail == {"fault": "camera"}
    rig.open_once()
    assert rig.state() is State.GRANTED, "the guard may"
    rig.advance(10.0)
    rig.feed(ev.DeviceBack, fault=THERMAL)
    assert rig.state() is State.LOCKED


@pytest.mark.parametrize("faults", [(THERMAL,), (CAMERA,), (THERMAL, CAMERA)])
@pytest.mark.parametrize("settings", [{}, BOTH])
def test_the_way_out_is_free_in_every_mode(
    make_rig: MakeRig, faults: tuple[FaultKind, ...], settings: dict[str, str]
) -> None:
    rig = without(make_rig, *faults, **settings)
    grant_id = rig.open_once(EXIT)
    assert EXIT in rig.unlocked
    rig.pass_through(EXIT)
    assert rig.outcomes(grant_id) == ["completed"]
    rig.feed(ev.FireAlarm, active=True)
    assert rig.held == {ENTRY, EXIT}


def test_a_lane_comes_up_degraded_when_a_device_was_never_there(make_rig: MakeRig) -> None:
    rig = make_rig(on_thermal_lost="manual")
    rig.feed(ev.Booted)
    rig.feed(ev.SelfTestFailed, fault=THERMAL)
    assert rig.state() is State.LOCKED
    assert rig.moves() == []
