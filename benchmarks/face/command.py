"""`thermogate eval face`: reads, looks, judges, prints, writes."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.face import charts, latency, report, table
from benchmarks.face.data import read_album, read_pairs, read_people
from benchmarks.face.evaluation import EngineResult, Plan, evaluate
from benchmarks.face.faces import look
from benchmarks.fever.charts import why_not
from benchmarks.fever.report import markdown, plain
from controller.errors import EvaluationError
from controller.perception.engines import open_engine
from controller.perception.settings import AttemptSettings
from controller.perception.thresholds import (
    FALSE_ACCEPT,
    VERIFY_FALSE_ACCEPT,
    FaceEvaluation,
    ThresholdRule,
    load,
    rule,
    shipped,
    verify_score,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from benchmarks.face.data import Album, Photo
    from benchmarks.fever.section import Section
    from controller.perception.types import FaceEngine


class Shipped(TypedDict):
    """Thresholds of one engine, where it was measured."""

    rule: ThresholdRule | None
    verify_score: float | None


ENGINES = ("opencv", "tflite")
TIMED = 400
"""Photographs of which attempts are timed."""


def run(arguments: argparse.Namespace, opener: Callable[[str, Path | None], FaceEngine] = open_engine) -> int:
    """Evaluate; 0 when all is written. `opener` opens an engine by its name and the models folder.

    Raises:
        EvaluationError: the pictures or lists cannot be used, or the folder not be written.
        GateError: an engine does not open.
    """
    album = read_album(arguments.images, arguments.limit)
    plan = Plan(
        pairs=None if arguments.pairs is None else read_pairs(arguments.pairs),
        listed=() if arguments.gallery is None else read_people(arguments.gallery),
        enrol=arguments.enrol,
        splits=arguments.splits,
        times=arguments.bootstrap,
        seed=arguments.seed,
    )
    missing = sorted(set(plan.listed) - album.keys())
    if missing and arguments.limit is None:
        raise EvaluationError(f"{arguments.gallery}: no pictures of {len(missing)} people, {missing[0]} first")
    names = ENGINES if arguments.engine == "both" else (arguments.engine,)
    engines = [opener(name, arguments.models) for name in names]
    results = [_engine(engine, album, plan, arguments) for engine in engines]
    pictures = sum(map(len, album.values()))
    if arguments.write_thresholds is not None:
        results = _write_thresholds(results, pictures, len(album), arguments)
    found = report.sections(results, plan, f"{pictures} of {len(album)} people")
    print(plain(found))
    print()
    for result in results:
        print(report.headline(result, plan))
    if arguments.out is not None:
        _write(results, found, arguments.out)
    return 0


def _engine(engine: FaceEngine, album: Album, plan: Plan, arguments: argparse.Namespace) -> EngineResult:
    photos = [photo for each in album.values() for photo in each]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{engine.name}: looking", total=len(photos))
        sight = look(engine, photos, lambda: progress.advance(task))
        drawing = progress.add_task(f"{engine.name}: galleries", total=None)
        result = evaluate(
            sight,
            len(album),
            plan,
            margin=engine.margin,
            least_quality=AttemptSettings().quality,
            **_shipped(shipped(), engine.name, engine.template_model),
            progress=lambda: progress.advance(drawing),
        )
    if arguments.latency:
        result = dataclasses.replace(result, timing=_timed(engine, photos))
    if arguments.walk is not None:
        with tempfile.TemporaryDirectory(prefix="thermogate-eval-") as scratch:
            result = dataclasses.replace(result, walk=latency.walk(engine, arguments.walk, plan.seed, Path(scratch)))
    return result


def _timed(engine: FaceEngine, photos: list[Photo]) -> latency.Timing:
    """The fused attempt on one core, where the system can keep a process on one."""
    chosen = photos[:: max(1, len(photos) // TIMED)][:TIMED]
    pictures = [cv2.imread(str(photo.path)) for photo in chosen]
    usable = [np.asarray(picture, dtype=np.uint8) for picture in pictures if picture is not None]
    if not hasattr(os, "sched_setaffinity"):
        return latency.measure(engine, usable)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        return latency.measure(engine, usable)
    finally:
        os.sched_setaffinity(0, cores)


def _write(results: list[EngineResult], found: list[Section], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = why_not()
        pictures = {} if missing else charts.draw(results, folder)
        (folder / "report.md").write_text(markdown(found, pictures, missing), encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{folder}: {error.strerror}") from error
    print(f"\nwritten: {folder / 'report.md'}" + (f" ({missing})" if missing else f" and {len(pictures)} pictures"))


def _write_thresholds(
    results: list[EngineResult], pictures: int, people: int, arguments: argparse.Namespace
) -> list[EngineResult]:
    """Write the table that a gate reads, from these people; the results with its thresholds."""
    path = arguments.write_thresholds
    tables = [table.build(each.sight.engine, each.sight.template_model, each.sizes, each.claims) for each in results]
    command = (
        f"thermogate eval face --images {arguments.images.name} --engine {arguments.engine} --enrol {arguments.enrol} "
        f"--splits {arguments.splits} --seed {arguments.seed} --write-thresholds PATH"
    )
    table.write(tables, f"{pictures} pictures of {people} people", command, path)
    print(f"written: {path}")
    fresh = load(path)
    return [
        dataclasses.replace(each, **_shipped(fresh, each.sight.engine, each.sight.template_model)) for each in results
    ]


def _shipped(found: FaceEvaluation, engine: str, template_model: str) -> Shipped:
    """What a gate would use of a table."""
    return {
        "rule": rule(found, engine, template_model, FALSE_ACCEPT),
        "verify_score": verify_score(found, engine, template_model, VERIFY_FALSE_ACCEPT),
    }
