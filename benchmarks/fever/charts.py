"""The report's pictures, by matplotlib: ROC, sensitivity by camera, room and hour, and estimate against oral."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fever.comparison import columns
from benchmarks.fever.frozen import KINDS
from benchmarks.fever.statistics import roc
from benchmarks.fever.values import AVERAGED, HEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.fever.evaluation import CameraResult
    from benchmarks.fever.statistics import Interval

NAMES = {"baseline": "plain face maximum", "model": "model", "crowd": "model + crowd baseline"}
COLOURS = {"baseline": "0.45", "model": "#1f77b4", "crowd": "#d62728"}
DPI = 110


def why_not() -> str | None:
    """The reason why there can be no pictures; None when there can."""
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        return f"no pictures: matplotlib is not installed ({error}); pip install 'thermogate[eval]'"
    return None


def draw(results: Sequence[CameraResult], folder: Path) -> dict[str, str]:
    """Title and file name of each picture, written to `folder`."""
    drawn = {}
    for result in results:
        stem = result.recording.camera.lower()
        for kind, title, paint in (
            ("roc", "ROC", _roc),
            ("groups", "Sensitivity by room and hour", _groups),
            ("agreement", "Estimate against oral temperature", _agreement),
        ):
            name = f"{stem}-{kind}.png"
            save(folder / name, result, paint)
            drawn[f"{result.recording.camera}: {title}"] = name
    if len(results) > 1:
        save(folder / "cameras.png", results, _cameras)
        drawn["By camera"] = "cameras.png"
    return drawn


def save(path: Path, what: Any, paint: Any) -> None:
    """Draw one picture: `paint(figure, what)`, written to `path`."""
    matplotlib: Any = importlib.import_module("matplotlib")
    figure_module: Any = importlib.import_module("matplotlib.figure")
    with matplotlib.rc_context({"font.size": 9}):
        figure = figure_module.Figure(figsize=(9.2, 4.2))
        paint(figure, what)
        figure.tight_layout()
        # Nothing random and no date: the same figures make the same file.
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _roc(figure: Any, result: CameraResult) -> None:
    part = result.headline
    febrile = result.recording.febrile[part.part.people]
    for axes, way in zip(figure.subplots(1, 2, sharey=True), (HEADLINE, AVERAGED), strict=True):
        for kind in KINDS:
            values = columns(result.judged, way, kind)[part.part.people, 0]
            there = np.isfinite(values)
            alarms, caught = roc(values[there], febrile[there])
            area = part.row(way).figures[kind].auc
            axes.step(alarms, caught, where="post", color=COLOURS[kind], label=f"{NAMES[kind]}: {area.value:.3f}")
        axes.axvline(0.05, color="0.8", linewidth=1, zorder=0)
        row = part.row(way)
        axes.set(xlim=(-0.01, 0.5), ylim=(0, 1.02), xlabel="1 − specificity", title=f"{part.part.name}, {way}")
        axes.legend(loc="lower right", title=f"AUC, {row.febrile_n} febrile of {row.febrile_n + row.afebrile_n}")
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("sensitivity")


def _bar(axes: Any, at: float, found: Interval, colour: str, label: str | None = None) -> None:
    if math.isfinite(found.value):
        low, high = max(found.value - found.low, 0), max(found.high - found.value, 0)
        axes.errorbar(at, found.value, yerr=[[low], [high]], fmt="o", color=colour, capsize=3, label=label)


def _groups(figure: Any, result: CameraResult) -> None:
    # The part with most fevers says most about groups; what is in-sample there is said in the title.
    part = max(result.parts, key=lambda each: each.row(HEADLINE).febrile_n)
    for axes, (title, bands) in zip(figure.subplots(1, 2, sharey=True), part.bands.items(), strict=True):
        for at, band in enumerate(bands):
            _bar(axes, at - 0.1, band.sensitivity, COLOURS["crowd"], "sensitivity" if at == 0 else None)
            _bar(axes, at + 0.1, band.specificity, "0.45", "specificity" if at == 0 else None)
        labels = [f"{band.name}\n{band.febrile_n} / {band.febrile_n + band.afebrile_n}" for band in bands]
        axes.set_xticks(range(len(bands)), labels)
        axes.set(ylim=(0, 1.03), title=f"{part.part.name}, {HEADLINE}, by {title}", xlabel="febrile / people")
        axes.grid(visible=True, axis="y", alpha=0.3)
    figure.axes[0].legend(loc="lower left")


def _agreement(figure: Any, result: CameraResult) -> None:
    part = result.headline
    oral = result.recording.oral[part.part.people]
    values = columns(result.judged, AVERAGED, "crowd")[part.part.people, 0]
    left, right = figure.subplots(1, 2)
    left.plot((34, 42), (34, 42), color="0.6", linewidth=1, label="slope 1")
    left.scatter(oral, values, s=9, color=COLOURS["crowd"], alpha=0.5)
    left.plot(*result.sweep, color=COLOURS["model"], linewidth=1.5, label="the model's own answer, 34 to 42 °C")
    left.set(
        xlim=(34, 42), ylim=(34, 42), xlabel="oral, °C", ylabel="estimate, °C", title=f"{part.part.name}, {AVERAGED}"
    )
    left.legend(loc="upper left")
    found = part.calibration
    right.scatter((values + oral) / 2, values - oral, s=9, color=COLOURS["crowd"], alpha=0.5)
    for level, style in ((found.bias, "-"), (found.low, "--"), (found.high, "--")):
        right.axhline(level, color="0.3", linewidth=1, linestyle=style)
    right.set(
        xlabel="mean of estimate and oral, °C", ylabel="estimate − oral, K", title="Bland-Altman, limits of agreement"
    )
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)


def _cameras(figure: Any, results: Sequence[CameraResult]) -> None:
    for axes, what in zip(figure.subplots(1, 2), ("auc", "sensitivity"), strict=True):
        for at, result in enumerate(results):
            for shift, kind in zip((-0.15, 0.0, 0.15), KINDS, strict=True):
                found = getattr(result.headline.row(HEADLINE).figures[kind], what)
                _bar(axes, at + shift, found, COLOURS[kind], NAMES[kind] if at == 0 else None)
        labels = [f"{each.recording.camera}\n{each.headline.part.name}" for each in results]
        axes.set_xticks(range(len(results)), labels)
        axes.set(title="AUC" if what == "auc" else "sensitivity at 95 % specificity", ylim=(None, 1.02))
        axes.grid(visible=True, axis="y", alpha=0.3)
    figure.axes[0].legend(loc="lower left")
