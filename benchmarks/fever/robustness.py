"""What a room 4 °C away and a camera that drifts from day to day cost, on the same people (paired)."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.comparison import at_threshold
from benchmarks.fever.frozen import KINDS
from benchmarks.fever.statistics import Interval, interval, resamples, sensitivity
from benchmarks.fever.values import HEADLINE, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.fever.comparison import Part
    from benchmarks.fever.data import Recording
    from benchmarks.fever.statistics import Sampling
    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Disturb = Callable[[Recording, np.random.Generator], Recording]

AWAY = 4.0
"""Kelvin by which the room differs."""
DRIFT = 0.5
"""Standard deviation of the camera's error from day to day, K."""
MEMORY = 0.9
"""Share of yesterday's error that is still there, for the drift that wanders."""
SKIN_SLOPE, SKIN_SLOPE_MOST = 0.08, 0.13
"""How much skin follows the room, K/K: face maximum; the forehead, which follows most."""
SCENES = 40
"""Drawn disturbances; the bootstrap draws among them as well as among people."""
GATE_DAYS, GATE_PEOPLE, GATE_SCENES = 20, 200, 60


@dataclass(frozen=True, slots=True)
class Cost:
    """One disturbance, one kind of value, one shot."""

    name: str
    kind: str
    febrile_n: int
    afebrile_n: int
    before: float
    """Sensitivity at 95 % specificity, threshold from the same (disturbed or undisturbed) people."""
    after: float
    """Mean over the scenes."""
    cost: Interval
    """before − after, paired."""
    frozen: tuple[float, float] | None
    """Sensitivity and specificity after, at the training part's threshold; None where there is none."""


def shifted(people: Recording, surface: Values, room: Values) -> Recording:
    """The same people with all surfaces moved by `surface` [n] K and the room as read moved by `room` [n] K."""
    return dataclasses.replace(
        people,
        face=people.face + surface[:, None],
        canthi=people.canthi + surface[:, None],
        forehead=people.forehead + surface[:, None],
        spots=people.spots + surface[:, None],
        room=people.room + room,
    )


def by_day(people: Recording, draw: Callable[[int], Values]) -> Values:
    """[n] one value a day, drawn in the order of days."""
    days, place = np.unique(people.day, return_inverse=True)
    return draw(days.size)[place]


def steady(slope: float, sign: float) -> Disturb:
    """Every room AWAY warmer (sign +1) or colder (−1), read right; skin follows by `slope`."""

    def disturb(people: Recording, _: np.random.Generator) -> Recording:
        room = np.full(len(people), sign * AWAY)
        return shifted(people, slope * room, room)

    return disturb


def mixed(slope: float) -> Disturb:
    """Each day's room AWAY warmer or colder by chance, read right; skin follows by `slope`."""

    def disturb(people: Recording, random: np.random.Generator) -> Recording:
        room = by_day(people, lambda count: AWAY * random.choice([-1.0, 1.0], count))
        return shifted(people, slope * room, room)

    return disturb


def misread(people: Recording, random: np.random.Generator) -> Recording:
    """Each day the room is read AWAY too warm or too cold by chance; skin stays as it was."""
    room = by_day(people, lambda count: AWAY * random.choice([-1.0, 1.0], count))
    return shifted(people, np.zeros(len(people)), room)


def drift(memory: float) -> Disturb:
    """The camera's error: DRIFT each day, `memory` of it from the day before."""

    def disturb(people: Recording, random: np.random.Generator) -> Recording:
        def walk(count: int) -> Values:
            errors = random.normal(0, DRIFT, count)
            for at in range(1, count):
                errors[at] = memory * errors[at - 1] + math.sqrt(1 - memory**2) * errors[at]
            return errors

        error = by_day(people, walk)
        return shifted(people, error, np.zeros(len(people)))

    return disturb


DISTURBANCES: dict[str, tuple[Disturb, bool]] = {
    "rooms all 4 °C warmer, skin follows by 0.08 K/K": (steady(SKIN_SLOPE, 1), False),
    "rooms all 4 °C warmer, skin follows by 0.13 K/K": (steady(SKIN_SLOPE_MOST, 1), False),
    "rooms all 4 °C colder, skin follows by 0.13 K/K": (steady(SKIN_SLOPE_MOST, -1), False),
    "each day's room 4 °C warmer or colder, skin follows by 0.13 K/K": (mixed(SKIN_SLOPE_MOST), True),
    "each day the room is read 4 °C wrong": (misread, True),
    "camera drifts by 0.5 K SD, each day anew": (drift(0.0), True),
    "camera drifts by 0.5 K SD, a tenth of it anew each day": (drift(MEMORY), True),
}
"""Name, and whether chance decides (else one scene is all)."""
AT_A_GATE: dict[str, Disturb] = {
    "each day's room 4 °C warmer or colder, skin follows by 0.13 K/K": mixed(SKIN_SLOPE_MOST),
    "each day the room is read 4 °C wrong": misread,
    "camera drifts by 0.5 K SD, each day anew": drift(0.0),
}


def as_recorded(
    people: Recording, model: FeverModel, part: Part, frozen: dict[str, float], sampling: Sampling
) -> list[Cost]:
    """All DISTURBANCES on the recording itself: few people a day."""
    found = []
    calm = judge(people, model, HEADLINE)
    for name, (disturb, chance) in DISTURBANCES.items():
        scenes = min(SCENES, sampling.times) if chance else 1
        seeds = [np.random.default_rng([sampling.seed, scene]) for scene in range(scenes)]
        rough = [judge(disturb(people, random), model, HEADLINE) for random in seeds]
        for kind in KINDS:
            before = getattr(calm, kind)[part.people]
            after = np.array([getattr(each, kind)[part.people] for each in rough])
            sick = people.febrile[part.people]
            found.append(_cost(name, kind, (before, after), sick, limit=frozen[kind], sampling=sampling))
    return found


def _cost(
    name: str, kind: str, values: tuple[Values, Values], febrile: Flags, *, limit: float, sampling: Sampling
) -> Cost:
    there = np.isfinite(values[0])
    before, after, sick = values[0][there], values[1][:, there], febrile[there]
    random = np.random.default_rng(sampling.seed)
    draws = [
        sensitivity(before[draw], sick[draw]) - sensitivity(after[random.integers(len(after))][draw], sick[draw])
        for draw in resamples(sick, sampling)
    ]
    calm = sensitivity(before, sick)
    rough = float(np.mean([sensitivity(scene, sick) for scene in after]))
    at = [at_threshold(scene, sick, limit) for scene in after]
    held = (float(np.mean([each[1].value for each in at])), float(np.mean([each[2].value for each in at])))
    return Cost(
        name, kind, int(sick.sum()), int((~sick).sum()), calm, rough, interval(calm - rough, np.array(draws)), held
    )


def at_a_gate(people: Recording, model: FeverModel, part: Part, sampling: Sampling) -> list[Cost]:
    """AT_A_GATE at a gate's traffic: GATE_PEOPLE a day, drawn again and again from the part.

    Each scene draws the part's people anew (the bootstrap), makes GATE_DAYS days of them in the order of their hours,
    and judges the same days without and with the disturbance.
    """
    usable = np.flatnonzero(part.people & np.isfinite(people.face[:, 0]))
    sick = people.febrile[usable]
    scenes = min(GATE_SCENES, max(sampling.times, 1))
    calm: list[dict[str, float]] = []
    rough: dict[str, list[dict[str, float]]] = {name: [] for name in AT_A_GATE}
    for scene, drawn in enumerate(resamples(sick, dataclasses.replace(sampling, times=scenes))):
        random = np.random.default_rng([sampling.seed, scene])
        visits = _days(people.take(usable[drawn]), random)
        calm.append(_sensitivities(visits, model))
        for name, disturb in AT_A_GATE.items():
            rough[name].append(_sensitivities(disturb(visits, random), model))
    found = []
    for name, kind in itertools.product(AT_A_GATE, KINDS):
        before, after = (np.array([scene[kind] for scene in each]) for each in (calm, rough[name]))
        cost = interval(float((before - after).mean()), before - after)
        mean = (float(before.mean()), float(after.mean()))
        where = f"{name}, at {GATE_PEOPLE} people a day"
        found.append(Cost(where, kind, int(sick.sum()), int((~sick).sum()), *mean, cost, None))
    return found


def _sensitivities(visits: Recording, model: FeverModel) -> dict[str, float]:
    judged = judge(visits, model, HEADLINE)
    return {kind: sensitivity(getattr(judged, kind), visits.febrile) for kind in KINDS}


def _days(people: Recording, random: np.random.Generator) -> Recording:
    """GATE_DAYS days of GATE_PEOPLE visits, each day in the order of the hours."""
    drawn = random.integers(len(people), size=GATE_DAYS * GATE_PEOPLE)
    day = np.repeat(np.arange(1, GATE_DAYS + 1), GATE_PEOPLE)
    visits = dataclasses.replace(people.take(drawn), day=day)
    return visits.take(np.argsort(visits.time, kind="stable"))
