"""Photographs to templates: each judged with a reason, each person whole or not at all."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from controller.gallery.credentials import add_credential, credentials_of
from controller.gallery.enrol import Change, Enroller
from controller.gallery.model import Consent, Enrolment, Person, Template
from controller.gallery.roll import Candidate
from controller.gallery.settings import EnrolmentSettings

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

TODAY = dt.date(2026, 9, 1)
BASIS = Consent("a law", TODAY)


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
    return Enroller(engine, index, store, basis=BASIS, today=lambda: TODAY)


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
    assert reasons[1] == "is truncated"
    assert reasons[2] == "is empty"
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
    Enroller(engine, index, store, basis=BASIS).enrol_one(Candidate(Person("p1"), (photo("a.png", 1),)))
    assert sorted(template.model for _, template in store.templates()) == [engine.template_model, "othernet:abc"]


def test_a_dry_run_writes_nothing_but_finds_duplicates(engine: FaceEngine, index: GalleryIndex, photo: Photo) -> None:
    told: list[PersonResult] = []
    results = Enroller(engine, index, None, basis=BASIS).enrol(
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

    result = Enroller(Double(), index, None, basis=BASIS).enrol_one(  # type: ignore[arg-type]
        Candidate(Person("p1"), (photo("a.png", 1),))
    )
    assert result.photos[0].reason == "shows 2 faces"


CONSENT = Consent("consent", dt.date(2026, 3, 1), "guardian", "face temperature")


@pytest.mark.parametrize(
    ("consent", "said"),
    [
        (None, "no consent record (consent columns, --consent-file, or --legal-basis)"),
        (Consent("consent", dt.date(2027, 1, 1), "self", "face"), "the consent is dated 2027-01-01, which is to come"),
        (
            Consent("consent", dt.date(2025, 1, 1), "self", "face", dt.date(2026, 8, 31)),
            "the consent ended on 2026-08-31",
        ),
        (
            Consent("consent", dt.date(2025, 1, 1), "self", "lunch"),
            "the consent's scope 'lunch' does not contain 'face'",
        ),
    ],
)
def test_without_a_right_to_it_no_template_is_made(
    consent: Consent | None, said: str, engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    enroller = Enroller(engine, index, store, today=lambda: TODAY)
    result = enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1),), consent))
    assert (result.change, result.reason) == (Change.REFUSED, said)
    assert store.people() == {}


def test_the_consent_is_stored_and_ends_the_validity(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    ends = Consent("consent", dt.date(2026, 3, 1), "guardian", "face", dt.date(2027, 6, 30))
    enroller = Enroller(engine, index, store, today=lambda: TODAY)
    assert enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1),), ends)).enrolled
    (found,) = store.enrolments()
    assert found.origin.consent == ends
    assert found.origin.enrolled == TODAY
    assert found.person.valid_until == ends.expires


def test_what_is_the_same_is_left_alone_and_keeps_its_date(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    candidate = Candidate(Person("p1"), (photo("a.png", 1),), CONSENT)
    assert Enroller(engine, index, store, today=lambda: TODAY).enrol_one(candidate).change is Change.NEW
    records = store.traces("p1")

    def later() -> dt.date:
        return TODAY + dt.timedelta(days=100)

    assert Enroller(engine, index, store, today=later).enrol_one(candidate).change is Change.UNCHANGED
    assert store.traces("p1") == records
    renewed = Enroller(engine, index, store, today=later, renew=True).enrol_one(candidate)
    assert renewed.change is Change.RENEWED
    assert store.origins()["p1"].enrolled == TODAY
    other = Candidate(Person("p1"), (photo("b.png", 1, shade=3),), CONSENT)
    assert Enroller(engine, index, store, today=later).enrol_one(other).change is Change.RENEWED
    assert store.origins()["p1"].enrolled == later()


def test_a_stated_basis_is_not_renewed_every_day(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    candidate = Candidate(Person("p1"), (photo("a.png", 1),))
    assert Enroller(engine, index, store, basis=Consent("a law", TODAY)).enrol_one(candidate).enrolled
    tomorrow = Consent("a law", TODAY + dt.timedelta(days=1))
    assert Enroller(engine, index, store, basis=tomorrow).enrol_one(candidate).change is Change.UNCHANGED


def test_who_looks_alike_is_marked_on_both_sides(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    band = EnrolmentSettings(duplicate=0.9999999, resemblance=0.9)
    enroller = Enroller(engine, index, store, basis=BASIS, settings=band, today=lambda: TODAY)
    first, twin, stranger = enroller.enrol(
        [
            Candidate(Person("p1"), (photo("a.png", 1),)),
            Candidate(Person("p2"), (photo("b.png", 1, shade=6),)),
            Candidate(Person("p3"), (photo("c.png", 2),)),
        ]
    )
    assert (first.enrolled, twin.enrolled, stranger.enrolled) == (True, True, True)
    assert list(twin.alike) == ["p1"]
    assert {one.person: one.second_factor for one in store.people().values()} == {"p1": True, "p2": True, "p3": False}
    assert [index.needs_second_factor(person) for person in ("p1", "p2", "p3", "p4")] == [True, True, False, False]
    index.load(store)
    (template,) = [one.embedding for person, one in store.templates() if person == "p1"]
    index.margin = 0.0
    found = index.identify(template).match
    assert found is not None
    assert index.needs_second_factor(found.person)


def test_what_was_said_by_hand_stays(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    candidate = Candidate(Person("p1"), (photo("a.png", 1),))
    assert Enroller(engine, index, store, basis=BASIS).enrol_one(candidate).enrolled
    add_credential(store, "p1", "card", "1-1")
    store.set_factors("p1", second_factor=True, no_face=False)
    again = Enroller(engine, index, store, basis=BASIS, renew=True).enrol_one(candidate)
    assert again.change is Change.RENEWED
    assert again.person.second_factor
    assert index.needs_second_factor("p1")
    assert store.people()["p1"].second_factor
    assert [one.kind for one in credentials_of(store)] == ["card"]
    assert Enroller(engine, index, store, basis=BASIS).enrol_one(candidate).change is Change.UNCHANGED


def test_a_mark_writes_over_nothing_that_was_changed_meanwhile(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    band = EnrolmentSettings(duplicate=0.9999999, resemblance=0.9)
    enroller = Enroller(engine, index, store, basis=BASIS, settings=band)
    enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1),)))
    store.set_factors("p1", second_factor=False, no_face=True)
    enroller.enrol_one(Candidate(Person("p2"), (photo("b.png", 1, shade=6),)))
    assert store.people()["p1"] == Person("p1", second_factor=True, no_face=True)
    assert [person for person, _ in store.templates()] == ["p2"]


def test_a_duplicate_may_be_marked_instead(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    marking = EnrolmentSettings(on_duplicate="mark")
    enroller = Enroller(engine, index, store, basis=BASIS, settings=marking)
    enroller.enrol_one(Candidate(Person("p1"), (photo("a.png", 1),)))
    second = enroller.enrol_one(Candidate(Person("p2"), (photo("b.png", 1, shade=2),)))
    assert second.enrolled
    assert second.person.second_factor


def test_settings_upside_down_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be above"):
        EnrolmentSettings(duplicate=0.5, resemblance=0.6)


def test_a_stored_consent_outlives_a_stated_basis_while_it_holds(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, photo: Photo
) -> None:
    ends = Consent("consent", dt.date(2026, 3, 1), "guardian", "face", dt.date(2026, 12, 31))
    path = photo("a.png", 1)
    Enroller(engine, index, store, today=lambda: TODAY).enrol_one(Candidate(Person("p1"), (path,), ends))
    without = Candidate(Person("p1"), (path,))
    assert (
        Enroller(engine, index, store, basis=BASIS, today=lambda: TODAY).enrol_one(without).change is Change.UNCHANGED
    )
    assert store.origins()["p1"].consent == ends
    later = Enroller(engine, index, store, basis=BASIS, today=lambda: dt.date(2027, 1, 1))
    assert later.enrol_one(without).change is Change.RENEWED
    assert store.origins()["p1"].consent == BASIS
    assert store.people()["p1"].valid_until is None
