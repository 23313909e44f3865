"""What a person's own earlier readings say about today's: their expected value, and whether that may inform.

A reading in the crowd's range may be far above what is usual for this person. It may just as well be chance: within a
person temperatures differ more than between people. So a baseline informs only where the gate's own readings have shown
that it would help, by bounds that are stated in `HistorySettings`, and all that it can do is ask for a second look.
Pure: no clock, no input or output.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller.lane.model import Verdict

if TYPE_CHECKING:
    from controller.perception.history_settings import HistorySettings
    from controller.perception.variance import Components, Days


class Evidence(enum.Enum):
    """Whether a baseline may inform, or the first reason why not."""

    ENOUGH = "enough"
    UNAVAILABLE = "unavailable"
    """The readings cannot be read or written; the log says why."""
    NO_CLOCK = "no_clock"
    """The board does not know the day."""
    NOT_A_NUMBER = "not_a_number"
    UNMEASURED = "unmeasured"
    """Too few people have been here on two days for this gate's variances."""
    SHARE_TOO_SMALL = "share_too_small"
    """People here do not surely differ enough from each other."""
    FEW_READINGS = "few_readings"
    FEW_DAYS = "few_days"
    GAIN_TOO_SMALL = "gain_too_small"
    """Knowing this person would take too little off the scatter."""


class Baseline(NamedTuple):
    """What a person's deviation from the crowd usually is."""

    value: float
    """K: the person's own mean, drawn towards everybody's by as much as it is unsure (best linear unbiased
    prediction; Robinson, Statistical Science 1991, 6, 15)."""
    uncertainty: float
    """Standard deviation of the person's true mean about `value`, K."""
    days: int
    readings: int


@dataclass(frozen=True, slots=True)
class PersonalNote:
    """What the history says about one reading. It never holds a verdict, and no field lowers one."""

    evidence: Evidence
    informs: bool
    """The evidence is enough, and `[perception.history] inform` is on."""
    second_look: bool
    """Ask for a second look; only where `informs`."""
    unusual: bool
    """The reading is beyond `z`, whether it informs or not: for the log, which shows what switching it on would do."""
    expected: float | None = None
    """This person's expected estimate, oral-equivalent °C."""
    uncertainty: float | None = None
    """Standard deviation of a reading like today's about `expected`, K."""
    z: float | None = None
    """(Reading - expected) / uncertainty."""
    gain: float | None = None
    """Part of the scatter that knowing the person takes away, 0..1."""
    days: int = 0
    readings: int = 0


def baseline(days: Days, population: Components) -> Baseline:
    """A person's baseline from the days that count; with none of them everybody's mean.

    Each day weighs by 1 / (variance within a person + its noise), so that a noisy day counts little.
    """
    between, within = population.between.value**2, population.within.value**2
    if between <= 0 or not days.day.size:
        return Baseline(population.mean, math.sqrt(max(between, 0.0)), int(days.day.size), days.readings)
    weights = 1 / (within + days.variance).clip(min=1e-9)
    information = float(weights.sum())
    own = float((weights * days.mean).sum()) / information
    trust = information / (information + 1 / between)
    value = population.mean + trust * (own - population.mean)
    return Baseline(value, math.sqrt(1 / (information + 1 / between)), int(days.day.size), days.readings)


def note(
    value: float, noise: float, days: Days, population: Components, settings: HistorySettings, *, expected: float
) -> PersonalNote:
    """What a person's days before today say about today's estimate `value`, °C, of standard uncertainty `noise`, K.

    `expected` is what was expected of anybody now, °C: the same that was taken off when the days were recorded.
    """
    if not (math.isfinite(value) and math.isfinite(expected) and math.isfinite(noise) and noise >= 0):
        return without(Evidence.NOT_A_NUMBER)
    usual = baseline(days, population)
    within = population.within.value**2 + noise**2
    spread = math.sqrt(max(within + usual.uncertainty**2, 1e-12))
    stranger = math.sqrt(max(within + population.between.value**2, 1e-12))
    own = expected + usual.value
    z, gain = (value - own) / spread, 1 - spread / stranger
    evidence = _evidence(usual, population, settings, gain)
    informs, unusual = settings.inform and evidence is Evidence.ENOUGH, z >= settings.z
    return PersonalNote(
        evidence, informs, informs and unusual, unusual, own, spread, z, gain, usual.days, usual.readings
    )


def without(evidence: Evidence) -> PersonalNote:
    """The note where nothing can be said."""
    return PersonalNote(evidence, informs=False, second_look=False, unusual=False)


def with_history(verdict: Verdict, told: PersonalNote, *, look: int, looks: int) -> Verdict:
    """The verdict after the history was heard: NORMAL may become RECHECK before the deciding look; no other changes.

    `look` counts the person's looks from 1, `looks` is the one that decides.
    """
    return Verdict.RECHECK if verdict is Verdict.NORMAL and told.second_look and look < looks else verdict


def population_evidence(population: Components, settings: HistorySettings) -> Evidence:
    """Whether this gate's readings together would let anybody's baseline inform."""
    if population.source == "published":
        return Evidence.UNMEASURED
    return Evidence.ENOUGH if population.share.low > settings.share else Evidence.SHARE_TOO_SMALL


def _evidence(usual: Baseline, population: Components, settings: HistorySettings, gain: float) -> Evidence:
    everybody = population_evidence(population, settings)
    if everybody is not Evidence.ENOUGH:
        return everybody
    if usual.readings < settings.readings:
        return Evidence.FEW_READINGS
    if usual.days < settings.days:
        return Evidence.FEW_DAYS
    return Evidence.ENOUGH if gain > settings.gain else Evidence.GAIN_TOO_SMALL
