"""Latency against gallery size, with the time that reading the templates takes: SVG or PNG, by matplotlib."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

from benchmarks.galleries import PROBE_KINDS
from benchmarks.search import OURS, PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.galleries import ProbeKind
    from benchmarks.results import Report, Search

PANEL = (6.4, 4.6)
DASHES = ("-", "--", ":", "-.")
MARKERS = "osv^D<>ph*X"
OUR_COLOUR, LIMIT_COLOUR = "#d62728", "0.55"
COLOURS = ("C0", "C1", "C2", "C4", "C5", "C6", "C8", "C9", "k")
"""Without the red, which is ours, and the grey, which is the limit; a marker tells those of one colour apart."""


def draw(found: Report, path: Path) -> None:
    """A panel for each number of dimensions and each kind of probe, at the first k."""
    matplotlib: Any = importlib.import_module("matplotlib")
    figure_module: Any = importlib.import_module("matplotlib.figure")
    dims = list(dict.fromkeys(each.gallery.dim for each in found.searches))
    # Nothing random and no date: the same figures make the same file.
    with matplotlib.rc_context({"svg.hashsalt": "thermogate", "svg.fonttype": "path", "font.size": 9}):
        figure = figure_module.Figure(figsize=(PANEL[0] * len(dims), PANEL[1] * len(PROBE_KINDS) + 2.2 / len(dims)))
        panels = figure.subplots(len(PROBE_KINDS), len(dims), squeeze=False, sharex=True)
        for (row, kind), (column, dim) in itertools.product(enumerate(PROBE_KINDS), enumerate(dims)):
            _panel(panels[row][column], found, dim, kind)
        handles = {
            line.get_label(): line for panel in panels.flat for line in panel.get_lines() if line.get_label()[0] != "_"
        }
        figure.legend(
            handles.values(), handles.keys(), loc="lower center", ncols=2 * len(dims), fontsize=8, frameon=False
        )
        figure.suptitle(f"Search latency, one thread, k = {found.settings['k'][0]}, {found.settings['distribution']}")
        figure.tight_layout(rect=(0, 2.2 / len(dims) / figure.get_size_inches()[1], 1, 1))
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=120, metadata=metadata)


def _panel(axes: Any, found: Report, dim: int, kind: ProbeKind) -> None:
    k = found.settings["k"][0]
    thresholds: Sequence[float | None] = found.settings["thresholds"]
    searches = [each for each in found.searches if (each.gallery.dim, each.probe, each.k) == (dim, kind, k)]
    for dash, threshold in zip(itertools.cycle(DASHES), thresholds, strict=False):
        label = f"{OURS}, no threshold" if threshold is None else f"{OURS}, threshold {threshold:g}"
        some = [each for each in searches if each.threshold == threshold]
        _line(axes, some, OURS, label, color=OUR_COLOUR, linestyle=dash, linewidth=2.2, marker="o", zorder=3)
    # The others look at every template, or at as many, whatever the threshold.
    first = [each for each in searches if each.threshold == thresholds[0]]
    there = {timing.name for each in found.searches for timing in each.timings}
    peers = [peer for peer in PEERS if peer.name in there and peer.name != OURS]
    for at, peer in enumerate(peers):
        style = {"marker": MARKERS[at % len(MARKERS)], "color": COLOURS[at % len(COLOURS)]}
        label, dash = (peer.name, "-") if peer.exact else (f"{peer.name} (approximate)", "--")
        _line(axes, first, peer.name, label, linewidth=1, markersize=4, linestyle=dash, **style)
    _limits(axes, found, dim)
    axes.set(xscale="log", yscale="log", title=f"{dim} dimensions, {kind}", xlabel="templates", ylabel="p50, µs")
    axes.grid(visible=True, which="major", alpha=0.3)


def _line(axes: Any, searches: Sequence[Search], name: str, label: str, **style: Any) -> None:
    points = [
        (each.gallery.count, timing.calls.p50 * 1e6)
        for each in searches
        for timing in each.timings
        if timing.name == name
    ]
    if points:
        axes.plot(*zip(*sorted(points), strict=True), label=label, **style)


def _limits(axes: Any, found: Report, dim: int) -> None:
    """The time to read each template once from memory; what lies in a cache can be read faster."""
    counts = sorted({each.gallery.count for each in found.searches})
    if found.bandwidth is None or not counts:
        return
    speed = found.bandwidth.median
    for bytes_each, label, dash in ((4 * dim, "memory: 4 bytes a dimension", "--"), (dim, "memory: 1 byte", ":")):
        times = [count * bytes_each / speed * 1e6 for count in counts]
        axes.plot(counts, times, label=label, color=LIMIT_COLOUR, linestyle=dash, linewidth=1.4)
    hot = {each.gallery.count: each.hot_bytes for each in found.indexes if each.gallery.dim == dim and each.hot_bytes}
    if hot:
        times = [bytes_hot / speed * 1e6 for bytes_hot in hot.values()]
        axes.plot(list(hot), times, label="memory: what ours reads", color=OUR_COLOUR, linestyle=":", linewidth=1)
