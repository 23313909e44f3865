"""What gates are told of each other's passages: those that a neighbour's anti-passback may ask about, and no others.

A gate never waits for this. What comes late, twice or never makes its anti-passback softer (docs/access-policy.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from campus.policy.muster import points_of_gates
from controller.lane.access.document import from_json
from controller.lane.effects import RecordKind
from controller.lane.model import Direction, Outcome
from controller.link.messages import EventMessage, Passed, Peers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from campus.database import Database
    from campus.intake.store import Incoming
    from campus.policy.versions import Policies
    from controller.lane.access.document import Document
    from controller.link.peers import PeersSigner

FRESH: Final = 600.0
"""Seconds after which a passage is no news."""
MOST: Final = 200
"""Passages in one message."""


class PeerNews:
    """Picks what each gate is told of a batch of events.

    Args:
        database: where gates are.
        policies: say what concerns whom.
        signer: makes the messages.
    """

    def __init__(self, database: Database, policies: Policies, signer: PeersSigner) -> None:
        self._database = database
        self._policies = policies
        self._signer = signer
        self._document: tuple[int, Document] | None = None

    async def messages(self, batch: Sequence[Incoming], now: float) -> list[tuple[str, bytes]]:
        """What is to be published, and for which gate, in this order. `now`: Unix seconds. Raises `HubStoreError`."""
        told = await self.of(batch, now)
        return [
            (gate, message)
            for gate, peers in told.items()
            for message in self._signer.messages(gate, peers.passed, now)
        ]

    async def of(self, batch: Sequence[Incoming], now: float) -> dict[str, Peers]:
        """By gate; empty where nobody has to hear. `now`: Unix seconds. Raises `HubStoreError`."""
        moved = [(one.gate, one.message) for one in batch if isinstance(one.message, EventMessage)]
        moved = [(gate, event) for gate, event in moved if _is_news(event, now)]
        if not moved:
            return {}
        async with self._database.transaction() as query:
            current = await self._policies.current(query)
            points = await points_of_gates(query)
        if current is None:
            return {}
        if self._document is None or self._document[0] != current[0]:
            self._document = (current[0], from_json(current[1], where="policy"))
        document = self._document[1]
        told = [(gate, passed) for gate, event in moved if (passed := _told(document, points, gate, event)) is not None]
        found = {}
        for gate, point in points.items():
            heard = [one for other, one in told if other != gate and _concerns(document, point, one.point)]
            if heard:
                found[gate] = Peers(passed=heard[-MOST:])
        return found


def _is_news(event: EventMessage, now: float) -> bool:
    completed = event.type == RecordKind.PASSAGE.value and event.detail.get("outcome") == Outcome.COMPLETED.value
    return completed and event.clock == "synchronised" and abs(now - event.time) < FRESH


def _told(document: Document, points: dict[str, str], gate: str, event: EventMessage) -> Passed | None:
    point, way = points.get(gate, gate), event.detail.get("direction")
    if point not in document.points or way not in {one.value for one in Direction}:
        return None
    entered = way == Direction.ENTRY.value
    return Passed(point=point, direction="entry" if entered else "exit", time=event.time, person=event.person)


def _concerns(document: Document, point: str, passed: str) -> bool:
    """Whether a lane at `point` may have to know who went through `passed`: it asks who is in a zone of that one."""
    own, other = document.points.get(point), document.points[passed]
    return own is not None and own.anti_passback != "off" and own.to in {other.from_, other.to}
