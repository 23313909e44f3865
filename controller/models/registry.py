"""The model registry: which weight files the engines know, where they come from, and whether a folder has them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from controller.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENT = "THERMOGATE_MODELS"
"""Names the folder of model files, where neither argument nor configuration does."""

State = Literal["ok", "converted", "missing", "wrong"]

_YUNET_COMMIT = "0047ac24afb1a50a0c6105001c89d1b5b805dbf1"
_MOBILEFACENET_COMMIT = "a6cc9032a659b615f477833e1a70b5e7931bcccc"
_ZOO_COMMIT = "edef535367a4f8053b5bfb7580935c83772a9639"
_MEDIAPIPE = "https://storage.googleapis.com/mediapipe-assets/modules/face_detection"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One weight file that the engines know."""

    name: str
    use: str
    """`detect` or `embed`, and by which engine."""
    file: str
    """Its name in the models folder."""
    url: str | None
    """Where `pull` fetches it; None for a file that is made here (`made_from`)."""
    size: int
    """Bytes."""
    sha256: str
    licence: str
    input: str
    output: str
    note: str = ""
    made_from: str | None = None
    """Name of the registry entry that `convert` makes it from."""


REGISTRY: tuple[ModelFile, ...] = (
    ModelFile(
        name="yunet",
        use="detect (opencv)",
        file="face_detection_yunet_2023mar.onnx",
        url=f"https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/{_YUNET_COMMIT}/onnx/yunet_s_640_640.onnx",
        size=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        licence="Apache-2.0 (the same bytes in opencv_zoo: MIT)",
        input="BGR picture of any size, through cv2.FaceDetectorYN",
        output="box, 5 points, score",
    ),
    ModelFile(
        name="blazeface-short",
        use="detect (tflite)",
        file="face_detection_short_range.tflite",
        url=f"{_MEDIAPIPE}/face_detection_short_range.tflite?generation=1782183508198291",
        size=229_032,
        sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        licence="Apache-2.0 (MediaPipe)",
        input="1×128×128×3 RGB / 127.5 − 1",
        output="896×16 boxes and 6 points, 896×1 scores",
    ),
    ModelFile(
        name="blazeface-full",
        use="detect (tflite)",
        file="face_detection_full_range_sparse.tflite",
        url=f"{_MEDIAPIPE}/face_detection_full_range_sparse.tflite?generation=1782183500697062",
        size=680_736,
        sha256="671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
        licence="Apache-2.0 (MediaPipe)",
        input="1×192×192×3 RGB / 127.5 − 1",
        output="2304×16 boxes and 6 points, 2304×1 scores",
    ),
    ModelFile(
        name="mobilefacenet",
        use="embed (opencv)",
        file="mobilefacenet.onnx",
        url=f"https://raw.githubusercontent.com/foamliu/MobileFaceNet/{_MOBILEFACENET_COMMIT}/weights/MobileFaceNet.onnx",
        size=3_998_070,
        sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
        licence="Apache-2.0",
        input="1×3×112×112 RGB / 255, ImageNet mean and standard deviation",
        output="128",
        note="Trained on refined MS-Celeb-1M, a collection of public figures' pictures that Microsoft withdrew in "
        "2019: weigh that before you deploy.",
    ),
    ModelFile(
        name="mobilefacenet-fp16",
        use="embed (tflite)",
        file="mobilefacenet_fp16.tflite",
        url=None,
        size=2_031_364,
        sha256="88be4743a037ef6960497716a132d5e96947e5462bbc56a70fda58fae025b91b",
        licence="Apache-2.0",
        input="1×112×112×3 RGB / 255, ImageNet mean and standard deviation",
        output="128",
        note="Made from mobilefacenet by `thermogate models convert`. Another TensorFlow writes other bytes: such a "
        "file is accepted with the provenance that `convert` leaves beside it.",
        made_from="mobilefacenet",
    ),
    ModelFile(
        name="sface",
        use="embed (not used by an engine yet)",
        file="face_recognition_sface_2021dec.onnx",
        url=f"https://media.githubusercontent.com/media/opencv/opencv_zoo/{_ZOO_COMMIT}"
        "/models/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        size=38_696_353,
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        licence="Apache-2.0",
        input="1×3×112×112 BGR, through cv2.FaceRecognizerSF",
        output="128; cosine threshold 0.363 by its authors",
        note="Listed for comparison; not measured by this project.",
    ),
)

ENGINE_MODELS: dict[str, tuple[str, ...]] = {
    "opencv": ("yunet", "mobilefacenet"),
    "tflite": ("blazeface-full", "blazeface-short", "mobilefacenet-fp16"),
    "demo": (),
}
"""Registry names of the files that each engine needs."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `convert` writes beside a file it made, as `<file>.json`."""

    model: Literal["thermogate-conversion-1"] = "thermogate-conversion-1"
    source_sha256: str
    """Hash of the file it was made from; must be the registry's."""
    sha256: str
    """Hash of the made file."""
    least_cosine: float
    """Worst agreement with the source over the checked inputs."""
    inputs: int
    """Inputs checked."""
    toolchain: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """What `verify` found about one file."""

    model: ModelFile
    path: Path
    state: State
    sha256: str | None
    """Hash of what is there; None where nothing is."""
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether an engine may load it."""
        return self.state in ("ok", "converted")


def models_dir(configured: str | os.PathLike[str] | None = None) -> Path:
    """The models folder: argument or configuration, else THERMOGATE_MODELS, else the XDG data folder. May not exist."""
    chosen = configured or os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    # The XDG base directory specification has relative paths ignored.
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "thermogate" / "models"


def entry(name: str) -> ModelFile:
    """The registry entry called `name`. Raises `ModelError` that lists the known ones."""
    for model in REGISTRY:
        if name == model.name:
            return model
    raise ModelError(f"no model is called {name!r}; known: {', '.join(model.name for model in REGISTRY)}")


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance_path(path: Path) -> Path:
    """Where the provenance of a converted file stands."""
    return path.with_name(path.name + ".json")


def check_file(model: ModelFile, folder: Path) -> FileReport:
    """Hash one model of a folder and judge it. Unreadable files are reported, not raised."""
    path = folder / model.file
    try:
        digest = sha256_of(path)
    except FileNotFoundError:
        return FileReport(model, path, "missing", None, how_to_get(model))
    except OSError as error:
        return FileReport(model, path, "wrong", None, f"cannot be read: {error.strerror}")
    if digest == model.sha256:
        return FileReport(model, path, "ok", digest)
    if model.made_from is None:
        return FileReport(model, path, "wrong", digest, _unlike(model, path, digest))
    refusal = _conversion_refused(model, path, digest)
    return FileReport(model, path, "wrong" if refusal else "converted", digest, refusal or "converted on site")


def _unlike(model: ModelFile, path: Path, digest: str) -> str:
    """In what a file differs from the registry's: its size, when a download was cut or another model put there."""
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if size != model.size:
            return f"it has {size} bytes, {model.name} has {model.size}; {how_to_get(model)} brings it"
    return f"sha256 is {digest}, the registry says {model.sha256}; {how_to_get(model)} brings it"


LEAST_COSINE = 0.999
"""A conversion must agree with its source at least so well on every checked input."""


def _conversion_refused(model: ModelFile, path: Path, digest: str) -> str:
    """Why a file of another hash is not accepted as a conversion; empty when it is."""
    sidecar = provenance_path(path)
    try:
        provenance = msgspec.json.decode(sidecar.read_bytes(), type=Provenance)
    except FileNotFoundError:
        return f"sha256 is {digest}, the registry says {model.sha256}, and there is no {sidecar.name} of a conversion"
    except (OSError, msgspec.MsgspecError) as error:
        return f"{sidecar.name} is not a provenance: {error}"
    if model.made_from is None or provenance.source_sha256 != entry(model.made_from).sha256:
        return f"{sidecar.name} names another source: {provenance.source_sha256}"
    if provenance.sha256 != digest:
        return f"sha256 is {digest}, {sidecar.name} says {provenance.sha256}"
    if not provenance.least_cosine >= LEAST_COSINE:
        return f"{sidecar.name} says its least cosine was {provenance.least_cosine}, below {LEAST_COSINE}"
    return ""


def how_to_get(model: ModelFile) -> str:
    """The command that brings a missing model."""
    if model.made_from is not None:
        return f"`thermogate models pull {model.made_from}`, then `thermogate models convert`"
    return f"`thermogate models pull {model.name}`"


def verify(folder: Path, names: Iterable[str] | None = None) -> tuple[FileReport, ...]:
    """Hash the named models of a folder, or all of the registry."""
    chosen = REGISTRY if names is None else tuple(entry(name) for name in names)
    return tuple(check_file(model, folder) for model in chosen)


def require(folder: Path, name: str) -> FileReport:
    """Report on a model that is there and right. Raises `ModelError` that says what to do otherwise."""
    report = check_file(entry(name), folder)
    if report.usable:
        return report
    what = "is missing" if report.state == "missing" else "is not the right file"
    raise ModelError(f"{report.path} {what}: {report.reason}")


def template_model(report: FileReport) -> str:
    """Name of the embedding space of an embedder file: its source's name and hash, `mobilefacenet:b7120c095d60`.

    Conversions share their source's space: they agree with it to a cosine of at least 0.999.
    """
    source = report.model if report.model.made_from is None else entry(report.model.made_from)
    return f"{source.name}:{source.sha256[:12]}"
