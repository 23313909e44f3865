"""Drawn people: the same from the same number, plausible, found by the cascade that OpenCV ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from hw.sim.faces import Moment, draw_face
from hw.sim.faces_identity import Identity, plausible
from hw.sim.figures import Person
from hw.sim.scene import dressed, enrolment_photo

if TYPE_CHECKING:
    from hw.sim.world import World


def test_the_same_number_gives_the_same_picture() -> None:
    moment = Moment.of(np.random.default_rng(1))
    Identity.of.__func__.cache_clear()  # type: ignore[attr-defined]  # mypy knows no cache behind a classmethod
    first = draw_face(5, moment, scale=40)
    Identity.of.__func__.cache_clear()  # type: ignore[attr-defined]
    again = draw_face(5, moment, scale=40)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.alpha, again.alpha)


def test_a_negative_number_is_nobody() -> None:
    with pytest.raises(ValueError, match="not negative: -1"):
        Identity.of(-1)


def test_every_number_is_a_plausible_person() -> None:
    people = [Identity.of(number) for number in range(150)]
    assert all(plausible(who) for who in people)
    assert {who.build for who in people} == {"man", "woman", "child", "elder"}


def test_a_squint_is_not_plausible() -> None:
    who = Identity.of(0)
    assert not plausible(replace(who, eyes=replace(who.eyes, spacing=0.2)))


def test_a_sheet_says_where_its_face_is() -> None:
    sheet = draw_face(2, scale=50)
    x, y = (round(value) for value in sheet.origin)
    assert sheet.image.shape == (*sheet.alpha.shape, 3)
    assert sheet.alpha[y, x] == pytest.approx(1)
    assert sheet.alpha[0].max() == 0
    assert sheet.alpha[round(y + sheet.chin * 50) - 5, x] == pytest.approx(1)


@pytest.mark.parametrize("worn", ["hat", "mask"])
def test_hat_and_mask_cover_their_part_only(worn: str) -> None:
    plain = draw_face(4, scale=40)
    covered = draw_face(4, Moment(hat=worn == "hat", mask=worn == "mask"), scale=40)
    changed = np.abs(plain.image.astype(int) - covered.image).max(axis=2) > 25
    y = round(plain.origin[1])
    upper, lower = changed[: y - 15].mean(), changed[y + 15 : y + 55].mean()
    assert (upper > 5 * lower) if worn == "hat" else (lower > 5 * upper)


def test_glasses_may_be_put_on_and_taken_off() -> None:
    wearer = next(number for number in range(100) if Identity.of(number).style.glasses)
    assert dressed(wearer, None) is Identity.of(wearer)
    assert dressed(wearer, glasses=True) is Identity.of(wearer)
    assert dressed(wearer, glasses=False).style.glasses == 0


def test_the_cascade_finds_nearly_everybody(world: World) -> None:
    folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]  # absent from OpenCV's stubs
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
    found = 0
    for number in range(60):
        rng = np.random.default_rng((number, 3))
        world.clear()
        world.place(Person(identity=number, moment=1, distance=float(rng.uniform(0.42, 0.66))))
        grey = cv2.cvtColor(world.picture(float(rng.uniform(0, 9))), cv2.COLOR_BGR2GRAY)
        found += len(cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(64, 64))) > 0
    assert found >= 0.97 * 60


def test_an_enrolment_photo_is_steady_and_sized() -> None:
    assert np.array_equal(enrolment_photo(8), enrolment_photo(8))
    assert not np.array_equal(enrolment_photo(8), enrolment_photo(8, 1))
    assert enrolment_photo(8, size=(320, 240)).shape == (240, 320, 3)
