"""`thermogate journal`: a gate's record verified, shown and exported past the gate that writes it."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from controller.cli.main import main
from controller.record import proof, rows
from controller.record.entry import AckOutcome, Entry, Stored
from controller.record.export import When, Writer
from controller.record.journal import Journal
from controller.record.reader import reading
from controller.record.schema import SCHEMA

if TYPE_CHECKING:
    from hw.executor import ClockExecutor

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]
Captured = pytest.CaptureFixture[str]
MEASURED = {"temperature": 36.61, "u_noise": 0.06}
ENTRIES = f"SELECT seq, {rows.COLUMNS} FROM {rows.SOURCE} ORDER BY seq"  # noqa: S608 - made of constants
TRIGGERS = (
    "entry_is_final", "entry_is_kept", "entry_is_contiguous", "epoch_is_monotone", "epoch_is_kept",
    "screening_is_final", "screening_is_kept",
)  # fmt: skip


async def written(make: Make, entry: MakeEntry, count: int = 8) -> list[Stored]:
    journal = make()
    await journal.open()
    found = [await journal.append(entry(n, detail={"score": 0.5, **MEASURED})) for n in range(1, count + 1)]
    await journal.close()
    return found


@pytest.fixture
def stored(make: Make, entry: MakeEntry) -> list[Stored]:
    return asyncio.run(written(make, entry))


def forge(path: Path, *statements: str, parameters: tuple[object, ...] = ()) -> None:
    """Change a journal as somebody would who knows SQL, its triggers out of the way."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for trigger in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            connection.execute(statement, parameters)


def files_in(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        each.name: (each.stat().st_mtime_ns, hashlib.sha256(each.read_bytes()).hexdigest()) for each in folder.iterdir()
    }


def test_a_whole_journal_is_said_to_be_and_nothing_appears_beside_it(
    stored: list[Stored], path: Path, capsys: Captured
) -> None:
    before = files_in(path.parent)
    assert main(["journal", "verify", str(path.parent)]) == 0
    assert files_in(path.parent) == before
    told = capsys.readouterr()
    assert f"{path}: 8 entries in 1 epochs, all as they were written" in told.out
    assert f"epoch {stored[0].epoch:016x}: begun " in told.out
    assert "acknowledged by the campus up to 0, 8 wait" in told.out
    assert told.err == ""


NEXT_FITS = "its content was changed, or what stood before it; what follows fits its chain value"


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        ("UPDATE entry SET person = 'p-8' WHERE seq = 3", 3, NEXT_FITS),
        ("UPDATE entry SET wall = wall + 60 WHERE seq = 1", 1, NEXT_FITS),
        ("UPDATE entry SET detail = x'ff' || detail WHERE seq = 5", 5, NEXT_FITS),
        ("UPDATE entry SET person = 'p-8' WHERE seq = 8", 8, "its content and its chain value do not fit"),
        ("UPDATE entry SET chain = zeroblob(32) WHERE seq = 4", 4, "its chain value was changed; its content fits"),
        ("DELETE FROM entry WHERE seq = 2", 2, "is missing: 3 is the next one there is"),
        ("DELETE FROM entry WHERE seq > 6", 7, "is missing: the campus has acknowledged up to 7"),
        ("UPDATE screening SET detail = replace(detail, '36.61', '38.61') WHERE seq = 6", 6, "part was changed"),
        ("DELETE FROM screening WHERE seq = 6", 6, "its screening part is gone, and no entry says why"),
        ("UPDATE entry SET screening_digest = NULL WHERE seq = 6", 6, NEXT_FITS),
        ("UPDATE epoch SET pruned_chain = zeroblob(32)", 1, "has another beginning before it"),
        ("UPDATE epoch SET epoch = epoch + 1", 1, "has another beginning before it"),
        ("UPDATE epoch SET number = 2", 1, "does not come after the epoch before: one is missing"),
    ],
)
def test_the_first_altered_entry_is_named_and_what_differs(
    stored: list[Stored], path: Path, capsys: Captured, statement: str, seq: int, what: str
) -> None:
    forge(path, "UPDATE epoch SET acked = 7", statement)
    assert main(["journal", "verify", str(path)]) == 1
    told = capsys.readouterr()
    epoch = stored[0].epoch + ("epoch + 1" in statement)
    assert f"entry {seq} of epoch {epoch:016x} " in told.err
    assert what in told.err
    assert "all as they were written" not in told.out
    assert main(["journal", "verify", "--json", str(path)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["intact"], found["epochs"][0]["fault"]["seq"]) == (False, seq)


def test_a_rewritten_history_fits_itself_and_not_what_the_campus_has(
    stored: list[Stored], path: Path, capsys: Captured
) -> None:
    epoch = stored[0].epoch
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER entry_is_final")
        chain = rows.anchor(epoch)
        for seq, *columns in connection.execute(ENTRIES).fetchall():
            row = rows.Row(*columns)._replace(person="p-8" if seq == 2 else "p-7")
            chain = rows.link(chain, seq, row)
            connection.execute("UPDATE entry SET person = ?, chain = ? WHERE seq = ?", (row.person, chain, seq))
    assert main(["journal", "verify", str(path)]) == 0
    known = [f"--known={epoch:016x}-{one.seq}={one.chain}" for one in (stored[0], stored[4])]
    assert main(["journal", "verify", str(path), *known]) == 1
    assert f"entry 5 of epoch {epoch:016x} is not the one that is known elsewhere" in capsys.readouterr().err


def test_a_tail_that_was_cut_off_shows_by_what_somebody_noted(
    stored: list[Stored], path: Path, capsys: Captured
) -> None:
    forge(path, "DELETE FROM screening WHERE seq > 5", "DELETE FROM entry WHERE seq > 5")
    assert main(["journal", "verify", str(path)]) == 0
    known = f"--known={stored[0].epoch:016x}-7={stored[6].chain}"
    assert main(["journal", "verify", str(path), known]) == 1
    assert "entry 6 of epoch" in capsys.readouterr().err
    other = f"--known={0:016x}-7={stored[6].chain}"
    assert main(["journal", "verify", str(path), other]) == 1
    assert f"there is no epoch {0:016x}, of which 7 is known" in capsys.readouterr().err
    assert main(["journal", "verify", str(path), "--known=x"]) == 1
    assert "'x' is not like" in capsys.readouterr().err


@pytest.mark.asyncio
async def test_a_gate_at_work_is_read_with_its_log_and_without_its_lock(
    make: Make, entry: MakeEntry, path: Path, disk: ClockExecutor
) -> None:
    journal = make(settings={"idle": 100.0})
    await journal.open()
    stored = [await journal.append(entry(n)) for n in range(1, 30)]
    inode = path.with_name(path.name + "-shm").stat().st_ino
    with reading(path) as query:
        (found,) = proof.prove(query)
        assert (found.last, found.checked, found.fault) == (29, 29, None)
        await journal.append(entry(30))  # a reader holds up no writer
        outcome = await journal.outbox.acknowledge(stored[0].epoch, 29, stored[28].chain)
        assert outcome is AckOutcome.ADVANCED
        await asyncio.wrap_future(disk.submit(journal._ledger.checkpoint))
        (found,) = proof.prove(query)
        assert (found.last, found.checked, found.marks.acked) == (30, 30, 29)
    assert path.with_name(path.name + "-shm").stat().st_ino == inode
    await journal.append(entry(31))
    await journal.close()


@pytest.mark.asyncio
async def test_what_a_gate_drops_and_thins_meanwhile_is_no_fault(
    make: Make, entry: MakeEntry, path: Path, disk: ClockExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "PAGE", 10)
    journal = make(settings={"keep_entries": 1000, "queue_limit": 5000, "idle": 100.0})
    await journal.open()
    futures = [journal.submit(entry(n, detail={"score": 0.5, **MEASURED})) for n in range(1, 1101)]
    stored = await asyncio.gather(*map(asyncio.wrap_future, futures))
    await journal.outbox.acknowledge(stored[0].epoch, 1100, stored[1099].chain)

    def meanwhile(query: sqlite3.Connection, era: int, after: int) -> object:
        for number, page in enumerate(real(query, era, after)):
            yield page
            if number == 2:
                disk.submit(journal._ledger.prune).result()
                disk.submit(lambda: journal._ledger.make_room(500, force=True)).result()

    real = proof.pages
    monkeypatch.setattr(proof, "pages", meanwhile)
    with reading(path) as query:
        (found,) = proof.prove(query)
    assert (found.fault, found.marks.pruned, found.last) == (None, 100, 1101)
    assert found.checked == 30 + 1001
    await journal.close()


def test_a_gate_that_was_killed_is_read_where_its_card_is_mounted_read_only_or_copied(
    path: Path, tmp_path: Path, capsys: Captured
) -> None:
    writer = Path(__file__).with_name("crash_writer.py")
    died = subprocess.run(
        [sys.executable, str(writer), str(path), "checkpoint", "1"], capture_output=True, text=True, check=False
    )
    assert died.returncode == -signal.SIGKILL
    said = len(died.stdout.split())
    assert path.with_name(path.name + "-wal").stat().st_size > 0
    card = tmp_path / "card"
    card.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), card / f"journal.sqlite3{suffix}")
    before = files_in(card)
    for where in (path, card):
        assert main(["journal", "verify", "--json", str(where)]) == 0
        found = json.loads(capsys.readouterr().out)["epochs"][0]
        assert found["newest"] >= said > 0, "what is in the log counts"
    assert files_in(card) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: nothing was ever written to it"),
        (b"no database" * 100, "it is damaged: this is no database"),
        (b"SQLite format 3\0" + b"\0" * 84, "is a database of another program|it is damaged"),
    ],
)
def test_what_is_no_journal_is_said_to_be_none(path: Path, capsys: Captured, content: bytes, message: str) -> None:
    path.write_bytes(content)
    for command in ("verify", "show", "export"):
        assert main(["journal", command, str(path)]) == 1
        told = capsys.readouterr().err
        assert any(f"journal {path}: {each}" in told for each in message.split("|")), told


def test_files_that_are_not_there_of_another_program_or_of_a_newer_one(path: Path, capsys: Captured) -> None:
    assert main(["journal", "verify", str(path)]) == 1
    assert f"journal {path}: there is no such file" in capsys.readouterr().err
    forge(path, "CREATE TABLE a (b)")
    assert main(["journal", "show", str(path)]) == 1
    assert "is a database of another program" in capsys.readouterr().err
    forge(path, "PRAGMA application_id = 1413958193", "PRAGMA user_version = 9")
    assert main(["journal", "show", str(path)]) == 1
    assert "has version 9; this program knows up to version 2" in capsys.readouterr().err


def test_a_torn_file_is_called_damaged_and_what_can_be_read_is_told(
    make: Make, entry: MakeEntry, path: Path, capsys: Captured
) -> None:
    asyncio.run(written(make, entry, 400))
    whole = path.read_bytes()
    for kept in (4096, len(whole) // 2, len(whole) - 4096):
        path.write_bytes(whole[:kept])
        assert main(["journal", "verify", str(path)]) == 1
        assert "damaged" in capsys.readouterr().err
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])
    assert main(["journal", "verify", str(path)]) == 1
    told = capsys.readouterr().err
    assert "the file is damaged" in told
    assert "cannot be read: database disk image is malformed" in told or "is not what was written" in told


def test_a_journal_of_version_1_is_read_and_left_as_it_is(path: Path, capsys: Captured) -> None:
    row = rows.Row("boot", "deny", 1.0, 1_790_000_000.0, "synchronised", None, "p-7", '{"reason":"not_enrolled"}')
    first = SCHEMA.replace(
        "    thinned INTEGER NOT NULL DEFAULT 0  -- screening parts up to here are no longer kept\n", ""
    )
    first = first.replace("pruned_chain BLOB NOT NULL,", "pruned_chain BLOB NOT NULL")
    first = "\n".join(line for line in first.splitlines() if "screening_digest" not in line)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(first)
        connection.execute("CREATE TRIGGER epoch_is_monotone BEFORE UPDATE ON epoch BEGIN SELECT 1; END")
        connection.execute("PRAGMA application_id = 1413958193")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO epoch (epoch, serial, reason, started, pruned_chain) VALUES (7, '', 'new', 0, ?)",
            (rows.anchor(7),),
        )
        values = (*row[:8], rows.link(rows.anchor(7), 1, row))
        connection.execute("INSERT INTO entry VALUES (1, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    before = files_in(path.parent)
    assert main(["journal", "verify", str(path)]) == 0
    assert main(["journal", "show", "--utc", str(path)]) == 0
    assert f"2026-09-21T14:13:20+00:00  {7:016x}-1       deny          p-7" in capsys.readouterr().out
    assert files_in(path.parent) == before


@pytest.fixture
def day(make: Make, entry: MakeEntry, path: Path) -> Path:
    """A start without a clock that was set later, and one that never had one."""

    async def write() -> None:
        journal = make(boot_id="early")
        await journal.open()
        await journal.append(entry(1, monotonic=10.0, wall=5.0, clock="unsynchronised", person="p-1", grant_id="g-1"))
        told = {"direction": "entry", "outcome": "completed"}
        await journal.append(
            entry(
                2,
                kind="passage",
                monotonic=20.0,
                wall=15.0,
                clock="unsynchronised",
                grant_id="g-1",
                person="p-1",
                detail=told,
            )
        )
        await journal.append(entry(3, monotonic=110.0, wall=1_790_000_100.0, person="p-2", grant_id="g-2"))
        order = {"command": "open_once", "actor": "guard-li", "reason": "Mr Wang forgot his card", "key": "0" * 16}
        await journal.append(
            entry(
                4,
                kind="command_received",
                monotonic=210.0,
                wall=1_790_000_200.0,
                person=None,
                grant_id=None,
                detail=order,
            )
        )
        await journal.close()
        journal = make(boot_id="late")
        await journal.open()
        detail = {"reason": "not_enrolled", "note": "=cmd()", **MEASURED}
        await journal.append(
            entry(5, kind="deny", monotonic=9.0, wall=9.0, clock="unknown", person=None, grant_id=None, detail=detail)
        )
        await journal.close()

    asyncio.run(write())
    return path


def shown(capsys: Captured, *words: str) -> list[str]:
    assert main(["journal", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_entries_are_shown_dated_and_chosen(day: Path, capsys: Captured) -> None:
    lines = shown(capsys, "show", "--utc", str(day))
    assert len(lines) == 5
    assert lines[0].startswith("2026-09-21T14:13:20+00:00~ "), "reckoned from the later moment of that start"
    assert lines[2].startswith("2026-09-21T14:15:00+00:00  ")
    assert lines[4].startswith("1970-01-01T00:00:09+00:00? ")
    assert 'reason="Mr Wang forgot his card"' in lines[3]
    assert [len(shown(capsys, "show", *words, str(day))) for words in (
        ["--person", "p-1"], ["--passage", "g-1"], ["--kind", "deny", "--kind", "passage"], ["--last", "2"],
        ["--since", "2026-09-21T14:14:00+00:00"], ["--until", "2026-09-21T14:14:00+00:00"], ["--waiting"],
    )] == [2, 2, 2, 2, 2, 3, 5]  # fmt: skip


def test_an_export_names_nobody_unless_asked(day: Path, capsys: Captured) -> None:
    lines = shown(capsys, "export", str(day))
    records = [json.loads(line) for line in lines]
    text = "\n".join(lines)
    for secret in ("p-1", "p-2", "guard-li", "Wang", "chain", "=cmd()"):
        assert secret not in text
    assert records[0]["person"] == records[1]["person"] != records[2]["person"]
    assert (records[1]["outcome"], records[4]["temperature"], records[4]["reason"]) == (
        "completed",
        36.61,
        "not_enrolled",
    )
    assert "reason" not in records[3]
    again = [json.loads(line) for line in shown(capsys, "export", str(day))]
    assert again[0]["person"] != records[0]["person"], "another export cannot be joined to it"
    whole = [json.loads(line) for line in shown(capsys, "export", "--with-persons", str(day))]
    assert (whole[0]["person"], whole[3]["reason"], len(whole[0]["chain"])) == ("p-1", "Mr Wang forgot his card", 64)


def test_pseudonyms_can_be_kept_for_the_next_export(day: Path, tmp_path: Path, capsys: Captured) -> None:
    key = tmp_path / "study.key"
    once, twice = (shown(capsys, "export", "--pseudonyms", str(key), str(day)) for _ in range(2))
    assert once == twice
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    assert main(["journal", "export", "--pseudonyms", str(key), str(day)]) == 1
    assert "others may read the key" in capsys.readouterr().err


def test_a_table_for_a_spreadsheet(day: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "entries.csv"
    assert main(["journal", "export", "--with-persons", "--out", str(out), str(day)]) == 0
    assert (out.stat().st_mode & 0o777, capsys.readouterr().err) == (0o600, "5 entries\n")
    table = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"), newline="")))
    assert (table[0]["person"], table[1]["outcome"], table[0]["outcome"]) == ("p-1", "completed", "")
    assert table[4]["note"] == "'=cmd()", "no spreadsheet takes it for a formula"
    assert main(["journal", "export", "--out", str(out), str(day)]) == 1
    assert f"--out: {out}: cannot be made: File exists" in capsys.readouterr().err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 6, "what was there is still there"


def test_an_altered_detail_ends_an_export_by_name_and_leaves_no_half_file(
    day: Path, tmp_path: Path, capsys: Captured
) -> None:
    forge(day, "UPDATE entry SET detail = '{' WHERE seq = 3")
    out = tmp_path / "half.jsonl"
    assert main(["journal", "export", "--out", str(out), str(day)]) == 1
    assert "entry 3 of epoch" in capsys.readouterr().err
    assert not out.exists()


def test_every_word_that_an_export_lets_through_is_of_a_known_key() -> None:
    """What the lane adds to its records later is left out until somebody has looked at it."""
    detail = {"brand_new": "Li Lei", "reason": "fever", "actor": "guard-li"}
    one = Stored(1, 1, "boot", Entry("deny", 1.0, 1.0, "unknown", None, "p-1", detail))
    told = Writer(b"k" * 32).record(one, When(1.0, "clock"))
    assert "brand_new" not in told
    assert (told["reason"], told["actor"] != "guard-li") == ("fever", True)
