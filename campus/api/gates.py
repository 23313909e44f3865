"""`/gates`: what each gate said last of itself."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from campus.api import problems
from campus.api.auth import Data, HandedOut, allowed
from campus.api.problems import Problem
from campus.api.times import moment, moment_or_none
from campus.auth.roles import Actor, Permission
from campus.database import Database
from campus.gates import keys as gate_keys
from campus.gates.documents import Documents
from campus.gates.told import report_of, state_of
from campus.intake.store import HubStore
from controller.link.documents import Installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campus.gates.keys import GateKey
    from campus.intake.store import GateRow

router = APIRouter(prefix="/gates", tags=["gates"])

Reader = Annotated[Actor, allowed(Permission.GATES_READ)]


class DeviceState(BaseModel):
    """How one device of a gate is."""

    name: str
    health: str
    reason: str


class GateState(BaseModel):
    """What a gate says of itself."""

    time: dt.datetime | None
    """By its clock, of which `clock` says what is known."""
    clock: str
    lane: str
    fault: str | None
    outbox: int
    """Events that it has still to send."""
    version: str
    devices: list[DeviceState]


class InstalledDocument(BaseModel):
    """What a gate has of what the hub hands out, of one kind."""

    kind: str
    wanted: int
    """The version that it should have."""
    installed: int
    """The one that it has; 0: none."""
    error: str
    """Why it does not have the other, in the gate's words."""


class GateRoster(BaseModel):
    """What a gate has of the campus' people, templates and access policy."""

    lagging: bool
    """It does not have what it should, or says that something is wrong."""
    stale: bool
    """It heard nothing for so long that it lets nobody in."""
    error: str
    key: str
    """The key that it announces; an administrator compares it with the one that is pinned."""
    fresh_until: dt.datetime | None
    reported: dt.datetime | None
    """When the hub heard of it last; null: never."""
    documents: list[InstalledDocument]


class Gate(BaseModel):
    """One gate."""

    gate: str
    online: bool | None
    """Null: it has not said."""
    seen: dt.datetime | None
    """When the hub heard of it last; null: never."""
    events: int
    """Ever stored, those that were erased since among them."""
    missing: int
    """Events that are here ahead of others that are not."""
    state: GateState | None
    """Null: it has not said, or nothing that can be read."""
    roster: GateRoster | None
    """Null: it is given no people."""


@router.get("")
async def list_gates(_: Reader, database: Data, handed_out: HandedOut, *, lagging: bool | None = None) -> list[Gate]:
    """Every gate that was heard of or is given people, by name; `lagging`: those that do, or do not, lag behind."""
    gates = await _gates(database, handed_out)
    return [one for one in gates if lagging is None or (one.roster is not None and one.roster.lagging) is lagging]


@router.get("/{gate}", responses=problems.responses(404))
async def read_gate(_: Reader, database: Data, handed_out: HandedOut, gate: str) -> Gate:
    """One gate."""
    for one in await _gates(database, handed_out):
        if one.gate == gate:
            return one
    raise Problem(404, f"{gate!r}: there is no such gate")


async def _gates(database: Database, handed_out: Documents | None) -> list[Gate]:
    async with database.transaction() as query:
        wanted = {} if handed_out is None else await handed_out.versions(query)
        given = {one.gate: one for one in await gate_keys.gates(query) if one.revoked is None}
    heard = {row.gate: row for row in await HubStore(database).gates()}
    return [_gate(name, heard.get(name), given.get(name), wanted) for name in sorted(heard | given)]


def _gate(name: str, row: GateRow | None, given: GateKey | None, wanted: Mapping[str, int]) -> Gate:
    return Gate(
        gate=name,
        online=row and row.online,
        seen=row and moment(row.seen),
        events=row.events if row else 0,
        missing=row.missing if row else 0,
        state=None if row is None else _state(name, row.state),
        roster=None if given is None else _roster(given, wanted),
    )


def _roster(given: GateKey, wanted: Mapping[str, int]) -> GateRoster:
    said = report_of(given.gate, given.reported)
    documents = []
    for kind in sorted(wanted.keys() | said.documents.keys()):
        one = said.documents.get(kind, Installed())
        documents.append(
            InstalledDocument(kind=kind, wanted=wanted.get(kind, 0), installed=one.version, error=one.error)
        )
    behind = any(one.error or one.installed < one.wanted for one in documents)
    return GateRoster(
        lagging=behind or bool(said.error) or said.stale,
        stale=said.stale,
        error=said.error,
        key=said.key,
        fresh_until=moment_or_none(said.fresh_until or None),
        reported=moment_or_none(given.reported_at),
        documents=documents,
    )


def _state(gate: str, payload: bytes | None) -> GateState | None:
    state = state_of(gate, payload)
    if state is None:
        return None
    devices = [DeviceState(name=d.name, health=d.health, reason=d.reason) for d in state.devices]
    return GateState(
        time=moment_or_none(state.time),
        clock=state.clock,
        lane=state.lane,
        fault=state.fault,
        outbox=state.outbox,
        version=state.version,
        devices=devices,
    )
