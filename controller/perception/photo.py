"""Photographs from files, for enrolment: judged by their header first, decoded upright, and reduced.

What a photograph may be is stated here, and each refusal has a reason. A moving picture is refused rather than read by
its first frame: which of its frames shows the person is not for a program to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from _fastcore.picture_header import read_header, require_size
from controller.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_BYTES = 30_000_000
LARGEST_SIDE = 20_000
LARGEST_JPEG, LARGEST_OTHER = 60_000_000, 30_000_000
"""Pixels that are decoded at all. Telephones take JPEGs of twelve to fifty million, and a JPEG is reduced while it is
decoded (36 MB measured for 60 million); the others are decoded whole (6 bytes a pixel measured for a PNG)."""
LONGEST_SIDE = 1600
"""Larger photographs are reduced before a face is looked for, pixels."""
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


class PhotoTooLargeError(ImageError):
    """It has more bytes or pixels than are read."""


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photograph, upright by its EXIF note, uint8[height, width, 3] BGR, at most 1600 pixels long.

    Raises `ImageError` with the reason.
    """
    return decode_photo(photo_bytes(path))


def photo_bytes(path: Path) -> bytes:
    """A photograph's file, when it is one and not too large. Raises `ImageError` with the reason."""
    try:
        if not path.is_file() and path.exists():
            raise ImageError("is no file")
        if path.stat().st_size > LARGEST_BYTES:
            raise PhotoTooLargeError(f"is larger than {LARGEST_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a null character in its name
        raise ImageError(f"cannot be read: {error}") from error


def decode_photo(data: bytes, *, kinds: Collection[str] | None = None, pixels: int | None = None) -> NDArray[np.uint8]:
    """As `read_photo`, from a file's bytes.

    JPEG (grey, colour and CMYK), PNG (any depth; transparency is left out), WebP and BMP; `kinds` takes some of them
    only. `pixels`: that are decoded at most; never more than the largest. Raises `ImageError` with the reason.
    """
    if len(data) > LARGEST_BYTES:
        raise PhotoTooLargeError(f"is larger than {LARGEST_BYTES // 1_000_000} MB")
    try:
        header = read_header(data)
    except ValueError as error:
        raise ImageError(str(error)) from error
    if kinds is not None and header.kind not in kinds:
        raise ImageError(f"is a {header.kind}, and only {' and '.join(kinds)} are taken here")
    most = LARGEST_JPEG if header.kind == "JPEG" else LARGEST_OTHER
    try:
        require_size(header, side=LARGEST_SIDE, pixels=most if pixels is None else min(pixels, most))
    except ValueError as error:
        raise PhotoTooLargeError(str(error)) from error
    flag = cv2.IMREAD_COLOR
    if header.kind == "JPEG":
        # libjpeg reduces while it decodes: a twelfth of the memory and a third of the time of a telephone's picture.
        fits = [factor for factor in _REDUCED if max(header.width, header.height) >= factor * LONGEST_SIDE]
        flag = _REDUCED[max(fits)] if fits else flag
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
    except cv2.error as error:
        raise ImageError("is damaged: it cannot be decoded") from error
    if picture is None:
        raise ImageError("is damaged: it cannot be decoded")
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, dtype=np.uint8)
