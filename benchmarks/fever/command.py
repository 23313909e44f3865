"""`thermogate eval fever`: reads, judges, prints, writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever import charts, frozen, operating, report
from benchmarks.fever.data import read
from benchmarks.fever.evaluation import evaluate
from benchmarks.fever.fit import choose
from benchmarks.fever.splits import test_part
from benchmarks.fever.statistics import Sampling
from controller.errors import EvaluationError

if TYPE_CHECKING:
    import argparse

    from benchmarks.fever.evaluation import CameraResult
    from benchmarks.fever.section import Section


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; 0 when all is written.

    Raises:
        EvaluationError: the data cannot be used, or the folder not be written.
    """
    sampling = Sampling(arguments.bootstrap, arguments.seed)
    results = [evaluate(people, arguments.fit, sampling) for people in read(arguments.data)]
    found = report.sections(results, arguments.fit, sampling)
    print(report.plain(found))
    if arguments.fit == "train":
        _print_choice(results)
    if arguments.out is not None:
        _write(results, found, arguments.out)
    if arguments.write_operating is not None:
        _write_operating(results, arguments)
    return 0


def _write(results: list[CameraResult], found: list[Section], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = charts.why_not()
        pictures = {} if missing else charts.draw(results, folder)
        text = report.markdown(found, pictures, missing)
        (folder / "report.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{folder}: {error.strerror}") from error
    print(f"\nwritten: {folder / 'report.md'}" + (f" ({missing})" if missing else f" and {len(pictures)} pictures"))


def _print_choice(results: list[CameraResult]) -> None:
    """How the regions' weights fare on the training part, where they were chosen."""
    for result in results:
        rows = choose(result.recording.take(result.training))
        camera = result.recording.camera
        print(f"\n{camera}: weights of the regions on the training part, best first (the shipped are fixed)")
        print("  canthi  forehead  mean sensitivity over specificities .80-.99: one shot, mean of rounds")
        for canthi, forehead, shot, averaged in rows[:8]:
            print(f"  {canthi:6.1f}  {forehead:8.1f}  {shot:.4f}  {averaged:.4f}")


def _write_operating(results: list[CameraResult], arguments: argparse.Namespace) -> None:
    """The shipped evaluation, from the camera that the fit is of."""
    ours = [each for each in results if frozen.trained_on(each.recording)]
    if arguments.fit != "shipped" or not ours:
        raise EvaluationError(f"--write-operating needs --fit shipped and the {frozen.CAMERA} file that the fit is of")
    people = ours[0].recording
    command = (
        f"thermogate eval fever --data {Path(people.files[0]).name} --seed {arguments.seed} --write-operating PATH"
    )
    test = test_part(people, np.asarray(ours[0].training))
    built = operating.build(people, test, ours[0].model, command=command, seed=arguments.seed)
    operating.write(built, arguments.write_operating)
    print(f"written: {arguments.write_operating}")
