"""The REST interface through its real stack: tokens, roles, pages of events, errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from campus.auth import tokens
from campus.auth.roles import Actor, Role
from campus.intake.store import Incoming
from controller.link.messages import EventMessage, State, encode, event_id

if TYPE_CHECKING:
    from tests.campus.conftest import Api

pytestmark = pytest.mark.asyncio

SHELL = Actor("root (shell)", Role.ADMIN)
EPOCH = "000000000000002a"


def event(seq: int, kind: str = "deny", **more: object) -> Incoming:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1_790_000_000.0 + seq,
        monotonic=1.0, clock="synchronised", type=kind, chain="0" * 64, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return Incoming("north", message, encode(message))


async def test_nobody_is_answered_without_a_token_that_counts(api: Api) -> None:
    for headers in ({}, {"Authorization": "Bearer tgh_wrong"}, {"Authorization": "Basic YTpi"}):
        answer = await api.client.get("/gates", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "Unauthorized"
    async with api.database.transaction() as query:
        soon = time.time() + 0.2
        secret, _ = await tokens.issue(query, SHELL, "x", Role.GUARD, now=time.time(), expires=soon)
        assert await tokens.actor_of(query, secret, now=soon - 0.1) == Actor("x", Role.GUARD)
        assert await tokens.actor_of(query, secret, now=soon) is None


async def test_a_role_has_no_more_than_its_permissions(api: Api) -> None:
    assert (await api.get(Role.GUARD, "/events")).status_code == 200
    answer = await api.get(Role.ENROLMENT, "/events")
    assert answer.status_code == 403
    assert "'enrolment' has no permission 'events:read'" in answer.json()["detail"]
    assert (await api.get(Role.ADMIN, "/audit")).status_code == 403, "who administers does not audit himself"


async def test_a_token_is_issued_shown_once_and_revoked(api: Api) -> None:
    made = await api.ask(Role.ADMIN, "POST", "/tokens", json={"name": "desk 1", "role": "doctor"})
    assert made.status_code == 201
    secret, identifier = made.json()["token"], made.json()["id"]
    listed = await api.get(Role.ADMIN, "/tokens")
    assert secret not in listed.text
    assert [token["name"] for token in listed.json()] == ["a admin", "desk 1"]
    bearer = {"Authorization": f"Bearer {secret}"}
    assert (await api.client.get("/gates", headers=bearer)).status_code == 200
    assert (await api.ask(Role.ADMIN, "DELETE", f"/tokens/{identifier}")).status_code == 204
    assert (await api.client.get("/gates", headers=bearer)).status_code == 401
    assert (await api.ask(Role.ADMIN, "DELETE", f"/tokens/{identifier}")).status_code == 404
    entries = (await api.get(Role.AUDITOR, "/audit")).json()
    assert [(entry["actor"], entry["action"], entry["subject"]) for entry in entries[1:3]] == [
        ("a admin", "token_issued", identifier),
        ("a admin", "token_revoked", identifier),
    ]
    assert secret not in str(entries)


async def test_events_come_newest_first_page_by_page(api: Api) -> None:
    for seq in range(1, 8):
        await api.store.apply([event(seq, person=f"p-{seq % 2}")], 1_790_000_000.0 + seq // 3)
    seen: list[int] = []
    before = None
    while True:
        page = (await api.get(Role.GUARD, "/events", limit=3, **({"before": before} if before else {}))).json()
        seen += [found["seq"] for found in page["events"]]
        before = page["before"]
        if before is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    of_one = (await api.get(Role.GUARD, "/events", person="p-0")).json()["events"]
    assert [found["seq"] for found in of_one] == [6, 4, 2]
    assert (await api.get(Role.GUARD, "/events", before="AAAA")).status_code == 422
    entries = (await api.get(Role.AUDITOR, "/audit")).json()
    assert [(e["action"], e["subject"]) for e in entries if e["actor"] == "a guard"] == [("events_read", "p-0")]


async def test_an_event_ahead_of_its_turn_is_shown_and_dated(api: Api) -> None:
    unsure = msgspec.structs.replace(event(9).message, clock="unsynchronised", time=12.0, monotonic=0.5)
    await api.store.apply([event(1), Incoming("north", unsure, encode(unsure), live=True)], 1_790_000_003.0)
    ahead, first = (await api.get(Role.DOCTOR, "/events")).json()["events"]
    assert (ahead["seq"], ahead["happened_source"], ahead["happened_error"]) == (9, "estimated", 1.00025)
    assert ahead["happened"].replace("Z", "+00:00") == "2026-09-21T14:13:20.500000+00:00"
    assert (first["seq"], first["happened_source"], first["happened"]) == (1, "clock", first["time"])


async def test_a_temperature_is_the_doctors(api: Api) -> None:
    sent = [event(1, "ticket", person="p-1", detail={"temperature": 38.4, "uncertainty": 0.3})]
    measured = {"manual_temperature": 38.1, "surface": 35.0, "correction": 1.5, "risk": 0.9, "personal_z": 2.5}
    sent.append(event(2, "command", person="p-1", detail=measured | {"actor": "guard"}))
    await api.store.apply(sent, 1_790_000_003.0)
    told = (await api.get(Role.GUARD, "/events")).json()["events"]
    assert [found["detail"] for found in told] == [{"actor": "guard"}, {}]
    told = (await api.get(Role.DOCTOR, "/events")).json()["events"]
    assert told[1]["detail"] == {"temperature": 38.4, "uncertainty": 0.3}


async def test_what_a_gate_says_of_itself(api: Api) -> None:
    state = State(boot_id="b", time=1.0, clock="unknown", lane="locked", outbox=3)
    await api.store.apply([event(2), Incoming("north", state, encode(state))], 1_790_000_000.0)
    (gate,) = (await api.get(Role.GUARD, "/gates")).json()
    assert gate["state"]["lane"] == "locked"
    assert gate["missing"] == 1
    assert gate["seen"] == "2026-09-21T14:13:20Z"


async def test_a_method_that_is_not_taken_is_told_which_are(api: Api) -> None:
    answer = await api.ask(Role.ADMIN, "PATCH", "/tokens")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_a_database_that_is_gone_is_said_without_its_address(api: Api) -> None:
    await api.database.close()
    answer = await api.client.get("/gates", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the hub's database cannot be used now"


async def test_whoever_is_shown_measurements_is_on_record(api: Api) -> None:
    await api.store.apply([event(1, "grant", person="p-1", detail={"temperature": 36.6})], 1_790_000_003.0)
    await api.get(Role.DOCTOR, "/events")
    await api.get(Role.DOCTOR, "/events", gate="north", type="grant")
    await api.get(Role.GUARD, "/events")
    entries = (await api.get(Role.AUDITOR, "/audit")).json()
    assert [(e["actor"], e["subject"], e["detail"]) for e in entries if e["action"] == "events_read"] == [
        ("a doctor", "events", {}),
        ("a doctor", "events", {"gate": "north", "type": "grant"}),
    ]
