"""The tables on the terminal, and how a duration, an interval, a size are written everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.libraries import Import
    from benchmarks.results import Index, Report, Search
    from benchmarks.timing import Interval, Percentiles, Timing
    from controller.drill.figures import Rate

NOTHING = "-"


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return NOTHING
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 0.9995:  # what rounds to 1
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e9)} ns"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def durations(interval: Interval) -> str:
    """Median and bounds."""
    return f"{duration(interval.median)} ({duration(interval.low)} - {duration(interval.high)})"


def ratio(interval: Interval) -> str:
    """Median and bounds, without a unit."""
    return f"{_digits(interval.median)} ({_digits(interval.low)} - {_digits(interval.high)})"


def size(count: float | None) -> str:
    """Bytes with a binary unit."""
    if count is None:
        return NOTHING
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{_digits(count / factor)} {unit}"
    return f"{count:.0f} B"


def share(rate: Rate | None) -> str:
    """A recall with its interval and n."""
    return NOTHING if rate is None else f"{rate.value:.3f} ({rate.low:.3f} - {rate.high:.3f}, n = {rate.n})"


def spread(calls: Percentiles) -> tuple[str, str, str, str]:
    """The cells n, p50, p2, p98."""
    return f"{calls.n:,}", duration(calls.p50), duration(calls.p2), duration(calls.p98)


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


TIMES = ("calls", "p50", "p2", "p98", "mean of a round (95 %)", "times ours (95 %)")


def _cells(timing: Timing) -> tuple[str, ...]:
    return timing.name, *spread(timing.calls), durations(timing.seconds), ratio(timing.ratio)


def timings(title: str, each: Sequence[Timing]) -> Table:
    """A thermal task."""
    table = _table(title, "contender", *TIMES)
    for timing in each:
        table.add_row(*_cells(timing))
    return table


def search(found: Search, report: Report) -> Table:
    """One search, with the recall of those that are not exact."""
    table = _table(found.task, "contender", *TIMES, "recall (95 %)")
    for timing in found.timings:
        table.add_row(*_cells(timing), share(report.recall(found, timing.name)))
    return table


def imports(costs: Sequence[Import]) -> Table:
    """What importing each library costs."""
    table = _table("import, in fresh processes", "library", "n", "time", "memory")
    for each in costs:
        if not each.failure:
            table.add_row(each.library, str(each.n), duration(each.seconds), size(each.bytes))
    return table


def indexes(held: Sequence[Index]) -> Table:
    """What holding one gallery costs each peer."""
    table = _table(
        f"index, {held[0].gallery}", "contender", "a template", "known from", "to build one", "to delete one"
    )
    for each in held:
        count = each.gallery.count
        built = None if each.build_seconds is None else each.build_seconds / count
        table.add_row(
            each.peer, f"{each.bytes / count:,.0f} B", each.how, duration(built), duration(each.delete_seconds)
        )
    return table
