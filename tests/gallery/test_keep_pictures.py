"""Enrolment keeps photographs only where the school switched that on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.gallery.enrol import Change, Enroller
from controller.gallery.model import Consent, Enrolment, Person
from controller.gallery.pictures import pictures_of
from controller.gallery.roll import Candidate

if TYPE_CHECKING:
    from pathlib import Path

    from controller.gallery.index import GalleryIndex
    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine

CONSENT = Consent("consent", dt.date(2026, 3, 1), "guardian", "face")


def test_photographs_are_kept_only_where_the_school_says_so(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, tmp_path: Path
) -> None:
    photo = tmp_path / "p1.png"
    cv2.imwrite(str(photo), np.random.default_rng(4).integers(0, 255, (300, 240, 3), dtype=np.uint8))
    candidate = Candidate(Person("p1"), (photo,), CONSENT)
    assert Enroller(engine, index, store).enrol_one(candidate).enrolled
    assert pictures_of(store, "p1") == []
    assert Enroller(engine, index, store, keep_pictures=True, renew=True).enrol_one(candidate).enrolled
    (kept,) = pictures_of(store, "p1")
    assert kept.jpeg.startswith(b"\xff\xd8")
    assert kept.day == dt.date.today().toordinal()  # noqa: DTZ011 - as enrolment counts


def test_of_somebody_known_without_a_face_no_photograph_is_opened(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, tmp_path: Path
) -> None:
    photo = tmp_path / "p1.png"
    cv2.imwrite(str(photo), np.random.default_rng(4).integers(0, 255, (300, 240, 3), dtype=np.uint8))
    store.write([Enrolment(Person("p1", no_face=True), ())])
    result = Enroller(engine, index, store).enrol_one(Candidate(Person("p1"), (photo,), CONSENT))
    assert result.change is Change.UNCHANGED
    assert "known without a face" in result.photos[0].reason
    assert store.enrolments() == [Enrolment(Person("p1", no_face=True), ())]


def test_their_dates_and_groups_follow_the_roll(
    engine: FaceEngine, index: GalleryIndex, store: GalleryStore, tmp_path: Path
) -> None:
    store.write([Enrolment(Person("p1", no_face=True), ())])
    until = dt.date(2030, 7, 15)
    candidate = Candidate(Person("p1", valid_until=until, groups=("staff",)), (tmp_path / "absent.png",))
    enroller = Enroller(engine, index, store)
    assert [enroller.enrol_one(candidate).change for _ in range(2)] == [Change.RENEWED, Change.UNCHANGED]
    assert store.people()["p1"] == Person("p1", valid_until=until, groups=("staff",), no_face=True)
    assert index.person("p1") is not None
