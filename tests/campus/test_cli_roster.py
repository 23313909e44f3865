"""The shell's side of people and gates: keys pinned and revoked, the broker's access list, a gallery taken over."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from campus.cli.main import main
from campus.config import load
from campus.database import Database
from campus.people.records import People
from controller.gallery.audit import AuditLog
from controller.gallery.export import export
from controller.gallery.model import Consent, Enrolment, Origin, Person, Template
from controller.gallery.store import GalleryStore
from controller.link.documents import key_text

if TYPE_CHECKING:
    from pathlib import Path

KEY = key_text(X25519PrivateKey.generate().public_key())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    database, key = tmp_path / "hub.sqlite3", tmp_path / "people.key"
    path.write_text(f'campus = "school"\ndatabase = "{database}"\n[people]\nkey = "{key}"\n')
    return path


def test_gates_are_pinned_and_revoked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("north", "south"):
        assert main(["gate", "add", name, "--key", KEY, "--config", str(config)]) == 0
    for name, key, told in (
        ("north", "AAAA", "north: is no X25519 public key in base64"),
        ("North Gate", KEY, "'North Gate' is no name for a campus or gate"),
        ("north", base64.b64encode(bytes(31)).decode(), "is no X25519 public key"),
    ):
        assert main(["gate", "add", name, "--key", key, "--config", str(config)]) == 1
        assert told in capsys.readouterr().err
    assert main(["gate", "revoke", "north", "--config", str(config)]) == 0
    assert "is told nothing more" in capsys.readouterr().out
    assert main(["gate", "revoke", "north", "--config", str(config)]) == 1
    assert "is no gate that is given people" in capsys.readouterr().err
    assert main(["gate", "list", "--config", str(config)]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in listed] == [["north", "revoked", KEY], ["south", "counts", KEY]]
    assert main(["gate", "acl", "--config", str(config)]) == 0
    acl = capsys.readouterr().out
    assert "user south\n" in acl
    assert "north" not in acl
    assert "topic read gate/v1/school/south/cfg/desired" in acl
    assert "topic write gate/v1/school/+/cfg/desired" in acl
    assert main(["audit", "verify", "--config", str(config)]) == 0


def test_a_gallery_that_a_gate_exported_is_taken_over(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vector = np.eye(16, dtype=np.float32)[3]
    consent = Consent("consent", dt.date(2026, 1, 1), "guardian", "face")
    person = Person("2041", valid_until=dt.date(2030, 7, 1), groups=("7b",), second_factor=True)
    with GalleryStore.open(tmp_path / "gate", create=True) as store:
        store.write([Enrolment(person, (Template("net:1", vector),), Origin(consent=consent))])
        audit = AuditLog(tmp_path / "gate", create=True)
        export(store, tmp_path / "out", today=dt.date(2026, 9, 1), scope="face", audit=audit)
    assert main(["people", "take", str(tmp_path / "out"), "--kind", "staff", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "1 people, with 1 templates\n"

    async def look() -> None:
        people = People(load(config).people)
        async with Database(str(tmp_path / "hub.sqlite3"), "school") as database, database.transaction() as query:
            found = await people.get(query, "2041")
            assert found is not None
            assert (found.kind, found.groups, found.valid_until) == ("staff", ("7b",), dt.date(2030, 7, 1))
            assert (found.second_factor, found.consent) == (True, consent)
            (kept,) = (await people.templates(query, ["2041"]))["2041"]
            assert np.array_equal(kept.embedding, vector)

    asyncio.run(look())
    # Once more, it is the same; and what is no gallery is said.
    assert main(["people", "take", str(tmp_path / "out"), "--config", str(config)]) == 0
    assert main(["people", "take", str(tmp_path / "nothing"), "--config", str(config)]) == 1
    assert "there is no gallery" in capsys.readouterr().err
    assert main(["roster", "start-over", "--config", str(config)]) == 0
