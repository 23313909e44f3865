"""A GPIO chip as the kernel shows it: linux/gpio.h's structures as ctypes, and what the wires and other programs do."""

from __future__ import annotations

import ctypes
import errno
import itertools
from dataclasses import dataclass, field


class ChipInfo(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 32), ("label", ctypes.c_char * 32), ("lines", ctypes.c_uint32))


class Attribute(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("padding", ctypes.c_uint32), ("value", ctypes.c_uint64))


class ConfigAttribute(ctypes.Structure):
    _fields_ = (("attr", Attribute), ("mask", ctypes.c_uint64))


class LineConfig(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("num_attrs", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("attrs", ConfigAttribute * 10),
    )


class LineRequest(ctypes.Structure):
    _fields_ = (
        ("offsets", ctypes.c_uint32 * 64),
        ("consumer", ctypes.c_char * 32),
        ("config", LineConfig),
        ("num_lines", ctypes.c_uint32),
        ("event_buffer_size", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("fd", ctypes.c_int32),
    )


class LineInfo(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 32),
        ("consumer", ctypes.c_char * 32),
        ("offset", ctypes.c_uint32),
        ("num_attrs", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("attrs", Attribute * 10),
        ("padding", ctypes.c_uint32 * 4),
    )


class LineValues(ctypes.Structure):
    _fields_ = (("bits", ctypes.c_uint64), ("mask", ctypes.c_uint64))


def _code(direction: int, number: int, kind: type[ctypes.Structure]) -> int:
    return direction << 30 | ctypes.sizeof(kind) << 16 | 0xB4 << 8 | number


CHIPINFO, LINEINFO = _code(2, 0x01, ChipInfo), _code(3, 0x05, LineInfo)
REQUEST, VALUES = _code(3, 0x07, LineRequest), _code(3, 0x0E, LineValues)
IN, OUT, UP, DOWN = 1 << 2, 1 << 3, 1 << 8, 1 << 9


@dataclass
class Line:
    wire: bool | None = None
    """What is wired to it makes it this level; None: nothing does, and it follows its pull."""
    consumer: bytes | None = None
    told_output: bool = False
    """What the kernel remembers of its direction; renewed by a request only."""
    output: bool = False
    """What its register says."""
    level: bool = False
    pull: int = 0


@dataclass
class FakeKernel:
    """`Syscalls` of a machine with one chip.

    `keeps_outputs`: a released output stays one, as on Raspberry Pi OS without strict_gpiod.
    """

    count: int = 58
    keeps_outputs: bool = False
    lines: dict[int, Line] = field(default_factory=dict)
    refuse_open: OSError | None = None
    no_chip: bool = False
    log: list[tuple[str, int, int]] = field(default_factory=list)
    """(what, line, flags) of requests and releases, in order."""
    _open: dict[int, int] = field(default_factory=dict)
    _descriptors: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    def line(self, number: int) -> Line:
        return self.lines.setdefault(number, Line())

    def open(self, path: str) -> int:
        if self.refuse_open is not None:
            raise self.refuse_open
        self.path = path
        return 3

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds < 0.1

    def close(self, descriptor: int) -> None:
        if descriptor == 3:
            assert not self._open, "lines are left requested"
            return
        number = self._open.pop(descriptor)
        line = self.line(number)
        line.consumer = None
        if line.output and not self.keeps_outputs:
            line.output = False  # and `told_output` remains: gpiolib forgets only at the next request
        self.log.append(("release", number, 0))

    def ioctl(self, descriptor: int, request: int, data: bytearray) -> None:
        if self.no_chip:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        if descriptor != 3:
            assert request == VALUES
            values = LineValues.from_buffer(data)
            assert values.mask == 1
            values.bits = int(self._level(self.line(self._open[descriptor])))
        elif request == CHIPINFO:
            chip = ChipInfo.from_buffer(data)
            chip.name, chip.label, chip.lines = b"gpiochip0", b"pinctrl-bcm2711", self.count
        elif request == LINEINFO:
            self._info(LineInfo.from_buffer(data))
        elif request == REQUEST:
            self._request(LineRequest.from_buffer(data))
        else:
            raise OSError(errno.EINVAL, "Invalid argument")

    def _info(self, info: LineInfo) -> None:
        if info.offset >= self.count:
            raise OSError(errno.EINVAL, "Invalid argument")
        line = self.line(info.offset)
        info.consumer = line.consumer or b""
        info.flags = (OUT if line.told_output else IN) | (line.consumer is not None)

    def _request(self, request: LineRequest) -> None:
        number, flags = request.offsets[0], request.config.flags
        assert request.num_lines == 1
        assert request.consumer
        if number >= self.count:
            raise OSError(errno.EINVAL, "Invalid argument")
        line = self.line(number)
        if line.consumer is not None:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if flags & (UP | DOWN) and not flags & (IN | OUT):
            raise OSError(errno.EINVAL, "Invalid argument")
        line.consumer = request.consumer
        line.told_output = line.output  # gpiod_request reads the direction from the chip
        if flags & (IN | OUT):
            line.output = line.told_output = bool(flags & OUT)
            line.level = False
            line.pull = flags & (UP | DOWN)
        request.fd = next(self._descriptors)
        self._open[request.fd] = number
        self.log.append(("request", number, flags))

    def _level(self, line: Line) -> bool:
        if line.output:
            return line.level
        return line.pull == UP if line.wire is None else line.wire
