"""The tables of docs/benchmarks.md: the machine by its processor, no host's name, no path, no load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.report import duration, ratio, size
from benchmarks.search import OURS, PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.results import Report, Search
    from benchmarks.timing import Timing

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
SHOWN = ("processor", "architecture", "processors", "python", "kernel path", "BLAS", "huge pages")
ALIGN = {True: "---:", False: "---"}


def write(found: Report, path: Path) -> None:
    """Between the marks of a page that has them; else a page of tables only."""
    text = "\n".join(page(found))
    if path.exists():
        before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if begin and end:
            path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
            return
    path.write_text(text, encoding="utf-8")


def page(found: Report) -> Iterator[str]:
    """Lines of all tables."""
    yield from _machine(found)
    yield from _left_out(found)
    yield from _thermal(found)
    yield from _searches(found)
    yield from _recalls(found)
    yield from _work(found)
    yield from _indexes(found)
    yield from _imports(found)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> Iterator[str]:
    """The first columns are words, the others are figures."""
    yield _row(headings)
    yield _row([ALIGN[at >= words] for at in range(len(headings))])
    yield from (_row(row) for row in rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine(found: Report) -> Iterator[str]:
    yield "### Machine"
    yield ""
    facts = [[name, found.machine[name]] for name in SHOWN]
    versions = ", ".join(f"{each.library} {found.machine[each.library]}" for each in found.imports if not each.failure)
    facts.append(["libraries", versions])
    if found.bandwidth:
        rate = f"{found.bandwidth.median / 1e9:.1f} GB/s, one thread ({found.bandwidth.means})"
        facts.append(["memory is read at", rate])
    facts += [
        ["a clock reading costs", duration(found.clock_seconds)],
        ["templates and probes", str(found.settings["distribution"])],
    ]
    yield from _table(("", ""), facts, words=2)


def _left_out(found: Report) -> Iterator[str]:
    if found.left_out:
        yield "Left out:"
        yield ""
        yield from (f"- {each.who} ({each.where}): {each.reason}" for each in found.left_out)
        yield ""


HEADINGS = ("contender", "calls", "p50", "p2", "p98", "mean of a round (95 %)", "times ours (95 %)")


def _cells(timing: Timing) -> list[str]:
    return [timing.name, *report.spread(timing.calls), report.durations(timing.seconds), ratio(timing.ratio)]


def _thermal(found: Report) -> Iterator[str]:
    yield "### Thermal calibration"
    yield ""
    for task in found.thermal:
        yield f"{task.task[0].upper()}{task.task[1:]}:"
        yield ""
        yield from _table(HEADINGS, [_cells(each) for each in task.timings])


def _primary(found: Report) -> float | None:
    """The threshold whose tables stand open: a gate's, which is the first that is one."""
    thresholds: Sequence[float | None] = found.settings["thresholds"]
    return next((each for each in thresholds if each is not None), None)


def _searches(found: Report) -> Iterator[str]:
    if not found.searches:
        return
    yield "### Search"
    yield ""
    yield from _glance(found)
    k, threshold = found.settings["k"][0], _primary(found)
    for dim, kind in _axes(found):
        some = [each for each in found.searches if (each.gallery.dim, each.probe) == (dim, kind)]
        shown = [each for each in some if (each.k, each.threshold) == (k, threshold)]
        yield f"**{dim} dimensions, {kind}**, {_case(shown[0])}. Single calls' p50 (p2 - p98), and how many times ours:"
        yield ""
        yield from _by_size(found, shown)
    yield "<details><summary>All searches</summary>"
    yield ""
    for each in found.searches:
        yield f"{each.task[0].upper()}{each.task[1:]}:"
        yield ""
        yield from _table(HEADINGS, [_cells(timing) for timing in each.timings])
    yield "</details>"
    yield ""


GLANCED = ("faiss IndexFlatIP", "thermogate exhaustive")
"""What a search is held against at a glance: brute force as most people have it, and our own."""


def _glance(found: Report) -> Iterator[str]:
    """Our kernel in every case, a row each."""
    yield "At a glance: our kernel's p50, how many times that of brute force (95 %), and how fast it reads its planes."
    yield ""
    rows = []
    for each in found.searches:
        timings = {timing.name: timing for timing in each.timings}
        ours = timings[OURS]
        reads = report.NOTHING
        if each.work and each.work["hot_bytes"]:
            reads = f"{each.work['hot_bytes'] / ours.calls.p50 / 1e9:.0f} GB/s"
        against = [ratio(timings[name].ratio) if name in timings else report.NOTHING for name in GLANCED]
        threshold = "none" if each.threshold is None else f"{each.threshold:g}"
        rows.append([str(each.gallery), each.probe, str(each.k), threshold, duration(ours.calls.p50), *against, reads])
    yield from _table(("gallery", "probe", "k", "threshold", "p50", *GLANCED, "planes"), rows, words=4)


def _axes(found: Report) -> list[tuple[int, str]]:
    return list(dict.fromkeys((each.gallery.dim, each.probe) for each in found.searches))


def _case(search: Search) -> str:
    return f"k = {search.k}, " + ("no threshold" if search.threshold is None else f"threshold {search.threshold:g}")


def _by_size(found: Report, searches: Sequence[Search]) -> Iterator[str]:
    """A column for each size; `-` where a contender was left out."""
    there = {timing.name for each in searches for timing in each.timings}
    names = [peer.name for peer in PEERS if peer.name in there]
    rows = []
    for name in names:
        row = [name]
        for each in searches:
            timing = next((timing for timing in each.timings if timing.name == name), None)
            row += [report.NOTHING, report.NOTHING] if timing is None else _short(found, each, timing)
        rows.append(row)
    headings = ["contender"]
    for each in searches:
        headings += [f"{each.gallery.count:,}", "×"]
    yield from _table(headings, rows)


def _short(found: Report, search: Search, timing: Timing) -> list[str]:
    calls, share = timing.calls, found.recall(search, timing.name)
    tails = "" if calls.p2 is None else f" ({duration(calls.p2)} - {duration(calls.p98)})"
    recall = "" if share is None else f", recall {share.value:.2f}"
    return [f"{duration(calls.p50)}{tails}{recall}", f"{timing.ratio.median:.3g}"]


def _recalls(found: Report) -> Iterator[str]:
    if not found.recalls:
        return
    yield "### Recall of those that are not exact"
    yield ""
    yield "The share of the exact best k that is found, without a threshold (95 % Wilson interval)."
    yield ""
    rows = [[str(each.gallery), each.probe, str(each.k), each.peer, report.share(each.share)] for each in found.recalls]
    yield from _table(("gallery", "probe", "k", "contender", "recall"), rows, words=4)


def _work(found: Report) -> Iterator[str]:
    told = [each for each in found.searches if each.work]
    if not told:
        return
    yield "### What our kernel does"
    yield ""
    yield "Means of the timed probes."
    yield ""
    counts = list(told[0].work or {})
    rows = []
    for each in told:
        threshold = "none" if each.threshold is None else f"{each.threshold:g}"
        work = each.work or {}
        rows.append(
            [str(each.gallery), each.probe, str(each.k), threshold, *(f"{work[count]:,.1f}" for count in counts)]
        )
    yield from _table(("gallery", "probe", "k", "threshold", *(each.replace("_", " ") for each in counts)), rows, 2)


def _indexes(found: Report) -> Iterator[str]:
    if not found.indexes:
        return
    yield "### What an index costs"
    yield ""
    rows = []
    for each in found.indexes:
        count = each.gallery.count
        built = None if each.build_seconds is None else each.build_seconds / count
        memory = f"{each.bytes / count:,.0f} B"
        rows.append([str(each.gallery), each.peer, each.how, memory, duration(built), duration(each.delete_seconds)])
    headings = ("gallery", "contender", "known from", "memory a template", "to build one", "to delete one")
    yield from _table(headings, rows, words=3)


def _imports(found: Report) -> Iterator[str]:
    yield "### What an import costs"
    yield ""
    yield "In fresh processes, beyond NumPy (NumPy: beyond Python)."
    yield ""
    rows = [
        [each.library, found.machine[each.library], str(each.n), duration(each.seconds), size(each.bytes)]
        for each in found.imports
        if not each.failure
    ]
    yield from _table(("library", "version", "n", "time", "memory"), rows, words=2)
