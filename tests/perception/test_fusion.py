"""Several frames of one face together: one bad frame decides nothing, two faces are never mixed into one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.perception.fusion import APART, KEEP, Fusion, Sample, conclude, mean_direction
from controller.perception.thresholds import Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.perception.types import Identification

    Vector = NDArray[np.float32]

DIM, PEOPLE, THRESHOLD, SUPPORT, MARGIN = 128, 30, 0.5, 0.3, 0.05


def unit(vector: NDArray[np.float64]) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def face(seed: int) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=DIM))


def look(of: Vector, cosine: float, seed: int) -> Vector:
    """A picture of that face, at that cosine from it."""
    other = np.random.default_rng([9, seed, 1]).normal(size=DIM)  # a last 0 would be the same as none
    other -= of * float(other @ of)
    return unit(cosine * of + math.sqrt(1 - cosine**2) * unit(other))


@pytest.fixture(scope="module")
def gallery() -> GalleryIndex:
    index = GalleryIndex(DIM, "net:1", threshold=lambda _: Threshold(THRESHOLD, SUPPORT), margin=MARGIN)
    for number in range(PEOPLE):
        index.add(Person(f"p{number}"), [face(number)])
    return index


def samples(index: GalleryIndex, vectors: Sequence[Vector], quality: Sequence[float] | None = None) -> list[Sample]:
    weights = quality or [0.6] * len(vectors)
    return [Sample(vector, weight, index.identify(vector)) for vector, weight in zip(vectors, weights, strict=True)]


def verdict(index: GalleryIndex, vectors: Sequence[Vector], quality: Sequence[float] | None = None) -> Identification:
    return conclude(samples(index, vectors, quality), index.identify, 2)


def named(answer: Identification) -> str | None:
    return None if answer.match is None else answer.match.person


good = st.lists(st.tuples(st.floats(0.65, 0.95), st.integers(0, 10_000)), min_size=2, max_size=6)
anything = st.one_of(
    st.integers(0, 10_000).map(lambda seed: face(50_000 + seed)),  # somebody else, or nobody
    st.tuples(st.integers(1, PEOPLE - 1), st.floats(0.3, 1.0), st.integers(0, 10_000)).map(
        lambda found: look(face(found[0]), found[1], found[2])  # a registered person
    ),
)


@settings(max_examples=120, deadline=None)
@given(frames=good, bad=anything, place=st.integers(0, 6), weight=st.floats(0.3, 1.0))
def test_one_bad_frame_decides_nothing(
    gallery: GalleryIndex, frames: list[tuple[float, int]], bad: Vector, place: int, weight: float
) -> None:
    """Among frames that name one person, a frame of anything neither changes the name nor takes it away."""
    mine = [look(face(0), cosine, seed) for cosine, seed in frames]
    qualities = [0.6] * len(mine)
    assert named(verdict(gallery, mine, qualities)) == "p0"
    at = min(place, len(mine))
    answer = verdict(gallery, [*mine[:at], bad, *mine[at:]], [*qualities[:at], weight, *qualities[at:]])
    if float(bad @ mean_direction(samples(gallery, mine))) < APART:
        # So far away that it may have been somebody else's: as if it had not been.
        assert named(answer) == "p0"
    assert named(answer) in ("p0", None)


@settings(max_examples=120, deadline=None)
@given(bad=anything, strangers=st.lists(st.integers(0, 10_000), min_size=0, max_size=5))
def test_one_frame_lets_nobody_in(gallery: GalleryIndex, bad: Vector, strangers: list[int]) -> None:
    """A single frame of a registered person, alone or among a stranger's that name nobody."""
    others = [look(face(90_000), 0.8, seed) for seed in strangers]
    # One random direction in a hundred lies near some registered person: then it is a second frame of theirs.
    assume(all(sample.answer.vote is None for sample in samples(gallery, others)))
    assert named(verdict(gallery, [bad])) is None
    assert named(verdict(gallery, [*others, bad])) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 1000))
def test_two_faces_are_nobody(gallery: GalleryIndex, first: int, second: int, seed: int) -> None:
    """Two registered people in one track: contradicted, whoever has more frames."""
    mixed = [look(face(0), 0.8, seed + turn) for turn in range(first)]
    mixed += [look(face(1), 0.8, seed + turn) for turn in range(second)]
    answer = verdict(gallery, mixed)
    assert answer.match is None
    assert answer.ambiguous


def test_a_stranger_after_a_registered_person_is_not_taken_for_them(gallery: GalleryIndex) -> None:
    frames = [look(face(0), 0.8, turn) for turn in range(4)] + [look(face(70_000), 0.8, turn) for turn in range(4)]
    answer = verdict(gallery, frames)
    assert (answer.match, answer.ambiguous) == (None, True)


def test_of_two_frames_that_contradict_each_other_nothing_follows(gallery: GalleryIndex) -> None:
    answer = verdict(gallery, [look(face(0), 0.8, 1), look(face(1), 0.8, 2)])
    assert (answer.match, answer.ambiguous) == (None, True)


def test_frames_too_weak_alone_are_enough_together(gallery: GalleryIndex) -> None:
    weak = [look(face(0), 0.49, seed) for seed in range(4)]
    assert all(sample.answer.match is None for sample in samples(gallery, weak))
    # Independent errors: the mean is nearer than each of them.
    assert named(verdict(gallery, weak)) == "p0"


def test_the_better_frame_weighs_more(gallery: GalleryIndex) -> None:
    pair = [look(face(0), 0.9, 1), look(face(0), 0.6, 2)]
    first = verdict(gallery, pair, [0.9, 0.3]).match
    second = verdict(gallery, pair, [0.3, 0.9]).match
    assert first is not None
    assert second is not None
    assert first.score > second.score


def test_twins_are_told_by_the_margin_of_the_mean(gallery: GalleryIndex) -> None:
    index = GalleryIndex(DIM, "net:1", threshold=lambda _: Threshold(THRESHOLD, SUPPORT), margin=MARGIN)
    index.add(Person("one"), [face(0)])
    index.add(Person("two"), [look(face(0), 0.97, 5)])
    between = unit(face(0).astype(np.float64) + look(face(0), 0.97, 5))
    answer = verdict(index, [between, between, between])
    assert (answer.match, answer.ambiguous) == (None, True)


def test_of_one_frame_the_answer_is_the_conclusion_where_one_is_enough(gallery: GalleryIndex) -> None:
    frame = look(face(3), 0.8, 1)
    alone = conclude(samples(gallery, [frame]), gallery.identify, 1)
    assert named(alone) == named(gallery.identify(frame)) == "p3"


def test_no_frame_is_nobody(gallery: GalleryIndex) -> None:
    answer = verdict(gallery, [])
    assert (answer.match, answer.ambiguous) == (None, False)


def test_frames_that_cancel_leave_the_newest() -> None:
    index = GalleryIndex(2, "net:1", threshold=0.5, margin=0.0)
    first, last = np.array([1, 0], np.float32), np.array([-1, 0], np.float32)
    assert mean_direction(samples(index, [first, last])).tolist() == [-1, 0]


def test_a_track_keeps_its_newest_frames(gallery: GalleryIndex) -> None:
    fusion = Fusion(gallery.identify, pictures=2)
    for turn in range(KEEP + 10):
        fusion.add(look(face(0), 0.8, turn), 0.6)
    assert len(fusion) == KEEP
    assert named(fusion.identity()) == "p0"
