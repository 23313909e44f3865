"""Certificates as files: what is wrong with them, how long they last, and whether they were replaced.

Gate and hub use this file, so it knows no board. What a guard may read is in English and Chinese.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from controller.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

OWN: Final = "certificate"
AUTHORITY: Final = "authority"
WARN_DAYS: Final = 30.0
"""Days before the end from which on it is told: what renews by itself (ACME, certmonger) does so at a third of 90."""
STEPS: Final = (30, 14, 7, 3, 1, 0)
"""Days at which it is told anew."""
DAY: Final = 86_400.0
_PUBLIC: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, time and size of each file; another one where any was replaced."""


class Files(NamedTuple):
    """What one end of TLS uses."""

    where: str
    """Names them in errors: `[link.tls]`."""
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    """None: it is in `cert`."""

    @property
    def stamp(self) -> Stamp:
        """Of the files as they are now; one that is not there counts too."""
        return tuple(_stamp(path) for path in (self.ca, self.cert, self.key) if path is not None)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of looking at them."""

    until: Mapping[str, float] = field(default_factory=dict)
    """Unix seconds at which the own certificate (the first of its chain to end) and the authority end."""
    unusable: str = ""
    """Why no connection can be made with them, whatever the time; empty: one can."""
    expired: str = ""
    """What is over or has not begun, in English and Chinese."""
    ends: str = ""
    """What is over soon, in English and Chinese."""

    @property
    def fault(self) -> str:
        """Why they cannot be used now; empty: they can."""
        return self.unusable or self.expired

    def days(self, now: float) -> dict[str, float]:
        """Days left of each, below zero where it is over."""
        return {what: (until - now) / DAY for what, until in self.until.items()}

    def step(self, now: float, warn_days: float) -> int | None:
        """The least of the days at which it is told that has been reached; None: none yet."""
        left = min(self.days(now).values(), default=float("inf"))
        return min((step for step in (int(warn_days), *STEPS) if left <= step <= warn_days), default=None)


def look(files: Files, now: float | None, warn_days: float = WARN_DAYS) -> Checked:
    """Read and judge the files.

    `now`: Unix seconds; None: nobody knows, as on a board without a clock, and nothing is called over.
    """
    try:
        own, authorities = _read(files)
    except ConfigError as error:
        return Checked(unusable=str(error))
    found: list[tuple[str, Path, x509.Certificate]] = []
    if own and files.cert is not None:
        found.append((OWN, files.cert, min(own, key=lambda one: one.not_valid_after_utc)))
    if authorities and files.ca is not None:
        found.append((AUTHORITY, files.ca, _authority(own, authorities)))
    until = {what: one.not_valid_after_utc.timestamp() for what, _, one in found}
    if now is None:
        return Checked(until)
    over, soon = [], []
    for what, path, one in found:
        begins, ends = one.not_valid_before_utc.timestamp(), until[what]
        if now < begins:
            over.append(_words(files.where, what, path, f"begins {_date(begins)}", f"自{_date(begins)}起有效"))
        elif now >= ends:
            over.append(_words(files.where, what, path, f"expired {_date(ends)}", f"已于{_date(ends)}过期"))
        elif now >= ends - warn_days * DAY:
            days = math.ceil((ends - now) / DAY)
            english = f"expires in {days} day{'' if days == 1 else 's'}"
            soon.append(_words(files.where, what, path, english, f"{days}天后过期"))
    return Checked(until, expired="; ".join(over), ends="; ".join(soon))


def exposed(files: Files) -> Path | None:
    """The file of the private key, where others may read it."""
    path = files.key or files.cert
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    if path is None or found is None or str(path.parent) == os.environ.get("CREDENTIALS_DIRECTORY"):
        return None
    return path if found.st_mode & 0o007 else None


def read_certificates(where: str, path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file. Raises `ConfigError` that names it."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{where}: {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {path}: holds no certificate in PEM ({error})") from error


def _read(files: Files) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """The own chain, its key compared with it, and the authorities. Raises `ConfigError`."""
    authorities = [] if files.ca is None else read_certificates(f"{files.where} ca", files.ca)
    if files.cert is None:
        return [], authorities
    own = read_certificates(f"{files.where} cert", files.cert)
    where, path = f"{files.where} key", files.key or files.cert
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"{where}: {path}: cannot be read: {error.strerror}") from error
    except TypeError as error:
        raise ConfigError(f"{where}: {path}: asks for a passphrase, and nobody is there to give it") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{where}: {path}: holds no private key in PEM ({error})") from error
    if key.public_key().public_bytes(*_PUBLIC) != own[0].public_key().public_bytes(*_PUBLIC):
        raise ConfigError(f"{where}: {path}: is not the key of the certificate in {files.cert}")
    return own, authorities


def _authority(own: Sequence[x509.Certificate], authorities: Iterable[x509.Certificate]) -> x509.Certificate:
    """The one that signed ours; else the one that lasts longest: the others of a bundle may be of the past."""
    known = list(authorities)
    signed = [one for one in known if any(_signed(each, one) for each in own)]
    return max(signed or known, key=lambda one: one.not_valid_after_utc)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _words(where: str, what: str, path: Path, english: str, chinese: str) -> str:
    name = "证书" if what == OWN else "CA证书"
    return f"{where} {what} {path.name} {english} {name}{chinese}"


def _date(unix: float) -> str:
    return dt.datetime.fromtimestamp(unix, dt.UTC).strftime("%Y-%m-%d")


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), found.st_ino, found.st_mtime_ns, found.st_size)
