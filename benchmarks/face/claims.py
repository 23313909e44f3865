"""One to one: whoever presents a card and shows a face, by the gate's own rule, the owner and everybody else.

Everybody is enrolled with some of their pictures. Who has pictures left claims to be themselves with up to three of
them; everybody claims to be each of the others. An attempt is one number, the highest threshold at which it passes: as
at the gate, two frames and the mean of those that show one face must reach it, compared with that person's templates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.face.openset import LEAST_WEIGHT, PROBES
from benchmarks.face.statistics import limit
from controller.gallery.index import with_mean
from controller.perception.fusion import MOST, Sample, mean_direction, one_face
from controller.perception.settings import AttemptSettings
from controller.perception.types import Identification

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.face.faces import Seen

    Values = NDArray[np.float64]
    Places = NDArray[np.intp]

VERIFY_FALSE_ACCEPTS = (1e-2, 1e-3, 1e-4)
"""Part of others' attempts that may pass with somebody's card."""


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """All attempts; each array is [n]."""

    owner: Values
    """Of people with their own card: the highest threshold at which they pass; minus infinity: never."""
    person: Places
    """Whose each of them is."""
    other: Values
    """The same of people with another's card."""
    people: int
    """Distinct people whose cards and faces were tried against each other."""

    def threshold(self, rate: float) -> float:
        """The least threshold that at most this share of the others' attempts reaches."""
        return max(-1.0, limit(self.other, rate))


def claim(seen: Sequence[Seen], *, enrol: int, splits: int, seed: int, progress: Callable[[], None]) -> Claims:
    """Everybody's attempts, on `splits` drawn choices of the pictures that are enrolled."""
    by_name: dict[str, list[Seen]] = {}
    for one in seen:
        by_name.setdefault(one.person, []).append(one)
    album = [by_name[name] for name in sorted(by_name)]
    owner, person, other = [], [], []
    for turn in range(splits):
        random = np.random.default_rng([seed, turn])
        photos = [[mine[at] for at in random.permutation(len(mine)).tolist()] for mine in album]
        rows = [with_mean([photo.embedding for photo in mine[:enrol]]) for mine in photos]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        templates = np.concatenate([np.stack(mine) for mine in rows])
        for place, mine in enumerate(photos):
            scores = passing(mine[enrol : enrol + PROBES] or mine[:PROBES], templates, starts)
            if len(mine) > enrol:
                owner.append(scores[place])
                person.append(place)
            other.append(np.delete(scores, place))
        progress()
    return Claims(np.array(owner), np.array(person, dtype=np.intp), np.concatenate(other), len(album))


def passing(photos: Sequence[Seen], templates: NDArray[np.float32], starts: Places) -> Values:
    """[people] highest threshold at which one visit with these pictures passes as each of them.

    `templates`: float32[rows, dim], person by person; `starts`: where each person's begin. Who has fewer than PROBES
    pictures shows them in turn again.
    """
    nobody = Identification(None)
    shown = [photos[turn % len(photos)] for turn in range(PROBES)]
    samples = [Sample(photo.embedding, max(photo.quality, LEAST_WEIGHT), nobody) for photo in shown]
    kept = one_face(samples)
    if len(kept) < MOST * len(samples):
        return np.full(starts.size, -math.inf)
    fused = mean_direction([samples[at] for at in kept])
    vectors = np.stack([*(sample.embedding for sample in samples), fused])
    best = np.maximum.reduceat((vectors @ templates.T).astype(np.float64), starts, axis=1)
    frames = np.sort(best[:-1], axis=0)[-AttemptSettings().pictures]
    scores: Values = np.minimum(frames, best[-1])
    return scores
