"""What a photograph costs at the hub, and the look for its face under another id: `python -m benchmarks.photographs`.

Needs the model files (THERMOGATE_MODELS) and photographs of people (--images). Seconds of one core are the thread's or
the process' own: other work on the machine lengthens them little. With OPENBLAS_NUM_THREADS=1 NumPy has one core too.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.galleries import make
from benchmarks.timing import median_interval
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.gates.documents import start_over
from campus.people.enrolment import PhotographDesk
from campus.people.photographs import PhotographSettings
from campus.people.records import People, PeopleSettings, Person
from campus.people.tables import person, template
from controller.errors import ImageError
from controller.gallery.index import with_mean
from controller.gallery.judge import judge_photo
from controller.gallery.likeness import MOST_ALIKE
from controller.gallery.model import Consent
from controller.perception.engines import open_engine
from controller.perception.photo import decode_photo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from campus.people.records import Template
    from controller.gallery.index import GalleryIndex

OFFICE = Actor("office", Role.ENROLMENT)
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face")
TELEPHONE = 4000, 3000
"""Pixels of a telephone's photograph."""
ROWS = 3
"""Of one person, at most: their templates and the mean."""
TURN = 20
"""Looks that are clocked at once."""
MB = 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print it as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photographs", description=__doc__)
    parser.add_argument("--images", required=True, type=Path, metavar="DIR", help="NAME/*.jpg, of one person each")
    parser.add_argument("--photographs", type=int, default=60, metavar="N", help="of each engine and size")
    parser.add_argument("--people", type=int, default=20_000, metavar="N")
    parser.add_argument("--faces", type=int, default=2, metavar="N", help="templates a person")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    files = [file.read_bytes() for file in sorted(options.images.glob("*/*_0001.jpg"))]
    _photographs(files, options.photographs)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_enrolments(Path(folder), files, options))
    return 0


def _photographs(files: list[bytes], wanted: int) -> None:
    print("| engine | photograph | n | seconds of one core, median (95 %) |\n|---|---|---|---|")
    for name in ("opencv", "tflite"):
        engine = open_engine(name)
        for size, change in (("as it is", bytes), ("of a telephone, 12 megapixels", _enlarged)):
            taken: list[float] = []
            for data in map(change, files):
                started = time.thread_time()
                try:
                    judge_photo(engine, data)
                except ImageError:
                    continue
                taken.append(time.thread_time() - started)
                if len(taken) == wanted:
                    break
            found = median_interval(np.array(taken))
            interval = f"{found.median:.3f} ({found.low:.3f} … {found.high:.3f})"
            print(f"| `{name}` | {size} | {len(taken)} | {interval} |")


def _enlarged(data: bytes) -> bytes:
    picture = decode_photo(data)
    large = cv2.resize(picture, TELEPHONE, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


async def _enrolments(folder: Path, files: list[bytes], options: argparse.Namespace) -> None:
    people = People(PeopleSettings(key=folder / "people.key"))
    made = make("anisotropic", options.people * options.faces, 128, 1000)
    async with Database(str(folder / "hub.sqlite3"), "school") as database:
        desk = PhotographDesk(database, people, PhotographSettings())
        model = (await desk.engine.engine()).template_model
        await _fill(database, people, made.rows, model, options.faces)
        before, started, wall = _memory(), time.process_time(), time.perf_counter()
        await desk.prepare()
        spent, waited = time.process_time() - started, time.perf_counter() - wall
        print(f"\n{options.people:,} people with {options.faces} templates of 128 numbers each")
        print(f"loaded at the start in {spent:.1f} s of one core, {waited:.1f} s on the wall")
        print(f"memory of the process: {before:.0f} MB before, {_memory():.0f} MB at most\n")
        _look((await desk.faces()).index, made.rows, made.probes["stranger"], options.faces)
        await _enrol(desk, database, people, files)
        desk.close()


async def _fill(database: Database, people: People, vectors: NDArray[np.float32], model: str, faces: int) -> None:
    """Everybody at once, as rows."""
    rows, templates = [], []
    for number in range(len(vectors) // faces):
        one = Person(id=f"p{number}", consent=CONSENT)
        rows.append(people.row(one) | {"changed": number + 1, "faces_changed": number + 1})
        for place in range(faces):
            plain = vectors[number * faces + place].astype("<f4").tobytes()
            sealed = people.sealer.seal(plain, ("template", one.id, model, str(place)))
            templates.append({"person": one.id, "model": model, "position": place} | sealed._asdict())
    async with database.transaction() as query:
        for table, content in ((person, rows), (template, templates)):
            await query.execute(table.insert(), content)
        await start_over(query, now=time.time())


def _look(index: GalleryIndex, templates: NDArray[np.float32], probes: NDArray[np.float32], faces: int) -> None:
    """The most alike people among everybody, beside NumPy's scoring of every template, each in turn."""
    people = templates.reshape(-1, faces, templates.shape[1])
    rows = np.concatenate([with_mean(list(own)) for own in people])

    def brute(probe: NDArray[np.float32]) -> None:
        np.argpartition(rows @ probe, -ROWS * MOST_ALIKE)

    def ours(probe: NDArray[np.float32]) -> None:
        index.rank(probe, MOST_ALIKE)

    spent: dict[str, list[float]] = {"index": [], "NumPy": []}
    for start in range(0, len(probes), TURN):
        for name, look in (("index", ours), ("NumPy", brute)):
            began = time.thread_time()
            for probe in probes[start : start + TURN]:
                look(probe)
            spent[name].append((time.thread_time() - began) / TURN)
    print("| look for the face under another id | n | milliseconds of one core, median (95 %) | times the index |")
    print("|---|---|---|---|")
    for name, times in spent.items():
        found, ratio = median_interval(1000 * np.array(times)), median_interval(np.array(times) / spent["index"])
        told = f"{found.median:.2f} ({found.low:.2f} … {found.high:.2f})"
        print(f"| {name} | {len(times)} × {TURN} | {told} | {ratio.median:.2f} ({ratio.low:.2f} … {ratio.high:.2f}) |")


async def _enrol(desk: PhotographDesk, database: Database, people: People, files: list[bytes]) -> None:
    """What `enrol` takes beside everybody who is there: from the look to the COMMIT, of a file on this disk."""
    templates: list[Template] = []
    for data in files:
        try:
            templates.append((await desk.judge(data))[0])
        except ImageError:
            continue
        if len(templates) == 100:
            break
    async with database.transaction() as query:
        for number in range(len(templates)):
            await people.upsert(query, OFFICE, Person(id=f"new-{number}", consent=CONSENT), now=time.time())
    taken = []
    for number, one in enumerate(templates):
        started = time.process_time()
        await desk.enrol(OFFICE, f"new-{number}", [one], replace=False)
        taken.append(time.process_time() - started)
    found = median_interval(np.array(taken))
    low, high = 1000 * found.low, 1000 * found.high
    print(f"\nenrolled: {1000 * found.median:.1f} ms of one core ({low:.1f} … {high:.1f}, n = {len(taken)})")


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


if __name__ == "__main__":
    main()
