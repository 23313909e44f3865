"""What overrides the visits: start-up, fire, the guard's key, and orders from the guard or the campus.

An order that makes safe acts before its record, one that opens acts after it (see `machine`). Whatever shuts the entry
ends FREE for good, so that lifting a lockdown or a reset never swings a gate open: FREE has to be ordered anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import contacts
from controller.lane.effects import RecordKind
from controller.lane.facts import LATCHED, Phase
from controller.lane.model import Direction, FaultKind

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import (
        Booted,
        Command,
        FireAlarm,
        Lockdown,
        Maintenance,
        MechanicalKey,
        ResetEmergency,
        SelfTestFailed,
        SelfTestPassed,
        SetFree,
        Tamper,
    )

_NO_ENTRY = frozenset({Direction.ENTRY})


def start(core: Core, event: Booted) -> None:
    """Begin the self-test, with the alarms of before; a second start is nothing."""
    if core.facts.phase is Phase.BOOT:
        core.change(phase=Phase.SELFTEST)
        core.alarms.update(dict.fromkeys(event.alarms, False))


def pass_test(core: Core, _event: SelfTestPassed) -> None:
    """Come into service. A contact that is active already can't be a passage: nobody was let through."""
    if core.facts.phase is Phase.SELFTEST:
        for direction in sorted(core.contacts, key=lambda direction: direction.value):
            contacts.distrust(core, direction)
    if core.facts.phase is not Phase.BOOT:
        begun = core.facts.phase is Phase.SELFTEST
        core.change(phase=Phase.READY)
        clear_faults(core, frozenset({FaultKind.SELF_TEST}), {})
        core.effects.remind = begun


def fail_test(core: Core, event: SelfTestFailed) -> None:
    """Come up out of service."""
    begun = core.facts.phase is Phase.SELFTEST
    if core.facts.phase is not Phase.BOOT:
        core.change(phase=Phase.READY)
    raise_fault(core, event.fault)
    core.effects.remind = begun


def raise_fault(core: Core, fault: FaultKind, cause: str | None = None) -> None:
    """Note a fault, once. One that shuts the entry ends FREE as well."""
    if fault is FaultKind.PASS_STUCK:
        for direction in Direction:
            contacts.distrust(core, direction)
        return
    if fault in core.facts.faults:
        return
    core.change(faults=core.facts.faults | {fault})
    if fault in LATCHED:
        core.change(free=core.facts.free - _NO_ENTRY)
    detail: dict[str, Scalar] = {"fault": fault.value} | ({} if cause is None else {"cause": cause})
    lived_with = fault in core.facts.tolerated and fault not in core.facts.denying
    core.record(RecordKind.FAULT, detail | ({"degraded": True} if lived_with else {}))


def alarm_fire(core: Core, event: FireAlarm) -> None:
    """Free both ways and stay so; the end of the alarm changes nothing until someone resets it."""
    changed = event.active != core.facts.fire_line
    if event.active:
        core.change(fire_line=True, emergency=True, free=frozenset())
        core.hold_everything()
    else:
        core.change(fire_line=False)
    if changed:
        core.record(RecordKind.EMERGENCY, {"active": event.active, "source": "fire_line"})


def turn_key(core: Core, event: MechanicalKey) -> None:
    """Give the lane to the guard's key, or take it back."""
    if event.active != core.facts.key:
        core.change(key=event.active)
        core.record(RecordKind.COMMAND, {"command": "mechanical_key", "active": event.active, "actor": "key"})


def tamper(core: Core, event: Tamper) -> None:
    """Record the housing's contact; in maintenance it is open on purpose."""
    core.record(RecordKind.TAMPER, {"active": event.active})
    core.change(tampered=event.active)
    if event.active and not core.facts.maintenance:
        core.alarm("tamper")


def lock_down(core: Core, event: Lockdown) -> None:
    """Shut the entry, or end that."""
    _order(core, event, "lockdown", {"active": event.active, "accepted": True})
    core.change(lockdown=event.active, free=core.facts.free - _NO_ENTRY if event.active else core.facts.free)


def maintain(core: Core, event: Maintenance) -> None:
    """Take the lane out of service on purpose, or back."""
    _order(core, event, "maintenance", {"active": event.active, "accepted": True})
    core.change(maintenance=event.active, free=core.facts.free - _NO_ENTRY if event.active else core.facts.free)


def set_free(core: Core, event: SetFree) -> None:
    """Free or restore each way. Freeing the entry is refused where something shuts it, the exit never."""
    refused = core.facts.admission_bar if event.entry else None
    if event.entry and refused is None and core.interlocked and Direction.ENTRY not in core.facts.free:
        refused = "interlock"
    detail: dict[str, Scalar] = {"entry": event.entry, "exit": event.exit, "accepted": refused is None}
    _order(core, event, "set_free", detail | ({} if refused is None else {"refused": refused}))
    if core.facts.emergency:
        return
    entry = event.entry if refused is None else Direction.ENTRY in core.facts.free
    wanted = {Direction.ENTRY: entry, Direction.EXIT: event.exit}
    core.change(free=frozenset(direction for direction, free in wanted.items() if free))


def reset(core: Core, event: ResetEmergency) -> None:
    """End the latched opening and the latched faults; refused while their cause stands, or where nothing is latched."""
    refused: str | None = None
    if core.facts.fire_line:
        refused = "fire_line"
    elif not core.facts.emergency and not core.facts.resettable:
        refused = "relay_disobeys" if core.facts.latched else "nothing_to_reset"
    _order(core, event, "reset", {"accepted": False, "refused": refused} if refused else {"accepted": True})
    if refused is None:
        core.change(emergency=False)
        clear_faults(core, core.facts.resettable, {"actor": event.actor})


def clear_faults(core: Core, faults: frozenset[FaultKind], detail: dict[str, Scalar]) -> None:
    """Note the end of those faults that stand."""
    for fault in sorted(faults & core.facts.faults, key=lambda fault: fault.value):
        core.record(RecordKind.FAULT_CLEARED, {"fault": fault.value, **detail})
    core.change(faults=core.facts.faults - faults)


def _order(core: Core, event: Command, command: str, detail: dict[str, Scalar]) -> None:
    core.record(RecordKind.COMMAND, {"command": command, "actor": event.actor, **detail})
