"""The part of Linux' linux/videodev2.h that a camera's conversation needs: structures, request numbers, flags.

Names are the header's, without their prefix. `tests/hw/camera/test_videodev2.py` compares all of it with the header.
"""

from __future__ import annotations

from ctypes import Structure, Union, c_char, c_int32, c_long, c_uint8, c_uint32, c_uint64, c_ulong, sizeof
from typing import Final

U32 = c_uint32


class Capability(Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", U32),
        ("capabilities", U32),
        ("device_caps", U32),
        ("reserved", U32 * 3),
    )


class FmtDesc(Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", U32),
        ("type", U32),
        ("flags", U32),
        ("description", c_char * 32),
        ("pixelformat", U32),
        ("mbus_code", U32),
        ("reserved", U32 * 3),
    )


class PixFormat(Structure):
    """struct v4l2_pix_format."""

    _fields_ = (
        ("width", U32),
        ("height", U32),
        ("pixelformat", U32),
        ("field", U32),
        ("bytesperline", U32),
        ("sizeimage", U32),
        ("colorspace", U32),
        ("priv", U32),
        ("flags", U32),
        ("ycbcr_enc", U32),
        ("quantization", U32),
        ("xfer_func", U32),
    )


class _FormatUnion(Union):
    # Overlays' pointers in the header's union align it to 8.
    _fields_ = (("pix", PixFormat), ("raw", c_uint8 * 200), ("aligned", c_uint64))


class Format(Structure):
    """struct v4l2_format."""

    _fields_ = (("type", U32), ("fmt", _FormatUnion))


class Fract(Structure):
    """struct v4l2_fract: seconds of an interval."""

    _fields_ = (("numerator", U32), ("denominator", U32))


class _Discrete(Structure):
    _fields_ = (("width", U32), ("height", U32))


class _Stepwise(Structure):
    _fields_ = (
        ("min_width", U32),
        ("max_width", U32),
        ("step_width", U32),
        ("min_height", U32),
        ("max_height", U32),
        ("step_height", U32),
    )


class _SizeUnion(Union):
    _fields_ = (("discrete", _Discrete), ("stepwise", _Stepwise))


class FrmSizeEnum(Structure):
    """struct v4l2_frmsizeenum."""

    _fields_ = (("index", U32), ("pixel_format", U32), ("type", U32), ("size", _SizeUnion), ("reserved", U32 * 2))


class _IntervalSteps(Structure):
    _fields_ = (("min", Fract), ("max", Fract), ("step", Fract))


class _IntervalUnion(Union):
    _fields_ = (("discrete", Fract), ("stepwise", _IntervalSteps))


class FrmIvalEnum(Structure):
    """struct v4l2_frmivalenum."""

    _fields_ = (
        ("index", U32),
        ("pixel_format", U32),
        ("width", U32),
        ("height", U32),
        ("type", U32),
        ("interval", _IntervalUnion),
        ("reserved", U32 * 2),
    )


class CaptureParm(Structure):
    """struct v4l2_captureparm."""

    _fields_ = (
        ("capability", U32),
        ("capturemode", U32),
        ("timeperframe", Fract),
        ("extendedmode", U32),
        ("readbuffers", U32),
        ("reserved", U32 * 4),
    )


class _ParmUnion(Union):
    _fields_ = (("capture", CaptureParm), ("raw", c_uint8 * 200))


class StreamParm(Structure):
    """struct v4l2_streamparm."""

    _fields_ = (("type", U32), ("parm", _ParmUnion))


class RequestBuffers(Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", U32),
        ("type", U32),
        ("memory", U32),
        ("capabilities", U32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class _TimeVal(Structure):
    _fields_ = (("tv_sec", c_long), ("tv_usec", c_long))


class _TimeCode(Structure):
    _fields_ = (("type", U32), ("flags", U32), ("parts", c_uint8 * 8))


class _Memory(Union):
    _fields_ = (("offset", U32), ("userptr", c_ulong))


class Buffer(Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", U32),
        ("type", U32),
        ("bytesused", U32),
        ("flags", U32),
        ("field", U32),
        ("timestamp", _TimeVal),
        ("timecode", _TimeCode),
        ("sequence", U32),
        ("memory", U32),
        ("m", _Memory),
        ("length", U32),
        ("reserved2", U32),
        ("request_fd", c_int32),
    )


class Control(Structure):
    """struct v4l2_control."""

    _fields_ = (("id", U32), ("value", c_int32))


class QueryCtrl(Structure):
    """struct v4l2_queryctrl."""

    _fields_ = (
        ("id", U32),
        ("type", U32),
        ("name", c_char * 32),
        ("minimum", c_int32),
        ("maximum", c_int32),
        ("step", c_int32),
        ("default_value", c_int32),
        ("flags", U32),
        ("reserved", U32 * 2),
    )


_WRITE, _READ = 1, 2


def _request(direction: int, number: int, structure: type[Structure | c_int32]) -> int:
    """An ioctl number (asm-generic/ioctl.h), the same on x86-64 and ARM."""
    return direction << 30 | sizeof(structure) << 16 | ord("V") << 8 | number


QUERYCAP: Final = _request(_READ, 0, Capability)
ENUM_FMT: Final = _request(_READ | _WRITE, 2, FmtDesc)
S_FMT: Final = _request(_READ | _WRITE, 5, Format)
REQBUFS: Final = _request(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF: Final = _request(_READ | _WRITE, 9, Buffer)
QBUF: Final = _request(_READ | _WRITE, 15, Buffer)
DQBUF: Final = _request(_READ | _WRITE, 17, Buffer)
STREAMON: Final = _request(_WRITE, 18, c_int32)
STREAMOFF: Final = _request(_WRITE, 19, c_int32)
S_PARM: Final = _request(_READ | _WRITE, 22, StreamParm)
S_CTRL: Final = _request(_READ | _WRITE, 28, Control)
QUERYCTRL: Final = _request(_READ | _WRITE, 36, QueryCtrl)
ENUM_FRAMESIZES: Final = _request(_READ | _WRITE, 74, FrmSizeEnum)
ENUM_FRAMEINTERVALS: Final = _request(_READ | _WRITE, 75, FrmIvalEnum)

CAP_VIDEO_CAPTURE: Final = 0x00000001
CAP_VIDEO_CAPTURE_MPLANE: Final = 0x00001000
CAP_META_CAPTURE: Final = 0x00800000
CAP_STREAMING: Final = 0x04000000
CAP_DEVICE_CAPS: Final = 0x80000000
CAP_TIMEPERFRAME: Final = 0x1000
"""Of a stream's parameters: the frame interval can be set."""

BUF_TYPE_VIDEO_CAPTURE: Final = 1
MEMORY_MMAP: Final = 1
FIELD_NONE: Final = 1

FRMSIZE_TYPE_DISCRETE: Final = 1
FRMIVAL_TYPE_DISCRETE: Final = 1

BUF_FLAG_ERROR: Final = 0x00000040
"""The buffer was filled, but its data may be damaged."""
BUF_FLAG_TIMESTAMP_MASK: Final = 0x0000E000
BUF_FLAG_TIMESTAMP_MONOTONIC: Final = 0x00002000
"""The timestamp is of CLOCK_MONOTONIC, which is `time.monotonic`'s."""
BUF_FLAG_TSTAMP_SRC_MASK: Final = 0x00070000
BUF_FLAG_TSTAMP_SRC_SOE: Final = 0x00010000
"""Taken at the start of exposure; else at the frame's end."""

CTRL_FLAG_DISABLED: Final = 0x0001
CTRL_FLAG_READ_ONLY: Final = 0x0004
CTRL_FLAG_INACTIVE: Final = 0x0010
CID_POWER_LINE_FREQUENCY: Final = 0x00980918
"""0 off, 1 for 50 Hz, 2 for 60 Hz, 3 automatic."""
CID_EXPOSURE_AUTO_PRIORITY: Final = 0x009A0903
"""1 lets automatic exposure lower the frame rate (exposure_dynamic_framerate)."""

PIX_FMT_YUYV: Final = int.from_bytes(b"YUYV", "little")
PIX_FMT_MJPEG: Final = int.from_bytes(b"MJPG", "little")
PIX_FMT_JPEG: Final = int.from_bytes(b"JPEG", "little")


def fourcc(pixelformat: int) -> str:
    """A pixel format's four letters."""
    return (pixelformat & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1").rstrip()
