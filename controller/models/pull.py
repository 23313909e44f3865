"""Fetches model files: over HTTPS only, into a temporary file, hashed before it gets its name."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from controller.errors import ModelError
from controller.models.registry import ModelFile, check_file, entry, how_to_get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TIMEOUT = 30.0
"""Seconds without a byte after which a transfer is given up."""
CHUNK = 1 << 16
REDIRECTS = 5


class Opener(Protocol):
    """What opens an address; `urllib.request.OpenerDirector.open` is one."""

    def __call__(self, request: urllib.request.Request, *, timeout: float) -> IO[bytes]:
        """The answer's body as a stream. Raises OSError kinds."""
        ...


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from HTTPS to anything else."""

    max_redirections = REDIRECTS

    def redirect_request(  # noqa: PLR0917 - urllib calls it so
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise urllib.error.HTTPError(newurl, code, f"redirected away from https: {newurl}", headers, fp)  # type: ignore[arg-type]  # typeshed wants email.message.Message, which urllib passes
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # as above


def default_opener() -> Opener:
    """An opener that honours the proxies of the environment and refuses to leave HTTPS."""
    director = urllib.request.build_opener(_HttpsOnly)

    def open_address(request: urllib.request.Request, *, timeout: float) -> IO[bytes]:
        stream: IO[bytes] = director.open(request, timeout=timeout)
        return stream

    return open_address


@dataclass(frozen=True, slots=True)
class Pulled:
    """What `pull` did about one model."""

    model: ModelFile
    path: Path
    fetched: bool
    """False: the right file was there already."""


def pull(
    names: Iterable[str],
    folder: Path,
    *,
    opener: Opener | None = None,
    progress: Callable[[ModelFile, int], None] | None = None,
    allow_loopback_http: bool = False,
    registry: Callable[[str], ModelFile] = entry,
) -> tuple[Pulled, ...]:
    """Bring the named models into `folder`, which is made if need be. Files that are right already stay untouched.

    `progress` hears the bytes that have arrived of the present file. `allow_loopback_http` is for tests that serve
    files themselves. Raises `ModelError` that names the file: no address, a failed transfer, the wrong size or hash.
    What was in the folder before is still there then.
    """
    opener = opener or default_opener()
    wanted = [registry(name) for name in names]
    for model in wanted:
        _check_address(model, allow_loopback_http=allow_loopback_http)
    done = []
    for model in wanted:
        report = check_file(model, folder)
        if report.usable:
            done.append(Pulled(model, report.path, fetched=False))
            continue
        _fetch(model, report.path, opener, progress)
        done.append(Pulled(model, report.path, fetched=True))
    return tuple(done)


def _check_address(model: ModelFile, *, allow_loopback_http: bool) -> None:
    if model.url is None:
        raise ModelError(f"{model.name} has no address to pull from; get it with {how_to_get(model)}")
    parts = urllib.parse.urlsplit(model.url)
    loopback = allow_loopback_http and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not loopback:
        raise ModelError(f"{model.name}: {model.url} is not an https address")


def _fetch(model: ModelFile, path: Path, opener: Opener, progress: Callable[[ModelFile, int], None] | None) -> None:
    """Transfer, check, then rename: the name never stands for half a file or a wrong one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{model.file}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise ModelError(f"{path.parent}: cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _transfer(model, file, opener, progress)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ModelError(f"{model.name}: {model.url} cannot be fetched: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _transfer(
    model: ModelFile, file: IO[bytes], opener: Opener, progress: Callable[[ModelFile, int], None] | None
) -> None:
    """Copy the body into `file`; refuses more bytes than the registry says as soon as they come."""
    # The scheme was checked by `_check_address`, and redirects are by `_HttpsOnly`.
    request = urllib.request.Request(str(model.url), headers={"User-Agent": "thermogate"})  # noqa: S310 - see above
    digest, size = hashlib.sha256(), 0
    with opener(request, timeout=TIMEOUT) as body:
        while chunk := body.read(CHUNK):
            size += len(chunk)
            if size > model.size:
                raise ModelError(f"{model.name}: {model.url} sends more than the {model.size:,} bytes of the registry")
            digest.update(chunk)
            file.write(chunk)
            if progress is not None:
                progress(model, size)
    if size != model.size:
        raise ModelError(f"{model.name}: {model.url} sent {size:,} bytes, the registry says {model.size:,}")
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            f"{model.name}: {model.url} sent a file with sha256 {digest.hexdigest()}, "
            f"the registry says {model.sha256}; nothing was kept"
        )


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
