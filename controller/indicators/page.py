"""The screen as a web page for a kiosk browser or the guard's monitor: four paths, nothing to ask, nothing to send.

It listens on loopback unless configured. HTTP is h11's. A page of another site can't read it: the Host must be an
address or one of our names (against DNS rebinding), requests that a browser makes for another site are refused, and
answers may be neither framed nor embedded.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

import h11

from controller.observe.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE: Final = 5.0
"""Seconds that a client may take to ask, or to take a picture."""
HOLD: Final = 1.0
"""Seconds for which an answer waits for a newer picture than the client has; then it is 304. A browser that hears
nothing for longer knows that the gate is gone."""
MOST: Final = 8
"""Clients at once."""
LARGEST_HEAD: Final = 8192
"""Bytes of a request's head."""
OURS: Final = frozenset({b"same-origin", b"none"})
"""Values of Sec-Fetch-Site of a request that our own page or a person made."""
POLICY: Final = (
    "default-src 'none'; img-src blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)

log = get_logger("indicators")


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    etag: str | None = None


def _asset(name: str, kind: str) -> Answer:
    body = resources.files("controller.indicators").joinpath(name).read_bytes()
    return Answer(200, f"{kind}; charset=utf-8", body)


class Page:
    """Serves the newest picture; a service of the app.

    Args:
        address: to listen on.
        port: to listen on; 0: any free one.
        names: host names it may be asked by, besides localhost and addresses.
    """

    def __init__(self, address: str, port: int, names: Iterable[str] = ()) -> None:
        self.port = port
        """The port in use, once `listening` is set."""
        self.listening = asyncio.Event()
        self._address = address
        self._names = {"localhost", *(name.casefold() for name in names)}
        self._assets = {
            b"/": _asset("screen.html", "text/html"),
            b"/screen.css": _asset("screen.css", "text/css"),
            b"/screen.js": _asset("screen.js", "text/javascript"),
        }
        self._newest: Answer | None = None
        self._number = 0
        self._fresh = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()

    def publish(self, jpeg: bytes) -> None:
        """Show this picture from now on. On the loop's thread."""
        self._number += 1
        self._newest = Answer(200, "image/jpeg", jpeg, f'"{self._number}"')
        self._fresh.set()
        self._fresh = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled; where the port can't be had it is said, and the lane goes on without a page."""
        try:
            server = await asyncio.start_server(self._client, self._address, self.port, limit=LARGEST_HEAD)
        except OSError as error:
            log.error("[screen] no page: its port can't be used", port=self.port, error=str(error))
            return
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            if not _is_loopback(self._address):
                log.warning("[screen] the page can be seen from the network", address=self._address)
            log.info("screen page", address=self._address, port=self.port)
            self.listening.set()
            try:
                await server.serve_forever()
            finally:
                for writer in self._clients:
                    writer.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        crowded = len(self._clients) >= MOST
        self._clients.add(writer)
        try:
            await self._converse(reader, writer, crowded=crowded)
        except (OSError, TimeoutError, h11.ProtocolError):
            # Gone, too slow, or no HTTP: there is nobody to tell, and nothing to wait for.
            writer.transport.abort()
        except asyncio.CancelledError:
            # The program ends. Python 3.11's streams would log a handler that ends as cancelled.
            writer.transport.abort()
        finally:
            self._clients.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        """Answer one request after the other."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        while True:
            try:
                request = await asyncio.wait_for(_request(http, reader), PATIENCE)
            except h11.RemoteProtocolError as error:
                await self._send(http, writer, Answer(error.error_status_hint), head=False)
                return
            if request is None:
                return
            answer = Answer(503) if crowded else await self._answer(request)
            await self._send(http, writer, answer, head=request.method == b"HEAD")
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _answer(self, request: h11.Request) -> Answer:
        headers = dict(request.headers)  # h11's names are lower-case bytes
        if not self._is_ours(headers.get(b"host", b"")):
            return Answer(421)
        if headers.get(b"sec-fetch-site", b"none") not in OURS:
            return Answer(403)
        if request.method not in (b"GET", b"HEAD"):
            return Answer(405)
        if request.target == b"/picture":
            return await self._picture(headers.get(b"if-none-match", b"").decode("ascii", "replace"))
        return self._assets.get(request.target, Answer(404))

    async def _picture(self, known: str) -> Answer:
        """The newest picture, once it is another than the `known` one; 304 when none came for a while."""
        if self._newest is None or self._newest.etag == known:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), HOLD)
        if self._newest is None:
            return Answer(503)
        return Answer(304, etag=known) if self._newest.etag == known else self._newest

    def _is_ours(self, host: bytes) -> bool:
        """An address in a Host header was typed or linked to; a name may have been made to point here."""
        name = host.decode("ascii", "replace").casefold()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        return name in self._names or _is_address(name)

    @staticmethod
    async def _send(http: h11.Connection, writer: asyncio.StreamWriter, answer: Answer, *, head: bool) -> None:
        headers = [*HEADERS]
        if answer.status != 304:  # which has no body to tell of
            headers += [("Content-Type", answer.kind), ("Content-Length", str(len(answer.body)))]
        if answer.etag is not None:
            headers.append(("ETag", answer.etag))
        data = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if answer.body and not head:
            data += http.send(h11.Data(data=answer.body)) or b""
        data += http.send(h11.EndOfMessage()) or b""
        writer.write(data)
        await asyncio.wait_for(writer.drain(), PATIENCE)


async def _request(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, without its body, which is read and dropped; None when the client has gone."""
    request: h11.Request | None = None
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(LARGEST_HEAD))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return address == "localhost" or (_is_address(address) and ipaddress.ip_address(address).is_loopback)
