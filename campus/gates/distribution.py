"""Tells each gate what it should have, signed and sealed for it alone, and hears what it has.

One retained message a gate, renewed when people, policy or keys change (looked for each second, so that it does not
matter which program changed them) and before what it promises runs out. A gate that reports something else is told
again: brokers of a cluster need not share what they retain, nor bridges pass everything on.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import aiomqtt
import msgspec
import structlog

from campus.broker import Broker, connect
from campus.errors import HubConfigError, HubStoreError
from campus.gates import keys as gate_keys
from controller.errors import ConfigError, MessageError
from controller.link import documents as wire
from controller.link import messages, signing
from controller.link.brokers import Backoff
from controller.link.connection import end_if_cancelled, run_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from campus.database import Database
    from campus.gates.documents import Documents
    from campus.gates.keys import ContentKey, GateKey
    from campus.people.records import People

LOOK_EVERY = 1.0
"""Seconds between two looks for changes: an indexed query."""
RENEW_EVERY = 3600.0
"""Seconds after which gates hear that what they have still counts."""
RETELL_EVERY = 10.0
"""Seconds between two tellings of a gate that reports something else than it should have."""
PAUSE_LEAST, PAUSE_MOST = 0.5, 30.0
"""Bounds of the random pause between attempts to connect, seconds."""
DAY = 86_400.0

log = structlog.stdlib.get_logger("roster")


class RosterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[roster]` of hub.toml: people are handed out to the gates."""

    sign_with: Path
    """The hub's private key, as `thermogate-hub new-key` makes it; its public half stands in each gate.toml."""
    folder: Path = Path("/var/lib/thermogate-hub/documents")
    """Where sealed documents lie for the gates to fetch."""
    offline_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 14
    """Days for which a gate that hears nothing goes on letting people in."""


class Distribution:
    """One campus' distribution.

    Args:
        campus: its name in topics.
        settings: see there.
        database: open for as long as this runs.
        people: who they are.
        documents: what is handed out.
        broker: how to reach it.

    Raises `HubConfigError` for a key that cannot be used.
    """

    def __init__(
        self,
        campus: str,
        settings: RosterSettings,
        database: Database,
        people: People,
        *,
        documents: Documents,
        broker: Broker,
    ) -> None:
        self._campus, self._settings, self._broker = campus, settings, broker
        self._database, self._people, self._documents = database, people, documents
        self._backoff = Backoff(PAUSE_LEAST, PAUSE_MOST, random.Random())  # noqa: S311 - pauses, not secrets
        self._connected = False
        self._key: Ed25519PrivateKey = _read_key(settings.sign_with)
        self._wanted: Mapping[str, wire.Wanted] = {}
        self._told_at: dict[str, float] = {}
        self._behind: set[str] = set()

    async def run(self) -> NoReturn:
        """Hand out until cancelled; a lost broker or database is tried again for ever."""
        turn = self._broker.turn
        while True:
            broker = turn.current
            try:
                await run_apart(self._session())
            except* (aiomqtt.MqttError, HubStoreError) as group:
                log.warning("distribution interrupted", broker=str(broker), error=str(group.exceptions[0]))
            if self._connected:
                self._backoff.reset()
            self._connected = False
            await asyncio.sleep(self._backoff.next(another=turn.current != broker and turn.has_untried))

    async def _session(self) -> None:
        async with connect(self._broker, f"thermogate-hub-{self._campus}-roster") as client:
            await client.subscribe(messages.every_gate(self._campus, "cfg/reported"), qos=self._broker.subscribe_qos)
            end_if_cancelled()
            self._connected = True
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client))
                tasks.create_task(self._tell(client))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = bytes(message.payload)
            try:
                _, gate, _ = messages.parse_topic(str(message.topic))
                if len(payload) > messages.PAYLOAD_LIMIT:
                    raise MessageError(f"{len(payload)} bytes are too many")  # noqa: TRY301 - one place to refuse
                reported = wire.read_reported(str(message.topic), payload)
            except MessageError as error:
                log.warning("report refused", error=str(error))
                continue
            async with self._database.transaction() as query:
                await gate_keys.report(query, gate, payload, now=time.time())
            has = {kind: one.version for kind, one in reported.documents.items()}
            if all(has.get(kind) == one.version for kind, one in self._wanted.items()):
                self._behind.discard(gate)
            else:
                self._behind.add(gate)

    async def _tell(self, client: aiomqtt.Client) -> None:
        told: object = None
        told_at = 0.0
        loop = asyncio.get_running_loop()
        renew = min(RENEW_EVERY, self._settings.offline_days * DAY / 24)
        while True:
            async with self._database.transaction() as query:
                now = time.time()
                key = await gate_keys.content_key_in_force(query, self._people, now=now)
                gates = await gate_keys.gates(query)
                state = (
                    await self._documents.versions(query),
                    key.number,
                    [(gate.gate, gate.public, gate.revoked) for gate in gates],
                )
            if state != told or loop.time() - told_at > renew:
                self._wanted = await self._documents.make(key)
                told, told_at = state, loop.time()
                await self._publish(client, gates, key)
            elif behind := [gate for gate in gates if self._is_behind(gate.gate, loop.time())]:
                await self._publish(client, behind, key)
            await asyncio.sleep(LOOK_EVERY)

    def _is_behind(self, gate: str, now: float) -> bool:
        """Whether a gate has reported something else than it was told, and not only just."""
        return gate in self._behind and now - self._told_at.get(gate, 0.0) > RETELL_EVERY

    async def _publish(self, client: aiomqtt.Client, gates: list[GateKey], key: ContentKey) -> None:
        now = asyncio.get_running_loop().time()
        self._told_at.update((gate.gate, now) for gate in gates)
        async with asyncio.TaskGroup() as tasks:
            for gate in gates:
                topic = messages.topic(self._campus, gate.gate, "cfg/desired")
                # An empty retained message takes back what a stolen gate would find.
                payload = b"" if gate.revoked is not None else self._desired(gate, key)
                tasks.create_task(client.publish(topic, payload, qos=1, retain=True))
        log.info("told", gates=len(gates), versions={kind: one.version for kind, one in self._wanted.items()})

    def _desired(self, gate: GateKey, key: ContentKey) -> bytes:
        now = time.time()
        public = wire.read_gate_key(gate.gate, gate.public)
        desired = wire.Desired(
            campus=self._campus,
            gate=gate.gate,
            issued=now,
            fresh_until=now + self._settings.offline_days * DAY,
            sealed_key=wire.seal_key(key.key, public, self._campus, gate.gate),
            documents=dict(self._wanted),
        )
        return signing.sign(self._key, wire.SIGNED, wire.encode_desired(desired))


def roster_key(path: Path | None) -> Ed25519PrivateKey | None:
    """What the hub signs with; None: nothing. Raises `HubConfigError`."""
    return None if path is None else _read_key(path)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        return signing.read_private(path)
    except ConfigError as error:
        raise HubConfigError(f"[roster] sign_with: {error}") from error
