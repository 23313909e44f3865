"""The door's driver over the simulated door: its lock at start and end, releases, contacts, power, fire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from hw.drivers.door import GpioDoor, Lock
from hw.errors import DeviceClosed, DeviceError
from hw.gate_settings import LineSettings
from hw.kind_settings import DoorSettings
from hw.ports import Edge, Lamp, Side, Signal
from hw.sim.clock import ManualClock
from hw.sim.door import LeafMove, LockMove, OpenedBy, SimulatedDoor, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: dict[str, Any] = {"rex": 6, "secure": 13, "fire": 16, "tamper": 19, "key": 20}
A, B = Side.A, Side.B


@dataclass
class Rig:
    clock: ManualClock
    settings: DoorSettings
    mechanics: SimulatedDoor
    gate: GpioDoor
    edges: list[Edge] = field(default_factory=list)

    def levels(self) -> list[int]:
        """gpiozero's own log of the lock line."""
        return [int(state.state) for state in self.door.pin_factory.pin(self.settings.lock_line).states]

    @property
    def door(self) -> SimulatedDoor:
        return self.mechanics

    def is_released(self) -> bool:
        return self.door.released

    def told(self, signal: Signal) -> list[bool]:
        return [edge.active for edge in self.edges if edge.signal is signal]

    def locked_and_released(self) -> list[bool]:
        return [move.released for move in self.door.moves if isinstance(move, LockMove)]


@pytest.fixture
def build(keep: Callable[..., Rig]) -> Callable[..., Rig]:
    """Make a door and its driver; keyword arguments go to the settings, `sim` to the simulated door."""

    def make(*, opened: bool = True, sim: dict[str, Any] | None = None, **changes: Any) -> Rig:
        clock = ManualClock(start=100.0)
        settings = DoorSettings(**(LINES | changes))
        door = SimulatedDoor(settings, clock, **(sim or {}))
        return keep(Rig(clock, settings, door, GpioDoor(settings, door.pin_factory, clock)), opened=opened)

    return make


@pytest.mark.parametrize("low", [False, True])
def test_a_strike_moves_at_no_start_and_no_end(build: Callable[..., Rig], low: bool) -> None:  # noqa: FBT001
    rig = build(outputs_active_low=low)
    rig.gate.close()
    assert rig.locked_and_released() == []
    assert not rig.door.pull(A)
    rig.gate.open(rig.edges.append)
    rig.gate.close()
    assert rig.locked_and_released() == []


def test_a_magnet_holds_from_the_first_level_on_and_lets_go_at_the_end(build: Callable[..., Rig]) -> None:
    rig = build(opened=False, lock="magnet")
    assert rig.is_released()
    rig.gate.open(rig.edges.append)
    rig.clock.advance(0.5)
    assert rig.levels()[-1] == 1
    assert not rig.door.pull(A)
    assert not rig.door.pull(B)
    rig.gate.close()
    assert rig.door.pull(B)
    assert rig.locked_and_released() == [False, True]


@pytest.mark.parametrize("lock", ["strike", "magnet"])
def test_a_release_ends_by_itself_and_is_one_lock_for_both_directions(build: Callable[..., Rig], lock: str) -> None:
    rig = build(lock=lock)
    before = len(rig.locked_and_released())
    rig.gate.unlock(A, 5.0)
    rig.gate.hold(B, on=True)
    rig.clock.advance(6.0)
    assert rig.is_released()
    rig.gate.hold(B, on=False)
    assert not rig.is_released()
    rig.gate.unlock(A, 5.0)
    rig.clock.advance(4.9)
    assert rig.door.pull(A)
    rig.clock.advance(0.2)
    assert not rig.is_released()
    assert rig.locked_and_released()[before:] == [True, False, True, False]


def test_relock_locks_at_once_unless_somebody_leaves(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.gate.unlock(A, 5.0)
    rig.gate.relock(A)
    assert not rig.is_released()
    rig.gate.hold(B, on=True)
    rig.gate.unlock(A, 5.0)
    rig.gate.relock(A)
    assert rig.is_released()


def test_a_release_longer_than_the_cap_is_refused(build: Callable[..., Rig]) -> None:
    rig = build(release_cap=10.0)
    with pytest.raises(ValueError, match="at most 10"):
        rig.gate.unlock(A, 10.5)
    assert not rig.is_released()


def test_the_leaf_the_button_and_the_lock_are_told(build: Callable[..., Rig]) -> None:
    rig = build()
    assert rig.gate.read(Signal.SECURE) is True
    assert rig.gate.read(Signal.DOOR) is False
    assert rig.gate.read(Signal.LOOP_ARM) is None
    assert rig.door.pull(B, hold=1.0)
    rig.clock.advance(4.0)
    assert rig.told(Signal.REX) == [True, False]
    assert rig.told(Signal.DOOR) == [True, False]
    assert rig.told(Signal.SECURE) == [False, True]
    leaf = [move for move in rig.door.moves if isinstance(move, LeafMove)]
    assert [move.by for move in leaf] == [OpenedBy.HANDLE, None]
    rex = next(edge for edge in rig.edges if edge.signal is Signal.REX)
    door = next(edge for edge in rig.edges if edge.signal is Signal.DOOR)
    assert rex.timestamp < door.timestamp


def test_a_cut_door_wire_reads_as_open(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.door.pin_factory.pin(rig.settings.door).set_contact(True)  # nothing pulls the line down any more
    rig.clock.advance(0.1)
    assert rig.told(Signal.DOOR) == [True]


def test_a_leaf_that_bounces_off_its_latch_is_told_as_it_was(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.door.slams = True
    rig.door.force(hold=0.0)
    rig.clock.advance(4.0)
    assert rig.told(Signal.DOOR) == [True, False, True, False]


def test_without_power_a_magnet_lets_go_and_a_strike_holds(build: Callable[..., Rig]) -> None:
    magnet, strike = build(lock="magnet"), build()
    for rig in (magnet, strike):
        rig.door.cut_power(True)
    assert magnet.door.pull(A)
    assert not strike.door.pull(A)


def test_the_panel_frees_the_lock_itself_and_tells_the_board(build: Callable[..., Rig]) -> None:
    rig = build(lock="magnet")
    rig.door.press_fire(True)
    rig.clock.advance(0.1)
    assert rig.told(Signal.FIRE) == [True]
    assert rig.door.pull(A)
    assert Walk(rig.door.moves[-1].timestamp, A) == rig.door.moves[-1]


def test_a_wedged_leaf_stays_open_until_the_wedge_is_gone(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.door.wedge(True)
    rig.gate.unlock(A, 3.0)
    assert rig.door.pull(A)
    rig.clock.advance(60.0)
    assert rig.door.open
    rig.door.wedge(False)
    rig.clock.advance(3.0)
    assert not rig.door.open


def test_lamps_shine(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.gate.indicate(Lamp.GO)
    rig.clock.advance(0.1)
    assert rig.door.active("lamp_go")


def test_a_closed_door_does_nothing_more(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.gate.close()
    rig.gate.close()
    calls: tuple[Callable[[], object], ...] = (
        lambda: rig.gate.unlock(A, 1.0),
        lambda: rig.gate.read(Signal.DOOR),
        lambda: rig.gate.stop(on=True),
        lambda: rig.gate.indicate(Lamp.GO),
    )
    for call in calls:
        with pytest.raises(DeviceClosed):
            call()


def test_a_line_that_another_driver_has_is_named_and_none_is_kept(build: Callable[..., Rig]) -> None:
    rig = build()
    second = GpioDoor(rig.settings, rig.door.pin_factory, rig.clock)
    with pytest.raises(DeviceError, match=r"\[door\] lock_line: GPIO line 17 of /dev/gpiochip0 is in use"):
        second.open(rig.edges.append)
    rig.gate.close()
    second.open(rig.edges.append)
    second.close()


class RefusingLine:
    """An output whose write fails."""

    def on(self) -> None:
        raise OSError("gone")

    def off(self) -> None:
        raise OSError("gone")


def test_a_lock_line_that_refuses_is_not_believed_released() -> None:
    lock = Lock(RefusingLine(), holds=False)
    with pytest.raises(OSError, match="gone"):
        lock.ask(A, released=True)
    assert lock._asking == set()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"lock": "magnet"}, "nobody could leave"),
        ({"rex": 5}, "given twice: as door and as rex"),
        ({"lock_line": 22}, "given twice: as lock_line and as lamp_go"),
    ],
)
def test_wiring_that_cannot_work_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DoorSettings(**values)


def test_a_weak_lock_says_so_and_a_mended_one_holds_again_for_good(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.door.weaken(True)
    rig.clock.advance(5.0)
    assert rig.told(Signal.SECURE) == [False]
    rig.door.weaken(False)
    rig.clock.advance(60.0)
    assert rig.told(Signal.SECURE) == [False, True]


# Lines of their own, and the lock's relay


def test_each_line_may_be_wired_in_its_own_way(build: Callable[..., Rig]) -> None:
    own = {
        "lock_line": LineSettings(active_low=True),
        "rex": LineSettings(active_low=False, debounce=0.15),
        "fire": LineSettings(pull="none"),
    }
    rig = build(line=own)
    assert rig.levels()[-1] == 1, "inactive"
    pulls = [rig.door.pin_factory.pin(getattr(rig.settings, name)).pull for name in ("rex", "fire", "key")]
    assert pulls == ["down", "floating", "up"]
    rig.door.press_rex(0.12)
    rig.clock.advance(1.0)
    assert rig.told(Signal.REX) == [], "shorter than its debounce"
    rig.door.press_rex(0.4)
    rig.door.press_fire(True)
    rig.clock.advance(1.0)
    assert rig.told(Signal.REX) == [True, False]
    assert rig.told(Signal.FIRE) == [True]
    rig.gate.unlock(A, 1.0)
    assert rig.levels()[-1] == 0
    assert rig.is_released()


def relay(rig: Rig) -> list[str | None]:
    return [edge.cause for edge in rig.edges if edge.signal is Signal.RELAY_A]


@pytest.mark.parametrize("lock", ["strike", "magnet"])
def test_a_lock_whose_relay_obeys_is_nothing(build: Callable[..., Rig], lock: str) -> None:
    rig = build(lock=lock, readback=26)
    for side in Side:
        rig.gate.unlock(side, 5.0)
        rig.clock.advance(1.0)
        rig.gate.hold(side, on=True)
    rig.clock.advance(20.0)
    for side in Side:
        rig.gate.hold(side, on=False)
    rig.clock.advance(1.0)
    assert relay(rig) == []
    assert rig.gate.read(Signal.RELAY_A) is False
    assert rig.gate.read(Signal.RELAY_B) is None, "there is one lock"


@pytest.mark.parametrize(
    ("lock", "closed", "cause"),
    [("strike", True, "welded"), ("strike", False, "dead"), ("magnet", True, "welded"), ("magnet", False, "dead")],
)
def test_a_lock_whose_relay_does_not_obey_is_told(
    build: Callable[..., Rig],
    lock: str,
    closed: bool,  # noqa: FBT001
    cause: str,
) -> None:
    rig = build(lock=lock, readback=26)
    rig.door.stick_relay("lock_line", closed)
    if closed is (lock == "magnet"):
        rig.gate.unlock(A, 5.0)  # it is what it ought to be as long as nothing is asked of it
    rig.clock.advance(0.15)
    assert relay(rig) == []
    rig.clock.advance(0.1)
    assert relay(rig) == [cause]
    rig.door.stick_relay("lock_line", None)
    rig.clock.advance(0.5)
    assert relay(rig) == [cause, None]
