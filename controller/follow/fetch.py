"""Fetches a document from the hub over HTTPS: what was fetched stays when the connection or the program ends.

The file's name is its SHA-256, so what lies half there is of no other, and a proxy may keep it for ever. Blocks: for a
thread of its own.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import urllib.parse
from typing import TYPE_CHECKING, Final

from controller.errors import LinkError

if TYPE_CHECKING:
    from pathlib import Path

    from controller.link.documents import File

PIECE: Final = 1 << 16
TIMEOUT: Final = 10.0
"""Seconds without a byte after which the connection is given up."""
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

    def fetch(self, file: File, user: str, password: str) -> bytes:
        """The document's bytes, as long and with the hash as `file` says.

        Raises `LinkError`: the hub refuses, is away (what came is kept, and the next call goes on behind it), or gave
        something else (which is thrown away).
        """
        path = self._folder / f"{file.sha256}{PART}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._only(path)
            if (path.stat().st_size if path.exists() else 0) < file.size:
                self._go_on(path, file, user, password)
            content = path.read_bytes()
        except (OSError, http.client.HTTPException) as error:
            raise LinkError(f"{self._url.netloc}: {str(error) or type(error).__name__}") from error
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            path.unlink()
            raise LinkError(f"{self._url.netloc}: gave another document than the one that was signed")
        return content

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

    def _go_on(self, path: Path, file: File, user: str, password: str) -> None:
        """Append what is missing. Never more than was signed."""
        have = path.stat().st_size if path.exists() else 0
        connection = self._connection()
        try:
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
            connection.close()
        if have < file.size:
            raise LinkError(f"{self._url.netloc}: the connection ended after {have} of {file.size} bytes")

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        tls = self._tls()
        if tls is None:
            return http.client.HTTPConnection(host, self._url.port, timeout=TIMEOUT)
        return http.client.HTTPSConnection(host, self._url.port, timeout=TIMEOUT, context=tls)

    def _tls(self) -> ssl.SSLContext | None:
        """Made for each connection: an authority that was renewed counts from the next one on."""
        try:
            return ssl.create_default_context(cafile=self._ca) if self._url.scheme == "https" else None
        except OSError as error:  # ssl.SSLError is one
            raise LinkError(f"[roster] ca: {self._ca}: cannot be used ({error})") from error
