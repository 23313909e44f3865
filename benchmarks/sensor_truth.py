"""`python -m benchmarks.sensor_truth [--quick] [TABLE ...]`: what an MLX90640 at its data sheet's figures can promise.

In the simulated world each person's oral temperature is known. Each trial is another person before another chip, read
through bus, driver, footing and screening as shipped. Prints Markdown; intervals are of 95 %.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.sensor_crowd import chip_errors, learned
from benchmarks.sensor_figures import Accuracy, accuracy, head, repeated, row, share
from benchmarks.sensor_trial import SHAPE, Reading, Setup, reading, stand, with_crowd
from controller.perception.resolution import pixels_on_face
from hw.sim.mount import LENSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

DISTANCES: Final = (0.3, 0.5, 0.7, 1.0)
RATES: Final = (1.0, 4.0, 8.0, 16.0)
CELLS: Final = {55: RATES, 110: (4.0, 16.0)}
"""Rates that the table by distance shows of each lens: the wide one has too few pixels on a face at any rate."""
POWER_ON: Final = (30.0, 60.0, 120.0, 240.0, 600.0)
"""Seconds since power-on."""
TIMES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds on the mark."""
REPEATS: Final = 4
"""Times that each person is read by the same chip, to tell noise from what stays."""
PROMISES: Final = (0.3, 0.2, 0.1)
"""Standard deviations of the noise, K, whose time on the mark is asked for."""
CROWDS: Final = (30, 100)
"""Healthy passers-by that were learned."""
COVERED: Final = 1.96
"""Standard uncertainties within which 95 % of the errors should be."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One person before one chip, without and with the reference source."""

    core: float
    room: float
    plain: Reading
    referred: Reading


def main() -> int:
    """Measure and print."""
    tables: dict[str, Callable[[ProcessPoolExecutor, int], Iterable[str]]] = {
        "pixels": _lenses,
        "causes": _causes,
        "time": _times,
        "distance": _cells,
        "warm-up": _warm_up,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensor_truth", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(tables)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few trials: wide intervals")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    unknown = set(options.tables) - set(tables)
    if unknown:
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    count = 6 if options.quick else 40
    # The many rows that nothing is concluded from one by one have fewer trials.
    fewer = {"distance": count // 2, "time": count // 2, "warm-up": count // 2}
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.tables or tables:
            for line in tables[name](pool, fewer.get(name, count)):
                print(line, flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s on {options.jobs} processes.")
    return 0


def trial(setup: Setup, number: int, seconds: float = TIMES[-1]) -> Trial:
    """Person and chip `number`, read after `seconds` on the mark."""
    seen = stand(setup, number, seconds)
    plain, referred = (reading(seen, seconds, reference=source) for source in (False, True))
    return Trial(seen.core, seen.room, plain, referred)


def crowd_trial(setup: Setup, number: int, seconds: float = TIMES[-1]) -> tuple[Trial, ...]:
    """The same chip and person after each of CROWDS had passed; only the first reading differs from `trial`'s."""
    seen = stand(setup, number, seconds)
    after = learned(setup, number, seen.room, chip_errors(setup, number, seen.room), CROWDS)
    referred = reading(seen, seconds, reference=True)
    return tuple(Trial(seen.core, seen.room, with_crowd(seen, seconds, *after[people]), referred) for people in CROWDS)


def repeats(setup: Setup, number: int) -> NDArray[np.float64]:
    """One person read again and again.

    Returns float64[REPEATS, times, 2 (without, with reference), 3]: error in K, stated noise in K, 1 where the gate
    answered.
    """
    step = TIMES[-1]
    seen = stand(setup, number, REPEATS * step)
    out = np.empty((REPEATS, len(TIMES), 2, 3))
    for turn, (k, seconds), source in itertools.product(range(REPEATS), enumerate(TIMES), (0, 1)):
        read = reading(seen, seconds, reference=bool(source), after=turn * step)
        noise = math.nan if read.parts is None else read.parts.noise
        out[turn, k, source] = read.value - seen.core, noise, read.answered
    return out


def _lenses(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """What the lens leaves of a face; no trial is needed."""
    del pool, count
    yield "\n## Pixels on a face 14 cm broad\n"
    yield from head("lens", "distance, m", "a pixel is, cm", "pixels across", "pixels on it")
    for (lens, fov), distance in itertools.product(LENSES.items(), DISTANCES):
        face = pixels_on_face(fov, SHAPE, distance)
        size = " × ".join(f"{100 * side:.1f}" for side in face.pixel)
        yield row(f"{lens}°", f"{distance}", size, f"{face.across:.1f}", f"{face.count:.0f}")


def _causes(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """Which imperfection costs what, at the recommended place, and whether the stated uncertainty knows of it."""
    rows = list(_cause_rows(pool, count))
    yield "\n## Where the error comes from\n"
    yield (
        f"Value less oral temperature, K: 55° lens, 0.5 m, 16 Hz, 4 s, 10 min after power-on; {count} people and chips "
        "a row.\n"
    )
    yield from head("sensor", "it rests on", "answered, %", "bias", "SD", "95 % of errors are within")
    for name, footing, reads, errors in rows:
        found = _figures(accuracy(errors))
        yield row(name, footing, share(sum(r.answered for r in reads), len(reads)), *found)
    yield "\n## Stated and found\n"
    yield (
        "The same trials. Drawn people differ in nothing that the stated parts for people (`region`, `compensation`) "
        "stand for, so what is found is to be compared with noise and absolute value alone; the last column is "
        "with all four, as the gate states it.\n"
    )
    yield from head(
        "sensor",
        "it rests on",
        "stated: noise",
        "absolute",
        "region",
        "compensation",
        "all",
        "found: bias",
        "SD",
        "errors within 1.96 × (noise, absolute), %",
        "within 1.96 × all, %",
    )
    for name, footing, reads, errors in rows:
        yield _honesty(name, footing, reads, errors)


_CauseRow = tuple[str, str, "list[Reading]", "NDArray[np.float64]"]


def _cause_rows(pool: ProcessPoolExecutor, count: int) -> Iterable[_CauseRow]:
    real = Setup()
    for name, setup, sources in (
        ("noise only", Setup(flaws=False), (False, True)),
        ("new, all of the data sheet", replace(real, aged=False), (False, True)),
        ("up to a year old", real, (False, True)),
        ("the same, its pixels alike", replace(real, patterned=False), (True,)),
    ):
        trials = list(pool.map(partial(trial, setup), range(count), chunksize=4))
        for source in sources:
            reads = [t.referred if source else t.plain for t in trials]
            yield name, "black body" if source else "itself", reads, _errors(trials, reads)
    for name, setup in (("new, all of the data sheet", replace(real, aged=False)), ("up to a year old", real)):
        with_crowds = list(pool.map(partial(crowd_trial, setup), range(count), chunksize=4))
        for k, people in enumerate(CROWDS):
            trials = [each[k] for each in with_crowds]
            reads = [t.plain for t in trials]
            yield name, f"{people} passers-by", reads, _errors(trials, reads)


def _honesty(name: str, footing: str, reads: Sequence[Reading], errors: NDArray[np.float64]) -> str:
    parts = [each.parts for each in reads if each.parts is not None]
    known = errors[np.isfinite(errors)]
    means = [float(np.mean([getattr(p, key) for p in parts])) for key in ("noise", "reference", "region")]
    means += [float(np.mean([getattr(p, key) for p in parts])) for key in ("compensation", "combined")]
    own = np.array([math.hypot(p.noise, p.reference) for p in parts])
    whole = np.array([p.combined for p in parts])
    found = accuracy(errors)
    inside = [share(int((np.abs(known) <= COVERED * each).sum()), known.size) for each in (own, whole)]
    return row(name, footing, *(f"{mean:.2f}" for mean in means), str(found.bias), str(found.spread), *inside)


def _times(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """How long somebody must stand."""
    yield "\n## Time on the mark\n"
    yield (
        f"55° lens, 0.5 m, warmed up; {count} people, each read {REPEATS} times by the same chip. Noise found is the "
        "standard deviation of one person's readings; stated is the mean of the noise part.\n"
    )
    yield from head(
        "Hz", "s", "answered, %", "noise stated, K", "found", "found with black body", "95 % within, with black body"
    )
    law: list[str] = []
    for rate in RATES:
        found = np.stack(list(pool.map(partial(repeats, Setup(rate=rate)), range(count), chunksize=2)))
        noise = []
        for k, seconds in enumerate(TIMES):
            plain, referred = (repeated(found[:, :, k, source, 0]) for source in (0, 1))
            total = accuracy(found[:, 0, k, 1, 0]).worst
            answered = found[:, 0, k, 0, 2]
            told = found[:, :, k, :, 1]
            stated = float(np.nanmean(told)) if np.isfinite(told).any() else math.nan
            yield row(
                f"{rate:g}",
                f"{seconds:g}",
                share(int(answered.sum()), answered.size),
                f"{stated:.2f}",
                str(plain),
                str(referred),
                str(total),
            )
            noise.append(plain.value)
        law.append(_law(rate, np.array(noise)))
    yield (
        "\nThat noise is √(a² / t + b²): the sensor's falls with the root of the time t, what swaying and breathing "
        "change does not. Fitted, and the seconds on the mark for a noise of:\n"
    )
    yield from head("Hz", "a, K·√s", "b, K", *(f"{promise} K" for promise in PROMISES))
    yield from law


def _law(rate: float, noise: NDArray[np.float64]) -> str:
    """Fit of `noise` (float64[times], K) with weights for relative errors; needs two times, else it says nothing."""
    known = np.isfinite(noise)
    if known.sum() < 2:
        return row(f"{rate:g}", *["-"] * (2 + len(PROMISES)))
    variance = noise[known] ** 2
    terms = np.stack([1 / np.array(TIMES)[known], np.ones(known.sum())], axis=1) / variance[:, None]
    a2, b2 = np.linalg.lstsq(terms, np.ones(known.sum()))[0]
    if b2 < 0:
        a2, b2 = 1 / np.mean(terms[:, 0]), 0.0
    times = [a2 / (promise**2 - b2) if promise**2 > b2 else math.inf for promise in PROMISES]
    needed = [f"{t:.1f}" if math.isfinite(t) else "never" for t in times]
    return row(f"{rate:g}", f"{math.sqrt(a2):.2f}", f"{math.sqrt(b2):.2f}", *needed)


def _cells(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """Distance and rate, with both lenses."""
    yield "\n## Distance, rate, lens\n"
    yield f"Value less oral temperature, K: 4 s, 10 min after power-on; {count} people and chips a row.\n"
    for lens in LENSES:
        yield f"\n### {lens}° lens\n"
        yield from head("m", "Hz", "it rests on", "answered, %", "read", "bias", "SD", "95 % within", "stated, all")
        for distance, rate in itertools.product(DISTANCES, CELLS[lens]):
            setup = Setup(lens=lens, distance=distance, rate=rate)
            yield from _both(f"{distance}", f"{rate:g}", setup, pool, count)


def _warm_up(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """How long after power-on."""
    yield "\n## Warm-up\n"
    yield (
        f"55° lens, 0.5 m, 16 Hz, 4 s on the mark, K; {count} people and chips a row. Without a black body the gate "
        "keeps silent for 240 s; what a reading would be worth all the same is in the row.\n"
    )
    yield from head(
        "s after power-on", "Hz", "it rests on", "answered, %", "read", "bias", "SD", "95 % within", "stated, all"
    )
    for since in POWER_ON:
        yield from _both(f"{since:g}", "16", Setup(since_power_on=since), pool, count)


def _both(first: str, second: str, setup: Setup, pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    trials = list(pool.map(partial(trial, setup), range(count), chunksize=4))
    for source in (False, True):
        reads = [t.referred if source else t.plain for t in trials]
        errors = _errors(trials, reads)
        stated = [each.parts.combined for each in reads if each.parts is not None]
        finite = [each for each in stated if math.isfinite(each)]
        yield row(
            first,
            second,
            "black body" if source else "itself",
            share(sum(each.answered for each in reads), len(reads)),
            f"{int(np.isfinite(errors).sum())}",
            *_figures(accuracy(errors)),
            f"{np.mean(finite):.2f}" if finite else "-",
        )


def _errors(trials: Sequence[Trial], reads: Sequence[Reading]) -> NDArray[np.float64]:
    return np.array([read.value - each.core for each, read in zip(trials, reads, strict=True)])


def _figures(found: Accuracy) -> tuple[str, str, str]:
    return str(found.bias), str(found.spread), str(found.worst)


if __name__ == "__main__":
    raise SystemExit(main())
