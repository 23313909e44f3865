"""Model files that are not what they should be: named with what was expected, and whatever ran before goes on."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from controller.errors import EngineError, ModelError
from controller.models import registry
from controller.perception.engines import open_engine
from hw.sim.scene import enrolment_photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.models

EMBEDDER = {"opencv": "mobilefacenet", "tflite": "mobilefacenet-fp16"}


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    for model in registry.REGISTRY:
        if (models / model.file).exists():
            shutil.copy(models / model.file, tmp_path / model.file)
    return tmp_path


def flip(data: bytes) -> bytes:
    return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


@pytest.mark.parametrize("engine", ["opencv", "tflite"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, r"is not the right file: sha256 is [0-9a-f]{64}, the registry says"),
        (
            lambda data: data[: len(data) // 2],
            r"is not the right file: (it has \d+ bytes, mobilefacenet has 3998070|sha256)",
        ),
        (lambda _: b"", r"is not the right file"),
    ],
    ids=["flipped", "cut", "empty"],
)
def test_a_damaged_file_is_named_and_what_ran_goes_on(
    engine: str, damage: Callable[[bytes], bytes], said: str, folder: Path
) -> None:
    if engine == "tflite":
        pytest.importorskip("ai_edge_litert.interpreter")
    running = open_engine(engine, folder)
    photo = enrolment_photo(3, 0)
    (face,) = running.detect(photo)
    before = running.embed(photo, face)
    path = folder / registry.entry(EMBEDDER[engine]).file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=said) as refused:
        open_engine(engine, folder)
    assert str(path) in str(refused.value)
    np.testing.assert_array_equal(running.embed(photo, face), before)
    assert open_engine("auto", folder).name != engine


def test_a_network_of_other_shapes_is_another_model(folder: Path) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    model = registry.entry("mobilefacenet-fp16")
    path = folder / model.file
    shutil.copy(folder / registry.entry("blazeface-short").file, path)
    # Only a conversion made on site gets past the hashes; here, one that went wrong.
    provenance = registry.Provenance(
        source_sha256=registry.entry("mobilefacenet").sha256,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        least_cosine=1.0,
        inputs=1,
        toolchain="none",
    )
    registry.provenance_path(path).write_bytes(msgspec.json.encode(provenance))
    with pytest.raises(
        EngineError, match=r"mobilefacenet_fp16\.tflite takes \[1, 128, 128, 3\], not \[1, 112, 112, 3\]"
    ):
        open_engine("tflite", folder)
