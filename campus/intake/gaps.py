"""Notices by itself that events of a gate stay away, asks the gate to send again, and says when that does not help.

Two signs: events wait behind a gap, or the gate tells of events that do not come. Either counts only while the gate's
mark stands still: a gate that catches up, live events before back-fill, has gaps that close by themselves. The request
is the acknowledgement that repeats the mark (docs/mqtt.md); it goes out less and less often, and to gates that are
online, as it is kept for nobody. A gap that stays open is an alert, in the log, over REST and in the metrics.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import msgspec
import sqlalchemy as sa
import structlog

from campus import tables
from campus.errors import HubStoreError
from campus.intake.store import Mark, Place
from controller.link.messages import Online, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database
    from campus.intake.ingest import Commit

LOOKS = 4
"""Looks at the database in the time that is patience."""
AT_ONCE = 50
"""Requests of one look at most; who was not asked comes first the next time."""

Seconds = Annotated[float, msgspec.Meta(gt=0)]

log = structlog.stdlib.get_logger("hub")


class GapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gaps]`: when a gate is asked to send again."""

    patience: Seconds = 20.0
    """Seconds for which a mark may stand still; the pause between requests, which doubles."""
    longest_pause: Seconds = 600.0
    """Seconds between two requests at most."""
    alert_after: Seconds = 600.0
    """Seconds after which a gap that was asked for is an alert."""


class Gap(NamedTuple):
    """Events of (gate, epoch) that stay away; the first of them where there are several gaps."""

    gate: str
    epoch: str
    first: int
    last: int | None
    """None: what comes behind is not known; the gate tells of events and none comes."""
    found: float
    """Unix seconds."""
    asked: int
    """Times the gate was asked."""
    asked_at: float | None
    alerted: float | None


@dataclass(slots=True)
class _Known:
    """What a gate said last of itself, and when its marks moved."""

    online: bool = False
    outbox: int = 0
    told: float = 0.0
    """When it said so."""
    epoch: str | None = None
    """The one it sends of."""
    moved: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By epoch: the mark, and since when it stands there."""


class GapDetector:
    """Watches the gates that one intake serves.

    Args:
        database: where events and marks lie.
        settings: when it asks.
        ask: sends acknowledgements; whether it could.
    """

    def __init__(
        self, database: Database, settings: GapSettings, ask: Callable[[Sequence[Mark]], Awaitable[bool]]
    ) -> None:
        self._database = database
        self._settings = settings
        self._ask = ask
        self._gates: dict[str, _Known] = {}

    def forget(self) -> None:
        """Begin anew: gates say again what they are, and what they have, when somebody listens to them."""
        self._gates.clear()

    def committed(self, commit: Commit) -> None:
        """Note what the intake has stored; fits `Ingest(on_commit=...)`."""
        now = commit.received
        for incoming in commit.batch:
            known = self._gates.setdefault(incoming.gate, _Known())
            if isinstance(incoming.message, Online):
                known.online = incoming.message.online
                known.epoch = next((cursor.epoch for cursor in incoming.message.cursors), known.epoch)
            elif isinstance(incoming.message, State):
                known.outbox, known.told = incoming.message.outbox, now
            else:
                known.epoch = incoming.message.epoch
        for mark in commit.marks:
            self._move(self._gates.setdefault(mark.gate, _Known()), mark, now)

    async def run(self) -> NoReturn:
        """Look, and ask, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.patience / LOOKS)
            try:
                await self.look(time.time())
            except HubStoreError as error:
                log.warning("gaps could not be looked for", error=str(error))

    async def look(self, now: float) -> list[Mark]:
        """Look once, and ask whom it is time to ask; what was asked. Raises `HubStoreError`."""
        async with self._database.transaction() as query:
            ends = await self._ends(query)
            marks = await self._marks(query, ends)
            before = {(gap.gate, gap.epoch): gap for gap in await gaps(query, self._gates)}
        found = self._stalled(ends, marks, before, now)
        due = sorted((gap for gap in found.values() if self._due(gap, now)), key=lambda gap: gap.asked)[:AT_ONCE]
        asked = [marks[gap.gate, gap.epoch] for gap in due]
        if asked and not await self._ask(asked):
            return []
        found |= {(gap.gate, gap.epoch): gap._replace(asked=gap.asked + 1, asked_at=now) for gap in due}
        async with self._database.transaction() as query:
            await self._keep(query, before, found)
        return asked

    async def _ends(self, query: AsyncConnection) -> dict[Place, int | None]:
        """Where something may be missing, with the number of what waits behind; None where nothing does."""
        pending = tables.pending.c
        first = sa.select(pending.gate, pending.epoch, sa.func.min(pending.seq)).group_by(pending.gate, pending.epoch)
        found: dict[Place, int | None] = {
            (row[0], row[1]): row[2] for row in await query.execute(first) if row[0] in self._gates
        }
        for name, known in self._gates.items():
            # A request is for everything that the gate has to send: one is enough.
            if known.outbox and known.epoch is not None and not any(gate == name for gate, _ in found):
                found[name, known.epoch] = None
        return found

    async def _marks(self, query: AsyncConnection, places: Iterable[Place]) -> dict[Place, Mark]:
        mark = tables.mark
        wanted = sa.select(*(mark.c[name] for name in Mark._fields)).where(
            sa.tuple_(mark.c.gate, mark.c.epoch).in_(list(places))
        )
        return {(row.gate, row.epoch): Mark(*row) for row in await query.execute(wanted)}

    def _stalled(
        self, ends: Mapping[Place, int | None], marks: Mapping[Place, Mark], known: Mapping[Place, Gap], now: float
    ) -> dict[Place, Gap]:
        """What stays away: gaps as they are known, or found now."""
        found = {}
        for place, mark in marks.items():
            gate = self._gates[mark.gate]
            since = self._move(gate, mark, now)
            behind = ends[place]
            # What a gate told while any of its marks moved may be over by now.
            told = gate.told - max(moved for _, moved in gate.moved.values())
            if (told if behind is None else now - since) < self._settings.patience:
                continue
            gap = Gap(mark.gate, mark.epoch, mark.seq + 1, None if behind is None else behind - 1, now, 0, None, None)
            before = known.get(place)
            if before is not None and before.first == gap.first:
                gap = before._replace(last=gap.last)
            if gap.alerted is None and gap.asked and now - gap.found >= self._settings.alert_after:
                gap = gap._replace(alerted=now)
            found[place] = gap
        return found

    def _move(self, known: _Known, mark: Mark, now: float) -> float:
        """Since when the mark stands where it is."""
        seq, since = known.moved.get(mark.epoch, (-1, now))
        if seq != mark.seq:
            known.moved[mark.epoch] = mark.seq, now
            return now
        return since

    def _due(self, gap: Gap, now: float) -> bool:
        if not self._gates[gap.gate].online:
            return False
        pause = min(self._settings.patience * 2.0 ** max(0, gap.asked - 1), self._settings.longest_pause)
        return gap.asked_at is None or now - gap.asked_at >= pause

    async def _keep(self, query: AsyncConnection, before: Mapping[Place, Gap], now: Mapping[Place, Gap]) -> None:
        """Write down what is new of the gaps, and tell the log."""
        table = tables.gap
        for place in before.keys() - now.keys():
            log.info("gap closed", gate=place[0], epoch=place[1])
        for place, gap in now.items():
            old = before.get(place)
            told = {"gate": gap.gate, "epoch": gap.epoch, "first": gap.first, "last": gap.last}
            if old is None or old.first != gap.first:
                log.info("gap", **told)
            if gap.alerted is not None and (old is None or old.alerted is None):
                log.warning("gap stays open", asked=gap.asked, **told)
        gone = [place for place, gap in before.items() if now.get(place) != gap]
        if gone:
            await query.execute(sa.delete(table).where(sa.tuple_(table.c.gate, table.c.epoch).in_(gone)))
        fresh = [gap._asdict() for place, gap in now.items() if before.get(place) != gap]
        if fresh:
            await query.execute(table.insert(), fresh)


async def gaps(query: AsyncConnection, gates: Iterable[str]) -> list[Gap]:
    """What stays away from these gates, the oldest first."""
    gap = tables.gap
    wanted = sa.select(gap).where(gap.c.gate.in_(list(gates))).order_by(gap.c.found, gap.c.gate, gap.c.epoch)
    return [Gap(*row) for row in await query.execute(wanted)]
