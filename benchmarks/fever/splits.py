"""Which people fit a model and which judge it: by time, and by groups in which nobody is on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.fever.data import Recording

    Flags = NDArray[np.bool_]

TRAINING_SHARE = 0.6
FOLDS = 5


def chronological(people: Recording, share: float = TRAINING_SHARE) -> Flags:
    """[n] whether somebody belongs to the training part: the first days, until they come nearest to `share` of all.

    Days stay whole, so no day's camera error is on both sides. Somebody of the training part who comes again later
    is in neither part's judgement: see `test_part`.
    """
    days, counts = np.unique(people.day, return_counts=True)
    if days.size < 2:
        return np.zeros(len(people), bool)
    ends = np.cumsum(counts)[:-1]
    last = days[int(np.abs(ends - share * len(people)).argmin())]
    return np.asarray(people.day <= last)


def test_part(people: Recording, training: Flags) -> Flags:
    """[n] whoever is not of the training part, and was not measured there on another day either."""
    known = {subject for subject, inside in zip(people.subjects, training, strict=True) if inside}
    return np.array(
        [not inside and subject not in known for subject, inside in zip(people.subjects, training, strict=True)], bool
    )


def by_subject(people: Recording, seed: int, folds: int = FOLDS) -> Iterator[tuple[Flags, Flags]]:
    """(training, test) [n] for each fold. All visits of a subject are in one fold; drawn at random, seeded."""
    subjects = sorted(set(people.subjects))
    shuffled = np.random.default_rng(seed).permutation(len(subjects))
    fold_of = {subjects[at]: place % folds for place, at in enumerate(shuffled)}
    folds_of = np.array([fold_of[subject] for subject in people.subjects])
    for fold in range(min(folds, len(subjects))):
        yield folds_of != fold, folds_of == fold
