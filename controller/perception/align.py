"""Turns a face upright and to size by its landmarks, as the embedders were trained to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 112
"""Side of an aligned face, pixels."""

TEMPLATE: NDArray[np.float32] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float32,
)
"""Where the five landmarks stand in an aligned face: the template of ArcFace (Deng et al., CVPR 2019) and its peers."""

MIN_EYE_DISTANCE = 4.0
"""Pixels between the eyes below which no alignment means anything."""


def similarity(landmarks: NDArray[np.floating], template: NDArray[np.floating] = TEMPLATE) -> NDArray[np.float64]:
    """The similarity (rotation, uniform scale, shift) that brings `landmarks` nearest to `template`, float64[2, 3].

    Both are [n, 2] pixels. Least squares in closed form (Umeyama 1991), without reflection. In complex numbers a
    similarity is w = a z + b, so a = Σ conj(z') w' / Σ |z'|² over the centred points. Raises `ImageError` for landmarks
    that are not finite or fall together.
    """
    source = np.asarray(landmarks, dtype=np.float64)
    target = np.asarray(template, dtype=np.float64)
    if source.shape != target.shape or not np.isfinite(source).all():
        raise ImageError(f"landmarks must be {list(target.shape)} finite pixels, not {source.tolist()}")
    z = source @ (1, 1j)
    w = target @ (1, 1j)
    spread = float(np.sum(np.abs(z - z.mean()) ** 2))
    if spread < MIN_EYE_DISTANCE**2:
        raise ImageError("the face's landmarks fall together")
    a = np.sum(np.conj(z - z.mean()) * (w - w.mean())) / spread
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(pixels: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The face with these five landmarks (see `types.Face`) as BGR uint8[112, 112, 3], upright and to size."""
    matrix = similarity(landmarks)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        # Bilinear sampling would skip pixels; average them first by whole halvings.
        halvings = int(np.floor(-np.log2(scale)))
        factor = 2**halvings
        height, width = pixels.shape[:2]
        small = cv2.resize(pixels, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
        ratio = (small.shape[1] / width, small.shape[0] / height)
        matrix = similarity(np.asarray(landmarks) * ratio)
        pixels = np.asarray(small, dtype=np.uint8)
    return np.asarray(cv2.warpAffine(pixels, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR), dtype=np.uint8)
