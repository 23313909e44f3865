"""Fetches a document from the hub over HTTPS: what was fetched stays when the connection or the program ends.

The file's name is its SHA-256, so what lies half there is of no other, and a proxy may keep it for ever. Blocks: for a
thread of its own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import ssl
import threading
import urllib.parse
from typing import TYPE_CHECKING, Final

from controller.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.link.documents import File

PIECE: Final = 1 << 16
TIMEOUT: Final = 10.0
"""Seconds without a byte after which the connection is given up."""
CONNECT_TIMEOUT: Final = 3.0
"""Seconds the hub may take to answer at all: until then a fetch cannot be interrupted."""
PART: Final = ".part"


class Fetcher:
    """Fetches into a folder.

    Args:
        url: the hub's, `https://host[:port]`.
        ca: PEM file of an authority; None: the system's.
        folder: made where there is none.

    Raises `LinkError` for an address or a file that cannot be used.
    """

    def __init__(self, url: str, ca: Path | None, folder: Path) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LinkError(f"[roster] url: {url!r} is no http(s) address")
        self._url, self._folder, self._ca = parts, folder, ca
        self._tls()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        """Of the fetch under way."""

    def fetch(self, file: File, user: str, password: str, *, given_up: Callable[[], bool] = lambda: False) -> bytes:
        """The document's bytes, as long and with the hash as `file` says.

        `given_up`: whether it is not wanted any more; `interrupt` has it asked at once.

        Raises `LinkError`: the hub refuses, is away or the fetch was given up (what came is kept, and the next call
        goes on behind it), or the hub gave something else (which is thrown away).
        """
        path = self._folder / f"{file.sha256}{PART}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._only(path)
            if (path.stat().st_size if path.exists() else 0) < file.size:
                self._go_on(path, file, user, password, given_up)
            content = path.read_bytes()
            right = len(content) == file.size and hashlib.sha256(content).hexdigest() == file.sha256
            if not right:
                path.unlink()
        except LinkError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise LinkError(f"{self._url.netloc}: {str(error) or type(error).__name__}") from error
        if not right:
            raise LinkError(f"{self._url.netloc}: gave another document than the one that was signed")
        return content

    def interrupt(self) -> None:
        """End the wait for the hub's bytes. From any thread; harmless when nothing is fetched."""
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                # Not the TLS socket's own, which changes what the other thread is reading from.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def clear(self) -> None:
        """Throw away what was fetched: it is installed. Raises `LinkError`."""
        try:
            self._only(None)
        except OSError as error:
            raise LinkError(f"{self._folder}: {error.strerror}") from error

    def _only(self, path: Path | None) -> None:
        for other in self._folder.glob(f"*{PART}"):
            if other != path:
                other.unlink()

    def _go_on(self, path: Path, file: File, user: str, password: str, given_up: Callable[[], bool]) -> None:
        """Append what is missing. Never more than was signed."""
        have = path.stat().st_size if path.exists() else 0
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(TIMEOUT)
            with self._lock:
                self._socket = connection.sock
            if given_up():
                raise LinkError(f"{self._url.netloc}: not fetched, there is newer word")
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {token}", "Range": f"bytes={have}-"}
            connection.request("GET", f"{self._url.path.rstrip('/')}/api/v1/documents/{file.sha256}", headers=headers)
            answer = connection.getresponse()
            if answer.status not in (200, 206):
                raise LinkError(f"{self._url.netloc}: {answer.status} {answer.reason}")
            if answer.status == 200:
                have = 0  # it knows no ranges: from the beginning
            with path.open("r+b" if path.exists() else "xb") as target:
                os.fchmod(target.fileno(), 0o600)
                target.truncate(have)
                target.seek(have)
                while have < file.size and (piece := answer.read(min(PIECE, file.size - have))):
                    target.write(piece)
                    have += len(piece)
        finally:
            with self._lock:
                self._socket = None
            connection.close()
        if have < file.size:
            raise LinkError(f"{self._url.netloc}: the connection ended after {have} of {file.size} bytes")

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        tls = self._tls()
        if tls is None:
            return http.client.HTTPConnection(host, self._url.port, timeout=CONNECT_TIMEOUT)
        return http.client.HTTPSConnection(host, self._url.port, timeout=CONNECT_TIMEOUT, context=tls)

    def _tls(self) -> ssl.SSLContext | None:
        """Made for each connection: an authority that was renewed counts from the next one on."""
        try:
            return ssl.create_default_context(cafile=self._ca) if self._url.scheme == "https" else None
        except OSError as error:  # ssl.SSLError is one
            raise LinkError(f"[roster] ca: {self._ca}: cannot be used ({error})") from error
