"""Fills the rehearsal's gallery the way a real one is filled: photographs, their judgement, the encrypted store."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Final

import cv2

from controller.drill.access import enlist
from controller.drill.cards import equip
from controller.drill.scenario import person_id
from controller.errors import GalleryError
from controller.gallery.enrol import Enroller
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Consent
from controller.gallery.roll import read_roll
from controller.gallery.store import GalleryStore
from hw.sim.scene import enrolment_photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.drill.scenario import Scenario
    from controller.gallery.enrol import PersonResult
    from controller.perception.types import FaceEngine

PHOTOS: Final = 2
"""Photographs of each person: one strictly frontal, one a degree or two off in other light."""

BASIS: Final = Consent("rehearsal: drawn people, of whom nobody lives", dt.date(2020, 1, 1))

DRAWN_THRESHOLD: Final = {"opencv": 0.80, "tflite": 0.80}
"""Cosine from which two pictures of drawn people are one person. Real embedders find drawn people more alike than
real ones: at their own threshold of 0.45 one in ten different pairs passes, at these none of 497,500 did. The median of
a person's own pictures is 0.95 and 0.97 (docs/simulated-world.md). The demo engine's own is made for drawn people."""


def enrol(scenario: Scenario, engine: FaceEngine, folder: Path, progress: Callable[[int], None]) -> GalleryIndex:
    """Enrol everybody registered into a gallery in `folder`, and read it back from its file.

    `progress` is told how many are done. Raises `GalleryError` when somebody cannot be enrolled: what comes after would
    rehearse nothing.
    """
    photos = folder / "photos"
    with GalleryStore.open(folder, create=True) as store:
        enroller = Enroller(engine, _index(engine), store, basis=BASIS)
        for done, identity in enumerate(scenario.registered, start=1):
            _draw(photos / person_id(identity), identity)
            for result in enroller.enrol(read_roll(photos).candidates):
                if not result.enrolled:
                    raise GalleryError(f"{result.person.person} cannot be enrolled for the rehearsal: {_why(result)}")
            # No face stays on disk in the clear.
            shutil.rmtree(photos)
            progress(done)
        equip(scenario, store)
        enlist(scenario, store)
        index = _index(engine)
        index.load(store)
    return index


def _index(engine: FaceEngine) -> GalleryIndex:
    return GalleryIndex.for_engine(engine, threshold=DRAWN_THRESHOLD.get(engine.name))


def _draw(folder: Path, identity: int) -> None:
    folder.mkdir(parents=True)
    for moment in range(PHOTOS):
        path = folder / f"{moment}.png"
        if not cv2.imwrite(str(path), enrolment_photo(identity, moment, glasses=False)):
            raise GalleryError(f"{path}: the drawn photograph cannot be written")


def _why(result: PersonResult) -> str:
    reasons = [f"{photo.photo.name}: {photo.reason}" for photo in result.photos if photo.reason]
    return "; ".join([result.reason, *reasons])
