"""Whether a search that skips templates finds what looking at all of them finds: same keys, same bits, same order.

`python -m benchmarks.exactness --queries 10000000 --seed 1` draws gallery after gallery (benchmarks/adversaries.py),
changes each between batches, and asks every kernel path in turn. Thresholds lie at scores exactly and one unit in the
last place beside. A sample is asked of all paths, and of the float64 oracle. A gallery depends on the seed and its
number alone: `--gallery N` plays one again.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import _fastcore
from _fastcore import reference
from _fastcore.match import Gallery
from benchmarks import adversaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from benchmarks.galleries import Rows

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]
    Say = Callable[[str], None]
    Make = Callable[[int], Any]

DIMS = (1, 7, 64, 100, 128, 200, 512, 768)
SMALL, LARGE = (1, 1_500), (1_500, 20_000)
LARGE_SHARE = 0.02
BATCHES, PROBES = 6, 256
SCANNED = 400_000
"""Templates that a batch looks at, at most: large galleries get fewer probes, so that small ones keep their share."""
SAMPLE = 4
"""Of a batch's probes, which are asked of every path and of the oracle as well."""
ORACLE_TOLERANCE = 2e-6
TELL_SECONDS, SHOWN = 10.0, 20


@dataclass(slots=True)
class Outcome:
    """Counts of a run."""

    queries: int = 0
    galleries: int = 0
    mismatches: int = 0
    by_family: Counter[str] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def miss(self, what: str) -> None:
        """One more mismatch; the first ones are kept in words."""
        self.mismatches += 1
        if len(self.shown) < SHOWN:
            self.shown.append(what)

    def __str__(self) -> str:
        return f"{self.queries:,} queries, {self.galleries:,} galleries, {self.mismatches} mismatches"


class Subject:
    """A gallery under test, and its templates once more in NumPy."""

    def __init__(self, make: Make, family: str, dim: int, count: int, rng: Generator) -> None:
        self.dim, self._rng = dim, rng
        self.draw = adversaries.drawer(family, dim, rng)
        self.gallery = make(dim)
        self.rows: dict[int, Rows] = {}
        self.add(count)

    def add(self, count: int) -> None:
        """So many new ones, under keys from all of int64."""
        rows = self.draw(count)
        info = np.iinfo(np.int64)
        for row, key in zip(rows, self._rng.integers(info.min, info.max, size=count, endpoint=True), strict=True):
            self.gallery.add(int(key), row)
            self.rows[int(key)] = row

    def change(self) -> None:
        """Remove some, replace one, add some."""
        keys = list(self.rows)
        for at in self._rng.permutation(len(keys))[: int(self._rng.integers(0, 1 + len(keys) // 4))]:
            self.gallery.remove(keys[at])
            del self.rows[keys[at]]
        self.add(int(self._rng.integers(0 if self.rows else 1, 2 + len(keys) // 4)))
        key = next(iter(self.rows))
        self.rows[key] = self.draw(1)[0]
        self.gallery.add(key, self.rows[key])

    def matrix(self) -> Rows:
        """All templates, in any order."""
        return np.stack(list(self.rows.values()))

    def exhaustive(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """What looking at all finds."""
        found: Found = self.gallery.search_exhaustive(probe, k, threshold)
        return found


def _same(one: Found, other: Found) -> bool:
    return one[0].tobytes() == other[0].tobytes() and one[1].tobytes() == other[1].tobytes()


def _beside(score: np.float32, way: int) -> float:
    """The score as a threshold, or the next float32 or float64 above or below it."""
    exact = float(score)
    match way:
        case 1:
            return float(np.nextafter(score, np.float32(2)))
        case 2:
            return float(np.nextafter(score, np.float32(-2)))
        case 3:
            return math.nextafter(exact, 2.0)
        case 4:
            return math.nextafter(exact, -2.0)
        case _:
            return exact


class _Batch:
    """One gallery's state, many queries, one path."""

    def __init__(self, subject: Subject, path: str, where: str, outcome: Outcome) -> None:
        self._subject, self._path, self._where, self._outcome = subject, path, where, outcome

    def run(self, rng: Generator) -> None:
        """Two queries a probe: with any threshold, and with one at a score that the first found."""
        subject, size = self._subject, len(self._subject.rows)
        count = max(SAMPLE, min(PROBES, SCANNED // size))
        probes = adversaries.probes(subject.matrix(), subject.draw, count, rng)
        ks = rng.choice((1, 1, 1, 2, 3, 5, 10, 17, 64, max(1, size - 1), size, size + 1, 2 * size + 10), (2, count))
        usual: list[float | None] = [None, None, 0.45, 0.35, 0.0, -2.0, 2.0]
        picks = rng.integers(len(usual), size=count).tolist()
        ways, ranks = rng.integers(6, size=count).tolist(), rng.random(count).tolist()
        for at, (probe, first, second) in enumerate(zip(probes, *ks.tolist(), strict=True)):
            scores = self._ask(probe, first, usual[picks[at]])
            threshold = _beside(scores[int(ranks[at] * len(scores))], ways[at]) if len(scores) else -1.0
            self._ask(probe, second, threshold)
            if at < SAMPLE:
                self._ask_others(probe, second, threshold)

    def _ask(self, probe: Rows, k: int, threshold: float | None) -> NDArray[np.float32]:
        expected = self._subject.exhaustive(probe, k, threshold)
        found = self._subject.gallery.search(probe, k, threshold)
        self._outcome.queries += 1
        if not _same(found, expected):
            self._miss("search finds {}, exhaustive {}", k, threshold, found, expected)
        # Held against the threshold by other means, in case both are wrong alike.
        if threshold is not None and len(found[1]) and float(found[1][-1]) < threshold:
            self._miss("search finds {} under the threshold", k, threshold, found)
        scores: NDArray[np.float32] = expected[1]
        return scores

    def _ask_others(self, probe: Rows, k: int, threshold: float) -> None:
        """All paths give the same bits, and the oracle agrees as far as float32 can."""
        subject = self._subject
        found = subject.gallery.search(probe, k, threshold)
        for other in _fastcore.available_backends():
            _fastcore.select_backend(other)
            elsewhere = subject.gallery.search(probe, k, threshold)
            if not _same(found, elsewhere):
                self._miss(f"{self._path} finds {{}}, {other} {{}}", k, threshold, found, elsewhere)
        _fastcore.select_backend(self._path)
        keys = np.fromiter(subject.rows, dtype=np.int64, count=len(subject.rows))
        true = reference.search(keys, subject.matrix(), probe, k)[1]
        sure = int((true >= threshold + ORACLE_TOLERANCE).sum())
        possible = int((true >= threshold - ORACLE_TOLERANCE).sum())
        count = len(found[1])
        if not sure <= count <= possible or np.any(np.abs(found[1] - true[:count]) > ORACLE_TOLERANCE):
            self._miss("search finds {}, the oracle {}", k, threshold, found, (keys[:0], true.astype(np.float32)))

    def _miss(self, what: str, k: int, threshold: float | None, *found: Found) -> None:
        heads = [f"{keys[:5].tolist()} {[score.hex() for score in scores[:5].tolist()]}" for keys, scores in found]
        self._outcome.miss(f"{self._where}, {self._path}, k={k}, threshold {threshold!r}: {what.format(*heads)}")


def _play(seed: int, number: int, outcome: Outcome, make: Make) -> Iterator[None]:
    """One gallery: batches with changes in between; a pause after each."""
    rng = np.random.default_rng((seed, number))
    families, paths = adversaries.ALL, _fastcore.available_backends()
    family, dim = families[number % len(families)], int(rng.choice(DIMS))
    low, high = LARGE if rng.random() < LARGE_SHARE else SMALL
    subject = Subject(make, family, dim, int(low * (high / low) ** rng.random()), rng)
    outcome.galleries += 1
    for batch in range(BATCHES):
        path = paths[(number // len(families) + batch) % len(paths)]
        _fastcore.select_backend(path)
        before = outcome.queries
        where = f"gallery {number} ({family}, {len(subject.rows)} × {dim}), batch {batch}"
        _Batch(subject, path, where, outcome).run(rng)
        outcome.by_family[family] += outcome.queries - before
        outcome.by_path[path] += outcome.queries - before
        yield
        subject.change()


def run(queries: int, seed: int, say: Say, only: int | None = None, make: Make = Gallery) -> Outcome:
    """Ask at least so many; or play one gallery again. `make` makes the galleries under test."""
    outcome, before, start = Outcome(), _fastcore.backend(), time.monotonic()
    told = start
    try:
        for number in itertools.count() if only is None else [only]:
            for _ in _play(seed, number, outcome, make):
                now = time.monotonic()
                if now - told >= TELL_SECONDS:
                    told = now
                    say(f"{outcome}; {outcome.queries / (now - start):,.0f} queries a second")
                if outcome.queries >= queries:
                    break
            if outcome.queries >= queries:
                break
    finally:
        _fastcore.select_backend(before)
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Print progress and every mismatch; 0 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=100_000, help="at least so many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gallery", type=int, metavar="N", help="play only the gallery of this number")
    given = parser.parse_args(argv)
    outcome = run(given.queries, given.seed, lambda line: print(line, flush=True), given.gallery)
    for line in outcome.shown:
        print(line)
    for name, counts in (("family", outcome.by_family), ("path", outcome.by_path)):
        print(f"by {name}: " + ", ".join(f"{each} {count:,}" for each, count in counts.items()))
    # No mismatch in n tries: the true rate is under 3/n with 95 % confidence (the rule of three).
    bound = f"; under {3 / outcome.queries:.1e} of such queries (95 %)" if not outcome.mismatches else ""
    print(f"{outcome}{bound}")
    return 1 if outcome.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
