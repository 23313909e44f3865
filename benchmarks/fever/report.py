"""The report: the same sections as Markdown with pictures, and as plain tables for a terminal."""

from __future__ import annotations

import datetime as dt
import math
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from benchmarks.fever import coarse_report
from benchmarks.fever.charts import NAMES
from benchmarks.fever.data import FEBRILE, SOURCE
from benchmarks.fever.frozen import CAMERA, KINDS, TRAINED_UNTIL, trained_on
from benchmarks.fever.robustness import GATE_DAYS, GATE_PEOPLE, SCENES
from benchmarks.fever.section import Section, signed
from benchmarks.fever.statistics import SPECIFICITY
from benchmarks.fever.values import AVERAGED, HEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.fever.calibration import Calibration
    from benchmarks.fever.comparison import Row
    from benchmarks.fever.evaluation import CameraResult, PartResult
    from benchmarks.fever.statistics import Interval, Sampling
    from controller.perception.temperature import FeverModel


WIDTH = 120
"""Columns of a terminal, for sentences; tables take what they need."""


METHOD = f"""\
Febrile: oral temperature (aveOralM) of at least {FEBRILE} °C. Headline: {HEADLINE}, one shot, as a gate reads; the
mean of rounds 1-3 beside it. Round 4 is with the mouth open and left out. Values are the board's own code
(`controller.perception.temperature` and `.crowd`); the crowd baseline runs through each file in the order of time and
knows only the past. Slope 1, fitted on the afebrile of the training part only. AUC and sensitivity with 95 % bootstrap
intervals over people, gains over the plain face maximum paired (same drawn people). "Sensitivity" takes its threshold
from the judged part's own afebrile, at least {SPECIFICITY:.0%} specific (in-sample, as published figures do); "frozen"
takes it from the training part, and says which specificity that gave (Wilson intervals)."""


def sections(results: Sequence[CameraResult], how: str, sampling: Sampling) -> list[Section]:
    """The whole report."""
    fit = f"the shipped fit, frozen since {TRAINED_UNTIL}" if how == "shipped" else "a fit on each file's training part"
    text = f"{METHOD}\nJudged here: {fit}; bootstrap of {sampling.times}, seed {sampling.seed}. Data: doi {SOURCE}."
    found = [Section("Fever screening, evaluated", text, [], level=1)]
    if len(results) > 1:
        found.append(_cameras(results))
    for result in results:
        found += _camera(result, how)
    return found


def _cameras(results: Sequence[CameraResult]) -> Section:
    table = [["camera", "part", "way", "kind", "febrile / n", "AUC", "sensitivity"]]
    for result in results:
        for way in (HEADLINE, AVERAGED):
            row = result.headline.row(way)
            for kind in KINDS:
                figures = row.figures[kind]
                names = [result.recording.camera, result.headline.part.name, way, NAMES[kind], _count(row)]
                table.append([*names, str(figures.auc), str(figures.sensitivity)])
    return Section("By camera", "", table, level=2)


def _camera(result: CameraResult, how: str) -> list[Section]:
    people = result.recording
    days = [dt.date.fromordinal(int(day)) for day in (people.day.min(), people.day.max())]
    about = (
        f"{len(people)} people ({int(people.febrile.sum())} febrile) from {days[0]} to {days[1]}, of whom "
        f"{int(result.training.sum())} belong to the fit's training part. Files: {', '.join(people.files)}."
    )
    if how == "shipped" and not trained_on(people) and days[0] <= TRAINED_UNTIL:
        about += f" People until {TRAINED_UNTIL} may be in the fit as {CAMERA} saw them."
    if people.notes:
        about += "\nOdd in the files: " + "; ".join(people.notes) + "."
    found = [Section(f"Camera {people.camera}", about, [], level=2)]
    for part in result.parts:
        found += _part(part, len(people) / len(set(people.day.tolist())))
        found += coarse_report.sections(part.part, part.coarse, result.model)
    if result.grouped:
        text = (
            "Five groups, drawn by subject; each person is judged by a fit on the other four. Nobody is on both sides."
        )
        found.append(Section("Whole file, out of fold (grouped by subject)", text, _figures(result.grouped)))
    found.append(
        Section(
            "The fit", "Oral-equivalent °C = weighted surface + offset + slope · (room − 24 °C).", _fit(result.model)
        )
    )
    limits = [[way, *(f"{result.thresholds[way][kind]:.2f}" for kind in KINDS)] for way in result.thresholds]
    header = ["way", *(NAMES[kind] for kind in KINDS)]
    text = "°C above which 5 % of the training part's afebrile read."
    return [*found, Section("Frozen thresholds", text, [header, *limits])]


def _part(result: PartResult, a_day: float) -> list[Section]:
    name, caveat = result.part.name, "No reading here was used for the fit."
    if not result.part.honest:
        caveat = "Partly in-sample: it includes the training part, to which two coefficients and a weight were fitted."
    found = [Section(f"{name.capitalize()}: against the plain face maximum", caveat, _figures(result.rows))]
    found.append(Section(f"{name.capitalize()}: at the frozen threshold", "", _frozen(result.rows)))
    for by, bands in result.bands.items():
        table = [[by, "febrile / n", "AUC", "sensitivity", "specificity", "gain in sensitivity"]]
        for band in bands:
            count = f"{band.febrile_n} / {band.febrile_n + band.afebrile_n}"
            table.append(
                [band.name, count, _or_dash(band.auc), str(band.sensitivity), str(band.specificity), signed(band.gain)]
            )
        text = (
            f"{HEADLINE}, model + crowd, at the part's threshold; gain over the plain face maximum at its own, paired."
        )
        found.append(Section(f"{name.capitalize()}: by {by}", text, table))
    found.append(_agreement(name, result.calibration))
    return [*found, _robustness(result, a_day)]


def _figures(rows: Sequence[Row]) -> list[list[str]]:
    table = [["way", "febrile / n", "kind", "AUC", "gain in AUC", "sensitivity", "gain in sensitivity"]]
    for row in rows:
        for kind in KINDS:
            figures = row.figures[kind]
            gains = (signed(figures.auc_gain), signed(figures.sensitivity_gain))
            first = [row.way, _count(row)] if kind == KINDS[0] else ["", ""]
            table.append([*first, NAMES[kind], str(figures.auc), gains[0], str(figures.sensitivity), gains[1]])
    return table


def _frozen(rows: Sequence[Row]) -> list[list[str]]:
    table = [["way", "kind", "threshold, °C", "sensitivity", "specificity"]]
    for row in rows:
        for kind in KINDS:
            frozen = row.figures[kind].frozen
            if frozen is not None:
                limit, caught, spared = frozen
                table.append([row.way, NAMES[kind], f"{limit:.2f}", str(caught), str(spared)])
    return table


def _agreement(name: str, found: Calibration) -> Section:
    text = (
        f"{AVERAGED}, model + crowd, n = {found.n}. Estimate less oral: mean {found.bias:+.2f} K (afebrile "
        f"{found.afebrile_bias:+.2f} K), standard deviation {found.spread:.2f} K, limits of agreement {found.low:+.2f} "
        f"to {found.high:+.2f} K. Line of estimate over oral: slope {found.slope:.2f} (Deming {found.deming:.2f}); the "
        f"model's own answer to a surface from 34 to 42 °C: slope {found.model_slope[0]:.4f} to "
        f"{found.model_slope[1]:.4f}."
    )
    table = [["oral, °C", "n", "mean error, K", "standard deviation, K"]]
    for band in found.bands:
        low = "" if math.isinf(band.low) else f"from {band.low:g}"
        high = "" if math.isinf(band.high) else f"below {band.high:g}"
        spread = "–" if math.isnan(band.spread) else f"{band.spread:.2f}"
        table.append([f"{low} {high}".strip(), str(band.n), f"{band.error:+.2f}", spread])
    return Section(f"{name.capitalize()}: estimate against oral", text, table)


def _robustness(result: PartResult, a_day: float) -> Section:
    n = result.row(HEADLINE)
    table = [["disturbance", "kind", "before", "after", "cost in sensitivity", "frozen: sensitivity / specificity"]]
    for cost in result.costs:
        held = "–" if cost.frozen is None else f"{cost.frozen[0]:.3f} / {cost.frozen[1]:.3f}"
        table.append([cost.name, NAMES[cost.kind], f"{cost.before:.3f}", f"{cost.after:.3f}", signed(cost.cost), held])
    text = (
        f"{HEADLINE}, {n.febrile_n} febrile and {n.afebrile_n} afebrile: one fever is {1 / n.febrile_n:.3f}, and no "
        "finer bound is claimed. Simulated: surfaces and the room as read are moved; nobody was measured so. "
        f"Disturbances of chance are means of {SCENES} scenes, and the interval draws scenes and people together. As "
        f"recorded a day has {a_day:.0f} people; lines that say so have {GATE_PEOPLE} a day for {GATE_DAYS} days, "
        f"drawn from the same people."
    )
    return Section(f"{result.part.name.capitalize()}: what a disturbance costs", text, table)


def _fit(model: FeverModel) -> list[list[str]]:
    table = [["regions", "face", "canthi", "forehead", "offset, K", "room slope, K/K", "compensation, K", "region, K"]]
    choices = (("face", model.face_only), ("and canthi", model.with_canthi), ("and forehead", model.with_forehead))
    for name, fit in choices:
        weights = [f"{each:g}" for each in (fit.face, fit.canthi, fit.forehead)]
        line = [f"{fit.offset:.3f}", f"{fit.room_slope:.4f}", f"{fit.compensation:.2f}", f"{fit.region:.2f}"]
        table.append([name, *weights, *line])
    return table


def _count(row: Row) -> str:
    return f"{row.febrile_n} / {row.febrile_n + row.afebrile_n}"


def _or_dash(found: Interval | None) -> str:
    return "–" if found is None else str(found)


def markdown(found: Sequence[Section], pictures: dict[str, str], missing: str | None) -> str:
    """The report's text; `missing` says why there are no pictures."""
    parts = []
    for section in found:
        lines = [f"{'#' * section.level} {section.title}"]
        lines += [section.text] if section.text else []
        if section.table:
            header, *rows = section.table
            table = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
            lines.append("\n".join(table + [f"| {' | '.join(row)} |" for row in rows]))
        parts.append("\n\n".join(lines))
    shown = [f"![{title}]({name})" for title, name in pictures.items()]
    parts.append("\n\n".join(["## Pictures", *(shown or [missing or "No pictures."])]))
    return "\n\n".join(parts) + "\n"


def plain(found: Sequence[Section]) -> str:
    """For a terminal."""
    parts = []
    for section in found:
        lines = ["", section.title, "=" * len(section.title)] if section.level < 3 else ["", section.title]
        lines += [textwrap.fill(line, WIDTH) for line in section.text.splitlines()]
        if section.table:
            widths = [max(map(_width, column)) for column in zip(*section.table, strict=True)]
            for row in section.table:
                cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
                lines.append("  " + "  ".join(cells).rstrip())
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(letter) else 1 for letter in text)
