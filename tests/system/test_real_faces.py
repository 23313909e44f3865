"""Real photographs through the whole program, both engines: the right people in, everybody else out.

The photograph is the camera's frame; a heat scene with that face's box in °C stands before the simulated chip, noise
on. Everything above camera and bus is what ships.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.perception.engines import open_engine
from hw.sim.clock import ManualClock
from hw.sim.figures import PhotoCard, PhotoPerson
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.perception.types import FaceEngine

PEOPLE = 40
SEED = 2020
BODY = 36.6
"""Everybody's temperature, °C: this test is about faces."""

pytestmark = [pytest.mark.models, pytest.mark.realdata, pytest.mark.timeout(900)]


def photographs(testdata: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """Photographs by name, of people who have at least three."""
    names = (testdata / "face" / "gallery_dev.txt").read_text(encoding="utf-8").split()
    found = {}
    for name in names:
        files = sorted((testdata / "face" / "lfw" / name).glob("*.jpg"))
        pictures = [cv2.imread(str(file)) for file in files[:3]]
        found[name] = [np.asarray(picture, dtype=np.uint8) for picture in pictures if picture is not None]
    return {name: pictures for name, pictures in found.items() if len(pictures) == 3}


class Places:
    """Where the face is in a photograph, found by one detector for both engines."""

    def __init__(self, models: Path) -> None:
        self._detector = open_engine("opencv", models)

    def alone(self, picture: NDArray[np.uint8]) -> bool:
        """Whether the camera's frame shows one face: somebody behind is a second person, and refused as such."""
        world = World(ManualClock(), seed=SEED)
        world.place(PhotoPerson(image=picture, box=self.box(picture)))
        faces = self._detector.detect(world.picture())
        return len([face for face in faces if face.box.width > 0.12 * world.width]) == 1

    def box(self, picture: NDArray[np.uint8]) -> tuple[float, float, float, float]:
        box = self._detector.detect(picture)[0].box
        return box.x, box.y, box.width, box.height


def enrol(engine: FaceEngine, index: GalleryIndex, name: str, pictures: list[NDArray[np.uint8]]) -> None:
    templates = []
    for picture in pictures:
        large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        frame = np.asarray(large, dtype=np.uint8)
        templates.append(engine.embed(frame, engine.detect(frame)[0]))
    index.add(Person(name), templates)


@pytest.mark.parametrize("name", ["opencv", "tflite"])
def test_the_right_people_in_strangers_and_photographs_out(
    name: str,
    models: Path,
    testdata: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lane: Callable[..., Any],
    rate: Callable[[int, int], str],
) -> None:
    engine = open_engine(name, models)
    places = Places(models)
    people = {who: three for who, three in photographs(testdata).items() if places.alone(three[2])}
    registered, strangers = list(people)[:PEOPLE], list(people)[PEOPLE : 2 * PEOPLE]
    assert len(registered) == len(strangers) == PEOPLE
    index = GalleryIndex.for_engine(engine)
    for person in registered:
        enrol(engine, index, person, people[person][:2])

    def living(person: str) -> PhotoPerson:
        picture = people[person][2]
        return PhotoPerson(image=picture, box=places.box(picture), core=BODY)

    def printed(person: str) -> PhotoCard:
        picture = people[person][2]
        return PhotoCard(image=picture, box=places.box(picture))

    figures = [living(person) for person in registered + strangers] + [printed(person) for person in registered]
    answers = lane(engine, index, tmp_path, seed=SEED).visit(figures)
    known, unknown, cards = answers[:PEOPLE], answers[PEOPLE : PEOPLE + len(strangers)], answers[-PEOPLE:]
    right = sum(answer.granted == person for answer, person in zip(known, registered, strict=True))
    wrong = sum(answer.granted not in (None, person) for answer, person in zip(known, registered, strict=True))
    let_in = sum(answer.granted is not None for answer in unknown)
    fooled = sum(answer.granted is not None for answer in cards)
    with capsys.disabled():
        print(f"\n{name}, {PEOPLE} people registered with two photographs, one thermal and face attempt or two:")
        print(f"  registered, let in as themselves: {rate(right, len(known))}")
        print(f"  registered, taken for another:    {rate(wrong, len(known))}")
        print(f"  strangers let in:                 {rate(let_in, len(unknown))}")
        print(f"  printed photographs let in:       {rate(fooled, len(cards))}")
        print(f"  reasons: known {reasons(known)}, strangers {reasons(unknown)}, photographs {reasons(cards)}")
    assert fooled == 0
    assert wrong == 0
    assert let_in <= 1
    # Thumbnails of 150 pixels, enlarged: of such, docs/models.md measures .95 found by the engines alone.
    assert right >= 0.8 * len(known)


def reasons(answers: list[Any]) -> dict[str, int]:
    return dict(Counter(reason for answer in answers for reason in answer.reasons).most_common())
