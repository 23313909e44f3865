"""Photographs to templates: each judged with a reason, each person whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from controller.gallery.enrol import Enroller
from controller.gallery.model import Enrolment, Person, Template
from controller.gallery.roll import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.gallery.enrol import PersonResult
    from controller.gallery.index import GalleryIndex
    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine

    Photo = Callable[..., Path]
    Vector = Callable[[int], NDArray[np.float32]]


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Draws a sharp, well-lit picture whose quarters have colours of a seed; `shade` makes another picture of it."""

    def draw(name: str, seed: int, *, shade: int = 0, blur: float = 0.0) -> Path:
        rng = np.random.default_rng(seed)
        picture = np.kron(rng.integers(60, 190, (2, 2, 3)), np.ones((120, 120, 1))).astype(np.float32)
        texture = np.random.default_rng(99).normal(0, 25, (240, 240, 1))
        pixels = np.clip(picture + texture + shade, 1, 255).astype(np.uint8)
        if blur:
            pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), dtype=np.uint8)
        path = tmp_path / name
        cv2.imwrite(str(path), pixels)
        return path

    return draw


@pytest.fixture
def enroller(engine: FaceEngine, index: GalleryIndex, store: GalleryStore) -> Enroller:
    return Enroller(engine, index, store)


def test_a_good_photograph_enrols(enroller: Enroller, photo: Photo, store: GalleryStore, index: GalleryIndex) -> None:
    result = enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1), photo("b.png", 1, shade=3))))
    assert result.enrolled
    assert [one.reason for one in result.photos] == ["", ""]
    assert [person for person, _ in store.templates()] == ["p1", "p1"]
    assert "p1" in index


def test_each_rejected_photograph_has_its_reason(enroller: Enroller, photo: Photo, tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.zeros((100, 100, 3), dtype=np.uint8))
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(b"\xff\xd8\xff not a picture")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    blurred = photo("blurred.png", 1, blur=12.0)
    photos = (tmp_path / "absent.jpg", torn, empty, black, blurred, photo("good.png", 1))
    result = enroller.enrol_one(Candidate(Person("p1"), photos))
    assert result.enrolled
    reasons = [one.reason for one in result.photos]
    assert reasons[0].startswith("cannot be read: No such file")
    assert reasons[1] == reasons[2] == "is not a picture, or is damaged"
    assert reasons[3] == "shows no face"
    assert reasons[4].startswith("sharpness is not good enough")
    assert reasons[5] == ""


def test_without_a_usable_photograph_nobody_is_enrolled(
    enroller: Enroller, store: GalleryStore, tmp_path: Path
) -> None:
    result = enroller.enrol_one(Candidate(Person("p1"), (tmp_path / "absent.jpg",)))
    assert not result.enrolled
    assert result.reason == "no usable photograph"
    assert store.people() == {}


def test_the_same_face_under_another_id_is_refused(enroller: Enroller, photo: Photo, store: GalleryStore) -> None:
    first, second = enroller.enrol(
        [Candidate(Person("p1"), (photo("a.png", 1),)), Candidate(Person("p2"), (photo("b.png", 1, shade=2),))]
    )
    assert first.enrolled
    assert second.reason.startswith("this face is already enrolled as p1 (score")
    assert list(store.people()) == ["p1"]


def test_photographs_of_different_people_are_noticed(enroller: Enroller, photo: Photo) -> None:
    result = enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1), photo("b.png", 2))))
    assert result.reason.startswith("the photographs show different people")


def test_enrolling_again_renews(enroller: Enroller, photo: Photo, store: GalleryStore) -> None:
    enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1), photo("b.png", 1, shade=2))))
    again = enroller.enrol_one(Candidate(Person("p1"), (photo("c.png", 1, shade=4),)))
    assert again.enrolled
    assert len(list(store.templates())) == 1


def test_templates_of_another_engine_stay(
    engine: FaceEngine,
    index: GalleryIndex,
    store: GalleryStore,
    photo: Photo,
    vector: Callable[[int], NDArray[np.float32]],
) -> None:
    store.write([Enrolment(Person("p1"), (Template("othernet:abc", vector(1)),))])
    Enroller(engine, index, store).enrol_one(Candidate(Person("p1"), (photo("a.png", 1),)))
    assert sorted(template.model for _, template in store.templates()) == [engine.template_model, "othernet:abc"]


def test_a_dry_run_writes_nothing_but_finds_duplicates(engine: FaceEngine, index: GalleryIndex, photo: Photo) -> None:
    told: list[PersonResult] = []
    results = Enroller(engine, index, None).enrol(
        [Candidate(Person("p1"), (photo("a.png", 1),)), Candidate(Person("p2"), (photo("b.png", 1, shade=2),))],
        told.append,
    )
    assert [result.enrolled for result in results] == [True, False]
    assert told == results


def test_a_photograph_with_two_faces_is_refused(index: GalleryIndex, photo: Photo, engine: FaceEngine) -> None:
    class Double:
        """The engine, seeing everybody twice."""

        def __getattr__(self, name: str) -> object:
            return getattr(engine, name)

        def detect(self, pixels: NDArray[np.uint8]) -> list[object]:
            return [*engine.detect(pixels), *engine.detect(pixels)]

    result = Enroller(Double(), index, None).enrol_one(Candidate(Person("p1"), (photo("a.png", 1),)))  # type: ignore[arg-type]
    assert result.photos[0].reason == "shows 2 faces"
