"""Large bodies, tries of tokens, encryption, health, and a good end: the hub as it is reached from outside."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campus.api.app import make_app
from campus.api.limits import ADDRESSES, MINUTE, Failures
from campus.api.settings import HttpSettings
from campus.auth import tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubConfigError
from campus.service import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SHELL = Actor("root (shell)", Role.ADMIN)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_fails_too_often_waits_for_the_minutes_end() -> None:
    clock = Clock()
    failures = Failures(3, clock)
    for _ in range(3):
        assert failures.wait("10.0.0.1") == 0
        failures.add("10.0.0.1")
        clock.now += 10
    assert failures.wait("10.0.0.1") == MINUTE - 30
    assert failures.wait("10.0.0.2") == 0, "others may"
    clock.now += MINUTE - 30
    assert failures.wait("10.0.0.1") == 0
    failures.add("10.0.0.1")
    assert failures.wait("10.0.0.1") == 0, "a new minute"


def test_one_who_has_many_ipv6_addresses_is_one() -> None:
    failures = Failures(2)
    failures.add("2001:db8::1")
    failures.add("2001:db8::2")
    assert failures.wait("2001:db8::3") > 0
    assert failures.wait("2001:db8:0:1::3") == 0
    failures.add("::ffff:10.0.0.1")
    failures.add("::ffff:10.0.0.1")
    assert failures.wait("::ffff:10.0.0.2") == 0, "IPv4 by another name"


def test_memory_is_bounded() -> None:
    failures = Failures(1)
    for number in range(ADDRESSES + 100):
        failures.add(str(ipaddress.ip_address(0x0A000000 + number)))
    assert len(failures) == ADDRESSES
    assert failures.wait("10.0.0.1") == 0, "the oldest is forgotten"


Ask = tuple[httpx.AsyncClient, str]


@pytest_asyncio.fixture
async def asked(address: str) -> AsyncIterator[Ask]:
    """A client of an application with small limits, and an administrator's token."""
    async with Database(address, "school") as database:
        async with database.transaction() as query:
            token, _ = await tokens.issue(query, SHELL, "desk", Role.ADMIN, now=time.time(), expires=None)
        app = make_app(database, settings=HttpSettings(body_limit=1000, failures_per_minute=3))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
            yield client, token
            await database.close()
            assert (await client.get("/ready")).status_code == 503
            assert (await client.get("/health")).json() == {"status": "ok"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.asyncio
async def test_whoever_tries_tokens_is_told_to_wait(asked: Ask) -> None:
    client, token = asked
    for _ in range(5):
        assert (await client.get("/api/v1/gates")).status_code == 401, "no token is no try"
    for number in range(3):
        assert (await client.get("/api/v1/gates", headers=bearer(f"tgh_{number}"))).status_code == 401
    answer = await client.get("/api/v1/gates", headers=bearer(token))
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= MINUTE + 1
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/ready")).json() == {"status": "ok", "broker": "none"}


@pytest.mark.asyncio
@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_large_is_refused_as_it_comes(asked: Ask, told: bool) -> None:  # noqa: FBT001
    client, token = asked
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 500
            yield b"[" * 500

    content: Any = b"[" * 2000 if told else endless()
    answer = await client.post("/api/v1/tokens", headers=bearer(token), content=content)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "a request has 1000 bytes at most"
    assert sent <= 2000


def certificate(folder: Path) -> HttpSettings:
    """A certificate for 127.0.0.1 and its key, in two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "hub.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "hub.key").write_bytes(private)
    return HttpSettings(port=0, cert=folder / "hub.crt", key=folder / "hub.key")


@pytest_asyncio.fixture
async def serve(address: str) -> AsyncIterator[Callable[[HttpSettings], Any]]:
    """Serve over a real port; ends what serves."""
    running: list[asyncio.Task[None]] = []
    async with Database(address, "school") as database:

        async def start(settings: HttpSettings) -> tuple[int, asyncio.Task[None], str]:
            async with database.transaction() as query:
                token, _ = await tokens.issue(query, SHELL, "desk", Role.ADMIN, now=time.time(), expires=None)
            server = WebServer(settings, make_app(database, settings=settings))
            task: asyncio.Task[None] = asyncio.ensure_future(server.run())
            running.append(task)
            answering = asyncio.ensure_future(asyncio.wait_for(server.port, 30))
            await asyncio.wait({task, answering}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                answering.cancel()
                task.result()
            return await answering, task, token

        yield start
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.asyncio
async def test_it_encrypts_with_a_certificate_of_its_own(serve: Callable[[HttpSettings], Any], tmp_path: Path) -> None:
    port, _, token = await serve(certificate(tmp_path))
    trusted = ssl.create_default_context(cafile=str(tmp_path / "hub.crt"))
    async with httpx.AsyncClient(verify=trusted, base_url=f"https://127.0.0.1:{port}") as client:
        assert (await client.get("/api/v1/gates", headers=bearer(token))).json() == []
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}") as stranger:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await stranger.get("/health")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as plain:
        with pytest.raises(httpx.RemoteProtocolError):
            await plain.get("/health")


@pytest.mark.asyncio
async def test_a_certificate_that_is_none_is_said(serve: Callable[[HttpSettings], Any], tmp_path: Path) -> None:
    (tmp_path / "hub.crt").write_text("not PEM")
    with pytest.raises(HubConfigError, match=r"^\[http\] 127\.0\.0\.1:0: "):
        await serve(HttpSettings(port=0, cert=tmp_path / "hub.crt"))


@pytest.mark.asyncio
async def test_a_request_under_way_is_finished_when_the_hub_is_told_to_end(
    serve: Callable[[HttpSettings], Any],
) -> None:
    port, task, token = await serve(HttpSettings(port=0))
    body = b'{"name": "late", "role": "guard"}'
    head = (
        f"POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + body[:5])
    await writer.drain()
    # Its answer to another request says that it has read this far.
    async with httpx.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{port}/health")
    task.cancel()
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                break
        await asyncio.sleep(0.01)
    writer.write(body[5:])
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.startswith(b"HTTP/1.1 201 ")
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.close()
