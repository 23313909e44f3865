"""The hub's own certificates: days left, an alert before the end, and HTTPS that takes up a renewed one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import structlog
from cryptography import x509

from benchmarks.hub.authority import Authority
from campus.alerts.mail import DEFAULT, WORDS
from campus.alerts.watch import AlertWatch, WatchSettings
from campus.api.app import make_app
from campus.api.settings import HttpSettings
from campus.certificates import Certificates, files_of
from campus.config import BrokerSettings, HubConfig
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from campus.metrics import HubMetrics
from campus.outward import changes
from campus.service import WebServer
from controller.link.certificates import DAY
from controller.link.messages import Device, State, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = 1_790_000_000.0


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(str(tmp_path / "hub.sqlite3"), "school") as opened:
        yield opened


async def alerts(database: Database) -> list[tuple[str, str | None, object, object]]:
    async with database.transaction() as query:
        found = await changes.after(query, 0, ("alert",), 100)
    told = [one.change for one in found]
    return [(one.type, one.gate, one.detail["active"], one.detail.get("subject")) for one in told]


@pytest.mark.asyncio
async def test_the_hubs_own_end_is_an_alert_and_a_metric(tmp_path: Path, database: Database) -> None:
    school = Authority(tmp_path, "school", hours=24 * 400)
    cert, key = school.issue("hub", hours=24 * 20)
    config = HubConfig(
        campus="school",
        database="x",
        broker=BrokerSettings(ca=school.ca, cert=cert, key=key),
        http=HttpSettings(cert=school.issue("www", hours=24 * 90)[0], key=tmp_path / "www.key"),
    )
    metrics, renewed, now = HubMetrics(), list[str](), time.time()
    watched = Certificates(files_of(config), warn_days=30, days_left=metrics.certificate_days, renew=renewed.append)
    await watched.look(now)

    def days(of: str, which: str) -> float:
        labels = {"of": of, "which": which}
        return round(metrics.registry.get_sample_value("thermogate_hub_certificate_days_left", labels) or 0)

    assert (days("broker", "certificate"), days("broker", "authority"), days("https", "certificate")) == (20, 400, 90)
    assert list(watched.wrong) == ["broker"]
    assert "证书20天后过期" in watched.wrong["broker"]
    watch = AlertWatch(database, WatchSettings(), now, watched.wrong)
    await watch.look(now)
    school.issue("hub", hours=24 * 365)
    await watched.look(now)
    await watch.look(now)
    assert renewed == ["broker"]
    assert await alerts(database) == [("certificate", None, True, "broker"), ("certificate", None, False, "broker")]
    await watched.look(now + 91 * DAY)
    assert "expired" in watched.wrong["https"]
    assert ("certificate" in WORDS, "certificate" in DEFAULT) == (True, True)


@pytest.mark.parametrize("health", ["degraded", "failed"])
@pytest.mark.asyncio
async def test_a_gates_certificate_that_ends_is_an_alert_of_its_own(database: Database, health: str) -> None:
    def state(health: str) -> Incoming:
        told = Device(name="certificate", health=health, reason="expires in 9 days")
        message = State(boot_id="b", time=NOW, clock="synchronised", lane="locked", devices=[told])
        return Incoming("north", message, encode(message))

    store, watch = HubStore(database), AlertWatch(database, WatchSettings(), NOW)
    for number, each in enumerate((health, "ok")):
        await store.apply([state(each)], NOW + number)
        await watch.look(NOW + number)
    assert await alerts(database) == [
        ("certificate", "north", True, "certificate"), ("certificate", "north", False, "certificate"),
    ]  # fmt: skip


def presented(port: int) -> str:
    """The common name of the certificate that a server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw, context.wrap_socket(raw) as wrapped:
        shown = wrapped.getpeercert(binary_form=True)
    assert shown is not None
    return str(x509.load_der_x509_certificate(shown).subject.rfc4514_string())


@pytest.mark.asyncio
async def test_https_takes_up_a_renewed_certificate_while_it_answers(tmp_path: Path, database: Database) -> None:
    school = Authority(tmp_path, "school")
    cert, key = school.issue("first")
    settings = HttpSettings(port=0, cert=cert, key=key)
    server = WebServer(settings, make_app(database, settings=settings))
    task = asyncio.ensure_future(server.run())
    port = await asyncio.wait_for(server.port, 30)
    try:
        assert await asyncio.to_thread(presented, port) == "CN=first"
        second, second_key = school.issue("second")
        shutil.copy(second, cert)
        with structlog.testing.capture_logs() as lines:
            server.renew()
        assert [line["event"] for line in lines] == ["certificate not taken up"], "its key is still the old one's"
        assert await asyncio.to_thread(presented, port) == "CN=first"
        shutil.copy(second_key, key)
        server.renew()
        assert await asyncio.to_thread(presented, port) == "CN=second"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
