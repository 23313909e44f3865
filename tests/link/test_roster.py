"""People at the hub to lanes' galleries: broker, HTTP and both ends as shipped."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import aiomqtt
import httpx
import pytest

from benchmarks.roster_rig import ADMIN, RigGate, RigHub, campus, somebody, until
from campus.auth import tokens
from campus.auth.roles import Role
from campus.gates import keys as gate_keys
from campus.policy import versions as policy
from controller.gallery.credentials import add_credential
from controller.gallery.store import DATABASE, GalleryStore
from controller.lane.access.times import UNKNOWN
from controller.link.documents import download_password, read_reported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.link.conftest import Mosquitto

pytestmark = [pytest.mark.asyncio, pytest.mark.service]


def installed(gate: RigGate) -> dict[str, int]:
    return {kind: one.version for kind, one in read_reported("", gate.desk.reported()).documents.items()}


async def known(gate: RigGate, number: int) -> None:
    await until(lambda: gate.knows(number), f"{gate.name} knows {number} by card and face")


async def unknown(gate: RigGate, number: int) -> None:
    await until(lambda: gate.knows(number, card=False, seen=False), f"{gate.name} knows {number} no more")


async def test_people_come_to_every_gate_and_leave_it(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 2) as (hub, gates):
        await hub.add(1, 2, 3)
        for gate in gates:
            for number in (1, 2, 3):
                await known(gate, number)
        await hub.add(4, no_face=True, faces=0)
        await until(lambda: gates[0].knows(4, seen=False), "known by card alone")
        with GalleryStore.open(gates[0].folder) as store:
            add_credential(store, "p2", "pin", "2*4711")
        started = time.monotonic()
        await hub.remove(1)
        for gate in gates:
            await unknown(gate, 1)
        print(f"removed from 2 gates within {time.monotonic() - started:.2f} s")
        assert all(gate.forgotten == ["p1"] for gate in gates)
        # What is given at the gate stays when the hub changes the rest.
        await hub.add(2, valid_until=None, second_factor=True)
        await until(lambda: gates[0].index.needs_second_factor("p2"), "the mark arrives")
        await until(lambda: gates[0].book.find("pin", "2*4711") == "p2", "the PIN stays")
        assert gates[0].knows(2)


async def test_what_a_gate_has_is_told_over_rest(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 2) as (hub, gates):
        async with hub.database.transaction() as query:
            token, _ = await tokens.issue(query, ADMIN, "guard", Role.GUARD, now=time.time(), expires=None)
        base, headers = f"{await hub.url()}/api/v1/gates", {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(headers=headers) as client:

            async def lagging(word: str) -> list[str]:
                answer = await client.get(base, params={"lagging": word})
                return [gate["gate"] for gate in answer.json()]

            await hub.add(1)
            for gate in gates:
                await known(gate, 1)
            while await lagging("false") != ["gate-0", "gate-1"]:
                pass
            await gates[1].stop()
            await hub.add(2)
            while await lagging("false") != ["gate-0"]:
                pass
            behind = (await client.get(f"{base}/gate-1")).json()["roster"]
            assert behind["lagging"]
            assert behind["key"] == gates[1].key
            assert all(one["installed"] < one["wanted"] for one in behind["documents"])
            assert (await client.get(f"{base}/gate-9")).status_code == 404


async def test_a_gate_that_was_away_catches_up_by_snapshot(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 1) as (hub, (gate,)):
        await hub.add(*range(10))
        await known(gate, 9)
        await gate.stop()
        # More than is told beside a snapshot.
        await hub.add(*range(10, 260), faces=0)
        await hub.remove(3)
        again = RigGate(gate.folder, gate.name, broker.port, hub, await hub.url())
        await again.start()
        try:
            await unknown(again, 3)
            await until(lambda: again.knows(259, seen=False), "who came meanwhile is known")
            assert again.knows(9)
        finally:
            await again.stop()


async def test_a_gate_without_a_pinned_key_is_told_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 1) as (hub, (gate,)):
        other = RigGate(tmp_path / "other", "other", broker.port, hub, await hub.url())
        await other.start()
        try:
            await hub.add(1)
            await known(gate, 1)
            assert installed(other) == {}
            await hub.pin(other)
            await known(other, 1)
        finally:
            await other.stop()


async def test_a_stolen_gate_gets_nothing_more(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 2) as (hub, (kept, stolen)):
        await hub.add(1)
        for gate in (kept, stolen):
            await known(gate, 1)
        async with hub.database.transaction() as query:
            old = await gate_keys.content_key_in_force(query, hub.people, now=time.time())
        await hub.revoke(stolen.name)
        await hub.add(2)
        await known(kept, 2)
        assert stolen.knows(2, card=False, seen=False)
        async with hub.database.transaction() as query:
            new = await gate_keys.content_key_in_force(query, hub.people, now=time.time())
        assert new.key != old.key
        name = next((tmp_path / "documents").iterdir()).name
        async with httpx.AsyncClient(base_url=f"{await hub.url()}/api/v1/documents") as client:

            async def fetch(gate: RigGate, key: bytes, **headers: str) -> httpx.Response:
                password = download_password(key, gate.name)
                return await client.get(f"/{name}", auth=(gate.name, password), headers=headers)

            assert (await client.get(f"/{name}")).status_code == 401
            for gate, key in ((stolen, old.key), (stolen, new.key), (kept, old.key)):
                assert (await fetch(gate, key)).status_code == 401
            whole, part = await fetch(kept, new.key), await fetch(kept, new.key, Range="bytes=5-")
            assert (whole.status_code, part.status_code) == (200, 206)
            assert part.content == whole.content[5:]


async def test_nothing_of_a_removed_person_is_left_in_the_files(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 1) as (hub, (gate,)):
        await hub.add(1, 2)
        await known(gate, 1)
        with GalleryStore.open(gate.folder) as store:
            traces = store.traces("p1")
        assert len(traces) > 3
        await hub.remove(1)

        def found() -> int:
            files = [file for file in gate.folder.iterdir() if file.name.startswith(DATABASE)]
            with contextlib.suppress(FileNotFoundError):
                return sum(trace in file.read_bytes() for file in files for trace in traces)
            return -1

        await until(lambda: found() == 0, "the file is rebuilt")


async def test_it_outlives_the_hub_and_the_broker(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 1) as (hub, (gate,)):
        await hub.add(1)
        await known(gate, 1)
        broker.stop()
        await hub.remove(1)
        broker.start()
        await unknown(gate, 1)
        await hub.stop()
        again = RigHub(tmp_path, broker.port)
        await again.url()
        try:
            async with again.database.transaction() as query:
                await again.people.upsert(query, ADMIN, somebody(5), now=time.time())
            await until(lambda: gate.knows(5, seen=False), "a small change travels within the message")
        finally:
            await again.stop()


async def test_a_gate_to_which_a_broker_does_not_give_what_another_retained_is_told_again(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with campus(tmp_path, broker.port, 1) as (hub, gates):
        await hub.add(1)
        await known(gates[0], 1)
        await gates[0].stop()
        topic = "gate/v1/school/gate-0/cfg/desired"
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe(topic, qos=1)
            told = aiter(client.messages)
            await anext(told)
            await hub.add(2)
            await anext(told)
            await client.publish(topic, b"", qos=1, retain=True)
        again = gates[0] = RigGate(tmp_path / "gate-0", "gate-0", broker.port, hub, await hub.url())
        await again.start()
        await known(again, 2)
        assert installed(again)


async def test_the_access_policy_comes_to_every_gate_and_a_wrong_one_is_told(broker: Mosquitto, tmp_path: Path) -> None:
    async with campus(tmp_path, broker.port, 2) as (hub, gates):

        async def change(patch: dict[str, object]) -> int:
            async with hub.database.transaction() as query:
                return (await policy.change(query, ADMIN, patch, now=time.time())).revision

        def allows(gate: RigGate) -> bool:
            return gate.access.decide("p1", 0.0, UNKNOWN).reason is None

        await hub.add(1)
        first = await change(
            {
                "groups": ["student", "staff"],
                "zones": {"street": {"outside": True}, "school": {}},
                "points": {gate.name: {"from": "street", "to": "school"} for gate in gates},
                "rules": [{"groups": ["staff"], "zones": ["school"]}],
            }
        )
        for gate in gates:
            await known(gate, 1)
            await until(lambda gate=gate: gate.access.policy.revision == first, "the policy is in force")  # type: ignore[misc]
            assert not allows(gate)
        second = await change({"rules": [{"groups": ["student"], "zones": ["school"]}], "points": {"gate-1": None}})
        await until(lambda: allows(gates[0]), "the change is in force")
        assert gates[0].access.policy.revision == second

        def told() -> str:
            return read_reported("", gates[1].desk.reported()).documents["policy"].error

        await until(lambda: "there is none of the name 'gate-1'" in told(), "the hub is told why it is not installed")
        assert gates[1].access.policy.revision == first
