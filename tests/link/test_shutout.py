"""A stolen gate is shut out of a real broker with TLS, in one act: it is thrown off, and never comes back."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from benchmarks.hub.authority import Authority
from campus.cli import shutout
from campus.cli.main import main
from campus.errors import HubConfigError
from campus.gates.shutout import read_authority, revocation_list
from controller.link.documents import key_text
from controller.link.settings import TlsSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Make = Callable[..., Any]
Captured = pytest.CaptureFixture[str]
NOW = dt.datetime.now(dt.UTC)


def no_passphrase(_prompt: str) -> str:
    pytest.fail("nobody is to be asked")


class School:
    """A broker with TLS, its authority, its lists, and a hub."""

    def __init__(self, folder: Path, broker: Any) -> None:
        self.folder, self.broker = folder, broker
        self.authority = Authority(folder, "school")
        self.ca_key = folder / "ca.key"
        self.ca_key.write_bytes(
            self.authority._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.acl, self.crl, self.pid = folder / "gates.acl", folder / "gates.crl", folder / "mosquitto.pid"
        server, server_key = self.authority.issue("broker")
        hub, hub_key = self.authority.issue("hub")
        self.config = folder / "hub.toml"
        self.config.write_text(
            f'campus = "school"\ndatabase = "{folder / "hub.sqlite3"}"\n[people]\nkey = "{folder / "people.key"}"\n'
            f'[broker]\nport = {broker.port}\nca = "{self.authority.ca}"\ncert = "{hub}"\nkey = "{hub_key}"\n'
        )
        for each in (folder, *folder.parents[:2]):
            each.chmod(0o755)
        for name in ("north", "south"):
            self.authority.issue(name)
            key = key_text(X25519PrivateKey.generate().public_key())
            assert main(["gate", "add", name, "--key", key, "--config", str(self.config)]) == 0
        assert main(["gate", "acl", "--out", str(self.acl), "--config", str(self.config)]) == 0
        assert main(["gate", "crl", *self.signing]) == 0
        self.pid.touch()
        self.pid.chmod(0o666)  # mosquitto has given up root when it writes it
        broker.stop()
        broker.configure(
            f"cafile {self.authority.ca}\ncertfile {server}\nkeyfile {server_key}\nrequire_certificate true\n"
            f"use_identity_as_username true\nacl_file {self.acl}\ncrlfile {self.crl}\npid_file {self.pid}\n"
        )
        broker.start()

    @property
    def signing(self) -> list[str]:
        return ["--crl", str(self.crl), "--ca", str(self.authority.ca), "--ca-key", str(self.ca_key)]

    def tls(self, name: str) -> TlsSettings:
        return TlsSettings(ca=self.authority.ca, cert=self.folder / f"{name}.crt", key=self.folder / f"{name}.key")

    def client(self, name: str) -> aiomqtt.Client:
        context = ssl.create_default_context(cafile=self.authority.ca)
        context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return aiomqtt.Client(
            "127.0.0.1",
            self.broker.port,
            identifier=f"raw-{name}",
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=context,
            timeout=2.0,
        )

    async def run(self, *words: str) -> int:
        """The command line, as a process of its own would run it."""
        return await asyncio.to_thread(main, ["gate", *words, "--config", str(self.config)])


@pytest_asyncio.fixture
async def school(tmp_path: Path, broker: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[School]:
    monkeypatch.setattr(shutout, "STAY", 2.0)
    yield await asyncio.to_thread(School, tmp_path, broker)


# Where a handshake fails, paho leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.service
@pytest.mark.asyncio
async def test_a_stolen_gate_is_thrown_off_in_one_act_and_the_others_notice_nothing(
    school: School, gates: Make, eventually: Make, capsys: Captured
) -> None:
    north = gates(school.broker.port, tls=school.tls("north"))
    south = gates(school.broker.port, file="south.sqlite3", name="south", tls=school.tls("south"))
    for gate in (north, south):
        await gate.start()
    await eventually(lambda: north.link.counters.up and south.link.counters.up, "both are connected")
    act = ["revoke", "north", *school.signing, "--certificate", str(school.folder / "north.crt")]
    act += ["--acl", str(school.acl), "--broker-pid", str(school.pid), "--drop"]
    assert await school.run(*act) == 0, capsys.readouterr().err
    assert "north: has no session at the broker, and does not come back." in capsys.readouterr().out
    await eventually(lambda: not north.link.counters.up, "it is thrown off")
    school.broker.stop()
    school.broker.start()
    await eventually(lambda: south.link.counters.connects == 2, "the other comes back after a restart of the broker")
    assert (north.link.counters.connects, north.link.counters.up) == (1, False)
    assert await school.run(*act) == 0, "again, as after a step that failed"
    assert "is told nothing more, as before" in capsys.readouterr().out
    assert south.link.counters.connects == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.service
@pytest.mark.asyncio
async def test_the_access_list_alone_makes_it_mute_and_deaf_though_it_is_connected(school: School) -> None:
    async with school.client("hub") as hub, school.client("north") as north, school.client("south") as south:
        await hub.subscribe("gate/v1/school/+/evt", qos=1)
        for name, client in (("north", north), ("south", south)):
            await client.subscribe(f"gate/v1/school/{name}/ack", qos=1)

        async def said() -> list[bytes]:
            """What of both arrives: south's is last."""
            for name, client in (("north", north), ("south", south)):
                await client.publish(f"gate/v1/school/{name}/evt", name.encode(), qos=1)
            found = list[bytes]()
            async with asyncio.timeout(30):
                while not found or found[-1] != b"south":
                    found.append(bytes((await anext(hub.messages)).payload))
            return found

        assert await said() == [b"north", b"south"]
        assert await school.run("revoke", "north", "--acl", str(school.acl), "--broker-pid", str(school.pid)) == 0
        # The signal is on its way: from some moment on nothing of it arrives.
        async with asyncio.timeout(30):
            while await said() != [b"south"]:
                pass
        for name in ("north", "south"):
            await hub.publish(f"gate/v1/school/{name}/ack", b"x", qos=1)
        async with asyncio.timeout(30):
            assert str((await anext(south.messages)).topic) == "gate/v1/school/south/ack"
        assert len(north.messages) == 0


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_gate_that_is_not_shut_out_comes_back_and_that_is_said(
    school: School, gates: Make, eventually: Make, capsys: Captured
) -> None:
    north = gates(school.broker.port, tls=school.tls("north"))
    await north.start()
    await eventually(lambda: north.link.counters.up, "it is connected")
    assert await school.run("drop", "north") == 1
    assert "north came back to the broker: it is not shut out" in capsys.readouterr().err
    school.broker.stop()
    assert await school.run("drop", "north") == 1
    assert "the broker cannot be reached" in capsys.readouterr().err


@pytest.mark.service
@pytest.mark.asyncio
async def test_what_cannot_be_done_is_said_before_anything_is(school: School, capsys: Captured) -> None:
    certificate = ["--certificate", str(school.folder / "north.crt")]
    foreign = Authority(school.folder, "foreign")
    for words, told in (
        (["--crl", str(school.crl), *certificate], "--crl: needs --ca and --ca-key"),
        (school.signing, "--crl: needs --certificate"),
        ([*school.signing, "--certificate", str(foreign.issue("alien")[0])], "was not issued by the authority of --ca"),
        ([*school.signing, "--certificate", str(school.crl)], "holds no certificate in PEM"),
    ):
        assert await school.run("revoke", "north", *words) == 1
        assert told in capsys.readouterr().err
    assert await school.run("list") == 0
    assert "revoked" not in capsys.readouterr().out
    assert await school.run("revoke", "unknown", "--acl", str(school.acl)) == 1
    assert "is no gate that is given people" in capsys.readouterr().err
    absent = str(school.folder / "absent.pid")
    assert await school.run("revoke", "north", "--broker-pid", absent) == 1
    assert f"--broker-pid: {absent}: the broker could not be told" in capsys.readouterr().err


def listed(content: bytes) -> tuple[set[int], int, dt.datetime]:
    found = x509.load_pem_x509_crl(content)
    assert found.next_update_utc is not None
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return {one.serial_number for one in found}, number, found.next_update_utc


def own(
    folder: Path, key: Any, name: str = "ca", *, passphrase: bytes | None = None, days: int = 4000
) -> tuple[Path, Path]:
    """An authority's certificate and private key, as files."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=4001))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    sealed = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    certificate, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
    return certificate, private


def test_a_list_grows_is_numbered_and_lasts_as_long_as_its_authority(tmp_path: Path) -> None:
    school = Authority(tmp_path, "school")
    (tmp_path / "ca.key").write_bytes(
        school._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    authority = read_authority(school.ca, tmp_path / "ca.key", no_passphrase)
    path, north, south = tmp_path / "gates.crl", school.issue("north")[0], school.issue("south")[0]
    serials = [x509.load_pem_x509_certificate(each.read_bytes()).serial_number for each in (north, south)]
    path.write_bytes(revocation_list(authority, path, [north], now=NOW))
    assert listed(path.read_bytes())[:2] == ({serials[0]}, 1)
    path.write_bytes(revocation_list(authority, path, [north, south], now=NOW))
    found, number, ends = listed(path.read_bytes())
    assert (found, number) == (set(serials), 2)
    assert ends == authority.certificate.not_valid_after_utc
    path.write_bytes(revocation_list(authority, path, [], now=NOW, days=1))
    assert listed(path.read_bytes())[:2] == (set(serials), 3), "renewed as it is"


def test_lists_and_keys_of_others_are_refused(tmp_path: Path) -> None:
    one = read_authority(*own(tmp_path, ec.generate_private_key(ec.SECP256R1()), "one"), no_passphrase)
    other = read_authority(*own(tmp_path, ed25519.Ed25519PrivateKey.generate(), "other"), no_passphrase)
    path = tmp_path / "gates.crl"
    path.write_bytes(revocation_list(other, path, [], now=NOW))
    for content, told in (
        (path.read_bytes(), "is a list of another authority"),
        (b"x", "is no revocation list in PEM"),
    ):
        path.write_bytes(content)
        with pytest.raises(HubConfigError, match=told):
            revocation_list(one, path, [], now=NOW)
    with pytest.raises(HubConfigError, match="is not the key of the authority in"):
        read_authority(tmp_path / "one.pem", tmp_path / "other.key", no_passphrase)
    with pytest.raises(HubConfigError, match="is no private key in PEM"):
        read_authority(tmp_path / "one.pem", path, no_passphrase)
    with pytest.raises(HubConfigError, match="cannot be read: No such file"):
        read_authority(tmp_path / "one.pem", tmp_path / "absent", no_passphrase)
    ended = read_authority(*own(tmp_path, ec.generate_private_key(ec.SECP256R1()), "ended", days=-1), no_passphrase)
    with pytest.raises(HubConfigError, match="own certificate is over since"):
        revocation_list(ended, tmp_path / "new.crl", [], now=NOW)


def test_a_key_with_a_passphrase_asks_for_it(tmp_path: Path) -> None:
    files = own(tmp_path, ec.generate_private_key(ec.SECP256R1()), passphrase=b"open sesame")
    assert read_authority(*files, lambda _: "open sesame").certificate.subject.rfc4514_string() == "CN=ca"
    with pytest.raises(HubConfigError, match="its passphrase is another"):
        read_authority(*files, lambda _: "open barley")
