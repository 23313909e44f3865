"""1:N identification: the right person, with a margin over other people and not over their own templates."""

from __future__ import annotations

import datetime as dt
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from controller.errors import EvaluationError, GalleryError
from controller.gallery.index import LEAST_MEAN, GalleryIndex
from controller.gallery.model import Enrolment, Person, Template
from controller.perception.thresholds import Threshold, shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from controller.gallery.store import GalleryStore
    from controller.perception.types import FaceEngine

    Vector = Callable[[int], NDArray[np.float32]]

DIM = 16
MODEL = "net:1"
FROM, UNTIL = dt.date(2026, 9, 1), dt.date(2027, 7, 15)


def near(base: NDArray[np.float32], other: NDArray[np.float32], cosine: float) -> NDArray[np.float32]:
    """A unit vector at that cosine from `base`, towards `other`."""
    orthogonal = other - base * float(base @ other)
    orthogonal /= np.linalg.norm(orthogonal)
    return np.asarray(cosine * base + math.sqrt(1 - cosine**2) * orthogonal, dtype=np.float32)


@pytest.fixture
def index() -> GalleryIndex:
    return GalleryIndex(DIM, MODEL, threshold=0.45, margin=0.05)


def enrolment(person: str, *embeddings: NDArray[np.float32], model: str = MODEL) -> Enrolment:
    return Enrolment(Person(person), tuple(Template(model, embedding) for embedding in embeddings))


def scores(index: GalleryIndex, probe: NDArray[np.float32]) -> dict[str, float]:
    return dict(index.rank(probe))


def test_an_empty_gallery_knows_nobody(index: GalleryIndex, vector: Vector) -> None:
    answer = index.identify(vector(1))
    assert answer.match is None
    assert not answer.ambiguous
    assert index.rank(vector(1)) == []
    assert len(index) == 0


def test_the_nearest_person_is_found(index: GalleryIndex, vector: Vector) -> None:
    for number in range(50):
        index.add(Person(f"p{number}"), [vector(number)])
    probe = near(vector(7), vector(1000), 0.9)
    match = index.identify(probe).match
    assert match is not None
    assert match.person == "p7"
    assert match.score == pytest.approx(0.9, abs=1e-5)
    assert match.margin == pytest.approx(0.9 - max(float(probe @ vector(n)) for n in range(50) if n != 7), abs=1e-5)


def test_where_no_threshold_is_known_a_card_lets_in_and_a_face_alone_does_not(vector: Vector) -> None:
    """One person too many must not shut everybody out, nor keep somebody in who was removed."""
    index = GalleryIndex(
        DIM,
        MODEL,
        threshold=lambda people: Threshold(0.5, 0.4, by_face_alone=people < 3),
        margin=0.05,
        verify_threshold=0.5,
    )
    for number in range(2):
        index.add(Person(f"p{number}"), [vector(number)])
    assert index.identify(vector(0)).match is not None
    index.add(Person("p2"), [vector(2)])
    found = index.identify(vector(0))
    assert found.match is None
    assert found.nearest is not None
    assert found.nearest.person == "p0"
    assert index.verify("p0", vector(0)).match is not None
    index.remove("p2")
    assert index.identify(vector(0)).match is not None


def test_the_ranking_is_that_of_every_persons_best_template_or_their_mean(index: GalleryIndex, vector: Vector) -> None:
    best: dict[str, float] = {}
    probe = vector(999)
    for number in range(40):
        templates = [vector(1000 + 10 * number + k) for k in range(1 + number % 7)]
        index.add(Person(f"p{number}"), templates)
        mean = np.mean(templates, axis=0)
        together = [mean / np.linalg.norm(mean)] if np.linalg.norm(mean) > LEAST_MEAN else []
        best[f"p{number}"] = max(float(probe @ template) for template in [*templates, *together])
    expected = sorted(best, key=lambda person: best[person], reverse=True)
    for people in (1, 2, 5, 40, 100):
        ranked = index.rank(probe, people)
        assert [person for person, _ in ranked] == expected[:people]
        assert [score for _, score in ranked] == pytest.approx([best[p] for p in expected[:people]], abs=1e-5)


def test_below_the_threshold_is_a_stranger(index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("p1"), [vector(1)])
    probe = near(vector(1), vector(2), 0.44)
    answer = index.identify(probe)
    assert answer.match is None
    assert not answer.ambiguous
    assert scores(index, probe) == {"p1": pytest.approx(0.44, abs=1e-5)}


def test_the_threshold_itself_is_enough(index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("p1"), [vector(1)])
    probe = near(vector(1), vector(2), 0.7)
    ((_, score),) = index.rank(probe)
    for threshold, found in ((score, True), (math.nextafter(score, 1), False)):
        strict = GalleryIndex(DIM, MODEL, threshold=threshold, margin=0.05)
        strict.add(Person("p1"), [vector(1)])
        assert (strict.identify(probe).match is not None) is found


def test_a_persons_own_second_template_is_no_runner_up(index: GalleryIndex, vector: Vector) -> None:
    own = [vector(1), *(near(vector(1), vector(other), 0.999) for other in range(2, 9))]
    index.add(Person("p1"), own)
    answer = index.identify(vector(1))
    assert answer.match is not None
    assert answer.match.margin == math.inf
    index.add(Person("p2"), [near(vector(1), vector(9), 0.6)])
    answer = index.identify(vector(1))
    assert answer.match is not None
    assert answer.match.margin == pytest.approx(0.4, abs=1e-5)


def test_two_people_too_close_are_ambiguous(index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("p1"), [vector(1)])
    index.add(Person("p2"), [near(vector(1), vector(2), 0.98)])
    answer = index.identify(vector(1))
    assert answer.match is None
    assert answer.ambiguous
    index.margin = 0.01
    answer = index.identify(vector(1))
    assert answer.match is not None
    assert (answer.match.person, answer.ambiguous) == ("p1", False)


def test_renewing_a_person_forgets_their_old_templates_and_rights(index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("p1", valid_until=dt.date(2000, 1, 1)), [vector(1), vector(3)])
    index.add(Person("p1"), [vector(2)])
    assert scores(index, vector(1)) == {"p1": pytest.approx(float(vector(1) @ vector(2)), abs=1e-5)}
    assert index.identify(vector(2)).match is not None
    assert index.person("p1") == Person("p1")
    assert len(index) == 1


@pytest.mark.parametrize(
    ("factor", "dtype", "error"),
    [(2.0, np.float32, ValueError), (math.nan, np.float32, ValueError), (1.0, np.float64, TypeError)],
)
def test_a_wrong_template_changes_nothing(
    index: GalleryIndex, vector: Vector, factor: float, dtype: type[np.floating[Any]], error: type[Exception]
) -> None:
    index.add(Person("p1"), [vector(1)])
    wrong = np.asarray(vector(3) * factor, dtype=dtype)
    with pytest.raises(error):
        index.add(Person("p1"), [vector(2), wrong])
    with pytest.raises(error):
        index.identify(wrong)
    assert scores(index, vector(1)) == {"p1": pytest.approx(1.0, abs=1e-5)}
    assert scores(index, vector(2)) == {"p1": pytest.approx(float(vector(1) @ vector(2)), abs=1e-5)}


def test_a_removed_person_is_a_stranger(index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("p1"), [vector(1), vector(2)])
    index.add(Person("p2"), [vector(3)])
    index.remove("p1")
    assert index.identify(vector(1)).match is None
    assert "p1" not in index
    assert [person for person, _ in index.rank(vector(1))] == ["p2"]
    with pytest.raises(GalleryError, match="p1 is not in the gallery"):
        index.remove("p1")


def looker(index: GalleryIndex, probes: dict[str, NDArray[np.float32]], done: threading.Event) -> list[str]:
    """Identify until `done`; what was ever wrong: "stays" unknown, or anybody taken for another or by half."""
    wrong = []
    while not done.is_set():
        for person, probe in probes.items():
            match = index.identify(probe).match
            if (match is None and person == "stays") or (match and (match.person != person or match.score < 0.999)):
                wrong.append(f"{person}: {match}")
    return wrong


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_never_see_anybody_half_changed(index: GalleryIndex, vector: Vector) -> None:
    """One person stays, others come and go meanwhile: they always are who they are, or nobody."""
    people = dict(
        zip(["stays", *(f"p{number}" for number in range(1, 8))], np.eye(DIM, dtype=np.float32), strict=False)
    )
    templates = {name: [near(face, vector(seed), 0.9999) for seed in range(20)] for name, face in people.items()}
    index.add(Person("stays"), templates["stays"])
    done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        looks = [pool.submit(looker, index, people, done) for _ in range(3)]
        try:
            for _ in range(400):
                for person in list(people)[1:]:
                    index.add(Person(person), templates[person])
                for person in list(people)[1:]:
                    index.remove(person)
        finally:
            done.set()
        assert [look.result() for look in looks] == [[], [], []]
    assert len(index) == 1


def test_loading_takes_this_engines_templates_and_forgets_what_was(
    store: GalleryStore, engine: FaceEngine, vector: Vector
) -> None:
    index = GalleryIndex.for_engine(engine, margin=0.0)
    assert (index.threshold, index.margin) == (engine.threshold, 0.0)
    mine = np.eye(engine.dim, dtype=np.float32)
    index.add(Person("before"), [mine[5]])
    both = (Template(engine.template_model, mine[1]), Template(engine.template_model, mine[2]))
    store.write([enrolment("p1", mine[0], model=engine.template_model)])
    store.write([Enrolment(Person("p2"), (*both, Template("othernet:abc", vector(3))))])
    index.load(store)
    assert len(index) == 2
    found = [index.identify(mine[row]).match for row in range(6)]
    assert [match and match.person for match in found] == ["p1", "p2", "p2", None, None, None]


def test_people_of_another_engine_are_refused_with_the_way_out(
    store: GalleryStore, index: GalleryIndex, vector: Vector
) -> None:
    index.add(Person("before"), [vector(9)])
    fits = Enrolment(Person("p3"), (Template(MODEL, vector(3)), Template("othernet:abc", vector(4))))
    store.write([enrolment("p1", vector(1), vector(2), model="othernet:abc"), fits])
    with pytest.raises(
        GalleryError, match=r"gallery\.sqlite3: 1 of 2 people .* net:1, .*\(2 by othernet:abc\).*enrol .*again"
    ):
        index.load(store)
    assert [person for person, _ in index.rank(vector(9))] == ["before"]


def test_people_of_another_engine_are_left_out_when_that_is_allowed(
    store: GalleryStore, index: GalleryIndex, vector: Vector
) -> None:
    store.write([enrolment("p1", vector(1), model="othernet:abc"), enrolment("p2", vector(2)), enrolment("p3")])
    index.load(store, incomplete=True)
    assert [person in index for person in ("p1", "p2", "p3")] == [False, True, False]
    assert [person for person, _ in index.rank(vector(1))] == ["p2"]


def test_somebody_without_any_template_is_named_as_such(store: GalleryStore, index: GalleryIndex) -> None:
    store.write([enrolment("p1")])
    with pytest.raises(GalleryError, match=r"1 of 1 people have no template of net:1"):
        index.load(store)


def test_a_template_of_another_length_is_named(store: GalleryStore, index: GalleryIndex, vector: Vector) -> None:
    index.add(Person("before"), [vector(9)])
    store.write([enrolment("p1", vector(1)), enrolment("p2", np.eye(DIM + 1, dtype=np.float32)[0])])
    with pytest.raises(GalleryError, match=r"gallery\.sqlite3: p2: template"):
        index.load(store)
    assert [person for person, _ in index.rank(vector(9))] == ["before"]


def test_the_threshold_follows_the_number_enrolled(vector: Vector) -> None:
    index = GalleryIndex(DIM, MODEL, threshold=lambda people: Threshold(0.3 + 0.1 * people, 0.2), margin=0.05)
    seen = [index.threshold]
    for number in range(3):
        index.add(Person(f"p{number}"), [vector(number)])
        seen.append(index.threshold)
    index.add(Person("p1"), [vector(10)])
    index.remove("p0")
    seen.append(index.threshold)
    assert seen == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.5])
    # What sufficed beside one other does not beside two, and still speaks for the person.
    probe = near(vector(10), vector(4), 0.55)
    assert index.identify(probe).match is not None
    index.add(Person("p3"), [vector(20)])
    answer = index.identify(probe)
    assert (answer.match, answer.vote) == (None, "p1")


def test_too_many_people_for_the_table_change_nothing(vector: Vector) -> None:
    def few(people: int) -> Threshold:
        if people > 1:
            raise EvaluationError("too many")
        return Threshold(0.4, 0.3)

    index = GalleryIndex(DIM, MODEL, threshold=few, margin=0.05)
    index.add(Person("p0"), [vector(0)])
    with pytest.raises(EvaluationError, match="too many"):
        index.add(Person("p1"), [vector(1)])
    assert index.people() == ("p0",)
    assert index.threshold == 0.4


def test_loading_sets_the_threshold_for_those_loaded(store: GalleryStore, vector: Vector) -> None:
    index = GalleryIndex(DIM, MODEL, threshold=lambda people: Threshold(0.3 + 0.1 * people, 0.2), margin=0.05)
    store.write([enrolment("p1", vector(1)), enrolment("p2", vector(2))])
    index.load(store)
    assert index.threshold == pytest.approx(0.5)


def test_a_measured_engine_takes_its_threshold_from_the_table_unless_one_is_given(engine: FaceEngine) -> None:
    (table, *_) = shipped().engines
    measured: Any = SimpleNamespace(
        name=table.engine, template_model=table.template_model, dim=DIM, threshold=0.9, margin=0.05
    )
    index = GalleryIndex.for_engine(measured)
    assert index.threshold == pytest.approx(table.sizes[0].thresholds[4])  # of 0.002
    assert index.limit.support == table.support
    assert GalleryIndex.for_engine(measured, threshold=0.8).limit == Threshold(0.8, 0.8)
    assert GalleryIndex.for_engine(engine).threshold == engine.threshold
    strict = GalleryIndex.for_engine(measured, false_accept=0.001)
    assert strict.threshold > index.threshold


def test_one_to_one_has_a_measured_threshold_of_its_own(engine: FaceEngine) -> None:
    (table, *_) = shipped().engines
    measured: Any = SimpleNamespace(
        name=table.engine, template_model=table.template_model, dim=DIM, threshold=0.9, margin=0.05
    )
    index = GalleryIndex.for_engine(measured)
    assert index.verify_threshold == pytest.approx(table.verify[1])  # of 0.001
    assert index.verify_threshold < index.threshold
    assert GalleryIndex.for_engine(measured, verify_false_accept=0.0001).verify_threshold > index.verify_threshold
    assert GalleryIndex.for_engine(measured, verify_threshold=0.7).verify_threshold == 0.7
    # Who sets the search's threshold by hand has that for both, unless they say otherwise.
    assert GalleryIndex.for_engine(measured, threshold=0.8).verify_threshold == 0.8
    assert GalleryIndex.for_engine(engine).verify_threshold == engine.threshold


def test_the_mean_of_several_templates_finds_what_lies_between_them(vector: Vector) -> None:
    index = GalleryIndex(DIM, MODEL, threshold=0.9, margin=0.05)
    two = [vector(1), near(vector(1), vector(2), 0.5)]
    index.add(Person("p1"), two)
    between = np.sum(two, axis=0)
    between /= np.linalg.norm(between)
    match = index.identify(between.astype(np.float32)).match
    assert match is not None
    assert match.score == pytest.approx(1.0, abs=1e-5)
    assert max(float(between @ one) for one in two) < 0.9


def test_templates_that_point_apart_have_no_mean(vector: Vector) -> None:
    index = GalleryIndex(DIM, MODEL, threshold=0.9, margin=0.05)
    index.add(Person("p1"), [vector(1), -vector(1)])
    assert index.identify(vector(1)).match is not None
    assert index.identify(-vector(1)).match is not None
