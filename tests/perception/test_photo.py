"""Bad pictures: each with its reason, none of them a crash, and nothing decoded that is too large."""

from __future__ import annotations

import struct
import time
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.errors import ImageError
from controller.perception.photo import LONGEST_SIDE, decode_photo, read_photo
from hw.errors import FrameError, RecordingError
from hw.linux.pictures import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)


def quarters(width: int = 90, height: int = 60) -> NDArray[np.uint8]:
    """Red, green over blue, white."""
    small = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    return np.kron(small, np.ones((height // 2, width // 2, 1), np.uint8))


def encoded(kind: str, pixels: NDArray[np.uint8] | NDArray[np.uint16] | None = None) -> bytes:
    picture: NDArray[Any] = quarters() if pixels is None else pixels
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if kind == "webp" else []
    good, data = cv2.imencode(f".{kind}", picture, options)
    assert good
    return data.tobytes()


def turned(data: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF note (TIFF 6.0: one entry, 0x0112, a short)."""
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(width: int, height: int) -> bytes:
    """Some kilobytes that promise gigabytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


def corners(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Upper left, upper right, lower left, each channel as 0 or 255."""
    rounded = np.where(pixels > 127, 255, 0)
    return [tuple(int(value) for value in rounded[y, x]) for y, x in ((5, 5), (5, -6), (-6, 5))]


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp"])
def test_what_is_good_is_read(kind: str, tmp_path: Path) -> None:
    assert corners(decode_photo(encoded(kind))) == [RED, GREEN, BLUE]
    file = tmp_path / f"a.{kind}"
    file.write_bytes(encoded(kind))
    assert corners(read_photo(file)) == corners(read_picture(file)) == [RED, GREEN, BLUE]


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [(1, [RED, GREEN, BLUE]), (3, [WHITE, BLUE, GREEN]), (6, [BLUE, RED, WHITE]), (8, [GREEN, WHITE, RED])],
)
def test_an_exif_note_turns_the_picture(orientation: int, seen: list[tuple[int, ...]]) -> None:
    assert corners(decode_photo(turned(encoded("jpg"), orientation))) == seen
    large = turned(encoded("jpg", quarters(4 * LONGEST_SIDE, 600)), orientation)
    assert corners(decode_photo(large)) == seen


def test_grey_sixteen_bits_and_transparency() -> None:
    grey = decode_photo(encoded("jpg", np.full((60, 90), 77, np.uint8)))
    assert grey.shape == (60, 90, 3)
    assert corners(decode_photo(encoded("png", quarters().astype(np.uint16) * 257))) == [RED, GREEN, BLUE]
    clear = np.dstack([quarters(), np.full((60, 90, 1), 40, np.uint8)])
    assert corners(decode_photo(encoded("png", clear))) == [RED, GREEN, BLUE]


def test_cmyk() -> None:
    image = pytest.importorskip("PIL.Image")
    with __import__("io").BytesIO() as buffer:
        image.fromarray(quarters()[:, :, ::-1].copy()).convert("CMYK").save(buffer, "JPEG")
        assert corners(decode_photo(buffer.getvalue())) == [RED, GREEN, BLUE]


def test_a_large_photograph_is_reduced() -> None:
    assert decode_photo(encoded("jpg", quarters(4000, 3000))).shape == (1200, 1600, 3)
    assert decode_photo(encoded("png", quarters(3200, 400))).shape == (200, 1600, 3)
    assert decode_photo(encoded("png", quarters(19_000, 2))).shape == (1, 1600, 3)


def animated_png() -> bytes:
    plain = encoded("png")
    return plain[:33] + chunk(b"acTL", struct.pack(">II", 2, 0)) + plain[33:]


def animated_webp() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([0x02, 0, 0, 0]) + b"\x59\0\0\x3b\0\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_jpeg() -> bytes:
    data = bytearray(encoded("jpg"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    return bytes(data)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"This is my photograph. " * 100, "is a text file, not a picture"),
    "noise": (lambda: bytes(range(256)), "is no picture that can be read here"),
    "truncated jpg": (lambda: encoded("jpg")[:-40], "is truncated"),
    "jpg without its last byte": (lambda: encoded("jpg")[:-1], "is truncated"),
    "jpg header only": (lambda: encoded("jpg")[:20], "is truncated"),
    "truncated png": (lambda: encoded("png")[:-30], "is truncated"),
    "truncated webp": (lambda: encoded("webp")[:-10], "is truncated"),
    "truncated bmp": (lambda: encoded("bmp")[:-10], "is truncated"),
    "flipped png": (lambda: encoded("png")[:60] + b"\0\0\0" + encoded("png")[63:], "is damaged: the checksum of its"),
    "bomb": (lambda: png_bomb(50_000, 50_000), "has 50000×50000 pixels; at most 20000 a side are read"),
    "flat bomb": (lambda: png_bomb(19_999, 19_999), "at most 30 million are read"),
    "largest sides": (lambda: png_bomb(2**31 - 1, 2**31 - 1), "at most 20000 a side"),
    "no pixels": (lambda: png_bomb(0, 10), "has no pixels"),
    "huge jpg": (huge_jpeg, "has 60000×60000 pixels"),
    "apng": (animated_png, "is an animated PNG; save one still picture"),
    "awebp": (animated_webp, "is an animated WebP; save one still picture"),
    "gif": (lambda: b"GIF89a" + bytes(100), "is a GIF, which may move; save it as JPEG, PNG, WebP or BMP"),
    "tiff": (lambda: b"II*\0" + bytes(100), "is a TIFF; save it as"),
    "heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(100), "is a HEIC photograph, as iPhones take them"),
    "avif": (lambda: b"\0\0\0\x18ftypavif" + bytes(100), "is an AVIF picture or a film"),
    "pdf": (lambda: b"%PDF-1.7" + bytes(100), "is a PDF"),
    "docx": (lambda: b"PK\x03\x04" + bytes(100), "is a ZIP archive or an office document"),
    "lossless": (lambda: encoded("jpg").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x0c"), "channels of 12 bits"),
    "rle": (lambda: encoded("bmp")[:30] + b"\x01" + encoded("bmp")[31:], "is a compressed BMP"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_picture_has_its_reason(name: str, tmp_path: Path) -> None:
    make, said = BAD[name]
    file = tmp_path / "a.jpg"
    file.write_bytes(make())
    started = time.perf_counter()
    with pytest.raises(ImageError) as refused:
        read_photo(file)
    assert said in str(refused.value)
    # A camera's recording says the same and goes on with the next picture.
    with pytest.raises(RecordingError, match=r"a\.jpg: ") as camera:
        read_picture(file)
    assert isinstance(camera.value, FrameError)
    assert time.perf_counter() - started < 2.0


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    with file.open("wb") as sparse:
        sparse.truncate(60_000_000)
    with pytest.raises(ImageError, match="is larger than 30 MB"):
        read_photo(file)
    with pytest.raises(RecordingError, match="is larger than 50 MB"):
        read_picture(file)
    with pytest.raises(ImageError, match="is no file"):
        read_photo(tmp_path)
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read_photo(tmp_path / "absent.jpg")


@cache
def seeds() -> tuple[bytes, ...]:
    noise = np.random.default_rng(1).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    stills = [encoded(kind, noise) for kind in ("jpg", "png", "webp", "bmp")]
    progressive = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return (*stills, progressive, turned(stills[0], 6), animated_png(), animated_webp())


Mutation = tuple[int, int, bytes]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 7),
    mutations=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 64), st.binary(max_size=16)), max_size=4),
    cut=st.none() | st.integers(0, 4000),
)
def test_mutated_pictures_are_read_or_refused(seed: int, mutations: list[Mutation], cut: int | None) -> None:
    data = seeds()[seed]
    for anywhere, length, put in mutations:
        at = anywhere % max(1, len(data))
        data = data[:at] + put + data[at + length :]
    check(data[:cut] if cut is not None else data)


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"\0\0\0\x18ftyp"]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_read_or_refused(start: bytes, rest: bytes) -> None:
    check(start + rest)


def check(data: bytes) -> None:
    try:
        pixels = decode_photo(data)
    except ImageError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert max(pixels.shape[:2]) <= LONGEST_SIDE
