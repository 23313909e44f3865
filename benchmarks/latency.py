"""`python -m benchmarks.latency`: the latency budget of the whole program, in real time on the simulated board.

The same program, drivers and engines as on a board; simulated are the sensor's registers, the camera's pictures and the
turnstile. The journal is on a real disk. The table goes between the marks of docs/latency.md with `--write`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import machine
from controller.drill.enrolment import enrol
from controller.drill.rehearsal import Rehearsal
from controller.drill.scenario import draw
from controller.drill.scoreboard import Scoreboard
from controller.errors import GateError
from controller.latency import HEADINGS, MARK, LatencyWatch, cells, rows
from controller.observe.log import configure
from controller.observe.settings import ObserveSettings
from controller.perception.engines import open_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
PAGE: Final = Path(__file__).parents[1] / "docs" / "latency.md"
SHOWN: Final = ("processor", "processors", "python", "kernel path")


def measure(engine: str, models: Path | None, people: int, seed: int) -> Mapping[str, list[float]]:
    """Rehearse so many people in real time; seconds of each stage. Raises `GateError` kinds."""
    opened, watch = open_engine(engine, models), LatencyWatch()
    with tempfile.TemporaryDirectory(prefix="thermogate-latency-") as name:
        folder = Path(name)
        scenario = draw(people, seed)
        index = enrol(scenario, opened, folder, lambda _: None)
        scores = Scoreboard(f"{opened.name}, {people} people", people, None)
        rehearsal = Rehearsal(
            scenario, speed=1.0, engine=opened, gallery=index, folder=folder, scores=scores, watches=(watch,)
        )
        with (folder / "latency.log").open("w", encoding="utf-8") as stream:
            # What the program says while it runs is not the report's.
            handle = configure(ObserveSettings(format="json"), stream)
            try:
                evidence = rehearsal.evidence(complete=rehearsal.run())
            finally:
                handle.close()
    watch.samples[MARK] = [one.total for one in evidence.latencies]
    return watch.samples


def table(engine: str, people: int, seed: int, samples: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """One engine's section, in Markdown."""
    found = rows(samples)
    yield f"### `{engine}` engine, {people} people, seed {seed}"
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    yield from (f"| {' | '.join(cells(row))} |" for row in found)
    yield ""


def page(sections: Sequence[str], facts: Mapping[str, str], command: str) -> str:
    """What stands between the marks."""
    where = "; ".join(f"{name}: {facts[name]}" for name in SHOWN)
    return f"`{command}`, on {where}; load at the start {facts[machine.LOAD]}.\n\n" + "\n".join(sections)


def write(text: str, path: Path) -> None:
    """Put `text` between the marks of a page. Raises ValueError where they are not there."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path}: has no {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status tells only that it was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", choices=("tflite", "opencv", "demo"), help="may be repeated")
    parser.add_argument("--models", type=Path, help="folder of model files (default: THERMOGATE_MODELS)")
    parser.add_argument("--people", type=int, default=24, help="who come (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    chosen = parser.parse_args(argv)
    facts, sections = machine.describe(), []
    for engine in chosen.engine or ("tflite", "opencv"):
        try:
            samples = measure(engine, chosen.models, chosen.people, chosen.seed)
        except GateError as error:
            print(f"{engine}: {error}", file=sys.stderr)
            return 1
        sections.append("\n".join(table(engine, chosen.people, chosen.seed, samples)))
    words = ["python -m benchmarks.latency", *(f"--engine {engine}" for engine in chosen.engine or ())]
    text = page(sections, facts, " ".join([*words, f"--people {chosen.people} --seed {chosen.seed}"]))
    print(text)
    if chosen.write:
        write(text, PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
