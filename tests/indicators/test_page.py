"""The screen's page over real sockets: what it answers, whom it refuses, and how long it waits for anybody."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any

import h11
import pytest

from controller.indicators.page import HOLD, LARGEST_HEAD, MOST, PATIENCE, Page
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

HOST = ("Host", "127.0.0.1:8080")


class Client:
    """A connection that stays open from question to question."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.http = h11.Connection(h11.CLIENT)

    async def ask(
        self, target: str, *headers: tuple[str, str], method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        given = headers if any(name == "Host" for name, _ in headers) else (HOST, *headers)
        request = self.http.send(h11.Request(method=method, target=target, headers=list(given)))
        end = self.http.send(h11.EndOfMessage())
        self.writer.write((request or b"") + (end or b""))
        response: h11.Response | None = None
        body = b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
        self.http.start_next_cycle()
        assert response is not None
        return response.status_code, {name.decode(): value.decode() for name, value in response.headers}, body

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Bench:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.clients: list[Client] = []

    async def client(self) -> Client:
        made = Client(*await asyncio.open_connection("127.0.0.1", self.page.port))
        self.clients.append(made)
        return made

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    async def ask(self, target: str, *headers: tuple[str, str], **more: Any) -> tuple[int, dict[str, str], bytes]:
        client = await self.client()
        try:
            return await client.ask(target, *headers, **more)
        finally:
            await client.close()


def play(main: Callable[[Bench], Coroutine[Any, Any, None]], names: tuple[str, ...] = ()) -> float:
    """Serve a page and play; returns the seconds that it took."""
    clock = VirtualClock()

    async def whole() -> None:
        page = Page("127.0.0.1", 0, names)
        service = asyncio.create_task(page.run())
        await page.listening.wait()
        bench = Bench(page)
        try:
            await main(bench)
        finally:
            await bench.close()
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)

    run(whole(), clock)
    return clock.monotonic()


def test_the_page_and_its_parts() -> None:
    async def main(bench: Bench) -> None:
        for target, kind, part in (
            ("/", "text/html; charset=utf-8", "暂停使用"),
            ("/screen.css", "text/css; charset=utf-8", "object-fit"),
            ("/screen.js", "text/javascript; charset=utf-8", "If-None-Match"),
        ):
            status, headers, body = await bench.ask(target)
            assert (status, headers["content-type"]) == (200, kind)
            assert part in body.decode()

    play(main)


def test_every_answer_forbids_framing_embedding_caching_and_foreign_code() -> None:
    async def main(bench: Bench) -> None:
        bench.page.publish(b"jpeg")
        for target in ("/", "/picture", "/nothing"):
            _, headers, _ = await bench.ask(target)
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy

    play(main)


def test_the_page_has_nothing_inline_that_its_policy_would_stop() -> None:
    async def main(bench: Bench) -> None:
        _, _, body = await bench.ask("/")
        html = body.decode()
        assert not re.search(r"\son\w+=|style=|<style|<script>", html)
        assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) == {"/screen.css", "/screen.js"}

    play(main)


def test_the_newest_picture_is_answered() -> None:
    async def main(bench: Bench) -> None:
        status, _, _ = await bench.ask("/picture")
        assert status == 503
        for number in (1, 2):
            bench.page.publish(b"jpeg %d" % number)
        status, headers, body = await bench.ask("/picture")
        assert (status, headers["content-type"], body) == (200, "image/jpeg", b"jpeg 2")

    play(main)


def test_who_has_it_already_waits_for_the_next_one_for_a_second() -> None:
    async def main(bench: Bench) -> None:
        clock = asyncio.get_running_loop().time
        bench.page.publish(b"first")
        client = await bench.client()
        _, headers, _ = await client.ask("/picture")
        begun = clock()
        status, again, body = await client.ask("/picture", ("If-None-Match", headers["etag"]))
        assert (status, body, again["etag"]) == (304, b"", headers["etag"])
        assert clock() - begun == pytest.approx(HOLD, abs=0.1)
        begun = clock()
        asyncio.get_running_loop().call_later(0.4, bench.page.publish, b"second")
        status, _, body = await client.ask("/picture", ("If-None-Match", headers["etag"]))
        assert (status, body) == (200, b"second")
        assert clock() - begun == pytest.approx(0.4, abs=0.1)

    play(main)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("gate-1.school.example:8080", 200),
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_only_addresses_and_our_names_are_answered(host: str, status: int) -> None:
    async def main(bench: Bench) -> None:
        bench.page.publish(b"jpeg")
        assert (await bench.ask("/picture", ("Host", host)))[0] == status

    play(main, names=("Gate-1.school.example",))


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
def test_other_sites_may_not_ask(site: str, status: int) -> None:
    async def main(bench: Bench) -> None:
        bench.page.publish(b"jpeg")
        assert (await bench.ask("/picture", ("Sec-Fetch-Site", site)))[0] == status

    play(main)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/picture?x=1", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/screen.html", 404),
        ("POST", "/", 405),
        ("DELETE", "/picture", 405),
        ("OPTIONS", "/", 405),
        ("HEAD", "/", 200),
    ],
)
def test_nothing_else_is_answered(method: str, target: str, status: int) -> None:
    async def main(bench: Bench) -> None:
        found, _, body = await bench.ask(target, method=method)
        assert found == status
        assert body == b""

    play(main)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * LARGEST_HEAD) + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_no_request_is_refused(sent: bytes, status: bytes) -> None:
    async def main(bench: Bench) -> None:
        client = await bench.client()
        client.writer.write(sent)
        answer = await client.reader.read()
        assert answer.startswith(b"HTTP/1.1 " + status)
        bench.page.publish(b"jpeg")
        assert (await bench.ask("/picture"))[2] == b"jpeg"

    play(main)


def test_who_asks_nothing_is_sent_away() -> None:
    async def main(bench: Bench) -> None:
        client = await bench.client()
        begun = asyncio.get_running_loop().time()
        client.writer.write(b"GET / HT")
        assert await client.reader.read() == b""
        assert asyncio.get_running_loop().time() - begun == pytest.approx(PATIENCE, abs=0.2)

    play(main)


def test_there_is_an_end_to_clients() -> None:
    async def main(bench: Bench) -> None:
        bench.page.publish(b"jpeg")
        clients = [await bench.client() for _ in range(MOST + 1)]
        for client in clients[:MOST]:
            assert (await client.ask("/"))[0] == 200
        assert (await clients[MOST].ask("/"))[0] == 503
        await bench.close()
        await asyncio.sleep(0.1)
        assert (await bench.ask("/picture"))[0] == 200

    play(main)


def test_who_takes_no_picture_is_dropped() -> None:
    async def main(bench: Bench) -> None:
        bench.page.publish(bytes(20_000_000))
        client = await bench.client()
        client.writer.write(b"GET /picture HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(PATIENCE + 1)
        got = 0
        try:
            while part := await client.reader.read(1_000_000):
                got += len(part)
        except ConnectionError:
            pass
        assert got < 20_000_000

    play(main)


def test_a_port_that_is_taken_leaves_the_lane_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = Page("127.0.0.1", taken.getsockname()[1])
        run(page.run(), VirtualClock())
    assert not page.listening.is_set()
