"""What a campus' people cost hub and board, and how soon a removed person is refused: `python -m benchmarks.roster`.

Needs mosquitto. All of it runs on one machine, over loopback; a board's part runs in a process of its own, whose peak
memory is told.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from benchmarks.roster_rig import DIM, MODEL, RigGate, RigHub, campus, face, somebody, until
from campus.gates import keys as gate_keys
from campus.gates.documents import Documents, start_over
from campus.gates.tables import snapshot
from campus.people.tables import credential, person, template
from controller.follow.fetch import Fetcher
from controller.gallery.index import GalleryIndex
from controller.gallery.install import install
from controller.gallery.store import GalleryStore
from controller.link.documents import GALLERY, ROSTER, File, download_password, open_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from campus.gates.keys import ContentKey

MB = 1e6
GATE = "gate-0"


class Board(NamedTuple):
    """What one document took on the board's side."""

    transfer: float
    install: float
    """Seconds of one core: opened, checked, written."""


class Whole(NamedTuple):
    """What both took."""

    boards: dict[str, Board]
    load: float
    """Seconds of one core in which the index is built."""
    before: float
    peak: float
    """Megabytes of the process, before and at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print it as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roster", description=__doc__)
    parser.add_argument("--people", type=int, default=20_000, metavar="N")
    parser.add_argument("--faces", type=int, default=2, metavar="N", help="templates a person, of 128 numbers")
    parser.add_argument("--gates", type=int, default=24, metavar="N")
    parser.add_argument("--removals", type=int, default=20, metavar="N")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with tempfile.TemporaryDirectory() as folder, _mosquitto(Path(folder)) as port:
        asyncio.run(_measure(Path(folder), port, options))
    return 0


async def _measure(folder: Path, port: int, options: argparse.Namespace) -> None:
    (folder / "large").mkdir()
    (folder / "many").mkdir()
    hub = RigHub(folder / "large", port)
    url = await hub.url()
    gate = RigGate(folder / "large" / GATE, GATE, port, hub, url)
    await hub.pin(gate)
    await _fill(hub, options.people, options.faces)
    print(f"{options.people:,} people with {options.faces} templates of {DIM} numbers and a card each\n")
    async with hub.database.transaction() as query:
        key = await gate_keys.content_key_in_force(query, hub.people, now=time.time())
    wanted = await _served(hub)
    started = time.process_time()
    # In a folder where nothing is: as the first time, and beside what the running hub hands out.
    await Documents("school", folder / "again", hub.database, hub.people).make(key)
    build = time.process_time() - started
    async with hub.database.transaction() as query:
        for kind, file in wanted.items():
            of = sa.update(snapshot).where(snapshot.c.kind == kind)
            await query.execute(of.values(sha256=file.sha256, size=file.size))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        call = pool.apply_async(_board, (str(folder / "board"), url, key, wanted))
        while not call.ready():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        whole = call.get()
    print("| document | size | fetched in | installed in, of one core |\n|---|---|---|---|")
    for kind, board in whole.boards.items():
        size = wanted[kind].size
        print(f"| `{kind}` | {size / MB:.1f} MB | {board.transfer:.2f} s | {board.install:.1f} s |")
    print(f"\nboth built and sealed at the hub in {build:.1f} s of one core")
    print(f"index built on the board in {whole.load:.1f} s of one core")
    print(f"memory of the board's process: {whole.before:.0f} MB before, {whole.peak:.0f} MB at most\n")
    await gate.start()
    await until(lambda: gate.knows(options.people - 1), "the gate has everybody", 600)
    times = [await _remove(hub, [gate], number) for number in range(options.removals)]
    _print("1 gate", options.people, np.concatenate(times))
    await gate.stop()
    await hub.stop()
    async with campus(folder / "many", port, options.gates) as (small, gates):
        people = 10 * options.removals
        await small.add(*range(people))
        for one in gates:
            await until(lambda one=one: one.knows(people - 1), "every gate has everybody", 600)  # type: ignore[misc]
        times = [await _remove(small, gates, number) for number in range(options.removals)]
        _print(f"{len(gates)} gates", people, np.concatenate(times))


async def _fill(hub: RigHub, people: int, faces: int) -> None:
    """Everybody at once, as rows: what an import costs is not measured here."""
    now, seal = time.time(), hub.people.sealer.seal
    rows, cards, templates = [], [], []
    for number in range(people):
        one = somebody(number)
        row = hub.people.row(one) | {"changed": number + 1, "faces_changed": number + 1}
        rows.append(row)
        (card,) = one.credentials or ()
        sealed = seal(card.number.encode(), ("credential", one.id, card.kind))
        cards.append({"kind": card.kind, "digest": card.number.encode(), "person": one.id} | sealed._asdict())
        for place in range(faces):
            vector = face(number * 10 + place).astype("<f4").tobytes()
            sealed = seal(vector, ("template", one.id, MODEL, str(place)))
            templates.append({"person": one.id, "model": MODEL, "position": place} | sealed._asdict())
    async with hub.database.transaction() as query:
        for table, content in ((person, rows), (credential, cards), (template, templates)):
            await query.execute(table.insert(), content)
        await start_over(query, now=now)


async def _served(hub: RigHub) -> dict[str, File]:
    """The snapshots that the running hub hands out."""
    while True:
        async with hub.database.transaction() as query:
            rows = (await query.execute(sa.select(snapshot))).all()
        if len(rows) == 2:
            return {row.kind: File(sha256=row.sha256, size=row.size) for row in rows}
        await asyncio.sleep(0.2)


def _board(folder: str, url: str, key: ContentKey, wanted: dict[str, File]) -> Whole:
    """A board's part, in a process of its own."""
    path, boards = Path(folder), {}
    before = _peak()
    fetcher = Fetcher(url, None, path / "documents")
    with GalleryStore.open(path, create=True) as store:
        for kind in (ROSTER, GALLERY):
            started = time.perf_counter()
            sealed = fetcher.fetch(wanted[kind], GATE, download_password(key.key, GATE))
            transfer, started = time.perf_counter() - started, time.process_time()
            install(store, open_document(kind, sealed, key.key))
            boards[kind] = Board(transfer, time.process_time() - started)
        started = time.process_time()
        index = GalleryIndex(DIM, MODEL, threshold=0.5, margin=0.0)
        index.load(store)
    return Whole(boards, time.process_time() - started, before, _peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


async def _remove(hub: RigHub, gates: Sequence[RigGate], number: int) -> list[float]:
    """Seconds from the request until each gate takes this person for nobody."""
    started = time.perf_counter()

    async def gone(gate: RigGate) -> float:
        await until(lambda: gate.index.person(f"p{number}") is None, "removed", 120)
        return time.perf_counter() - started

    await hub.remove(number)
    return list(await asyncio.gather(*map(gone, gates)))


def _print(what: str, people: int, seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    low, median, high, most = np.quantile(seconds, [0.05, 0.5, 0.95, 1.0])
    print(f"removed at the hub, refused at {what} with {people:,} people: n = {len(seconds)}, median {median:.2f} s, ")
    print(f"5 to 95 % {low:.2f} to {high:.2f} s, longest {most:.2f} s")


@contextlib.contextmanager
def _mosquitto(folder: Path) -> Iterator[int]:
    """A broker on a free port of loopback; the port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        sys.exit("mosquitto is not installed (apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    quiet = subprocess.DEVNULL
    with subprocess.Popen([program, "-c", config], stdout=quiet, stderr=quiet) as process:  # noqa: S603 - ours
        try:
            yield port  # the hub tries again until it is there
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
