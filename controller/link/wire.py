"""Journal entries as messages. The same entry gives the same bytes each time it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from msgspec import UNSET

from controller.link.messages import ClockState, Cursor, EventMessage, Online, epoch_text, event_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.record.entry import Place, Stored

_CLOCKS = ("synchronised", "unsynchronised", "unknown")


def event_message(gate: str, stored: Stored) -> EventMessage:
    """The message for a journal entry of `gate`."""
    entry = stored.entry
    epoch = epoch_text(stored.epoch)
    return EventMessage(
        id=event_id(gate, epoch, stored.seq),
        epoch=epoch,
        seq=stored.seq,
        boot_id=stored.boot_id,
        time=entry.wall,
        monotonic=entry.monotonic,
        clock=cast("ClockState", entry.clock) if entry.clock in _CLOCKS else "unknown",
        type=entry.kind,
        chain=stored.chain,
        grant_id=entry.grant_id,
        person=entry.person,
        detail=dict(entry.detail),
        thinned=UNSET if stored.thinned is None else stored.thinned,
    )


def birth(boot_id: str, cursors: Iterable[Place]) -> Online:
    """The message of a gate that has come: who it is, and what it will not send again."""
    marks = [Cursor(epoch=epoch_text(epoch), acked=acked) for epoch, acked in cursors]
    return Online(online=True, boot_id=boot_id, cursors=marks)
