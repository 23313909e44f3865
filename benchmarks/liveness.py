"""`python -m benchmarks.liveness [--count 200]`: what passes for a living face, and which living faces don't.

ISO/IEC 30107-3 in form: APCER for each attack species, the worst of them as headline, and BPCER, with the non-responses
(the gate says UNKNOWN, and the guard decides) beside both. Attacks and people are drawn from the ranges in
`liveness_species` and go through the simulated chip, the bus, the shipped driver and `Perception`; one presentation is
one attempt of at most 2.5 s. Prints Markdown; intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.fever.statistics import wilson
from benchmarks.liveness_species import BUILD_SEEDS, HELD_OUT, SPECIES, TEST_SEEDS, UNCLAIMED, living
from benchmarks.liveness_trial import present
from controller.lane.model import Liveness
from controller.perception.engines import open_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PEOPLE: Final = "living"
APART: Final = 10_000
"""Seeds between two species."""
HOT: Final = 33.0
"""°C above which the gate does not judge by heat."""
BANDS: Final = ((10.0, 20.0), (20.0, 26.0), (26.0, 30.0), (30.0, 33.0), (33.0, 36.0))
WORN: Final = ("glasses=True", "hat=True", "mask=True", "fringe=True")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one presentation."""

    species: str
    seed: int
    room: float
    """°C."""
    liveness: str
    """A `Liveness` value, or "unseen"."""
    reasons: tuple[str, ...]
    seconds: float
    """From the mark to the answer."""
    verdict: str
    """The screening's."""
    note: str


def outcome(job: tuple[str, int], engine: str = "known") -> Outcome:
    """Present one."""
    species, seed = job
    chosen = None if engine == "known" else open_engine(engine)
    answer = present(living if species == PEOPLE else SPECIES[species], seed, engine=chosen)
    found, draw = answer.assessment, answer.draw
    if found is None:
        return Outcome(species, seed, draw.room, "unseen", (), answer.seconds, "-", draw.note)
    reasons = tuple(reason.value for reason in found.liveness_reasons)
    verdict = found.screening.verdict.value
    return Outcome(species, seed, draw.room, found.liveness.value, reasons, answer.seconds, verdict, draw.note)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.liveness", description=__doc__)
    parser.add_argument(
        "--count", type=int, default=200, help="presentations of each attack species; thrice as many people"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--engine", default="known", help="known (told where the face is, errs as detectors do), opencv, tflite, demo"
    )
    parser.add_argument(
        "--build", action="store_true", help="the presentations that the judge was fitted to, instead of others"
    )
    parser.add_argument(
        "--each", action="store_true", help="list every attack that passed and every person who did not"
    )
    options = parser.parse_args()
    began = time.perf_counter()
    start = (BUILD_SEEDS if options.build else TEST_SEEDS).start
    jobs = [(PEOPLE, start + k) for k in range(3 * options.count)]
    jobs += [(name, start + APART * (i + 1) + k) for i, name in enumerate(SPECIES) for k in range(options.count)]
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(pool.map(partial(outcome, engine=options.engine), jobs, chunksize=8))
    for line in report(found):
        print(line)
    if options.each:
        for each in found:
            if (each.liveness == Liveness.LIVE.value) is not (each.species == PEOPLE):
                print(f"{each.species} {each.seed}: {each.liveness} {' '.join(each.reasons)}; {each.note}")
    took = time.perf_counter() - began
    print(f"\n{len(found)} presentations, engine {options.engine}; {took:.0f} s on {options.jobs} processes.")
    return 0


def report(found: Sequence[Outcome]) -> Iterable[str]:
    """Markdown tables of all outcomes."""
    yield from _attacks(found)
    people = [each for each in found if each.species == PEOPLE]
    if not people:
        return
    yield "\n## Living people\n"
    yield from _head("", "n", "BPCER (spoof)", "no answer (unknown)", "not live", "median s")
    yield _people("all", people)
    for low, high in BANDS:
        yield _people(f"room {low:.0f}-{high:.0f} °C", [each for each in people if low <= each.room < high])
    cool = [each for each in people if each.room <= HOT]
    yield _people("rooms to 33 °C: from the cold", [each for each in cool if "minutes_indoors=None" not in each.note])
    for worn in WORN:
        yield _people(f"rooms to 33 °C: {worn.removesuffix('=True')}", [each for each in cool if worn in each.note])
    bare = [each for each in cool if not any(worn in each.note for worn in WORN)]
    yield _people("rooms to 33 °C: nothing worn", bare)
    reasons = Counter(each.reasons[0] for each in people if each.reasons)
    yield "\nFirst reasons: " + ", ".join(f"{name} {count}" for name, count in reasons.most_common()) + "."


def _attacks(found: Sequence[Outcome]) -> Iterable[str]:
    yield "## Attacks\n"
    yield from _head(
        "species", "n", "APCER (live)", "rooms to 33 °C", "no answer (unknown)", "spoof", "also NORMAL temperature"
    )
    worst: dict[bool, tuple[float, str]] = {}
    for name in SPECIES:
        own = [each for each in found if each.species == name]
        if not own:
            continue
        passed = [each for each in own if each.liveness == Liveness.LIVE.value]
        cool = [each for each in own if each.room <= HOT]
        mark = " (kept apart)" if name in HELD_OUT else " (not claimed)" if name in UNCLAIMED else ""
        yield _row(
            name + mark,
            str(len(own)),
            _rate(len(passed), len(own)),
            _rate(sum(each.room <= HOT for each in passed), len(cool)),
            _rate(sum(each.liveness == Liveness.UNKNOWN.value for each in own), len(own)),
            _rate(sum(each.liveness == Liveness.SPOOF.value for each in own), len(own)),
            _rate(sum(each.verdict == "normal" for each in passed), len(own)),
        )
        claimed = name not in UNCLAIMED
        worst[claimed] = max(
            worst.get(claimed, (-1.0, "")), (len(passed) / len(own), f"{name}: {_rate(len(passed), len(own))}")
        )
    if True in worst:
        yield f"\n**Worst species claimed: {worst[True][1]}.**"
    if False in worst:
        yield f"Not claimed: {worst[False][1]}."


def _people(name: str, people: Sequence[Outcome]) -> str:
    count = len(people)
    if not count:
        return _row(name, "0", *["-"] * 4)
    values = Counter(each.liveness for each in people)
    refused = values[Liveness.SPOOF.value]
    seconds = sorted(each.seconds for each in people)[count // 2]
    return _row(
        name,
        str(count),
        _rate(refused, count),
        _rate(values[Liveness.UNKNOWN.value], count),
        _rate(count - values[Liveness.LIVE.value], count),
        f"{seconds:.2f}",
    )


def _rate(hits: int, trials: int) -> str:
    if not trials:
        return "-"
    low, high = wilson(hits, trials)
    return f"{100 * hits / trials:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _head(*names: str) -> Iterable[str]:
    return _row(*names), "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
