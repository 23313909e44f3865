"""Templates at rest: encrypted, bound to their place, and never half written."""

from __future__ import annotations

import datetime as dt
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.errors import GalleryError, StoreError
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Vector = Callable[[int], NDArray[np.float32]]

MODEL = "net:1"
STAFF = Person("p1", dt.date(2026, 9, 1), dt.date(2027, 7, 15), ("staff", "night"))


def enrolment(person: str | Person, *embeddings: NDArray[np.float32], model: str = MODEL) -> Enrolment:
    person = Person(person) if isinstance(person, str) else person
    return Enrolment(person, tuple(Template(model, embedding) for embedding in embeddings))


def sql(folder: Path, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
    """What a meddler with a database tool does."""
    connection = sqlite3.connect(folder / "gallery.sqlite3")
    try:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
    finally:
        connection.close()
    return rows


def blobs(folder: Path, table: str, column: str) -> list[bytes]:
    return [blob for (blob,) in sql(folder, f"SELECT {column} FROM {table}")]  # noqa: S608 - names of this file


def overwrite(folder: Path, table: str, column: str, blob: bytes) -> None:
    sql(folder, f"UPDATE {table} SET {column} = ?", (blob,))  # noqa: S608 - names of this file


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob("gallery.sqlite3*")))


@pytest.fixture
def folder(store: GalleryStore) -> Path:
    return store.path.parent


def test_what_is_written_is_read_back(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment(STAFF, vector(1), vector(2)), enrolment("p2", vector(3), model="other:1")])
    store.close()
    store.close()
    with GalleryStore.open(folder) as again:
        assert again.people() == {"p1": STAFF, "p2": Person("p2")}
        found = {(person, one.model): one.embedding for person, one in again.templates() if person == "p2"}
        np.testing.assert_array_equal(found["p2", "other:1"], vector(3))
        mine = sorted((one.embedding.tolist() for person, one in again.templates() if person == "p1"))
        assert mine == sorted([vector(1).tolist(), vector(2).tolist()])
        everybody = again.enrolments()
    assert [one.person for one in everybody] == [STAFF, Person("p2")]
    assert [len(one.templates) for one in everybody] == [2, 1]


def test_nothing_of_a_person_is_readable_on_disk(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment(STAFF, vector(1))])
    for _ in ("the log", "the database"):
        raw = contents(folder)
        plain = vector(1).tobytes()
        assert not any(plain[start : start + 8] in raw for start in range(0, len(plain), 4))
        for text in (b"2026-09-01", b"2027-07-15", b"staff", b"night"):
            assert text not in raw
        store.close()


def test_the_same_template_is_never_sealed_to_the_same_bytes(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1), vector(1)), enrolment("p2", vector(1))])
    for column in ("nonce", "sealed"):
        assert len(set(blobs(folder, "template", column))) == 3


def test_renewing_replaces_everything_of_a_person(store: GalleryStore, vector: Vector) -> None:
    store.write([enrolment(STAFF, vector(1), vector(2)), enrolment("p2", vector(3))])
    store.write([enrolment("p1", vector(4))])
    assert store.people() == {"p1": Person("p1"), "p2": Person("p2")}
    (template,) = [one for person, one in store.templates() if person == "p1"]
    np.testing.assert_array_equal(template.embedding, vector(4))


def test_removal_erases_from_the_database_and_from_its_log(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("gone", vector(1), vector(2)), enrolment("stays", vector(3))])
    sealed = sql(folder, "SELECT sealed FROM template WHERE person = 'gone'")
    sealed += sql(folder, "SELECT sealed FROM person WHERE person = 'gone'")
    assert len(sealed) == 3
    assert all(blob in contents(folder) for (blob,) in sealed)
    assert store.remove("gone")
    raw = contents(folder)
    assert b"gone" not in raw
    assert not any(blob in raw for (blob,) in sealed)
    assert list(store.people()) == ["stays"]
    assert [person for person, _ in store.templates()] == ["stays"]
    assert not store.remove("gone")


def test_a_removal_that_could_not_empty_the_log_says_so(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1))])
    reader = sqlite3.connect(folder / "gallery.sqlite3", isolation_level=None)
    with GalleryStore.open(folder) as hurried:
        hurried._connection.execute("PRAGMA busy_timeout = 0")
        reader.execute("BEGIN").execute("SELECT * FROM person").fetchall()
        with pytest.raises(StoreError, match="p1 is removed, but"):
            hurried.remove("p1")
        assert hurried.people() == {}
        reader.close()
        hurried.remove("p1")
    assert b"p1" not in contents(folder)


@pytest.mark.parametrize("column", ["nonce", "sealed"])
@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_flipped_byte_is_named(store: GalleryStore, folder: Path, vector: Vector, column: str, position: int) -> None:
    store.write([enrolment("p1", vector(1))])
    for table, named in (("template", "template [0-9a-f]{32} of p1"), ("person", "person p1")):
        (blob,) = blobs(folder, table, column)
        damaged = bytearray(blob)
        damaged[position] ^= 1
        overwrite(folder, table, column, bytes(damaged))
        with pytest.raises(GalleryError, match=rf"gallery\.sqlite3: {named} does not open"):
            _ = store.people() if table == "person" else list(store.templates())
        with pytest.raises(GalleryError, match="does not open"):
            store.enrolments()
        overwrite(folder, table, column, blob)
    assert len(store.enrolments()) == 1


def test_a_shortened_record_is_named(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1))])
    sql(folder, "UPDATE template SET sealed = x'', nonce = x''")
    with pytest.raises(GalleryError, match="of p1 does not open"):
        list(store.templates())


@pytest.mark.parametrize(
    "meddling",
    [
        "UPDATE template SET person = CASE person WHEN 'p1' THEN 'p2' ELSE 'p1' END",
        "UPDATE template SET person = 'p2' WHERE person = 'p1'",
        "UPDATE template SET person = 'nobody' WHERE person = 'p1'",
        "UPDATE template SET record = 'r' || person",
        "UPDATE template SET model = 'net:2' WHERE person = 'p1'",
        "UPDATE template AS t SET (nonce, sealed) = (SELECT nonce, sealed FROM template WHERE person <> t.person)",
        "UPDATE template SET (nonce, sealed) = (SELECT nonce, sealed FROM person WHERE person = template.person)",
        "UPDATE person SET (nonce, sealed) = (SELECT nonce, sealed FROM person p WHERE p.person <> person.person)",
        "UPDATE person SET person = 'p3' WHERE person = 'p1'",
        "INSERT INTO template SELECT 'copy', 'p2', model, 0, key, nonce, sealed FROM template WHERE person = 'p1'",
        "DELETE FROM person WHERE person = 'p1'",
    ],
)
def test_a_record_that_was_moved_or_relabelled_is_noticed(
    store: GalleryStore, folder: Path, vector: Vector, meddling: str
) -> None:
    store.write([enrolment("p1", vector(1)), enrolment("p2", vector(2))])
    assert len(store.enrolments()) == 2
    sql(folder, meddling)
    with pytest.raises(GalleryError, match=r"gallery\.sqlite3: .*(does not open|is damaged)"):
        store.enrolments()


def test_another_key_is_refused(store: GalleryStore, folder: Path, tmp_path: Path) -> None:
    store.close()
    GalleryStore.open(tmp_path / "other", create=True).close()
    theirs = tmp_path / "other" / "gallery.key"
    with pytest.raises(GalleryError, match=rf"gallery\.sqlite3: with {theirs}, the gallery does not open"):
        GalleryStore.open(folder, theirs)
    GalleryStore.open(folder).close()


def test_a_key_may_lie_elsewhere(tmp_path: Path, vector: Vector) -> None:
    key = tmp_path / "keys" / "this.key"
    with GalleryStore.open(tmp_path / "gallery", key, create=True) as store:
        store.write([enrolment("p1", vector(1))])
    assert not (tmp_path / "gallery" / "gallery.key").exists()
    with GalleryStore.open(tmp_path / "gallery", key) as store:
        assert list(store.people()) == ["p1"]


def test_a_lost_key_is_never_replaced_by_a_new_one(store: GalleryStore, folder: Path) -> None:
    store.close()
    (folder / "gallery.key").unlink()
    for create in (False, True):
        with pytest.raises(GalleryError, match=r"gallery\.key: the gallery's key is missing"):
            GalleryStore.open(folder, create=create)
    assert not (folder / "gallery.key").exists()


def test_files_are_for_the_owner_alone(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1))])
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "gallery.key": 0o600,
        "gallery.sqlite3": 0o600,
        "gallery.sqlite3-shm": 0o600,
        "gallery.sqlite3-wal": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_gallery_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="there is no gallery; make one with `thermogate enrol`"):
        GalleryStore.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_gallery_cut_to_nothing_is_not_an_empty_one(store: GalleryStore, folder: Path) -> None:
    store.close()
    (folder / "gallery.sqlite3").write_bytes(b"")
    with pytest.raises(GalleryError, match=r"gallery\.sqlite3: is empty"):
        GalleryStore.open(folder)
    with GalleryStore.open(folder, create=True) as again:
        assert again.people() == {}


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_named_and_kept(store: GalleryStore, folder: Path, *, create: bool) -> None:
    store.close()
    text = b"this is a letter, not a database" * 100
    (folder / "gallery.sqlite3").write_bytes(text)
    with pytest.raises(StoreError, match=r"gallery\.sqlite3: file is not a database"):
        GalleryStore.open(folder, create=create)
    assert contents(folder) == text


@pytest.mark.parametrize("theirs", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7"])
def test_another_programs_database_is_refused_and_kept(store: GalleryStore, folder: Path, theirs: str) -> None:
    store.close()
    (folder / "gallery.sqlite3").unlink()
    sql(folder, theirs)
    before = contents(folder)
    with pytest.raises(GalleryError, match=r"gallery\.sqlite3: is another program's database"):
        GalleryStore.open(folder, create=True)
    assert contents(folder) == before


def test_a_later_version_is_refused_and_kept(store: GalleryStore, folder: Path) -> None:
    store.close()
    sql(folder, "PRAGMA user_version = 99")
    before = contents(folder)
    with pytest.raises(GalleryError, match=r"newer version \(schema 99, this one knows 2\)"):
        GalleryStore.open(folder, create=True)
    assert contents(folder) == before


@pytest.mark.parametrize("damage", ["DELETE FROM seal", "DROP TABLE seal"])
def test_a_missing_seal_is_named(store: GalleryStore, folder: Path, damage: str) -> None:
    store.close()
    sql(folder, damage)
    with pytest.raises((GalleryError, StoreError), match=r"gallery\.sqlite3: .*seal"):
        GalleryStore.open(folder)


def test_a_place_where_nothing_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((GalleryError, StoreError), match=str(tmp_path / "file")):
        GalleryStore.open(tmp_path / "file", create=True)
    (tmp_path / "gallery.sqlite3").mkdir()
    GalleryStore.open(tmp_path / "donor", create=True).close()
    with pytest.raises(StoreError, match=r"gallery\.sqlite3: "):
        GalleryStore.open(tmp_path, tmp_path / "donor" / "gallery.key")


def test_a_failing_change_changes_nothing(store: GalleryStore, vector: Vector) -> None:
    store.write([enrolment(STAFF, vector(1))])
    unusable = np.array(["not a number"])
    with pytest.raises(ValueError, match="could not convert"):
        store.write([enrolment("p1", vector(2)), enrolment("p2", vector(3), unusable)])

    def half_a_roll() -> Iterator[Enrolment]:
        yield enrolment("p1", vector(2))
        raise FileNotFoundError("photo")

    with pytest.raises(FileNotFoundError):
        store.write(half_a_roll())
    assert store.people() == {"p1": STAFF}
    ((_, template),) = store.templates()
    np.testing.assert_array_equal(template.embedding, vector(1))
    store.write([enrolment("p2", vector(3))])
    assert list(store.people()) == ["p1", "p2"]


def test_a_disk_that_refuses_changes_nothing(store: GalleryStore, folder: Path, vector: Vector) -> None:
    store.write([enrolment("p1", vector(1))])
    sql(folder, "CREATE TRIGGER full BEFORE INSERT ON template BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(StoreError, match=r"gallery\.sqlite3: disk is full"):
        store.write([enrolment("p1", vector(2)), enrolment("p2", vector(3))])
    ((person, template),) = store.templates()
    assert (person, list(store.people())) == ("p1", ["p1"])
    np.testing.assert_array_equal(template.embedding, vector(1))


def test_a_closed_gallery_says_so(store: GalleryStore) -> None:
    store.close()
    with pytest.raises(StoreError, match=r"gallery\.sqlite3: .*closed"):
        store.people()


@pytest.mark.parametrize("bad", ["", "a b", "../x", "a\\b", "x" * 65, "a\n", "a\x85", "a\u202eb", "\udce9", "\u3000"])
def test_what_is_no_person_id_is_refused(bad: str) -> None:
    with pytest.raises(GalleryError, match="is no person id"):
        Person(bad)


@pytest.mark.parametrize("good", ["1", "s-2041", "x" * 64, "学生7", "a.b@c"])
def test_a_person_id_goes_to_disk_and_back(store: GalleryStore, vector: Vector, good: str) -> None:
    store.write([enrolment(good, vector(1))])
    assert list(store.people()) == [good]


def test_a_validity_ends_after_it_begins() -> None:
    day = dt.date(2026, 9, 1)
    assert Person("p1", day, day).valid_until == day
    with pytest.raises(GalleryError, match="p1: valid from 2026-09-02, but only until 2026-09-01"):
        Person("p1", day + dt.timedelta(days=1), day)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.store import GalleryStore
template = Template("net:1", np.eye(16, dtype=np.float32)[0])
with GalleryStore.open(Path(sys.argv[1]), create=True) as store:
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        store.write([Enrolment(Person(f"p{number}"), (template, template))])
        print(number, flush=True)
"""


def writer(folder: Path, first: int, end: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(folder), str(first), str(end)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_a_power_cut_loses_nobody_and_leaves_nobody_half_enrolled(tmp_path: Path) -> None:
    with writer(tmp_path, 0, 100_000) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 25:
                process.send_signal(signal.SIGKILL)
                break
        last = max([25, *(int(line) for line in process.stdout if line.endswith("\n"))])
    assert process.returncode == -signal.SIGKILL
    with GalleryStore.open(tmp_path) as store:
        everybody = store.enrolments()
    assert {one.person.person for one in everybody} >= {f"p{number}" for number in range(last + 1)}
    assert {len(one.templates) for one in everybody} == {2}


def test_programs_that_start_at_once_share_one_new_gallery(tmp_path: Path) -> None:
    writers = [writer(tmp_path, 10 * number, 10 * number + 10) for number in range(4)]
    for process in writers:
        process.communicate()
    assert [process.returncode for process in writers] == [0, 0, 0, 0]
    with GalleryStore.open(tmp_path) as store:
        assert len(store.enrolments()) == 40


def test_a_snapshot_is_of_one_moment(store: GalleryStore, folder: Path, vector: Vector) -> None:
    """Somebody enrols between the two queries of a snapshot: it has them whole or not at all."""
    store.write([enrolment("p1", vector(1))])
    with GalleryStore.open(folder) as other:

        def meanwhile(statement: str) -> None:
            if "FROM template" in statement:
                other.write([enrolment("p2", vector(2))])

        store._connection.set_trace_callback(meanwhile)
        first = store.enrolments()
        store._connection.set_trace_callback(None)
    assert [one.person.person for one in first] == ["p1"]
    assert [one.person.person for one in store.enrolments()] == ["p1", "p2"]
