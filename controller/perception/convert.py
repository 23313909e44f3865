"""Makes the TFLite embedder from the pulled ONNX file, and keeps it only when the two agree.

Runs on a workstation: the extra `convert` brings TensorFlow and onnx. The graph is read operator by operator into Keras
layers, channels last, and written with float16 weights. An operator or attribute this file does not know is refused by
name, never skipped.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

from controller.errors import EngineError, ModelError
from controller.models.registry import LEAST_COSINE, Provenance, entry, provenance_path, require, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

Layers = dict[str, Any]
"""Tensors of the graph by name."""

CHECKS = 64
"""Inputs on which source and result are compared."""
SIDE = 112


def convert(
    folder: Path,
    name: str = "mobilefacenet-fp16",
    *,
    least_cosine: float = LEAST_COSINE,
    progress: Callable[[str], None] = print,
) -> Provenance:
    """Make the registry's `name` in `folder` from the file it is made from, with its provenance beside it.

    Raises `ModelError` for a missing or wrong source, an operator not known here, or a result that does not agree with
    its source (cosine below `least_cosine` on any of 64 inputs); what was in the folder before is then still there.
    Raises `EngineError` where the extra is not installed.
    """
    target = entry(name)
    if target.made_from is None:
        raise ModelError(f"{name} is pulled, not converted")
    source = require(folder, target.made_from)
    tensorflow, onnx = _toolchain()
    progress(f"reading {source.path.name}")
    model = _keras_model(tensorflow, onnx, source.path)
    progress("writing float16 TFLite")
    data = _tflite_bytes(tensorflow, model)
    progress(f"comparing on {CHECKS} inputs")
    least = _least_cosine(source.path, data, check_inputs(CHECKS))
    if not least >= least_cosine:
        raise ModelError(f"the conversion disagrees with {source.path.name}: cosine {least:.5f} < {least_cosine}")
    path = folder / target.file
    provenance = Provenance(
        source_sha256=source.model.sha256,
        sha256=_write(path, data),
        least_cosine=least,
        inputs=CHECKS,
        toolchain=f"tensorflow {tensorflow.__version__}, onnx {onnx.__version__}",
    )
    _write(provenance_path(path), msgspec.json.format(msgspec.json.encode(provenance), indent=2) + b"\n")
    return provenance


def check_inputs(count: int) -> NDArray[np.float32]:
    """Normalised inputs float32[count, 112, 112, 3]: from flat to rough, since a face is neither noise nor a plane."""
    rng = np.random.default_rng(20)
    images = rng.normal(size=(count, SIDE, SIDE, 3)).astype(np.float32)
    for index in range(count):
        sigma = 12.0 * index / count
        if sigma > 0:
            smooth = cv2.GaussianBlur(images[index], (0, 0), sigma)
            images[index] = smooth / max(float(smooth.std()), 1e-6)
    return images


def _toolchain() -> tuple[Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return importlib.import_module("tensorflow"), importlib.import_module("onnx")
    except ImportError as error:
        raise EngineError(
            f"conversion needs TensorFlow and onnx: pip install 'thermogate[convert]' ({error})"
        ) from error


@dataclass(frozen=True, slots=True)
class _Graph:
    """What the operator readers need: Keras, and the constants of the graph by name."""

    keras: Any
    constants: dict[str, NDArray[Any]]

    def conv(self, node: Any, attributes: dict[str, Any], tensors: Layers) -> Any:
        """A plain or depthwise convolution, its bias included."""
        weights = self.constants[node.input[1]]
        bias = self.constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weights), dtype=np.float32)
        source = tensors[node.input[0]]
        channels, group = int(source.shape[-1]), int(attributes.get("group", 1))
        strides, pads = tuple(attributes["strides"]), attributes.get("pads", [0, 0, 0, 0])
        if set(attributes.get("dilations", [1])) != {1} or group not in (1, channels):
            raise ModelError(f"{node.name}: a dilated or grouped convolution, which this converter does not know")
        if any(pads):
            source = self.keras.layers.ZeroPadding2D(((pads[0], pads[2]), (pads[1], pads[3])))(source)
        if group == 1:
            layer = self.keras.layers.Conv2D(len(weights), weights.shape[2:], strides=strides)
            kernel = weights.transpose(2, 3, 1, 0)
        else:
            layer = self.keras.layers.DepthwiseConv2D(weights.shape[2:], strides=strides)
            kernel = weights.transpose(2, 3, 0, 1)
        result = layer(source)
        layer.set_weights([kernel, bias])
        return result

    def clip(self, node: Any, _attributes: dict[str, Any], tensors: Layers) -> Any:
        """ReLU6, the one clip such networks have."""
        low, high = (float(self.constants[name]) for name in node.input[1:3])
        if (low, high) != (0.0, 6.0):
            raise ModelError(f"{node.name}: clips to {low}..{high}, which this converter does not know")
        return self.keras.layers.ReLU(max_value=6.0)(tensors[node.input[0]])

    def relu(self, node: Any, _attributes: dict[str, Any], tensors: Layers) -> Any:
        """ReLU."""
        return self.keras.layers.ReLU()(tensors[node.input[0]])

    def add(self, node: Any, _attributes: dict[str, Any], tensors: Layers) -> Any:
        """A residual sum."""
        return self.keras.layers.Add()([tensors[name] for name in node.input])

    def reshape(self, node: Any, _attributes: dict[str, Any], tensors: Layers) -> Any:
        """The flattening at the end; elsewhere it would mix channels-first and channels-last."""
        source = tensors[node.input[0]]
        if tuple(source.shape[1:3]) != (1, 1):
            raise ModelError(f"{node.name}: reshapes a picture, which this converter does not know")
        return self.keras.layers.Flatten()(source)


READERS: dict[str, Callable[..., Any]] = {
    "Conv": _Graph.conv,
    "Clip": _Graph.clip,
    "Relu": _Graph.relu,
    "Add": _Graph.add,
    "Reshape": _Graph.reshape,
}


def _keras_model(tensorflow: Any, onnx: Any, path: Path) -> Any:
    graph = onnx.load(str(path)).graph
    array = onnx.numpy_helper.to_array
    constants = {item.name: array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = array(node.attribute[0].t)
    # Batch 1, as a gate uses it: a fixed shape lets the runtime plan its memory once.
    start = tensorflow.keras.Input(shape=(SIDE, SIDE, 3), batch_size=1)
    tensors: Layers = {graph.input[0].name: start}
    reader = _Graph(tensorflow.keras, constants)
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        if node.op_type not in READERS:
            raise ModelError(f"{path.name}: operator {node.op_type} is not known to this converter")
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        tensors[node.output[0]] = READERS[node.op_type](reader, node, attributes, tensors)
    return tensorflow.keras.Model(start, tensors[graph.output[0].name])


def _tflite_bytes(tensorflow: Any, model: Any) -> bytes:
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tensorflow.float16]
    data: bytes = converter.convert()
    return data


def _least_cosine(source: Path, data: bytes, inputs: NDArray[np.float32]) -> float:
    """Worst cosine between the outputs of the ONNX file and of the TFLite bytes."""
    from controller.perception.engines.tflite import load_runtime  # noqa: PLC0415 - only a conversion compares

    interpreter = load_runtime()(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (into,), (out_of,) = interpreter.get_input_details(), interpreter.get_output_details()
    network = cv2.dnn.readNetFromONNX(str(source))
    least = 1.0
    for one in inputs[:, np.newaxis]:
        interpreter.set_tensor(into["index"], one)
        interpreter.invoke()
        made = np.asarray(interpreter.get_tensor(out_of["index"]), dtype=np.float64).ravel()
        network.setInput(np.ascontiguousarray(one.transpose(0, 3, 1, 2)))
        true = np.asarray(network.forward(), dtype=np.float64).ravel()
        least = min(least, float(made @ true / (np.linalg.norm(made) * np.linalg.norm(true))))
    return least


def _write(path: Path, data: bytes) -> str:
    """Write a file whole or not at all; returns its SHA-256 in hex."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp gives 0600, and weights are no secret
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
    return sha256_of(path)
