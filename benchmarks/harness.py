"""`thermogate bench`: measures the kernels and their peers in one interleaved run, and writes what it found."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

import _fastcore
from benchmarks import bandwidth, machine, markdown, options, report, timing, trial
from benchmarks.peers import libraries
from benchmarks.results import LeftOut, Report, Search

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
"""A lane's search shares the board with a camera and a detector: contenders get one thread each."""
OWN_CHOICE = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Would have NumPy run a path that isn't its best; dropped."""
WIDTH = 160

FULL_THERMAL, QUICK_THERMAL = timing.Effort(60, 0.02), timing.Effort(12, 0.002)
ROUNDS, SAMPLE_SECONDS = 60, 0.002
QUICK_ROUNDS, QUICK_SAMPLE_SECONDS = 10, 0.001


def _console() -> Console:
    """Standard output; wide enough for a row where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _measure(arguments: argparse.Namespace, console: Console) -> Report:
    """Everything, each table printed as soon as it is there."""
    quick = arguments.quick
    found = Report(machine.describe(), _settings(arguments), timing.clock_cost())
    for name, value in found.machine.items():
        console.print(f"{name}: {value}", highlight=False)
    if machine.is_busy():
        console.print(
            "busy: this machine has other work to do, so neither times nor ratios can be relied on", style="bold"
        )
    console.print(f"clock: {report.duration(found.clock_seconds)} of every single call's time", highlight=False)
    found.imports = [libraries.measure(each, 1 if quick else 5) for each in libraries.LIBRARIES]
    console.print(report.imports(found.imports))
    for each in found.imports:
        if each.failure:
            found.left_out.append(LeftOut(each.library, "everything", each.failure))
    found.bandwidth = bandwidth.measure(3 if quick else 15)
    speed = found.bandwidth
    console.print(f"memory: {speed.median / 1e9:.1f} GB/s read by one thread ({speed.means})", highlight=False)
    for task in trial.thermal_tasks(found, arguments, QUICK_THERMAL if quick else FULL_THERMAL):
        found.thermal.append(task)
        console.print(report.timings(task.task, task.timings))
    rounds, sample = (QUICK_ROUNDS, QUICK_SAMPLE_SECONDS) if quick else (ROUNDS, SAMPLE_SECONDS)
    for result in trial.searches(found, arguments, timing.Effort(rounds, sample, arguments.case_seconds)):
        if isinstance(result, Search):
            found.searches.append(result)
            console.print(report.search(result, found))
        else:
            found.indexes += result
            console.print(report.indexes(result))
    return found


def _settings(arguments: argparse.Namespace) -> dict[str, object]:
    names = ("quick", "distribution", "sizes", "dims", "thresholds", "k", "seed", "case_seconds", "build_limit")
    return {name: getattr(arguments, name) for name in names}


def _run(arguments: argparse.Namespace) -> int:
    """In a process where everybody has one thread; 1 when somebody's answers are wrong."""
    console = _console()
    if arguments.path:
        _fastcore.select_backend(arguments.path)
    try:
        found = _measure(arguments, console)
    except trial.Disagreement as finding:
        console.print(f"not timed: {finding}", style="bold red", highlight=False)
        return 1
    for each in found.left_out:
        console.print(f"left out: {each.who} ({each.where}): {each.reason}", highlight=False)
    if arguments.json:
        text = json.dumps(found.as_json(), indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.markdown:
        markdown.write(found, arguments.markdown)
    if arguments.chart:
        from benchmarks import chart

        for path in arguments.chart:
            chart.draw(found, path)
    return 1 if any(each.wrong for each in found.left_out) else 0


def _complaint(arguments: argparse.Namespace) -> str | None:
    """What can't be done, before minutes go by."""
    if arguments.vendor_lib and not arguments.vendor_lib.is_file():
        return f"--vendor-lib: {arguments.vendor_lib} is not a file"
    if arguments.path and arguments.path not in _fastcore.available_backends():
        return f"--path: {arguments.path} is not one of {', '.join(_fastcore.available_backends())}"
    if arguments.chart and importlib.util.find_spec("matplotlib") is None:
        return "--chart needs matplotlib: pip install 'thermogate[bench]'"
    if max(arguments.k) > min(arguments.sizes):
        return f"--k: {max(arguments.k)} results are more than {min(arguments.sizes)} templates"
    for path in (arguments.json, arguments.markdown, *arguments.chart):
        if path and not path.absolute().parent.is_dir():
            return f"{path}: there is no such folder"
    return None


def run(given: argparse.Namespace) -> int:
    """Run the benchmark; 0, 1 when answers are wrong, 2 when the arguments are.

    Numerical libraries read their thread counts when they load, so the work is done in a process of its own.
    """
    arguments = options.complete(given)
    complaint = _complaint(arguments)
    if complaint:
        print(f"thermogate bench: {complaint}", file=sys.stderr)
        return 2
    one_thread = all(os.environ.get(name) == value for name, value in ONE_THREAD.items())
    if one_thread and not any(name in os.environ for name in OWN_CHOICE):
        return _run(arguments)
    environment = {name: value for name, value in os.environ.items() if name not in OWN_CHOICE}
    command = [sys.executable, "-m", "benchmarks", *options.spelled(arguments)]
    return subprocess.run(command, env={**environment, **ONE_THREAD}, check=False).returncode  # noqa: S603 - ourselves


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m benchmarks`."""
    parser = argparse.ArgumentParser(prog="thermogate bench", description=__doc__)
    options.add(parser)
    return run(parser.parse_args(argv))
