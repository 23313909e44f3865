"""What the program's model and crowd baseline make of a recording. They are the board's own code, not a copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.data import FEBRILE, ROUNDS
from controller.perception.crowd import CrowdBaseline, Passer, expected
from controller.perception.temperature import Readings, average, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.data import Recording
    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]

WAYS = ("round 1", "round 2", "round 3", "mean of rounds 1-3")
"""What a person's value is read from. HEADLINE is the first: one shot, as a gate takes it."""
HEADLINE, AVERAGED = WAYS[0], WAYS[3]


@dataclass(frozen=True, slots=True)
class Judged:
    """Values of all people by one way; °C, [n], NaN where a round was not measured."""

    baseline: Values
    """Plain face maximum."""
    model: Values
    """Estimate of the model alone."""
    crowd: Values
    """With the crowd baseline, which ran through the recording in the order of time and knew only the past."""
    correction: Values
    """What the crowd added, K."""
    doubt: Values
    """Its standard uncertainty, K."""


def judge(people: Recording, model: FeverModel, way: str) -> Judged:
    """Everybody's values by one of WAYS."""
    at = WAYS.index(way)
    rounds = range(len(ROUNDS)) if way == AVERAGED else (at,)
    readings = [_readings(people, person, rounds) for person in range(len(people))]
    face = np.array([math.nan if each is None else each.face for each in readings])
    alone = np.array([math.nan if each is None else estimate(each, model).value for each in readings])
    correction, doubt = crowd(people, alone)
    return Judged(face, alone, alone + correction, correction, doubt)


def crowd(people: Recording, estimates: Values, room: Values | None = None) -> tuple[Values, Values]:
    """(correction, its standard uncertainty) in K for each estimate, by a baseline that starts cold at the first visit.

    People come in the recording's order; `room` is what the gate believes, by default the recorded one.
    """
    baseline = CrowdBaseline()
    believed = (people.room if room is None else room).tolist()
    added, doubt = [], []
    for time, hour, air, value in zip(
        people.time.tolist(), people.hour.tolist(), believed, estimates.tolist(), strict=True
    ):
        now = baseline.correction(time, air)
        added.append(now.value)
        doubt.append(now.uncertainty)
        if not math.isnan(value):
            flagged = now.alarms(value, FEBRILE)
            baseline.observe(Passer(time, air, hour, value - expected(hour), flagged))
    return np.array(added), np.array(doubt)


def readings_of(people: Recording, person: int, at: int) -> Readings | None:
    """One person's round (0, 1, 2) as the board would have it; None where it was not measured."""
    if math.isnan(people.face[person, at]):
        return None
    return Readings(
        face=float(people.face[person, at]),
        canthi=float(people.canthi[person, at]),
        forehead=float(people.forehead[person, at]),
        room=float(people.room[person]),
        distance=float(people.distance[person]),
    )


def _readings(people: Recording, person: int, rounds: range | tuple[int, ...]) -> Readings | None:
    found = [each for at in rounds if (each := readings_of(people, person, at)) is not None]
    return average(found) if found else None
