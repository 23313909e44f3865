"""Certificates of an own authority, as a school would make them."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campus.gates import shutout

if TYPE_CHECKING:
    from pathlib import Path

HOURS = 6
"""For which a certificate holds unless said otherwise; a campaign is shorter."""


class Authority:
    """An authority whose files lie in `folder`: `NAME.pem` its own, `NAME.crt` and `NAME.key` of whom it knows.

    Readable for everybody, as mosquitto gives up root before it reads them: for tests, not for a school.
    """

    def __init__(self, folder: Path, name: str, *, hours: int = HOURS) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = self._write(f"{name}.pem", self._sign(name, self._key, None, hours=hours))

    def issue(self, name: str, address: str = "127.0.0.1", *, hours: int = HOURS) -> tuple[Path, Path]:
        """A certificate for an IP address that ends in so many hours, and its private key."""
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._sign(name, key, address, hours=hours)
        return self._write(f"{name}.crt", certificate), self._write(f"{name}.key", text)

    def revoke_nothing(self) -> Path:
        """`NAME.crl`, an empty revocation list, as `thermogate-hub gate crl` makes the first."""
        authority = shutout.Authority(x509.load_pem_x509_certificate(self.ca.read_bytes()), self._key)
        path = self._folder / f"{self._name}.crl"
        return self._write(path.name, shutout.revocation_list(authority, path, [], now=dt.datetime.now(dt.UTC)))

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, address: str | None, *, hours: int = HOURS) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=48))
            .not_valid_after(now + dt.timedelta(hours=hours))
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
            # From Python 3.13 on, certificates are checked as strictly as RFC 5280 has it.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(signs_certificates=address is None), critical=True)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        path.chmod(0o644)
        return path


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
