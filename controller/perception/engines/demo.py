"""The weight-free engine of the rehearsal: OpenCV's own cascade finds faces, local binary patterns tell them apart.

It needs no model files and is good enough for drawn people in steady light. It is no face recognition for a real gate,
and says so: `rehearsal_only`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.errors import EngineError
from controller.perception.align import SIZE, align
from controller.perception.engines.embedding import unit
from controller.perception.picture import require_picture
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

CASCADE = "haarcascade_frontalface_alt2.xml"
"""Of the frontal cascades that OpenCV ships, the one that missed least on drawn faces (alt2 0.3 %, default 6 %)."""

COARSE_SIDE = 320
"""Longer side of the picture that is searched first, for time; the full picture only where that shows nobody."""
LEAST_FACE = 0.1
"""Smallest face, as a share of the picture's longer side."""

LANDMARKS: NDArray[np.float32] = np.array(
    [[0.303, 0.393], [0.697, 0.393], [0.500, 0.608], [0.334, 0.760], [0.662, 0.760]], dtype=np.float32
)
"""Where the five landmarks stand in a cascade's box: medians of YuNet's points on drawn faces. The box is steadier than
OpenCV's eye cascades, whose outliers cost 5 % of the matches."""

# A cascade's box is square and wider than the face; this makes it YuNet's, hairline to chin (medians, as above).
BOX_WIDTH, BOX_ABOVE, BOX_BELOW = 0.854, 0.02, 0.04

CELL = 16
"""Side of a histogram's cell, pixels of the aligned face."""
RADIUS = 2
SMOOTHING = 1.2
"""Pixels; takes out sensor noise before the comparison of neighbours."""


class DemoEngine:
    """`FaceEngine` without weights, for rehearsals."""

    name = "demo"
    template_model = "drawn-lbp:1"
    rehearsal_only = True
    threshold = 0.85
    margin = 0.02

    def __init__(self) -> None:
        """Raises `EngineError` where OpenCV has no cascade."""
        if not hasattr(cv2, "CascadeClassifier") or not hasattr(cv2, "data"):
            raise EngineError(
                f"OpenCV {cv2.__version__} has no CascadeClassifier, which the demo engine needs: "
                "`pip install 'opencv-python-headless<5'`"
            )
        path = Path(cv2.data.haarcascades) / CASCADE  # type: ignore[attr-defined]  # absent from OpenCV's stubs
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise EngineError(
                f"{path} is missing or damaged: `pip install --force-reinstall 'opencv-python-headless<5'`"
            )
        self.dim = _describe(np.zeros((SIZE, SIZE), np.uint8)).size

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Faces in a BGR uint8[height, width, 3] picture, largest first."""
        grey = np.asarray(cv2.cvtColor(require_picture(pixels), cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        side = max(grey.shape)
        scale = min(1.0, COARSE_SIDE / side)
        coarse = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes = self._search(np.asarray(coarse, dtype=np.uint8)) / scale
        if not len(boxes) and scale < 1:
            boxes = self._search(grey)
        faces = sorted((_face(box) for box in boxes), key=lambda face: -face.box.area)
        return [face for index, face in enumerate(faces) if not any(_is_throat(face, head) for head in faces[:index])]

    def _search(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Cascade boxes (x, y, width, height), float32[n, 4]."""
        least = max(24, round(LEAST_FACE * max(grey.shape)))
        found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(least, least))
        return np.array(found, dtype=np.float32).reshape(-1, 4)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """float32[dim], L2-normalised."""
        aligned = align(require_picture(pixels), face.landmarks)
        return unit(_describe(np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), dtype=np.uint8)))


def _face(box: NDArray[np.float32]) -> Face:
    """A cascade's box as a `Face`. A cascade gives no confidence; what passed all its stages counts as sure."""
    x, y, width, height = (float(value) for value in box)
    landmarks = (LANDMARKS * (width, height) + (x, y)).astype(np.float32)
    face_width = BOX_WIDTH * width
    top, bottom = y - BOX_ABOVE * height, y + (1 + BOX_BELOW) * height
    return Face(Box(x + (width - face_width) / 2, top, face_width, bottom - top), landmarks, 1.0)


def _is_throat(face: Face, head: Face) -> bool:
    """Whether a smaller box is the V of a neckline under a head: seen as a face in 1 % of drawn people."""
    x, _ = face.box.centre
    middle = head.box.y + head.box.height / 2
    under = head.box.x <= x <= head.box.x + head.box.width and face.box.width < 0.8 * head.box.width
    return under and middle < face.box.y < middle + 0.75 * head.box.height


def _uniform_codes() -> NDArray[np.uint8]:
    """uint8[256]: 0..57 for the patterns with at most two changes around the circle, 58 for all others."""
    table = np.full(256, 58, np.uint8)
    uniform = [code for code in range(256) if (code ^ ((code >> 1) | ((code & 1) << 7))).bit_count() <= 2]
    table[uniform] = np.arange(len(uniform), dtype=np.uint8)
    return table


_CODES = _uniform_codes()
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _describe(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of uniform local binary patterns over a grid of cells, float32[cells * 59].

    After Ahonen, Hadid and Pietikäinen (PAMI 2006). Square roots of the shares make the inner product the Bhattacharyya
    coefficient.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHING)
    inner = smooth[RADIUS:-RADIUS, RADIUS:-RADIUS]
    height, width = inner.shape
    code = np.zeros(inner.shape, np.uint8)
    for bit, (down, right) in enumerate(_NEIGHBOURS):
        y, x = RADIUS * (1 + down), RADIUS * (1 + right)
        code |= (smooth[y : y + height, x : x + width] > inner).astype(np.uint8) << bit
    rows, columns = height // CELL, width // CELL
    top, left = (height - rows * CELL) // 2, (width - columns * CELL) // 2
    labels = _CODES[code[top : top + rows * CELL, left : left + columns * CELL]].astype(np.int64)
    cell = np.arange(rows * CELL)[:, np.newaxis] // CELL * columns + np.arange(columns * CELL) // CELL
    counts = np.bincount((cell * 59 + labels).ravel(), minlength=rows * columns * 59)
    return np.sqrt(counts / CELL**2).astype(np.float32)
