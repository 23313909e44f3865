"""What the hub itself raises the alarm about: silent gates, lost devices, gaps, old rosters, certificates, removals.

Each condition that begins or ends is a change of the kind `alert`, so the feed, webhooks and mail tell it like any
other. What stands is kept in the database: a restart neither repeats an alert nor forgets to end it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import msgspec
import sqlalchemy as sa
import structlog

from campus import tables
from campus.errors import HubStoreError
from campus.gates.tables import gate_key, snapshot
from campus.gates.told import report_of, state_of
from campus.outward import changes
from campus.outward.tables import standing_alert
from campus.scim.tables import guard
from controller.link.certificates import WARN_DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database

LOOK = 10.0
"""Seconds between looks."""
LOST = frozenset({"lost", "failed"})
"""Healths of a device that are an alert."""
CERTIFICATE = "certificate"
"""What a gate calls its certificates among its devices: whatever is not well with them is an alert of its own."""

log = structlog.stdlib.get_logger("hub")
Seconds = Annotated[float, msgspec.Meta(ge=1, le=86_400)]


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[alerts]`, but for `[alerts.mail]`."""

    offline_after: Seconds = 180.0
    """Seconds of silence after which a gate is offline; it tells its state each minute."""
    roster_after: Seconds = 600.0
    """Seconds after which a gate should have installed what it was handed."""
    certificate_days: Annotated[float, msgspec.Meta(ge=1, le=365)] = WARN_DAYS
    """Days before one of the hub's certificates ends from which on it is an alert."""


class Condition(NamedTuple):
    """Something that is not as it should be."""

    type: str
    gate: str
    """Empty: the hub itself."""
    subject: str
    """Which device, epoch or document of the gate; empty: the gate itself."""
    reason: str = ""
    """In words."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, whatever the reason."""
        return self[:3]


class AlertWatch:
    """Looks after the campus.

    Args:
        database: where everything is.
        settings: `[alerts]`.
        started: Unix seconds since when the hub hears gates; who was silent before is given time.
        certificates: what is wrong with the hub's own, by name.
    """

    def __init__(
        self, database: Database, settings: WatchSettings, started: float, certificates: Mapping[str, str] = {}
    ) -> None:
        self._certificates = certificates
        self._database = database
        self._settings = settings
        self._started = started

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look(time.time())
            except HubStoreError as error:
                log.warning("alerts wait for the database", error=str(error))

    async def look(self, now: float) -> None:
        """Compare what is with what stands, and tell what began or ended."""
        async with self._database.transaction() as query:
            present = {one.key: one for one in [one async for one in self._conditions(query, now)]}
            standing = {tuple(row) for row in await query.execute(sa.select(*_KEY))}
            began, ended = present.keys() - standing, standing - present.keys()
            if began:
                rows = [dict(zip(standing_alert.c.keys(), (*key, now), strict=True)) for key in sorted(began)]
                await query.execute(standing_alert.insert(), rows)
            if ended:  # those that nobody else has ended since they were read
                gone = sa.delete(standing_alert).where(sa.tuple_(*_KEY).in_(list(ended)))
                ended = {tuple(row) for row in await query.execute(gone.returning(*_KEY))}
            told = [_change(present[key], now, active=True) for key in sorted(began)]
            told += [_change(Condition(*key), now, active=False) for key in sorted(ended)]
            await changes.append(query, told)

    async def _conditions(self, query: AsyncConnection, now: float) -> AsyncIterator[Condition]:
        for row in await query.execute(sa.select(tables.gate)):
            if now - max(row.seen, self._started) > self._settings.offline_after:
                yield Condition("gate_offline", row.gate, "")
            if row.state is not None:  # of a gate that is silent, what it said last
                for condition in _devices(row.gate, row.state):
                    yield condition
        for name, reason in self._certificates.items():
            yield Condition(CERTIFICATE, "", name, reason)
        gap = tables.gap
        for row in await query.execute(sa.select(gap).where(gap.c.alerted.is_not(None))):
            yield Condition("gap", row.gate, row.epoch, f"events from {row.first} on are missing")
        wanted = {row.kind: row.version for row in await query.execute(sa.select(snapshot.c.kind, snapshot.c.version))}
        for row in await query.execute(sa.select(gate_key).where(gate_key.c.revoked.is_(None))):
            for kind in self._behind(row.gate, row.reported, wanted, now):
                yield Condition("roster_lagging", row.gate, kind)
        if (await query.execute(sa.select(guard.c.tripped))).scalar() is not None:
            yield Condition("removals_refused", "", "scim", "too many at once: see thermogate-hub scim status")

    def _behind(self, gate: str, reported: bytes | None, wanted: dict[str, int], now: float) -> Iterator[str]:
        """Kinds of documents that this gate should have by now; versions are Unix milliseconds."""
        said = report_of(gate, reported).documents
        for kind, version in wanted.items():
            due = version / 1000 + self._settings.roster_after < now
            if due and (kind not in said or said[kind].version < version):
                yield kind


_KEY = standing_alert.c.type, standing_alert.c.gate, standing_alert.c.subject


def _devices(gate: str, payload: bytes) -> Iterator[Condition]:
    state = state_of(gate, payload)
    for device in () if state is None else state.devices:
        if device.name == CERTIFICATE:
            if device.health != "ok":
                yield Condition(CERTIFICATE, gate, device.name, device.reason)
        elif device.health in LOST:
            yield Condition("device_lost", gate, device.name, device.reason)


def _change(condition: Condition, now: float, *, active: bool) -> changes.Change:
    detail = {"active": active, "subject": condition.subject, "reason": condition.reason}
    told = {name: value for name, value in detail.items() if value != ""}
    return own_alert(condition.type, now, told, gate=condition.gate or None)


def own_alert(kind: str, now: float, detail: dict[str, object], *, gate: str | None = None) -> changes.Change:
    """An alert of the hub's own."""
    return changes.Change(f"hub-{secrets.token_hex(8)}", "alert", kind, now, True, now, gate, detail=detail)
