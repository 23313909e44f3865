"""An identity provider whose scope was set wrong does not empty a campus."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from campus.alerts.mail import DEFAULT, WORDS
from campus.alerts.watch import AlertWatch, WatchSettings
from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.outward.tables import change
from campus.scim import guard
from campus.scim.settings import ScimSettings
from campus.scim.tables import removal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.campus.scim.conftest import Scim

SHELL = Actor("root (shell)", Role.ADMIN)
OFF = {"op": "Replace", "path": "active", "value": "False"}
ON = {"op": "Replace", "path": "active", "value": "True"}


@pytest.fixture
def scim(make_scim: Callable[[ScimSettings], Scim]) -> Scim:
    return make_scim(ScimSettings(id="userName", removals=2, removal_share=0.3))


async def standing(scim: Scim) -> guard.Standing:
    async with scim.database.transaction() as query:
        return await guard.standing(query, scim.settings, time.time())


async def fill(scim: Scim, number: int) -> None:
    for one in range(number):
        await scim.push(f"u{one}")


async def alerts(scim: Scim) -> list[str]:
    watch = AlertWatch(scim.database, WatchSettings(), started=time.time())
    await watch.look(time.time())
    async with scim.database.transaction() as query:
        rows = (await query.execute(sa.select(change.c.type, change.c.detail).order_by(change.c.position))).all()
    return [f"{row.type} {'true' if 'true' in row.detail else 'false'}" for row in rows]


@pytest.mark.asyncio
async def test_too_many_are_refused_until_an_administrator_allows_it(scim: Scim) -> None:
    await fill(scim, 10)
    await scim.patch("/Users/u0", OFF)
    await scim.ask("DELETE", "/Users/u1", status=204)
    await scim.patch("/Users/u2", OFF)
    assert await alerts(scim) == []
    refused = await scim.patch("/Users/u3", OFF, status=429)
    assert refused.headers["retry-after"] == "600"
    assert "4 people would be shut out within 3600 s, and 3 may" in refused.json()["detail"]
    person = await scim.person("u3")
    assert person is not None
    assert person.active
    assert (await standing(scim)).tripped is not None
    assert await alerts(scim) == ["removals_refused true"]
    assert "removals_refused" in WORDS
    assert "removals_refused" in DEFAULT
    await scim.ask("DELETE", "/Users/u3", status=429)
    await scim.push("new")  # all else goes on
    await scim.patch("/Users/u4", {"op": "replace", "path": "displayName", "value": "x"})
    async with scim.database.transaction() as query:
        await guard.allow(query, SHELL, 2, now=time.time())
    assert await alerts(scim) == ["removals_refused true", "removals_refused false"]
    await scim.patch("/Users/u3", OFF)
    await scim.ask("DELETE", "/Users/u4", status=204)
    await scim.ask("DELETE", "/Users/u5", status=429)
    actions = [action for action, _ in await scim.actions()]
    assert actions.count("removals_refused") == 2
    assert actions.count("person_removed") == 2


@pytest.mark.asyncio
async def test_it_stays_when_the_window_has_passed(scim: Scim) -> None:
    """Else a wrong scope would empty the campus all the same, some people each hour."""
    await fill(scim, 10)
    for one in range(3):
        await scim.patch(f"/Users/u{one}", OFF)
    async with scim.database.transaction() as query:
        await query.execute(sa.update(removal).values(time=time.time() - 3599))
    await scim.patch("/Users/u3", OFF, status=429)
    async with scim.database.transaction() as query:
        await query.execute(sa.update(removal).values(time=time.time() - 3601))
    await scim.patch("/Users/u3", OFF, status=429)
    async with scim.database.transaction() as query:
        await guard.allow(query, SHELL, 0, now=time.time())
    await scim.patch("/Users/u3", OFF)


@pytest.mark.asyncio
async def test_nobody_counts_twice_and_who_is_back_does_not_count(scim: Scim) -> None:
    await fill(scim, 10)
    await scim.patch("/Users/u0", OFF)
    await scim.ask("DELETE", "/Users/u0", status=204)
    for _ in range(5):
        await scim.patch("/Users/u1", OFF)
        await scim.patch("/Users/u1", ON)
    assert (await standing(scim)).recent == 1
    assert (await standing(scim)).tripped is None


@pytest.mark.asyncio
async def test_who_loses_the_last_group_is_shut_out_as_well(scim: Scim) -> None:
    await fill(scim, 6)
    everybody = [f"u{one}" for one in range(6)]
    pupils, club = await scim.push_group("pupils", *everybody), await scim.push_group("club", "u0")
    await scim.ask("DELETE", f"/Groups/{pupils}", status=429)
    assert await scim.groups("u5") == ("pupils",)
    await scim.patch(f"/Groups/{pupils}", {"op": "replace", "path": "members", "value": []}, status=429)
    # The year goes up: who is in the new class already may leave the old one.
    joining = {"op": "add", "path": "members", "value": [{"value": who} for who in everybody]}
    await scim.patch(f"/Groups/{club}", joining)
    await scim.ask("DELETE", f"/Groups/{pupils}", status=204)
    assert await scim.groups("u5") == ("club",)


@pytest.mark.asyncio
async def test_pushes_at_once_do_not_pass_it_together(scim: Scim) -> None:
    await fill(scim, 10)
    paths = [f"/Users/u{one}" for one in range(10)]
    answers = await asyncio.gather(*(scim.client.delete(path) for path in paths))
    assert sorted(one.status_code for one in answers) == [204] * 3 + [429] * 7


def test_the_command_says_how_it_stands_and_takes_it_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n')
    assert main(["scim", "status", "--config", str(config)]) == 1
    assert "people.scim: is missing" in capsys.readouterr().err
    config.write_text(config.read_text() + "[people.scim]\n")
    assert main(["scim", "status", "--config", str(config)]) == 0
    assert main(["scim", "allow-removals", "-1", "--config", str(config)]) == 1
    assert main(["scim", "allow-removals", "300", "--config", str(config)]) == 0
    assert main(["scim", "status", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 of at most 10 people shut out within 3600 s",
        "300 more people may be shut out within a day; the provider tries again by itself",
        "0 of at most 10 people shut out within 3600 s",
        "300 more are allowed",
    ]
