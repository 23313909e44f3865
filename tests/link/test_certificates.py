"""Certificates that end, do not fit or are renewed: said where somebody looks, and taken up without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.hub.authority import Authority
from controller.config import Config
from controller.follow.certificates import CertificateWatch
from controller.health.device import Health, Report
from controller.health.followed import Stated
from controller.link.certificates import AUTHORITY, OWN, Files, look
from controller.link.settings import LinkSettings, TlsSettings
from controller.record.boot import Stamp
from controller.selftest.link import certificates
from hw.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., Any]
DAY = 86_400.0


@pytest.fixture
def school(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "school", hours=24 * 400)


def files(school: Authority, *, days: float = 200) -> Files:
    cert, key = school.issue("north", hours=int(24 * days))
    return Files("[link.tls]", school.ca, cert, key)


def broken(school: Authority, tmp_path: Path, how: str) -> Files:
    good = files(school)
    assert good.key is not None
    match how:
        case "no cert":
            return good._replace(cert=tmp_path / "absent.crt")
        case "no pem":
            (tmp_path / "north.crt").write_text("hello")
        case "other key":
            return good._replace(key=school.issue("south")[1])
        case "no key":
            (tmp_path / "north.key").write_text("hello")
        case "passphrase":
            sealed = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
            good.key.write_bytes(sealed)
        case "key in cert":
            return good._replace(key=None)
        case "no ca":
            return good._replace(ca=tmp_path)
    return good


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no cert", "[link.tls] cert: {folder}/absent.crt: cannot be read: No such file"),
        ("no pem", "[link.tls] cert: {folder}/north.crt: holds no certificate in PEM"),
        ("other key", "[link.tls] key: {folder}/south.key: is not the key of the certificate in {folder}/north.crt"),
        ("no key", "[link.tls] key: {folder}/north.key: holds no private key in PEM"),
        ("passphrase", "[link.tls] key: {folder}/north.key: asks for a passphrase"),
        ("key in cert", "[link.tls] key: {folder}/north.crt: holds no private key in PEM"),
        ("no ca", "[link.tls] ca: {folder}: cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_used_is_named(school: Authority, tmp_path: Path, how: str, message: str) -> None:
    checked = look(broken(school, tmp_path, how), time.time())
    assert checked.unusable.startswith(message.format(folder=tmp_path))
    assert (checked.fault, checked.until) == (checked.unusable, {})


def test_ends_are_told_in_both_languages_and_by_a_right_clock_alone(school: Authority) -> None:
    found, now = files(school), time.time()
    assert look(found, now).ends == look(found, now).fault == ""
    days = look(found, now).days(now)
    assert (round(days[OWN]), round(days[AUTHORITY])) == (200, 400)
    soon = look(found, now + 190 * DAY)
    assert soon.ends == "[link.tls] certificate north.crt expires in 10 days 证书10天后过期"
    assert soon.step(now + 190 * DAY, 30) == 14
    over = look(found, now + 201 * DAY)
    assert over.fault.startswith("[link.tls] certificate north.crt expired ")
    assert "证书已于" in over.fault
    assert "authority school.pem expired" in look(found, now + 500 * DAY).fault
    assert "begins" in look(found, now - 9 * DAY).fault
    assert (look(found, None).fault, look(found, None).ends) == ("", "")


def test_an_old_authority_beside_the_new_one_is_no_fault(tmp_path: Path, school: Authority) -> None:
    bundle = tmp_path / "bundle.pem"
    past = Authority(tmp_path, "past", hours=-1)
    bundle.write_bytes(past.ca.read_bytes() + school.ca.read_bytes())
    assert look(files(school)._replace(ca=bundle), time.time()).fault == ""
    own = Files("[roster]", bundle)
    assert round(look(own, time.time()).days(time.time())[AUTHORITY]) == 400


@pytest.mark.parametrize(
    ("days", "status"), [(200, "ok"), (9, "warning"), (-1, "wrong")], ids=["in order", "ends", "over"]
)
def test_the_self_test_says_so(school: Authority, days: float, status: str) -> None:
    found = files(school, days=days)
    assert found.key is not None
    found.key.chmod(0o600)
    link = LinkSettings(campus="school", host="broker", tls=TlsSettings(ca=found.ca, cert=found.cert, key=found.key))
    (told,) = certificates(Config(link=link), time.time())
    assert (told.name, told.status) == ("link certificate", status)
    assert ("renew it" in told.fix) == (status != "ok")
    assert certificates(Config(), time.time()) == []
    if status == "ok":
        found.key.chmod(0o644)
        (told,) = certificates(Config(link=link), time.time())
        assert (told.status, told.fix) == ("warning", f"chmod o-rwx {found.key}")


class Board:
    """What a watch speaks to."""

    def __init__(self) -> None:
        self.clock = "synchronised"
        self.wall = time.time()
        self.renewals = 0
        self.days: dict[str, float] = {}
        self.reports: list[Report] = []
        self.health = Stated("certificate", SystemClock(), lambda _name, report: self.reports.append(report))

    def watch(self, found: Files, journal: Any) -> CertificateWatch:
        def renew() -> None:
            self.renewals += 1

        return CertificateWatch(
            found,
            warn_days=30.0,
            clock=SystemClock(),
            journal=journal,
            health=lambda: self.health,
            renew=renew,
            days_left=self.days.__setitem__,
            now=lambda: Stamp(1.0, self.wall, self.clock),
        )


@pytest_asyncio.fixture
async def journal(gates: Make) -> Any:
    gate = gates(1)
    await gate.journal.open()
    return gate.journal


async def told(journal: Any) -> list[tuple[object, ...]]:
    found = await journal.outbox.pending(100)
    return [tuple(one.entry.detail.values()) for one in found if one.entry.kind == "warning"]


@pytest.mark.asyncio
async def test_an_end_shows_and_reaches_the_campus_once_for_each_step(school: Authority, journal: Any) -> None:
    board = Board()
    watch = board.watch(files(school), journal)
    start = board.wall
    for days in (0, 100, 171, 171.5, 190, 198, 201, 202):
        board.wall = start + days * DAY
        await watch.look()
        await watch.look()
    watch.close()
    assert await told(journal) == [
        ("certificate_expires", OWN, 29.0),
        ("certificate_expires", OWN, 10.0),
        ("certificate_expires", OWN, 2.0),
        ("certificate_expired", OWN, -1.0),
    ]
    assert [report.health for report in board.reports] == [*[Health.DEGRADED] * 3, Health.FAILED]
    assert "证书29天后过期" in board.reports[0].reason
    assert (round(board.days[OWN]), round(board.days[AUTHORITY])) == (-2, 198)
    assert board.renewals == 0


@pytest.mark.asyncio
async def test_files_that_do_not_fit_change_nothing_until_they_do(school: Authority, journal: Any) -> None:
    board = Board()
    found = files(school)
    watch = board.watch(found, journal)
    await watch.look()
    assert found.cert is not None
    assert found.key is not None
    old_key = found.key.read_bytes()
    school.issue("north", hours=24 * 300)
    new_key = found.key.read_bytes()
    found.key.write_bytes(old_key)
    await watch.look()
    assert (board.renewals, board.health.report.health) == (0, Health.FAILED)
    assert "is not the key of the certificate" in watch.fault
    found.key.write_bytes(new_key)
    await watch.look()
    await watch.look()
    assert (board.renewals, board.health.report.health, watch.fault) == (1, Health.OK, "")
    assert [one[0] for one in await told(journal)] == ["certificate_unusable"]
    watch.close()


@pytest.mark.asyncio
async def test_a_board_without_a_clock_calls_nothing_over(school: Authority, journal: Any) -> None:
    board = Board()
    board.wall, board.clock = 5.0, "unsynchronised"
    watch = board.watch(files(school, days=-1), journal)
    await watch.look()
    assert (board.health.report.health, board.days, await told(journal)) == (Health.OK, {}, [])
    board.wall, board.clock = time.time(), "synchronised"
    await watch.look()
    assert board.health.report.health is Health.FAILED
    watch.close()


# Where a handshake fails, paho leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.service
@pytest.mark.asyncio
async def test_renewed_files_are_taken_up_by_a_link_that_runs(
    broker: Any, tmp_path: Path, school: Authority, gates: Make, eventually: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.follow.certificates.EVERY", 0.05)
    server, server_key = school.issue("broker")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    broker.stop()
    broker.configure(
        f"cafile {school.ca}\ncertfile {server}\nkeyfile {server_key}\nrequire_certificate true\n"
        "use_identity_as_username true\nlog_type all\n"
    )
    broker.start()
    cert, key = school.issue("north")
    gate = gates(broker.port, tls=TlsSettings(ca=school.ca, cert=cert, key=key))
    await gate.start()
    board = Board()
    watch = CertificateWatch(
        Files("[link.tls]", school.ca, cert, key),
        warn_days=1,
        clock=SystemClock(),
        journal=gate.journal,
        health=lambda: board.health,
        renew=gate.link.renew,
    )
    task = asyncio.ensure_future(watch.run())
    await eventually(lambda: gate.link.counters.up, "connected with the first certificate")
    await eventually(lambda: watch._seen is not None, "the first look")
    assert "u'north'" in broker.log()
    renewed, renewed_key = school.issue("renewed")
    shutil.copy(renewed, cert)
    await eventually(lambda: bool(watch.fault), "for a moment they do not match")
    assert gate.link.counters.connects == 1, "the connection that there is stays"
    shutil.copy(renewed_key, key)
    await eventually(lambda: gate.link.counters.connects == 2 and gate.link.counters.up, "connected anew")
    assert "u'renewed'" in broker.log()
    assert gate._task is not None
    assert not gate._task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    watch.close()
