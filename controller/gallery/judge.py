"""One photograph judged: its face as a template, or what speaks against it, each with a code and what to do about it.

The words are for whoever enrols, in English and Chinese; the codes are for programs and stay the same.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller.errors import ImageError
from controller.perception.photo import PhotoTooLargeError, decode_photo
from controller.perception.quality import assess

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from controller.perception.types import Face, FaceEngine, Quality

LEAST_QUALITY = 0.3
"""Below it a photograph is refused."""
FAIR_QUALITY = 0.5
"""Below it a photograph is taken, and a better one advised."""
SECOND_FACE = 0.5
"""A second face at least so wide as this share of the first makes a photograph ambiguous."""
TERMS = ("size", "sharpness", "exposure", "pose")
"""Of `Quality`; codes of findings as well."""


class Code(enum.StrEnum):
    """What there is to say of a photograph."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    SIZE = "size"
    SHARPNESS = "sharpness"
    EXPOSURE = "exposure"
    POSE = "pose"
    OTHER_PERSON = "other_person"
    DUPLICATE = "duplicate"
    ALIKE = "alike"


class Words(NamedTuple):
    """What to do, in both languages."""

    english: str
    chinese: str


ADVICE: dict[Code, Words] = {
    Code.UNREADABLE: Words("Save it as a whole JPEG or PNG and send it again", "请另存为完整的 JPEG 或 PNG 后重新上传"),
    Code.TOO_LARGE: Words("Make it smaller and send it again", "照片过大，请缩小后重新上传"),
    Code.NO_FACE: Words(
        "Show one face from the front, without a mask or a shadow", "未检测到人脸，请正面拍摄，不戴口罩，避免阴影"
    ),
    Code.SEVERAL_FACES: Words("Crop it to one person", "照片中有多张人脸，请裁剪为只有一人"),
    Code.SIZE: Words("Come closer, or send a larger picture", "人脸太小，请靠近拍摄或上传更大的照片"),
    Code.SHARPNESS: Words("Hold still and focus on the face", "人脸模糊，请保持静止并对焦"),
    Code.EXPOSURE: Words("Use even light from the front, not too dark or bright", "光线过暗、过亮或不均匀，请改善光线"),
    Code.POSE: Words("Look straight into the camera, head upright", "请正对镜头，头部端正"),
    Code.OTHER_PERSON: Words(
        "Check the id: this is not the face of this person's other photographs",
        "请核对编号：与此人的其他照片不是同一人",
    ),
    Code.DUPLICATE: Words(
        "Look for a second entry of the same person; twins need an administrator's word",
        "请检查是否重复登记；如为双胞胎，须由管理员确认",
    ),
    Code.ALIKE: Words(
        "Both are marked: their faces alone do not say who they are, give them cards",
        "两人长相相似，均已标记：仅凭人脸无法区分，请发放门禁卡",
    ),
}


class Finding(NamedTuple):
    """Something that speaks against a photograph, or could be better."""

    code: Code
    refuses: bool
    """False: it was taken all the same."""
    reason: str
    """What was found, a phrase that goes after the photograph's name."""

    @property
    def advice(self) -> Words:
        """What to do."""
        return ADVICE[self.code]


class PhotoRefusedError(ImageError):
    """A photograph is not good enough; the message is the reason that weighs most."""

    def __init__(self, reason: str, findings: tuple[Finding, ...], quality: Quality | None = None) -> None:
        super().__init__(reason)
        self.findings = findings
        self.quality = quality
        """Of its face; None where none was judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A photograph that is good enough."""

    embedding: NDArray[np.float32]
    """float32[dim], L2-normalised."""
    quality: Quality
    findings: tuple[Finding, ...]
    """What could be better."""


def judge_photo(
    engine: FaceEngine, data: bytes, *, kinds: Collection[str] | None = None, pixels: int | None = None
) -> Judged:
    """The template of a photograph's face.

    Args:
        engine: finds the face and makes the template.
        data: the file.
        kinds: of files that are taken, as `PictureHeader.kind` names them; None: all that can be read.
        pixels: that are decoded at most; None: as many as `decode_photo` takes.

    Raises `PhotoRefusedError`; `EngineError` where the engine fails.
    """
    try:
        picture = decode_photo(data, kinds=kinds, pixels=pixels)
        face = _only_face(engine.detect(picture))
    except PhotoRefusedError:
        raise
    except ImageError as error:
        code = Code.TOO_LARGE if isinstance(error, PhotoTooLargeError) else Code.UNREADABLE
        raise PhotoRefusedError(str(error), (Finding(code, True, str(error)),)) from error
    quality = assess(picture, face)
    findings = _findings(quality)
    if quality.overall < LEAST_QUALITY:
        raise PhotoRefusedError(findings[0].reason, findings, quality)
    return Judged(engine.embed(picture, face), quality, findings)


def _findings(quality: Quality) -> tuple[Finding, ...]:
    """Of the terms that are not fair, the worst first."""
    rated = {term: float(getattr(quality, term)) for term in TERMS}
    found = []
    for term, value in sorted(rated.items(), key=lambda one: one[1]):
        if value < LEAST_QUALITY:
            found.append(Finding(Code(term), True, f"{term} is not good enough ({value:.2f} of {LEAST_QUALITY})"))
        elif value < FAIR_QUALITY:
            found.append(Finding(Code(term), False, f"{term} could be better ({value:.2f} of {FAIR_QUALITY})"))
    return tuple(found)


def _only_face(faces: list[Face]) -> Face:
    if not faces:
        raise _refused(Code.NO_FACE, "shows no face")
    if len(faces) > 1 and faces[1].box.width >= SECOND_FACE * faces[0].box.width:
        raise _refused(Code.SEVERAL_FACES, f"shows {len(faces)} faces")
    return faces[0]


def _refused(code: Code, reason: str) -> PhotoRefusedError:
    return PhotoRefusedError(reason, (Finding(code, True, reason),))
