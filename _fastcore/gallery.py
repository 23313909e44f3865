"""What the search kernel tells of itself, and the file of a gallery for experiments. Not encrypted: no gate's."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

MAGIC = b"TGGALLERY-1\n"
HEADER = struct.Struct("<12sIQI")
"""Magic, dimension, count, CRC-32 of both and of all that follows: int64 keys, float32 rows, little endian."""
SIZES = struct.Struct("<IQ")
MAX_DIM = 65536


class SearchWork(NamedTuple):
    """What a search read."""

    templates: int
    """In the gallery."""
    hot_bytes: int
    """Of planes and bounds."""
    refined: int
    """Templates looked up in 8 bits: those that the planes could not rule out."""
    rescored: int
    """Templates scored in float32: those that 8 bits could not rule out, and those looked up first for a threshold."""


class GalleryMemory(NamedTuple):
    """Bytes of a gallery by what reads them."""

    hot: int
    """Planes and their bounds: every search."""
    refine: int
    """8-bit rows: where the planes cannot rule a template out."""
    exact: int
    """float32 rows: where 8 bits cannot."""
    keys: int
    """Keys, and where each template's rows are."""


def write_gallery(path: str | os.PathLike[str], keys: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    """Write int64[n] keys and float32[n, dim] rows. The file appears whole or not at all. Raises OSError."""
    # A gate never writes one: what it takes is imported here.
    import os  # noqa: PLC0415 - as above
    import tempfile  # noqa: PLC0415 - as above
    import zlib  # noqa: PLC0415 - as above

    target = Path(path)
    body = keys.astype("<i8").tobytes() + rows.astype("<f4").tobytes()
    checksum = zlib.crc32(body, zlib.crc32(SIZES.pack(rows.shape[1], len(keys))))
    header = HEADER.pack(MAGIC, rows.shape[1], len(keys), checksum)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header + body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_gallery(path: str | os.PathLike[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys int64[n] and rows float32[n, dim] of a file. Raises OSError, or ValueError naming the file and the fault."""
    import zlib  # noqa: PLC0415 - as in write_gallery

    data = Path(path).read_bytes()
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise ValueError(f"{path}: not a gallery file")
    _, dim, count, checksum = HEADER.unpack_from(data)
    body = memoryview(data)[HEADER.size :]
    if not 1 <= dim <= MAX_DIM:
        raise ValueError(f"{path}: dimension {dim} at byte 12 is not 1 to {MAX_DIM}")
    if len(body) != count * (8 + 4 * dim):
        raise ValueError(f"{path}: {len(body)} bytes after the header, not the {count * (8 + 4 * dim)} of {count} rows")
    if zlib.crc32(body, zlib.crc32(SIZES.pack(dim, count))) != checksum:
        raise ValueError(f"{path}: damaged: the checksum is not that of its content")
    keys = np.frombuffer(body, dtype="<i8", count=count).astype(np.int64)
    rows = np.frombuffer(body, dtype="<f4", offset=8 * count).astype(np.float32).reshape(count, dim)
    return keys, rows
