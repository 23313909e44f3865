"""Who the frames of one tracked face show, together: one bad frame neither lets in nor keeps out.

Three things must hold for a match. The frames that show one face are at least two thirds of all. At least `pictures`
frames name the same person, each for itself, and at most one names another. The quality-weighted mean of those that
show one face reaches the gallery's threshold and its lead over the second-best person. The gate and `thermogate eval
face` call the same code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from controller.perception.types import Identification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.perception.types import Identify

APART = 0.2
"""Cosine below which two frames hardly show one face. Of two photographs of one person, taken on different days, about
one pair in a hundred lies below; of two people's, nineteen in twenty do (docs/identification-evaluation.md)."""
KEEP = 64
"""Newest frames that are fused: more than an attempt's time gives."""
MOST = 2 / 3
"""Share of the frames that must show one face."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One usable frame."""

    embedding: NDArray[np.float32]
    """float32[dim], L2-normalised."""
    quality: float
    """0..1; its weight."""
    answer: Identification
    """The gallery's, to this frame alone."""


class Fusion:
    """Collects the usable frames of one tracked face."""

    def __init__(self, identify: Identify, *, pictures: int) -> None:
        """`pictures`: frames that must name the same person, each for itself."""
        self._identify = identify
        self._pictures = pictures
        self._samples: list[Sample] = []

    def __len__(self) -> int:
        """Frames collected."""
        return len(self._samples)

    def add(self, embedding: NDArray[np.float32], quality: float) -> None:
        """A usable frame: float32[dim], L2-normalised, and its quality, 0..1."""
        self._samples = [*self._samples[1 - KEEP :], Sample(embedding, quality, self._identify(embedding))]

    def identity(self) -> Identification:
        """Who it is, by all frames so far."""
        return conclude(self._samples, self._identify, self._pictures)


def conclude(samples: Sequence[Sample], identify: Identify, pictures: int) -> Identification:
    """Who the samples show; `ambiguous` where they contradict each other or the gallery cannot tell two people apart.

    `pictures`: frames that must name the same person, each for itself.
    """
    if not samples:
        return Identification(None)
    kept = one_face(samples)
    fused = identify(mean_direction([samples[index] for index in kept]))
    votes = Counter(sample.answer.vote for sample in samples if sample.answer.vote is not None)
    if len(kept) < MOST * len(samples) or _contradicted(votes):
        return Identification(None, ambiguous=True)
    if fused.match is None:
        return fused
    if votes[fused.match.person] < pictures:
        return Identification(None, ambiguous=any(sample.answer.ambiguous for sample in samples))
    return fused


def _contradicted(votes: Counter[str]) -> bool:
    """Whether others than the one most frames name were named more than once, or by more than half as many frames."""
    if len(votes) < 2:
        return False
    most = votes.most_common(1)[0][1]
    others = votes.total() - most
    return others > 1 or 2 * others > most


def one_face(samples: Sequence[Sample]) -> list[int]:
    """Places of the frames that show the same face as the frame that is nearest to all others."""
    if len(samples) < 2:
        return list(range(len(samples)))
    rows = np.stack([sample.embedding for sample in samples])
    alike = rows @ rows.T
    centre = int(np.argmax(alike.sum(axis=1)))
    return [index for index in range(len(samples)) if index == centre or alike[centre, index] >= APART]


def mean_direction(samples: Sequence[Sample]) -> NDArray[np.float32]:
    """The samples' mean, weighted by quality, float32[dim] of length 1."""
    total = np.sum([sample.quality * sample.embedding.astype(np.float64) for sample in samples], axis=0)
    length = float(np.linalg.norm(total))
    # Frames of one face never cancel; should they, the newest one stands for itself.
    return (total / length).astype(np.float32) if length > 1e-6 else samples[-1].embedding
