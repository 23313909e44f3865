"""Fits the compensation to afebrile readings, with slope 1, and says how the regions' weights were chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.data import ROUNDS
from benchmarks.fever.statistics import threshold
from controller.errors import EvaluationError
from controller.perception.temperature import REFERENCE_ROOM, SHIPPED, FeverModel, RegionFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.data import Recording

    Values = NDArray[np.float64]

LEAST_PEOPLE = 20
"""Fewer afebrile people fit no line worth the name."""
STRICTEST, LAXEST, POINTS = 0.99, 0.80, 39
"""Specificities over which `found` averages: a single operating point of some thirty fevers is a lottery."""
WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
FOREHEADS = (0.0, 0.1, 0.2)
WEIGHT_DOUBT = 0.2 / math.sqrt(3)
"""Standard uncertainty of the canthi's weight: from 0.1 to 0.5 the training part cannot tell the difference."""


def fit(people: Recording) -> FeverModel:
    """The model refitted on the afebrile of these people, all rounds. The weights of the regions are the shipped ones.

    Raises:
        EvaluationError: fewer than LEAST_PEOPLE of them are afebrile and have a room temperature.
    """
    usable = ~people.febrile & np.isfinite(people.room)
    if usable.sum() < LEAST_PEOPLE:
        raise EvaluationError(f"{int(usable.sum())} afebrile people with a room temperature: too few to fit a model")
    few = people.take(usable)
    return FeverModel(
        face_only=_line(few, 0.0, 0.0),
        with_canthi=_line(few, SHIPPED.with_canthi.canthi, SHIPPED.with_canthi.forehead),
        with_forehead=_line(few, SHIPPED.with_forehead.canthi, SHIPPED.with_forehead.forehead),
    )


def _line(people: Recording, canthi: float, forehead: float) -> RegionFit:
    """Offset and room slope for given weights, and the scatter about them."""
    surface, room, oral = _pooled(people, canthi, forehead)
    slope, offset = np.polyfit(room - REFERENCE_ROOM, oral - surface, 1)
    scatter = float(np.std(oral - surface - offset - slope * (room - REFERENCE_ROOM), ddof=2))
    region = min(_region_cost(people, canthi), scatter)
    return RegionFit(
        face=round(1 - canthi - forehead, 6),
        canthi=canthi,
        forehead=forehead,
        offset=float(offset),
        room_slope=float(slope),
        # The scatter about the line holds both causes; each is named once.
        compensation=math.sqrt(max(scatter**2 - region**2, 0.0)),
        region=region,
    )


def _region_cost(people: Recording, canthi: float) -> float:
    """How far another defensible choice of regions would have read, K: the weight's doubt, or the canthi's absence."""
    apart = (people.canthi - people.face)[np.isfinite(people.canthi) & np.isfinite(people.face)]
    if apart.size < 2:
        return 0.0
    missing = WEIGHT_DOUBT if canthi else math.hypot(SHIPPED.with_canthi.canthi, WEIGHT_DOUBT)
    return float(np.std(apart, ddof=1) * missing)


def _pooled(people: Recording, canthi: float, forehead: float) -> tuple[Values, Values, Values]:
    """(surface, room, oral) of every round that has the regions, one after the other."""
    surface = (1 - canthi - forehead) * people.face
    if canthi:
        surface = surface + canthi * people.canthi
    if forehead:
        surface = surface + forehead * people.forehead
    there = np.isfinite(surface)
    room = np.repeat(people.room[:, None], len(ROUNDS), axis=1)
    oral = np.repeat(people.oral[:, None], len(ROUNDS), axis=1)
    return surface[there], room[there], oral[there]


def found(values: Values, febrile: NDArray[np.bool_]) -> float:
    """Mean sensitivity over specificities from LAXEST to STRICTEST: the criterion of `choose`."""
    there = np.isfinite(values)
    fevers, healthy = values[there & febrile], values[there & ~febrile]
    points = np.linspace(LAXEST, STRICTEST, POINTS)
    return float(np.mean([(fevers > threshold(healthy, point)).mean() for point in points]))


def choose(training: Recording) -> list[tuple[float, float, float, float]]:
    """(canthi, forehead, found in one shot, found in the mean of rounds) for each pair of weights, training part only.

    One shot is the mean of the three rounds' figures. The first pair is the best by the sum of both.
    """
    rows = []
    for forehead in FOREHEADS:
        for canthi in WEIGHTS:
            if canthi + forehead > 1:
                continue
            surface = (1 - canthi - forehead) * training.face + canthi * training.canthi + forehead * training.forehead
            line = _line(training.take(~training.febrile & np.isfinite(training.room)), canthi, forehead)
            values = surface + (line.room_slope * (training.room - REFERENCE_ROOM))[:, None]
            measured = np.isfinite(values)
            total = np.where(measured, values, 0.0).sum(axis=1)
            mean = np.where(measured.any(axis=1), total / np.maximum(measured.sum(axis=1), 1), math.nan)
            shot = float(np.mean([found(values[:, at], training.febrile) for at in range(len(ROUNDS))]))
            rows.append((canthi, forehead, shot, found(mean, training.febrile)))
    return sorted(rows, key=lambda row: -(row[2] + row[3]))
