"""Enrolment: photographs to templates, each photograph judged, each person one transaction.

A person is enrolled when at least one photograph is good, and refused when their face is already enrolled under another
id. Stopping in between loses nothing; running again renews who is there.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.errors import EngineError, ImageError
from controller.gallery.model import Enrolment, Picture, Template
from controller.perception.quality import assess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.gallery.index import GalleryIndex
    from controller.gallery.model import Person
    from controller.gallery.roll import Candidate
    from controller.gallery.store import GalleryStore
    from controller.perception.types import Face, FaceEngine

LARGEST_BYTES = 30_000_000
LONGEST_SIDE = 1600
"""Larger photographs are reduced before a face is looked for, pixels."""
LEAST_QUALITY = 0.3
SECOND_FACE = 0.5
"""A second face at least so wide as this share of the first makes a photograph ambiguous."""


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """What became of one photograph."""

    photo: Path
    reason: str
    """Why it was rejected; empty when it was taken."""
    quality: float | None


@dataclass(frozen=True, slots=True)
class PersonResult:
    """What became of one person."""

    person: Person
    photos: tuple[PhotoResult, ...]
    reason: str
    """Why they were not enrolled; empty when they were (or, in a dry run, would be)."""

    @property
    def enrolled(self) -> bool:
        """Whether they are in the gallery now."""
        return not self.reason


class Enroller:
    """Enrols with one engine into one gallery.

    Args:
        engine: makes the templates.
        index: the gallery in memory; kept up to date, so that duplicates within one run are found as well.
        store: the gallery on disk; None for a dry run.
        keep_pictures: keep the photographs that were taken, sealed beside the templates.
    """

    def __init__(
        self, engine: FaceEngine, index: GalleryIndex, store: GalleryStore | None, *, keep_pictures: bool = False
    ) -> None:
        self._engine = engine
        self._index = index
        self._store = store
        self._keep_pictures = keep_pictures
        everybody = () if store is None else store.people().values()
        self._without_face = {one.person for one in everybody if one.no_face}
        self._others: dict[str, list[Template]] = {}
        for person, template in () if store is None else store.templates():
            if template.model != engine.template_model:
                self._others.setdefault(person, []).append(template)

    def enrol(
        self, roll: Iterable[Candidate], progress: Callable[[PersonResult], None] = lambda _: None
    ) -> list[PersonResult]:
        """Enrol everybody on a roll, telling `progress` of each. Raises `StoreError` when the disk refuses."""
        results = []
        for candidate in roll:
            results.append(self.enrol_one(candidate))
            progress(results[-1])
        return results

    def enrol_one(self, candidate: Candidate) -> PersonResult:
        """Enrol one person."""
        if candidate.person.person in self._without_face:
            # Before a photograph is even opened: they refused to have their face turned into numbers.
            reason = "is known without a face (`thermogate credential policy --face` would change that)"
            return PersonResult(candidate.person, (), reason)
        photos: list[PhotoResult] = []
        templates: list[NDArray[np.float32]] = []
        for photo in candidate.photos:
            try:
                embedding, quality = self._template(photo)
            except (ImageError, EngineError) as error:
                photos.append(PhotoResult(photo, str(error), None))
            else:
                photos.append(PhotoResult(photo, "", quality))
                templates.append(embedding)
        reason = self._refusal(candidate.person, templates)
        if not reason:
            if self._store is not None:
                pictures = self._pictures(photos) if self._keep_pictures else ()
                everything = self._with_others(candidate.person, templates)
                self._store.write([Enrolment(candidate.person, everything, pictures)])
            self._index.add(candidate.person, templates)
        return PersonResult(candidate.person, tuple(photos), reason)

    def _pictures(self, photos: list[PhotoResult]) -> tuple[Picture, ...]:
        """The photographs that were taken, as they were looked at: reduced, and without what a camera writes beside."""
        today = dt.date.today().toordinal()  # noqa: DTZ011 - the day on the wall, as the retention counts
        taken = [read_photo(photo.photo) for photo in photos if not photo.reason]
        return tuple(Picture(cv2.imencode(".jpg", pixels)[1].tobytes(), today) for pixels in taken)

    def _with_others(self, person: Person, fresh: list[NDArray[np.float32]]) -> tuple[Template, ...]:
        """The new templates, and those that another engine made of this person before."""
        mine = (Template(self._engine.template_model, embedding) for embedding in fresh)
        return (*self._others.get(person.person, ()), *mine)

    def _refusal(self, person: Person, embeddings: Sequence[NDArray[np.float32]]) -> str:
        if not embeddings:
            return "no usable photograph"
        for embedding in embeddings:
            for other, score in self._index.rank(embedding):
                if other != person.person and score >= self._index.threshold:
                    return f"this face is already enrolled as {other} (score {score:.2f})"
        least = self._engine.threshold / 2
        similar = min(float(one @ embeddings[0]) for one in embeddings)
        if similar < least:
            return f"the photographs show different people (score {similar:.2f})"
        return ""

    def _template(self, photo: Path) -> tuple[NDArray[np.float32], float]:
        """Embedding and quality of a photograph's face. Raises `ImageError` with the reason against it."""
        pixels = read_photo(photo)
        face = _only_face(self._engine.detect(pixels))
        quality = assess(pixels, face)
        if quality.overall < LEAST_QUALITY:
            weakest = min(("size", "sharpness", "exposure", "pose"), key=lambda term: float(getattr(quality, term)))
            raise ImageError(f"{weakest} is not good enough ({quality.overall:.2f} of {LEAST_QUALITY})")
        return self._engine.embed(pixels, face), quality.overall


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photograph, upright by its EXIF note, uint8[height, width, 3] BGR, at most 1600 pixels long.

    Raises `ImageError` with the reason.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ImageError(f"is larger than {LARGEST_BYTES // 1_000_000} MB")
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ImageError("is not a picture, or is damaged")
    scale = LONGEST_SIDE / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(pixels, dtype=np.uint8)


def _only_face(faces: list[Face]) -> Face:
    if not faces:
        raise ImageError("shows no face")
    if len(faces) > 1 and faces[1].box.width >= SECOND_FACE * faces[0].box.width:
        raise ImageError(f"shows {len(faces)} faces")
    return faces[0]
