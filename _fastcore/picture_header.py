"""What a picture file says of itself before anything is decoded: kind, size, whether it moves, whether it is whole.

A decoder believes a header and makes room for what it promises; a file of some kilobytes can promise gigabytes. So the
size is read here first. Formats: JPEG (ITU-T T.81, annex B), PNG (W3C PNG, third edition, with APNG's acTL), WebP
(RFC 9649) and BMP. No policy: callers bring the limits.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
# Inside of a JPEG's scan a data byte FF is followed by 00, and FF D0..D7 are restart markers: anything else ends it.
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""Frame headers; C4, C8 and CC are tables."""
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_STRANGERS = (
    (b"GIF87a", "a GIF, which may move"),
    (b"GIF89a", "a GIF, which may move"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
)


class PictureHeader(NamedTuple):
    """What a header promises."""

    kind: str
    """`JPEG`, `PNG`, `WebP` or `BMP`."""
    width: int
    """Pixels, as stored: before an EXIF note turns the picture."""
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> PictureHeader:
    """The header of a still picture that is all there.

    Raises ValueError with the reason, a phrase that goes after the file's name: another kind of file, a moving picture,
    a truncated or damaged one.
    """
    for starts, read in _READERS:
        if data.startswith(starts):
            try:
                header = read(data)
            except (struct.error, IndexError) as error:
                raise ValueError("is truncated") from error
            if header.width < 1 or header.height < 1:
                raise ValueError("is damaged: its header says it has no pixels")
            return header
    raise ValueError(_stranger(data))


def require_size(header: PictureHeader, *, side: int, pixels: int) -> None:
    """Refuse a picture that is larger than the limits. Raises ValueError with the reason."""
    size = f"{header.width}×{header.height} pixels"
    if max(header.width, header.height) > side:
        raise ValueError(f"has {size}; at most {side} a side are read")
    if header.pixels > pixels:
        raise ValueError(f"has {size}; at most {pixels // 1_000_000} million are read")


def _stranger(data: bytes) -> str:
    """What the file is, as far as its first bytes tell."""
    wanted = "save it as JPEG, PNG, WebP or BMP"
    if not data:
        return "is empty"
    for starts, name in _STRANGERS:
        if data.startswith(starts):
            return f"is {name}; {wanted}"
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIF:
            return f"is a HEIC photograph, as iPhones take them, which cannot be read here; {wanted}"
        return f"is an AVIF picture or a film; {wanted}"
    try:
        data[:512].decode("utf-8")
    except UnicodeDecodeError:
        return f"is no picture that can be read here; {wanted}"
    return "is a text file, not a picture"


def _jpeg(data: bytes) -> PictureHeader:
    header = None
    for marker, at, length in _segments(data):
        if marker in _SOF:
            precision, height, width, components = struct.unpack_from(">BHHB", data, at)
            if header is not None or length < 6:
                raise ValueError("is damaged: it has more than one frame header")
            if precision != 8 or components not in (1, 3, 4):
                raise ValueError(f"is a JPEG of {components} channels of {precision} bits, which is not read")
            header = PictureHeader("JPEG", width, height)
    if header is None:
        raise ValueError("is damaged: it has no frame header")
    return header


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, offset of the payload, its length) of a JPEG's segments up to the end marker.

    Raises ValueError for one that does not end: decoders fill the missing rest with grey and say nothing.
    """
    at = 2
    while True:
        found = _MARKER.search(data, at)
        if found is None:
            raise ValueError("is truncated")
        marker, at = found.group(1)[0], found.end()
        if marker == _EOI:
            return
        if marker in (_SOI, 0x01):  # these stand alone
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2 or at + length > len(data):
            raise ValueError("is truncated")
        yield marker, at + 2, length - 2
        at += length


def _png(data: bytes) -> PictureHeader:
    header, ended = None, False
    at = len(_PNG)
    while not ended:
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(name + body) != checksum:
            raise ValueError(f"is damaged: the checksum of its {name.decode('latin-1')} part is wrong")
        if header is None:
            if name != b"IHDR":
                raise ValueError("is damaged: it does not begin with its header")
            header = PictureHeader("PNG", *struct.unpack_from(">II", body))
        if name == b"acTL":
            raise ValueError("is an animated PNG; save one still picture")
        ended = name == b"IEND"
        at += 12 + length
    if header is None:
        raise ValueError("is truncated")
    return header


def _webp(data: bytes) -> PictureHeader:
    (size,) = struct.unpack_from("<I", data, 4)
    if data[8:12] != b"WEBP":
        raise ValueError("is no picture")
    if size + 8 > len(data):
        raise ValueError("is truncated")
    chunk = data[12:16]
    if chunk == b"VP8X":
        if data[20] & 0x02:
            raise ValueError("is an animated WebP; save one still picture")
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise ValueError("is damaged: it has no picture part")
    return PictureHeader("WebP", width, height)


def _bmp(data: bytes) -> PictureHeader:
    offset, size = struct.unpack_from("<II", data, 10)
    if size < 40:
        raise ValueError("is a BMP of a kind that is not read")
    width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in (0, 3) or depth not in (1, 4, 8, 16, 24, 32):
        raise ValueError("is a compressed BMP, which is not read")
    height = abs(height)  # negative: stored from the top
    if width > 0 and offset + (width * depth + 31) // 32 * 4 * height > len(data):
        raise ValueError("is truncated")
    return PictureHeader("BMP", width, height)


_READERS: tuple[tuple[bytes, Callable[[bytes], PictureHeader]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (_PNG, _png),
    (b"RIFF", _webp),
    (b"BM", _bmp),
)
