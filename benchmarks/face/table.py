"""The shipped thresholds: from attempts of strangers on galleries of many sizes to a score for each size and rate.

With N enrolled, a stranger is compared with N people: FPIR = 1 − (1 − p)^N, with p the chance of being taken for one
given person. So galleries of all sizes measure one curve, the score over log p, each at another part of it. A parabola
through what was measured with at least EVENTS strangers smooths it, and is then raised until none of these points lies
above it: the few pairs of people who look alike are a longer tail than a parabola's, and the error is to be on the side
of asking for more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.face.claims import VERIFY_FALSE_ACCEPTS
from benchmarks.face.openset import SUPPORT, threshold_for
from controller.errors import EvaluationError
from controller.perception.thresholds import EngineTable, FaceEvaluation, Sized

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.face.claims import Claims
    from benchmarks.face.openset import SizeResult

    Values = NDArray[np.float64]

FALSE_ACCEPTS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
EVENTS = 3
"""Distinct strangers who must be taken for somebody before a rate counts as measured."""
LEAST_POINTS = 4
SHIPPED_SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000)
METHOD = (
    "score at which no more than this part of the strangers' attempts (three pictures, fused) ends in a name: one "
    "parabola of the score over log10 p, FPIR = 1 - (1 - p)^N, above what galleries of all sizes measured"
)


def measured(results: Sequence[SizeResult]) -> Values:
    """[n, 3]: log10 p, score, distinct strangers taken for somebody; of every size and rate that was measured."""
    rows = []
    for result in results:
        strangers = result.fused_strangers
        for rate in FALSE_ACCEPTS:
            score = threshold_for(strangers, rate)
            events = np.unique(strangers.person[strangers.score >= score]).size
            if score > SUPPORT and events >= EVENTS:
                rows.append((math.log10(1 - (1 - rate) ** (1 / result.people)), score, events))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def curve(points: Values) -> Values:
    """The parabola's coefficients, highest power first.

    Raises `EvaluationError` where too little was measured.
    """
    if len(points) < LEAST_POINTS:
        raise EvaluationError(f"{len(points)} points are too few for a threshold table: more people are needed")
    found: Values = np.polyfit(points[:, 0], points[:, 1], 2)
    found[-1] += max(0.0, float((points[:, 1] - np.polyval(found, points[:, 0])).max()))
    return found


def score_at(coefficients: Values, people: int, rate: float) -> float:
    """The curve's score for a gallery size and a false-accept rate."""
    return float(np.polyval(coefficients, math.log10(1 - (1 - rate) ** (1 / people))))


def build(engine: str, template_model: str, results: Sequence[SizeResult], claims: Claims) -> EngineTable:
    """One engine's table, for the sizes up to the largest gallery that was tried."""
    coefficients = curve(measured(results))
    largest = max(result.people for result in results)
    strangers = max(np.unique(result.fused_strangers.person).size for result in results)
    sizes = []
    for people in sorted({*(size for size in SHIPPED_SIZES if size < largest), largest}):
        scores = [max(SUPPORT, score_at(coefficients, people, rate)) for rate in FALSE_ACCEPTS]
        # The parabola's other branch is no measurement.
        sizes.append(Sized(people=people, thresholds=[round(float(each), 4) for each in np.maximum.accumulate(scores)]))
    return EngineTable(
        engine=engine,
        template_model=template_model,
        strangers=int(strangers),
        support=SUPPORT,
        sizes=sizes,
        verify=[round(claims.threshold(rate), 4) for rate in VERIFY_FALSE_ACCEPTS],
        verify_people=claims.people,
    )


def write(engines: Sequence[EngineTable], source: str, command: str, path: Path) -> None:
    """Write the file. Raises `EvaluationError` where it cannot be written."""
    found = FaceEvaluation(
        source=source,
        command=command,
        method=METHOD,
        false_accepts=list(FALSE_ACCEPTS),
        verify_false_accepts=list(VERIFY_FALSE_ACCEPTS),
        engines=list(engines),
    )
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
