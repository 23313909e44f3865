"""One engine's whole evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.face import claims, verification
from benchmarks.face.data import known_pairs
from benchmarks.face.openset import OpenSet
from controller.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.face.claims import Claims
    from benchmarks.face.data import Pair
    from benchmarks.face.faces import Sight
    from benchmarks.face.latency import Timing, Walk
    from benchmarks.face.openset import SizeResult
    from benchmarks.face.verification import Verification
    from controller.perception.thresholds import ThresholdRule


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be judged, and how."""

    pairs: Sequence[Pair] | None
    listed: Sequence[str]
    """People who are enrolled before all others."""
    enrol: int
    """Pictures a person is enrolled with."""
    splits: int
    """Random galleries of each size."""
    times: int
    """Bootstrap samples."""
    seed: int


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What the report tells of one engine."""

    sight: Sight
    people: int
    unusable: int
    """Faces whose quality the gate would refuse."""
    left_out: int
    """Listed pairs of which a picture is missing."""
    verifications: list[Verification]
    claims: Claims
    sizes: list[SizeResult]
    rule: ThresholdRule | None
    """The shipped thresholds, where this engine was measured."""
    verify_score: float | None
    """The same of a 1:1 comparison."""
    timing: Timing | None = None
    walk: Walk | None = None


def evaluate(
    sight: Sight,
    people: int,
    plan: Plan,
    *,
    margin: float,
    least_quality: float,
    rule: ThresholdRule | None,
    verify_score: float | None,
    progress: Callable[[], None] = lambda: None,
) -> EngineResult:
    """Judge one engine's pictures. Raises `EvaluationError` where too few faces were found to judge anything."""
    seen = list(sight.seen.values())
    if len({one.person for one in seen}) < 2:
        raise EvaluationError(f"{sight.engine} found the faces of fewer than two people; nothing can be compared")
    found = []
    left_out = 0
    if plan.pairs is not None:
        keys = {*sight.seen, *sight.missed, *sight.failed}
        pairs, left_out = known_pairs(plan.pairs, keys)
        kinds = {pair.same for pair in pairs}
        if kinds == {True, False}:
            found.append(verification.listed(pairs, sight.seen, seed=plan.seed))
    everybody = verification.everybody(seen, seed=plan.seed)
    if everybody is not None:
        found.append(everybody)
    openset = OpenSet(seen, enrol=plan.enrol, margin=margin, listed=plan.listed)
    return EngineResult(
        sight=sight,
        people=people,
        unusable=sum(one.quality < least_quality for one in seen),
        left_out=left_out,
        verifications=found,
        claims=claims.claim(seen, enrol=plan.enrol, splits=plan.splits, seed=plan.seed, progress=progress),
        sizes=[openset.run(size, plan.splits, plan.seed, progress) for size in openset.sizes()],
        rule=rule,
        verify_score=verify_score,
    )
