"""`python -m benchmarks.sensor_faces [--quick]`: what is on or beside a face, and what the gate says of it.

Drawn people before chips as bad as the data sheet allows, with a black body in view, at their deciding look after one
second at 16 Hz: half of them healthy, half feverish. Prints Markdown; intervals are of 95 %.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.sensor_figures import accuracy, head, row, share
from benchmarks.sensor_trial import SOMEBODY, Reading, Setup, reading, stand
from controller.lane.model import Remark, Verdict
from hw.sim.figures import Lamp, Mug

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hw.sim.figures import Person, Thing

SECONDS: Final = 1.0
HEALTHY, FEVERISH = (36.2, 37.2), (38.0, 39.5)
"""Oral temperatures, °C."""
OTHERS: Final = range(100, 160)
"""Drawn people; `controller.perception.cover` was fitted on those of 0 to 59."""
DISTANCES: Final = tuple(round(0.3 + 0.05 * k, 2) for k in range(12))
ROOMS: Final = (18.0, 20.0, 22.0, 24.0, 26.0, 28.0)
UNSURE: Final = 0.03
"""The face is taken for so far from where it is, and for so much larger or smaller, as shares of its size (1 σ)."""
MARK: Final = 0.5
CHECKED: Final = (0.35, 0.5, 0.65)
"""Distances at which it counts how often a bare face is refused: many stands."""
COUNTS: Final = (310, 40, 40)
"""Stands there, at each other distance, and for each thing on or beside the face."""
SIGHTS: Final[dict[str, tuple[Person, tuple[Thing, ...]]]] = {
    "nothing": (SOMEBODY, ()),
    "glasses": (replace(SOMEBODY, glasses=True), ()),
    "mask": (replace(SOMEBODY, mask=True), ()),
    "glasses and mask": (replace(SOMEBODY, glasses=True, mask=True), ()),
    "hat": (replace(SOMEBODY, hat=True), ()),
    "hat and glasses": (replace(SOMEBODY, hat=True, glasses=True), ()),
    "fringe": (replace(SOMEBODY, fringe=True), ()),
    "open mouth": (replace(SOMEBODY, mouth_open=True), ()),
    "sun, 1 K": (replace(SOMEBODY, sunlit=1.0), ()),
    "sun, 2 K": (replace(SOMEBODY, sunlit=2.0), ()),
    "sun, 4 K": (replace(SOMEBODY, sunlit=4.0), ()),
    "mug of 55 °C before the cheek": (SOMEBODY, (Mug(),)),
    "mug of 55 °C beside the eyes": (SOMEBODY, (Mug(x=0.11, y=-0.03),)),
    "mug of 42 °C beside the eyes": (SOMEBODY, (Mug(x=0.11, y=-0.03, temperature=42.0),)),
    "lamp behind": (SOMEBODY, (Lamp(x=0.36, y=-0.12, radius=0.05),)),
    "1 min in from the frost": (replace(SOMEBODY, minutes_indoors=1.0), ()),
}
SAID: Final = (
    Remark.EYES_COVERED,
    Remark.FOREHEAD_COVERED,
    Remark.FACE_COVERED,
    Remark.SUN_WARMED,
    Remark.HOT_OBJECT_LEFT_OUT,
    Remark.HOT_OBJECT,
    Remark.CHILLED,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One stand."""

    core: float
    read: Reading

    @property
    def healthy(self) -> bool:
        """Whether this person has no fever."""
        return self.core <= HEALTHY[1]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensor_faces", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few stands: wide intervals")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        for part in (_distances, _sights):
            for line in part(pool, (12, 12, 12) if options.quick else COUNTS):
                print(line, flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s on {options.jobs} processes.")
    return 0


def look(setup: Setup, number: int) -> Seen | None:
    """Stand `number`; None where the chip is so far off that the gate declares it unfit for everybody."""
    cores = HEALTHY if number % 2 else FEVERISH
    setup = replace(setup, cores=cores, rooms=ROOMS, identities=OTHERS, unsure=UNSURE, lead=2.0)
    seen = stand(setup, number, SECONDS)
    read = reading(seen, SECONDS, reference=True, look=2)
    if Remark.REFERENCE_DRIFT in read.shipped.remarks:
        return None
    return Seen(seen.core, read)


def _look_all(pool: ProcessPoolExecutor, setup: Setup, first: int, count: int) -> list[Seen]:
    numbers = range(first, first + count)
    return [seen for seen in pool.map(partial(look, setup), numbers, chunksize=4) if seen is not None]


def _distances(pool: ProcessPoolExecutor, counts: tuple[int, int, int]) -> Iterable[str]:
    yield "\n## Bare faces by distance\n"
    yield (
        "Value less oral temperature, K, as told; refused: OBSTRUCTED or TOO_HOT, which a bare face is not. Fevers "
        "called NORMAL and healthy people called ELEVATED are those of one look of a second, of all that were read.\n"
    )
    yield from head(
        "m", "stands", "read, %", "refused, %", "bias", "SD", "95 % within", "fevers NORMAL, %", "healthy ELEVATED, %"
    )
    for k, distance in enumerate(DISTANCES):
        count = counts[0] if distance in CHECKED else counts[1]
        all_seen = _look_all(pool, Setup(distance=distance), 100_000 + 1000 * k, count)
        told = [each for each in all_seen if each.read.answered]
        found = accuracy(_told_errors(told))
        refused = sum(_verdict(each) in (Verdict.OBSTRUCTED, Verdict.TOO_HOT) for each in all_seen)
        yield row(
            f"{distance:.2f}",
            f"{len(all_seen)}",
            share(len(told), len(all_seen)),
            share(refused, len(all_seen)),
            str(found.bias),
            str(found.spread),
            str(found.worst),
            _wrong([each for each in told if not each.healthy], Verdict.NORMAL),
            _wrong([each for each in told if each.healthy], Verdict.ELEVATED),
        )


def _sights(pool: ProcessPoolExecutor, counts: tuple[int, int, int]) -> Iterable[str]:
    yield "\n## What is on or beside the face\n"
    yield f"At {MARK} m. Percent of the stands; bias and SD of the value, K, where one was told.\n"
    yield from head(
        "what",
        "stands",
        "healthy: NORMAL",
        "healthy: ELEVATED",
        "fever: NORMAL",
        "OBSTRUCTED",
        "TOO_HOT",
        "TOO_COLD",
        "remarks",
        "bias",
        "SD",
    )
    for k, (name, (person, things)) in enumerate(SIGHTS.items()):
        setup = Setup(distance=MARK, person=person, things=things)
        seen = _look_all(pool, setup, 200_000 + 1000 * k, counts[2])
        found = accuracy(_told_errors([each for each in seen if each.read.answered]))
        healthy, feverish = [each for each in seen if each.healthy], [each for each in seen if not each.healthy]
        yield row(
            name,
            f"{len(seen)}",
            _wrong(healthy, Verdict.NORMAL),
            _wrong(healthy, Verdict.ELEVATED),
            _wrong(feverish, Verdict.NORMAL),
            *(_wrong(seen, verdict) for verdict in (Verdict.OBSTRUCTED, Verdict.TOO_HOT, Verdict.TOO_COLD)),
            _remarks(seen),
            str(found.bias),
            str(found.spread),
        )


def _verdict(seen: Seen) -> Verdict:
    return seen.read.shipped.verdict


def _wrong(seen: Sequence[Seen], verdict: Verdict) -> str:
    return share(sum(_verdict(each) is verdict for each in seen), len(seen))


def _told_errors(seen: Sequence[Seen]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([each.read.shipped.value - each.core for each in seen if each.read.shipped.value is not None])


def _remarks(seen: Sequence[Seen]) -> str:
    counted = Counter(remark for each in seen for remark in each.read.shipped.remarks if remark in SAID)
    return ", ".join(f"{remark.name} {share(n, len(seen))}" for remark, n in counted.most_common()) or "none"


if __name__ == "__main__":
    raise SystemExit(main())
