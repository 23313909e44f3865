"""`thermogate bench`: check that all contenders agree, time them in one interleaved run, print a table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

import _fastcore
from benchmarks import inputs, machine, search, thermal, timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
"""A lane's search shares the board with a camera and a detector: contenders get one thread each."""


WIDTH = 120


class Disagreement(Exception):  # noqa: N818 - it is a finding, not a fault of the program
    """Two contenders compute different things, so their times can't be compared."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    rounds: int
    sample_seconds: float
    galleries: tuple[tuple[int, int], ...]
    """(dim, templates) of each search."""


FULL = Effort(60, 0.02, ((128, 1_000), (128, 10_000), (128, 100_000), (512, 1_000), (512, 10_000), (512, 50_000)))
QUICK = Effort(15, 0.004, ((128, 1_000), (128, 10_000)))


@dataclass(frozen=True, slots=True)
class Result:
    """One task's contenders."""

    task: str
    timings: list[timing.Timing]


def _thermal_results(effort: Effort, vendor: Path | None) -> Iterator[Result]:
    eeprom = inputs.eeprom()
    for pattern, chess in (("chess", True), ("interleaved", False)):
        found = thermal.contenders(eeprom, inputs.frame(chess=chess), vendor)
        complaint = thermal.disagreement(found)
        if complaint:
            raise Disagreement(f"object temperatures, {pattern}: {complaint}")
        calls = thermal.calls(found, "compute")
        yield Result(f"object temperatures, one subpage, {pattern}", _timed(calls, effort))
        if chess:
            yield Result("EEPROM to calibration", _timed(thermal.calls(found, "extract"), effort))


def _search_results(effort: Effort) -> Iterator[Result]:
    for dim, count in effort.galleries:
        rows = inputs.directions(count, dim)
        probe = inputs.directions(1, dim, seed=1)[0]
        found = search.contenders(rows)
        for k in (1, 10):
            complaint = search.disagreement(found, rows, probe, k)
            if complaint:
                raise Disagreement(f"search, {count} × {dim}, k={k}: {complaint}")
            calls = {name: _search_call(each, probe, k) for name, each in found.items()}
            yield Result(f"search, {count:,} × {dim}, k={k}", _timed(calls, effort))


def _search_call(contender: search.Contender, probe: search.Rows, k: int) -> timing.Call:
    return lambda: contender.search(probe, k)


def _timed(calls: dict[str, timing.Call], effort: Effort) -> list[timing.Timing]:
    return timing.compare(calls, effort.rounds, effort.sample_seconds)


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _interval(interval: timing.Interval) -> str:
    return f"{_duration(interval.median)} ({_duration(interval.low)} - {_duration(interval.high)})"


def _table(result: Result) -> Table:
    table = Table(title=result.task, title_justify="left", title_style="bold")
    table.add_column("contender")
    for heading in ("n", "median (95 % interval)", "fastest", "times ours (95 % interval)"):
        table.add_column(heading, justify="right")
    for each in result.timings:
        ratio = f"{each.ratio.median:.3g} ({each.ratio.low:.3g} - {each.ratio.high:.3g})"
        table.add_row(each.name, str(each.n), _interval(each.seconds), _duration(each.fastest), ratio)
    return table


def _console() -> Console:
    """Standard output; wide enough for a row where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.path:
        _fastcore.select_backend(arguments.path)
    facts = machine.describe()
    for name, value in facts.items():
        console.print(f"{name}: {value}", highlight=False)
    effort, results = QUICK if arguments.quick else FULL, []
    try:
        for source in (_thermal_results(effort, arguments.vendor_lib), _search_results(effort)):
            for result in source:
                results.append(result)
                console.print(_table(result))
    except Disagreement as finding:
        console.print(f"not timed: {finding}", style="bold red", highlight=False)
        return 1
    if arguments.json:
        report = {"machine": facts, "results": [asdict(each) for each in results]}
        arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thermogate bench",
        description="Time the kernels beside their oracle and other libraries, interleaved, one thread each. "
        "Peers that aren't installed are left out (pip install thermogate[bench]).",
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: seconds instead of minutes")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write machine and results to a file as well")
    parser.add_argument("--path", choices=_fastcore.available_backends(), help="kernel path (default: the fastest)")
    parser.add_argument("--vendor-lib", type=Path, metavar="PATH", help="the vendor's MLX90640 library, built as .so")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 1 when contenders disagree. Bad arguments end the program as argparse does.

    Numerical libraries read their thread counts when they load, so the work is done in a process of its own.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(given)
    if arguments.vendor_lib and not arguments.vendor_lib.is_file():
        _parser().error(f"--vendor-lib: {arguments.vendor_lib} is not a file")
    if all(os.environ.get(name) == value for name, value in ONE_THREAD.items()):
        return _run(arguments, _console())
    command = [sys.executable, "-m", "benchmarks", *given]
    return subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=False).returncode  # noqa: S603 - ourselves
