"""What every searching peer looks like to the harness."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.float32]
    Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Unsuitable(Exception):  # noqa: N818 - a reason to leave a peer out, not a fault
    """This peer can't hold this gallery, or would take too long to build; says why."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that an index takes, and how they are known."""

    bytes: int
    how: str


class Contender(ABC):
    """A search, filled with templates under keys 0, 1, 2 ...; one thread."""

    @abstractmethod
    def search(self, probe: Rows, k: int, threshold: float | None) -> Found:
        """Keys and scores of the best k that reach the threshold, best first.

        Everything between a float32 probe and arrays of keys and scores is the peer's own: also its conversions.
        """

    @abstractmethod
    def memory(self) -> Memory:
        """Bytes of the index as it is now."""

    def delete(self, key: int) -> None:
        """Forget one template. Raises NotImplementedError where the library can't."""
        raise NotImplementedError


class Builder(Protocol):
    """A contender's class: builds its index within a limit of seconds, or raises Unsuitable."""

    def __call__(self, rows: Rows, limit: float) -> Contender:
        """Hold the rows under keys 0, 1, 2 ..."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to search: its library, whether it is exact, and how to build it."""

    name: str
    library: str
    exact: bool
    """Whether it promises the oracle's answer; the others have a recall instead."""
    build: Builder


@dataclass(frozen=True, slots=True)
class View:
    """Another way to search what a peer has already built."""

    name: str
    of: str
    exact: bool
    look: Callable[[Contender], Contender]


def reaching(keys: NDArray[np.int64], scores: NDArray[np.float32], threshold: float | None) -> Found:
    """Those of the sorted results that reach the threshold: what a caller adds to a library that knows none."""
    if threshold is None or not len(scores) or scores[-1] >= threshold:
        return keys, scores
    count = int((scores >= threshold).sum()) if scores[0] >= threshold else 0
    return keys[:count], scores[:count]


def best(scores: NDArray[np.float32], k: int, threshold: float | None) -> Found:
    """The best k of all scores in NumPy: argmax, or a partial sort."""
    if k == 1:
        at = int(scores.argmax())
        return reaching(np.array([at]), scores[at : at + 1], threshold)
    if k >= scores.size:
        order = np.argsort(-scores, kind="stable")
    else:
        head = np.argpartition(scores, -k)[-k:]
        order = head[np.argsort(-scores[head], kind="stable")]
    return reaching(order, scores[order], threshold)


def timed_chunks(rows: Rows, limit: float, add: Callable[[int, Rows], None], clock: Callable[[], float]) -> None:
    """Add rows in chunks (with the number of the first); raises Unsuitable once it is clear that it takes too long.

    A graph's templates cost more the more there are, so those to come cost at least as much as the last ones did.
    """
    step = 1000
    start = before = clock()
    for first in range(0, len(rows), step):
        add(first, rows[first : first + step])
        now = clock()
        to_come = len(range(first + step, len(rows), step))
        expected = now - start + to_come * (now - before)
        before = now
        if expected > limit and to_come:
            raise Unsuitable(f"would take {expected:.0f} s or more to build, --build-limit is {limit:g} s")
