"""The latency budget: each stage from sensor to pin, measured in the running program, beside what it may take.

A lane times its stages all the time (`Watch.on_stage`, `Watch.on_delay`; `thermogate_stage_seconds` in the metrics).
`LatencyWatch` keeps every sample, for a table with percentiles and their intervals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONFIDENCE: Final = 0.95
TOTAL: Final = "last frame to relay"
MARK: Final = "foot on the mark to relay"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way from sensor to pin."""

    name: str
    budget: float
    """Seconds that it may take, p99 unless said."""
    what: str
    quantile: float = 0.99
    """At which the budget is held."""
    on_the_way: bool = True
    """Part of the way of the last frame, one after the other."""


STAGES: Final = (
    Stage("thermal read", 0.060, "the sensor's flag to 768 temperatures: I2C and the kernel", on_the_way=False),
    Stage("thermal post", 0.020, "capture thread to event loop", on_the_way=False),
    Stage("camera read", 0.060, "the picture's timestamp to its pixels"),
    Stage("camera post", 0.020, "capture thread to event loop"),
    Stage("wait for a look", 0.080, "until the look before it is over"),
    Stage("perception", 0.150, "one look, all of it: detect, judge, embed, search, heat"),
    Stage("detect", 0.080, "faces in the picture", on_the_way=False),
    Stage("embed", 0.060, "the face as a vector", on_the_way=False),
    Stage("search", 0.010, "the gallery", on_the_way=False),
    Stage("decision", 0.005, "the lane's table and policy"),
    Stage("journal", 0.100, "the grant on disk"),
    Stage("relay", 0.005, "the line driven"),
    Stage("found to relay", 0.500, "perception's finding to the line: the decision", on_the_way=False),
    Stage(TOTAL, 2.000, "newest frame of the finding to the line (GB 50396: read to actuator)", on_the_way=False),
    Stage(MARK, 1.000, "in a rehearsal, of those let in at the first look", 0.5, on_the_way=False),
)
"""In the order of the way. Budgets are for a Raspberry Pi 4 or 5."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile with its interval, in the samples' unit."""

    value: float
    low: float
    high: float
    """Infinite where there are too few samples for an upper end."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one stage, seconds."""

    stage: Stage
    n: int
    p50: Quantile | None
    """None: not measured."""
    p99: Quantile | None
    share: float | None
    """Of the median way, for a stage that is part of it."""

    @property
    def held(self) -> bool | None:
        """Whether the budget was kept; None: not measured."""
        measured = self.p50 if self.stage.quantile == 0.5 else self.p99
        return None if measured is None else measured.value <= self.stage.budget


class LatencyWatch(Watch):
    """Keeps every sample of every stage."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, list[float]] = defaultdict(list)

    def on_stage(self, stage: str, seconds: float) -> None:
        """A stage of computing or waiting."""
        self.samples[stage].append(seconds)

    def on_delay(self, stage: str, seconds: float) -> None:
        """A stretch of the board's own time."""
        self.samples[stage].append(seconds)


def rows(samples: Mapping[str, Sequence[float]], stages: Iterable[Stage] = STAGES) -> list[Row]:
    """A row for each stage, measured or not."""
    measured = {name: (quantile(values, 0.5), quantile(values, 0.99)) for name, values in samples.items() if values}
    stages = tuple(stages)
    way = sum(measured[one.name][0].value for one in stages if one.on_the_way and one.name in measured)
    found = []
    for stage in stages:
        p50, p99 = measured.get(stage.name, (None, None))
        share = p50.value / way if p50 is not None and stage.on_the_way and way > 0 else None
        found.append(Row(stage, len(samples.get(stage.name, ())), p50, p99, share))
    return found


def quantile(values: Sequence[float], q: float, confidence: float = CONFIDENCE) -> Quantile:
    """The q-quantile (nearest rank) with a distribution-free interval from order statistics.

    The number of samples below the true quantile is binomial(n, q) (H. A. David, Order Statistics, 2.6). Raises
    ValueError without samples.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("a quantile needs at least one sample")
    tail = (1 - confidence) / 2
    below, low, high = 0.0, 0, n
    for count in range(n):
        below += _binomial(n, count, q)  # P(at most `count` samples are no greater than the true quantile)
        if below <= tail:
            low = count
        if below >= 1 - tail:
            high = count
            break
    value = ordered[max(0, math.ceil(q * n) - 1)]
    return Quantile(value, ordered[low], ordered[high] if high < n else math.inf)


def _binomial(n: int, count: int, q: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(choose + count * math.log(q) + (n - count) * math.log1p(-q))


HEADINGS: Final = ("stage", "n", "p50 ms", "p99 ms", "budget ms", "share", "")
HELD: Final = {True: "kept", False: "**over**", None: "not measured"}


def cells(row: Row) -> tuple[str, ...]:
    """One row in words: milliseconds with their 95 % interval."""
    budget = f"{1e3 * row.stage.budget:g}" + (" (p50)" if row.stage.quantile == 0.5 else "")
    share = "" if row.share is None else f"{row.share:.0%}"
    return row.stage.name, str(row.n), _told(row.p50), _told(row.p99), budget, share, HELD[row.held]


def _told(one: Quantile | None) -> str:
    if one is None:
        return "-"
    high = "?" if math.isinf(one.high) else _ms(one.high)
    return f"{_ms(one.value)} ({_ms(one.low)}-{high})"


def _ms(seconds: float) -> str:
    milliseconds = 1e3 * seconds
    return f"{milliseconds:.2f}" if milliseconds < 10 else f"{milliseconds:.0f}"
