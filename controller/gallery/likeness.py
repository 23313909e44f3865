"""Whether faces are one person's, at enrolment: scores from which two ids are, and below which two pictures are not.

A gate's own enrolment and the hub's decide by the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from controller.gallery.index import GalleryIndex
    from controller.gallery.settings import EnrolmentSettings
    from controller.perception.types import FaceEngine

MOST_ALIKE = 12
"""People that one face is compared with for its likeness: the most alike ones."""
DUPLICATE = {"opencv": 0.60, "tflite": 0.60}
"""Scores from which two ids are one person's. Of 1,697,425 pairs of different people (LFW, 852 people, every picture
with every other) none reached it by either engine, the highest 0.54 and 0.55; of 3,665 pairs of one person's pictures
60 and 65 % did (docs/enrolment.md)."""


def thresholds(engine: FaceEngine, index: GalleryIndex, settings: EnrolmentSettings) -> tuple[float, float]:
    """(duplicate, resemblance) in force: the settings', else the engine's.

    Whoever scores above the index's threshold could be taken for the other, so that is where resemblance begins. An
    engine without a measured `DUPLICATE` refuses from there, and marks nobody.
    """
    default = max(index.threshold, DUPLICATE.get(engine.name, index.threshold))
    duplicate = default if settings.duplicate is None else settings.duplicate
    resemblance = index.threshold if settings.resemblance is None else settings.resemblance
    return duplicate, min(resemblance, duplicate)


def lookalikes(
    index: GalleryIndex, person: str, embeddings: Iterable[NDArray[np.float32]], least: float
) -> dict[str, float]:
    """Others whose score with one of these faces is `least` or more, by id, the most alike first.

    `embeddings`: of `person`, float32[dim] each, L2-normalised.
    """
    alike: dict[str, float] = {}
    for embedding in embeddings:
        for other, score in index.rank(embedding, MOST_ALIKE):
            if other != person and score >= least:
                alike[other] = max(round(score, 3), alike.get(other, -1.0))
    return dict(sorted(alike.items(), key=lambda one: (-one[1], one[0])))


def apart(engine: FaceEngine, embeddings: Sequence[NDArray[np.float32]]) -> float | None:
    """The least score with the first of these faces where it is too low for one person's pictures, else None."""
    if not embeddings:
        return None
    similar = min(float(one @ embeddings[0]) for one in embeddings)
    return similar if similar < engine.threshold / 2 else None
