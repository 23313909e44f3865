"""`python -m benchmarks.drawn_faces`: how well each engine finds drawn people and tells them apart.

Every person is seen at several moments in the simulated world, at 0.41-0.68 m (a face 130-220 pixels wide at 640×480),
and on one enrolment photograph; every pair of pictures is then compared.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from controller.errors import GateError
from controller.perception.engines import open_engine
from hw.clock import SystemClock
from hw.sim.figures import EYE_HEIGHT, Person
from hw.sim.scene import enrolment_photo
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from controller.perception.types import FaceEngine
    from hw.sim.placing import Box

ENGINES = ("opencv", "tflite", "demo")
THRESHOLDS = (0.45, 0.60, 0.65, 0.70, 0.75, 0.80, 0.82, 0.85, 0.86)


@dataclass(slots=True)
class Tally:
    """What one engine did."""

    engine: FaceEngine
    pictures: int = 0
    found: int = 0
    overlaps: list[float] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    embeddings: list[NDArray[np.float32]] = field(default_factory=list)

    def see(self, person: int, picture: NDArray[np.uint8], truth: Box | None) -> None:
        """Detect and embed one picture."""
        self.pictures += 1
        faces = self.engine.detect(picture)
        if not faces:
            return
        self.found += 1
        box = faces[0].box
        if truth is not None:
            self.overlaps.append(overlap((box.x, box.y, box.width, box.height), truth))
        self.people.append(person)
        self.embeddings.append(self.engine.embed(picture, faces[0]))

    def scores(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines of all (genuine, impostor) pairs."""
        every = np.stack(self.embeddings)
        who = np.asarray(self.people)
        cosines = (every @ every.T)[np.triu_indices(len(who), 1)]
        same = (who[:, None] == who[None, :])[np.triu_indices(len(who), 1)]
        return cosines[same], cosines[~same]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, across) * max(0.0, down)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def pictures(person: int, moments: int, worlds: Sequence[World]) -> Iterator[tuple[NDArray[np.uint8], Box | None]]:
    """One person's pictures with the true face box: gate pictures, then the enrolment photograph (without a box)."""
    for moment in range(1, moments + 1):
        rng = np.random.default_rng((person, moment))
        world = worlds[int(rng.integers(len(worlds)))]
        figure = Person(
            identity=person,
            moment=moment,
            distance=float(rng.uniform(0.41, 0.68)),
            x=float(rng.uniform(-0.05, 0.05)),
            y=EYE_HEIGHT + float(rng.uniform(-0.02, 0.02)),
        )
        world.clear()
        world.place(figure)
        at = float(rng.uniform(0, 9))
        yield world.picture(at), world.face_box(figure, at)
    yield enrolment_photo(person), None


def engines(folder: Path | None, console: Console) -> list[FaceEngine]:
    """Those that open."""
    opened = []
    for name in ENGINES:
        try:
            opened.append(open_engine(name, folder))
        except GateError as error:
            console.print(f"{name}: left out: {error}")
    return opened


def tables(tallies: Sequence[Tally]) -> Iterator[Table]:
    """Detection and separation, and the error rates by threshold."""
    found = Table("engine", "pictures", "found", "IoU p1", "IoU p50", title="detection")
    apart = Table("engine", "genuine p0.1", "p1", "p50", "impostor p50", "p99", "p99.9", "max", title="cosines")
    rates = Table("threshold", *(f"{t.engine.name} FRR / FAR" for t in tallies), title="pairwise errors")
    scores = [tally.scores() for tally in tallies]
    for tally, (genuine, impostor) in zip(tallies, scores, strict=True):
        low, middle = np.percentile(tally.overlaps, [1, 50])
        name = tally.engine.name
        found.add_row(name, f"{tally.pictures}", f"{tally.found / tally.pictures:.4f}", f"{low:.2f}", f"{middle:.2f}")
        marks = (*np.percentile(genuine, [0.1, 1, 50]), *np.percentile(impostor, [50, 99, 99.9, 100]))
        apart.add_row(name, *(f"{mark:.3f}" for mark in marks))
    for threshold in THRESHOLDS:
        cells = (f"{np.mean(g < threshold):.4f} / {np.mean(i >= threshold):.2e}" for g, i in scores)
        rates.add_row(f"{threshold:.2f}", *cells)
    yield from (found, apart, rates)


def cost(world: World, person: int, rounds: int = 40) -> Table:
    """Time to draw somebody new and to render one frame with one person, ms."""
    figure = Person(identity=person)
    world.clear()
    begin = time.perf_counter()
    world.place(figure)
    table = Table("step", "ms, least of rounds", title="cost, one thread")
    table.add_row("place someone new", f"{(time.perf_counter() - begin) * 1e3:.0f}")
    for name, render in (("picture", world.picture), ("heat", world.heat)):
        spent = []
        for frame in range(rounds):
            begin = time.perf_counter()
            render(frame / 15)
            spent.append(time.perf_counter() - begin)
        table.add_row(name, f"{min(spent) * 1e3:.2f}")
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--moments", type=int, default=4, help="gate pictures of each person")
    parser.add_argument("--first", type=int, default=0, help="number of the first identity")
    parser.add_argument("--models", type=Path, default=None, help="folder of weights; default: THERMOGATE_MODELS")
    given = parser.parse_args(arguments)
    console = Console()
    cv2.setNumThreads(1)
    worlds = [World(SystemClock(), seed=seed) for seed in range(4)]
    tallies = [Tally(engine) for engine in engines(given.models, console)]
    for person in range(given.first, given.first + given.people):
        for picture, truth in pictures(person, given.moments, worlds):
            for tally in tallies:
                tally.see(person, picture, truth)
    for table in tables(tallies):
        console.print(table)
    console.print(cost(worlds[0], given.first + given.people))


if __name__ == "__main__":
    main()
