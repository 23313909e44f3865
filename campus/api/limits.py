"""What nobody may do too much of: send large bodies, or try tokens."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers

from campus.api.problems import Problem, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MINUTE = 60.0
ADDRESSES = 10_000
"""Of which failures are remembered; the one that failed longest ago is forgotten first."""

PHOTOGRAPHS = "/photographs"

log = structlog.stdlib.get_logger("http")


class Failures:
    """Tokens that did not count, by address, in memory.

    Args:
        most: within a minute from the first; then that address has to wait for the minute's end.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered."""
        return len(self._failed)

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0: now."""
        began, count = self._failed.get(_network(address), (0.0, 0))
        return max(0.0, began + MINUTE - self._clock()) if count >= self._most else 0.0

    def add(self, address: str) -> None:
        """A token from this address did not count."""
        key, now = _network(address), self._clock()
        began, count = self._failed.pop(key, (now, 0))
        began, count = (began, count + 1) if now < began + MINUTE else (now, 1)
        self._failed[key] = began, count
        if count == self._most:
            log.warning("too many tokens that do not count", address=key)
        if len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)


class Limits:
    """The application `app` within limits.

    Args:
        body: bytes of a request at most.
        failures: who tried too much.
        photograph: the same of a request whose path ends in `PHOTOGRAPHS`.
    """

    def __init__(self, app: ASGIApp, body: int, failures: Failures, photograph: int = 0) -> None:
        self._app = app
        self._body = body
        self._photograph = max(body, photograph)
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = (scope.get("client") or ("",))[0]
        tries = "authorization" in headers
        wait = self._failures.wait(address) if tries else 0.0
        if wait:
            later = {"Retry-After": str(int(wait) + 1)}
            await answer(429, "too many tokens that do not count", later)(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        most = self._photograph if scope["path"].endswith(PHOTOGRAPHS) else self._body
        too_large = f"a request has {most} bytes at most"
        if length.isdecimal() and int(length) > most:
            await answer(413, too_large)(scope, receive, send)
            return
        left = most

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise Problem(413, too_large)
            return message

        async def watched(message: Message) -> None:
            if left < 0:
                return  # whatever was made of a body that was cut off
            if tries and message["type"] == "http.response.start" and message["status"] == 401:
                self._failures.add(address)
            await send(message)

        await self._app(scope, counted, watched)
        if left < 0:
            await answer(413, too_large)(scope, receive, send)


def _network(address: str) -> str:
    """What one person may have: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
