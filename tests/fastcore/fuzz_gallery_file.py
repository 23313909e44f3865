"""Bytes to a damaged gallery file: loading refuses it with ValueError or OSError, and takes only what was saved.

A harness for atheris, run by built.py. The first byte says how: a saved file damaged, or raw bytes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

from _fastcore.match import Gallery

DIM, COUNT = 48, 70
FOLDER = tempfile.TemporaryDirectory(prefix="thermogate-fuzz-")
FILE = Path(FOLDER.name) / "gallery"


def _saved() -> bytes:
    rows = np.random.default_rng(1).standard_normal((COUNT, DIM))
    gallery = Gallery(DIM)
    for key, row in enumerate((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)):
        gallery.add(key, row)
    gallery.save(FILE)
    return FILE.read_bytes()


def _damaged(sound: bytes, data: bytes) -> bytes:
    """Cut or grown, then with some of its bytes changed: three bytes a change, two for the place, one to XOR."""
    if not data or data[0] & 1:
        return data[1:]
    body = bytearray(sound)
    if data[0] & 2:
        del body[int.from_bytes(data[1:3], "little") % len(body) :]
    elif data[0] & 4:
        body += data[1:]
    for at in range(3, len(data) - 2, 3):
        if body:
            body[int.from_bytes(data[at : at + 2], "little") % len(body)] ^= data[at + 2]
    return bytes(body)


def one(data: bytes) -> None:
    """One input."""
    body, raw = _damaged(SOUND, data), not data or bool(data[0] & 1)
    FILE.write_bytes(body)
    try:
        gallery = Gallery.load(FILE)
    except (ValueError, OSError):
        assert body != SOUND
        return
    if body[: len(SOUND)] != SOUND:
        # Raw bytes may be another gallery's file; damage to ours must be seen.
        assert raw, "damage was not seen"
    probe = np.zeros(gallery.dim, dtype=np.float32)
    probe[0] = 1
    gallery.search(probe, 3)


SOUND = _saved()
atheris.Setup(sys.argv, one)
atheris.Fuzz()
