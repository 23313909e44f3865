"""`thermogate credential` as an operator uses it."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.cli.credential import from_reader
from controller.cli.main import main
from controller.errors import GalleryError
from controller.gallery.audit import AuditLog
from controller.gallery.credentials import open_book
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.store import GalleryStore
from hw.ports import CredentialRead, ReaderState, ReadKind, unheard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with GalleryStore.open(tmp_path, create=True) as store:
        store.write([Enrolment(Person("s-1"), (Template("net:1", np.eye(4, dtype=np.float32)[0]),))])
    return tmp_path


def find(folder: Path, kind: str, value: str) -> str | None:
    with GalleryStore.open(folder) as store:
        return open_book(store).find(kind, value)


def test_a_card_is_added_listed_and_taken_away(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--gallery", str(folder)]
    assert main(["enrol", "credential", "add", "s-1", "card", "123-45678", *place]) == 0
    assert find(folder, "card", "123-45678") == "s-1"
    assert main(["credential", "list", *place]) == 0
    told = capsys.readouterr().out
    assert "s-1  card  " in told
    assert "45678" not in told
    assert main(["enrol", "credential", "remove", "s-1", "--kind", "card", *place]) == 0
    assert find(folder, "card", "123-45678") is None
    assert main(["credential", "remove", "s-1", *place]) == 1


def test_a_pin_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("20417*4711\n"))
    assert main(["credential", "add", "s-1", "pin", "--gallery", str(folder)]) == 0
    assert find(folder, "pin", "20417*4711") == "s-1"
    assert "4711" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["add", "nobody", "card", "1-1"], "nobody is not enrolled"),
        (["add", "s-1", "pin", "4711"], "NUMBER*PIN"),
        (["policy", "nobody", "--second-factor"], "nobody is enrolled as 'nobody'"),
    ],
)
def test_what_cannot_be_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], wrong: str
) -> None:
    assert main(["credential", *arguments, "--gallery", str(folder)]) == 1
    assert wrong in capsys.readouterr().err


def test_a_visitor_without_a_face_and_a_new_gallery(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--gallery", str(tmp_path / "new")]
    assert main(["credential", "add", "v-1", "qr", "V-17", "--create", *place]) == 0
    assert main(["credential", "list", "v-1", *place]) == 0
    assert "no face" in capsys.readouterr().out


def test_by_what_somebody_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--gallery", str(folder)]
    for options, told, person in (
        (["--second-factor"], "face and card, code or PIN", Person("s-1", second_factor=True)),
        (["--no-face"], "card, code or PIN alone", Person("s-1", second_factor=True, no_face=True)),
        (["--face", "--no-second-factor"], "face, or as the lane says", Person("s-1")),
    ):
        assert main(["credential", "policy", "s-1", *options, *place]) == 0
        assert told in capsys.readouterr().out
        with GalleryStore.open(folder) as store:
            assert store.people() == {"s-1": person}
    found = {"templates": 1, "pictures": 0}
    assert [(entry.action, entry.counts) for entry in AuditLog(folder).verify().entries] == [
        ("factors_changed", {"second_factor": 1, "no_face": 0}),
        ("face_erasing", found),
        ("face_erased", {**found, "searched": 2, "found": 0}),
        ("factors_changed", {"second_factor": 0, "no_face": 0}),
    ]


class Reader:
    """Reads at once what it was made with, or nothing."""

    def __init__(self, *reads: CredentialRead) -> None:
        self.reads = reads
        self.closed = False

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        del on_state
        for one in self.reads:
            on_read(one)
        return "fake"

    def close(self) -> None:
        self.closed = True


def test_a_number_is_taken_from_the_reader() -> None:
    reader = Reader(CredentialRead(ReadKind.CARD, "1-7", 0.0))
    assert from_reader(reader, "card") == "1-7"
    assert reader.closed
    with pytest.raises(GalleryError, match="is a card, not a qr"):
        from_reader(reader, "qr")
    with pytest.raises(GalleryError, match="nothing was presented"):
        from_reader(Reader(), "card", seconds=0.01)


def test_without_a_reader_nothing_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["credential", "add", "s-1", "card", "--read", "--gallery", str(folder)]) == 1
    assert "needs a --config with a [reader]" in capsys.readouterr().err
    config = folder / "gate.toml"
    config.write_text('[reader]\ndriver = "wedge"\ndevice = "/dev/input/by-id/none"\n', encoding="utf-8")
    assert main(["credential", "add", "s-1", "card", "--read", "--config", str(config)]) == 1
    assert "/dev/input/by-id/none is not there" in capsys.readouterr().err


def test_what_is_given_and_taken_is_in_the_audit_log(folder: Path) -> None:
    place = ["--gallery", str(folder), "--by", "office"]
    assert main(["credential", "add", "s-1", "card", "1-1", *place]) == 0
    assert main(["credential", "policy", "s-1", "--second-factor", *place]) == 0
    assert main(["credential", "remove", "s-1", *place]) == 0
    assert main(["credential", "remove", "s-1", *place]) == 1
    log = AuditLog(folder)
    entries = log.verify().entries
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("credential_added", "office"),
        ("factors_changed", "office"),
        ("credential_removed", "office"),
    ]
    assert {entry.who for entry in entries} == {log.pseudonym("s-1")}
    assert b"1-1" not in log.path.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_the_log_that_root_makes_is_the_services(folder: Path) -> None:
    os.chown(folder, 4711, 4712)
    assert main(["credential", "add", "s-1", "card", "1-1", "--gallery", str(folder)]) == 0
    made = (folder / "enrolment-audit.jsonl").stat()
    assert (made.st_uid, made.st_gid) == (4711, 4712)
