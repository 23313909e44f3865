"""The same people as a coarse array sees a face: a spot of 12 mm at an inner corner of the eye, not pixels of 1 mm.

The estimate is the board's own: `spot.loss` is added to what the spot shows, and `temperature.estimate` has no more
than that face. Only the noise is made up.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.calibration import Calibration, calibrate
from benchmarks.fever.comparison import ANY_ROUND, columns, judge_all, rankable
from benchmarks.fever.statistics import Interval, auc, interval, over_columns, resamples, sensitivity
from benchmarks.fever.values import AVERAGED, HEADLINE
from controller.perception import spot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.comparison import Part
    from benchmarks.fever.data import Recording
    from benchmarks.fever.statistics import Sampling
    from benchmarks.fever.values import Judged
    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]

SIZE = 0.012
"""Diameter of the published circles on a face, m: 13 pixels of the camera."""
NOISE = 0.2
"""K of one reading: what a look of an MLX90640 keeps of its noise."""
SCENES = 40
"""Drawn noises; the bootstrap draws among them as well as among people."""
FULL = "full resolution"
SPOTTED = f"{1000 * SIZE:.0f} mm spot"
KINDS = (
    FULL,
    f"{FULL} + {NOISE} K",
    SPOTTED,
    f"{SPOTTED} + crowd",
    f"{SPOTTED} + {NOISE} K",
    f"{SPOTTED} + {NOISE} K + crowd",
)
"""What is compared: always the model; with the noise and with the crowd baseline where it says so."""
WAYS = (HEADLINE, ANY_ROUND, AVERAGED)


@dataclass(frozen=True, slots=True)
class Figures:
    """One kind of value, read in one way."""

    way: str
    kind: str
    febrile_n: int
    afebrile_n: int
    auc: Interval
    sensitivity: Interval
    """At 95 % specificity, threshold from the same (noisy) people."""
    auc_gain: Interval | None
    """Less FULL's, paired; None for itself."""
    sensitivity_gain: Interval | None


@dataclass(frozen=True, slots=True)
class Loss:
    """Face maximum less spot, on a part's afebrile, all rounds: what `spot` says, and what is."""

    n: int
    readings: int
    measured: tuple[float, float, float]
    """(at 24 °C in K, change with the room in K/K, scatter about that line in K)."""
    assumed: tuple[float, float, float]
    """The same by `spot.loss` and `spot.scatter`."""
    between: float
    """Part of the scatter that is between people, K."""
    within: float
    """Part that is between one person's rounds, K: only this may a second look change."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """One part's tables."""

    figures: list[Figures]
    agreement: dict[tuple[str, str], Calibration]
    """By way and FULL or SPOTTED; without noise and crowd."""
    loss: Loss


def seen(people: Recording) -> Recording:
    """The recording as the board would have it: the face is a spot's, with what it misses added; no other regions."""
    room = people.room.tolist()
    # Where the room is not known, neither is the loss.
    added = np.array([math.nan if math.isnan(each) else spot.loss(SIZE, each) for each in room])
    nothing = np.full_like(people.face, math.nan)
    return dataclasses.replace(people, face=people.spots + added[:, None], canthi=nothing, forehead=nothing)


def noisy(people: Recording, noise: float, random: np.random.Generator) -> Recording:
    """With a sensor's noise, K, on each reading of each round; a camera's regions share it, as one reading does."""
    drawn = noise * random.standard_normal(people.face.shape)
    return dataclasses.replace(
        people, face=people.face + drawn, canthi=people.canthi + drawn, forehead=people.forehead + drawn
    )


Views = dict[str, list[dict[str, "Judged"]]]
"""By kind: scenes, each by way. Without noise there is one scene."""


def views(people: Recording, model: FeverModel, sampling: Sampling) -> Views | None:
    """Everybody's values; None where the files have no spots."""
    if not np.isfinite(people.spots).any():
        return None
    spots = seen(people)
    scenes = range(min(SCENES, sampling.times))
    found: Views = {FULL: [judge_all(people, model)], SPOTTED: [judge_all(spots, model)]}
    for name, each in ((FULL, people), (SPOTTED, spots)):
        seeds = [np.random.default_rng([sampling.seed, scene]) for scene in scenes]
        found[f"{name} + {NOISE} K"] = [judge_all(noisy(each, NOISE, random), model) for random in seeds]
    return found


def resolve(people: Recording, found: Views | None, model: FeverModel, part: Part, sampling: Sampling) -> Coarse | None:
    """One part's tables; None without spots, or where there is nobody to rank."""
    if found is None or not rankable(people.spots[part.people, :1], people.febrile[part.people]):
        return None
    figures = [each for way in WAYS for each in _figures(people, found, way, part, sampling)]
    sick, oral = people.febrile[part.people], people.oral[part.people]
    agreement = {
        (way, kind): calibrate(columns(found[kind][0], way, "model")[part.people, 0], oral, sick, model)
        for way in (HEADLINE, AVERAGED)
        for kind in (FULL, SPOTTED)
    }
    return Coarse(figures, agreement, loss(people.take(part.people & ~people.febrile)))


def loss(people: Recording) -> Loss:
    """What the spots of these people miss of the face's maximum."""
    missed, room = people.face - people.spots, np.repeat(people.room[:, None], people.face.shape[1], axis=1)
    there = np.isfinite(missed) & np.isfinite(room)
    slope, middle = np.polyfit(room[there] - spot.ROOM, missed[there], 1)
    rest = np.where(there, missed - middle - slope * (room - spot.ROOM), math.nan)
    total = float(np.nanvar(rest, ddof=2))
    whole = rest[there.all(axis=1)]
    within = float(whole.var(axis=1, ddof=1).mean()) if len(whole) else math.nan
    step = spot.loss(SIZE, spot.ROOM + 1) - spot.loss(SIZE, spot.ROOM)
    return Loss(
        n=int(there.any(axis=1).sum()),
        readings=int(there.sum()),
        measured=(float(middle), float(slope), math.sqrt(total)),
        assumed=(spot.loss(SIZE, spot.ROOM), step, spot.scatter(SIZE, spot.ROOM)),
        between=math.sqrt(max(total - within, 0.0)),
        within=math.sqrt(within),
    )


def _figures(people: Recording, found: Views, way: str, part: Part, sampling: Sampling) -> list[Figures]:
    sick = people.febrile[part.people]
    draws = resamples(sick, sampling)
    base: dict[str, tuple[float, Values]] = {}
    rows = []
    for kind in KINDS:
        scenes = found[kind.removesuffix(" + crowd")]
        value = "crowd" if kind.endswith("crowd") else "model"
        values = np.stack([columns(judged, way, value)[part.people] for judged in scenes])
        figures: dict[str, Interval] = {}
        gains: dict[str, Interval] = {}
        for name, statistic in (("auc", auc), ("sensitivity", sensitivity)):
            at = float(np.mean([over_columns(statistic, scene, sick) for scene in values]))
            random = np.random.default_rng(sampling.seed)
            picked = values[random.integers(len(values), size=len(draws))]
            drawn = np.array(
                [over_columns(statistic, one[draw], sick[draw]) for one, draw in zip(picked, draws, strict=True)]
            )
            figures[name] = interval(at, drawn)
            plain = base.setdefault(name, (at, drawn))
            gains[name] = interval(at - plain[0], drawn - plain[1])
        there = np.isfinite(values[0]).any(axis=1)
        counts = int((sick & there).sum()), int((~sick & there).sum())
        gained = (None, None) if kind == FULL else (gains["auc"], gains["sensitivity"])
        rows.append(Figures(way, kind, *counts, figures["auc"], figures["sensitivity"], *gained))
    return rows
