"""`thermogate calibrate offset`: the gate beside a clinical thermometer, from some twenty people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from controller.calibrate import canvas
from controller.calibrate.offset import CLINICAL, FEBRILE, GATE, Offset, Pair, find_offset, read_pairs, reading
from controller.calibrate.refusal import CalibrationError
from controller.calibrate.rewrite import Change
from controller.calibrate.session import Outcome, today
from controller.prompts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.calibrate.dialogue import Guide

MOST: Final = 500
PERSON = Text("gate, clinical in °C (empty: that was all)", "闸机读数, 体温计读数（°C；直接回车结束）")


def measure(guide: Guide, present: float, pairs_file: Path | None) -> Outcome:
    """The offset from a file of pairs, or from pairs that are asked for. Raises `CalibrationError`."""
    pairs = read_pairs(pairs_file) if pairs_file is not None else asked(guide)
    found = find_offset(pairs, present)
    remark = f"{today()}: 95 % {found.low:+.2f}..{found.high:+.2f} K, n = {len(found.used)}"
    change = Change("perception.screening", {"offset": found.value, "offset_uncertainty": found.error}, remark)
    return Outcome((change,), _lines(found, present), draw(found))


def asked(guide: Guide) -> list[Pair]:
    """Pairs from the terminal, one person a line; a line that can't be read is asked for again."""
    pairs: list[Pair] = []
    while len(pairs) < MOST:
        line = guide.ask(Text(f"{len(pairs) + 1}. {PERSON.english}", PERSON.chinese))
        if not line:
            break
        separator = ";" if ";" in line else ("," if "," in line else None)
        words = [word for word in line.split(separator) if word.strip()]
        where = f"person {len(pairs) + 1}"
        if len(words) != 2:
            guide.say(f"  {where}: two numbers are needed, as in 36.4, 36.7 (or 36,4; 36,7)")
            continue
        try:
            gate, clinical = (
                reading(words[0], GATE, f"{where}, gate"),
                reading(words[1], CLINICAL, f"{where}, clinical"),
            )
        except CalibrationError as error:
            guide.say(f"  {error}")
            continue
        pairs.append(Pair(where, gate, clinical))
    return pairs


def draw(found: Offset) -> NDArray[np.uint8]:
    """The pairs, and the line with slope 1 through them."""
    plot = canvas.plot([(pair.gate, pair.clinical) for pair in found.used], ("gate, C", "clinical, C"), found.change)
    lines = [f"change {found.change:+.2f} K, 95 %: {found.low - found.value:+.2f}..{found.high - found.value:+.2f} K"]
    return canvas.sheet([(f"{len(found.used)} people", plot)], lines)


def _lines(found: Offset, present: float) -> tuple[str, ...]:
    lines = [
        (
            f"{len(found.used)} people: clinical less gate {found.change:+.2f} K on average, one person's scatter "
            f"{found.scatter:.2f} K"
        ),
        (
            f"offset {present:+.2f} K becomes {found.value:+.2f} K; 95 % confidence: {found.low:+.2f} to "
            f"{found.high:+.2f} K"
        ),
    ]
    if found.low <= present <= found.high:
        lines.append("the present offset is inside: these people give no reason to change it")
    if found.febrile:
        lines.append(f"left out, {FEBRILE:g} °C or more: {_named(found.febrile)}")
    if found.outliers:
        lines.append(f"left out, unlike all others: {_named(found.outliers)}")
    return tuple(lines)


def _named(pairs: Iterable[Pair] | Sequence[Pair]) -> str:
    return ", ".join(f"{pair.name} (gate {pair.gate:.1f}, clinical {pair.clinical:.1f})" for pair in pairs)
