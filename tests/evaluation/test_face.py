"""`thermogate eval face` on drawn pictures and an engine that reads its templates from them."""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from benchmarks.face import command, latency, table, verification
from benchmarks.face.claims import claim, passing
from benchmarks.face.data import Pair, known_pairs, read_album, read_pairs, read_people
from benchmarks.face.faces import Seen, look
from benchmarks.face.openset import SUPPORT, OpenSet, threshold_for
from benchmarks.face.statistics import limit, percentiles, resolvable, share
from controller.cli.main import main
from controller.errors import EvaluationError
from controller.gallery.index import GalleryIndex, with_mean
from controller.gallery.model import Person
from controller.perception.fusion import Sample, conclude
from controller.perception.thresholds import Threshold, load
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

DIM = 32
SIDE = 64


class PaintedEngine:
    """Finds a face in every picture that is not black; its template is what the first rows were painted with."""

    name = "opencv"
    template_model = "painted:1"
    dim = DIM
    rehearsal_only = True
    threshold = 0.5
    margin = 0.05

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        if not pixels.any():
            return []
        side = float(min(pixels.shape[:2]))
        points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.75], [0.65, 0.75]], np.float32) * side
        return [Face(Box(0, 0, side, side), points, 0.9)]

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        del face
        small = cv2.resize(pixels, (DIM, 8), interpolation=cv2.INTER_AREA)
        values = small.mean(axis=(0, 2)).astype(np.float64) - 128
        return np.asarray(values / np.linalg.norm(values), dtype=np.float32)


def paint(person: int, number: int) -> NDArray[np.uint8]:
    values = np.random.default_rng(person).normal(128, 40, DIM)
    values = values + np.random.default_rng([person, number, 1]).normal(0, 15, DIM)
    row = np.clip(values, 0, 255).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], SIDE, axis=0), 3, axis=2).repeat(SIDE // DIM, axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """90 people, of whom each third has five pictures, the others one; one picture shows nobody, one is damaged."""
    root = tmp_path / "lfw"
    for person in range(90):
        name = f"Person_{person:02d}"
        (root / name).mkdir(parents=True)
        for number in range(1, (5 if person % 3 == 0 else 1) + 1):
            cv2.imwrite(str(root / name / f"{name}_{number:04d}.png"), paint(person, number))
    cv2.imwrite(str(root / "Person_00" / "Person_00_0005.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    (root / "Person_03" / "Person_03_0005.png").write_bytes(b"no picture")
    (root / "Person_03" / "notes.txt").write_text("not a picture")
    return root


@pytest.fixture
def seen(folder: Path) -> dict[str, Seen]:
    return look(PaintedEngine(), [photo for photos in read_album(folder).values() for photo in photos]).seen


def test_an_album_is_read_by_its_layout(folder: Path) -> None:
    album = read_album(folder)
    assert (len(album), len(album["Person_03"]), album["Person_00"][1].key) == (90, 5, "Person_00_0002")
    assert list(read_album(folder, 3)) == ["Person_00", "Person_01", "Person_02"]
    with pytest.raises(EvaluationError, match="no pictures like"):
        read_album(folder / "Person_00")
    with pytest.raises(EvaluationError, match="nowhere"):
        read_album(folder / "nowhere")


@pytest.mark.parametrize("header", ["", "10\t300\n", "2\n"])
@pytest.mark.parametrize("gap", ["\t", " "])
def test_pairs_are_read_with_or_without_a_header(tmp_path: Path, header: str, gap: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(f"{header}A_B{gap}1{gap}12\nA_B{gap}3{gap}C{gap}4\n\n")
    first, second = read_pairs(path)
    assert (first.first, first.second, first.same) == ("A_B_0001", "A_B_0012", True)
    assert (second.first, second.second, second.same) == ("A_B_0003", "C_0004", False)
    assert known_pairs([first, second], {"A_B_0001", "A_B_0012"}) == ([first], 1)
    path.write_text("A_B\t1\t12\nA_B one 2\n")
    with pytest.raises(EvaluationError, match=r"pairs\.txt, line 2: .*no pair"):
        read_pairs(path)


def test_a_list_of_people_may_have_counts(tmp_path: Path) -> None:
    path = tmp_path / "people.txt"
    path.write_text("2\nA_B\t4\n\nC\n")
    assert read_people(path) == ["A_B", "C"]


def test_what_cannot_be_used_is_named(folder: Path) -> None:
    album = read_album(folder)
    sight = look(PaintedEngine(), [photo for photos in album.values() for photo in photos])
    assert sight.missed == ["Person_00_0005"]
    assert list(sight.failed) == ["Person_03_0005"]
    assert sight.pictures == sum(map(len, album.values())) == len(sight.seen) + 2
    assert all(len(spent.wall) == len(sight.seen) for spent in sight.spent.values())


def at(score: float) -> Callable[[int], Threshold]:
    """A rule that gives the same score for any number of people, and lets weaker pictures speak."""
    return lambda _: Threshold(score, SUPPORT)


def test_the_sweep_says_what_a_gate_at_each_threshold_does(seen: dict[str, Seen]) -> None:
    """The one number of an attempt against the shipped code run at that very threshold."""
    openset = OpenSet(list(seen.values()), enrol=2, margin=0.05)
    split = openset.split(50, 1)
    result = openset.run(50, 1, 1)
    for threshold in (0.35, 0.5, 0.7, 0.9):
        index = GalleryIndex(DIM, "painted:1", threshold=at(threshold), margin=0.05)
        by_name: dict[str, list[Seen]] = {}
        for one in seen.values():
            by_name.setdefault(one.person, []).append(one)
        for place in range(len(openset.names)):
            if place in split.strangers:
                continue
            kept = {id(photo) for photo in split.probes.get(place, [])}
            mine = [one for one in by_name[openset.names[place]] if id(one) not in kept]
            index.add(Person(f"p{place}"), [one.embedding for one in mine[:2]])
        if any(len(by_name[openset.names[place]]) > 5 for place in split.probes):
            pytest.fail("more pictures than are enrolled and probed: the index would not be the same")
        accepted = 0
        for photos in split.strangers.values():
            samples = [Sample(p.embedding, max(p.quality, 0.05), index.identify(p.embedding)) for p in photos]
            accepted += conclude([samples[t % len(samples)] for t in range(3)], index.identify, 2).match is not None
        assert accepted == int((result.fused_strangers.score >= threshold).sum())


def test_strangers_and_the_enrolled_are_never_the_same(seen: dict[str, Seen]) -> None:
    openset = OpenSet(list(seen.values()), enrol=2, margin=0.05, listed=["Person_01", "Person_02"])
    split = openset.split(20, 3)
    assert len(split.index) == 20
    assert len(split.strangers) == len(openset.names) - 20
    assert {openset.names.index(name) for name in ("Person_01", "Person_02")}.isdisjoint(split.strangers)
    assert all(1 <= len(photos) <= 3 for photos in (split.probes | split.strangers).values())
    keys = [photo.key for photos in (split.probes | split.strangers).values() for photo in photos]
    assert len(keys) == len(set(keys))
    assert openset.sizes() == [10, 20, 50]


def test_every_two_pictures_as_by_brute_force(seen: dict[str, Seen]) -> None:
    found = verification.everybody(list(seen.values()), seed=1)
    assert found is not None
    ones = list(seen.values())
    pairs = [(a, b) for at, a in enumerate(ones) for b in ones[at + 1 :]]
    scores = np.array([float(a.embedding.astype(float) @ b.embedding.astype(float)) for a, b in pairs])
    same = np.array([a.person == b.person for a, b in pairs])
    assert (found.genuine, found.impostor) == (int(same.sum()), int((~same).sum()))
    for point in found.points[:2]:
        assert point.threshold == pytest.approx(limit(scores[~same], point.rate), abs=1e-5)
        assert point.value == pytest.approx((scores[same] >= point.threshold).mean(), abs=0.02)
    assert found.points[0].resolved


def test_listed_pairs_count_a_missing_face_as_rejected(seen: dict[str, Seen]) -> None:
    names = [f"Person_{person:02d}" for person in range(0, 90, 3)]
    pairs = [Pair(f"{name}_0001", f"{name}_0002", same=True) for name in names]
    pairs += [Pair(f"{a}_0001", f"{b}_0001", same=False) for a, b in itertools.pairwise(names)]
    whole = verification.listed(pairs, seen, seed=1)
    fewer = verification.listed(pairs, {key: one for key, one in seen.items() if key != "Person_00_0002"}, seed=1)
    assert fewer.points[0].hits == whole.points[0].hits - 1
    assert not whole.points[0].resolved  # 29 impostor pairs show no FAR of 1e-2
    assert whole.auc.value == pytest.approx(1.0, abs=0.02)
    assert whole.points[0].wilson[0] < whole.points[0].value <= 1


def test_the_equal_error_rate_by_hand() -> None:
    genuine, impostor = np.array([0.9, 0.8, 0.7, 0.3]), np.array([0.1, 0.2, 0.4, 0.5])
    assert verification.equal_error(genuine, impostor) == pytest.approx(0.25)


def test_a_limit_lets_through_no_more_than_asked_for() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, -math.inf])
    for rate, most in ((0.0, 0), (0.2, 1), (0.4, 2), (1.0, 5)):
        assert (scores >= limit(scores, rate)).sum() <= most
    assert limit(scores, 0.2) == math.nextafter(0.3, 1)
    assert limit(np.array([]), 0.1) == -math.inf
    assert resolvable(0.001, 1000)
    assert not resolvable(0.001, 999)


def test_nobody_counts_twice_in_an_interval() -> None:
    hit = np.array([True] * 90 + [False] * 10)
    alone = share(hit, np.arange(100), times=500, seed=1)
    grouped = share(hit, np.arange(100) // 10, times=500, seed=1)
    assert alone.value == grouped.value == 0.9
    assert (alone.people, grouped.people) == (100, 10)
    assert grouped.wilson[0] < alone.wilson[0]
    assert grouped.bootstrap[0] < alone.bootstrap[0]
    nobody = share(np.array([], bool), np.array([], int), times=10, seed=1)
    assert (nobody.wilson, str(nobody)) == ((0.0, 1.0), "–")


def test_percentiles_are_observed_values() -> None:
    assert percentiles([float(value) for value in range(1, 101)]) == (50.0, 95.0, 99.0)
    assert all(math.isnan(value) for value in percentiles([]))


def test_a_threshold_table_from_too_few_people_is_refused(seen: dict[str, Seen]) -> None:
    openset = OpenSet(list(seen.values()), enrol=2, margin=0.05)
    empty = openset.run(10, 1, 1)
    strangers = empty.fused_strangers
    assert threshold_for(strangers, 1.0) == SUPPORT
    with pytest.raises(EvaluationError, match="too few"):
        table.curve(np.zeros((2, 3)))


def test_one_curve_goes_through_galleries_of_all_sizes() -> None:
    """Scores drawn from a known tail: the table gives back the score for each size and rate."""
    chances = np.array(
        [[math.log10(1 - (1 - rate) ** (1 / n))] for n in (10, 100, 500) for rate in table.FALSE_ACCEPTS]
    )
    scores = 0.1 - 0.07 * chances
    points = np.hstack([chances, scores, np.full_like(chances, 10)])
    found = table.curve(points)
    for n, rate in ((50, 0.01), (500, 0.002)):
        expected = 0.1 - 0.07 * math.log10(1 - (1 - rate) ** (1 / n))
        assert table.score_at(found, n, rate) == pytest.approx(expected, abs=1e-6)


def test_a_fused_attempt_is_timed_from_its_last_frame(folder: Path) -> None:
    photos = [paint(person, 1) for person in range(4)]
    timing = latency.measure(PaintedEngine(), photos, enrolled=20)
    assert timing.attempts == 4
    for stage in latency.STAGES:
        assert min(timing.spent[stage].wall) >= 0
    whole = timing.spent[latency.STAGES[-1]].wall
    parts = [sum(timing.spent[stage].wall[at] for stage in latency.STAGES[:-1]) for at in range(4)]
    assert whole == pytest.approx(parts, abs=1e-6)
    assert latency.frame(photos[0]).shape == (480, 640, 3)


def arguments(folder: Path, **changes: object) -> argparse.Namespace:
    values: dict[str, object] = {
        "images": folder,
        "pairs": None,
        "gallery": None,
        "engine": "opencv",
        "models": None,
        "enrol": 2,
        "splits": 3,
        "bootstrap": 50,
        "seed": 1,
        "limit": None,
        "out": None,
        "latency": False,
        "walk": None,
        "write_thresholds": None,
    }
    return argparse.Namespace(**{**values, **changes})


def test_the_whole_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("Person_00 1 2\nPerson_00 1 Person_03 1\nPerson_03 1 2\nPerson_06 1 Gone 1\n")
    people = tmp_path / "people.txt"
    people.write_text("Person_00\nPerson_03\n")
    out = tmp_path / "report"
    chosen = arguments(folder, pairs=pairs, gallery=people, out=out, latency=True)
    assert command.run(chosen, lambda *_: PaintedEngine()) == 0
    text = (out / "report.md").read_text(encoding="utf-8")
    for words in (
        "no labels of age, sex or origin",
        "found no face in: Person_00_0005",
        "Person_03_0005: is a text file, not a picture",
        "1 listed pairs are left out",
        "cannot show a FAR",
        "At the thresholds of every two pictures, which show these rates, the TAR of these pairs is",
        "open set, by gallery size",
        "one fused attempt from its last frame",
        "has no shipped thresholds",
    ):
        assert words in text
    assert sorted(path.name for path in out.glob("*.png")) == [
        f"face-{kind}.png" for kind in ("latency", "openset", "roc", "sizes")
    ]
    assert "50 enrolled" in capsys.readouterr().out


def test_a_gallery_of_people_without_pictures_is_named(folder: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("Person_00\nNobody_Here\n")
    with pytest.raises(EvaluationError, match="Nobody_Here"):
        command.run(arguments(folder, gallery=people), lambda *_: PaintedEngine())


def test_the_table_that_is_written_is_read(tmp_path: Path, wide: Callable[[], list[Seen]]) -> None:
    openset = OpenSet(wide(), enrol=2, margin=0.05)
    results = [openset.run(size, 4, 1) for size in (10, 50, 120, 200)]
    claims = claim(wide(), enrol=2, splits=2, seed=1, progress=lambda: None)
    built = table.build("opencv", "drawn:1", results, claims)
    path = tmp_path / "table.json"
    table.write([built], "drawn", "none", path)
    found = load(path)
    assert found.engines == [built]
    assert [sized.people for sized in built.sizes] == [10, 20, 50, 100, 200]
    assert built.verify == sorted(built.verify)
    assert built.verify_people == 400


def test_a_claim_passes_as_the_gate_would_let_it(wide: Callable[[], list[Seen]]) -> None:
    """The highest threshold at which a visit passes, against the gate's own fusion just below and just above it."""
    people = wide()
    owners = [one for one in people if one.person in ("P_0", "P_4", "P_8", "P_12")]
    mine = [[one.embedding for one in owners if one.person == name] for name in ("P_0", "P_4", "P_8", "P_12")]
    rows = [with_mean(each[:2]) for each in mine]
    starts = np.cumsum([0, *map(len, rows[:-1])])
    visits = [[one for one in owners if one.person == "P_0"], [one for one in people if one.person == "P_5"]]
    for photos in visits:
        scores = passing(photos, np.concatenate([np.stack(each) for each in rows]), starts)
        for place, embeddings in enumerate(mine):
            for offset, lets_in in ((-1e-4, True), (1e-4, False)):
                assert _gate_lets_in(photos, embeddings[:2], float(scores[place]) + offset) is lets_in


def _gate_lets_in(photos: list[Seen], templates: list[NDArray[np.float32]], threshold: float) -> bool:
    index = GalleryIndex(24, "drawn", threshold=0.99, margin=0.05, verify_threshold=threshold)
    index.add(Person("owner"), templates)
    ask = functools.partial(index.verify, "owner")
    shown = [photos[turn % len(photos)] for turn in range(3)]
    samples = [Sample(photo.embedding, photo.quality, ask(photo.embedding)) for photo in shown]
    return conclude(samples, ask, 2).match is not None


@pytest.fixture
def wide() -> Callable[[], list[Seen]]:
    """400 people in few dimensions, so that strangers do come near."""

    def make() -> list[Seen]:
        random = np.random.default_rng(5)
        seen = []
        for person in range(400):
            centre = random.normal(size=24)
            for number in range(1, 4 if person % 4 == 0 else 2):
                vector = centre + random.normal(0, 0.3, 24)
                unit = (vector / np.linalg.norm(vector)).astype(np.float32)
                seen.append(Seen(f"P_{person}", f"P_{person}_{number:04d}", unit, 0.6, 1))
        return seen

    return make


def test_wrong_usage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["eval", "face", "--images", "x", "--enrol", "0"])
    assert caught.value.code == 2
    assert "not a number from 1" in capsys.readouterr().err
