"""`/gates`: what each gate said last of itself."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from campus.api.auth import Data, allowed
from campus.api.times import moment, moment_or_none
from campus.roles import Actor, Permission
from campus.store import HubStore
from controller.link.messages import State, decode

if TYPE_CHECKING:
    from campus.store import GateRow

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


class Gate(BaseModel):
    """One gate."""

    gate: str
    online: bool | None
    """Null: it has not said."""
    seen: dt.datetime
    """When the hub heard of it last."""
    events: int
    """Those in the database."""
    missing: int
    """Events that are here ahead of others that are not."""
    state: GateState | None
    """Null: it has not said."""


@router.get("")
async def list_gates(_: Reader, database: Data) -> list[Gate]:
    """Every gate that was ever heard of, by name."""
    return [_gate(row) for row in await HubStore(database).gates()]


def _gate(row: GateRow) -> Gate:
    return Gate(
        gate=row.gate,
        online=row.online,
        seen=moment(row.seen),
        events=row.events,
        missing=row.missing,
        state=None if row.state is None else _state(row.gate, row.state),
    )


def _state(gate: str, payload: bytes) -> GateState:
    state = decode(f"{gate}: state", payload, State)
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
