"""The report's pictures, by matplotlib: ROC, TPIR against FPIR, thresholds by gallery size, latency by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.face.faces import STAGES
from benchmarks.face.openset import threshold_for
from benchmarks.face.statistics import percentiles
from benchmarks.fever.charts import save
from controller.perception.thresholds import FALSE_ACCEPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.face.evaluation import EngineResult

COLOURS = {"opencv": "#1f77b4", "tflite": "#d62728"}
LOWEST = 1e-6


def draw(results: Sequence[EngineResult], folder: Path) -> dict[str, str]:
    """Title and file name of each picture, written to `folder`."""
    drawn = {}
    for kind, title, paint in (
        ("roc", "Verification", _roc),
        ("openset", "Open set: found against falsely found", _openset),
        ("sizes", "By gallery size", _sizes),
        ("latency", "Latency by stage", _latency),
    ):
        name = f"face-{kind}.png"
        save(folder / name, results, paint)
        drawn[title] = name
    return drawn


def _colour(result: EngineResult) -> str:
    return COLOURS.get(result.sight.engine, "0.3")


def _roc(figure: Any, results: Sequence[EngineResult]) -> None:
    axes = figure.subplots()
    for result in results:
        for found, style in zip(reversed(result.verifications), ("-", "--"), strict=False):
            accepted, taken = found.curve
            label = f"{result.sight.engine}, {found.name} ({found.genuine} / {found.impostor})"
            there = accepted > 0
            axes.plot(accepted[there], taken[there], style, color=_colour(result), label=label)
    axes.set(xscale="log", xlim=(LOWEST, 1), ylim=(0.8, 1.003), xlabel="false-accept rate", ylabel="true-accept rate")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")


def _openset(figure: Any, results: Sequence[EngineResult]) -> None:
    for axes, result in zip(np.atleast_1d(figure.subplots(1, len(results), sharey=True)), results, strict=True):
        for size in result.sizes[-3:]:
            for kind, style in (("single", ":"), ("fused", "-")):
                mine, strangers = getattr(size, kind), getattr(size, f"{kind}_strangers")
                steps = np.linspace(0.3, 0.9, 301)
                false = np.array([(strangers.score >= step).mean() for step in steps])
                found = np.array([(mine.score >= step).mean() for step in steps])
                axes.plot(false[false > 0], found[false > 0], style, label=f"{size.people}, {kind}")
        axes.axvline(FALSE_ACCEPT, color="0.8", linewidth=1, zorder=0)
        axes.set(xscale="log", xlim=(3e-4, 1), ylim=(0.85, 1.005), xlabel="FPIR", title=result.sight.engine)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="lower right", title="enrolled")
    figure.axes[0].set_ylabel("TPIR")


def _sizes(figure: Any, results: Sequence[EngineResult]) -> None:
    left, right = figure.subplots(1, 2)
    for result in results:
        people = [size.people for size in result.sizes]
        for kind, style in (("single", "o:"), ("fused", "o-")):
            limits = [threshold_for(getattr(size, f"{kind}_strangers"), FALSE_ACCEPT) for size in result.sizes]
            missed = [
                (getattr(size, kind).score < threshold).mean()
                for size, threshold in zip(result.sizes, limits, strict=True)
            ]
            label = f"{result.sight.engine}, {kind}"
            left.plot(people, limits, style, color=_colour(result), label=label)
            right.plot(people, missed, style, color=_colour(result), label=label)
        if result.rule is not None:
            shipped = [result.rule.at(size).score for size in people]
            left.plot(people, shipped, "--", color=_colour(result), label=f"{result.sight.engine}, shipped")
    left.set(xscale="log", xlabel="enrolled", ylabel="threshold", title=f"FPIR ≤ {FALSE_ACCEPT:g} here, and shipped")
    right.set(xscale="log", xlabel="enrolled", ylabel="FNIR", title=f"FNIR at FPIR ≤ {FALSE_ACCEPT:g}")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
        axes.legend()


def _latency(figure: Any, results: Sequence[EngineResult]) -> None:
    axes = figure.subplots()
    width = 0.8 / len(results)
    for turn, result in enumerate(results):
        figures = np.array([percentiles(result.sight.spent[stage].processor) for stage in STAGES]) * 1e3
        at = np.arange(len(STAGES)) + turn * width
        axes.bar(at, figures[:, 0], width, color=_colour(result), label=f"{result.sight.engine}, p50; mark: p99")
        axes.plot(at, figures[:, 2], "_", color="0.2", markersize=14)
    axes.set_xticks(np.arange(len(STAGES)) + 0.4 - width / 2, STAGES)
    axes.set(ylabel="processor milliseconds a picture, one thread", yscale="log")
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.legend()
