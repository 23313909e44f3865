"""Batches, and the file of a gallery for experiments."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastcore.gallery import HEADER, MAGIC, SIZES
from _fastcore.match import Gallery, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FASTCORE = settings.get_profile("fastcore")


def _rows(count: int, dim: int = 64, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _same(one: Gallery, other: Gallery, probes: NDArray[np.float32]) -> None:
    assert len(one) == len(other)
    for probe in probes:
        (keys, scores), (others, beside) = one.search(probe, 10), other.search(probe, 10)
        assert np.array_equal(keys, others)
        assert np.array_equal(scores, beside)


def test_a_batch_is_so_many_additions() -> None:
    rows, one, other = _rows(500), Gallery(64), Gallery(64)
    for key, row in enumerate(rows):
        one.add(key - 250, row)
    other.add_many(np.arange(-250, 250), rows)
    _same(one, other, _rows(20, seed=1))
    other.add_many([], np.empty((0, 64), dtype=np.float32))
    other.add_many([3, 3], rows[:2])  # the later one counts
    assert len(other) == 500
    assert other.search(rows[1], 2)[1].tolist()[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("keys", "templates", "error", "complaint"),
    [
        ([1, 2], _rows(3), ValueError, r"float32\[2, 64\] \(a row a key\), not of shape \(3, 64\)"),
        ([1], _rows(1)[0], ValueError, r"not of shape \(64,\)"),
        ([1], _rows(1).astype(np.float64), TypeError, "format 'd'"),
        ([1], [[1.0] * 64], TypeError, "not list"),
        ([1, 2], _rows(4)[::2], ValueError, "contiguous"),
        ([1, 2], _rows(2) * np.array([[1], [0]], dtype=np.float32), ValueError, r"templates\[1\] must have length 1"),
        ([1, 2.5], _rows(2), TypeError, "float"),
        ([1, 2**63], _rows(2), OverflowError, "int"),
        ([1, 2], np.full((2, 64), np.nan, dtype=np.float32), ValueError, r"templates\[0\] has an element that is not"),
    ],
)
def test_a_wrong_batch_changes_nothing(keys: Any, templates: Any, error: type[Exception], complaint: str) -> None:
    gallery = Gallery(64)
    gallery.add(1, _rows(1, seed=9)[0])
    with pytest.raises(error, match=complaint):
        gallery.add_many(keys, templates)
    assert len(gallery) == 1
    assert gallery.search(_rows(1, seed=9)[0])[1][0] == pytest.approx(1)


def test_a_file_brings_the_gallery_back(tmp_path: Path) -> None:
    rows, gallery = _rows(300, 100), Gallery(100)
    gallery.add_many(np.random.default_rng(0).integers(-(2**62), 2**62, 300), rows)
    for key in list(range(3)):
        assert key not in gallery
    gallery.save(tmp_path / "faces.gallery")
    gallery.save(os.fspath(tmp_path / "faces.gallery"))  # replaced whole
    _same(gallery, Gallery.load(tmp_path / "faces.gallery"), _rows(20, 100, seed=1))
    assert [path.name for path in tmp_path.iterdir()] == ["faces.gallery"]
    Gallery(7).save(tmp_path / "empty")
    assert (len(Gallery.load(tmp_path / "empty")), Gallery.load(tmp_path / "empty").dim) == (0, 7)


def _file(tmp_path: Path) -> bytes:
    gallery = Gallery(8)
    gallery.add_many([4, 5, 6], _rows(3, 8))
    gallery.save(tmp_path / "good")
    return (tmp_path / "good").read_bytes()


def _with_body(good: bytes, body: bytes, dim: int = 8, count: int = 3) -> bytes:
    assert good.startswith(MAGIC)
    return HEADER.pack(MAGIC, dim, count, zlib.crc32(body, zlib.crc32(SIZES.pack(dim, count)))) + body


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda _: b"", "not a gallery file"),
        (lambda good: b"X" + good[1:], "not a gallery file"),
        (lambda good: good[:-1], "bytes after the header, not the 120 of 3 rows"),
        (lambda good: good + b"\0", "121 bytes after the header"),
        (lambda good: good[:40] + bytes([good[40] ^ 1]) + good[41:], "damaged"),
        (lambda good: good[:12] + b"\0\0\0\0" + good[16:], "dimension 0"),
        (lambda good: good[:12] + b"\xff\xff\xff\xff" + good[16:], "dimension 4294967295"),
        (lambda good: _with_body(good, good[28:52] + b"\0" * 96), r"templates\[0\] must have length 1"),
        (lambda good: _with_body(good, good[28:36] * 3 + good[52:]), "a key comes twice"),
        (lambda good: _with_body(good, b"", 8, 2**63), "bytes after the header"),
        (lambda good: good[:12] + SIZES.pack(13, 2) + good[24:], "damaged"),  # as many bytes of other sizes
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Any, complaint: str) -> None:
    bad = tmp_path / "bad.gallery"
    bad.write_bytes(damage(_file(tmp_path)))
    with pytest.raises(ValueError, match=f"bad.gallery: .*{complaint}"):
        Gallery.load(bad)


@settings(FASTCORE, max_examples=60)
@given(at=st.integers(0, 147), bit=st.integers(0, 7), cut=st.integers(0, 148))
def test_any_flipped_bit_or_cut_is_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("file")
    good = _file(folder)
    assert len(good) == 148
    flipped = bytearray(good)
    flipped[at] ^= 1 << bit
    for damaged in (bytes(flipped), good[:cut] if cut < 148 else b""):
        (folder / "bad").write_bytes(damaged)
        with pytest.raises(ValueError, match="bad: "):
            Gallery.load(folder / "bad")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Gallery.load(tmp_path / "none")
    with pytest.raises(OSError, match="nowhere"):
        Gallery(4).save(tmp_path / "nowhere" / "file")


def test_reading_a_buffer_counts_what_it_reads(path: str) -> None:
    for size in (0, 1, 255, 4096, 100_000):
        done = read_bytes(np.zeros(size, dtype=np.uint8))
        assert done <= size
        assert done >= size - 63 - 255
    with pytest.raises(TypeError):
        read_bytes(3)  # type: ignore[arg-type]
    with pytest.raises((ValueError, BufferError)):
        read_bytes(np.zeros((8, 8))[:, ::2])
