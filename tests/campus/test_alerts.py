"""Alerts of the hub's own, and mail of all of them: to a real SMTP server, grouped, and without anybody's health."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from campus import tables
from campus.alerts import mail
from campus.alerts.mail import Mailer, MailSettings
from campus.alerts.watch import AlertWatch, WatchSettings, own_alert
from campus.cli.main import main
from campus.config import load
from campus.database import Database
from campus.errors import HubConfigError
from campus.gates.tables import gate_key, snapshot
from campus.intake.store import HubStore, Incoming
from campus.outward import changes
from campus.outward.feed import Feed
from controller.link.documents import Installed, Reported, encode_reported
from controller.link.messages import Device, EventMessage, State, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.campus.conftest import Postbox


EPOCH = "000000000000002a"
NOW = 1_790_000_000.0


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    async with Database(address, "school") as opened:
        yield opened


def settings(port: int, **more: Any) -> MailSettings:
    return MailSettings(
        host="127.0.0.1", port=port, encryption="none", sender="hub@school.example", to=("a@x.example", "b@x.example"),
        **more,
    )  # fmt: skip


def event(seq: int, kind: str, **more: Any) -> Incoming:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=NOW + seq, monotonic=1.0,
        clock="synchronised", type=kind, chain="0" * 64, **more,
    )  # fmt: skip
    return Incoming("north", message, encode(message))


def state(*devices: Device) -> Incoming:
    message = State(boot_id="b", time=NOW, clock="synchronised", lane="locked", devices=list(devices))
    return Incoming("north", message, encode(message))


async def told(database: Database) -> list[tuple[str, str | None, dict[str, Any]]]:
    async with database.transaction() as query:
        return [(one.change.type, one.change.gate, dict(one.change.detail)) for one in
                await changes.after(query, 0, ["alert"], 100)]  # fmt: skip


@pytest.mark.asyncio
async def test_a_silent_gate_is_said_once_and_so_is_its_return(database: Database) -> None:
    store = HubStore(database)
    await store.apply([state()], NOW)
    watch = AlertWatch(database, WatchSettings(offline_after=180), started=NOW - 5)
    await watch.look(NOW + 179)
    assert await told(database) == []
    await watch.look(NOW + 181)
    # Another hub that starts now gives time first, and then does not say it again.
    again = AlertWatch(database, WatchSettings(offline_after=180), started=NOW + 200)
    await again.look(NOW + 400)
    await store.apply([state()], NOW + 401)
    await again.look(NOW + 402)
    assert await told(database) == [
        ("gate_offline", "north", {"active": True}),
        ("gate_offline", "north", {"active": False}),
    ]


@pytest.mark.asyncio
async def test_lost_devices_gaps_and_old_rosters_are_said(database: Database) -> None:
    store = HubStore(database)
    camera = Device(name="camera", health="lost", reason="no picture within 1 s")
    await store.apply([state(camera, Device(name="thermal", health="degraded"))], NOW)
    reported = Reported(boot_id="b", key="", documents={"people": Installed(version=5), "faces": Installed(version=9)})
    async with database.transaction() as query:
        gap = {"gate": "north", "epoch": EPOCH, "first": 7, "last": None, "found": NOW, "asked": 3, "asked_at": NOW}
        await query.execute(tables.gap.insert().values(**gap, alerted=NOW))
        common = {"content_key": 1, "sha256": "0" * 64, "size": 1}
        rows = [{"kind": "people", "version": 6, **common}, {"kind": "faces", "version": 9, **common}]
        await query.execute(snapshot.insert(), rows)
        payload = encode_reported(reported)
        await query.execute(gate_key.insert().values(gate="north", public="", pinned=NOW, reported=payload))
    watch = AlertWatch(database, WatchSettings(), started=NOW)
    await watch.look(NOW + 1)
    assert await told(database) == [
        ("device_lost", "north", {"active": True, "subject": "camera", "reason": "no picture within 1 s"}),
        ("gap", "north", {"active": True, "subject": EPOCH, "reason": "events from 7 on are missing"}),
        ("roster_lagging", "north", {"active": True, "subject": "people"}),
    ]
    await store.apply([state()], NOW + 2)
    await watch.look(NOW + 3)
    assert (await told(database))[3:] == [("device_lost", "north", {"active": False, "subject": "camera"})]


@pytest.mark.asyncio
async def test_what_comes_together_is_one_mail_without_anybodys_health(database: Database, postbox: Postbox) -> None:
    mailer = Mailer(database, Feed(database), "school", settings(postbox.port))
    fever = event(1, "ticket", person="p-2041", detail={"temperature": 38.7})
    rest = [event(2, "intrusion"), event(3, "fault", detail={"fault": "door_forced"}), event(4, "passage")]
    await HubStore(database).apply([fever, *rest, event(5, "warning")], NOW)
    assert await mailer.tell(0)
    (found,) = postbox.mails
    text = found.get_content()
    assert found["to"] == "a@x.example, b@x.example"
    assert found["subject"] == "[Thermogate] school: 3 alerts 告警"
    assert "north: fever: see the ticket 发热,见工单  1" in text
    assert "故障  door_forced" in text
    assert "2041" not in text
    assert "38.7" not in text
    async with database.transaction() as query:
        head = await changes.head(query)
    assert not await mailer.tell(head)
    assert len(postbox.mails) == 1


@pytest.mark.asyncio
async def test_a_fevers_mail_says_more_only_where_the_school_wants_it(database: Database, postbox: Postbox) -> None:
    mailer = Mailer(database, Feed(database), "school", settings(postbox.port, person=True))
    await HubStore(database).apply([event(1, "ticket", person="p-2041", detail={"temperature": 38.7})], NOW)
    await mailer.tell(0)
    assert "p-2041 38.7 °C" in postbox.mails[0].get_content()


@pytest.mark.asyncio
async def test_a_storm_is_few_mails_and_a_server_that_refuses_gets_it_later(
    database: Database, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "PAUSES", (0.2, 0.4))
    feed = Feed(database)
    async with database.transaction() as query:
        await changes.append(query, [own_alert("tamper", NOW, {"reason": "old"}, gate="old")])
    postbox.refuses = 2
    mailer = Mailer(database, feed, "school", settings(postbox.port, every=3.0))
    running = [asyncio.ensure_future(feed.run()), asyncio.ensure_future(mailer.run())]
    try:
        async with asyncio.timeout(30):
            while not await _is_known(database):  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(0.05)
            for number in range(60):
                async with database.transaction() as query:
                    await changes.append(query, [own_alert("tamper", time.time(), {}, gate=f"g{number}")])
            while len(_gates(postbox)) < 60:  # noqa: ASYNC110 - neither does a mail server
                await asyncio.sleep(0.05)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert len(postbox.mails) <= 4, "sixty alerts within seconds"
    assert sorted(_gates(postbox)) == sorted(f"g{number}" for number in range(60)), "each once, and nothing old"


async def _is_known(database: Database) -> bool:
    async with database.transaction() as query:
        return (await query.execute(sa.text("SELECT position FROM consumer"))).first() is not None


def _gates(postbox: Postbox) -> list[str]:
    lines = [line for found in postbox.mails for line in found.get_content().splitlines()]
    return [line.split()[2].rstrip(":") for line in lines]


@pytest.mark.asyncio
async def test_a_mail_that_would_go_unencrypted_or_nowhere_is_said(postbox: Postbox) -> None:
    away = MailSettings(host="mail.example", encryption="none", sender="a@b", to=("a@b",))
    with pytest.raises(HubConfigError, match="without encryption only to this machine"):
        await mail.send(away, mail.message(away, "x", ["x"]))
    with pytest.raises(HubConfigError, match=r"alerts\.mail: 127\.0\.0\.1:1: "):
        await mail.send(settings(1), mail.message(settings(1), "x", ["x"]))
    plain = MailSettings(host="127.0.0.1", port=postbox.port, sender="a@b", to=("a@b",))
    with pytest.raises(HubConfigError, match="STARTTLS"):
        await mail.send(plain, mail.message(plain, "x", ["x"]))
    assert postbox.mails == []


def test_the_command_sends_a_test(tmp_path: Path, postbox: Postbox, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(
        f'campus = "school"\ndatabase = "{tmp_path / "hub.db"}"\n[alerts.mail]\nhost = "127.0.0.1"\n'
        f'port = {postbox.port}\nencryption = "none"\nsender = "hub@school.example"\nto = ["duty@school.example"]\n'
    )
    assert main(["alert", "test", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Mailed to duty@school.example."
    assert postbox.mails[0].get_content().splitlines() == ["a test 测试"]
    config.write_text(config.read_text().replace("duty@school.example", "nobody"))
    with pytest.raises(HubConfigError, match=r"alerts\.mail\.to"), contextlib.suppress(KeyError):
        load(config)
