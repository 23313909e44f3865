"""How long each stage takes on one thread, and one fused attempt from its last frame.

The frame is a picture of 640 × 480, as the camera gives, with a photograph's face in it. The last frame's work is what
the person waits for after it was taken: detect, judge, embed, search it, fuse with the earlier ones, search again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.face.faces import Spent, now
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.perception.fusion import Fusion
from controller.perception.quality import assess
from controller.perception.settings import AttemptSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.perception.types import FaceEngine

HEIGHT, WIDTH = 480, 640
FACE = 0.62
"""Height of the photograph in the frame; a face in the middle of an LFW picture is then some 110 pixels wide."""
ENROLLED = 500
WANTED = 0.150
"""Seconds from the last frame, p99, on one core."""
STAGES = ("detect", "quality", "align and embed", "search and fuse", "all from the last frame")
WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """One engine's durations, seconds."""

    engine: str
    spent: dict[str, Spent]
    """By stage."""

    @property
    def attempts(self) -> int:
        """How many were timed."""
        return len(self.spent[STAGES[-1]].wall)


def frame(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A camera's frame with the photograph in its middle, BGR uint8[480, 640, 3], on its own mean colour."""
    scale = FACE * HEIGHT / photo.shape[0]
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    small = small[:HEIGHT, :WIDTH]
    height, width = small.shape[:2]
    canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    canvas[:] = photo.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    canvas[top : top + height, left : left + width] = small
    return canvas


def gallery(engine: FaceEngine, people: int, seed: int) -> GalleryIndex:
    """A gallery of random templates, two each: searching does not care who they are."""
    random = np.random.default_rng(seed)
    index = GalleryIndex.for_engine(engine)
    for number in range(people):
        rows = random.normal(size=(2, engine.dim)).astype(np.float32)
        index.add(Person(f"p{number}"), list(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    return index


def measure(
    engine: FaceEngine,
    photos: Sequence[NDArray[np.uint8]],
    *,
    enrolled: int = ENROLLED,
    seed: int = 1,
) -> Timing:
    """One fused attempt for each photograph, of which only the last of its three frames is timed."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    index = gallery(engine, enrolled, seed)
    spent = {stage: Spent() for stage in STAGES}
    try:
        for number, photo in enumerate([*[photos[0]] * WARM_UP, *photos]):
            marks = _last_frame(engine, index, frame(photo))
            if marks is not None and number >= WARM_UP:
                for stage, begin, end in zip(STAGES, marks, marks[1:], strict=False):
                    spent[stage].add(begin, end)
                spent[STAGES[-1]].add(marks[0], marks[-1])
    finally:
        cv2.setNumThreads(threads)
    return Timing(engine.name, spent)


def _last_frame(engine: FaceEngine, index: GalleryIndex, pixels: NDArray[np.uint8]) -> list[tuple[float, float]] | None:
    """When each stage of an attempt's last frame began, and the end; None where no face is found."""
    faces = engine.detect(pixels)
    if not faces:
        return None
    attempt = AttemptSettings()
    fusion = Fusion(index.identify, pictures=attempt.pictures)
    for _ in range(2):
        fusion.add(engine.embed(pixels, faces[0]), 0.5)
    marks = [now()]
    faces = engine.detect(pixels)
    marks.append(now())
    quality = assess(pixels, faces[0]).overall
    marks.append(now())
    embedding = engine.embed(pixels, faces[0])
    marks.append(now())
    fusion.add(embedding, quality)
    fusion.identity()
    marks.append(now())
    return marks


@dataclass(frozen=True, slots=True)
class Walk:
    """Foot on the mark to relay, in a rehearsal in real time."""

    engine: str
    people: int
    """Who came."""
    seconds: dict[str, list[float]]
    """By stage, of everybody who was let in at the first look."""


WALK_STAGES = ("somebody is there", "finding", "decision", "disk and relay", "foot on the mark to relay")
WALK_WANTED = 1.0
"""Seconds from foot on the mark to relay, p50."""


def walk(engine: FaceEngine, people: int, seed: int, folder: Path) -> Walk:
    """Rehearse so many people in real time. Raises `GateError` kinds where that cannot be done."""
    from controller.drill.enrolment import enrol
    from controller.drill.rehearsal import Rehearsal
    from controller.drill.scenario import draw
    from controller.drill.scoreboard import Scoreboard
    from controller.observe.log import configure
    from controller.observe.settings import ObserveSettings

    scenario = draw(people, seed)
    index = enrol(scenario, engine, folder, lambda _: None)
    scores = Scoreboard(f"{engine.name}, {people} people", people, None)
    rehearsal = Rehearsal(scenario, speed=1.0, engine=engine, gallery=index, folder=folder, scores=scores)
    with (folder / "walk.log").open("w", encoding="utf-8") as stream:
        # What the program says while it runs is not the report's.
        handle = configure(ObserveSettings(format="json"), stream)
        try:
            evidence = rehearsal.evidence(complete=rehearsal.run())
        finally:
            handle.close()
    rows = [(one.seen, one.evidence, one.decision, one.commit, one.total) for one in evidence.latencies]
    seconds = {stage: [row[at] for row in rows] for at, stage in enumerate(WALK_STAGES)}
    return Walk(engine.name, len(evidence.visits), seconds)
