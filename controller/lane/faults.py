"""Devices that go and come back, relays that don't obey, a barrier that isn't home, a journal that can't be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from controller.lane import contacts, egress, visit
from controller.lane.effects import RecordKind
from controller.lane.facts import LATCHED
from controller.lane.model import Direction, FaultKind
from controller.lane.orders import clear_faults, raise_fault
from controller.lane.states import State, Timer

if TYPE_CHECKING:
    from controller.lane.core import Core
    from controller.lane.events import (
        DeviceBack,
        DeviceLost,
        Home,
        JournalFailed,
        Mains,
        RelayMismatch,
        SelfTested,
        TimerFired,
    )

_RELAYS = {
    "door": dict.fromkeys(Direction, "lock"),
    "barrier": {Direction.ENTRY: "open", Direction.EXIT: "close"},
}
"""What the relay of a side is where it is no direction's."""


def lose(core: Core, event: DeviceLost) -> None:
    """Go on without a device; whoever has a grant may still use it."""
    raise_fault(core, event.fault, event.cause)
    _end_claim(core, event.fault)


def note_test(core: Core, event: SelfTested) -> None:
    """Put a sensor's test into the record."""
    core.record(RecordKind.SELF_TEST, {"passed": event.passed, **event.detail})


def regain(core: Core, event: DeviceBack) -> None:
    """Rely on a device again. A latched fault waits for its reset all the same."""
    if event.fault is FaultKind.PASS_STUCK:
        for direction in Direction:
            contacts.trust(core, direction)
    elif event.fault not in LATCHED:
        clear_faults(core, frozenset({event.fault}), {})
        _end_claim(core, event.fault)


def _end_claim(core: Core, fault: FaultKind) -> None:
    """A card presented with a camera, or without one, was taken by other rules than hold now."""
    if fault is FaultKind.CAMERA:
        core.claim = None


def distrust(core: Core, event: RelayMismatch) -> None:
    """Shut the entry with STOP, as a lock that doesn't obey can't be trusted; in an emergency open it again.

    A relay that obeys again ends nothing by itself: its contact may stick the next time. It may be reset then.
    """
    if not event.stands:
        core.change(disobeying=core.facts.disobeying - {event.direction})
        return
    core.change(disobeying=core.facts.disobeying | {event.direction})
    relay = _RELAYS.get(core.settings.kind, {}).get(event.direction, event.direction.value)
    cause = None if event.cause is None else f"{relay}_relay_{event.cause}"
    raise_fault(core, FaultKind.RELAY, cause)
    if core.facts.emergency:
        core.hold_everything()


def note_mains(core: Core, event: Mains) -> None:
    """Go on without mains, for as long as the battery lasts, and have everybody know."""
    if event.present:
        clear_faults(core, frozenset({FaultKind.MAINS}), {})
    else:
        raise_fault(core, FaultKind.MAINS, "on_battery")


def note_home(core: Core, event: Home) -> None:
    """Wait for the barrier to come home, or be content that it is."""
    if event.ready:
        core.cancel(Timer.NOT_HOME)
        core.away = False
        clear_faults(core, frozenset({FaultKind.NOT_HOME}), {})
    elif not core.away:
        core.away = True
        core.arm(Timer.NOT_HOME, core.settings.not_home)


def miss_home(core: Core, _event: TimerFired) -> None:
    """Admit nobody to a lane whose barrier isn't home."""
    raise_fault(core, FaultKind.NOT_HOME)


def fail_record(core: Core, event: JournalFailed) -> None:
    """Take back what waited for a record that can't be written: a grant, or an order that opens.

    Nothing here insists on a record of its own, or a dead disk would keep the lane busy for ever.
    """
    if FaultKind.JOURNAL in core.facts.tolerated:
        raise_fault(core, FaultKind.JOURNAL)
        return
    if core.undo is not None:
        # What became of the exit was done before the record was tried, and stays.
        entry, leave = core.undo.free & {Direction.ENTRY}, core.facts.free & {Direction.EXIT}
        core.facts = replace(core.undo, free=entry | leave)
        return
    direction = next((way for way, grant in core.grants.items() if grant.grant_id == event.grant_id), None)
    if direction is Direction.ENTRY and core.state is State.GRANTED:
        visit.revoke_unrecorded(core)
    elif direction is Direction.EXIT and not core.leaving:
        egress.revoke_unrecorded(core)


def end_alarm(core: Core, _event: TimerFired) -> None:
    """Stop showing the alarm."""
    core.alarm_over()
