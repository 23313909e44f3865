"""What the link needs of the rooms it serves; the composition root joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from controller.record.entry import AckOutcome, Place, Stored


class OutboxPort(Protocol):
    """The events the campus does not have yet; `controller.record.outbox.Outbox` is one. Calls raise `StoreError`."""

    @property
    def depth(self) -> int:
        """How many there are."""
        ...

    @property
    def newest(self) -> Place:
        """The newest event's place, whether the campus has it or not."""
        ...

    async def pending(self, limit: int, after: Place | None = None) -> list[Stored]:
        """The oldest of them in order, at most `limit`; only those behind `after`."""
        ...

    async def acknowledge(self, epoch: int, seq: int, chain: str) -> AckOutcome:
        """Forget every entry of `epoch` up to `seq`, or say why not."""
        ...

    async def cursors(self) -> list[Place]:
        """The acknowledged mark of each epoch that is not done, and of the present one."""
        ...

    async def retire_epoch(self, epoch: int, reason: str) -> bool:
        """Give up an epoch whose places the campus knows otherwise."""
        ...


class CommandPort(Protocol):
    """Takes the campus' commands; `controller.orders.desk.CommandDesk` does."""

    async def take(self, payload: bytes, *, retained: bool) -> bytes | None:
        """Carry out a command, or not; the reply to be sent, or None for what deserves none."""
        ...


class DocumentsPort(Protocol):
    """Takes what the hub hands out; `controller.follow.roster.RosterDesk` does."""

    changed: asyncio.Event
    """Set when there is something new to report."""

    def offer(self, payload: bytes) -> None:
        """Take the hub's newest word, in place of the one before. Returns at once."""
        ...

    def reported(self) -> bytes:
        """The message that says what is installed."""
        ...


class LinkWatch:
    """Override what you want to count. All calls are on the loop's thread and must return at once."""

    def on_up(self, *, up: bool, broker: str) -> None:
        """This broker was reached or lost."""

    def on_trouble(self, reason: str) -> None:
        """The broker could not be reached, or a session ended; it is tried again."""

    def on_sent(self, count: int) -> None:
        """Events were published."""

    def on_refused(self, reason: str) -> None:
        """A message from the campus was refused."""
