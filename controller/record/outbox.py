"""The outbox: the part of the journal that the campus does not have yet. It is forgotten on the campus' word only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.record.entry import AckOutcome, Place, Stored
    from controller.record.ledger import Ledger

T = TypeVar("T")


class Ask(Protocol):
    """Runs a job on the journal's thread, for a bounded time. Raises `StoreError`."""

    def __call__(self, job: Callable[[], T]) -> Awaitable[T]:
        """Return what the job returns."""
        ...


class Outbox:
    """Entries on their way to the campus. All calls raise `StoreError` when the disk fails or does not answer."""

    def __init__(self, ledger: Ledger, ask: Ask) -> None:
        self._ledger = ledger
        self._ask = ask

    @property
    def depth(self) -> int:
        """Entries the campus does not have yet."""
        return self._ledger.depth

    @property
    def newest(self) -> Place:
        """The newest entry's place, whether the campus has it or not."""
        return self._ledger.newest

    async def pending(self, limit: int, after: Place | None = None) -> list[Stored]:
        """The oldest entries the campus does not have, in order, at most `limit`, all of one epoch.

        With `after`, only those behind that place; earlier epochs come before later ones.
        """
        return await self._ask(partial(self._ledger.pending, limit, after))

    async def acknowledge(self, epoch: int, seq: int, chain: str) -> AckOutcome:
        """Forget what the campus says it has: every entry of `epoch` up to `seq`, whose chain value is `chain` (hex).

        Refused, with the reason as the value, unless the place is known here and the chain value is ours.
        """
        return await self._ask(partial(self._ledger.acknowledge, epoch, seq, chain))

    async def cursors(self) -> list[Place]:
        """The acknowledged mark of each epoch that is not done, and of the present one, oldest first."""
        return await self._ask(self._ledger.cursors)

    async def retire_epoch(self, epoch: int, reason: str) -> bool:
        """Give up an epoch whose places the campus knows otherwise; whether there was anything to do.

        What was not acknowledged of it is written again in another epoch. For a restored or cloned card.
        """
        return await self._ask(partial(self._ledger.retire_epoch, epoch, reason))
