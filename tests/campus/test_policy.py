"""The access policy at the hub: changed, checked, compiled for gates, explained; and who is inside."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from campus.people.records import People, PeopleSettings, Person
from campus.policy import versions as policy
from campus.policy.versions import Policies
from controller.lane.access.document import from_json
from controller.lane.access.policy import Policy
from controller.link.messages import EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

SHELL = Actor("root (shell)", Role.ADMIN)
FIRST: dict[str, Any] = {
    "timezone": "Asia/Shanghai",
    "groups": ["pupils", "staff", "guests"],
    "zones": {"street": {"outside": True}, "school": {"english": "School <1>", "chinese": "校园"}},
    "points": {"north": {"from": "street", "to": "school"}, "south": {"from": "street", "to": "school"}},
    "rules": [{"groups": ["pupils", "staff", "guests"], "zones": ["school"]}],
}


class Hub:
    """Asks as somebody of a role."""

    def __init__(self, database: Database, people: People) -> None:
        self.database, self.people = database, people
        transport = httpx.ASGITransport(make_app(database, people))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://hub/api/v1")
        self._seq = 0

    async def ask(self, role: Role, method: str, path: str, status: int = 200, **more: Any) -> Any:
        async with self.database.transaction() as query:
            token, _ = await tokens.issue(query, SHELL, f"a {role}", role, now=time.time(), expires=None)
        answer = await self.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text

    async def change(self, patch: Mapping[str, Any], status: int = 200) -> Any:
        return await self.ask(Role.ADMIN, "PATCH", "/policy", status, json=patch)

    async def enrol(self, *wanted: Person) -> None:
        async with self.database.transaction() as query:
            for one in wanted:
                await self.people.upsert(query, SHELL, one, now=time.time())

    async def passes(self, gate: str, person: str | None, ago: float, direction: str = "entry", **more: Any) -> None:
        self._seq += 1
        now = time.time()
        told = {"direction": direction, "outcome": more.pop("outcome", "completed")}
        epoch, boot_id = f"{self._seq:016x}", more.pop("boot_id", "b")
        time_, clock = more.pop("time", now - ago), more.pop("clock", "synchronised")
        message = EventMessage(
            id=event_id(gate, epoch, 1), epoch=epoch, seq=1, boot_id=boot_id, time=time_, monotonic=1.0, clock=clock,
            type="passage", chain="0" * 64, person=person, detail=told,
        )  # fmt: skip
        await HubStore(self.database).apply([Incoming(gate, message, encode(message))], now - ago)


@pytest_asyncio.fixture
async def hub(address: str, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Database(address, "school") as database:
        yield Hub(database, People(PeopleSettings(key=tmp_path / "people.key")))


@pytest.mark.asyncio
async def test_a_policy_is_made_changed_and_handed_to_gates(hub: Hub) -> None:
    source = Policies()
    await hub.ask(Role.GUARD, "GET", "/policy", 404)
    async with hub.database.transaction() as query:
        assert await source.current(query) is None
    first = await hub.change(FIRST)
    dorm = {
        "zones": {"dormitory": {}},
        "points": {"dorm": {"from": "school", "to": "dormitory", "anti_passback": "soft"}, "south": None},
    }
    second = await hub.change(dorm)
    assert second["revision"] > first["revision"]
    assert sorted(second["points"]) == ["dorm", "north"]
    assert (await hub.ask(Role.GUARD, "GET", "/policy"))["zones"].keys() == {"street", "school", "dormitory"}
    assert await hub.ask(Role.GUARD, "GET", "/policy/rules") == second["rules"]
    async with hub.database.transaction() as query:
        current = await source.current(query)
        assert current is not None
        assert current == await source.current(query)
        assert current[1] == await policy.compile_policy(query)
        assert (await audit.verify(query)).seq > 0
    document = from_json(current[1], where="gate")
    assert (current[0], document.revision) == (second["revision"], second["revision"])
    assert Policy(document).leads_out("north") is False


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"points": {"north": {"to": "attic"}}}, "points.north.to: there is no zone 'attic'"),
        ({"zones": {"cellar": {}}}, "zones.cellar: nobody could leave it"),
        ({"rules": [{"groups": ["cooks"], "zones": ["school"]}]}, "rules[0].groups: there is no group 'cooks'"),
        ({"zones": {"school": {"colour": "red"}}}, "zones.school: Object contains unknown field `colour`"),
        ({"revision": 3}, "revision: it grows by itself"),
        ({"visitors": {}}, "visitors: each is a resource of its own"),
    ],
)
@pytest.mark.asyncio
async def test_a_wrong_change_changes_nothing(hub: Hub, patch: dict[str, Any], message: str) -> None:
    before = await hub.change(FIRST)
    assert message in (await hub.change(patch, 422))["detail"]
    assert await hub.ask(Role.ADMIN, "GET", "/policy") == before


@pytest.mark.asyncio
async def test_who_may_not_change_it_does_not(hub: Hub) -> None:
    await hub.ask(Role.GUARD, "PATCH", "/policy", 403, json=FIRST)
    await hub.ask(Role.GUARD, "PUT", "/visitors/v1", 403, json={})
    await hub.ask(Role.ENROLMENT, "GET", "/muster", 403)


VISIT = {"host": "t1", "from": "2026-11-30T08:00:00", "until": "2026-11-30T12:00:00", "groups": ["guests"]}


@pytest.mark.asyncio
async def test_a_visitor_has_a_host_and_an_end(hub: Hub) -> None:
    no_policy = await hub.ask(Role.ENROLMENT, "PUT", "/visitors/v1", 422, json=VISIT)
    assert "no access policy yet" in no_policy["detail"]
    first = await hub.change(FIRST)
    for wrong, message in (
        ({"until": "2026-11-30T07:00:00"}, "visitors.v1.until"),
        ({"groups": ["cooks"]}, "visitors.v1.groups: there is no group 'cooks'"),
        ({"until": "2026-11-30T12:00:00Z"}, "body.until"),
    ):
        refused = await hub.ask(Role.ENROLMENT, "PUT", "/visitors/v1", 422, json=VISIT | wrong)
        assert message in refused["detail"]
    await hub.ask(Role.ENROLMENT, "PUT", "/visitors/v1", 204, json=VISIT)
    assert await hub.ask(Role.GUARD, "GET", "/visitors") == {"v1": VISIT}
    async with hub.database.transaction() as query:
        document = await policy.read(query)
    assert document is not None
    assert document.revision > first["revision"]
    assert document.visitors["v1"].host == "t1"
    refused = await hub.change({"groups": ["pupils", "staff"], "rules": []}, 422)
    assert "visitors.v1.groups: there is no group 'guests'" in refused["detail"]
    await hub.ask(Role.ENROLMENT, "DELETE", "/visitors/v1", 204)
    await hub.ask(Role.ENROLMENT, "DELETE", "/visitors/v1", 404)
    assert await hub.ask(Role.GUARD, "GET", "/visitors") == {}


@pytest.mark.asyncio
async def test_visits_of_long_ago_are_forgotten(hub: Hub) -> None:
    await hub.change(FIRST)
    old = VISIT | {"from": "2020-01-01T08:00:00", "until": "2020-01-01T12:00:00"}
    await hub.ask(Role.ENROLMENT, "PUT", "/visitors/old", 204, json=old)
    await hub.ask(Role.ENROLMENT, "PUT", "/visitors/v1", 204, json=VISIT | {"until": "2099-01-01T00:00:00"})
    assert (await hub.ask(Role.GUARD, "GET", "/visitors")).keys() == {"v1"}


@pytest.mark.asyncio
async def test_why_somebody_may_pass(hub: Hub) -> None:
    first_card = {"points": {"north": {"first_card": {"after": ["staff"], "groups": ["pupils"]}}}}
    await hub.change(FIRST)
    await hub.change(first_card)
    await hub.enrol(
        Person(id="t1", groups=("staff",)), Person(id="p1", groups=("pupils",)), Person(id="p2", active=False)
    )
    ask = {"person": "p1", "at": "north"}
    assert (await hub.ask(Role.GUARD, "GET", "/policy/explain", params=ask))["reason"] == "first_person_needed"
    await hub.passes("north", "t1", 1.0)
    found = await hub.ask(Role.GUARD, "GET", "/policy/explain", params=ask)
    assert (found["granted"], found["text"][0]) == (True, "granted")
    assert {"rule": "rules", "verdict": "allows"}.items() <= found["steps"][2].items()
    gone = await hub.ask(Role.GUARD, "GET", "/policy/explain", params=ask | {"person": "p2"})
    assert gone["reason"] == "unknown_person"
    out = await hub.ask(Role.GUARD, "GET", "/policy/explain", params=ask | {"person": "p2", "direction": "exit"})
    assert out["granted"]
    nowhere = await hub.ask(Role.GUARD, "GET", "/policy/explain", 422, params=ask | {"at": "attic"})
    assert "none of the name 'attic'" in nowhere["detail"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("boots", "reason"), [(("b1", "b1"), "anti_passback"), (("b1", "b2"), None)])
async def test_hard_anti_passback_is_explained_as_the_gate_decides(
    hub: Hub, boots: tuple[str, str], reason: str | None
) -> None:
    await hub.change(FIRST)
    await hub.change({"points": {"north": {"anti_passback": "hard"}}})
    await hub.enrol(Person(id="p1", groups=("pupils",)))
    births = [Online(online=True, boot_id=boot) for boot in boots]
    told = [Incoming(gate, one, encode(one)) for gate, one in zip(("north", "south"), births, strict=True)]
    await HubStore(hub.database).apply(told, time.time())
    await hub.passes("north", "p1", 5.0)
    found = await hub.ask(Role.GUARD, "GET", "/policy/explain", params={"person": "p1", "at": "north"})
    assert found["reason"] == reason
    assert ("not seen from here: south" in str(found["text"])) == (reason is None)


@pytest.mark.asyncio
async def test_the_list_for_a_fire(hub: Hub) -> None:
    await hub.ask(Role.GUARD, "GET", "/muster", 404)
    await hub.change(FIRST)
    await hub.enrol(Person(id="p1", name="Eve <b>", groups=("pupils",)))
    state = State(boot_id="b", time=1.0, clock="synchronised", lane="LOCKED", point="south")
    await HubStore(hub.database).apply([Incoming("gate-7", state, encode(state))], time.time())
    await hub.passes("north", "p2", 90.0)
    await hub.passes("gate-7", "p1", 60.0)
    await hub.passes("north", "p3", 50.0)
    await hub.passes("north", "p3", 40.0, "exit")
    await hub.passes("north", "p4", 30.0, outcome="expired")
    await hub.passes("north", None, 20.0, "exit")
    await hub.passes("elsewhere", "p5", 10.0)
    await hub.passes("north", "p6", 5.0, clock="unknown", time=3.0, boot_id="a board without a clock")
    found = await hub.ask(Role.GUARD, "GET", "/muster")
    assert [(one["person"], one["name"], one["point"]) for one in found["people"]] == [
        ("p6", "", "north"),
        ("p1", "Eve <b>", "south"),
        ("p2", "", "north"),
    ]
    seen = dt.datetime.fromisoformat(found["people"][1]["seen"])
    assert abs(seen.timestamp() - (time.time() - 60.0)) < 30
    assert found["gates_without_point"] == ["elsewhere"]
    (zone,) = await hub.ask(Role.GUARD, "GET", "/occupancy")
    assert (zone["zone"], zone["chinese"], zone["named"]) == ("school", "校园", 3)
    page = await hub.ask(Role.GUARD, "GET", "/muster.html")
    for text in ("Muster list 应急清点名单", "Eve &lt;b&gt;", "School &lt;1&gt; 校园", "elsewhere"):
        assert text in page
    async with hub.database.transaction() as query:
        assert (await audit.verify(query)).seq > 0


def test_explain_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n[people]\nkey = "{tmp_path / "people.key"}"\n'
    )
    asked = ["explain", "--config", str(config), "--person", "p1", "--at", "north"]
    assert main(asked) == 1
    assert "there is no access policy yet" in capsys.readouterr().err

    async def fill() -> None:
        async with Database(str(tmp_path / "hub.db"), "school") as database, database.transaction() as query:
            people = People(PeopleSettings(key=tmp_path / "people.key"))
            await people.upsert(query, SHELL, Person(id="p1", groups=("pupils",)), now=time.time())
            await policy.change(query, SHELL, FIRST, now=time.time())

    asyncio.run(fill())
    assert main(asked) == 0
    assert capsys.readouterr().out.startswith("granted\n  1. validity")
    assert main([*asked[:4], "p9", *asked[5:]]) == 1
