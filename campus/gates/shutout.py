"""Shuts a gate out of the broker: off its access list, on its authority's revocation list, its session ended.

Revocation lists are RFC 5280's. A broker that reads both lists anew refuses it everything and lets it connect no more;
the session that it still has ends as somebody else connects under its name.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import aiomqtt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from campus.broker import connect
from campus.errors import HubConfigError, HubOrderError
from controller.errors import ConfigError
from controller.link.certificates import read_certificates
from controller.link.connection import end_if_cancelled
from controller.link.contract import CHANNELS
from controller.link.messages import PREFIX, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from campus.broker import Broker

CaKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
DAYS: Final = 3650
"""For which a list counts: a broker whose list is over lets nobody in. A new one may come any day all the same."""
STAY: Final = 10.0
"""Seconds for which a gate's name is held at the broker, to see whether it comes back: it would within three."""


class Authority(NamedTuple):
    """Who signs the list."""

    certificate: x509.Certificate
    key: CaKey


def access_list(campus: str, gates: Iterable[str]) -> str:
    """Mosquitto's access list for these gates, and a hub of the user name `hub`."""
    lines = []
    for user, of in (("hub", "+"), *((gate, gate) for gate in gates)):
        lines.append(f"user {user}")
        for channel in CHANNELS:
            way = "write" if channel.gate_sends != (user == "hub") else "read"
            lines.append(f"topic {way} {PREFIX}/{campus}/{of}/{channel.kind}")
        lines.append("")
    return "\n".join(lines) + "\n"


def read_authority(ca: Path, key: Path, passphrase: Callable[[str], str]) -> Authority:
    """The authority of `ca`, a PEM file, whose private key is in `key`.

    `passphrase`: asked for one, where the key wants it. Raises `HubConfigError` that names the file.
    """
    try:
        known = read_certificates("--ca", ca)
        text = key.read_bytes()
        try:
            private = serialization.load_pem_private_key(text, password=None)
        except TypeError:
            private = serialization.load_pem_private_key(text, passphrase(f"Passphrase of {key}: ").encode())
    except ConfigError as error:
        raise HubConfigError(str(error)) from error
    except OSError as error:
        raise HubConfigError(f"--ca-key: {key}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HubConfigError(
            f"--ca-key: {key}: is no private key in PEM, or its passphrase is another: {error}"
        ) from error
    if not isinstance(private, CaKey):
        raise HubConfigError(f"--ca-key: {key}: no list can be signed with a key of this kind")
    own = _public(private.public_key())
    for certificate in known:
        if _public(certificate.public_key()) == own:
            return Authority(certificate, private)
    raise HubConfigError(f"--ca-key: {key}: is not the key of the authority in {ca}")


def revocation_list(
    authority: Authority, path: Path, certificates: Sequence[Path], *, now: dt.datetime, days: int = DAYS
) -> bytes:
    """The list in `path` with these certificates on it as well, in PEM; a new one where there is none.

    Raises `HubConfigError`: a certificate or a list that is not this authority's, or cannot be read.
    """
    ends = min(now + dt.timedelta(days=days), authority.certificate.not_valid_after_utc)
    if ends <= now:
        raise HubConfigError(f"--ca: the authority's own certificate is over since {ends:%Y-%m-%d}")
    before = _read_list(authority, path)
    known = {} if before is None else {one.serial_number: one for one in before}
    for file in certificates:
        serial = _issued(authority, file).serial_number
        if serial not in known:
            known[serial] = (
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(now)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                .build()
            )
    number = 1 if before is None else before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    issuer = authority.certificate.public_key()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(ends)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)  # type: ignore[arg-type] # its key is of a kind that signs
    )
    for one in known.values():
        builder = builder.add_revoked_certificate(one)
    edwards = isinstance(authority.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    made = builder.sign(authority.key, None if edwards else hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is there keeps its owner and mode, a new one is read by everybody.

    A broker has given up root when it reads them anew. Raises `HubConfigError`.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if path.exists():
                    found = path.stat()
                    os.fchown(descriptor, found.st_uid, found.st_gid)
                    os.fchmod(descriptor, found.st_mode & 0o777)
                else:
                    os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HubConfigError(f"{path}: cannot be written: {error.strerror}") from error


async def end_session(broker: Broker, campus: str, gate: str, stay: float = STAY) -> None:
    """Take a gate's session over, and see that it does not come back for so many seconds.

    Raises `HubOrderError`: it does, or the broker cannot be reached.
    """
    name = f"thermogate-{check_name(campus)}-{check_name(gate)}"
    connected = False
    try:
        async with connect(broker, name) as client:
            connected = True
            async with asyncio.timeout(stay):
                async for _ in client.messages:  # nothing is subscribed to; it ends with the connection
                    pass
    except TimeoutError:
        end_if_cancelled()
        return
    except aiomqtt.MqttError as error:
        if connected:
            raise HubOrderError(f"{gate} came back to the broker: it is not shut out ({error})") from error
        raise HubOrderError(f"the broker cannot be reached: {error}") from error


def _read_list(authority: Authority, path: Path) -> x509.CertificateRevocationList | None:
    if not path.exists():
        return None
    try:
        found = x509.load_pem_x509_crl(path.read_bytes())
        signed = found.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type] # as above
    except OSError as error:
        raise HubConfigError(f"--crl: {path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise HubConfigError(f"--crl: {path}: is no revocation list in PEM: {error}") from error
    if not signed or found.issuer != authority.certificate.subject:
        raise HubConfigError(f"--crl: {path}: is a list of another authority, and is left alone")
    return found


def _issued(authority: Authority, file: Path) -> x509.Certificate:
    try:
        one = read_certificates("--certificate", file)[0]
        one.verify_directly_issued_by(authority.certificate)
    except ConfigError as error:
        raise HubConfigError(str(error)) from error
    except (ValueError, TypeError, InvalidSignature) as error:
        raise HubConfigError(f"--certificate: {file}: was not issued by the authority of --ca") from error
    return one


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined] # of either a certificate or a private key
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
