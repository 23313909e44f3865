"""Erasure reaches every byte, proves it, and a template leaves only with its consent."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.errors import GalleryError, StoreError
from controller.gallery.audit import AuditLog
from controller.gallery.credentials import add_credential, credentials_of
from controller.gallery.erase import erase
from controller.gallery.export import export
from controller.gallery.history_store import HistoryStore, Reading
from controller.gallery.model import Consent, Enrolment, Origin, Person, Picture, Template
from controller.gallery.pictures import pictures_of
from controller.gallery.rotation import rotate_key
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

TODAY = dt.date(2026, 9, 1)
CONSENT = Consent("consent", dt.date(2026, 3, 1), "guardian", "face")


@pytest.fixture
def folder(tmp_path: Path, vector: Callable[[int], NDArray[np.float32]]) -> Path:
    """A gallery of forty, of whom the even ones have readings, written in several orders so that pages are freed."""
    folder = tmp_path / "gallery"
    with GalleryStore.open(folder, create=True) as store:
        for seed in range(40):
            templates = tuple(Template("net:1", vector(100 * seed + number)) for number in range(3))
            store.write([Enrolment(Person(f"p{seed}"), templates, Origin(TODAY, CONSENT))])
    with HistoryStore.open(folder, create=True) as history:
        for seed in range(0, 40, 2):
            who = history.pseudonym(f"p{seed}")
            readings = [Reading(who, 739_000 + day, 0.0, 0.1, 0.1, flagged=False) for day in range(30)]
            history.append(readings, keep=100)
    return folder


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def test_nothing_is_left_in_any_file(folder: Path) -> None:
    leaving = [f"p{seed}" for seed in range(10, 30)]
    with GalleryStore.open(folder) as store, HistoryStore.open(folder) as history:
        traces = [trace for person in leaving for trace in (*store.traces(person), *history.traces(person))]
        staying = [*store.traces("p1"), *store.traces("p2"), *history.traces("p2")]
    assert len(traces) == 20 * 7 + 10 * 30
    before = everything(folder)
    assert all(trace in before for trace in traces)
    audit = AuditLog(folder, actor="office", create=True)
    done = erase(leaving, folder, None, audit)
    assert {(one.enrolled, one.templates) for one in done} == {(True, 3)}
    assert [one.readings for one in done] == [30, 0] * 10
    after = everything(folder)
    assert not [trace for trace in traces if trace in after]
    assert all(trace in after for trace in staying)
    with GalleryStore.open(folder) as store:
        assert len(store.enrolments()) == 20
    assert b"\0".join(person.encode() for person in leaving) not in after
    report = audit.verify()
    assert [entry.action for entry in report.entries] == ["erasing"] * 20 + ["erased"] * 20
    assert report.entries[20].counts == {
        "templates": 3,
        "credentials": 0,
        "pictures": 0,
        "readings": 30,
        "searched": 37,
        "found": 0,
    }
    assert not report.unproven


def test_cards_and_photographs_go_with_their_person(folder: Path) -> None:
    photographs = [np.random.default_rng(seed).bytes(40_000) for seed in (3, 4)]
    with GalleryStore.open(folder) as store:
        for person, jpeg in zip(("p3", "p4"), photographs, strict=True):
            store.write([Enrolment(Person(person), (), Origin(TODAY, CONSENT), (Picture(jpeg, 739_000),))])
            add_credential(store, person, "card", f"{person}-1")
            add_credential(store, person, "pin", f"1{person[1]}*4711")
        traces = store.traces("p3")
        assert len(traces) == 1 + 2 * 2 + 2 + len(range(0, 40_000, 2048))
        before = everything(folder)
        # A piece that lies across two pages is not in the file as one; most do not.
        assert sum(trace in before for trace in traces) > len(traces) - 4
        staying = [trace for trace in store.traces("p4") if trace in before]
    (one,) = erase(["p3"], folder, None, AuditLog(folder, create=True))
    assert (one.templates, one.credentials, one.pictures, one.traces) == (0, 2, 1, len(traces))
    after = everything(folder)
    assert not [trace for trace in traces if trace in after]
    with GalleryStore.open(folder) as store:
        assert [found.person for found in credentials_of(store)] == ["p4", "p4"]
        assert [found.jpeg for found in pictures_of(store, "p4")] == photographs[1:]
        assert store.inspect().faults == ()
    assert len([trace for trace in staying if trace in after]) > len(staying) - 8


def test_what_no_person_owns_any_more_is_erased_as_well(folder: Path) -> None:
    with sqlite3.connect(folder / "gallery.sqlite3") as connection:
        connection.execute("DELETE FROM person WHERE person = 'p3'")  # without foreign keys: the templates stay
    connection.close()
    (one,) = erase(["p3"], folder, None, AuditLog(folder, create=True))
    assert (one.enrolled, one.templates) == (True, 3)


def test_the_erasing_of_old_keys_records(folder: Path) -> None:
    with GalleryStore.open(folder) as store:
        add_credential(store, "p3", "card", "1-1")
    rotate_key(folder)
    (one,) = erase(["p2"], folder, None, AuditLog(folder, create=True))
    assert (one.enrolled, one.templates, one.readings) == (True, 3, 30)
    with GalleryStore.open(folder) as store:
        assert len(store.enrolments()) == 39
        assert set(store.origins().values()) == {Origin(TODAY, CONSENT)}


def test_who_is_not_there_is_erased_all_the_same(folder: Path) -> None:
    (one,) = erase(["p99"], folder, None, AuditLog(folder, create=True))
    assert (one.enrolled, one.templates, one.readings) == (False, 0, 0)


def test_a_reader_keeps_the_proof_away(folder: Path) -> None:
    audit = AuditLog(folder, create=True)
    with sqlite3.connect(folder / "gallery.sqlite3") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM person").fetchone()
        with pytest.raises(StoreError, match="stays in the write-ahead log"):
            erase(["p3"], folder, None, audit)
        reader.rollback()
    reader.close()
    assert len(audit.verify().unproven) == 1
    erase(["p3"], folder, None, audit)
    assert not audit.verify().unproven


def test_a_damaged_record_of_somebody_else_is_no_hindrance(folder: Path) -> None:
    connection = sqlite3.connect(folder / "gallery.sqlite3")
    connection.execute("UPDATE person SET sealed = x'00' WHERE person = 'p1'")
    connection.commit()
    connection.close()
    (one,) = erase(["p2"], folder, None, AuditLog(folder, create=True))
    assert one.enrolled


def test_templates_leave_only_with_their_consent(folder: Path, tmp_path: Path) -> None:
    audit = AuditLog(folder, create=True)
    target = tmp_path / "other"
    with GalleryStore.open(folder) as store:
        ended = Consent("consent", dt.date(2024, 3, 1), "guardian", "face", dt.date(2026, 8, 31))
        store.write(
            [Enrolment(Person("p1"), (), Origin(TODAY, None)), Enrolment(Person("p2"), (), Origin(TODAY, ended))]
        )
        with pytest.raises(
            GalleryError, match=r"nothing was exported:\np1: no consent record.*\np2: the consent ended"
        ):
            export(store, target, today=TODAY, scope="face", audit=audit)
        assert not target.exists()
        store.write([Enrolment(Person("visitor", no_face=True), ())])
        count, staying = export(store, target, today=TODAY, scope="face", audit=audit, leave_out=True)
        assert (count, [reason.split(":")[0] for reason in staying]) == (38, ["p1", "p2"])
        with pytest.raises(GalleryError, match="there is a gallery already"):
            export(store, target, today=TODAY, scope="face", audit=audit, leave_out=True)
    with GalleryStore.open(target) as copy:
        assert {one.origin.consent for one in copy.enrolments()} == {CONSENT}
    assert (target / "gallery.key").read_bytes() != (folder / "gallery.key").read_bytes()
    assert sum(entry.action == "exported" for entry in audit.verify().entries) == 38
