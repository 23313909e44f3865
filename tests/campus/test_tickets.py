"""The doctor's tickets, from the flagged event to the outcome: once each, by version, on record, for doctors alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.doctor import tickets
from campus.doctor.tables import ticket, ticket_entry
from campus.errors import HubStoreError
from campus.intake.store import HubStore, Incoming
from campus.retention import Retention, RetentionSettings
from controller.link.messages import EventMessage, encode, event_id

if TYPE_CHECKING:
    from tests.campus.conftest import Api

pytestmark = pytest.mark.asyncio

EPOCH = "000000000000002a"
DOCTOR = Actor("a doctor", Role.DOCTOR)
NOON = dt.datetime(2026, 9, 21, 12).astimezone().timestamp()
FEVER = {"temperature": 38.4, "uncertainty": 0.67, "risk": 0.04, "looks": 2}


def flagged(seq: int, person: str = "p-1", *, gate: str = "north", epoch: str = EPOCH, **more: Any) -> Incoming:
    values: dict[str, Any] = {
        "time": NOON + seq,
        "clock": "synchronised",
        "type": "ticket",
        "detail": FEVER,
        "boot_id": "b",
    } | more
    message = EventMessage(
        id=event_id(gate, epoch, seq), epoch=epoch, seq=seq, monotonic=1.0, chain="0" * 64,
        person=person, **values,
    )  # fmt: skip
    return Incoming(gate, message, encode(message))


async def change(api: Api, version: int, what: str, body: object, number: int = 1) -> Any:
    headers = {"If-Match": f'"{version}"'}
    return await api.ask(Role.DOCTOR, "POST", f"/tickets/{number}/{what}", headers=headers, json=body)


def contact(value: float = 38.2) -> dict[str, object]:
    return {"value": value, "site": "tympanic", "device": "T-7", "time": dt.datetime.now(dt.UTC).isoformat()}


async def test_a_flagged_event_opens_one_ticket_that_gathers_the_day(api: Api) -> None:
    await api.store.apply([flagged(1), flagged(1)], NOON)
    await api.store.apply([flagged(1), flagged(2), flagged(3, "p-2")], NOON + 3)
    await api.store.apply([flagged(4, time=NOON + 86_400)], NOON + 86_400)
    found = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert [(one["person"], one["day"], len(one["readings"])) for one in found] == [
        ("p-1", "2026-09-22", 1),
        ("p-2", "2026-09-21", 1),
        ("p-1", "2026-09-21", 2),
    ]
    (reading, _) = found[2]["readings"]
    assert reading["event"] == f"north-{EPOCH}-1"
    assert (reading["temperature"], reading["uncertainty"], reading["clock"]) == (38.4, 0.67, "synchronised")
    assert found[2]["dated"]


async def test_a_batch_that_is_undone_opens_none(api: Api) -> None:
    async with api.database.transaction() as query:
        await query.execute(sa.text("ALTER TABLE ticket_entry RENAME TO elsewhere"))
    with pytest.raises(HubStoreError):
        await api.store.apply([flagged(1)], NOON)
    async with api.database.transaction() as query:
        await query.execute(sa.text("ALTER TABLE elsewhere RENAME TO ticket_entry"))
    assert await api.store.events() == []
    assert (await api.get(Role.DOCTOR, "/tickets")).json() == []


async def test_what_is_ahead_of_its_turn_opens_its_ticket_at_once_and_not_again(api: Api) -> None:
    ahead = flagged(2)
    await api.store.apply([ahead._replace(live=True)], NOON)
    assert len((await api.get(Role.DOCTOR, "/tickets")).json()) == 1
    await api.store.apply([flagged(1, type="deny"), ahead], NOON)
    (found,) = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert len(found["readings"]) == 1


async def test_an_event_that_its_gate_wrote_again_elsewhere_is_one_reading(api: Api) -> None:
    await api.store.apply([flagged(2)._replace(live=True)], NOON)
    again = flagged(1, time=NOON + 2, detail=FEVER | {"refiled": f"{EPOCH}-2"}, epoch="000000000000002b")
    await api.store.apply([again], NOON + 9)
    (found,) = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert [one["event"] for one in found["readings"]] == [f"north-{EPOCH}-2"]


async def test_several_intakes_at_once_open_one(api: Api, address: str) -> None:
    async with Database(address, "school") as other:
        stores = [api.store, HubStore(other)]
        work = [
            stores[n % 2].apply([flagged(1, f"p-{(n + m) % 3}", gate=f"g{n}-{m}") for m in range(3)], NOON)
            for n in range(12)
        ]
        await asyncio.gather(*work)
    found = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert sorted((one["person"], len(one["readings"])) for one in found) == [("p-0", 12), ("p-1", 12), ("p-2", 12)]


@pytest.mark.parametrize("more", [{"clock": "unsynchronised", "time": 3.0}, {"time": 1e300}, {"time": NOON + 1e6}])
async def test_a_clock_that_was_not_right_is_said(api: Api, more: dict[str, Any]) -> None:
    await api.store.apply([flagged(1)], NOON)
    assert (await api.get(Role.DOCTOR, "/tickets")).json()[0]["dated"]
    await api.store.apply([flagged(2, **more)], NOON + 60)
    assert (await api.get(Role.DOCTOR, "/tickets")).json()[0]["dated"], "its boot is known"
    await api.store.apply([flagged(3, boot_id="c", **more)], NOON + 60)
    (found,) = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert not found["dated"]
    assert found["day"] == "2026-09-21", "that of its arrival"


async def test_a_detail_of_another_kind_is_left_out(api: Api) -> None:
    await api.store.apply([flagged(1, detail={"temperature": "hot", "risk": True, "manual_temperature": 38})], NOON)
    (reading,) = (await api.get(Role.DOCTOR, "/tickets")).json()[0]["readings"]
    assert (reading["temperature"], reading["risk"], reading["manual_temperature"]) == (None, None, 38.0)


async def test_measured_closed_reopened_and_all_of_it_stays(api: Api) -> None:
    await api.store.apply([flagged(1)], time.time())
    measured = await change(api, 1, "measurements", contact())
    assert (measured.status_code, measured.headers["etag"]) == (201, '"2"')
    closed = (await change(api, 2, "close", {"outcome": "sent_home", "note": "mother came"})).json()
    assert (closed["outcome"], closed["closed_by"]) == ("sent_home", "a doctor")
    assert (await api.get(Role.DOCTOR, "/tickets", open=True)).json() == []
    assert (await change(api, 3, "measurements", contact())).status_code == 409
    assert (await change(api, 3, "close", {"outcome": "released"})).status_code == 409
    again = (await change(api, 3, "reopen", {"reason": "wrong person"})).json()
    assert (again["outcome"], again["closed"]) == (None, None)
    assert len((await api.get(Role.DOCTOR, "/tickets", open=True)).json()) == 1
    told = [(one["version"], one["action"], one["by"], one["outcome"], one["note"]) for one in again["history"]]
    assert told == [
        (1, "reading", "gate north", None, None),
        (2, "measurement", "a doctor", None, None),
        (3, "closed", "a doctor", "sent_home", "mother came"),
        (4, "reopened", "a doctor", None, "wrong person"),
    ]
    (measurement,) = again["measurements"]
    assert (measurement["value"], measurement["site"], measurement["device"]) == (38.2, "tympanic", "T-7")


async def test_after_a_ticket_was_closed_the_next_reading_opens_another(api: Api) -> None:
    await api.store.apply([flagged(1)], NOON)
    assert (await change(api, 1, "close", {"outcome": "released"})).status_code == 200
    await api.store.apply([flagged(2)], NOON + 60)
    assert [one["id"] for one in (await api.get(Role.DOCTOR, "/tickets")).json()] == [2, 1]
    refused = await change(api, 2, "reopen", {"reason": "x"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "ticket 2 of this person and day is open")


async def test_two_doctors_do_not_overwrite_each_other(api: Api) -> None:
    await api.store.apply([flagged(1)], NOON)
    answers = await asyncio.gather(*[change(api, 1, "close", {"outcome": one}) for one in ("released", "hospital")])
    assert {answer.status_code for answer in answers} - {200} <= {409, 412}
    assert sum(answer.status_code == 200 for answer in answers) == 1
    late = await change(api, 1, "close", {"outcome": "released"})
    assert (late.status_code, late.json()["detail"]) == (
        412,
        "ticket 1 has version 2 by now, not 1: look at it again",
    )
    blind = await api.ask(Role.DOCTOR, "POST", "/tickets/1/close", json={"outcome": "released"})
    assert (blind.status_code, blind.json()["detail"]) == (
        428,
        'say which version you have seen: If-Match: "3" (its ETag)',
    )


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"value": 3.84}, "body.value"),
        ({"value": 384}, "body.value"),
        ({"site": "elbow"}, "body.site"),
        ({"time": "2039-01-01T00:00:00Z"}, "body.time"),
        ({"time": "2001-01-01T00:00:00Z"}, "body.time"),
        ({"time": "2026-01-01T00:00:00"}, "body.time"),
        ({"device": "a\nb"}, "body.device"),
    ],
)
async def test_a_mistyped_measurement_is_refused_by_its_place(api: Api, wrong: dict[str, object], where: str) -> None:
    await api.store.apply([flagged(1)], time.time())
    answer = await change(api, 1, "measurements", contact() | wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(where)


async def test_it_is_the_doctors_alone_and_each_look_is_on_record(api: Api) -> None:
    await api.store.apply([flagged(1)], NOON)
    for role in set(Role) - {Role.DOCTOR}:
        assert (await api.get(role, "/tickets")).status_code == 403
        assert (await api.ask(role, "POST", "/tickets/1/close", json={"outcome": "released"})).status_code == 403
    assert (await api.get(Role.DOCTOR, "/tickets/1")).headers["etag"] == '"1"'
    assert (await api.get(Role.DOCTOR, "/tickets/2")).status_code == 404
    await api.get(Role.DOCTOR, "/tickets", person="p-1")
    await change(api, 1, "close", {"outcome": "released"})
    entries = [one for one in (await api.get(Role.AUDITOR, "/audit")).json() if one["actor"] == "a doctor"]
    assert [(one["action"], one["subject"]) for one in entries] == [
        ("ticket_read", "1"),
        ("tickets_read", "tickets"),
        ("ticket_closed", "1"),
    ]
    assert "38.4" not in str(entries)


async def test_no_entry_of_a_history_can_be_changed(api: Api) -> None:
    await api.store.apply([flagged(1)], NOON)
    with pytest.raises(HubStoreError, match="never change"):
        async with api.database.transaction() as query:
            await query.execute(sa.text("UPDATE ticket_entry SET detail = '{}'"))


async def test_a_closed_ticket_goes_when_it_was_kept_long_enough(api: Api) -> None:
    await api.store.apply([flagged(1), flagged(2, "p-2")], NOON)
    assert (await change(api, 1, "close", {"outcome": "sent_home"}, 1)).status_code == 200
    closed = time.time()
    for days, left in ((None, [1, 2]), (30, [2])):
        keeper = Retention(api.database, RetentionSettings(events_days=36_500, health_days=days))
        assert (await keeper.erase(DOCTOR, closed + 29 * 86_400)).total == 0
        await keeper.erase(DOCTOR, closed + 31 * 86_400)
        async with api.database.transaction() as query:
            tickets = (await query.execute(sa.select(ticket.c.id).order_by(ticket.c.id))).scalars().all()
            entries = (await query.execute(sa.select(ticket_entry.c.ticket).distinct())).scalars().all()
        assert sorted(tickets) == sorted(entries) == left, "who waits for the doctor is not forgotten"


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_ticket_that_is_reopened_while_others_are_erased_keeps_its_history(api: Api, address: str) -> None:
    await api.store.apply([flagged(1)], NOON)
    await change(api, 1, "close", {"outcome": "released"})
    late = time.time() + 31 * 86_400
    keeper = Retention(api.database, RetentionSettings(events_days=36_500, health_days=30))
    async with Database(address, "school") as other, other.transaction() as query:
        found = await tickets.get(query, 1)
        assert found is not None
        await tickets.reopen(query, DOCTOR, found, "came back", now=late)
        erasing = asyncio.ensure_future(keeper.erase(DOCTOR, late))
        await asyncio.wait({erasing}, timeout=0.3)
    await erasing
    (ticket_left,) = (await api.get(Role.DOCTOR, "/tickets")).json()
    assert [one["action"] for one in ticket_left["history"]] == ["reading", "closed", "reopened"]
