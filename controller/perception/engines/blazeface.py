"""BlazeFace's output turned into faces: anchors, box decoding, and non-maximum suppression by weighted mean.

After Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (2019), and the anchor
options of MediaPipe's two face detection graphs. All coordinates are 0..1 of the square input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, RIGHT_EAR, LEFT_EAR = range(6)
"""BlazeFace's key points; right is the person's own."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of BlazeFace's networks."""

    size: int
    """Side of the input, pixels."""
    grid: tuple[tuple[int, int], ...]
    """(cells a side, anchors a cell), in the order of the output rows."""

    @property
    def anchors(self) -> NDArray[np.float32]:
        """Anchor centres (x, y), float32[rows, 2]; all anchors have size 1 (`fixed_anchor_size`)."""
        parts = []
        for cells, repeats in self.grid:
            middle = (np.arange(cells) + 0.5) / cells
            x, y = np.meshgrid(middle, middle)
            parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
        return np.concatenate(parts).astype(np.float32)


# Strides 8, 16, 16, 16 of 128 pixels, two anchors for each; the three layers of stride 16 share a grid: 896 rows.
SHORT_RANGE = Variant(128, ((16, 2), (8, 6)))
# Stride 4 of 192 pixels, one anchor: 2304 rows.
FULL_RANGE = Variant(192, ((48, 1),))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Decoded detections, best first."""

    boxes: NDArray[np.float32]
    """float32[n, 4]: x0, y0, x1, y1."""
    points: NDArray[np.float32]
    """float32[n, 6, 2], in the order of the constants above."""
    scores: NDArray[np.float32]
    """float32[n], 0..1."""


def decode(
    raw: NDArray[np.float32], logits: NDArray[np.float32], anchors: NDArray[np.float32], size: int, least: float
) -> Candidates:
    """Rows of at least `least` confidence.

    `raw` float32[rows, 16] holds centre, size and six points in input pixels relative to the anchor; `logits`
    float32[rows] the confidences before the sigmoid.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))
    kept = np.flatnonzero(scores >= least)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    values = raw[kept].reshape(-1, 8, 2) / size
    centre = values[:, 0] + anchors[kept]
    half = values[:, 1] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    points = values[:, 2:] + anchors[kept][:, np.newaxis]
    sane = np.isfinite(boxes).all(axis=1) & np.isfinite(points).all(axis=(1, 2)) & (half > 0).all(axis=1)
    return Candidates(
        boxes[sane].astype(np.float32), points[sane].astype(np.float32), scores[kept][sane].astype(np.float32)
    )


def overlap(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box with each of `others`, float32[n]."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - common
    return np.asarray(common / np.maximum(area, 1e-12), dtype=np.float32)


def weighted_nms(found: Candidates, threshold: float = 0.3) -> Candidates:
    """One detection for each cluster: the mean of its members, weighted by confidence, with the best one's score.

    Averaging instead of picking takes the jitter out of the landmarks (BlazeFace paper, section 3.4).
    """
    boxes, points, scores = [], [], []
    left = np.arange(len(found.scores))
    while left.size:
        cluster = overlap(found.boxes[left[0]], found.boxes[left]) > threshold
        cluster[0] = True
        members = left[cluster]
        weights = found.scores[members] / found.scores[members].sum()
        boxes.append(weights @ found.boxes[members])
        points.append(np.tensordot(weights, found.points[members], axes=1))
        scores.append(found.scores[left[0]])
        left = left[~cluster]
    return Candidates(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(points, dtype=np.float32).reshape(-1, 6, 2),
        np.array(scores, dtype=np.float32),
    )
