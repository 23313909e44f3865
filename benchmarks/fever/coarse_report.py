"""The report's sections "as a coarse array sees a face"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.fever.coarse import FULL, NOISE, SCENES, SIZE, SPOTTED
from benchmarks.fever.data import SPOTS
from benchmarks.fever.section import Section, signed
from controller.perception import spot

if TYPE_CHECKING:
    from benchmarks.fever.calibration import Calibration
    from benchmarks.fever.coarse import Coarse, Figures, Loss
    from benchmarks.fever.comparison import Part
    from controller.perception.temperature import FeverModel

TITLE = "as a coarse array sees a face"
METHOD = (
    f"A spot is the warmer of two circles of 13 pixels, about {1000 * SIZE:.0f} mm, at the inner corners of the eyes. "
    f"As on the board, what a pixel of this size misses is added (`spot.loss`), and the model has this face alone. The "
    f"noise, {NOISE} K a reading, is simulated: means of {SCENES} scenes. Gains are over {FULL}, without noise and "
    f"crowd, on the same people. A spot is finer than what a gate reads, four pixels of 16 mm at half a metre, and "
    f"lies where the corner is."
)


def sections(part: Part, found: Coarse | None, model: FeverModel) -> list[Section]:
    """Of one part."""
    name = f"{part.name.capitalize()}: {TITLE}"
    if found is None:
        missing = f"Not judged: the files have no columns {SPOTS[0]}1 and {SPOTS[1]}1 …, or nobody to rank by them."
        return [Section(name, missing, [])]
    return [
        Section(name, METHOD, _figures(found.figures)),
        Section(f"{name}, against oral", _agreement_text(found, model), _agreement(found)),
        Section(f"{name}, what a spot misses", _loss_text(found.loss), _loss(found.loss)),
    ]


def _figures(rows: list[Figures]) -> list[list[str]]:
    table = [["way", "febrile / n", "kind", "AUC", "gain in AUC", "sensitivity", "gain in sensitivity"]]
    for row in rows:
        first = [row.way, f"{row.febrile_n} / {row.febrile_n + row.afebrile_n}"] if row.kind == FULL else ["", ""]
        gains = signed(row.auc_gain), signed(row.sensitivity_gain)
        table.append([*first, row.kind, str(row.auc), gains[0], str(row.sensitivity), gains[1]])
    return table


def _agreement_text(found: Coarse, model: FeverModel) -> str:
    fit = model.face_only
    expected = math.hypot(spot.scatter(SIZE, spot.ROOM), fit.compensation, fit.region)
    slope = next(iter(found.agreement.values())).model_slope
    return (
        f"Estimate less oral, model alone, without noise. The mean of the afebrile checks what is added. The board "
        f"would say a standard uncertainty of {expected:.2f} K for a {SPOTTED} at {spot.ROOM:g} °C, noise and "
        f"calibration apart. The estimate's own answer to a surface: slope {slope[0]:.4f} to {slope[1]:.4f}."
    )


def _agreement(found: Coarse) -> list[list[str]]:
    names = ["way", "kind", "n", "mean of the afebrile, K", "standard deviation, K", "limits of agreement, K"]
    table = [[*names, "line over oral", "Deming", "oral from 37.5, K"]]
    for (way, kind), each in found.agreement.items():
        table.append(
            [
                way if kind == FULL else "",
                kind,
                str(each.n),
                f"{each.afebrile_bias:+.2f}",
                f"{each.spread:.2f}",
                f"{each.low:+.2f} to {each.high:+.2f}",
                f"{each.slope:.2f}",
                f"{each.deming:.2f}",
                _fevers(each),
            ]
        )
    return table


def _fevers(found: Calibration) -> str:
    """Mean error of the febrile."""
    bands = [band for band in found.bands if band.low >= 37.5]
    n = sum(band.n for band in bands)
    return f"{sum(band.n * band.error for band in bands) / n:+.2f}" if n else "–"


def _loss_text(found: Loss) -> str:
    return (
        f"Face maximum less spot, {found.n} afebrile people, {found.readings} readings of rounds 1 to 3. Of the "
        f"scatter {found.between:.2f} K is between people, which a second look leaves as it is, and "
        f"{found.within:.2f} K between one person's rounds."
    )


def _loss(found: Loss) -> list[list[str]]:
    table = [["", f"at {spot.ROOM:g} °C, K", "with the room, K/K", "scatter, K"]]
    for name, (middle, slope, scatter) in (("measured", found.measured), ("`spot`", found.assumed)):
        table.append([name, f"{middle:.2f}", f"{slope:+.3f}", f"{scatter:.2f}"])
    return table
