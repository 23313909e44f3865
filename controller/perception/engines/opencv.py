"""The engine on OpenCV alone: YuNet finds faces, MobileFaceNet through cv2.dnn tells them apart."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from controller.errors import EngineError
from controller.models import registry as models
from controller.perception.align import SIZE, align
from controller.perception.engines.embedding import both_ways
from controller.perception.engines.mirror import steadied
from controller.perception.picture import require_picture
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DETECTOR_SIDE = 320
"""Longer side of the picture that YuNet sees: it finds faces from about 10 pixels, and its time grows with the area."""
MIRROR_SIDE, MIRROR_MARGIN = 160, 2.0
"""The cutting of the second look: its side in pixels, and how many times as long as the face it is."""
SCORE_THRESHOLD, NMS_THRESHOLD, KEEP = 0.7, 0.3, 50


class OpenCvEngine:
    """`FaceEngine` on OpenCV alone."""

    name = "opencv"
    dim = 128
    rehearsal_only = False
    threshold = 0.45
    margin = 0.05

    def __init__(self, folder: Path) -> None:
        """Load the weights from `folder`. Raises `ModelError` for a file, `EngineError` for what OpenCV refuses."""
        yunet = models.require(folder, "yunet")
        embedder = models.require(folder, "mobilefacenet")
        self.template_model = models.template_model(embedder)
        with _loading(yunet.path):
            self._detector = cv2.FaceDetectorYN.create(
                str(yunet.path), "", (DETECTOR_SIDE, DETECTOR_SIDE), SCORE_THRESHOLD, NMS_THRESHOLD, KEEP
            )
            self._detector.detect(np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.uint8))
            # One of its own: YuNet makes its buffers anew whenever the size changes.
            self._mirror = cv2.FaceDetectorYN.create(
                str(yunet.path), "", (MIRROR_SIDE, MIRROR_SIDE), SCORE_THRESHOLD, NMS_THRESHOLD, KEEP
            )
        with _loading(embedder.path):
            self._embedder = cv2.dnn.readNetFromONNX(str(embedder.path))
            self._embedder.setInput(np.zeros((1, 3, SIZE, SIZE), np.float32))
            shape = tuple(self._embedder.forward().shape)
        if shape != (1, self.dim):
            raise EngineError(f"{embedder.path} gives {list(shape)}, not [1, {self.dim}]: it is another model")

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Faces in a BGR uint8[height, width, 3] picture, largest first."""
        pixels = require_picture(pixels)
        height, width = pixels.shape[:2]
        scale = DETECTOR_SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        self._detector.setInputSize(size)
        try:
            # None where there is nobody; OpenCV's stubs do not say so.
            rows: Any = self._detector.detect(small)[1]
        except cv2.error as error:
            raise EngineError(f"the detector failed on a picture of {width}×{height}: {error.err or error}") from error
        ratio = np.array([width / size[0], height / size[1]], dtype=np.float32)
        faces = [_face(np.asarray(row, dtype=np.float32), ratio) for row in (() if rows is None else rows)]
        return sorted(faces, key=lambda face: -face.box.area)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """float32[128], L2-normalised."""
        pixels = require_picture(pixels)
        points = steadied(pixels, face, margin=MIRROR_MARGIN, side=MIRROR_SIDE, find=self._middle)
        return both_ways(align(pixels, points), self._run)

    def _middle(self, cutting: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Landmarks of the middle face in 0..1 of a square cutting, float32[5, 2]."""
        try:
            rows: Any = self._mirror.detect(cutting)[1]
        except cv2.error as error:
            raise EngineError(f"the detector failed on a face: {error.err or error}") from error
        if rows is None:
            return None
        off = rows[:, :2] + rows[:, 2:4] / 2 - MIRROR_SIDE / 2
        row = np.asarray(rows[int(np.argmin(np.hypot(*off.T)))], dtype=np.float32)
        points: NDArray[np.float32] = row[4:14].reshape(5, 2).copy()
        # In a mirror pixel 0 becomes the last one, not the side itself.
        points[:, 0] += 1
        points /= MIRROR_SIDE
        return points

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            self._embedder.setInput(np.ascontiguousarray(tensor.transpose(0, 3, 1, 2)))
            return np.array(self._embedder.forward(), dtype=np.float32)
        except cv2.error as error:
            raise EngineError(f"the embedder failed: {error.err or error}") from error


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    """OpenCV's complaints about a file or its network's shapes as `EngineError` that names the file."""
    try:
        yield
    except cv2.error as error:
        raise EngineError(f"OpenCV {cv2.__version__} cannot run {path}: {error.err or error}") from error


def _face(row: NDArray[np.float32], ratio: NDArray[np.float32]) -> Face:
    """YuNet's row: x, y, width, height, right eye, left eye, nose tip, right and left mouth corner, score."""
    x, y, width, height = (float(value) for value in row[:4] * np.tile(ratio, 2))
    landmarks = (row[4:14].reshape(5, 2) * ratio).astype(np.float32)
    return Face(Box(x, y, width, height), landmarks, float(np.clip(row[14], 0, 1)))
