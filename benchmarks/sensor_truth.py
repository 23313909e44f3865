"""`python -m benchmarks.sensor_truth [--quick]`: what an MLX90640 at its data sheet's figures can promise.

In the simulated world everything is known: each person's oral temperature and the warmest spot of the face. Each trial
is another person before another chip. Prints Markdown; intervals are bootstrapped, 95 %.
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

from benchmarks.sensor_trial import SHAPE, Reading, Setup, reading, stand
from controller.perception.resolution import pixels_on_face
from hw.sim.mount import LENSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

DISTANCES: Final = (0.3, 0.5, 0.7, 1.0)
RATES: Final = (1.0, 4.0, 8.0, 16.0)
WARM: Final = 600.0
COLD: Final = 30.0
"""Seconds since power-on, after and during warm-up."""
TIMES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds on the mark."""
REPEATS: Final = 4
"""Times that each person is read by the same chip, to tell noise from what stays."""
PROMISES: Final = (0.3, 0.2, 0.1)
"""Standard deviations of the noise, K, whose time on the mark is asked for."""
RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """One person before one chip, without and with the reference source."""

    core: float
    surface: float
    plain: Reading
    referred: Reading


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors of one kind over the trials, K."""

    bias: Figure
    spread: Figure
    """Standard deviation."""
    worst: Figure
    """95th percentile of the absolute error."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensor_truth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few trials: under a minute, wide intervals")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    count = 6 if options.quick else 80
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        parts: tuple[Callable[[ProcessPoolExecutor, int], Iterable[str]], ...] = (_lenses, _causes, _times, _cells)
        for part in parts:
            for line in part(pool, count):
                print(line, flush=True)
    print(f"\n{count} people and chips a row; {time.perf_counter() - began:.0f} s on {options.jobs} processes.")
    return 0


def accuracy(errors: NDArray[np.float64]) -> Accuracy:
    """Bias, spread and 95th percentile of |error| of float64[n] in K, NaN left out, with bootstrapped intervals."""
    known = errors[np.isfinite(errors)]
    if known.size < 2:
        nothing = Figure(math.nan, math.nan, math.nan)
        return Accuracy(nothing, nothing, nothing)
    picks = np.random.default_rng(1).integers(0, known.size, (RESAMPLES, known.size))
    again = known[picks]

    def figure(measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Figure:
        low, high = np.quantile(measure(again), (0.025, 0.975))
        return Figure(float(measure(known[None])[0]), float(low), float(high))

    return Accuracy(
        bias=figure(lambda x: x.mean(axis=1)),
        spread=figure(lambda x: x.std(axis=1, ddof=1)),
        worst=figure(lambda x: np.quantile(np.abs(x), 0.95, axis=1)),
    )


def trial(setup: Setup, number: int, seconds: float = TIMES[-1]) -> Trial:
    """Person and chip `number`, read after `seconds` on the mark."""
    seen = stand(setup, number, seconds)
    plain, referred = (reading(seen, seconds, reference=source) for source in (False, True))
    return Trial(seen.core, seen.surface, plain, referred)


def repeats(setup: Setup, number: int) -> NDArray[np.float64]:
    """One person read again and again: float64[REPEATS, times, 2 (without, with reference), 2]: °C, answered 0 or 1."""
    step = TIMES[-1]
    seen = stand(setup, number, REPEATS * step)
    out = np.empty((REPEATS, len(TIMES), 2, 2))
    for turn, (k, seconds), source in itertools.product(range(REPEATS), enumerate(TIMES), (0, 1)):
        read = reading(seen, seconds, reference=bool(source), after=turn * step)
        out[turn, k, source] = read.value - seen.core, read.answered
    return out


def _lenses(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """What the lens leaves of a face; no trial is needed."""
    del pool, count
    yield "## Pixels on a face 14 cm broad\n"
    yield from _head("lens", "distance, m", "a pixel is, cm", "pixels across", "pixels on it")
    for (lens, fov), distance in itertools.product(LENSES.items(), DISTANCES):
        face = pixels_on_face(fov, SHAPE, distance)
        size = " × ".join(f"{100 * side:.1f}" for side in face.pixel)
        yield _row(f"{lens}°", f"{distance}", size, f"{face.across:.1f}", f"{face.count:.0f}")


def _causes(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """Which imperfection costs what, at the recommended place."""
    yield "\n## Where the error comes from\n"
    yield "Oral estimate less truth, K: 55° lens, 0.5 m, 16 Hz, 4 s, 10 min after power-on.\n"
    yield from _head("sensor", "reference", "n", "bias", "SD", "95 % of errors are within")
    perfect, real = Setup(flaws=False), Setup()
    for name, setup, sources in (
        ("noise only", perfect, (False,)),
        ("new, all of the data sheet", replace(real, aged=False), (False, True)),
        ("up to a year old", real, (False, True)),
        ("up to a year old, flat field the day before", replace(real, flat=True), (False, True)),
        ("up to a year old, 30 s after power-on", replace(real, since_power_on=COLD), (False, True)),
    ):
        trials = list(pool.map(partial(trial, setup), range(count), chunksize=4))
        for source in sources:
            yield _row(name, _source(source), f"{count}", *_figures(accuracy(_errors(trials, reference=source))))


def _times(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """How long somebody must stand."""
    yield "\n## Time on the mark\n"
    yield (
        f"55° lens, 0.5 m, warmed up; {count} people, each read {REPEATS} times by the same chip. Noise is the "
        "standard deviation of one person's readings; answered: within the limits of the shipped settings.\n"
    )
    yield from _head("Hz", "s", "answered", "noise, K", "noise with reference, K", "95 % within, with reference")
    law: list[str] = []
    for rate in RATES:
        found = np.stack(list(pool.map(partial(repeats, Setup(rate=rate)), range(count), chunksize=2)))
        noise = []
        for k, seconds in enumerate(TIMES):
            plain, referred = (_noise(found[:, :, k, source, 0]) for source in (0, 1))
            total = accuracy(found[:, 0, k, 1, 0]).worst
            answered = f"{found[:, :, k, 0, 1].mean():.0%}"
            yield _row(f"{rate:g}", f"{seconds:g}", answered, str(plain), str(referred), str(total))
            noise.append(plain.value)
        law.append(_law(rate, np.array(noise)))
    yield (
        "\nThat noise is √(a² / t + b²): the sensor's falls with the root of the time t, what swaying and breathing "
        "change does not. Fitted, and the seconds on the mark for a noise of:\n"
    )
    yield from _head("Hz", "a, K·√s", "b, K", *(f"{promise} K" for promise in PROMISES))
    yield from law


def _law(rate: float, noise: NDArray[np.float64]) -> str:
    """Fit of `noise` (float64[times], K) with weights for relative errors; needs two times, else it says nothing."""
    known = np.isfinite(noise)
    if known.sum() < 2:
        return _row(f"{rate:g}", *["-"] * (2 + len(PROMISES)))
    variance = noise[known] ** 2
    terms = np.stack([1 / np.array(TIMES)[known], np.ones(known.sum())], axis=1) / variance[:, None]
    a2, b2 = np.linalg.lstsq(terms, np.ones(known.sum()))[0]
    if b2 < 0:
        a2, b2 = 1 / np.mean(terms[:, 0]), 0.0
    times = [a2 / (promise**2 - b2) if promise**2 > b2 else math.inf for promise in PROMISES]
    needed = [f"{t:.1f}" if math.isfinite(t) else "never" for t in times]
    return _row(f"{rate:g}", f"{math.sqrt(a2):.2f}", f"{math.sqrt(b2):.2f}", *needed)


def _noise(errors: NDArray[np.float64]) -> Figure:
    """Pooled standard deviation of repeated readings, float64[people, repeats] in K; resampled by people."""
    variance = np.full(len(errors), np.nan)
    whole = np.isfinite(errors).all(axis=1)
    variance[whole] = errors[whole].var(axis=1, ddof=1)
    known = variance[np.isfinite(variance)]
    if known.size < 2:
        return Figure(math.nan, math.nan, math.nan)
    picks = np.random.default_rng(2).integers(0, known.size, (RESAMPLES, known.size))
    low, high = np.quantile(np.sqrt(known[picks].mean(axis=1)), (0.025, 0.975))
    return Figure(float(np.sqrt(known.mean())), float(low), float(high))


def _cells(pool: ProcessPoolExecutor, count: int) -> Iterable[str]:
    """Every combination."""
    yield "\n## Distance, rate, lens, warm-up, reference\n"
    yield "After 4 s on the mark, K. Oral: estimate less oral temperature; face: surface less its warmest spot.\n"
    for lens, since in itertools.product(LENSES, (WARM, COLD)):
        yield f"\n### {lens}° lens, {since:g} s after power-on\n"
        yield from _head(
            "m", "Hz", "reference", "n", "answered", "oral: bias", "SD", "95 % within", "face: bias", "SD", "stated u"
        )
        for distance, rate in itertools.product(DISTANCES, RATES):
            setup = Setup(lens=lens, distance=distance, rate=rate, since_power_on=since)
            trials = list(pool.map(partial(trial, setup), range(count), chunksize=4))
            for source in (False, True):
                yield _cell(f"{distance}", f"{rate:g}", trials, reference=source)


def _cell(distance: str, rate: str, trials: Sequence[Trial], *, reference: bool) -> str:
    read = [t.referred if reference else t.plain for t in trials]
    oral = accuracy(_errors(trials, reference=reference))
    face = accuracy(np.array([r.surface - t.surface for r, t in zip(read, trials, strict=True)]))
    stated = np.array([r.uncertainty for r in read])
    usable = int(np.isfinite(stated).sum())
    return _row(
        distance,
        rate,
        _source(reference),
        f"{usable}",
        f"{np.mean([r.answered for r in read]):.0%}",
        *_figures(oral),
        str(face.bias),
        str(face.spread),
        f"{np.nanmean(stated):.2f}" if usable else "-",
    )


def _errors(trials: Sequence[Trial], *, reference: bool) -> NDArray[np.float64]:
    return np.array([(t.referred if reference else t.plain).value - t.core for t in trials])


def _figures(found: Accuracy) -> tuple[str, str, str]:
    return str(found.bias), str(found.spread), str(found.worst)


def _source(reference: bool) -> str:  # noqa: FBT001 - a column's value
    return "yes" if reference else "no"


def _head(*names: str) -> Iterable[str]:
    return _row(*names), "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return "| " + " | ".join("-" if "nan" in cell else cell for cell in cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
