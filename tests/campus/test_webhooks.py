"""Webhooks over real TLS: signed, in order, again until answered, never to where they must not go."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import http.server
import ipaddress
import json
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
import pytest_asyncio
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubConfigError
from campus.outward import changes, webhooks
from campus.outward.changes import Change
from campus.outward.egress import Egress, EgressError
from campus.outward.feed import Feed
from campus.outward.webhooks import Webhooks, WebhookSettings, asked_pause
from campus.people.records import People, PeopleSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.campus.conftest import Api

pytestmark = pytest.mark.asyncio

NOW = 1_790_000_000.0
ADMIN = Actor("office", Role.ADMIN)
LOOPBACK = ("127.0.0.0/8", "::1/128")


class Receiver(http.server.ThreadingHTTPServer):
    """The school's program: answers by `answers`, then 204; keeps what it was told."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://localhost:{self.server_address[1]}/hook"
        self.answers: list[int] = []
        self.answering = threading.Event()
        self.answering.set()
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.told]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that stopped in the middle is no error of this program's."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.answering.wait(30)
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Print nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost's own, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Callable[[], Receiver]]:
    made: list[Receiver] = []

    def make() -> Receiver:
        made.append(Receiver(certificate))
        threading.Thread(target=made[-1].serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


class Sender:
    """Subscriptions and the sender, as the service joins them."""

    def __init__(self, database: Database, key: Path, certificate: Path) -> None:
        self.database = database
        self.people = People(PeopleSettings(key=key))
        self.settings = WebhookSettings(allow=LOOPBACK, ca=certificate)
        self.feed = Feed(database)
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        sender = Webhooks(self.database, self.people, self.feed, self.settings, self.settings.egress())
        self.tasks = [asyncio.ensure_future(self.feed.run()), asyncio.ensure_future(sender.run())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def subscribe(self, url: str, *kinds: str) -> tuple[str, str]:
        async with self.database.transaction() as query:
            kinds = kinds or ("passage", "alert")
            made, secret = await webhooks.subscribe(query, self.people, ADMIN, url, kinds, now=NOW)
        return made.id, secret

    async def happen(self, *names: str, kind: changes.Kind = "alert") -> None:
        told = [Change(name, kind, "tamper", NOW, True, NOW, "north") for name in names]
        async with self.database.transaction() as query:
            await changes.append(query, told)

    async def until(self, identifier: str, condition: Callable[[webhooks.Subscription], bool]) -> webhooks.Subscription:
        async with asyncio.timeout(60):
            while not condition(found := await self.state(identifier)):  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(0.02)
        return found

    async def state(self, identifier: str) -> webhooks.Subscription:
        async with self.database.transaction() as query:
            return (await webhooks.everyone(query, identifier))[0]


@pytest_asyncio.fixture
async def sender(address: str, tmp_path: Path, certificate: Path) -> AsyncIterator[Sender]:
    async with Database(address, "school") as database:
        made = Sender(database, tmp_path / "key" / "people.key", certificate)
        yield made
        await made.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_each_change_is_posted_signed_and_in_order(sender: Sender, receiver: Callable[[], Receiver]) -> None:
    school = receiver()
    await sender.happen("before")
    identifier, secret = await sender.subscribe(school.url)
    await sender.happen("a", "b", "c")
    await sender.happen("ill", kind="health")
    sender.start()
    await until(lambda: len(school.told) >= 3, "three arrive")
    headers, body = school.told[0]
    # By the specification's words, not by the library that signed.
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    told = json.loads(body)
    assert (told["type"], told["data"]["gate"], told["data"]["position"]) == ("alert.tamper", "north", 2)
    await sender.happen("d")
    await until(lambda: len(school.told) >= 4, "the fourth arrives")
    assert school.ids() == ["a", "b", "c", "d"]
    assert school.connections == 1, "one connection is kept"
    await sender.until(identifier, lambda one: one.position == 6)


async def test_what_is_not_answered_comes_again_and_others_do_not_wait(
    sender: Sender, receiver: Callable[[], Receiver]
) -> None:
    troubled, well = receiver(), receiver()
    troubled.answers = [500, 302]
    identifier, _ = await sender.subscribe(troubled.url)
    await sender.subscribe(well.url)
    dead, _ = await sender.subscribe("https://localhost:1/")
    await sender.happen("a", "b")
    sender.start()
    await until(lambda: len(well.told) >= 2, "the one that answers has both")
    await until(lambda: len(troubled.told) >= 4, "and the other after its trouble")
    assert troubled.ids() == ["a", "a", "a", "b"]
    assert (await sender.until(identifier, lambda one: one.position == 2)).failing is None
    found = await sender.until(dead, lambda one: one.failing is not None)
    assert (found.position, found.disabled) == (0, None)
    assert "ConnectError" in str(found.failure)


async def test_who_is_gone_is_disabled_said_and_goes_on_when_enabled(
    sender: Sender, receiver: Callable[[], Receiver]
) -> None:
    school = receiver()
    school.answers = [204, 410]
    identifier, _ = await sender.subscribe(school.url)
    await sender.happen("a", "b")
    sender.start()
    await sender.until(identifier, lambda one: one.disabled is not None)
    async with sender.database.transaction() as query:
        said = (await changes.after(query, 2, ["alert"], 9))[0].change
    assert (said.type, said.detail) == ("webhook_disabled", {"webhook": identifier, "reason": "answered 410"})
    async with sender.database.transaction() as query:
        assert await webhooks.enable(query, ADMIN, identifier, now=NOW)
    await until(lambda: len(school.told) >= 4, "it goes on")
    assert school.ids()[:3] == ["a", "b", "b"]


async def test_who_is_removed_is_told_nothing_more(
    sender: Sender, receiver: Callable[[], Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what was about to be sent."""
    monkeypatch.setattr(webhooks, "LOOK", 0.05)
    school = receiver()
    school.answering.clear()
    identifier, _ = await sender.subscribe(school.url)
    await sender.happen("a", "b", "c")
    sender.start()
    await until(lambda: school.told, "the first is under way")
    async with sender.database.transaction() as query:
        assert await webhooks.remove(query, ADMIN, identifier, now=NOW)
    name = f"webhook {identifier}"
    await until(lambda: name not in {task.get_name() for task in asyncio.all_tasks()}, "nothing is under way")
    school.answering.set()
    assert school.ids() == ["a"]


async def test_who_answers_nothing_for_days_is_disabled(sender: Sender, receiver: Callable[[], Receiver]) -> None:
    identifier, _ = await sender.subscribe("https://localhost:1/")
    await sender.happen("a")
    async with sender.database.transaction() as query:
        long_ago = time.time() - 6 * 86_400
        await query.execute(sa.text("UPDATE webhook SET failing = :then"), {"then": long_ago})
    sender.start()
    await sender.until(identifier, lambda one: one.disabled is not None)


async def test_a_secret_is_shown_once_and_sealed(api: Api, sender: Sender, address: str) -> None:
    answer = await api.ask(Role.ADMIN, "POST", "/webhooks", json={"url": "https://1.1.1.1/x"})
    assert answer.status_code == 201
    secret = answer.json()["secret"]
    listed = await api.get(Role.ADMIN, "/webhooks")
    assert secret not in listed.text
    assert listed.json()[0]["kinds"] == ["alert", "passage"]
    async with api.database.transaction() as query:
        (row,) = (await query.execute(sa.text("SELECT * FROM webhook"))).all()
    assert base64.b64decode(secret.removeprefix("whsec_")) not in b"".join(one for one in row if isinstance(one, bytes))
    assert secret not in str(tuple(row))
    identifier = answer.json()["id"]
    assert (await api.ask(Role.GUARD, "DELETE", f"/webhooks/{identifier}")).status_code == 403
    assert (await api.ask(Role.ADMIN, "DELETE", f"/webhooks/{identifier}")).status_code == 204
    actions = [one["action"] for one in (await api.get(Role.AUDITOR, "/audit")).json()]
    assert [one for one in actions if one.startswith("webhook")] == ["webhook_added", "webhook_removed"]


@pytest.mark.parametrize(
    "url",
    [
        "http://1.1.1.1/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest", "https://10.0.0.1/", "https://0.0.0.0/", "https://2130706433/",
        "https://user:pass@1.1.1.1/", "ftp://1.1.1.1/", "https:///x", "https://nowhere.invalid/", "https://1.1.1.1:x/",
        "https://100.64.0.1/", "https://[fe80::1]/", "https://224.0.0.1/", "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/", "https://[::1", "https://[fec0::1]/", "https://[::7f00:1]/",
    ],
)  # fmt: skip
async def test_an_address_that_must_not_be_reached_is_refused(url: str) -> None:
    with pytest.raises(EgressError):
        await Egress(()).check(url)


async def test_a_network_that_is_named_may_be_reached_and_no_other() -> None:
    egress = Egress(["10.20.0.0/16"])
    await egress.check("http://10.20.0.7/x")
    with pytest.raises(EgressError, match=r"10\.21\.0\.7 is no public address"):
        await egress.check("https://10.21.0.7/x")
    with pytest.raises(HubConfigError, match=r"webhooks\.allow: .*10\.20"):
        Egress(["10.20.0.7/16"])


async def test_the_address_is_checked_again_when_it_connects(receiver: Callable[[], Receiver]) -> None:
    """A name that was public when it was entered, and leads inside now, is not connected to."""
    school = receiver()
    async with Egress(()).pool() as pool:
        with pytest.raises(EgressError, match="is no public address"):
            await pool.request("POST", school.url, content=b"x")
    assert school.connections == 0


async def test_a_name_that_leads_outside_now_is_told_nothing_in_the_clear() -> None:
    async with Egress(LOOPBACK).pool(plain=True) as pool:
        with pytest.raises(EgressError, match="https only"):
            await pool.request("POST", "http://1.1.1.1:9/hook", content=b"x")


async def test_a_certificate_of_another_authority_is_not_believed(receiver: Callable[[], Receiver]) -> None:
    school = receiver()
    async with Egress(LOOPBACK).pool() as pool:
        with pytest.raises(httpcore.ConnectError, match="certificate"):
            await pool.request("POST", school.url, content=b"x")
    assert school.told == []
    with contextlib.suppress(OSError):
        school.server_close()


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
async def test_a_receiver_may_ask_to_be_left_alone_however_it_writes_that(
    name: str,
) -> None:
    answer = httpcore.Response(503, headers=[(name, "7")])
    assert asked_pause(answer) == 7.0
