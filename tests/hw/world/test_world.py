"""Who is seen when and where, in which order, from any thread."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from hw.sim.figures import Card, Person, PhotoCard, PhotoPerson, Screen
from hw.sim.scene import enrolment_photo
from hw.sim.skin import face_maximum
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.sim.clock import ManualClock
    from hw.sim.placing import Box


def test_equal_worlds_look_equal(clock: ManualClock) -> None:
    views = []
    for _ in range(2):
        world = World(clock, seed=9)
        world.place(Person(identity=3, moment=2))
        views.append((world.picture(1.25), world.heat(1.25)))
    assert np.array_equal(views[0][0], views[1][0])
    assert np.array_equal(views[0][1], views[1][1])


def test_noise_and_sway_make_each_frame_another(world: World) -> None:
    world.place(Person(identity=3))
    first, second = world.picture(1.0), world.picture(1.1)
    assert first.shape == (480, 640, 3)
    assert first.dtype == np.uint8
    noise = (first.astype(float) - second)[:60, 500:].std() / math.sqrt(2)
    assert 1.5 < noise < 4.0


def test_the_clock_tells_the_time_where_none_is_given(world: World, clock: ManualClock) -> None:
    figure = Person(identity=3, arrival=5.0)
    world.place(figure)
    assert np.array_equal(world.heat(), world.heat(0.0))
    clock.advance(6.0)
    assert np.array_equal(world.heat(), world.heat(6.0))
    assert world.face_box(figure) == world.face_box(figure, 6.0)
    assert world.heat().max() > 33


def test_a_figure_walks_up_stands_and_leaves(world: World) -> None:
    figure = Person(identity=3, arrival=10.0, approach=2.0, leaves=20.0)
    world.place(figure)
    assert world.heat(7.9).max() < 25
    widths = [world.face_box(figure, time)[2] for time in (8.0, 9.0, 10.0, 15.0)]
    assert widths[0] < widths[1] < widths[2] == widths[3]
    assert world.heat(8.5).max() > 28
    assert world.heat(20.0).max() < 25


def test_the_nearer_figure_hides_the_further(world: World) -> None:
    near, far = Person(identity=3, distance=0.5), Person(identity=4, distance=0.9)
    world.place(near)
    alone = world.picture(1.0)
    world.clear()
    world.place(near)
    world.place(far)
    both = world.picture(1.0)
    x, y, width, height = (round(value) for value in world.face_box(near, 1.0))
    inner = np.s_[y + height // 4 : y + height // 2, x + width // 4 : x + 3 * width // 4]
    assert np.array_equal(alone[inner], both[inner])


def test_placing_and_removing(world: World) -> None:
    figure = Person(identity=3)
    world.place(figure)
    world.place(Person(identity=4))
    world.remove(figure)
    world.remove(figure)
    assert [seen.identity for seen in world.figures() if isinstance(seen, Person)] == [4]
    with pytest.raises(KeyError):
        world.face_box(figure)


@pytest.mark.parametrize("wrong", [{"distance": 0.0}, {"arrival": 5.0, "leaves": 4.0}, {"approach": -1.0}])
def test_impossible_figures_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="figure"):
        Person(identity=1, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("distance", "x"), [(0.42, 0.0), (0.5, -0.06), (0.65, 0.08)])
def test_the_true_box_is_where_the_cascade_finds_the_face(
    world: World, overlap: Callable[[Box, Box], float], distance: float, x: float
) -> None:
    folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]  # absent from OpenCV's stubs
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
    overlaps = []
    for number in range(8):
        figure = Person(identity=number, distance=distance, x=x)
        world.clear()
        world.place(figure)
        grey = cv2.cvtColor(world.picture(2.0), cv2.COLOR_BGR2GRAY)
        for box in cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(64, 64))[:1]:
            left, top, width, height = (float(value) for value in box)
            overlaps.append(overlap((left, top, width, height), world.face_box(figure, 2.0)))
    assert len(overlaps) >= 7
    assert min(overlaps) > 0.5


@pytest.mark.parametrize("kind", [Card, Screen])
def test_a_card_shows_its_face_where_it_says(world: World, kind: type[Card]) -> None:
    card = kind(identity=11, distance=0.4)
    world.place(card)
    folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
    grey = cv2.cvtColor(world.picture(2.0), cv2.COLOR_BGR2GRAY)
    found = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(64, 64))
    x, y, width, height = world.face_box(card, 2.0)
    assert any(
        abs(a + c / 2 - x - width / 2) < 0.2 * width and abs(b + d / 2 - y - height / 2) < 0.2 * height
        for a, b, c, d in found
    )


def test_a_photographed_person_fills_the_frame_and_is_warm_in_the_box(world: World) -> None:
    photo = cv2.resize(enrolment_photo(7), (160, 120), interpolation=cv2.INTER_AREA)
    figure = PhotoPerson(image=np.asarray(photo, np.uint8), box=(58, 35, 45, 46), core=38.5)
    world.place(figure)
    x, y, width, height = world.face_box(figure, 0.0)
    assert (x, y, width, height) == pytest.approx((232, 140, 180, 184))
    enlarged = cv2.resize(photo, (640, 480), interpolation=cv2.INTER_CUBIC).astype(float)
    assert np.abs(world.picture(0.0) - enlarged).mean() < 6
    heat = world.heat(0.0)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    maximum = face_maximum(38.5, world.ambient)
    assert maximum - heat.max() == pytest.approx(0.9 * (maximum - world.ambient) / 11.8, abs=0.3)
    focal, z = world.mount.focal(640), figure.distance
    left, top = world.mount.to_array((x - 320) * z / focal, (y - 240) * z / focal, z, 32, 24)
    right, bottom = world.mount.to_array((x + width - 320) * z / focal, (y + height - 240) * z / focal, z, 32, 24)
    assert left < column < right
    assert top < row < bottom


def test_a_narrow_photograph_is_not_stretched(world: World) -> None:
    photo = np.full((150, 100, 3), 90, np.uint8)
    figure = PhotoPerson(image=photo, box=(30, 40, 40, 50))
    world.place(figure)
    assert world.face_box(figure, 0.0) == pytest.approx((160 + 96, 128, 128, 160))


def test_the_same_photograph_on_a_card_is_cold(world: World) -> None:
    photo = np.asarray(cv2.resize(enrolment_photo(7), (160, 120)), np.uint8)
    world.place(PhotoCard(image=photo, box=(58, 35, 45, 46)))
    assert world.heat(0.0) == pytest.approx(world.ambient, abs=1e-3)


def test_people_come_and_go_while_pictures_are_taken(world: World) -> None:
    people = [Person(identity=number) for number in range(3)]
    for figure in people:
        world.place(figure)
    failures: list[BaseException] = []

    def look() -> None:
        try:
            for tick in range(30):
                world.picture(tick / 10)
                world.heat(tick / 10)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(100):
        for figure in people:
            world.remove(figure)
            world.place(figure)
    watcher.join()
    assert not failures


@pytest.mark.parametrize("array", [(60, 80), (120, 160), (8, 8)])
def test_every_array_sees_the_same_warmth(clock: ManualClock, array: tuple[int, int]) -> None:
    """The coarser of two pictures is the mean of the finer one, but for lens and room."""
    person = Person(identity=3, core=36.9, moment=1, distance=0.6, x=0.02, arrival=0.0, minutes_indoors=None)
    pictures = []
    for shape in ((24, 32), array):
        world = World(clock, seed=5, array=shape)
        world.place(person)
        pictures.append(world.heat(10.0))
    usual, other = pictures
    assert other.shape == array
    rows, columns = min(usual.shape[0], array[0]), min(usual.shape[1], array[1])
    both = [cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA) for picture in pictures]
    assert np.abs(both[0] - both[1]).mean() < 0.5
    assert float(np.corrcoef(both[0].reshape(-1), both[1].reshape(-1))[0, 1]) > 0.98
    # A finer pixel mixes the warmest spot with less.
    assert bool(other.max() > usual.max()) is (array[1] > 32)
