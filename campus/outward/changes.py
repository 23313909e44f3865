"""The change feed: what happened at the gates, numbered in the order in which it can be read.

Intakes COMMIT in any order; a number that a sequence hands out could come to light after a higher one, and whoever
reads on from the higher one would never see it. So positions come from one row, which is locked from then until the
COMMIT: who sees a position has everything before it. A transaction takes them last, to hold that lock shortly.

Nothing here tells of anybody's health: of a fever it says that there is one, with the number of the ticket.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from campus.outward.tables import change, change_head

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.intake.dating import Moment
    from controller.link.messages import EventMessage

CHANNEL = "thermogate_change"
"""What PostgreSQL notifies at the COMMIT of a change; its payload is empty."""
Kind = Literal["passage", "alert", "health"]
LOOKED_UP = 500
"""Ids of one query."""
PASSAGE = "passage"
ALERTS = frozenset(
    {"emergency", "fault", "fault_cleared", "intrusion", "reverse", "self_test", "tailgate", "tamper", "warning"}
)
"""Types of events that are alerts."""
PASSAGE_KEYS = ("seconds", "cause")
"""What a passage's change keeps of its event's detail, beside direction and outcome."""


class Change(NamedTuple):
    """Something to tell, before it has a position."""

    id: str
    kind: Kind
    type: str
    happened: float
    """Unix seconds."""
    dated: bool
    """The gate told when, by its clock then or later; else it is when the hub heard of it."""
    received: float
    """Unix seconds by the hub's clock."""
    gate: str | None = None
    person: str | None = None
    direction: str | None = None
    outcome: str | None = None
    detail: Mapping[str, Any] = {}
    revision: int = 1
    """2: told again, as the gate's time became known later; but for `happened` and `dated` as it was."""

    @property
    def message_id(self) -> str:
        """Unlike `id` another one for each revision: who drops what they have had takes both."""
        return self.id if self.revision == 1 else f"{self.id}.{self.revision}"


class Positioned(NamedTuple):
    """A change and its place."""

    position: int
    change: Change


def of_event(gate: str, event: EventMessage, received: float, moment: Moment) -> Change | None:
    """What an event has to tell; None: nothing."""
    when = moment.time, moment.dated
    detail = event.detail
    if event.type == PASSAGE:
        told = {key: detail[key] for key in PASSAGE_KEYS if detail.get(key) is not None}
        direction, outcome = (_word(detail.get(key)) for key in ("direction", "outcome"))
        return Change(
            event.id, "passage", PASSAGE, *when, received, gate, event.person, direction, outcome, detail=told
        )
    if event.type in ALERTS:
        return Change(event.id, "alert", event.type, *when, received, gate, event.person, detail=detail)
    return None


def _word(value: object) -> str | None:
    """A gate's word for a column of text, which has no character 0."""
    return None if value is None else str(value).replace("\0", "")


def of_ticket(gate: str, event: EventMessage, received: float, moment: Moment, ticket: int) -> Change:
    """That somebody is to see the doctor; who, the ticket says to those who may read it."""
    when = moment.time, moment.dated
    return Change(event.id, "health", "fever", *when, received, gate, detail={"ticket": ticket})


async def again(query: AsyncConnection, moments: Mapping[str, Moment]) -> list[Change]:
    """What the feed has told of these events, by id, as it is to be told now that they are dated."""
    found = []
    ids = list(moments)
    for start in range(0, len(ids), LOOKED_UP):
        wanted = sa.select(change).where(change.c.id.in_(ids[start : start + LOOKED_UP]), ~change.c.dated)
        for row in await query.execute(wanted.order_by(change.c.position)):
            told = _read(row)
            moment = moments[told.id]
            found.append(told._replace(happened=moment.time, dated=moment.dated, revision=told.revision + 1))
    return found


async def append(query: AsyncConnection, changes: Sequence[Change]) -> None:
    """Add to the feed in the transaction of `query`; the last that it does."""
    if not changes:
        return
    step = sa.update(change_head).values(position=change_head.c.position + len(changes))
    last = (await query.execute(step.returning(change_head.c.position))).scalar_one()
    rows = [
        one._asdict() | {"position": position, "detail": msgspec.json.encode(one.detail).decode()}
        for position, one in enumerate(changes, start=last - len(changes) + 1)
    ]
    await query.execute(change.insert(), rows)
    if query.dialect.name == "postgresql":
        await query.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


async def known(query: AsyncConnection, ids: Iterable[str]) -> set[str]:
    """Those of these ids that the feed has told of."""
    ids = list(ids)
    if not ids:
        return set()
    return set((await query.execute(sa.select(change.c.id).where(change.c.id.in_(ids)))).scalars())


async def head(query: AsyncConnection) -> int:
    """The last position; 0 while there is none."""
    return int((await query.execute(sa.select(change_head.c.position))).scalar_one())


async def first(query: AsyncConnection) -> int:
    """The first position that is still kept; the one to come while none is."""
    kept = (await query.execute(sa.select(sa.func.min(change.c.position)))).scalar()
    return await head(query) + 1 if kept is None else int(kept)


async def after(query: AsyncConnection, position: int, kinds: Collection[str], limit: int) -> list[Positioned]:
    """What comes behind `position`, in order."""
    wanted = sa.select(change).where(change.c.position > position, change.c.kind.in_(kinds))
    rows = await query.execute(wanted.order_by(change.c.position).limit(limit))
    return [Positioned(row.position, _read(row)) for row in rows]


def _read(row: sa.Row[*tuple[Any, ...]]) -> Change:
    values = row._asdict()
    del values["position"]
    return Change(**values | {"detail": msgspec.json.decode(row.detail)})


def document(one: Change) -> dict[str, Any]:
    """A change as the feed and webhooks tell it."""
    return {
        "id": one.id,
        "revision": one.revision,
        "kind": one.kind,
        "type": one.type,
        "time": _moment(one.happened),
        "dated": one.dated,
        "received": _moment(one.received),
        "gate": one.gate,
        "person": one.person,
        "direction": one.direction,
        "outcome": one.outcome,
        "detail": one.detail,
    }


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
