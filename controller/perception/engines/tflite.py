"""The engine for small boards: BlazeFace finds faces, MobileFaceNet in float16 tells them apart, both on TFLite.

Two looks: the full-range network finds faces down to about 40 pixels of a 640-pixel picture, then the short-range
network sees each face again, cut out and large, which sharpens its landmarks for a millisecond.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from controller.errors import EngineError
from controller.models import registry as models
from controller.perception.align import TEMPLATE, align
from controller.perception.engines import blazeface
from controller.perception.engines.embedding import both_ways
from controller.perception.engines.mirror import steadied
from controller.perception.picture import Letterbox, require_picture
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
"""Modules that have an `Interpreter`, in order of preference."""

FIND_SCORE, REFINE_SCORE = 0.6, 0.5
"""Least confidences: MediaPipe's for the full-range and the short-range graph."""
REFINE_MARGIN = 1.6
"""The second look covers this many times the first one's box."""
MAX_REFINED = 4
"""Faces that get a second look; a gate has one or two."""


def load_runtime() -> type[Any]:
    """The `Interpreter` of the first runtime that is installed. Raises `EngineError` that says what to install."""
    reasons = []
    for module in RUNTIMES:
        try:
            interpreter: type[Any] = importlib.import_module(module).Interpreter
        except ImportError as error:
            reasons.append(f"{module}: {error}")
        else:
            return interpreter
    raise EngineError(f"no TFLite runtime; `pip install 'thermogate[tflite]'` brings one ({'; '.join(reasons)})")


class Network:
    """One network of one input, on one thread."""

    def __init__(
        self, path: Path, runtime: type[Any], input_shape: tuple[int, ...], *output_shapes: tuple[int, ...]
    ) -> None:
        """Raises `EngineError` where the runtime refuses the file, or its shapes are others (outputs: widest first)."""
        try:
            self._interpreter = runtime(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError) as error:
            # tflite-runtime 2.14 imports beside numpy 2 and dies here.
            raise EngineError(f"the TFLite runtime cannot start {path}: {error}") from error
        sources = self._interpreter.get_input_details()
        # By width of the last axis: the order of outputs is the converter's business.
        outputs = sorted(self._interpreter.get_output_details(), key=lambda item: -int(item["shape"][-1]))
        _require_shapes(path, "takes", sources, (input_shape,))
        _require_shapes(path, "gives", outputs, output_shapes)
        self._input = sources[0]["index"]
        self._outputs = [item["index"] for item in outputs]

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """All outputs, the widest first, as copies."""
        try:
            self._interpreter.set_tensor(self._input, tensor)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"the TFLite runtime failed: {error}") from error
        return [np.array(self._interpreter.get_tensor(index), dtype=np.float32) for index in self._outputs]


def _require_shapes(path: Path, verb: str, details: list[Any], wanted: tuple[tuple[int, ...], ...]) -> None:
    """Refuse a network of other shapes: it is another model, whatever its file is called."""
    found = tuple(tuple(int(side) for side in item["shape"]) for item in details)
    if found != wanted:
        shapes = (" and ".join(str(list(shape)) for shape in some) or "nothing" for some in (found, wanted))
        raise EngineError(f"{path} {verb} {', not '.join(shapes)}: it is another model")


class BlazeFaceDetector:
    """One BlazeFace network over a part of a picture."""

    def __init__(self, path: Path, variant: blazeface.Variant, runtime: type[Any], least: float) -> None:
        """`least`: confidence below which a detection is dropped."""
        self._variant = variant
        self._anchors = variant.anchors
        self._least = least
        rows = len(self._anchors)
        self._network = Network(path, runtime, (1, variant.size, variant.size, 3), (1, rows, 16), (1, rows, 1))

    def find(self, pixels: NDArray[np.uint8], part: Letterbox) -> blazeface.Candidates:
        """Faces in a part of a BGR picture, in 0..1 of that part."""
        size = self._variant.size
        rgb = part.cut(pixels, size)[:, :, ::-1].astype(np.float32)
        raw, logits = self._network.run(np.ascontiguousarray(rgb / 127.5 - 1)[np.newaxis])
        found = blazeface.decode(raw[0], logits[0, :, 0], self._anchors, size, self._least)
        return blazeface.weighted_nms(found)


class TfliteEngine:
    """`FaceEngine` on TFLite."""

    name = "tflite"
    dim = 128
    rehearsal_only = False
    threshold = 0.45
    margin = 0.05

    def __init__(self, folder: Path, runtime: type[Any] | None = None) -> None:
        """Load the weights from `folder`. Raises `ModelError` for a file, `EngineError` for the runtime."""
        runtime = runtime or load_runtime()
        reports = {name: models.require(folder, name) for name in models.ENGINE_MODELS["tflite"]}
        self.template_model = models.template_model(reports["mobilefacenet-fp16"])
        self._finder = BlazeFaceDetector(reports["blazeface-full"].path, blazeface.FULL_RANGE, runtime, FIND_SCORE)
        self._refiner = BlazeFaceDetector(reports["blazeface-short"].path, blazeface.SHORT_RANGE, runtime, REFINE_SCORE)
        self._embedder = Network(reports["mobilefacenet-fp16"].path, runtime, (1, 112, 112, 3), (1, self.dim))

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Faces in a BGR uint8[height, width, 3] picture, largest first."""
        pixels = require_picture(pixels)
        whole = Letterbox.whole(pixels.shape[1], pixels.shape[0])
        found = self._finder.find(pixels, whole)
        if not len(found.scores):
            # A face that fills the picture is too large for the full-range network.
            found = self._refiner.find(pixels, whole)
        faces = [_face(found, index, whole) for index in range(len(found.scores))]
        faces.sort(key=lambda face: -face.box.area)
        refined = [self._refine(pixels, face) for face in faces[:MAX_REFINED]]
        return sorted([*refined, *faces[MAX_REFINED:]], key=lambda face: -face.box.area)

    def _refine(self, pixels: NDArray[np.uint8], face: Face) -> Face:
        """The face as the second look sees it; as it was where that one sees none."""
        part = Letterbox.around(face.box, REFINE_MARGIN)
        found = self._refiner.find(pixels, part)
        nearest = _middle(found)
        return face if nearest is None else _face(found, nearest, part, score=face.score)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """float32[128], L2-normalised."""
        pixels = require_picture(pixels)
        points = steadied(pixels, face, margin=REFINE_MARGIN, side=blazeface.SHORT_RANGE.size, find=self._mirrored)
        return both_ways(align(pixels, points), lambda tensor: self._embedder.run(tensor)[0])

    def _mirrored(self, cutting: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Landmarks of the middle face in 0..1 of a square cutting, float32[5, 2]."""
        found = self._refiner.find(cutting, Letterbox.whole(cutting.shape[1], cutting.shape[0]))
        nearest = _middle(found)
        return None if nearest is None else five_landmarks(found.points[nearest])


def _middle(found: blazeface.Candidates) -> int | None:
    """Which face is nearest to the middle of the part; another one may show at its rim. None: there is none."""
    if not len(found.scores):
        return None
    middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    return int(np.argmin(np.hypot(*(middle - 0.5).T)))


def five_landmarks(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The five landmarks of `types.Face` from BlazeFace's six points, float32[5, 2].

    BlazeFace marks the mouth's middle only. The corners are put where the alignment template has them: along the line
    of the eyes, 0.83 eye distances apart. So they add no turn or scale of their own, and weigh the middle as two
    points.
    """
    eyes = points[blazeface.LEFT_EYE] - points[blazeface.RIGHT_EYE]
    half_mouth = eyes * ((TEMPLATE[4, 0] - TEMPLATE[3, 0]) / (TEMPLATE[1, 0] - TEMPLATE[0, 0]) / 2)
    mouth = points[blazeface.MOUTH]
    rows = [points[blazeface.RIGHT_EYE], points[blazeface.LEFT_EYE], points[blazeface.NOSE]]
    return np.stack([*rows, mouth - half_mouth, mouth + half_mouth]).astype(np.float32)


# BlazeFace boxes run from brows to chin, YuNet's from hairline to chin. Median ratios over 1,546 pictures both found:
# width 1.10, height 0.82, middle 0.09 heights lower. Registration and quality count on one convention, YuNet's.
BOX_WIDTH, BOX_HEIGHT, BOX_LOWER = 1.10, 0.82, 0.09


def hairline_box(box: Box) -> Box:
    """A BlazeFace box in YuNet's convention."""
    width, height = box.width / BOX_WIDTH, box.height / BOX_HEIGHT
    x, y = box.centre
    return Box(x - width / 2, y - BOX_LOWER * height - height / 2, width, height)


def _face(found: blazeface.Candidates, index: int, part: Letterbox, score: float | None = None) -> Face:
    """One candidate in pixels of the picture."""
    landmarks = five_landmarks(part.points(found.points[index]))
    box = hairline_box(part.box(found.boxes[index]))
    return Face(box, landmarks, float(found.scores[index]) if score is None else score)
