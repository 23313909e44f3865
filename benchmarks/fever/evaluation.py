"""One evaluation: for each camera and each part of its people, everything the report says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever import coarse
from benchmarks.fever.bands import HOURS, ROOMS, Band, bands
from benchmarks.fever.calibration import SWEEP, Calibration, calibrate
from benchmarks.fever.comparison import Part, Row, columns, compare, judge_all, rankable
from benchmarks.fever.fit import fit
from benchmarks.fever.frozen import SHIPPED_THRESHOLDS, TRAINED_UNTIL, thresholds, trained_on
from benchmarks.fever.robustness import Cost, as_recorded, at_a_gate
from benchmarks.fever.splits import by_subject, chronological, test_part
from benchmarks.fever.values import AVERAGED, HEADLINE, WAYS, crowd, judge
from controller.errors import EvaluationError
from controller.perception.temperature import REFERENCE_ROOM, SHIPPED, FeverModel, Readings, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.coarse import Coarse
    from benchmarks.fever.data import Recording
    from benchmarks.fever.statistics import Sampling
    from benchmarks.fever.values import Judged

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

TEST, WHOLE = "test part (later days)", "whole file"
LATER = "people seen after the fit's last day"


@dataclass(frozen=True, slots=True)
class PartResult:
    """One part's tables."""

    part: Part
    rows: list[Row]
    bands: dict[str, list[Band]]
    """By "room, °C" and "hour"."""
    calibration: Calibration
    """Of the mean of rounds 1-3 with the crowd baseline."""
    costs: list[Cost]
    coarse: Coarse | None
    """As a coarse array sees a face; None where the files cannot tell."""

    def row(self, way: str) -> Row:
        """The row of one way of reading."""
        return next(each for each in self.rows if each.way == way)


@dataclass(frozen=True, slots=True)
class CameraResult:
    """One camera."""

    recording: Recording
    model: FeverModel
    judged: dict[str, Judged]
    parts: list[PartResult]
    """The first one is the headline."""
    grouped: list[Row]
    """The whole file, each person by a fit that knows nobody of the same fold; empty where there are too few people."""
    training: Flags
    """[n] who is in the fit."""
    thresholds: dict[str, dict[str, float]]
    sweep: tuple[Values, Values]
    """(surface moved onto an oral scale, estimate) in °C: the model's own slope."""

    @property
    def headline(self) -> PartResult:
        """The part that the summary is about."""
        return self.parts[0]


def evaluate(people: Recording, how: str, sampling: Sampling) -> CameraResult:
    """Judge one camera's people by the "shipped" fit, or by a refit on their chronological training part ("train").

    Raises:
        EvaluationError: there is nobody febrile or nobody afebrile to judge, or too few people to fit.
    """
    if how == "train":
        training = chronological(people)
        model = fit(people.take(training))
        limits = thresholds(people.take(training), model)
    else:
        until = TRAINED_UNTIL.toordinal()
        training = people.day <= until if trained_on(people) else np.zeros(len(people), bool)
        model, limits = SHIPPED, SHIPPED_THRESHOLDS
    parts = _parts(people, training, how)
    judged = judge_all(people, model)
    views = coarse.views(people, model, sampling)
    results = []
    for part in parts:
        spots = coarse.resolve(people, views, model, part, sampling)
        results.append(_part(people, judged, part, model=model, limits=limits, sampling=sampling, spots=spots))
    return CameraResult(
        recording=people,
        model=model,
        judged=judged,
        parts=results,
        grouped=_grouped(people, limits, sampling),
        training=training,
        thresholds=limits,
        sweep=_sweep(model),
    )


def _parts(people: Recording, training: Flags, how: str) -> list[Part]:
    """The headline first: whom the fit does not know, or everybody when it knows nobody."""
    everybody = Part(WHOLE, np.ones(len(people), bool), not training.any())
    later = Part(TEST, test_part(people, training), honest=True)
    candidates = [later, everybody] if training.any() else [everybody]
    if how == "shipped" and not training.any():
        # Another camera filmed the same people: those who came later were not even known by face.
        unknown = people.day > TRAINED_UNTIL.toordinal()
        if unknown.any() and not unknown.all():
            candidates.append(Part(LATER, unknown, honest=True))
    usable = [part for part in candidates if _judgeable(people, part)]
    if not usable:
        raise EvaluationError(f"{', '.join(people.files)}: needs febrile and afebrile people to judge anything")
    return usable


def _judgeable(people: Recording, part: Part) -> bool:
    """Whether the first round has somebody febrile and somebody afebrile."""
    return rankable(people.face[part.people, :1], people.febrile[part.people])


def _part(
    people: Recording,
    judged: dict[str, Judged],
    part: Part,
    *,
    model: FeverModel,
    limits: dict[str, dict[str, float]],
    sampling: Sampling,
    spots: Coarse | None,
) -> PartResult:
    shot, febrile = judged[HEADLINE], people.febrile
    averaged = columns(judged, AVERAGED, "crowd")[part.people, 0]
    return PartResult(
        part=part,
        rows=compare(judged, febrile, part, limits, sampling),
        bands={
            "room, °C": bands(shot, febrile, part, by=people.room, cuts=ROOMS, sampling=sampling),
            "hour": bands(shot, febrile, part, by=people.hour, cuts=HOURS, sampling=sampling),
        },
        calibration=calibrate(averaged, people.oral[part.people], febrile[part.people], model),
        costs=[
            *as_recorded(people, model, part, limits[HEADLINE], sampling),
            *at_a_gate(people, model, part, sampling),
        ],
        coarse=spots,
    )


def _grouped(people: Recording, limits: dict[str, dict[str, float]], sampling: Sampling) -> list[Row]:
    """The whole file out of fold: five groups of subjects, each judged by a fit on the other four."""
    everybody = Part(WHOLE, np.ones(len(people), bool), honest=True)
    judged: dict[str, Judged] = {}
    try:
        folds = [(test, fit(people.take(training))) for training, test in by_subject(people, sampling.seed)]
    except EvaluationError:
        return []
    for way in WAYS:
        merged = judge(people, SHIPPED, way)
        alone = merged.model.copy()
        for test, model in folds:
            alone[test] = judge(people.take(test), model, way).model
        correction, doubt = crowd(people, alone)
        judged[way] = dataclasses.replace(
            merged, model=alone, crowd=alone + correction, correction=correction, doubt=doubt
        )
    return compare(judged, people.febrile, everybody, limits, sampling)


def _sweep(model: FeverModel) -> tuple[Values, Values]:
    """The model's answer to a face swept from 34 to 42 °C, on an axis moved so that a slope of 1 is the diagonal."""
    values = np.array([estimate(Readings(face=face, room=REFERENCE_ROOM), model).value for face in SWEEP.tolist()])
    return SWEEP, values - model.face_only.offset
