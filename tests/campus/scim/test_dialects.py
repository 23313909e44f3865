"""What identity providers really send, and what becomes of it at the hub."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from campus.auth.roles import Actor, Role
from campus.config import load
from campus.people.records import Number, Person
from campus.scim.settings import ScimSettings
from campus.service import Hub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.campus.scim.conftest import Scim

pytestmark = pytest.mark.asyncio

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GATE = "urn:ietf:params:scim:schemas:extension:thermogate:2.0:User"
OFFICE = Actor("office", Role.ENROLMENT)
ENTRA = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "2041",
    "userName": "eve@school.example",
    "active": True,
    "displayName": "Eve Example",
    "emails": [{"primary": True, "type": "work", "value": "eve@school.example"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Eve Example", "familyName": "Example", "givenName": "Eve"},
    "roles": [],
    "title": "Pupil",
    ENTERPRISE: {"department": "7b", "manager": {"value": "26118915"}},
}
"""As Microsoft Entra ID's documentation has it."""


@pytest.fixture
def scim(make_scim: Callable[[ScimSettings], Scim]) -> Scim:
    return make_scim(ScimSettings(kinds={"Employee": "staff"}, groups={"SG-Pupils": "pupils"}))


async def test_entra_makes_changes_suspends_and_erases_somebody(scim: Scim) -> None:
    assert await scim.find("/Users", 'externalId eq "2041"') == []
    made = (await scim.ask("POST", "/Users", status=201, json=ENTRA)).json()
    assert made["id"] == "2041"
    assert "emails" not in made, "what the hub has no use for is not kept"
    assert made["meta"]["location"] == "http://hub/scim/v2/Users/2041"
    person = await scim.person("2041")
    assert person == Person(
        id="2041", name="Eve Example", source="scim", second_factor=False, no_face=False, credentials=()
    )
    for wanted in ('userName eq "EVE@school.example"', 'externalId eq "2041"', 'displayName eq "eve example"'):
        assert [one["id"] for one in await scim.find("/Users", wanted)] == ["2041"], wanted
    assert await scim.find("/Users", 'userName eq "eve"') == []
    await scim.patch(
        "/Users/2041",
        {"op": "Replace", "path": "displayName", "value": "Eve Other"},
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "other@school.example"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "8b"},
        {"op": "Replace", "path": "userType", "value": "Employee"},
        {"op": "Add", "value": {"name.familyName": "Other", f"{GATE}:validUntil": "2029-07-15"}},
    )
    person = await scim.person("2041")
    assert person is not None
    assert (person.name, person.kind, person.valid_until) == ("Eve Other", "staff", dt.date(2029, 7, 15))
    await scim.patch("/Users/2041", {"op": "Replace", "path": "active", "value": "False"})
    person = await scim.person("2041")
    assert person is not None
    assert not person.active
    assert (await scim.ask("GET", "/Users/2041", status=200)).json()["active"] is False
    await scim.patch("/Users/2041", {"op": "replace", "value": {"active": True}})
    await scim.ask("DELETE", "/Users/2041", status=204)
    assert await scim.person("2041") is None
    await scim.ask("GET", "/Users/2041", status=404)
    assert await scim.find("/Users", 'externalId eq "2041"') == []
    await scim.ask("POST", "/Users", status=201, json=ENTRA)
    made_so = ["person_added", *["person_changed"] * 3, "person_removed", "person_added"]
    assert await scim.actions() == [(action, "2041") for action in made_so]


async def test_groups_decide_by_the_policys_names(scim: Scim) -> None:
    for number in ("1", "2", "3"):
        await scim.push(f"u{number}", externalId=number)
    pupils, club = await scim.push_group("SG-Pupils", "1", "2"), await scim.push_group("Chess club")
    members = [{"value": "2"}, {"value": "3"}]
    await scim.patch(f"/Groups/{club}", {"op": "Add", "path": "members", "value": members})
    assert [await scim.groups(who) for who in "123"] == [("pupils",), ("Chess-club", "pupils"), ("Chess-club",)]
    shown = (await scim.ask("GET", "/Users/2", status=200)).json()["groups"]
    assert {(one["value"], one["display"]) for one in shown} == {(pupils, "SG-Pupils"), (club, "Chess club")}
    await scim.patch(f"/Groups/{club}", {"op": "Remove", "path": 'members[value eq "3"]'})
    await scim.patch(f"/Groups/{pupils}", {"op": "Remove", "path": "members", "value": [{"value": "2"}]})
    assert [await scim.groups(who) for who in "123"] == [("pupils",), ("Chess-club",), ()]
    await scim.patch(f"/Groups/{club}", {"op": "replace", "path": "displayName", "value": "Chess"})
    await scim.patch(f"/Groups/{club}", {"op": "replace", "path": "members", "value": [{"value": "1"}]})
    assert [await scim.groups(who) for who in "123"] == [("Chess", "pupils"), (), ()]
    listed = await scim.client.get(
        "/Groups", params={"filter": 'displayName eq "chess"', "excludedAttributes": "members"}
    )
    (found,) = listed.json()["Resources"]
    assert "members" not in found
    held = await scim.find("/Groups", 'members eq "1"')
    assert {one["displayName"] for one in held} == {"SG-Pupils", "Chess"}
    await scim.ask("DELETE", f"/Groups/{pupils}", status=204)
    assert [await scim.groups(who) for who in "123"] == [("Chess",), (), ()]
    await scim.ask("GET", f"/Groups/{pupils}", status=404)


async def test_members_one_by_one_are_as_all_at_once(scim: Scim) -> None:
    """The short way for members answers as the long one, which writes the whole group."""
    for number in ("1", "2"):
        await scim.push(f"u{number}", externalId=number)
    for query in ({}, {"attributes": "displayName,members"}):
        club = await scim.push_group("club")
        status = 200 if query else 204
        adding = {"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}
        answer = await scim.patch(f"/Groups/{club}", adding, status=status, params=query)
        assert [await scim.groups(who) for who in "12"] == [("club",), ("club",)]
        tag = answer.headers["etag"]
        assert tag == (await scim.ask("GET", f"/Groups/{club}", status=200)).headers["etag"]
        again = await scim.patch(f"/Groups/{club}", adding, status=status, params=query)
        assert again.headers["etag"] == tag, "nothing was changed"
        leaving = {"op": "remove", "path": 'members[value eq "1"]'}
        old = {"If-Match": 'W/"0123456789abcdef"'}
        await scim.patch(f"/Groups/{club}", leaving, status=412, params=query, headers=old)
        await scim.patch(f"/Groups/{club}", leaving, status=status, params=query, headers={"If-Match": tag})
        assert [await scim.groups(who) for who in "12"] == [(), ("club",)]
        wrong = {"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "nobody"}]}
        refused = await scim.patch(f"/Groups/{club}", wrong, status=400, params=query)
        assert refused.json()["scimType"] == "invalidValue"
        assert await scim.groups("1") == (), "all of it or nothing"
        await scim.patch("/Groups/none", leaving, status=404, params=query)
        await scim.ask("DELETE", f"/Groups/{club}", status=204)


async def test_okta_replaces_the_whole_and_what_it_does_not_say_stays(scim: Scim) -> None:
    """A profile's change is a PUT; what the office gave is not the provider's to take."""
    await scim.push("eve@school.example", externalId="2041", displayName="Eve", userType="Employee")
    async with scim.database.transaction() as query:
        found = await scim.people.get(query, "2041")
        assert found is not None
        card = Person(
            id="2041", kind="staff", groups=("night",), source="scim", credentials=(Number("card", "1A2B"),),
            valid_until=dt.date(2030, 1, 1),
        )  # fmt: skip
        await scim.people.upsert(query, OFFICE, card, now=1.0)
    said = {"schemas": [USER], "userName": "eve@school.example", "externalId": "2041", "displayName": "Eva"}
    await scim.ask("PUT", "/Users/2041", status=200, json=said)
    found = await scim.person("2041")
    assert found is not None
    assert (found.name, found.kind, found.groups, found.valid_until, found.active) == (
        "Eva", "student", ("night",), dt.date(2030, 1, 1), True,
    )  # fmt: skip
    assert found.credentials == (Number("card", "1A2B"),)
    gate = {GATE: {"cards": ["aa77bb", "aa78bb"], "kind": "staff"}}
    answer = await scim.ask("PUT", "/Users/2041", status=200, json=said | gate)
    assert "78bb" not in answer.text, "a card's number opens gates, and is never shown"
    found = await scim.person("2041")
    assert found is not None
    assert (found.kind, found.credentials) == ("staff", (Number("card", "AA77BB"), Number("card", "AA78BB")))


async def test_ids_are_the_hubs_own_and_stay(make_scim: Callable[[ScimSettings], Scim]) -> None:
    scim = make_scim(ScimSettings(id="employeeNumber"))
    said: dict[str, Any] = {ENTERPRISE: {"employeeNumber": "2041"}}
    assert (await scim.push("eve@school.example", **said))["id"] == "2041"
    wrong = await scim.push("max@school.example", status=400)
    assert (wrong["scimType"], "employeeNumber: is missing" in wrong["detail"]) == ("invalidValue", True)
    wrong = await scim.push("max@school.example", status=400, **{ENTERPRISE: {"employeeNumber": "no 7"}})
    assert "is no person id" in wrong["detail"]
    for name, number in (("max@school.example", "2041"), ("EVE@school.example", "2042")):
        taken = await scim.push(name, status=409, **{ENTERPRISE: {"employeeNumber": number}})
        assert taken["scimType"] == "uniqueness"
    renamed = {"op": "replace", "path": "userName", "value": "eva@school.example"}
    await scim.patch("/Users/2041", renamed, {"op": "replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "9"})
    assert [one["id"] for one in await scim.find("/Users", 'userName eq "eva@school.example"')] == ["2041"]
    assert [action for action, _ in await scim.actions()] == ["person_added", "account_changed"]


async def test_a_strange_id_has_an_address(make_scim: Callable[[ScimSettings], Scim]) -> None:
    scim = make_scim(ScimSettings(id="userName"))
    made = await scim.push("eve_home.example#EXT#@school?%", displayName="张伟")
    assert (await scim.client.get(made["meta"]["location"])).json()["displayName"] == "张伟"


async def test_the_hubs_own_become_the_providers_and_others_do_not(scim: Scim) -> None:
    async with scim.database.transaction() as query:
        await scim.people.upsert(query, OFFICE, Person(id="1", name="Old", groups=("night",)), now=1.0)
        await scim.people.upsert(query, OFFICE, Person(id="2", source="csv"), now=1.0)
    await scim.ask("GET", "/Users/1", status=404)
    assert (await scim.ask("GET", "/Users", status=200)).json()["totalResults"] == 0
    await scim.push("u1", externalId="1", displayName="New")
    found = await scim.person("1")
    assert found is not None
    assert (found.name, found.groups, found.source) == ("New", ("night",), "scim")
    refused = await scim.push("u2", externalId="2", status=409)
    assert refused["detail"] == "2: is kept by the source 'csv'"
    unknown = {"op": "add", "path": "members", "value": [{"value": "2"}]}
    await scim.patch(f"/Groups/{await scim.push_group('club')}", unknown, status=400)


async def test_an_office_that_erases_somebody_erases_all(scim: Scim) -> None:
    await scim.push("u1", externalId="1")
    await scim.push_group("club", "1")
    async with scim.database.transaction() as query:
        assert await scim.people.remove(query, OFFICE, "1", now=1.0)
    await scim.ask("GET", "/Users/1", status=404)
    assert await scim.find("/Groups", 'members eq "1"') == []
    await scim.push("u1", externalId="1")
    assert await scim.groups("1") == ()


async def test_the_department_is_a_group_where_it_is_configured(make_scim: Callable[[ScimSettings], Scim]) -> None:
    scim = make_scim(ScimSettings(id="userName", department_is_group=True))
    said: dict[str, Any] = {ENTERPRISE: {"department": "Class 7 b"}}
    await scim.push("u1", **said)
    club = await scim.push_group("club", "u1")
    assert await scim.groups("u1") == ("Class-7-b", "club")
    await scim.patch("/Users/u1", {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "8"})
    assert await scim.groups("u1") == ("8", "club")
    await scim.ask("DELETE", f"/Groups/{club}", status=204)
    assert await scim.groups("u1") == ("8",)


async def test_pages_tags_and_wrong_requests(scim: Scim) -> None:
    for number in range(1, 6):
        await scim.push(f"u{number}", externalId=str(number))
    page = (await scim.client.get("/Users", params={"startIndex": 2, "count": 3})).json()
    assert (page["totalResults"], page["startIndex"], [one["id"] for one in page["Resources"]]) == (
        5,
        2,
        ["2", "3", "4"],
    )
    found = (await scim.client.get("/Users", params={"filter": 'userName sw "u"', "startIndex": 4})).json()
    assert (found["totalResults"], [one["id"] for one in found["Resources"]]) == (5, ["4", "5"])
    tag = (await scim.ask("GET", "/Users/1", status=200)).headers["etag"]
    await scim.ask("GET", "/Users/1", status=304, headers={"If-None-Match": tag})
    change = {"op": "replace", "path": "displayName", "value": "x"}
    await scim.patch("/Users/1", change, headers={"If-Match": tag})
    await scim.patch("/Users/1", change, status=412, headers={"If-Match": tag})
    wrong = [
        ("GET", "/Users?filter=userName%20eq", 400, "invalidFilter"),
        ("GET", "/Users?filter=nonsense%20eq%20%22x%22", 400, "invalidFilter"),
        ("GET", "/Bulk", 405, None),
        ("POST", "/Bulk", 501, None),
        ("GET", "/Me", 501, None),
        ("GET", "/", 501, None),
        ("GET", "/Users/none", 404, None),
        ("DELETE", "/Groups/none", 404, None),
        ("PUT", "/Users", 405, None),
    ]
    for method, path, status, kind in wrong:
        answer = (await scim.ask(method, path, status=status)).json()
        assert answer["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert (answer["status"], answer.get("scimType")) == (str(status), kind), path
    bodies = [
        b"{", b"[]", b'{"userName": "x"}', b'{"userName": "\xff"}', b'{"schemas": []}',
        b'{"schemas": ["%s"], "userName": "\\u0000", "externalId": "7"}' % USER.encode(),
        b'{"schemas": ["%s"], "userName": "x", "externalId": "%s"}' % (USER.encode(), b"7" * 300),
    ]  # fmt: skip
    for body in bodies:
        answer = await scim.ask("POST", "/Users", status=400, content=body)
        assert answer.json()["status"] == "400"
    await scim.ask("POST", "/Users", status=415, content=b"<a/>", headers={"Content-Type": "application/xml"})
    day: dict[str, Any] = {GATE: {"validUntil": "15.7.2029"}}
    assert "is no date" in (await scim.push("u9", externalId="9", status=400, **day))["detail"]
    card: dict[str, Any] = {GATE: {"cards": ["no card!"]}}
    assert "a card's number" in (await scim.push("u9", externalId="9", status=400, **card))["detail"]
    assert await scim.person("9") is None


async def test_texts_that_no_database_takes_are_nobodys(scim: Scim) -> None:
    await scim.push("u1", externalId="1")
    club = await scim.push_group("club", "1")
    search = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
    for attribute in ("userName", "externalId", "id", "displayName"):
        for text in (r"\u0000", r"\ud800"):
            assert await scim.find("/Users", f'{attribute} eq "{text}"') == []
    for path in ("/Users/%00", "/Users/%ed%a0%80", "/Groups/%00", "/Users/" + "x" * 5000):
        await scim.ask("GET", path, status=404)
        await scim.ask("DELETE", path, status=404)
    for nobody in ("\0", "", 7, None):
        for query in ({}, {"attributes": "members"}):
            members = {"op": "add", "path": "members", "value": [{"value": nobody}]}
            await scim.patch(f"/Groups/{club}", members, status=400, params=query)
    far = {"schemas": [search], "startIndex": 10**25}
    assert (await scim.ask("POST", "/Users/.search", status=200, json=far)).json()["totalResults"] == 1
    deep = {"schemas": [search], "filter": "not (" * 3000 + "active pr" + ")" * 3000}
    await scim.ask("POST", "/Users/.search", status=400, json=deep)
    await scim.ask("POST", "/Users", status=400, content=b"[" * 100_000)


async def test_only_the_token_of_a_provider_may(scim: Scim) -> None:
    bare = httpx.AsyncClient(transport=httpx.ASGITransport(scim.app), base_url="http://hub/scim/v2")
    assert (await bare.get("/ServiceProviderConfig")).status_code == 200
    for path in ("/Users", "/Users/1", "/Groups", "/Schemas", "/ResourceTypes", "/none", "/"):
        answer = await bare.get(path)
        assert answer.status_code == 401, path
    assert (await bare.get("/Users")).headers["www-authenticate"] == 'Bearer realm="SCIM"'
    for role, secret in scim.secrets.items():
        answer = await bare.get("/Users", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == (200 if role is Role.PROVISIONING else 403)
    own = {"Authorization": f"Bearer {scim.secrets[Role.PROVISIONING]}"}
    for path in ("people", "gates", "events", "audit", "policy", "changes"):
        assert (await bare.get(f"http://hub/api/v1/{path}", headers=own)).status_code == 403, path
    await scim.database.close()
    gone = await bare.get("/Users", headers=own)
    assert (gone.status_code, gone.json()["detail"]) == (503, "the hub's database cannot be used now")


async def test_the_hub_answers_only_where_it_is_configured(tmp_path: Path) -> None:
    for block, status in (("", 404), ('[people.scim]\nid = "userName"\n', 200)):
        path = tmp_path / "hub.toml"
        path.write_text(f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n{block}')
        hub = Hub(load(path))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.web._app), base_url="http://hub") as client:
            assert (await client.get("/scim/v2/ServiceProviderConfig")).status_code == status
            document = (await client.get("/api/v1/openapi.json")).json()
        assert not [one for one in document["paths"] if "scim" in one]
