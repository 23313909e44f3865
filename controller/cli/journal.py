"""`thermogate journal`: what a gate has recorded, whether it is unaltered, and handed to somebody else."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.cli.types import Subparsers
    from controller.record.entry import Stored
    from controller.record.export import Chosen, When
    from controller.record.proof import Proof, Range

DESCRIPTION = """\
Reads the journal of a gate: of one that runs, without disturbing it, or of a copy from the card of one that is dead.
Nothing is written to the journal or beside it.
"""

VERIFY = """\
Recomputes the hash chain and names the first entry of each epoch that is not what was written. Says what the campus
has, what waits for it, and what was thrown away for want of room. Exit status 1: something differs, or is damaged.

What was cut off at the end shows where the campus had it already, or where you bring a chain value that somebody noted:
--known 27f1c3a09b5d44e2-1841=9f2c… (an event's epoch, seq and chain, as the campus has them).
"""

SHOW = """\
Prints entries, one a line: time, place, kind, person, grant, detail. A time with ~ was reckoned from a later moment of
the same start of the board, one with ? is by a clock that nobody had set.
"""

EXPORT = """\
Writes entries as JSON Lines or CSV. Persons and actors become pseudonyms, texts that somebody typed and the chain
values are left out; --with-persons leaves all of it in. A pseudonym is the same throughout one export; with
--pseudonyms FILE also throughout all that use this file, which is made where there is none. Whoever has it can tell who
is who.

Pseudonymous is not anonymous: who knows when somebody came can find them by the time.
"""

LAST = 50


def add_parser(commands: Subparsers) -> None:
    """Add `journal`."""
    raw = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser(
        "journal", help="verify, show or export what a gate recorded", description=DESCRIPTION, formatter_class=raw
    )
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = parts.add_parser("verify", help="recompute the hash chain", description=VERIFY, formatter_class=raw)
    verify.add_argument("--known", action="append", default=[], metavar="PLACE=CHAIN", help="must be there, and so")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=run_verify)
    show = parts.add_parser("show", help="print entries", description=SHOW, formatter_class=raw)
    show.add_argument("--last", type=int, default=LAST, metavar="N", help=f"the newest N of them ({LAST}); 0: all")
    show.add_argument("--utc", action="store_true", help="print UTC in place of this machine's time")
    show.set_defaults(run=run_show)
    export = parts.add_parser("export", help="hand entries on", description=EXPORT, formatter_class=raw)
    export.add_argument("--format", choices=("jsonl", "csv"), help="as the name of --out says, else jsonl")
    export.add_argument("--out", type=Path, metavar="FILE", help="a new file, mode 0600, in place of the output")
    who = export.add_mutually_exclusive_group()
    who.add_argument("--with-persons", action="store_true", help="leave ids, texts and chain values in")
    who.add_argument("--pseudonyms", type=Path, metavar="FILE", help="key of the pseudonyms, to use it again")
    export.set_defaults(run=run_export)
    for part in (verify, show, export):
        part.add_argument("journal", nargs="?", type=Path, metavar="FILE", help="journal.sqlite3, or its folder")
        part.add_argument("--config", type=Path, metavar="GATE.TOML", help="that gate's, in place of the default")
    for part in (show, export):
        part.add_argument("--since", type=_time, metavar="TIME", help="2026-09-01 or 2026-09-01T07:30, in local time")
        part.add_argument("--until", type=_time, metavar="TIME", help="before then")
        part.add_argument("--person", metavar="ID")
        part.add_argument("--passage", metavar="GRANT", help="everything about one grant, as g-51")
        part.add_argument("--kind", action="append", default=[], help="deny, passage, intrusion, ...; may be repeated")
        part.add_argument("--waiting", action="store_true", help="only what the campus does not have")


def run_verify(arguments: argparse.Namespace) -> int:
    """Prove it, and tell how it stands."""
    from controller.record import proof
    from controller.record.reader import damage, reading

    path, known = _place(arguments), _known(arguments.known)
    with reading(path) as query:
        damaged = damage(query)
        proofs = proof.prove(query, known)
        thinned = [] if damaged else proof.thinned(query)
    there = {one.marks.epoch for one in proofs}
    faults = [] if damaged is None else [f"the file is damaged: {damaged}"]
    faults += [str(one.fault) for one in proofs if one.fault is not None]
    faults += [f"there is no epoch {epoch:016x}, of which {seq} is known" for epoch, seq in known if epoch not in there]
    if arguments.json:
        print(json.dumps(_as_json(path, proofs, thinned, faults), ensure_ascii=False, indent=1))
    else:
        total = sum(one.checked for one in proofs)
        print(f"{path}: {total} entries in {len(proofs)} epochs{'' if faults else ', all as they were written'}")
        for one in proofs:
            print("\n".join(_told(one, thinned)))
    for fault in faults:
        print(f"thermogate journal: {path}: {fault}", file=sys.stderr)
    for epoch, seq in known:
        if any(one.marks.epoch == epoch and seq < one.marks.pruned for one in proofs):
            print(f"thermogate journal: {epoch:016x}-{seq} is no longer kept, and was not compared", file=sys.stderr)
    return 1 if faults else 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print entries."""
    from controller.record.export import entries
    from controller.record.reader import reading

    with reading(_place(arguments)) as query:
        found = entries(query, _chosen(arguments))
        if arguments.last > 0:
            found = iter(deque(found, maxlen=arguments.last))
        for stored, when in found:
            print(_line(stored, when, utc=arguments.utc))
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write entries."""
    from controller.record import export
    from controller.record.reader import reading

    csv_wanted = (arguments.format or ("csv" if str(arguments.out).endswith(".csv") else "jsonl")) == "csv"
    chosen, writer = _chosen(arguments), export.Writer(_key(arguments))
    with reading(_place(arguments)) as query, _output(arguments.out) as out:
        records = (writer.record(stored, when) for stored, when in export.entries(query, chosen))
        if csv_wanted:
            columns = export.columns_of(records)
            again = (writer.record(stored, when) for stored, when in export.entries(query, chosen))
            count = export.write_csv(again, columns, out)
        else:
            count = export.write_json_lines(records, out)
    print(f"{count} entries", file=sys.stderr)
    return 0


def _place(arguments: argparse.Namespace) -> Path:
    from controller.config import StoreSettings, load
    from controller.record.reader import place_of

    if arguments.journal is not None:
        return place_of(arguments.journal)
    store = StoreSettings() if arguments.config is None else load(arguments.config).store
    return place_of(store.folder)


def _chosen(arguments: argparse.Namespace) -> Chosen:
    from controller.record.export import Chosen

    return Chosen(
        kinds=tuple(arguments.kind),
        person=arguments.person,
        grant=arguments.passage,
        since=arguments.since,
        until=arguments.until,
        waiting=arguments.waiting,
    )


def _key(arguments: argparse.Namespace) -> bytes | None:
    from controller.errors import GalleryError, StoreError
    from controller.gallery.keyfile import create_key, read_key
    from controller.record.export import fresh_key

    if arguments.with_persons:
        return None
    path: Path | None = arguments.pseudonyms
    if path is None:
        return fresh_key()
    try:
        return read_key(path) if path.exists() else create_key(path)
    except GalleryError as error:
        told = str(error).replace("the gallery's key", "the key")
        raise StoreError(f"--pseudonyms: {told}") from error


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Where to write: a new file that only its owner may read, and that is gone again where this fails."""
    from controller.errors import StoreError

    if path is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"--out: {path}: cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _time(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 2026-09-01T07:30") from error


def _known(told: list[str]) -> dict[tuple[int, int], bytes]:
    from controller.errors import ConfigError

    found = {}
    for text in told:
        try:
            place, chain = text.split("=")
            epoch, seq = place.split("-")
            found[int(epoch, 16), int(seq)] = bytes.fromhex(chain)
        except ValueError as error:
            raise ConfigError(f"--known: {text!r} is not like 27f1c3a09b5d44e2-1841=9f2c…") from error
    return found


def _line(stored: Stored, when: When, *, utc: bool) -> str:
    from controller.record.export import iso

    entry = stored.entry
    shown = iso(when.unix, utc=utc)
    sure = {"clock": " ", "boot": "~"}.get(when.told_by, "?")
    detail = " ".join(f"{key}={_value(value)}" for key, value in entry.detail.items() if value is not None)
    gone = "" if stored.thinned is None else " (screening thrown away for want of room)"
    head = f"{shown}{sure} {stored.epoch:016x}-{stored.seq:<7} {entry.kind:<13} {entry.person or '-':<12}"
    return f"{head} {entry.grant_id or '-':<8} {detail}{gone}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    # What a terminal would obey is printed, not obeyed.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and not value.isalnum() else str(value)


def _told(one: Proof, thinned: list[Range]) -> Iterator[str]:
    """How an epoch stands, for a reader."""
    from controller.record.export import iso

    marks = one.marks
    began = iso(marks.started, utc=False)
    board = f", board {marks.serial}" if marks.serial else ""
    yield f"epoch {marks.epoch:016x}: begun {began} ({marks.reason}{board})"
    if marks.pruned:
        yield f"  1 to {marks.pruned}: no longer kept, the campus has them"
    if one.last > marks.pruned:
        yield f"  {marks.pruned + 1} to {one.last}: here"
    for first, last in [(each.first, each.last) for each in thinned if each.epoch == marks.epoch]:
        yield f"  {first} to {last}: screening part thrown away for want of room"
    yield f"  acknowledged by the campus up to {marks.acked}, {one.waiting} wait"
    if one.fault is not None:
        yield f"  BROKEN: {one.fault}"


def _as_json(path: Path, proofs: list[Proof], thinned: list[Range], faults: list[str]) -> dict[str, object]:
    return {
        "journal": str(path),
        "intact": not faults,
        "faults": faults,
        "epochs": [
            {
                "epoch": f"{one.marks.epoch:016x}",
                "begun": one.marks.started,
                "reason": one.marks.reason,
                "serial": one.marks.serial,
                "dropped_up_to": one.marks.pruned,
                "newest": one.last,
                "checked": one.checked,
                "acknowledged": one.marks.acked,
                "waiting": one.waiting,
                "thinned": [[each.first, each.last] for each in thinned if each.epoch == one.marks.epoch],
                "fault": None if one.fault is None else {"seq": one.fault.seq, "what": one.fault.what},
            }
            for one in proofs
        ],
    }
