"""Several hubs on one database: what is to be done once is, though they are killed, stopped or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import json
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

import asyncpg
import pytest
import sqlalchemy as sa

from campus import tables
from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.database import Database
from campus.duties import LOCKS, Duties
from campus.errors import HubConfigError
from campus.outward import changes, webhooks
from campus.outward.changes import Change
from campus.outward.tables import webhook
from campus.people.records import People, PeopleSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.campus.conftest import Postbox

ADMIN = Actor("office", Role.ADMIN)
HUBS = 3
TOLD = 400
"""Changes of a test: as many again would be told by each hub more that takes part."""
BATCH = webhooks.BATCH


class School(http.server.ThreadingHTTPServer):
    """The school's program: keeps the ids that it was told, in the order they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ids: list[str] = []
        self.bodies: dict[str, set[int]] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A hub that was killed in the middle is no error of this program's."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: School

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.ids.append(self.headers["webhook-id"])
        self.server.bodies.setdefault(self.headers["webhook-id"], set()).add(told["data"]["position"])
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Print nothing."""


@pytest.fixture
def school() -> Iterator[School]:
    made = School()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


class HubProcess:
    """`thermogate-hub serve`, and what it has said."""

    def __init__(self, config: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            command = [sys.executable, "-m", "campus", "serve", "--config", str(config)]
            self.process = subprocess.Popen(command, stderr=file)

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def answers(self) -> bool:
        return any(line["event"] == "answering" for line in self.said())

    def duties(self) -> set[str]:
        """What it holds, by what it says."""
        held: set[str] = set()
        for line in self.said():
            if line["event"] == "duty taken":
                held.add(line["duty"])
            elif line["event"] == "duties given up":
                held.clear()
        return held

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path], HubProcess]]:
    started: list[HubProcess] = []

    def make(config: Path) -> HubProcess:
        started.append(HubProcess(config, tmp_path / f"hub-{len(started)}.log"))
        return started[-1]

    yield make
    for hub in started:
        hub.kill()


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def configure(folder: Path, database: str, more: str = "") -> Path:
    path = folder / "hub.toml"
    path.write_text(
        f'campus = "school"\ndatabase = "{database}"\n[broker]\nport = 1\n[http]\nport = 0\n'
        f'[people]\nkey = "{folder / "people.key"}"\n[webhooks]\nallow = ["127.0.0.0/8"]\n{more}'
    )
    return path


async def subscribe(database: Database, folder: Path, school: School) -> None:
    people = People(PeopleSettings(key=folder / "people.key"))
    url = f"http://127.0.0.1:{school.server_address[1]}/"
    async with database.transaction() as query:
        await webhooks.subscribe(query, people, ADMIN, url, ["alert"], now=time.time())


async def happen(database: Database, first: int, number: int) -> None:
    now = time.time()
    told = [
        Change(f"c-{one}", "alert", "tamper", now, True, now, "north", detail={"reason": f"[{one}]"})
        for one in range(first, first + number)
    ]
    async with database.transaction() as query:
        await changes.append(query, told)


@pytest.mark.asyncio
async def test_what_is_to_be_done_once_is_though_its_hub_is_killed(
    postgresql_address: str, tmp_path: Path, school: School, postbox: Postbox, start: Callable[[Path], HubProcess]
) -> None:
    """Each change is posted in order, each alert raised and mailed once; what a kill interrupts comes again."""
    mail = (
        f'host = "127.0.0.1"\nport = {postbox.port}\nencryption = "none"\nsender = "h@x.example"\nto = ["a@x.example"]'
    )
    more = f'[alerts]\noffline_after = 1\n[alerts.mail]\nevery = 1\ntypes = ["tamper", "gate_offline"]\n{mail}\n'
    config = configure(tmp_path, postgresql_address, more)
    async with Database(postgresql_address, "school") as database:
        await subscribe(database, tmp_path, school)
        async with database.transaction() as query:
            await query.execute(tables.gate.insert().values(gate="south", online=True, seen=time.time() - 60))
        hubs = [start(config) for _ in range(HUBS)]
        await until(lambda: all(hub.answers() for hub in hubs), "the hubs answer")
        for killed in range(HUBS - 1):
            await until(lambda: any("webhooks" in hub.duties() for hub in hubs), "somebody tells")
            tell = asyncio.ensure_future(happen_slowly(database, killed * TOLD // HUBS, TOLD // HUBS))
            enough = len(school.ids) + TOLD // HUBS // 2
            await until(functools.partial(_more, school.ids, enough), "some are told")
            (holder,) = [hub for hub in hubs if "webhooks" in hub.duties()]
            holder.kill()
            hubs.remove(holder)
            await tell
        first = (HUBS - 1) * (TOLD // HUBS)
        await happen(database, first, TOLD - first)
        await until(lambda: {f"c-{one}" for one in range(TOLD)} <= set(school.ids), "everything is told")
        await until(lambda: f"[{TOLD - 1}]" in mailed(postbox) and "gate offline" in mailed(postbox), "all is mailed")
        async with database.transaction() as query:
            raised = await changes.after(query, 0, ["alert"], 2 * TOLD)
    once = list(dict.fromkeys(one for one in school.ids if one.startswith("c-")))
    assert once == [f"c-{one}" for one in range(TOLD)]
    assert all(len(positions) == 1 for positions in school.bodies.values())
    # What was on its way when its hub was killed, and no more.
    assert len(school.ids) <= len(set(school.ids)) + (HUBS - 1) * BATCH
    assert [one.change.gate for one in raised if one.change.type == "gate_offline"] == ["south"]
    text = mailed(postbox)
    assert all(f"[{one}]" in text for one in range(TOLD))
    again = [one for one in range(TOLD) if text.count(f"[{one}]") > 1]
    assert len(again) < TOLD // HUBS, "a mail that was handed over and not noted at most"


def _more(told: list[str], than: int) -> bool:
    return len(told) > than


async def happen_slowly(database: Database, first: int, number: int) -> None:
    for one in range(first, first + number):
        await happen(database, one, 1)
        await asyncio.sleep(0.01)


def mailed(postbox: Postbox) -> str:
    return "".join(one.get_content() for one in postbox.mails)


@pytest.mark.asyncio
async def test_a_hub_that_hangs_loses_its_duties_and_gives_them_up_when_it_goes_on(
    postgresql_address: str, tmp_path: Path, school: School, start: Callable[[Path], HubProcess]
) -> None:
    config = configure(tmp_path, postgresql_address)
    async with Database(postgresql_address, "school") as database:
        await subscribe(database, tmp_path, school)
        first = start(config)
        await until(lambda: {"webhooks", "alerts", "retention", "intake 1/1"} <= first.duties(), "it has every duty")
        second = start(config)
        await until(second.answers, "the second answers")
        await happen(database, 0, 10)
        await until(lambda: len(school.ids) == 10, "the first tells")
        assert not second.duties()
        first.process.send_signal(signal.SIGSTOP)
        await happen(database, 10, 10)
        await until(lambda: len(set(school.ids)) == 20, "the second tells")
        first.process.send_signal(signal.SIGCONT)
        await until(lambda: any(line["event"] == "duties given up" for line in first.said()), "the first notices")
        await happen(database, 20, 10)
        await until(lambda: len(set(school.ids)) == 30, "the second goes on")
        assert not first.duties()
        assert {"webhooks", "alerts", "retention", "intake 1/1"} <= second.duties()
    assert list(dict.fromkeys(school.ids)) == [f"c-{one}" for one in range(30)]
    assert len(school.ids) <= 31, "at most the one that was on its way"


class Worker:
    """Works while it is let; who does at a time is noted."""

    def __init__(self, name: str, working: list[str]) -> None:
        self._name, self._working = name, working

    async def work(self) -> NoReturn:
        self._working.append(self._name)
        try:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")
        finally:
            await asyncio.sleep(0.05)  # what ends takes a moment
            self._working.remove(self._name)


@pytest.mark.asyncio
async def test_a_session_that_postgresql_ends_takes_the_duties_with_it(postgresql_address: str) -> None:
    working: list[str] = []
    taken: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for name in ("a", "b"):
            database = await stack.enter_async_context(Database(postgresql_address, "school"))
            duties = Duties(database, lambda duty, held: taken.append(duty) if held else None)
            works: Mapping[str, Any] = {duty: Worker(name, working).work for duty in ("one", "two")}
            running.append(asyncio.ensure_future(duties.run(works)))
        owner = await asyncpg.connect(postgresql_address)
        stack.push_async_callback(owner.close)
        for times in range(1, 4):
            await until(functools.partial(_more, working, 1), "each duty has somebody")
            assert len(taken) == 2 * times
            held = await owner.fetch(
                "SELECT DISTINCT pid FROM pg_locks JOIN pg_database ON oid = database"
                " WHERE locktype = 'advisory' AND classid = $1 AND granted AND datname = current_database()",
                LOCKS,
            )
            assert len(held) == 1, "who came first has both"
            assert await owner.fetchval("SELECT pg_terminate_backend($1)", held[0]["pid"])
            await until(functools.partial(_more, taken, 2 * times + 1), "they are taken again")
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert not working


@pytest.mark.asyncio
async def test_the_error_of_a_work_is_not_tried_again(address: str) -> None:
    async def fail() -> NoReturn:
        raise HubConfigError("[roster] sign_with: cannot be read")

    async with Database(address, "school") as database:
        with pytest.raises(ExceptionGroup) as caught:
            await Duties(database).run({"roster": fail})
    assert caught.group_contains(HubConfigError, match="sign_with")


@pytest.mark.asyncio
async def test_progress_of_a_hub_that_was_away_undoes_nothing(
    postgresql_address: str, tmp_path: Path, school: School
) -> None:
    """A hub that went on with what it had read, after another had told more, does not set the receiver back."""
    async with Database(postgresql_address, "school") as database:
        await subscribe(database, tmp_path, school)
        async with database.transaction() as query:
            (old,) = await webhooks.everyone(query)
            await query.execute(sa.update(webhook).values(position=7))
            assert not await webhooks.note(query, old, {"position": old.position + 1})
            (now,) = await webhooks.everyone(query)
            assert await webhooks.note(query, now, {"position": 8})
        async with database.transaction() as query:
            assert (await webhooks.everyone(query))[0].position == 8


def test_a_second_hub_on_a_file_is_told_so(
    tmp_path: Path, start: Callable[[Path], HubProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(tmp_path, str(tmp_path / "hub.sqlite3"))
    first = start(config)
    asyncio.run(until(first.answers, "it answers"))
    assert main(["serve", "--config", str(config)]) == 1
    told = capsys.readouterr().err
    assert f"in use by another hub, process {first.process.pid}; several need PostgreSQL" in told
    assert re.search(r"hub\.sqlite3: ", told)
    assert main(["token", "issue", "desk", "--role", "admin", "--config", str(config)]) == 0
    assert main(["serve", "--config", str(config), "--worker", "1/2"]) == 1
    assert "--worker: several need PostgreSQL" in capsys.readouterr().err
    first.kill()
    again = start(config)
    asyncio.run(until(again.answers, "the next one has the file"))
