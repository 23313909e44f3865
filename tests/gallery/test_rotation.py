"""A new key: whatever moment the change is killed at, the gallery opens, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.errors import GalleryError, StoreError
from controller.gallery import rotation
from controller.gallery.credentials import add_credential, open_book
from controller.gallery.history_store import HistoryStore, Reading
from controller.gallery.keyfile import CREDENTIALS, create_key, key_id, read_key
from controller.gallery.lock import folder_lock
from controller.gallery.model import Enrolment, Person, Picture, Template
from controller.gallery.pictures import pictures_of
from controller.gallery.rotation import rotate_key
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Vector = Callable[[int], NDArray[np.float32]]

PEOPLE = 12
POINTS = ("made", "gallery", "history", "emptied", "replaced")


@pytest.fixture
def folder(tmp_path: Path, vector: Vector) -> Path:
    place = tmp_path / "gate"
    with GalleryStore.open(place, create=True) as store:
        store.write(
            Enrolment(Person(f"p{n}"), (Template("net:1", vector(n)), Template("net:1", vector(n + 50))))
            for n in range(PEOPLE)
        )
        store.write(
            [Enrolment(Person("pictured"), (Template("net:1", vector(99)),), pictures=(Picture(b"jpeg" * 99, 739000),))]
        )
        add_credential(store, "p1", "card", "123-45678")
        add_credential(store, "p2", "pin", "20417*471100")
    with HistoryStore.open(place, create=True) as history:
        history.append([reading(history, f"p{n}", day) for n in range(PEOPLE) for day in range(5)], keep=100)
        history.append([reading(history, "stranger", 1)], keep=100)
    return place


def reading(history: HistoryStore, person: str, day: int) -> Reading:
    return Reading(history.pseudonym(person), day, 1.7e9, 0.25, 0.125, flagged=False)


def assert_whole(folder: Path, vector: Vector, key: Path | None = None) -> None:
    with GalleryStore.open(folder, key) as store:
        found = {one.person.person: one.templates for one in store.enrolments()}
        assert len(found) == PEOPLE + 1
        for n in range(PEOPLE):
            np.testing.assert_array_equal(found[f"p{n}"][0].embedding, vector(n))
            np.testing.assert_array_equal(found[f"p{n}"][1].embedding, vector(n + 50))
        assert pictures_of(store, "pictured") == [Picture(b"jpeg" * 99, 739000)]
        book = open_book(store)
        assert book.find("card", "123-45678") == "p1"
        assert book.find("pin", "20417*471100") == "p2"
        assert book.find("pin", "20417*471101") is None
    with HistoryStore.open(folder, key) as history:
        who = [one.who for one in history.readings()]
        assert {name: who.count(history.pseudonym(name)) for name in ("p0", "p11")} == {"p0": 5, "p11": 5}
        history.append([], keep=100)


def test_a_change_of_the_key_changes_every_record_and_loses_none(folder: Path, vector: Vector) -> None:
    old = read_key(folder / "gallery.key")
    told: list[str] = []
    done = rotate_key(folder, probe=told.append)
    assert told == list(POINTS)
    new = read_key(folder / "gallery.key")
    assert new != old
    assert (done.key, done.in_force) == (key_id(new), True)
    assert done.records == (PEOPLE + 1) + (2 * PEOPLE + 1) + 2 + 1
    assert done.readings == 5 * PEOPLE, "a stranger's readings are nobody's any more"
    assert not (folder / "gallery.key.next").exists()
    assert_whole(folder, vector)
    on_disk = b"".join(file.read_bytes() for file in folder.glob("*.sqlite3*"))
    assert key_id(old).encode() not in on_disk
    (folder / "gallery.key").write_bytes(old)
    with pytest.raises(GalleryError, match=r"gallery does not open: sealed by the key '[0-9a-f]{16}', which is not at"):
        GalleryStore.open(folder)
    with pytest.raises(GalleryError, match="does not open with"):
        HistoryStore.open(folder)


ROTATE = """
import os, signal, sys
from pathlib import Path
from controller.gallery.file import GalleryFile
from controller.gallery.history_store import HistoryStore
from controller.gallery.rotation import rotate_key

folder, point, statement = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)

def trace(kind):
    whole = kind.run if hasattr(kind, "run") else kind._run
    name = "run" if hasattr(kind, "run") else "_run"
    def run(self, text, values=()):
        answer = whole(self, text, values)
        if text.startswith(statement):
            die("statement")
        return answer
    setattr(kind, name, run)

if point == "statement":
    trace(GalleryFile if sys.argv[4] == "gallery" else HistoryStore)
print("begun", flush=True)
rotate_key(folder, probe=die)
print("done", flush=True)
"""


def rotate_until_killed(folder: Path, *arguments: str) -> int:
    command = [sys.executable, "-c", ROTATE, str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode


@pytest.mark.parametrize(
    "arguments",
    [(point, "-", "-") for point in POINTS]
    + [
        ("statement", "UPDATE template", "gallery"),
        ("statement", "INSERT OR REPLACE INTO seal", "gallery"),
        ("statement", "DELETE FROM reading", "history"),
        ("statement", "UPDATE seal", "history"),
    ],
    ids=" ".join,
)
def test_kill_9_leaves_a_gallery_that_opens_and_a_change_that_can_be_finished(
    folder: Path, vector: Vector, arguments: tuple[str, ...]
) -> None:
    old = read_key(folder / "gallery.key")
    assert rotate_until_killed(folder, *arguments) == -signal.SIGKILL
    assert_whole(folder, vector)
    rotate_key(folder)
    assert_whole(folder, vector)
    assert read_key(folder / "gallery.key") != old
    assert sorted(file.name for file in folder.glob("gallery.key*")) == ["gallery.key"]


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.008, 0.012, 0.02, 0.03, 0.05])
def test_kill_9_at_any_moment(folder: Path, vector: Vector, delay: float) -> None:
    command = [sys.executable, "-c", ROTATE, str(folder), "never", "-", "-"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
    assert_whole(folder, vector)


def test_a_damaged_record_stops_the_change_before_it_begins(folder: Path) -> None:
    with GalleryStore.open(folder) as store:
        store.file.run("UPDATE template SET sealed = zeroblob(80) WHERE person = 'p3'")
    with pytest.raises(GalleryError, match=r"of p3 does not open.*and 1 more: `thermogate gallery check`"):
        rotate_key(folder)
    assert not (folder / "gallery.key.next").exists()


def test_a_running_gate_stops_it(folder: Path) -> None:
    with folder_lock(folder, alone=False), pytest.raises(StoreError, match="a gate runs on this gallery: stop it"):
        rotate_key(folder)
    with folder_lock(folder, alone=True), pytest.raises(StoreError, match="key is being changed"):
        folder_lock(folder, alone=False).__enter__()


def test_a_writer_that_was_open_goes_on_under_the_new_key(folder: Path, vector: Vector) -> None:
    with GalleryStore.open(folder) as before:
        rotate_key(folder)
        before.write([Enrolment(Person("late"), (Template("net:1", vector(7)),))])
        assert len(before.enrolments()) == PEOPLE + 2
        new = key_id(read_key(folder / "gallery.key"))
        assert {key for (key,) in before.file.rows("SELECT key FROM person")} == {new}


def test_a_history_that_was_open_is_not_written_under_the_old_key(folder: Path) -> None:
    with HistoryStore.open(folder) as before:
        rotate_key(folder)
        with pytest.raises(GalleryError, match="its key was changed"):
            before.append([reading(before, "p1", 9)], keep=100)


def test_a_credentials_successor_has_to_be_a_credential(
    folder: Path, vector: Vector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of stand-in files, as the service manager makes it."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (folder / "gallery.key").rename(credentials / "gallery.key")
    monkeypatch.setenv(CREDENTIALS, str(credentials))
    assert_whole(folder, vector)
    with pytest.raises(
        GalleryError, match=r"systemd credential; give its successor as the credential gallery\.key\.next"
    ):
        rotate_key(folder)
    create_key(credentials / "gallery.key.next")
    done = rotate_key(folder)
    assert not done.in_force
    assert done.records > 0
    assert_whole(folder, vector)
    assert rotate_key(folder).records == 0
    # What the operator does: the successor becomes the credential.
    (credentials / "gallery.key.next").replace(credentials / "gallery.key")
    assert_whole(folder, vector)


def test_the_same_key_is_no_successor(folder: Path) -> None:
    (folder / "gallery.key.next").write_bytes(read_key(folder / "gallery.key"))
    (folder / "gallery.key.next").chmod(0o600)
    with pytest.raises(GalleryError, match="is the same key"):
        rotate_key(folder)


def test_a_reader_that_keeps_old_seals_in_the_log_is_named(folder: Path) -> None:
    with GalleryStore.open(folder) as reader:
        reader.file.run("BEGIN")
        reader.file.run("SELECT * FROM person").fetchall()
        with pytest.raises(StoreError, match="another program is reading it"):
            rotate_key(folder)
        reader.file.run("COMMIT")
    assert (folder / "gallery.key.next").exists()
    assert rotation.rotate_key(folder).in_force


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_the_service(folder: Path, vector: Vector) -> None:
    for file in (folder, *folder.iterdir()):
        os.chown(file, 1234, 1234)
    rotate_key(folder)
    assert_whole(folder, vector)
    assert {file.name: file.stat().st_uid for file in folder.iterdir() if file.stat().st_uid != 1234} == {}
