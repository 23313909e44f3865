"""How many people each pair of thresholds flags: the figures behind `thermogate screening plan`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.fever.coarse import SIZE, seen
from benchmarks.fever.data import FEBRILE, SOURCE
from benchmarks.fever.fit import fit
from benchmarks.fever.splits import by_subject
from benchmarks.fever.values import readings_of
from controller.errors import EvaluationError
from controller.perception.evaluation import Counts, Evaluated, ScreeningEvaluation
from controller.perception.temperature import estimate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.fever.data import Recording
    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

LOWEST, STEP, STEPS = 36.6, 0.05, 37
NOISES = (0.0, 0.1, 0.2, 0.3, 0.5)
DRAWS = 200
TEST_PART, OUT_OF_FOLD = "test part", "whole file, out of fold"
FIRST = "estimate of round 1, without crowd baseline"
SECOND = "mean of the estimates of rounds 2 and 3 (fresh readings), of those whose first reached t1"


def thresholds() -> Values:
    """°C, rising."""
    return np.round(LOWEST + STEP * np.arange(STEPS), 2)


def pairs(people: Recording, model: FeverModel) -> tuple[Values, Values]:
    """([n] first, [n, 2] rounds 2 and 3) estimates, °C; NaN where a round was not measured."""
    values = np.full((len(people), 3), math.nan)
    for person in range(len(people)):
        for at in range(3):
            readings = readings_of(people, person, at)
            if readings is not None:
                values[person, at] = estimate(readings, model).value
    return values[:, 0], values[:, 1:]


def out_of_fold(people: Recording, seed: int, shown: Recording | None = None) -> tuple[Values, Values]:
    """As `pairs`, each person by a model fitted on the other folds' people only.

    `shown`: the same people as another sensor sees them; the fit stays the camera's own, as on the board.
    """
    shown = people if shown is None else shown
    first, later = np.full(len(people), math.nan), np.full((len(people), 2), math.nan)
    for training, test in by_subject(people, seed):
        first[test], later[test] = pairs(shown.take(test), fit(people.take(training)))
    return first, later


def evaluated(
    name: str,
    camera: str,
    estimates: tuple[Values, Values],
    febrile: Flags,
    *,
    seed: int,
    draws: int = DRAWS,
    size: float = 0.0,
) -> Evaluated:
    """Count, for each noise, whom each pair of thresholds flags."""
    first, later = estimates
    there = np.isfinite(first) & np.isfinite(later).any(axis=1)
    first, later, febrile = first[there], later[there], febrile[there]
    return Evaluated(
        name=name,
        camera=camera,
        febrile_n=int(febrile.sum()),
        afebrile_n=int((~febrile).sum()),
        counts=[_counts((first, later), febrile, noise, seed, draws if noise else 1) for noise in NOISES],
        spot=size,
    )


def _counts(estimates: tuple[Values, Values], febrile: Flags, noise: float, seed: int, draws: int) -> Counts:
    random = np.random.default_rng([seed, round(1000 * noise)])
    grid = thresholds()
    once = {group: np.zeros(STEPS) for group in (True, False)}
    both = {group: np.zeros((STEPS, STEPS)) for group in (True, False)}
    for _ in range(draws):
        first = estimates[0] + noise * random.standard_normal(estimates[0].shape)
        later = estimates[1] + noise * random.standard_normal(estimates[1].shape)
        second = np.asarray(np.nanmean(later, axis=1))
        # A threshold of 37.50 means 37.50: the sums of a float must not decide.
        at_first = np.round(first, 6)[:, None] >= grid
        at_second = np.round(second, 6)[:, None] >= grid
        for group in (True, False):
            chosen = febrile == group
            once[group] += at_first[chosen].sum(axis=0)
            both[group] += at_first[chosen].T.astype(float) @ at_second[chosen].astype(float)
    return Counts(
        noise=noise,
        febrile_first=_mean(once[True], draws),
        afebrile_first=_mean(once[False], draws),
        febrile=[_mean(row, draws) for row in both[True]],
        afebrile=[_mean(row, draws) for row in both[False]],
    )


def _mean(sums: Values, draws: int) -> list[float]:
    """Two decimals are finer than the draws."""
    return [round(each / draws, 2) for each in sums.tolist()]


def build(people: Recording, test: Flags, model: FeverModel, *, command: str, seed: int) -> ScreeningEvaluation:
    """The whole file for one recording: at its own resolution and, where it has spots, by them."""
    sets = _sets(people, people, test, model, seed=seed)
    if np.isfinite(people.spots).any():
        sets += _sets(people, seen(people), test, model, seed=seed, size=SIZE)
    return ScreeningEvaluation(
        source=SOURCE,
        command=command,
        model=model.name,
        febrile_from=FEBRILE,
        first=FIRST,
        second=SECOND,
        thresholds=thresholds().tolist(),
        sets=sets,
    )


def _sets(
    people: Recording, shown: Recording, test: Flags, model: FeverModel, *, seed: int, size: float = 0.0
) -> list[Evaluated]:
    camera = f"{people.camera}, {1000 * size:.0f} mm spots" if size else people.camera
    later = shown.take(test)
    return [
        evaluated(TEST_PART, camera, pairs(later, model), later.febrile, seed=seed, size=size),
        evaluated(OUT_OF_FOLD, camera, out_of_fold(people, seed, shown), people.febrile, seed=seed, size=size),
    ]


def write(found: ScreeningEvaluation, path: Path) -> None:
    """Write the file.

    Raises:
        EvaluationError: it cannot be written.
    """
    try:
        path.write_bytes(msgspec.json.encode(found) + b"\n")
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
