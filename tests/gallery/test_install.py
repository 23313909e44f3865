"""What a hub hands out, installed: whole or not at all, never an older one, and nothing lost to whoever is killed."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from controller.errors import MessageError
from controller.gallery.credentials import add_credential, open_book
from controller.gallery.index import GalleryIndex
from controller.gallery.install import heard, hub_state, install, unheard
from controller.gallery.store import GalleryStore
from controller.link.documents import Document, FaceEntry, PersonEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

POINTS = ("begun", "written", "committed")


def face(seed: int) -> bytes:
    numbers = np.random.default_rng(seed).normal(size=16)
    return (numbers / np.linalg.norm(numbers)).astype("<f4").tobytes()


def document(kind: str, version: int, since: int, entries: Mapping[str, msgspec.Struct], *removed: str) -> Document:
    raw = {who: msgspec.Raw(msgspec.msgpack.encode(entry)) for who, entry in entries.items()}
    return Document(campus="school", kind=kind, version=version, since=since, entries=raw, removed=removed)


def people(version: int, *who: str, since: int = 0, removed: tuple[str, ...] = ()) -> Document:
    entries = {one: PersonEntry(groups=("student",), credentials=(("card", f"c-{one}"),)) for one in who}
    return document("roster", version, since, entries, *removed)


def faces(version: int, *who: str, since: int = 0, removed: tuple[str, ...] = ()) -> Document:
    return document(
        "gallery", version, since, {one: FaceEntry(templates=(("net:1", face(version)),)) for one in who}, *removed
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GalleryStore]:
    with GalleryStore.open(tmp_path, create=True) as opened:
        yield opened


def known(store: GalleryStore) -> dict[str, int]:
    """Templates by person; everything opens."""
    assert store.inspect().faults == ()
    return {one.person.person: len(one.templates) for one in store.enrolments()}


def test_a_snapshot_is_everything_and_changes_are_what_they_name(store: GalleryStore) -> None:
    assert install(store, people(5, "a", "b", "c")).written == 3
    install(store, faces(5, "a", "b", "stranger"))
    assert known(store) == {"a": 1, "b": 1, "c": 0}
    change = install(store, people(7, "d", since=5, removed=("a", "nobody")))
    assert (change.removed, change.written) == (("a",), 1)
    assert known(store) == {"b": 1, "c": 0, "d": 0}
    book = open_book(store)
    assert [book.find("card", f"c-{who}") for who in "abcd"] == [None, "b", "c", "d"]
    # Whoever has a later one than the snapshot needs the changes since it alone.
    install(store, people(9, "e", since=5, removed=("a", "d")))
    assert known(store) == {"b": 1, "c": 0, "e": 0}
    install(store, faces(8, "e", since=5, removed=("b",)))
    assert known(store) == {"b": 0, "c": 0, "e": 1}
    assert install(store, people(20, "b")).removed == ("c", "e")
    assert hub_state(store).versions == {"roster": 20, "gallery": 8}


def test_an_older_one_or_a_gap_is_refused(store: GalleryStore) -> None:
    install(store, people(5, "a"))
    for wrong in (people(5, "b"), people(4, "b"), people(9, "b", since=6)):
        with pytest.raises(MessageError, match=r"is not newer than 5|follows on 6, and 5 is installed"):
            install(store, wrong)
    assert known(store) == {"a": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        document("roster", 9, 0, {"a b": PersonEntry()}),
        document("roster", 9, 0, {"a": PersonEntry(valid_from=dt.date(2027, 1, 2), valid_until=dt.date(2027, 1, 1))}),
        document("roster", 9, 0, {"a": PersonEntry(credentials=(("card", "§"),))}),
        document("roster", 9, 0, {"b": PersonEntry(), "a": FaceEntry(templates=())}),
        document("gallery", 9, 0, {"a": FaceEntry(templates=(("net:1", b"123"),))}),
        document("gallery", 9, 0, {"a": FaceEntry(templates=(("net:1", bytes(64)),))}),
        document("gallery", 9, 0, {"a": FaceEntry(templates=(("net:1", face(1)[:-4] + b"\0\0\xc0\x7f"),))}),
    ],
)
def test_one_wrong_entry_keeps_all_of_it_out(store: GalleryStore, wrong: Document) -> None:
    install(store, people(5, "a"))
    install(store, faces(5, "a"))
    with pytest.raises(MessageError, match=r"9: 'a"):
        install(store, wrong)
    assert known(store) == {"a": 1}
    assert hub_state(store).versions == {"roster": 5, "gallery": 5}


def test_cards_follow_and_a_pin_stays(store: GalleryStore) -> None:
    install(store, people(5, "a", "b"))
    add_credential(store, "a", "pin", "17*4711")
    swapped = {"a": PersonEntry(credentials=(("card", "c-b"), ("panel", "7-99"))), "b": PersonEntry()}
    install(store, document("roster", 6, 5, swapped))
    assert store.inspect().faults == ()
    book = open_book(store)
    assert (book.find("card", "c-a"), book.find("card", "c-b")) == (None, "a")
    assert book.number_for("a") == "7-99"
    assert book.find("pin", "17*4711") == "a"


def test_whoever_is_known_without_a_face_has_no_template(store: GalleryStore) -> None:
    install(store, people(5, "a"))
    install(store, faces(5, "a"))
    assert install(store, document("roster", 6, 5, {"a": PersonEntry(no_face=True)})).erased
    assert known(store) == {"a": 0}
    install(store, faces(6, "a", since=5))
    assert known(store) == {"a": 0}


def test_how_long_the_hub_was_silent_survives(store: GalleryStore) -> None:
    install(store, people(5, "a"))
    heard(store, 2000.0, 100.0)
    unheard(store, 60.0)
    heard(store, 2000.0, 100.0)  # again the same word
    assert hub_state(store).unheard == 60.0
    heard(store, 2001.0, 100.0)
    assert (hub_state(store).unheard, hub_state(store).fresh_until) == (0.0, 2001.0)


INSTALL = """
import os, signal, sys
from pathlib import Path
import msgspec
from controller.gallery.file import GalleryFile
from controller.gallery.install import install
from controller.gallery.store import GalleryStore
from controller.link.documents import Document

folder, point, statement = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0

def die(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)

whole = GalleryFile.run
def run(self, text, values=()):
    global count
    count += text.startswith(("INSERT", "DELETE"))
    if point == "statement" and count == statement:
        die("statement")
    return whole(self, text, values)

with GalleryStore.open(folder) as store:
    GalleryFile.run = run
    document = msgspec.msgpack.decode((folder / "document").read_bytes(), type=Document)
    install(store, document, die)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("point", "statement"), [*((point, 0) for point in POINTS), ("statement", 3), ("statement", 17), ("never", 0)]
)
@pytest.mark.parametrize("kind", ["roster", "gallery"])
def test_killed_anywhere_it_is_the_old_one_or_the_new(tmp_path: Path, kind: str, point: str, statement: int) -> None:
    before = {f"p{number}": 1 for number in range(20)}
    with GalleryStore.open(tmp_path, create=True) as store:
        install(store, people(5, *before))
        install(store, faces(5, *before))
    fresh = [f"p{number}" for number in range(10, 30)]
    new = people(6, *fresh) if kind == "roster" else faces(6, "p0", "p1")
    (tmp_path / "document").write_bytes(msgspec.msgpack.encode(new))
    after = {who: before.get(who, 0) for who in fresh} if kind == "roster" else before | dict.fromkeys(before, 0)
    after |= {"p0": 1, "p1": 1} if kind == "gallery" else {}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", INSTALL, str(tmp_path), point, str(statement)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert done.returncode == (0 if point == "never" else -9), done.stderr
    is_new = point in ("committed", "never")
    with GalleryStore.open(tmp_path) as store:
        assert known(store) == (after if is_new else before)
        assert hub_state(store).versions[kind] == (6 if is_new else 5)
        if not is_new:
            install(store, new)
        assert known(store) == after


def test_whoever_has_templates_of_another_model_alone_comes_by_card_and_stops_nobody(store: GalleryStore) -> None:
    """A hub's engine may be ahead of the gate's: what the gate hears of everybody else must still be in force."""
    install(store, people(1, "a", "b"))
    install(store, faces(1, "a"))
    index = GalleryIndex(16, "net:1", threshold=0.9, margin=0.0)
    index.load(store)
    ahead = document("gallery", 2, 1, {"b": FaceEntry(templates=(("net:2", face(2)),))})
    install(store, ahead)
    index.load(store)
    assert set(index.people()) == {"a", "b"}
    assert index.strange == 1
    assert index.identify(np.frombuffer(face(2), dtype="<f4")).match is None
    install(store, people(3, since=1, removed=("a",)))
    index.load(store)
    assert index.people() == ("b",)
    assert index.identify(np.frombuffer(face(1), dtype="<f4")).match is None
