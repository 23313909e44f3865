"""The conversion to TFLite keeps its result only when it agrees with its source."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from controller.errors import EngineError, ModelError
from controller.models import registry
from controller.perception import convert

if TYPE_CHECKING:
    from pathlib import Path

TOOLCHAIN = importlib.util.find_spec("tensorflow") is not None and importlib.util.find_spec("onnx") is not None
needs_toolchain = pytest.mark.skipif(not TOOLCHAIN, reason="the extra `convert` (TensorFlow, onnx) is not installed")


def test_a_pulled_model_is_not_converted(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pulled"):
        convert.convert(tmp_path, "yunet")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"mobilefacenet\.onnx is missing.*models pull"):
        convert.convert(tmp_path)


def test_a_wrong_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mobilefacenet.onnx").write_bytes(b"not the weights")
    with pytest.raises(ModelError, match="not the right file"):
        convert.convert(tmp_path)


@pytest.mark.models
@pytest.mark.skipif(TOOLCHAIN, reason="the extra `convert` is installed")
def test_without_the_extra_the_error_says_what_to_install(models: Path, tmp_path: Path) -> None:
    shutil.copyfile(models / "mobilefacenet.onnx", tmp_path / "mobilefacenet.onnx")
    with pytest.raises(EngineError, match=r"thermogate\[convert\]"):
        convert.convert(tmp_path)


def test_check_inputs_run_from_rough_to_flat() -> None:
    images = convert.check_inputs(8)
    assert images.shape == (8, 112, 112, 3)
    roughness = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2, 3))
    assert (np.diff(roughness) < 0).all()


@pytest.mark.models
@needs_toolchain
@pytest.mark.filterwarnings("ignore")  # TensorFlow warns of itself
@pytest.mark.timeout(600)
def test_the_result_agrees_with_its_source_and_is_accepted(models: Path, tmp_path: Path) -> None:
    shutil.copyfile(models / "mobilefacenet.onnx", tmp_path / "mobilefacenet.onnx")
    provenance = convert.convert(tmp_path, progress=lambda _: None)
    assert provenance.least_cosine >= 0.999
    report = _check(tmp_path)
    assert report.usable
    assert report.sha256 == provenance.sha256


@pytest.mark.models
@needs_toolchain
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_a_result_that_disagrees_is_not_kept(models: Path, tmp_path: Path) -> None:
    shutil.copyfile(models / "mobilefacenet.onnx", tmp_path / "mobilefacenet.onnx")
    before = b"an earlier conversion"
    (tmp_path / "mobilefacenet_fp16.tflite").write_bytes(before)
    with pytest.raises(ModelError, match="disagrees"):
        convert.convert(tmp_path, least_cosine=1.1, progress=lambda _: None)
    assert (tmp_path / "mobilefacenet_fp16.tflite").read_bytes() == before


def test_a_provenance_of_another_file_is_refused(tmp_path: Path) -> None:
    target = registry.entry("mobilefacenet-fp16")
    path = tmp_path / target.file
    path.write_bytes(b"swapped after the conversion")
    provenance = registry.Provenance(
        source_sha256=registry.entry("mobilefacenet").sha256,
        sha256="0" * 64,
        least_cosine=0.9999,
        inputs=64,
        toolchain="a toolchain",
    )
    registry.provenance_path(path).write_bytes(msgspec.json.encode(provenance))
    assert _check(tmp_path).state == "wrong"


def _check(folder: Path) -> registry.FileReport:
    return registry.check_file(registry.entry("mobilefacenet-fp16"), folder)
