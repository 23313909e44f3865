"""Readings at rest: sealed, under a pseudonym, never half written, erased when asked, and never lost to a bad file."""

from __future__ import annotations

import signal
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from controller.errors import GalleryError, StoreError
from controller.gallery.history_store import DATABASE, HistoryDamagedError, HistoryStore, Reading, erase_person
from controller.gallery.keyfile import create_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key(tmp_path / "gallery.key")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[HistoryStore]:
    with HistoryStore.open(folder, create=True) as opened:
        yield opened


def reading(store: HistoryStore, person: str, day: int = 739000, deviation: float = 0.25) -> Reading:
    return Reading(store.pseudonym(person), day, 1.7e9 + day, deviation, 0.125, flagged=False)


def sql(folder: Path, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob(f"{DATABASE}*")))


def test_what_is_recorded_is_read_back(store: HistoryStore, folder: Path) -> None:
    written = [reading(store, person, day) for person in ("s-1", "s-2") for day in range(3)]
    store.append(written, keep=100)
    store.close()
    with HistoryStore.open(folder) as again:
        assert sorted(again.readings()) == sorted(written)


def test_the_file_holds_no_id_and_no_temperature(store: HistoryStore, folder: Path) -> None:
    store.append([reading(store, "student-20417", deviation=1.375)] * 50, keep=100)
    clear = on_disk(folder)
    assert len(clear) > 4096
    for secret in (b"student", b"20417", struct.pack("<f", 1.375), struct.pack("<d", 1.375), b"1.375"):
        assert secret not in clear
    assert struct.pack("<d", 1.7e9 + 739000) not in clear
    sealed = sql(folder, "SELECT nonce, sealed FROM reading")
    assert len(set(sealed)) == 50  # equal readings have no equal seals
    assert len({len(one) for _, one in sealed}) == 1
    assert (folder / DATABASE).stat().st_mode & 0o077 == 0


def test_a_pseudonym_depends_on_the_key(store: HistoryStore, tmp_path: Path) -> None:
    create_key(tmp_path / "other" / "gallery.key")
    with HistoryStore.open(tmp_path / "other", create=True) as other:
        assert other.pseudonym("s-1") != store.pseudonym("s-1")
    assert store.pseudonym("s-1") == store.pseudonym("s-1") != store.pseudonym("s-2")


def test_erasing_leaves_nothing_in_file_or_log(store: HistoryStore, folder: Path) -> None:
    store.append([reading(store, person, day) for person in ("s-1", "s-2") for day in range(9)], keep=100)
    who = store.pseudonym("s-1")
    assert who in on_disk(folder)
    assert store.erase("s-1") == 9
    assert who not in on_disk(folder)
    assert {one.who for one in store.readings()} == {store.pseudonym("s-2")}
    assert store.erase("s-1") == 0


def test_an_erasure_that_could_not_empty_the_log_says_so(store: HistoryStore, folder: Path) -> None:
    store.append([reading(store, "s-1")], keep=100)
    store._connection.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(folder / DATABASE)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM reading").fetchone()
        with pytest.raises(StoreError, match=r"s-1.*log"):
            store.erase("s-1")
    assert list(store.readings()) == []


def test_only_who_is_enrolled_stays(store: HistoryStore) -> None:
    store.append([reading(store, f"s-{number}") for number in range(5)], keep=100)
    assert store.keep_only(["s-1", "s-3", "s-9"]) == 3
    assert {one.who for one in store.readings()} == {store.pseudonym("s-1"), store.pseudonym("s-3")}


def test_old_days_and_too_many_readings_go(store: HistoryStore) -> None:
    store.append([reading(store, "s-1", day) for day in range(20)] + [reading(store, "s-2", 3)], keep=8)
    days = [one.day for one in store.readings() if one.who == store.pseudonym("s-1")]
    assert days == list(range(12, 20))
    assert store.prune(15) == 4
    assert [one.day for one in store.readings()] == list(range(15, 20))


@pytest.mark.parametrize(
    "meddling",
    [
        "UPDATE reading SET sealed = zeroblob(33) WHERE id = 2",
        "UPDATE reading SET sealed = substr(sealed, 1, 8) WHERE id = 2",
        "UPDATE reading SET day = day + 1 WHERE id = 2",
        "UPDATE reading SET who = (SELECT who FROM reading WHERE id = 1) WHERE id = 2",
        "UPDATE reading SET nonce = (SELECT nonce FROM reading WHERE id = 1) WHERE id = 2",
    ],
)
def test_an_altered_or_moved_record_is_named(store: HistoryStore, folder: Path, meddling: str) -> None:
    store.append([reading(store, "s-1"), reading(store, "s-2")], keep=100)
    sql(folder, meddling)
    with pytest.raises(HistoryDamagedError, match=rf"{DATABASE}: record 2 does not open"):
        list(store.readings())


@pytest.mark.parametrize("damage", ["cut", "overwritten", "one page", "text"])
def test_a_damaged_file_is_named_and_left_as_it_is(folder: Path, damage: str) -> None:
    with HistoryStore.open(folder, create=True) as store:
        store.append([reading(store, f"s-{n}", day) for n in range(20) for day in range(20)], keep=100)
        store.empty_log()
    path = folder / DATABASE
    content = path.read_bytes()
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "one page":
        content = content[:-4096] + bytes(4096)
    elif damage == "overwritten":
        content = content[:4096] + bytes(len(content) - 4096)
    else:
        content = b"no database at all, but long enough to look like a file" * 99
    path.write_bytes(content)
    for create in (False, True):
        with pytest.raises(HistoryDamagedError, match=rf"(?s){DATABASE}.*left as it is"):
            HistoryStore.open(folder, create=create)
    assert path.read_bytes() == content


def test_another_key_and_another_program_are_refused(store: HistoryStore, folder: Path, tmp_path: Path) -> None:
    store.close()
    create_key(tmp_path / "other.key")
    with pytest.raises(GalleryError, match=r"does not open with .*other\.key"):
        HistoryStore.open(folder, tmp_path / "other.key")
    with pytest.raises(GalleryError, match="key is missing"):
        HistoryStore.open(folder, tmp_path / "none.key", create=True)
    sql(folder, "PRAGMA application_id = 7")
    with pytest.raises(StoreError, match="another program's"):
        HistoryStore.open(folder)
    sql(folder, "PRAGMA application_id = 1413957681")
    sql(folder, "PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="newer version"):
        HistoryStore.open(folder)


def test_where_there_is_none_nothing_is_made(folder: Path) -> None:
    with pytest.raises(GalleryError, match="there is no history"):
        HistoryStore.open(folder)
    assert erase_person(folder, None, "s-1") == 0
    assert not (folder / DATABASE).exists()


WRITER = """
import sys
from pathlib import Path
from controller.gallery.history_store import HistoryStore, Reading

with HistoryStore.open(Path(sys.argv[1]), create=True) as store:
    for batch in range(10**6):
        who = store.pseudonym(f"s-{batch % 7}")
        store.append([Reading(who, batch, float(batch), part / 4, 0.5, False) for part in range(4)], keep=10**6)
        print(batch, flush=True)
"""


@pytest.mark.parametrize("after", [0, 3, 40])
def test_killed_at_any_time_it_holds_every_batch_whole(folder: Path, after: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout:
        told = -1
        while told < after:
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
    assert writer.wait() == -signal.SIGKILL
    with HistoryStore.open(folder) as store:
        batches: dict[int, list[float]] = {}
        for one in store.readings():
            batches.setdefault(one.day, []).append(one.deviation)
    assert sorted(batches) == list(range(len(batches)))
    assert len(batches) in (told + 1, told + 2)  # what was told is there; the next may be, but whole
    assert all(parts == [0.0, 0.25, 0.5, 0.75] for parts in batches.values())
