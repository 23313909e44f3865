"""`python -m benchmarks.hub`: what a hub takes, and what an event costs; `--write` puts it into its page."""

from __future__ import annotations

import argparse
import math
import re
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import machine
from benchmarks.hub import measure, services

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.hub.measure import Run
    from benchmarks.hub.services import Process, School

GATES = (1, 24, 240)
ROUNDS = 3
EVENTS = 6_000
"""Of each round, of all gates together."""
PEAK, PEAK_GATES = 50.0, 24
PEAK_EVENTS = 1_200
HOUR_OFFLINE = 7_200
"""Events of a gate that was offline for an hour at 2 events per second: its share of the peak, all hour long."""
T95 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's t, two-sided 95 %, by degrees of freedom."""
HEADINGS = (
    *("gates", "window", "n", "events/s, mean of rounds (95 %)", "slowest … fastest round"),
    *("CPU s / 1,000: hub", "broker", "database", "lean gates"),
)
PAGE = services.ROOT / "docs" / "hub-benchmark.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description="What a hub takes.")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the events: shows that it runs, measures little"
    )
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.relative_to(services.ROOT)}")
    options = parser.parse_args(arguments)
    share = 10 if options.quick else 1
    lines = []
    for line in _measure(share):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        new = "\n".join((BEGIN, "", *lines, "", END))
        PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: new, page, flags=re.DOTALL), encoding="utf-8")
    return 0


def _measure(share: int) -> Iterator[str]:
    """All measurements, as lines of a page."""
    about = machine.describe()
    facts = [about["processor"], f"{about['processors']} processors", f"Python {about['python']}"]
    yield f"{'; '.join(facts)}; load at start {about[machine.LOAD]}."
    busy = "This machine had other work to do, which took time away: CPU seconds are worth more here than rates."
    yield busy if machine.is_busy() else "This machine had nothing else to do."
    with services.school(max(GATES) + 1) as school:
        hub = school.start_hub()
        try:
            wait_until_it_listens(school, hub)
            yield ""
            yield f"| {' | '.join(HEADINGS)} |"
            yield "|---" * len(HEADINGS) + "|"
            for gates in GATES:
                names = school.gates[:gates]
                runs = [measure.lean(school, hub, names, EVENTS // share // gates) for _ in range(ROUNDS)]
                yield _throughput(runs)
            yield ""
            peak = measure.lean(school, hub, school.gates[:PEAK_GATES], PEAK_EVENTS // share // PEAK_GATES, PEAK)
            yield from _latency(peak)
            drained = measure.drain(school, hub, school.gates[-1], HOUR_OFFLINE // share)
            yield from _drain(drained)
        finally:
            services.end(hub)


def wait_until_it_listens(school: School, hub: Process) -> None:
    """Return when the hub has its tables and its subscriptions. Raises `TimeoutError`."""
    deadline = time.monotonic() + services.PATIENCE
    while b'"listening"' not in (school.folder / "hub.log").read_bytes():
        if hub.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the hub does not listen: {(school.folder / 'hub.log').read_text()}")
        time.sleep(0.05)


def _throughput(runs: Sequence[Run]) -> str:
    _check(*runs)
    rates = [run.rate for run in runs]
    mean = sum(rates) / len(rates)
    spread = T95[len(rates) - 1] * float(np.std(rates, ddof=1)) / math.sqrt(len(rates))
    events = sum(run.events for run in runs)
    cost = [1000 * sum(run.cpu[role] for run in runs) / events for role in measure.ROLES]
    gates = runs[0].gates
    cells = [
        f"{gates}",
        f"{measure.window(gates)}",
        f"{len(runs)} × {runs[0].events:,}",
        f"{mean:,.0f} ± {spread:,.0f}",
        f"{min(rates):,.0f} … {max(rates):,.0f}",
        *(f"{each:.3f}" for each in cost),
    ]
    return f"| {' | '.join(cells)} |"


def _latency(run: Run) -> Iterator[str]:
    """p50 and p99 with intervals from order statistics, which assume nothing of the distribution."""
    _check(run)
    ordered = np.sort(run.latencies)
    n = f"{len(ordered):,}"
    yield f"{run.gates} gates, {PEAK:g} events/s at random moments, from event to acknowledgement (n = {n}):"
    yield ""
    yield "| share | seconds (95 %) |"
    yield "|---|---|"
    for share in (0.5, 0.99):
        low, high = _ranks(len(ordered), share)
        value = float(np.quantile(ordered, share))
        yield f"| p{100 * share:g} | {value:.3f} ({ordered[low]:.3f} … {ordered[high]:.3f}) |"
    yield f"| most | {ordered[-1]:.3f} |"
    yield ""


def _drain(run: Run) -> Iterator[str]:
    _check(run)
    cost = ", ".join(
        f"{role} {1000 * run.cpu[role] / run.events:.3f}" for role in ("gates", "hub", "broker", "database")
    )
    yield (
        f"A gate that was offline for an hour ({run.events:,} events; journal and link of the board's program with "
        f"their defaults) is empty {run.seconds:.1f} s after its program's start: {run.rate:,.0f} events/s (n = 1). "
        f"CPU seconds per 1,000 events: {cost}."
    )


def _ranks(n: int, share: float) -> tuple[int, int]:
    """Places in the ordered sample between which the quantile lies with 95 % (normal approximation of the binomial)."""
    half = 1.96 * math.sqrt(n * share * (1 - share))
    return max(0, math.floor(n * share - half)), min(n - 1, math.ceil(n * share + half))


def _check(*runs: Run) -> None:
    """A rate of events that did not all arrive, once, is no rate."""
    for run in runs:
        if run.stored != run.events:
            raise RuntimeError(f"{run.gates} gates: {run.events} events were acknowledged, {run.stored} are stored")
        if run.resent:
            print(f"note: {run.gates} gates sent {run.resent} events again", flush=True)
