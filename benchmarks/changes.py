"""What changing a gallery costs: additions while it grows, removals, batches, all of it beside a search.

`python -m benchmarks.changes` prints a Markdown table. An interrupted call is no stall of the gallery's: growing is
repeated, and the longest call is that of the template that took longest even at its fastest.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from _fastcore.match import Gallery
from benchmarks import galleries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from benchmarks.galleries import Rows

    Times = NDArray[np.float64]

TIMES = 5
REMOVED = 5000


def _clocked(calls: Iterable[Callable[[], object]]) -> Times:
    """Microseconds of each call."""
    clock, taken = time.perf_counter, []
    for call in calls:
        start = clock()
        call()
        taken.append(clock() - start)
    return np.array(taken) * 1e6


def _row(what: str, taken: Times, longest: float | None = None) -> str:
    most = float(taken.max()) if longest is None else longest
    shown = (np.percentile(taken, 50), np.percentile(taken, 98), most)
    return f"| {what} | {taken.size:,} | " + " | ".join(f"{each:.3g}" for each in shown) + " |"


def _grow(rows: Rows) -> tuple[Gallery, Times]:
    gallery = Gallery(rows.shape[1])
    return gallery, _clocked(partial(gallery.add, key, row) for key, row in enumerate(rows))


def _remove(gallery: Gallery, count: int) -> Times:
    keys = np.random.default_rng(0).permutation(len(gallery))[:count].tolist()
    return _clocked(partial(gallery.remove, key) for key in keys)


def _batches(rows: Rows) -> Times:
    return _clocked([lambda: Gallery(rows.shape[1]).add_many(range(len(rows)), rows)] * TIMES)


def _beside_searches(gallery: Gallery, rows: Rows) -> tuple[Times, Times]:
    """Removals and additions while another thread searches without end."""
    ended = threading.Event()

    def search() -> None:
        while not ended.is_set():
            gallery.search(rows[0])

    searcher = threading.Thread(target=search)
    searcher.start()
    try:
        free = [key for key in range(len(rows)) if key in gallery][:1000]
        removals = _clocked(partial(gallery.remove, key) for key in free)
        additions = _clocked(partial(gallery.add, key, rows[key]) for key in free)
    finally:
        ended.set()
        searcher.join()
    return removals, additions


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args(argv)
    rows = galleries.drawer("isotropic", given.dim, np.random.default_rng(0))(given.count)
    gallery, first = _grow(rows)
    # One gallery at a time: the system would have to find memory for all of them, which takes it longer.
    taken = [first]
    while len(taken) < TIMES:
        del gallery
        gallery, more = _grow(rows)
        taken.append(more)
    print(f"| {given.count:,} × {given.dim} | n | p50, µs | p98, µs | longest, µs |\n|---|---|---|---|---|")
    longest = float(np.min(taken, axis=0).max())
    print(_row("`add`, growing from empty", np.concatenate(taken), longest))
    print(_row("`remove`, any of them", _remove(gallery, REMOVED)))
    small = rows[:20_000]
    print(_row(f"`remove`, any of the first {len(small):,} alone", _remove(_grow(small)[0], REMOVED)))
    print(_row(f"`add_many`, {len(small):,} at once", _batches(small)))
    removals, additions = _beside_searches(gallery, rows)
    print(_row("`remove` beside searches", removals))
    print(_row("`add` beside searches", additions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
