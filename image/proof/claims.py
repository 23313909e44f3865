"""Claims and the evidence for them: what a check inside a machine says in a line, and the table that comes of it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Status = Literal["shown", "FAILED", "skipped"]
MARK: Final = "evidence "
"""Begins each line of evidence; whatever else a machine says is talk."""
STATUSES: Final[dict[str, Status]] = {"shown": "shown", "FAILED": "FAILED", "skipped": "skipped"}
FIELDS: Final = ("claim", "status", "how", "figure")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found about one claim."""

    claim: str
    status: Status
    how: str
    """What was done, and from where it was seen."""
    figure: str
    """The measured figure; for a claim that failed or could not be tried, why."""

    def line(self) -> str:
        """As a machine says it."""
        return MARK + json.dumps(asdict(self), ensure_ascii=True)


def parse(text: str) -> list[Evidence]:
    """The evidence in what a machine said; a line that was cut off is none. Raises ValueError for a strange one."""
    found: list[Evidence] = []
    for line in text.splitlines(keepends=True):
        if not line.startswith(MARK) or not line.endswith("\n"):
            continue
        told = json.loads(line[len(MARK) :])
        if not isinstance(told, dict) or sorted(told) != sorted(FIELDS):
            raise ValueError(f"no evidence: {line.strip()}")
        found.append(Evidence(**told))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank). Raises ValueError: none."""
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def spread(seconds: Sequence[float]) -> str:
    """Median, 99th percentile and maximum of times, with how many there were."""
    median, tail, worst = (percentile(seconds, share) for share in (0.5, 0.99, 1.0))
    return f"median {duration(median)}, p99 {duration(tail)}, max {duration(worst)}, n = {len(seconds)}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    size = abs(seconds)
    factor, unit = (1, "s") if size >= 1 else (1e3, "ms") if size >= 1e-3 else (1e6, "µs")
    value = factor * seconds
    return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


def missing(expected: Iterable[tuple[str, str]], found: Sequence[Evidence], why: str) -> list[Evidence]:
    """Evidence of failure for every expected (claim, how) that nothing was said about: silence shows nothing."""
    told = {evidence.claim for evidence in found}
    return [Evidence(claim, "FAILED", how, why) for claim, how in expected if claim not in told]


def failed(found: Sequence[Evidence]) -> bool:
    """Whether the proof as a whole failed: a claim did, or there was none at all."""
    return not found or any(evidence.status == "FAILED" for evidence in found)


def read_table(text: str) -> list[Evidence]:
    """The evidence in a table that `markdown` made. Raises ValueError for a row of another kind."""
    found: list[Evidence] = []
    for line in text.strip().splitlines()[2:]:
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        claim, status, *rest = cells
        if len(rest) != 2 or status not in STATUSES:
            raise ValueError(f"no row of evidence: {line}")
        found.append(Evidence(claim, STATUSES[status], *rest))
    return found


def renewed(old: Sequence[Evidence], new: Sequence[Evidence], order: Sequence[str]) -> list[Evidence]:
    """What was tried now, and of the rest what was found before; claims that are made no more are left out."""
    latest = {evidence.claim: evidence for evidence in (*old, *new)}
    return [latest[claim] for claim in order if claim in latest]


def markdown(found: Sequence[Evidence]) -> str:
    """The table, as it stands on the page."""
    lines = ["| claim | | how shown | figure |", "|---|---|---|---|"]
    for evidence in found:
        cells = (evidence.claim, evidence.status, evidence.how, evidence.figure)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
