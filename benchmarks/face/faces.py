"""Every picture through an engine as at the gate: detect, judge, align and embed; each stage timed on one thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.errors import EngineError, ImageError
from controller.perception.photo import read_photo
from controller.perception.quality import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from benchmarks.face.data import Photo
    from controller.perception.types import Face, FaceEngine

STAGES = ("detect", "quality", "align and embed")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One picture's face."""

    person: str
    key: str
    embedding: NDArray[np.float32]
    """float32[dim], L2-normalised."""
    quality: float
    """0..1, the weakest term."""
    faces: int
    """That the detector found; the middle one is taken."""


def now() -> tuple[float, float]:
    """(wall, this thread's processor) seconds."""
    return time.perf_counter(), time.thread_time()


@dataclass(slots=True)
class Spent:
    """Durations of one stage, seconds.

    On a machine that others use too, the wall's include waiting for them; the processor's do not.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """One more, from `now()` to `now()`."""
        self.wall.append(end[0] - begin[0])
        self.processor.append(end[1] - begin[1])


@dataclass(slots=True)
class Sight:
    """All pictures through one engine."""

    engine: str
    template_model: str
    seen: dict[str, Seen] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    """Pictures in which no face was found."""
    failed: dict[str, str] = field(default_factory=dict)
    """Pictures that could not be used, and why."""
    spent: dict[str, Spent] = field(default_factory=lambda: {stage: Spent() for stage in STAGES})
    """Of every picture, by stage."""

    @property
    def pictures(self) -> int:
        """All that were shown."""
        return len(self.seen) + len(self.missed) + len(self.failed)


def look(engine: FaceEngine, photos: Iterable[Photo], progress: Callable[[], None] = lambda: None) -> Sight:
    """Every picture of `photos` through `engine`; `progress` is called after each."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    sight = Sight(engine.name, engine.template_model)
    try:
        for photo in photos:
            _one(engine, photo, sight)
            progress()
    finally:
        cv2.setNumThreads(threads)
    return sight


def _one(engine: FaceEngine, photo: Photo, sight: Sight) -> None:
    try:
        pixels = read_photo(photo.path)
        began = now()
        faces = engine.detect(pixels)
        found = now()
        if not faces:
            sight.missed.append(photo.key)
            return
        face = middle(faces, pixels)
        chosen = now()
        quality = assess(pixels, face).overall
        judged = now()
        embedding = engine.embed(pixels, face)
        done = now()
    except (ImageError, EngineError) as error:
        sight.failed[photo.key] = str(error)
        return
    for stage, begin, end in zip(STAGES, (began, chosen, judged), (found, judged, done), strict=True):
        sight.spent[stage].add(begin, end)
    sight.seen[photo.key] = Seen(photo.person, photo.key, embedding, quality, len(faces))


def middle(faces: list[Face], pixels: NDArray[np.uint8]) -> Face:
    """Of several people in a picture, LFW means the one in the middle."""
    centre = np.array(pixels.shape[1::-1]) / 2
    return min(faces, key=lambda face: float(np.hypot(*(np.array(face.box.centre) - centre))))
