"""One to one: the listed pairs, and every pair of pictures there is, which reaches false-accept rates a list cannot.

A face that was not found scores below everything: it is never accepted, right or wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.face.statistics import Interval, draw, interval, limit, resolvable, wilson
from benchmarks.fever.statistics import auc, roc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.face.data import Pair
    from benchmarks.face.faces import Seen

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Places = NDArray[np.intp]

RATES = (1e-2, 1e-3, 1e-4)
"""False-accept rates at which the true-accept rate is told."""
NEVER = -1.0
"""Score of a pair of which a face was not found."""
BLOCK = 1000
"""Rows of the score matrix that are computed at once."""
TAIL = 1e-2
"""Highest rate at which an impostor pair's score is kept one by one."""
GRID = np.linspace(-1.0, 1.0, 2001)
ROUNDS = 500
"""Bootstrap samples: people are drawn, and a pair counts as often as both of its people together."""


@dataclass(frozen=True, slots=True)
class Point:
    """The true-accept rate at one false-accept rate."""

    rate: float
    threshold: float
    hits: int
    n: int
    wilson: tuple[float, float]
    bootstrap: tuple[float, float]
    resolved: bool
    """Whether there are impostor pairs enough to show this rate at all."""

    @property
    def value(self) -> float:
        """The true-accept rate."""
        return self.hits / self.n if self.n else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """One set of pairs."""

    name: str
    genuine: int
    impostor: int
    auc: Interval
    eer: Interval
    points: list[Point]
    curve: tuple[Values, Values]
    """False-accept and true-accept rates of the ROC."""
    spread: tuple[float, float, float, float]
    """Mean and standard deviation of the genuine, then of the impostor scores that there are."""
    scores: Values
    """Of the genuine pairs."""


def listed(pairs: Sequence[Pair], seen: dict[str, Seen], *, seed: int) -> Verification:
    """The pair list, each pair once."""
    scores = np.array([_score(pair, seen) for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    names = sorted({_person(key) for pair in pairs for key in (pair.first, pair.second)})
    place = {name: at for at, name in enumerate(names)}
    people = np.array([[place[_person(pair.first)], place[_person(pair.second)]] for pair in pairs], dtype=np.intp)
    weights = draw(len(names), ROUNDS, seed)
    # One person's pair counts as often as the person, two people's as often as both.
    counts = np.where(same, weights[:, people[:, 0]], weights[:, people[:, 0]] * weights[:, people[:, 1]])
    areas, errors = zip(*(_drawn(scores, same, row) for row in counts), strict=True)
    genuine, impostor = scores[same], scores[~same]
    points = [_point(rate, limit(impostor, rate), genuine, counts[:, same], impostor.size) for rate in RATES]
    return Verification(
        name="listed pairs",
        genuine=genuine.size,
        impostor=impostor.size,
        auc=interval(auc(scores, same), np.array(areas)),
        eer=interval(equal_error(genuine, impostor), np.array(errors)),
        points=points,
        curve=roc(scores, same),
        spread=_spread(genuine, impostor),
        scores=genuine,
    )


def everybody(seen: Sequence[Seen], *, seed: int) -> Verification | None:
    """Every two pictures; None where nobody has two or there is only one person.

    The interval of a true-accept rate draws people at a fixed threshold.
    """
    rows = np.stack([one.embedding for one in seen])
    _, person = np.unique([one.person for one in seen], return_inverse=True)
    genuine, owners, counts, tail = _all_scores(rows, person.astype(np.intp))
    impostors = int(counts.sum())
    if not genuine.size or not impostors:
        return None
    accepted = np.cumsum(counts[::-1])[::-1] / impostors
    taken = np.array([(genuine >= low).mean() for low in GRID[:-1]])
    weights = draw(int(person.max()) + 1, ROUNDS, seed)[:, owners]
    points = [_point(rate, _tail_limit(tail, rate, impostors), genuine, weights, impostors) for rate in RATES]
    crossing = int(np.argmin(np.abs(accepted - (1 - taken))))
    error = (accepted[crossing] + 1 - taken[crossing]) / 2
    area = float((-np.diff(accepted) * (taken[1:] + taken[:-1]) / 2).sum())
    middles = (GRID[:-1] + GRID[1:]) / 2
    mean = float(counts @ middles / impostors)
    deviation = math.sqrt(float(counts @ (middles - mean) ** 2 / impostors))
    return Verification(
        name="every two pictures",
        genuine=genuine.size,
        impostor=impostors,
        auc=Interval(area, math.nan, math.nan),
        eer=Interval(float(error), math.nan, math.nan),
        points=points,
        curve=(accepted[::-1], taken[::-1]),
        spread=(float(genuine.mean()), float(genuine.std()), mean, deviation),
        scores=genuine,
    )


def _all_scores(rows: NDArray[np.float32], person: Places) -> tuple[Values, Places, NDArray[np.int64], Values]:
    """(genuine scores, whose, impostor counts on GRID, the highest impostor scores, falling) of every two rows."""
    genuine, owners = [], []
    counts = np.zeros(GRID.size - 1, dtype=np.int64)
    tail = np.empty(0)
    most = max(1, math.ceil(TAIL * rows.shape[0] * (rows.shape[0] - 1) / 2)) + 1
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        scores = (block @ rows.T).astype(np.float64)
        later = np.arange(len(rows)) > np.arange(begin, begin + len(block))[:, None]
        alike = person[begin : begin + BLOCK, None] == person
        genuine.append(scores[later & alike])
        owners.append(np.broadcast_to(person[begin : begin + BLOCK, None], scores.shape)[later & alike])
        others = scores[later & ~alike]
        counts += np.histogram(np.clip(others, -1, 1), GRID)[0]
        tail = np.concatenate([tail, others])
        if tail.size > most:
            tail = np.partition(tail, tail.size - most)[-most:]
    return np.concatenate(genuine), np.concatenate(owners), counts, np.sort(tail)[::-1]


def _tail_limit(tail: Values, rate: float, impostors: int) -> float:
    """As `limit`, of all impostor scores, by their highest."""
    allowed = math.floor(round(rate * impostors, 9))
    return float(np.nextafter(tail[min(allowed, tail.size - 1)], math.inf))


def _point(rate: float, threshold: float, genuine: Values, counts: Values, impostors: int) -> Point:
    """`counts`: [rounds, genuine] how often each genuine pair is drawn."""
    hit = genuine >= threshold
    totals = counts.sum(axis=1)
    spread = interval(float(hit.mean()), counts[:, hit].sum(axis=1) / np.where(totals > 0, totals, math.nan))
    return Point(
        rate=rate,
        threshold=threshold,
        hits=int(hit.sum()),
        n=genuine.size,
        wilson=wilson(int(hit.sum()), genuine.size),
        bootstrap=(spread.low, spread.high),
        resolved=resolvable(rate, impostors),
    )


def equal_error(genuine: Values, impostor: Values) -> float:
    """The rate at which as many are falsely rejected as falsely accepted, between the two nearest thresholds."""
    steps = np.unique(np.concatenate([genuine, impostor]))
    rejected = np.searchsorted(np.sort(genuine), steps, side="left") / genuine.size
    accepted = 1 - np.searchsorted(np.sort(impostor), steps, side="left") / impostor.size
    at = int(np.argmin(np.abs(rejected - accepted)))
    return float((rejected[at] + accepted[at]) / 2)


def _drawn(scores: Values, same: Flags, counts: Values) -> tuple[float, float]:
    """(AUC, EER) of one drawn sample."""
    drawn = np.repeat(np.arange(scores.size), counts.astype(np.intp))
    kept, kind = scores[drawn], same[drawn]
    if not kind.any() or kind.all():
        return math.nan, math.nan
    return auc(kept, kind), equal_error(kept[kind], kept[~kind])


def _score(pair: Pair, seen: dict[str, Seen]) -> float:
    first, second = seen.get(pair.first), seen.get(pair.second)
    return NEVER if first is None or second is None else float(first.embedding @ second.embedding)


def _person(key: str) -> str:
    return key[:-5]


def _spread(genuine: Values, impostor: Values) -> tuple[float, float, float, float]:
    there = [scores[scores > NEVER] for scores in (genuine, impostor)]
    first, second = ((float(each.mean()), float(each.std())) if each.size else (math.nan, math.nan) for each in there)
    return *first, *second
