"""A directory of the tests' own: Debian's slapd on loopback, with Microsoft's schema and a certificate of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import inspect
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campus.people.ldap import LdapSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeDirectory = Callable[[str], "Directory"]

SCHEMAS = Path("/etc/ldap/schema")
BASE = "dc=school,dc=example"
READER = f"cn=reader,{BASE}"
SHORT = f"cn=short,{BASE}"
"""May read so many entries alone as `LIMIT`."""
LIMIT = 3
PASSWORD = "a secret of the reader"
PATIENCE = 60.0
SYSTEM = f"""
dn: {BASE}
objectClass: domain
dc: school

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {PASSWORD}

dn: {SHORT}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {PASSWORD}

dn: ou=Year 7,{BASE}
objectClass: organizationalUnit

"""
USER = (
    "objectClass: user\nobjectClass: extensibleObject\ninstanceType: 4\nnTSecurityDescriptor: x\n"
    f"objectCategory: cn=person,{BASE}\nobjectSid: x\n"
)
"""What every user of Microsoft's has."""


def _authority(folder: Path, name: str, host: str) -> Path:
    """Make an authority, and a certificate of its for a host (`crt.pem`, `key.pem`); the authority's file."""
    now = dt.datetime.now(dt.UTC)

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate(name, own).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    leaf = certificate("directory", key).add_extension(names, critical=False)
    # What Python 3.13 asks for beside.
    usage = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False) | {"key_cert_sign": True}
    root = root.add_extension(x509.KeyUsage(**usage), critical=True)
    root = root.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key())
    leaf = leaf.add_extension(issuer, critical=False)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / f"{name}.pem").write_bytes(root.sign(own, hashes.SHA256()).public_bytes(pem))
    (folder / f"{name}.crt.pem").write_bytes(leaf.sign(own, hashes.SHA256()).public_bytes(pem))
    (folder / f"{name}.key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return folder / f"{name}.pem"


class Directory:
    """A directory that can be filled.

    `READER` may read all of it, `SHORT` no more than `LIMIT` entries.

    Args:
        program: slapd.
        folder: of its own.
        host: that its certificate names; it answers at 127.0.0.1.
    """

    def __init__(self, program: str, folder: Path, host: str) -> None:
        self.folder = folder
        self.ports = [_free_port(), _free_port()]
        self.ca = _authority(folder, "ca", host)
        self.other_ca = _authority(folder, "other", host)
        """One that has signed nothing here."""
        self.password = folder / "password"
        self.password.write_text(f"{PASSWORD}\n")
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        schemas = ("core", "cosine", "inetorgperson", "nis", "msuser")
        (folder / "db").mkdir()
        self._config = folder / "slapd.conf"
        self._config.write_text(
            "".join(f"include {SCHEMAS}/{one}.schema\n" for one in schemas)
            + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\n"
            f"TLSCACertificateFile {self.ca}\nTLSCertificateFile {folder}/ca.crt.pem\n"
            f"TLSCertificateKeyFile {folder}/ca.key.pem\n"
            f'database mdb\nsuffix "{BASE}"\ndirectory {folder}/db\nmaxsize 16777216\n'
            f'access to attrs=userPassword by anonymous auth\naccess to * by dn="{READER}" read by dn="{SHORT}" read\n'
            f'limits dn.exact="{SHORT}" size.soft={LIMIT} size.hard={LIMIT} size.prtotal={LIMIT}\n'
        )

    def start(self, *people: str) -> None:
        """Fill it with entries (LDIF without `objectClass` and what comes with it), and start it."""
        text = SYSTEM + "\n\n".join(f"{one.strip()}\nsn: x\n{USER}" for one in people)
        (self.folder / "all.ldif").write_text(text, encoding="utf-8")
        loading = [self._program, "-Ta", "-f", str(self._config), "-l", str(self.folder / "all.ldif")]
        loaded = subprocess.run(loading, capture_output=True, text=True, check=False)
        assert loaded.returncode == 0, loaded.stderr
        urls = f"ldap://127.0.0.1:{self.ports[0]} ldaps://127.0.0.1:{self.ports[1]}"
        log = (self.folder / "log").open("wb")
        with log:
            command = [self._program, "-h", urls, "-f", str(self._config), "-d", "0"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        for port in self.ports:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "slapd takes no connections"
                time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def settings(self, *, encrypted: bool = True, **more: object) -> LdapSettings:
        """To read it as `READER`."""
        url = f"ldaps://127.0.0.1:{self.ports[1]}" if encrypted else f"ldap://127.0.0.1:{self.ports[0]}"
        given = {
            "url": url, "ca": self.ca, "bind_dn": READER, "password_file": self.password, "base": BASE, "page": 2,
            "filter": "(objectClass=user)", "timeout": 20.0,
        }  # fmt: skip
        return LdapSettings(**given | more)  # type: ignore[arg-type]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def program() -> str:
    """Where slapd is; Debian keeps it out of a user's PATH."""
    pytest.importorskip("ldap", reason="python-ldap is not installed: pip install '.[ldap]'")
    found = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None or not (SCHEMAS / "msuser.schema").exists():
        pytest.skip("slapd is not installed (apt install slapd)")
    return found


@pytest.fixture
def make_directory(program: str, tmp_path: Path) -> Iterator[MakeDirectory]:
    """Makes one that is not yet started, with a certificate for this address."""
    made: list[Directory] = []

    def make(host: str) -> Directory:
        folder = tmp_path / f"directory-{len(made)}"
        folder.mkdir()
        made.append(Directory(program, folder, host))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def directory(make_directory: MakeDirectory) -> Directory:
    """One that is not yet started."""
    return make_directory("127.0.0.1")
