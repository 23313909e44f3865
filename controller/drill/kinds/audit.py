"""The verdict on a rehearsal of a door or a barrier. What does not depend on the kind is the turnstile's own audit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from controller.drill.audit import Finding, every_grant_ends_once, journal_is_whole
from controller.drill.evidence import Evidence
from controller.drill.kinds.cast import STRANGERS
from controller.lane.effects import RecordKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from controller.drill.kinds.rehearsal import SceneLog, Traces
    from controller.record.entry import Stored

NEAR: Final = 0.2
"""Seconds by which a lock or an arm may follow its order: threads lie in between."""
EXACT: Final = frozenset(
    {
        RecordKind.GRANT.value,
        RecordKind.PASSAGE.value,
        RecordKind.TAILGATE.value,
        RecordKind.INTRUSION.value,
        RecordKind.REVERSE.value,
        RecordKind.FAULT.value,
        RecordKind.FAULT_CLEARED.value,
        RecordKind.WARNING.value,
        RecordKind.EMERGENCY.value,
        RecordKind.TAMPER.value,
    }
)
"""Kinds of records that a scene leaves as often as it says, and no more."""


def audit(traces: Traces) -> tuple[Finding, ...]:
    """Apply every rule."""
    return tuple(finding for rule in RULES for finding in rule(traces))


def nobody_met_trouble(traces: Traces) -> Iterator[Finding]:
    """Who may enter does, who may not does not, and the way out is free, as those who tried found it."""
    for log in traces.scenes:
        if log.trouble:
            yield Finding("trouble", log.trouble, visit=log.act.number)


def records_tell_the_scene(traces: Traces) -> Iterator[Finding]:
    """Each scene left the records that it must, and no alarm, fault or warning besides."""
    for log in traces.scenes:
        seen = Counter(told(row) for row in _rows_of(traces, log))
        wanted = Counter(log.act.expected)
        if missing := wanted - seen:
            yield Finding("record-missing", f"{log.act.scene.value}: no {', '.join(missing)}", visit=log.act.number)
        besides = Counter({token: count for token, count in (seen - wanted).items() if token.split(" ", 1)[0] in EXACT})
        if besides:
            yield Finding("record-besides", f"{log.act.scene.value}: {', '.join(besides)}", visit=log.act.number)


def grants_name_who_was_there(traces: Traces) -> Iterator[Finding]:
    """A grant names the person of its scene, and no stranger."""
    for log in traces.scenes:
        for row in _rows_of(traces, log):
            if row.entry.kind != RecordKind.GRANT.value:
                continue
            if log.act.scene in STRANGERS:
                yield Finding("stranger-let-in", f"granted as {row.entry.person}", visit=log.act.number)
            elif row.entry.person != log.act.person:
                text = f"{log.act.person} was granted as {row.entry.person}"
                yield Finding("wrong-person", text, visit=log.act.number)


def opening_needs_a_reason(traces: Traces) -> Iterator[Finding]:
    """The lock or the arm opens for an order alone; each order to let in had its own grant on disk.

    A reason besides a grant: fire, and somebody inside who asks to leave. A barrier's driver may send its arm up, which
    is safe.
    """
    fires = [row.entry.monotonic for row in traces.journal if row.entry.kind == RecordKind.EMERGENCY.value]
    unlocks = [order for order in traces.orders if order.unlocks]
    for number, order in enumerate(unlocks, start=1):
        if order.grants_on_disk < number:
            text = f"opened at {order.at:.3f} s with {order.grants_on_disk} grants on disk, not {number}"
            yield Finding("opened-before-disk", text, visit=_act_at(traces, order.at))
    spare = traces.reversals
    for at in traces.opened:
        ordered = any(-NEAR <= at - order.at <= NEAR for order in traces.orders)
        burning = any(abs(at - fire) <= NEAR for fire in fires)
        asked = any(0 <= at - one <= NEAR for one in traces.asked)
        if ordered or burning or asked:
            continue
        spare -= 1
        if spare < 0:
            yield Finding("opened-unordered", f"opened at {at:.3f} s without an order", visit=_act_at(traces, at))


def nothing_is_under_a_closing_arm(traces: Traces) -> Iterator[Finding]:
    """The arm was never sent down on anything, and never came down on anything."""
    for at in traces.closed_on:
        yield Finding("closed-on-something", f"sent down at {at:.3f} s on something", visit=_act_at(traces, at))
    for at in traces.hits:
        yield Finding("hit", f"came down on something at {at:.3f} s", visit=_act_at(traces, at))


def shared_rules(traces: Traces) -> Iterator[Finding]:
    """The journal is whole, and every grant has one end: the turnstile's rules as they are."""
    evidence = Evidence(
        visits=(),
        relay=(),
        arm=(),
        journal=traces.journal,
        reported=traces.reported,
        unwritten=traces.unwritten,
        readings=(),
        refused_twice={},
        latencies=(),
        complete=traces.complete,
    )
    yield from journal_is_whole(evidence)
    yield from every_grant_ends_once(evidence)


RULES: Final[tuple[Callable[[Traces], Iterator[Finding]], ...]] = (
    nobody_met_trouble,
    records_tell_the_scene,
    grants_name_who_was_there,
    opening_needs_a_reason,
    nothing_is_under_a_closing_arm,
    shared_rules,
)


def told(row: Stored) -> str:
    """A record in the words of `cast.EXPECTED`."""
    detail = row.entry.detail
    match row.entry.kind:
        case RecordKind.PASSAGE.value:
            return f"passage {detail.get('direction')} {detail.get('outcome')}"
        case RecordKind.FAULT.value | RecordKind.FAULT_CLEARED.value:
            return f"{row.entry.kind} {detail.get('fault')}"
        case RecordKind.WARNING.value | RecordKind.DENY.value:
            return f"{row.entry.kind} {detail.get('reason')}"
        case kind:
            return kind


def _rows_of(traces: Traces, log: SceneLog) -> list[Stored]:
    return [row for row in traces.journal if log.begin <= row.entry.monotonic < log.end]


def _act_at(traces: Traces, at: float) -> int | None:
    return next((log.act.number for log in traces.scenes if log.begin <= at < log.end), None)
