"""Open-set identification by the gate's own code: who is found in a gallery of so many, and who should not have been.

For each size, people are drawn into a `GalleryIndex`, each with some of their pictures; their other pictures and all
pictures of everybody else are attempts through `fusion.conclude`. Every attempt is one number: the highest threshold
at which it still ends in a name. That is exact from `support` on, because a frame's vote does not depend on the
threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.face.statistics import limit
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.perception.fusion import Sample, conclude
from controller.perception.settings import AttemptSettings
from controller.perception.thresholds import Threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.face.faces import Seen
    from controller.perception.types import Identification

    Values = NDArray[np.float64]
    Places = NDArray[np.intp]

SIZES = (10, 20, 50, 120, 200, 500, 1000, 2000, 5000)
PROBES = 3
"""Pictures of one attempt."""
SUPPORT = 0.30
"""Score from which one picture speaks for a person. On the developer's pictures .20 to .35 find the same people, .40
and more lose some (docs/identification-evaluation.md)."""
LEAST_WEIGHT = 0.05
"""Weight of the poorest picture. A gate takes none below quality 0.3 and waits for the next; here there is no next, so
every face counts."""
STRANGERS = 20
"""People who must stay outside the gallery for a size to be tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """Attempts of one kind, over all splits; each array is [n]."""

    person: Places
    """Whose, by place in the album."""
    score: Values
    """Highest threshold at which it ends in the right name (strangers: in any name); minus infinity: never."""
    wrong: Values
    """Highest threshold at which it ends in another's name."""
    pictures: Places
    """Different pictures in it."""


@dataclass(frozen=True, slots=True)
class SizeResult:
    """Everything at one gallery size."""

    people: int
    splits: int
    probed: int
    """Distinct enrolled people with a picture left to be found by."""
    single: Attempts
    fused: Attempts
    single_strangers: Attempts
    fused_strangers: Attempts


@dataclass(frozen=True, slots=True)
class Split:
    """One drawn gallery."""

    index: GalleryIndex
    probes: dict[int, list[Seen]]
    """Pictures left of the enrolled, by the person's place."""
    strangers: dict[int, list[Seen]]


class Collector:
    """Gathers attempts of one kind."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, float, int]] = []

    def add(self, person: int, answer: Identification, name: str | None, pictures: int) -> None:
        """`name`: the right one; None for a stranger, for whom any is wrong."""
        match = answer.match
        score = -math.inf if match is None else match.score
        right = match is not None and name in (None, match.person)
        self._rows.append((person, score if right else -math.inf, -math.inf if right else score, pictures))

    def done(self) -> Attempts:
        """All of them."""
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, 4)
        return Attempts(rows[:, 0].astype(np.intp), rows[:, 1], rows[:, 2], rows[:, 3].astype(np.intp))


class OpenSet:
    """One engine's pictures, ready to be split."""

    def __init__(
        self, seen: Sequence[Seen], *, enrol: int, margin: float, listed: Sequence[str] = (), support: float = SUPPORT
    ) -> None:
        """`enrol`: pictures a person is enrolled with. `listed`: who is enrolled before all others."""
        self._people: list[list[Seen]] = []
        by_name: dict[str, list[Seen]] = {}
        for one in seen:
            by_name.setdefault(one.person, []).append(one)
        self.names = sorted(by_name)
        self._people = [by_name[name] for name in self.names]
        self._enrol = enrol
        self._margin = margin
        self._support = support
        wanted = frozenset(listed)
        # First those who were asked for, then those who can be looked for, then who is left.
        self._rank = [
            (name not in wanted, len(by_name[name]) <= enrol) if wanted else (False, len(by_name[name]) <= enrol)
            for name in self.names
        ]

    def sizes(self) -> list[int]:
        """The gallery sizes that leave enough strangers."""
        return [size for size in SIZES if size + STRANGERS <= len(self.names)]

    def split(self, size: int, seed: int) -> Split:
        """Draw one gallery."""
        random = np.random.default_rng([seed, size])
        order = random.permutation(len(self.names)).tolist()
        order.sort(key=lambda place: self._rank[place])
        first = self._people[0][0].embedding
        index = GalleryIndex(
            first.size, "evaluation", threshold=lambda _: Threshold(self._support, self._support), margin=self._margin
        )
        probes, strangers = {}, {}
        for turn, place in enumerate(order):
            photos = [self._people[place][at] for at in random.permutation(len(self._people[place])).tolist()]
            if turn >= size:
                strangers[place] = photos[:PROBES]
                continue
            index.add(Person(f"p{place}"), [photo.embedding for photo in photos[: self._enrol]])
            if photos[self._enrol :]:
                probes[place] = photos[self._enrol : self._enrol + PROBES]
        return Split(index, probes, strangers)

    def run(self, size: int, splits: int, seed: int, progress: Callable[[], None] = lambda: None) -> SizeResult:
        """All attempts on `splits` drawn galleries."""
        kinds = {name: Collector() for name in ("single", "fused", "single_strangers", "fused_strangers")}
        probed: set[int] = set()
        for turn in range(splits):
            split = self.split(size, seed + turn)
            probed |= split.probes.keys()
            for place, photos in split.probes.items():
                attempt(split.index, place, photos, f"p{place}", (kinds["single"], kinds["fused"]))
            for place, photos in split.strangers.items():
                attempt(split.index, place, photos, None, (kinds["single_strangers"], kinds["fused_strangers"]))
            progress()
        done = {name: kind.done() for name, kind in kinds.items()}
        return SizeResult(people=size, splits=splits, probed=len(probed), **done)


def threshold_for(strangers: Attempts, rate: float) -> float:
    """The least threshold, from SUPPORT on, that at most this share of the strangers' attempts reaches."""
    return max(SUPPORT, limit(strangers.score, rate))


def attempt(
    index: GalleryIndex, place: int, photos: Sequence[Seen], name: str | None, kinds: tuple[Collector, Collector]
) -> None:
    """Each picture by itself, and all of them as one visit of PROBES pictures.

    Who has fewer shows them in turn again, as somebody does who stands still.
    """
    samples = [
        Sample(photo.embedding, max(photo.quality, LEAST_WEIGHT), index.identify(photo.embedding)) for photo in photos
    ]
    single, fused = kinds
    for sample in samples:
        # Of one picture the answer is the conclusion.
        single.add(place, sample.answer, name, 1)
    shown = [samples[turn % len(samples)] for turn in range(PROBES)]
    fused.add(place, conclude(shown, index.identify, AttemptSettings().pictures), name, len(samples))
