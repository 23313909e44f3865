"""What can go wrong on the way to a broker: wrong files, silence, refusal, TLS; the link stays up to try again."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from benchmarks.hub.authority import Authority
from controller.errors import StoreError
from controller.link.mqtt import Link
from controller.link.settings import TlsSettings
from controller.record.entry import AckOutcome, Place, Stored

Make = Callable[..., Any]


@pytest.fixture
def collected() -> Iterator[None]:
    """What is left to the garbage collector goes before the test's end."""
    yield
    gc.collect()


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


@pytest_asyncio.fixture
async def run(gates: Make, link_settings: Make) -> AsyncIterator[Callable[..., Link]]:
    """Run a link on an open journal; ended with the test."""
    gate = gates(1)
    await gate.journal.open()
    tasks: list[asyncio.Task[None]] = []

    def start(port: int, **changes: object) -> Link:
        link = Link(link_settings(port, **changes), "north", gate.journal.outbox, boot_id="boot")
        tasks.append(asyncio.ensure_future(link.run()))
        return link

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def errors(lines: list[dict[str, Any]]) -> list[str]:
    return [line["error"] for line in lines if line["event"] == "link down" and line["log_level"] == "warning"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": "n", "password_file": Path("/nowhere/password")}, "[link] password_file: /nowhere/password"),
        ({"tls": TlsSettings(ca=Path("/nowhere/ca.pem"))}, "[link.tls] ca: /nowhere/ca.pem"),
        ({"tls": TlsSettings(cert=Path("/nowhere/c.pem"))}, "[link.tls] cert, key: /nowhere/c.pem, None"),
        ({"host": "no-such-host.invalid"}, "MqttError"),
    ],
)
@pytest.mark.asyncio
async def test_what_is_wrong_is_said_once_and_tried_again(
    run: Make, eventually: Make, lines: list[dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    link = run(1, **changes)
    await eventually(lambda: len(lines) >= 3, "it is tried again")
    assert len(errors(lines)) == 1
    assert message in errors(lines)[0]
    assert not link.counters.up


@pytest.mark.asyncio
async def test_a_broker_that_never_answers(run: Make, eventually: Make, lines: list[dict[str, Any]]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        run(silent.getsockname()[1], timeout=0.1)
        await eventually(lambda: len(lines) >= 2, "it gives up and tries again")
    assert errors(lines) == ["MqttError: Operation timed out"]


@pytest.mark.asyncio
async def test_ending_while_connecting_leaves_nothing_open(run: Make) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        run(silent.getsockname()[1])
        loop = asyncio.get_running_loop()
        silent.setblocking(False)
        accepted, _ = await asyncio.wait_for(loop.sock_accept(silent), 20)
        accepted.close()


class StubbornOutbox:
    """An outbox that answers an end with an error of its own."""

    depth = 1
    newest = Place(1, 1)

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def pending(self, *_arguments: object) -> list[Stored]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreError("the disk has gone") from None
        return []

    async def acknowledge(self, *_arguments: object) -> AckOutcome:
        return AckOutcome.UNKNOWN_EPOCH

    async def cursors(self) -> list[Place]:
        return []

    async def retire_epoch(self, *_arguments: object) -> bool:
        return False


@pytest.mark.service
@pytest.mark.asyncio
async def test_an_end_is_an_end_though_an_error_comes_with_it(broker: Any, link_settings: Make) -> None:
    outbox = StubbornOutbox()
    running = asyncio.ensure_future(Link(link_settings(broker.port), "north", outbox, boot_id="b").run())
    await asyncio.wait_for(outbox.asked.wait(), 20)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=20)
    assert done == {running}
    assert running.cancelled()


# Where a handshake fails, paho leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
@pytest.mark.service
@pytest.mark.asyncio
async def test_both_sides_show_a_certificate(
    broker: Any, tmp_path: Path, run: Make, eventually: Make, lines: list[dict[str, Any]]
) -> None:
    school, stranger = Authority(tmp_path, "school"), Authority(tmp_path, "stranger")
    server, server_key = school.issue("broker")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    broker.stop()
    broker.configure(
        f"cafile {school.ca}\ncertfile {server}\nkeyfile {server_key}\nrequire_certificate true\n"
        "use_identity_as_username true\n"
    )
    broker.start()
    cert, key = school.issue("north")
    run(broker.port, tls=TlsSettings(ca=stranger.ca, cert=cert, key=key))
    await eventually(lambda: any("CERTIFICATE_VERIFY_FAILED" in error for error in errors(lines)), "wrong authority")
    foreign, foreign_key = stranger.issue("west")
    refused = run(broker.port, tls=TlsSettings(ca=school.ca, cert=foreign, key=foreign_key))
    await eventually(lambda: len(errors(lines)) >= 2, "the broker does not know the gate's authority")
    link = run(broker.port, tls=TlsSettings(ca=school.ca, cert=cert, key=key))
    await eventually(lambda: link.counters.up, "both certificates are right")
    assert not refused.counters.up


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
@pytest.mark.service
@pytest.mark.asyncio
async def test_an_expired_certificate_is_named(
    broker: Any, tmp_path: Path, run: Make, eventually: Make, lines: list[dict[str, Any]]
) -> None:
    school = Authority(tmp_path, "school")
    server, server_key = school.issue("broker", hours=-1)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    broker.stop()
    broker.configure(f"allow_anonymous true\ncertfile {server}\nkeyfile {server_key}\n")
    broker.start()
    link = run(broker.port, tls=TlsSettings(ca=school.ca))
    await eventually(lambda: any("certificate has expired" in error for error in errors(lines)), "it is named")
    assert not link.counters.up


BLOCKING = {"time.sleep", "socket.getaddrinfo", "socket.connect", "sqlite3.connect", "subprocess.Popen", "os.system"}
_watched: list[tuple[int, list[str]]] = []


def _audit(event: str, _arguments: object) -> None:
    """Python's own audit events: who calls what blocks, on the thread of a loop that is being watched."""
    for thread, found in _watched:
        if event in BLOCKING and threading.get_ident() == thread:
            found.append(event)


sys.addaudithook(_audit)  # cannot be taken back; it does nothing while nobody watches


@pytest.mark.service
@pytest.mark.asyncio
async def test_nothing_blocks_the_loop(broker: Any, gates: Make, hubs: Make) -> None:
    """SQLite itself refuses any thread but the one that opened it; connecting and resolving show as audit events."""
    hub = hubs(broker.port)
    gate = gates(broker.port)
    found: list[str] = []
    _watched.append((threading.get_ident(), found))
    try:
        await hub.start()
        await gate.start()
        await gate.append(100)
        await gate.drained()
        await gate.stop()
    finally:
        _watched.clear()
    assert found == []
