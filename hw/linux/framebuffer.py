"""A panel through the kernel's framebuffer device, /dev/fbN (linux/fb.h): HDMI or DSI, on any Raspberry Pi OS.

The DRM drivers of today's kernels (vc4) offer it as well: one small file serves every panel, without a display server.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
from typing import Final

from hw.bus import PixelLayout
from hw.errors import DeviceDenied, DeviceError, DeviceMissing

FBIOGET_VSCREENINFO: Final = 0x4600
FBIOGET_FSCREENINFO: Final = 0x4602
FBIOBLANK: Final = 0x4611
FB_BLANK_UNBLANK: Final = 0
FB_TYPE_PACKED_PIXELS: Final = 0
TRUE_COLOURS: Final = frozenset({2, 4})
"""FB_VISUAL_TRUECOLOR and FB_VISUAL_DIRECTCOLOR."""


class Bitfield(ctypes.Structure):
    """`struct fb_bitfield`."""

    _fields_ = (("offset", ctypes.c_uint32), ("length", ctypes.c_uint32), ("msb_right", ctypes.c_uint32))


class VariableInfo(ctypes.Structure):
    """`struct fb_var_screeninfo`."""

    _fields_ = (
        ("xres", ctypes.c_uint32),
        ("yres", ctypes.c_uint32),
        ("xres_virtual", ctypes.c_uint32),
        ("yres_virtual", ctypes.c_uint32),
        ("xoffset", ctypes.c_uint32),
        ("yoffset", ctypes.c_uint32),
        ("bits_per_pixel", ctypes.c_uint32),
        ("grayscale", ctypes.c_uint32),
        ("red", Bitfield),
        ("green", Bitfield),
        ("blue", Bitfield),
        ("transp", Bitfield),
        ("rest", ctypes.c_uint32 * 20),
    )


class FixedInfo(ctypes.Structure):
    """`struct fb_fix_screeninfo`."""

    _fields_ = (
        ("id", ctypes.c_char * 16),
        ("smem_start", ctypes.c_ulong),
        ("smem_len", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("type_aux", ctypes.c_uint32),
        ("visual", ctypes.c_uint32),
        ("xpanstep", ctypes.c_uint16),
        ("ypanstep", ctypes.c_uint16),
        ("ywrapstep", ctypes.c_uint16),
        ("line_length", ctypes.c_uint32),
        ("mmio_start", ctypes.c_ulong),
        ("mmio_len", ctypes.c_uint32),
        ("accel", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16 * 2),
    )


class LinuxFramebuffer:
    """`hw.bus.PixelMemory` on /dev/fbN.

    Args:
        path: the device.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._map: mmap.mmap | None = None

    def open(self) -> tuple[PixelLayout, memoryview]:
        """Map the panel's memory. Raises `DeviceMissing`, `DeviceDenied` or `DeviceError` with what to do."""
        self.close()
        descriptor = self._open()
        try:
            fixed, variable = FixedInfo(), VariableInfo()
            fcntl.ioctl(descriptor, FBIOGET_FSCREENINFO, fixed)
            fcntl.ioctl(descriptor, FBIOGET_VSCREENINFO, variable)
            with contextlib.suppress(OSError):  # not every driver can blank
                fcntl.ioctl(descriptor, FBIOBLANK, FB_BLANK_UNBLANK)
            layout, begin = layout_of(fixed, variable)
            self._map = mmap.mmap(descriptor, fixed.smem_len)
        except OSError as error:
            raise DeviceError(f"{self.name}: is no framebuffer that can be used: {error.strerror}") from error
        except ValueError as error:
            raise DeviceError(f"{self.name}: {error}") from error
        finally:
            os.close(descriptor)
        return layout, memoryview(self._map)[begin:]

    def close(self) -> None:
        """Let the memory go; the panel keeps what it shows."""
        mapped, self._map = self._map, None
        if mapped is not None:
            with contextlib.suppress(BufferError):  # a view is still held: the mapping goes with it
                mapped.close()

    def _open(self) -> int:
        try:
            return os.open(self.name, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError as error:
            raise DeviceDenied(
                errno.EACCES, f"{self.name}: permission denied: the service's user must be in group video"
            ) from error
        except OSError as error:
            raise DeviceMissing(
                error.errno or errno.ENOENT,
                f"{self.name}: no framebuffer ({error.strerror}): is a panel connected, and dtoverlay=vc4-kms-v3d in "
                "config.txt?",
            ) from error


def layout_of(fixed: FixedInfo, variable: VariableInfo) -> tuple[PixelLayout, int]:
    """The layout of what is visible, and the byte at which it begins. Raises ValueError for no true colour."""
    if fixed.type != FB_TYPE_PACKED_PIXELS or fixed.visual not in TRUE_COLOURS or variable.grayscale:
        raise ValueError(f"its pixels are no true colour (type {fixed.type}, visual {fixed.visual})")
    layout = PixelLayout(
        width=variable.xres,
        height=variable.yres,
        stride=fixed.line_length,
        bits=variable.bits_per_pixel,
        red=(variable.red.offset, variable.red.length),
        green=(variable.green.offset, variable.green.length),
        blue=(variable.blue.offset, variable.blue.length),
    )
    return layout, variable.yoffset * fixed.line_length + variable.xoffset * variable.bits_per_pixel // 8
