"""A running gate takes over what changes in its gallery, and keeps what it has where that cannot be read."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.follow.gallery import GalleryWatch
from controller.gallery.audit import AuditLog
from controller.gallery.credentials import add_credential, credentials_of, open_book, remove_credentials
from controller.gallery.erase import erase
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Consent, Enrolment, Origin, Person, Template
from controller.gallery.rotation import rotate_key
from controller.gallery.store import GalleryStore
from hw.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, person: str, seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=16)
    template = Template("net:1", (vector / np.linalg.norm(vector)).astype(np.float32))
    with GalleryStore.open(folder, create=True) as store:
        store.write([Enrolment(Person(person), (template,), Origin(consent=Consent("a law", dt.date(2026, 9, 1))))])


@pytest.fixture
def index() -> GalleryIndex:
    return GalleryIndex(16, "net:1", threshold=0.5, margin=0.0)


def test_the_running_gate_follows(tmp_path: Path, index: GalleryIndex) -> None:
    forgotten: list[str] = []
    watch = GalleryWatch(tmp_path, None, index, SystemClock(), forget=forgotten.append)
    assert not watch.look()
    write(tmp_path, "p1", 1)
    with GalleryStore.open(tmp_path) as store:
        index.load(store)
    assert not watch.look()
    assert not watch.look()
    write(tmp_path, "p2", 2)
    assert watch.look()
    assert index.people() == ("p1", "p2")
    erase(["p1"], tmp_path, None, AuditLog(tmp_path, create=True))
    assert watch.look()
    assert index.people() == ("p2",)
    assert forgotten == ["p1"]
    watch.close()


def test_cards_and_the_key_are_followed_as_well(tmp_path: Path, index: GalleryIndex) -> None:
    write(tmp_path, "p1", 1)
    with GalleryStore.open(tmp_path) as store:
        add_credential(store, "p1", "card", "1-1")
        index.load(store)
        book = open_book(store)
    watch = GalleryWatch(tmp_path, None, index, SystemClock(), book=book)
    assert not watch.look()
    rotate_key(tmp_path)
    assert watch.look()
    assert book.find("card", "1-1") == "p1"
    with GalleryStore.open(tmp_path) as store:
        add_credential(store, "p1", "card", "1-2")
        remove_credentials(store, "p1", record=credentials_of(store)[0].record)
        store.set_factors("p1", second_factor=True, no_face=False)
    assert watch.look()
    assert len(book) == 1
    assert index.needs_second_factor("p1")
    watch.close()


@pytest.mark.parametrize("skip", [False, True])
def test_a_damaged_record_is_skipped_where_the_gate_may(tmp_path: Path, index: GalleryIndex, *, skip: bool) -> None:
    write(tmp_path, "p1", 1)
    write(tmp_path, "p2", 2)
    told: list[str] = []
    watch = GalleryWatch(tmp_path, None, index, SystemClock(), on_damage=told.append if skip else None)
    assert not watch.look()
    with sqlite3.connect(tmp_path / "gallery.sqlite3") as connection:
        connection.execute("UPDATE person SET sealed = x'0011' WHERE person = 'p1'")
    connection.close()
    assert watch.look() is skip
    assert index.people() == (("p2",) if skip else ())
    assert bool(told) is skip
    watch.close()


def test_what_cannot_be_read_changes_nothing(tmp_path: Path, index: GalleryIndex) -> None:
    write(tmp_path, "p1", 1)
    with GalleryStore.open(tmp_path) as store:
        index.load(store)
    watch = GalleryWatch(tmp_path, None, index, SystemClock())
    assert not watch.look()
    connection = sqlite3.connect(tmp_path / "gallery.sqlite3")
    connection.execute("UPDATE template SET sealed = x'0011'")
    connection.commit()
    connection.close()
    assert not watch.look()
    assert index.people() == ("p1",)
    watch.close()
