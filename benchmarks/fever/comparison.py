"""Our values beside the plain face maximum, on the same people: the figures with intervals and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.frozen import KINDS
from benchmarks.fever.statistics import (
    Interval,
    Sampling,
    auc,
    bootstrap,
    interval,
    over_columns,
    rate,
    resamples,
    sensitivity,
)
from benchmarks.fever.values import AVERAGED, WAYS, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.data import Recording
    from benchmarks.fever.values import Judged
    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

ANY_ROUND = "average of the one-shot rounds 1, 2, 3"
STATISTICS = {"auc": auc, "sensitivity": sensitivity}
ROWS = (WAYS[0], WAYS[1], WAYS[2], ANY_ROUND, AVERAGED)


@dataclass(frozen=True, slots=True)
class Part:
    """A set of people that a table is about."""

    name: str
    people: Flags
    """[n] of the recording."""
    honest: bool
    """Nobody in it was used for the fit."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One kind of value (plain face, model, model and crowd), read in one way, on one part."""

    auc: Interval
    sensitivity: Interval
    """At 95 % specificity, threshold from this part's own afebrile."""
    auc_gain: Interval | None
    """Less the plain face maximum's; None for itself."""
    sensitivity_gain: Interval | None
    frozen: tuple[float, Interval, Interval] | None
    """(threshold in °C from the training part, sensitivity there, specificity there); None for an average of rounds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way of reading on one part."""

    way: str
    febrile_n: int
    afebrile_n: int
    figures: dict[str, Figures]
    """By KINDS."""


def judge_all(people: Recording, model: FeverModel) -> dict[str, Judged]:
    """Everybody's values by each of WAYS."""
    return {way: judge(people, model, way) for way in WAYS}


def columns(judged: dict[str, Judged], way: str, kind: str) -> Values:
    """[n, k] values of one of ROWS: three columns for the average of the rounds, else one."""
    ways = WAYS[:3] if way == ANY_ROUND else (way,)
    return np.stack([getattr(judged[each], kind) for each in ways], axis=1)


def compare(
    judged: dict[str, Judged],
    febrile: Flags,
    part: Part,
    frozen: dict[str, dict[str, float]],
    sampling: Sampling,
) -> list[Row]:
    """All ROWS of one part that were measured."""
    sick = febrile[part.people]
    draws = resamples(sick, sampling)
    rows = []
    for way in ROWS:
        values = {kind: columns(judged, way, kind)[part.people] for kind in KINDS}
        if not rankable(values["baseline"], sick):
            continue
        rows.append(_row(way, values, sick, frozen.get(way), draws))
    return rows


def rankable(values: Values, febrile: Flags) -> bool:
    """Whether each column of values [n, k] has somebody febrile and somebody afebrile."""
    measured = np.isfinite(values)
    return all(column[febrile].any() and column[~febrile].any() for column in measured.T)


def _row(
    way: str, values: dict[str, Values], febrile: Flags, frozen: dict[str, float] | None, draws: NDArray[np.intp]
) -> Row:
    there = np.isfinite(values["baseline"]).any(axis=1)
    plain = values["baseline"]
    drawn = {name: bootstrap(what, plain, febrile, draws) for name, what in STATISTICS.items()}
    figures = {}
    for kind in KINDS:
        own = {name: bootstrap(what, values[kind], febrile, draws) for name, what in STATISTICS.items()}
        at = {name: over_columns(what, values[kind], febrile) for name, what in STATISTICS.items()}
        base = {name: over_columns(what, plain, febrile) for name, what in STATISTICS.items()}
        gains = {name: interval(at[name] - base[name], own[name] - drawn[name]) for name in STATISTICS}
        figures[kind] = Figures(
            auc=interval(at["auc"], own["auc"]),
            sensitivity=interval(at["sensitivity"], own["sensitivity"]),
            auc_gain=None if kind == "baseline" else gains["auc"],
            sensitivity_gain=None if kind == "baseline" else gains["sensitivity"],
            frozen=None if frozen is None else at_threshold(values[kind][:, 0], febrile, frozen[kind]),
        )
    return Row(way, int((febrile & there).sum()), int((~febrile & there).sum()), figures)


def at_threshold(values: Values, febrile: Flags, limit: float) -> tuple[float, Interval, Interval]:
    """(limit, sensitivity, specificity) with Wilson intervals; who reads above the limit, °C, is flagged."""
    there = np.isfinite(values)
    above, sick = values[there] > limit, febrile[there]
    caught, stopped = int((above & sick).sum()), int((above & ~sick).sum())
    healthy = int((~sick).sum())
    return limit, rate(caught, int(sick.sum())), rate(healthy - stopped, healthy)
