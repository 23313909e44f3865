"""What the embedders share: their input's normalisation, the mirrored second look, and their output's length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from controller.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""RGB statistics of ImageNet, with which MobileFaceNet was trained."""

_SCALE = (1 / (255 * IMAGENET_STD)).astype(np.float32)
_SHIFT = (-IMAGENET_MEAN / IMAGENET_STD).astype(np.float32)


def imagenet_input(aligned: NDArray[np.uint8]) -> NDArray[np.float32]:
    """BGR uint8[112, 112, 3] as RGB float32[1, 112, 112, 3]: / 255, less the mean, over the standard deviation."""
    rgb = aligned[:, :, ::-1].astype(np.float32)
    return np.ascontiguousarray((rgb * _SCALE + _SHIFT)[np.newaxis])


def both_ways(
    aligned: NDArray[np.uint8], network: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The embedding of an aligned face and its mirror image together, float32[dim] of length 1.

    A face is nearly symmetric, so the sum keeps what is the person's and halves what is the light's or the pose's. Of
    1,845 photographs one pair's false-reject rate at a false-accept rate of 1e-4 falls by a tenth for twice the
    embedder's time (docs/identification-evaluation.md). `network` takes RGB float32[1, 112, 112, 3] as `imagenet_input`
    makes it. Raises `EngineError` where the output has no direction.
    """
    tensor = imagenet_input(aligned)
    mirrored = np.ascontiguousarray(tensor[:, :, ::-1])
    return unit(network(tensor).astype(np.float64) + network(mirrored))


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    """`vector`, flattened and of length 1, float32[dim]. Raises `EngineError` for one that has no direction."""
    flat = np.asarray(vector, dtype=np.float64).ravel()
    length = float(np.linalg.norm(flat))
    if not np.isfinite(length) or length < 1e-6:
        raise EngineError("the embedder's output has no direction; its input or its weights are damaged")
    return (flat / length).astype(np.float32)
