"""People from the school's files and database: whole or not at all, by row, and never half a campus gone at once."""

from __future__ import annotations

import asyncio
import sqlite3
import zipfile
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.database import Database
from campus.errors import HubConfigError
from campus.people import many
from campus.people import sources as people_sources
from campus.people.reconcile import Plan, reconcile
from campus.people.records import Number, People, PeopleSettings, Person
from campus.people.sources import SourceSettings, read_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OFFICE = Actor("office", Role.ENROLMENT)
HEADER = "person_id,name,kind,groups,valid_until,card\n"
ROWS = "2041,Eve Example,student,student 7b,2029-07-15,1a2b3c4d\n2042,张伟,staff,staff,,\n"


class Office:
    """Imports into a hub's database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.people = People(PeopleSettings(key=folder / "key" / "people.key"))

    async def take(self, source: people_sources.Source, *, allowed: int | None = None, dry_run: bool = False) -> Plan:
        return await reconcile(
            self.database, self.people, OFFICE, source, share=0.05, allowed=allowed, dry_run=dry_run
        )  # fmt: skip

    async def read(self, text: str, *, encoding: str = "utf-8") -> people_sources.Source:
        path = self.folder / "people.csv"
        path.write_bytes(text.encode(encoding))
        return read_file(path)

    async def everybody(self) -> dict[str, Person]:
        async with self.database.transaction() as query:
            return {one.id: one async for one in self.people.everybody(query)}


@pytest_asyncio.fixture
async def office(address: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with Database(address, "school") as database:
        yield Office(database, tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_a_table_is_taken_over_and_again_nothing_changes(office: Office, encoding: str) -> None:
    source = await office.read(HEADER + ROWS, encoding=encoding)
    assert await office.take(source) == Plan(("2041", "2042"), (), (), (), 0)
    found = await office.everybody()
    assert (found["2042"].name, found["2042"].kind) == ("张伟", "staff")
    assert found["2041"].credentials == (Number("card", "1A2B3C4D"),)
    assert found["2041"].source == "csv"
    assert await office.take(source) == Plan((), (), (), (), 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_long_import_keeps_nobody_from_the_audit_log(
    office: Office, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard's order, the list for a fire, a look at a ticket: each has an entry, and waits for no 20,000 people."""
    source, begun, asked = await office.read(HEADER + ROWS), asyncio.Event(), asyncio.Event()

    async def slow(*words: Any, **more: Any) -> set[str]:
        done = await many.upsert_all(*words, **more)
        begun.set()
        await asked.wait()
        return done

    monkeypatch.setattr("campus.people.reconcile.upsert_all", slow)
    importing = asyncio.ensure_future(office.take(source))
    async with Database(address, "school") as other:
        await begun.wait()
        async with asyncio.timeout(5), other.transaction() as query:
            head = await audit.append(query, OFFICE, "order_given", "north", {}, now=1.0)
        assert head.seq == 1
        asked.set()
        assert (await importing).added == ("2041", "2042")
        async with other.transaction() as query:
            assert (await audit.verify(query)).seq == 4


@pytest.mark.asyncio
async def test_a_dry_run_tells_the_same_and_changes_nothing(office: Office) -> None:
    source = await office.read(HEADER + ROWS)
    told = await office.take(source, dry_run=True)
    assert await office.everybody() == {}
    async with office.database.transaction() as query:
        assert (await audit.head(query)).seq == 0
    assert await office.take(source) == told


@pytest.mark.asyncio
async def test_what_a_source_does_not_say_stays(office: Office) -> None:
    await office.take(await office.read(HEADER + ROWS))
    await office.take(await office.read("person_id,name\n2041,Eve Other\n2042,张伟\n"))
    found = (await office.everybody())["2041"]
    assert (found.name, found.groups, found.credentials) == (
        "Eve Other",
        ("7b", "student"),
        (Number("card", "1A2B3C4D"),),
    )


@pytest.mark.asyncio
async def test_who_left_is_removed_and_the_hubs_own_stay(office: Office) -> None:
    async with office.database.transaction() as query:
        await office.people.upsert(query, OFFICE, Person(id="visitor-1", kind="visitor"), now=1.0)
    await office.take(await office.read(HEADER + ROWS))
    plan = await office.take(await office.read("person_id\n2041\n"))
    assert plan == Plan((), (), (), ("2042",), 1)
    assert set(await office.everybody()) == {"2041", "visitor-1"}
    async with office.database.transaction() as query:
        await audit.verify(query)


@pytest.mark.asyncio
async def test_half_an_export_empties_no_campus(office: Office) -> None:
    many = "person_id,active\n" + "".join(f"{number},true\n" for number in range(100, 140))
    await office.take(await office.read(many))
    half = await office.read("person_id,active\n" + "".join(f"{number},true\n" for number in range(100, 137)))
    with pytest.raises(HubConfigError, match="3 of 40 people would be removed or suspended, and 2 may"):
        await office.take(half)
    assert len(await office.everybody()) == 40
    suspending = await office.read(many.replace("100,true", "100,false").replace("101,true", "101,false"))
    assert (await office.take(suspending)).suspended == ("100", "101")
    assert len((await office.take(half, allowed=3)).removed) == 3
    with pytest.raises(HubConfigError, match="1 of 37 people"):
        await office.take(await office.read(many[: many.index("136")]), allowed=0)


@pytest.mark.asyncio
async def test_mistakes_are_all_named_by_row_and_nothing_is_taken(office: Office) -> None:
    wrong = "2041,Eve,pupil,,15.7.2029,\na b,,,,,\n2041,,,,,\n"
    with pytest.raises(HubConfigError) as caught:
        await office.read(HEADER + wrong)
    told = str(caught.value).replace(f"{office.folder}/", "").split("\n")
    assert told == [
        "people.csv:2: kind: 'pupil' is none of student, staff, visitor",
        "people.csv:2: valid_until: '15.7.2029' is not a date like 2026-09-01",
        "people.csv:3: person_id: 'a b' is no person id: 1 to 64 printable characters without spaces and slashes",
        "people.csv:4: person_id: 2041 stands in row 2 as well",
    ]
    with pytest.raises(HubConfigError, match=r"people.csv:1: phone: is none of person_id, name"):
        await office.read("person_id,phone\n1,2\n")
    with pytest.raises(HubConfigError, match=r"people.csv:1: has no rows"):
        await office.read("person_id\n")


@pytest.mark.asyncio
async def test_a_card_that_is_anothers_undoes_the_whole_import(office: Office) -> None:
    source = await office.read(HEADER + ROWS + "2043,Max,student,,,1A2B3C4D\n")
    with pytest.raises(HubConfigError, match=r"people.csv:4: 2043: this card is 2041's already"):
        await office.take(source)
    assert await office.everybody() == {}


@pytest.mark.asyncio
async def test_another_sources_person_is_not_taken_over(office: Office) -> None:
    await office.take(await office.read(HEADER + ROWS))
    other = (await office.read("person_id\n2041\n"))._replace(name="database")
    with pytest.raises(HubConfigError, match=r"people.csv:2: 2041 is kept by the source 'csv'"):
        await office.take(other)


def bundle(folder: Path, mode: str, *, users: str, **others: str) -> Path:
    path = folder / "oneroster.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("manifest.csv", f"propertyName,value\noneroster.version,1.2\nfile.users,{mode}\n")
        made.writestr("users.csv", "sourcedId,status,enabledUser,givenName,familyName,identifier\n" + users)
        for name, text in others.items():
            made.writestr(f"{name}.csv", text)
    return path


ROLES = (
    "sourcedId,status,userSourcedId,roleType,role,beginDate,endDate\n"
    "r1,,u1,primary,student,,\nr2,,u2,primary,teacher,,\nr3,,u2,secondary,guardian,,\nr4,,u3,primary,guardian,,\n"
    "r5,,u4,primary,student,,2001-07-31\n"
)
USERS = "u1,,true,Eve,Example,2041\nu2,,true,Wei,Zhang,7\nu3,,true,Pa,Example,8\nu4,,true,Old,Pupil,9\n"
CLASSES = "sourcedId,status,title,classCode\nc1,,Class 7 b,\nc2,,Chess,chess\n"
ENROLMENTS = (
    "sourcedId,status,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
    "e1,,c1,s,u1,student,,,\ne2,,c2,s,u1,student,,2001-01-01,2001-02-01\ne3,,c1,s,u2,teacher,,,\n"
)


@pytest.mark.asyncio
async def test_oneroster_brings_those_who_pass_gates_with_their_roles_and_classes(office: Office) -> None:
    others = {"roles": ROLES, "classes": CLASSES, "enrollments": ENROLMENTS}
    await office.take(read_file(bundle(office.folder, "bulk", users=USERS, **others)))
    found = await office.everybody()
    assert {who: (one.name, one.kind, one.groups) for who, one in found.items()} == {
        "u1": ("Eve Example", "student", ("Class-7-b", "student")),
        "u2": ("Wei Zhang", "staff", ("Class-7-b", "guardian", "teacher")),
    }
    delta = "u2,tobedeleted,true,Wei,Zhang,7\nu5,active,false,New,One,10\n"
    roles = ROLES + "r6,,u5,primary,student,,\n"
    plan = await office.take(read_file(bundle(office.folder, "delta", users=delta, roles=roles)))
    assert (plan.added, plan.removed) == (("u5",), ("u2",)), "u1, whom a delta does not name, stays"
    assert not (await office.everybody())["u5"].active


@pytest.mark.asyncio
async def test_a_bundle_that_is_none_is_named(office: Office) -> None:
    path = office.folder / "x.zip"
    path.write_bytes(b"PK no")
    with pytest.raises(HubConfigError, match=r"x\.zip: cannot be read"):
        read_file(path)
    with pytest.raises(HubConfigError, match=r"oneroster\.zip/users\.csv:1: identity: column is missing"):
        read_file(bundle(office.folder, "bulk", users=USERS), "identity")
    twice = bundle(office.folder, "bulk", users=USERS.replace("2041", "7"), roles=ROLES)
    with pytest.raises(HubConfigError, match=r"users\.csv:3: person_id: 7 stands in row 2 as well"):
        read_file(twice, "identifier")


@pytest.mark.asyncio
async def test_a_table_of_the_schools_database_is_a_source(office: Office, address: str) -> None:
    columns = "(no text, name text, leaves date, here boolean)"
    query = "SELECT no AS person_id, name, leaves AS valid_until, here AS active FROM pupil"
    if office.database.is_postgresql:
        school = await asyncpg.connect(address)
        await school.execute(f"CREATE TABLE pupil {columns}")
        await school.execute(
            "INSERT INTO pupil VALUES ('2041', 'Eve', '2029-07-15', true), ('2042', NULL, NULL, false)"
        )
        await school.close()
        url = address.replace("postgresql:", "postgresql+asyncpg:")
    else:
        with sqlite3.connect(office.folder / "sis.db") as table:
            table.execute(f"CREATE TABLE pupil {columns}")
            table.execute("INSERT INTO pupil VALUES ('2041', 'Eve', '2029-07-15', 1), ('2042', NULL, NULL, 0)")
        table.close()
        url = f"sqlite+aiosqlite:///{office.folder / 'sis.db'}"
    await office.take(await people_sources.read_database(SourceSettings(url=url, query=query)))
    found = await office.everybody()
    assert str(found["2041"].valid_until) == "2029-07-15"
    assert [one.active for one in found.values()] == [True, False]
    with pytest.raises(HubConfigError, match=r"people\.source: .*nowhere"):
        await people_sources.read_database(SourceSettings(url=url, query="SELECT 1 FROM nowhere"))
    with pytest.raises(HubConfigError, match=r"people\.source\.url: a password") as caught:
        await people_sources.read_database(SourceSettings(url="postgresql+asyncpg://a:geheim@b/c", query=query))
    assert "geheim" not in str(caught.value)


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, table = tmp_path / "hub.toml", tmp_path / "people.csv"
    config.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n[people]\nkey = "{tmp_path / "people.key"}"\n'
    )
    table.write_text(HEADER + ROWS)
    assert main(["import", str(table), "--config", str(config), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new             2  2041 2042",
        "changed         0",
        "removed         0",
        "suspended       0  (of those changed)",
        "unchanged       0",
        "A dry run: nothing was changed.",
    ]
    assert main(["import", str(table), "--config", str(config)]) == 0
    assert main(["import", "--config", str(config)]) == 1
    assert main(["import", "--database", "--config", str(config)]) == 1
    assert "people.source: is missing" in capsys.readouterr().err


@pytest.mark.asyncio
async def test_who_was_changed_at_the_desk_still_leaves_with_the_school(office: Office) -> None:
    """Else whoever the office gave a card to on their last day would pass for ever."""
    await office.take(await office.read(HEADER + ROWS))
    at_the_desk = Person(id="2041", groups=("student",), credentials=(Number("card", "DEADBEEF"),))
    async with office.database.transaction() as query:
        await office.people.upsert(query, OFFICE, at_the_desk, now=1.0)
    assert (await office.everybody())["2041"].source == "csv"
    plan = await office.take(await office.read(HEADER + ROWS.splitlines()[1]))
    assert plan.removed == ("2041",)
