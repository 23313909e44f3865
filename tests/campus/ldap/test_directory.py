"""People from a real directory, over TLS: whole or not at all, each mistake by its DN, and never half a campus gone."""

from __future__ import annotations

import datetime as dt
import re
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.database import Database
from campus.errors import HubConfigError
from campus.people import ldap as people_ldap
from campus.people.ldap import LdapSettings, read_directory
from campus.people.reconcile import Plan, reconcile
from campus.people.records import Number, People, PeopleSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.campus.ldap.conftest import Directory, MakeDirectory

pytestmark = pytest.mark.service

BASE = "dc=school,dc=example"
READER = f"cn=reader,{BASE}"
OFFICE = Actor("office", Role.ENROLMENT)
MOMENT = (dt.datetime(2029, 7, 16) - dt.datetime(1601, 1, 1)) // dt.timedelta(microseconds=1) * 10  # noqa: DTZ001 - UTC
EVE = f"""
dn: cn=Eve Example,ou=Year 7,{BASE}
displayName: Eve Example
employeeID: 2041
employeeNumber: 1A2B3C4D
employeeType: Student
userAccountControl: 512
accountExpires: {MOMENT}
memberOf: CN=SG-Pupils,OU=Groups,DC=school,DC=example
memberOf: CN=Chess club\\, old,OU=Groups,DC=school,DC=example
ou: Chess
"""
ZHANG = f"""
dn: cn=张伟,{BASE}
displayName: 张伟
employeeID: 2042
employeeType: Lehrer
userAccountControl: 514
accountExpires: 9223372036854775807
"""


def pupil(number: int, **more: object) -> str:
    """An entry with an id."""
    lines = "".join(f"{name}: {value}\n" for name, value in more.items())
    return f"dn: cn=p{number},{BASE}\nemployeeID: {number}\n{lines}"


class Hub:
    """Imports into a hub's database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.people = People(PeopleSettings(key=folder / "key" / "people.key"))

    async def take(self, settings: LdapSettings, **more: Any) -> Plan:
        source = await read_directory(settings)
        return await reconcile(self.database, self.people, OFFICE, source, share=0.05, **more)

    async def everybody(self) -> dict[str, Any]:
        async with self.database.transaction() as query:
            return {one.id: one async for one in self.people.everybody(query)}


@pytest_asyncio.fixture
async def hub(address: str, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Database(address, "school") as database:
        yield Hub(database, tmp_path)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub in this time zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.asyncio
@pytest.mark.parametrize("encrypted", [True, False], ids=["ldaps", "starttls"])
async def test_a_directory_is_taken_over_and_again_nothing_changes(
    directory: Directory, hub: Hub, utc: None, *, encrypted: bool
) -> None:
    directory.start(EVE, ZHANG, *(pupil(number) for number in range(3000, 3005)))
    settings = directory.settings(
        encrypted=encrypted, kinds={"lehrer": "staff"}, groups={"SG-Pupils": "pupils"}, card="employeeNumber",
        groups_from=("memberOf", "ou"),
    )  # fmt: skip
    dry = await hub.take(settings, dry_run=True)
    assert await hub.everybody() == {}
    assert await hub.take(settings) == dry
    assert dry.added == ("2041", "2042", "3000", "3001", "3002", "3003", "3004")
    found = await hub.everybody()
    eve, zhang = found["2041"], found["2042"]
    assert (eve.name, eve.kind, eve.active, eve.source) == ("Eve Example", "student", True, "ldap")
    assert eve.groups == ("Chess", "Chess-club,-old", "Year-7", "pupils")
    assert eve.valid_until == dt.date(2029, 7, 15), "what expires at midnight has its last day before"
    assert eve.credentials == (Number("card", "1A2B3C4D"),)
    assert (zhang.name, zhang.kind, zhang.active, zhang.valid_until) == ("张伟", "staff", False, None)
    assert await hub.take(settings) == Plan((), (), (), (), 7)
    few = await hub.take(directory.settings(groups={"SG-Pupils": "pupils"}, only_groups=True))
    assert few.changed == ("2041",)
    assert (await hub.everybody())["2041"].groups == ("pupils",)


@pytest.mark.asyncio
async def test_who_left_is_removed_but_never_half_a_campus(directory: Directory, hub: Hub) -> None:
    directory.start(*(pupil(number) for number in range(40)), pupil(40, userAccountControl=512))
    everybody = directory.settings()
    await hub.take(everybody)
    plan = await hub.take(directory.settings(filter="(&(objectClass=user)(!(cn=p7)))"))
    assert plan.removed == ("7",)
    with pytest.raises(HubConfigError, match="40 of 40 people would be removed or suspended, and 2 may"):
        await hub.take(directory.settings(filter="(cn=p7)"))
    assert len(await hub.everybody()) == 40


@pytest.mark.asyncio
async def test_a_limit_half_way_changes_nothing(directory: Directory, hub: Hub) -> None:
    directory.start(*(pupil(number) for number in range(6)))
    with pytest.raises(HubConfigError, match=r"size limit was exceeded after 2 entries: nothing was changed"):
        await hub.take(directory.settings(bind_dn=f"cn=short,{BASE}"))
    assert await hub.everybody() == {}


@pytest.mark.asyncio
async def test_every_wrong_entry_is_named_by_its_dn_and_nothing_is_taken(directory: Directory, hub: Hub) -> None:
    two = f"dn: cn=two,{BASE}\nemployeeNumber: 1\n"
    directory.start(
        EVE, two, pupil(1, userAccountControl=512, displayName="x" * 201), pupil(2), pupil(2).replace("p2", "again"),
        pupil(3).replace("employeeID: 3", "employeeID: no 3"),
        pupil(4, memberOf=f"CN={'g' * 65},{BASE}"), pupil(5, accountExpires=-(10**19)),
    )  # fmt: skip
    with pytest.raises(HubConfigError) as caught:
        await hub.take(directory.settings())
    told = str(caught.value).splitlines()
    assert [line.removeprefix("people.ldap: ").replace(f",{BASE}", "") for line in sorted(told)] == [
        "cn=again: employeeID: 2 is cn=p2's as well",
        "cn=p1: displayName: is longer than 200 characters",
        "cn=p3: employeeID: 'no 3' is no person id: 1 to 64 printable characters without spaces and slashes",
        f"cn=p4: memberOf: '{'g' * 65}': a group has 1 to 64 printable characters",
        f"cn=p5: accountExpires: '-{10**19}' is no moment",
        "cn=two: employeeID: is missing",
    ]
    assert await hub.everybody() == {}


@pytest.mark.asyncio
async def test_nobody_found_is_a_mistake(directory: Directory) -> None:
    directory.start(EVE)
    with pytest.raises(HubConfigError, match=re.escape(f"nobody is below {BASE} by the filter (cn=none)")):
        await read_directory(directory.settings(filter="(cn=none)"))
    with pytest.raises(HubConfigError, match=r"people\.ldap: 127\.0\.0\.1:\d+: No such object"):
        await read_directory(directory.settings(base=f"ou=none,{BASE}"))
    with pytest.raises(HubConfigError, match="Bad search filter"):
        await read_directory(directory.settings(filter="(cn="))


@pytest.mark.asyncio
async def test_a_wrong_password_is_said_and_not_shown(directory: Directory) -> None:
    directory.start(EVE)
    wrong = directory.folder / "wrong"
    wrong.write_text("not the secret\n")
    with pytest.raises(HubConfigError, match="Invalid credentials") as caught:
        await read_directory(directory.settings(password_file=wrong))
    assert "not the secret" not in str(caught.value)
    wrong.write_text("\n")
    with pytest.raises(HubConfigError, match=r"people\.ldap\.password_file: .*wrong: is empty"):
        await read_directory(directory.settings(password_file=wrong))
    with pytest.raises(HubConfigError, match=r"missing: No such file"):
        await read_directory(directory.settings(password_file=directory.folder / "missing"))
    with pytest.raises(HubConfigError, match="bind_dn needs a password_file"):
        await read_directory(directory.settings(password_file=None))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("encrypted", "told"),
    [(True, "its certificate is not trusted: "), (False, "no STARTTLS, or its certificate")],
    ids=["ldaps", "starttls"],
)
async def test_an_untrusted_certificate_gets_no_password(directory: Directory, told: str, *, encrypted: bool) -> None:
    directory.start(EVE)
    for trusted in (directory.other_ca, None):
        with pytest.raises(HubConfigError, match=told):
            await read_directory(directory.settings(encrypted=encrypted, ca=trusted))
    with pytest.raises(HubConfigError, match=r"people\.ldap\.ca: /missing\.pem"):
        await read_directory(directory.settings(encrypted=encrypted, ca=Path("/missing.pem")))


@pytest.mark.asyncio
async def test_another_hosts_certificate_is_not_trusted(make_directory: MakeDirectory) -> None:
    directory = make_directory("127.0.0.2")
    directory.start(EVE)
    with pytest.raises(HubConfigError, match="IP address mismatch"):
        await read_directory(directory.settings())
    with pytest.raises(HubConfigError, match="or its certificate is not trusted or another host's"):
        await read_directory(directory.settings(encrypted=False))


@pytest.mark.asyncio
async def test_a_directory_that_is_away_or_silent_is_named(directory: Directory) -> None:
    for encrypted, port in ((True, directory.ports[1]), (False, directory.ports[0])):
        with pytest.raises(HubConfigError, match=rf"people\.ldap: 127\.0\.0\.1:{port}: .*[Cc]onnect"):
            await read_directory(directory.settings(encrypted=encrypted))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for url in (f"ldaps://127.0.0.1:{port}", f"ldap://127.0.0.1:{port}"):
            with pytest.raises(HubConfigError, match=rf"{port}: (no answer within 1 s|Timed out)"):
                await read_directory(directory.settings(url=url, timeout=1.0))
    with pytest.raises(HubConfigError, match=r"people\.ldap: nowhere\.invalid:636"):
        await read_directory(directory.settings(url="ldaps://nowhere.invalid"))


@pytest.mark.asyncio
async def test_nothing_goes_in_the_clear_beyond_this_machine(directory: Directory) -> None:
    with pytest.raises(HubConfigError, match=r"10\.0\.0\.1: without encryption only to this machine"):
        await read_directory(directory.settings(url="ldap://10.0.0.1", starttls=False))
    for url in ("http://x", "ldaps://", f"ldaps://x/{BASE}", "ldaps://eve:secret@x", "ldaps://x:port"):
        with pytest.raises(HubConfigError, match=r"people\.ldap\.url: ") as caught:
            await read_directory(directory.settings(url=url))
        assert "secret" not in str(caught.value)
    directory.start(EVE)
    plain = directory.settings(encrypted=False, starttls=False)
    assert len((await read_directory(plain)).records) == 1


@pytest.mark.parametrize(
    ("attribute", "text", "told"),
    [
        ("accountExpires", "0", None),
        ("accountExpires", "9223372036854775807", None),
        ("accountExpires", str(MOMENT), dt.date(2029, 7, 15)),
        ("accountExpires", str(MOMENT + 10), dt.date(2029, 7, 16)),
        ("shadowExpire", "-1", None),
        ("shadowExpire", "1", dt.date(1970, 1, 1)),
        ("krbPrincipalExpiration", "20290716000000Z", dt.date(2029, 7, 15)),
        ("krbPrincipalExpiration", "20290715120000.0Z", dt.date(2029, 7, 15)),
        ("leaves", "2029-07-15", dt.date(2029, 7, 15)),
    ],
)
def test_the_last_day_is_inclusive(attribute: str, text: str, told: dt.date | None, utc: None) -> None:
    assert people_ldap._last_day(attribute, text) == told


def test_the_command_reads_it_and_never_says_the_password(
    directory: Directory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.start(EVE, ZHANG)
    config = tmp_path / "hub.toml"
    config.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n[people]\nkey = "{tmp_path / "people.key"}"\n'
    )
    assert main(["import", "--ldap", "--config", str(config)]) == 1
    assert "people.ldap: is missing" in capsys.readouterr().err
    with config.open("a") as more:
        more.write(
            f'[people.ldap]\nurl = "ldaps://127.0.0.1:{directory.ports[1]}"\nca = "{directory.ca}"\n'
            f'bind_dn = "{READER}"\npassword_file = "{directory.password}"\nbase = "{BASE}"\n'
            'filter = "(objectClass=user)"\n'
        )
    assert main(["import", "--ldap", "--database", "--config", str(config)]) == 1
    assert main(["import", "--ldap", "--config", str(config), "--dry-run"]) == 0
    assert main(["import", "--ldap", "--config", str(config)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "new             2  2041 2042"
    assert directory.password.read_text().strip() not in told.out + told.err


def test_a_missing_package_is_one_line_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    config = tmp_path / "hub.toml"
    config.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n[people.ldap]\nurl = "ldaps://x"\nbase = "dc=x"\n'
    )
    assert main(["import", "--ldap", "--config", str(config)]) == 1
    assert capsys.readouterr().err == (
        "thermogate-hub: people.ldap: needs python-ldap: pip install 'thermogate[hub,ldap]'\n"
    )
