"""A character device served by a program: I2C and SPI buses for a kernel that has none (CUSE, without a library).

The kernel's side is fs/fuse/cuse.c and include/uapi/linux/fuse.h. A client's ioctl comes here unrestricted: it is
answered with the places in the client's memory that are wanted, and comes again with what stands there.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from hw.bus import I2cBus
    from hw.sim.spi import SimulatedSpiBus

INIT, OPEN, RELEASE, FLUSH, INTERRUPT, IOCTL = 4096, 14, 18, 25, 36, 39
"""Operations (enum fuse_opcode)."""
HEADER: Final = struct.Struct("<IIQQIIIHH")
"""struct fuse_in_header: length, operation, unique, node, user, group, process, extensions, padding."""
ANSWER: Final = struct.Struct("<IiQ")
INIT_OUT: Final = struct.Struct("<18I")
"""struct cuse_init_out: major, minor, unused, flags, max_read, max_write, device's major and minor, ten spare."""
UNRESTRICTED: Final = 1
IOCTL_IN: Final = struct.Struct("<QIIQII")
"""struct fuse_ioctl_in: handle, flags, command, argument, size in, size out."""
IOCTL_OUT: Final = struct.Struct("<iIII")
RETRY: Final = 4
"""FUSE_IOCTL_RETRY."""
LARGEST: Final = 1 << 20

I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE, I2C_FUNCS, I2C_SLAVE_FORCE, I2C_RDWR = 0x701, 0x702, 0x703, 0x705, 0x706, 0x707
"""linux/i2c-dev.h."""
I2C_M_RD: Final = 1
FUNCTIONALITY: Final = 0x0EFF0009
"""I2C_FUNC_I2C, and SMBus emulated upon it, as bcm2835's adapter says."""
RDWR: Final = struct.Struct("<QI4x")
MESSAGE: Final = struct.Struct("<HHHxxQ")
"""struct i2c_msg: address, flags, length, place."""

SPI_TYPE: Final = ord("k")
SPI_MODE, SPI_LSB_FIRST, SPI_BITS, SPI_SPEED, SPI_MODE32 = 1, 2, 3, 4, 5
"""linux/spi/spidev.h, the numbers of its ioctls."""
SPI_TRANSFER: Final = struct.Struct("<QQII8x")
"""struct spi_ioc_transfer: places sent and received, length, speed."""
SPI_MESSAGE: Final = 1 << 30 | SPI_TRANSFER.size << 16 | SPI_TYPE << 8
"""SPI_IOC_MESSAGE(1)."""
TO_CLIENT: Final = 2
"""_IOC_READ."""

Span = tuple[int, int]
"""Place in the client's memory, and length."""


class MemoryWanted(Exception):  # noqa: N818 - an answer to the kernel, no error
    """The ioctl is to come again with these parts of the client's memory to read and to write."""

    def __init__(self, reads: list[Span], writes: list[Span]) -> None:
        super().__init__(reads, writes)
        self.reads, self.writes = reads, writes


class Device(Protocol):
    """What is served."""

    name: str
    """Below /dev."""

    def ioctl(self, command: int, argument: int, data: bytes, room: int) -> tuple[int, bytes]:
        """Result, and what is written to the client. Raises MemoryWanted, or OSError with the client's errno."""
        ...


class I2cDevice:
    """/dev/i2c-N over any `hw.bus.I2cBus`, as i2c-dev offers it."""

    def __init__(self, name: str, bus: I2cBus) -> None:
        self.name = name
        self._bus = bus

    def ioctl(self, command: int, argument: int, data: bytes, room: int) -> tuple[int, bytes]:
        """As `Device.ioctl`: plain I2C transfers; what SMBus' own ioctl asks for is not there."""
        if command in (I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE, I2C_SLAVE_FORCE):
            return 0, b""
        if command == I2C_FUNCS:
            if room < 8:
                raise MemoryWanted([], [(argument, 8)])
            return 0, struct.pack("<Q", FUNCTIONALITY)
        if command != I2C_RDWR:
            raise OSError(errno.ENOTTY, "not i2c-dev's")
        return self._transfer(argument, data, room)

    def _transfer(self, argument: int, data: bytes, room: int) -> tuple[int, bytes]:
        if len(data) < RDWR.size:
            raise MemoryWanted([(argument, RDWR.size)], [])
        place, count = RDWR.unpack_from(data)
        known = [(argument, RDWR.size), (place, MESSAGE.size * count)]
        end = RDWR.size + MESSAGE.size * count
        if len(data) < end:
            raise MemoryWanted(known, [])
        messages = [MESSAGE.unpack_from(data, RDWR.size + MESSAGE.size * number) for number in range(count)]
        written = [(buffer, length) for _, flags, length, buffer in messages if not flags & I2C_M_RD]
        read = [(buffer, length) for _, flags, length, buffer in messages if flags & I2C_M_RD]
        if len(data) < end + sum(length for _, length in written) or room < sum(length for _, length in read):
            raise MemoryWanted(known + written, read)
        return count, self._perform(messages, data[end:])

    def _perform(self, messages: list[tuple[int, ...]], data: bytes) -> bytes:
        """A write, or a write and a read after a repeated start."""
        kinds = [bool(flags & I2C_M_RD) for _, flags, _, _ in messages]
        address, sent = messages[0][0], data[: messages[0][2]]
        if kinds == [False]:
            self._bus.write(address, sent)
            return b""
        if kinds == [False, True]:
            return self._bus.write_read(address, sent, messages[1][2])
        raise OSError(errno.EOPNOTSUPP, "no such transfer")


class SpiDevice:
    """/dev/spidevB.C over a simulated bus, as spidev offers it: one transfer a message, whose answer alone counts."""

    def __init__(self, name: str, bus: SimulatedSpiBus) -> None:
        self.name = name
        self._bus = bus
        self._settings = {SPI_MODE: 0, SPI_LSB_FIRST: 0, SPI_BITS: 8, SPI_SPEED: bus.clock_hz}

    def ioctl(self, command: int, argument: int, data: bytes, room: int) -> tuple[int, bytes]:
        """As `Device.ioctl`."""
        if command == SPI_MESSAGE:
            return self._transfer(argument, data, room)
        number, kind, size = command & 0xFF, command >> 8 & 0xFF, command >> 16 & 0x3FFF
        number = SPI_MODE if number == SPI_MODE32 else number
        if kind != SPI_TYPE or number not in self._settings:
            raise OSError(errno.ENOTTY, "not spidev's")
        if command >> 30 == TO_CLIENT:
            if room < size:
                raise MemoryWanted([], [(argument, size)])
            return 0, self._settings[number].to_bytes(size, "little")
        if len(data) < size:
            raise MemoryWanted([(argument, size)], [])
        self._settings[number] = int.from_bytes(data[:size], "little")
        self._bus.set_speed(self._settings[SPI_SPEED])
        return 0, b""

    def _transfer(self, argument: int, data: bytes, room: int) -> tuple[int, bytes]:
        if len(data) < SPI_TRANSFER.size:
            raise MemoryWanted([(argument, SPI_TRANSFER.size)], [])
        _, received, count, _ = SPI_TRANSFER.unpack_from(data)
        if count > self._bus.longest:
            raise OSError(errno.EMSGSIZE, "longer than spidev's bufsiz")
        if room < count:
            raise MemoryWanted([(argument, SPI_TRANSFER.size)], [(received, count)])
        return count, self._bus.read(count)


def serve(device: Device) -> None:
    """Serve a device for ever; its node is there when the kernel takes it. Needs /dev/cuse and root."""
    kernel = os.open("/dev/cuse", os.O_RDWR)
    while True:
        request = os.read(kernel, LARGEST)
        length, operation, unique, *_ = HEADER.unpack_from(request)
        body = request[HEADER.size : length]
        if operation == INIT:
            out = INIT_OUT.pack(7, 31, 0, UNRESTRICTED, 1 << 17, 1 << 17, *[0] * 12)
            _answer(kernel, unique, out + b"DEVNAME=" + device.name.encode() + b"\0")
        elif operation == OPEN:
            _answer(kernel, unique, struct.pack("<QII", 1, 1, 0))
        elif operation == IOCTL:
            _ioctl(kernel, unique, device, body)
        elif operation in (RELEASE, FLUSH):
            _answer(kernel, unique)
        elif operation != INTERRUPT:
            _answer(kernel, unique, error=errno.ENOSYS)


def _ioctl(kernel: int, unique: int, device: Device, body: bytes) -> None:
    _, _, command, argument, size, room = IOCTL_IN.unpack_from(body)
    try:
        result, out = device.ioctl(command, argument, body[IOCTL_IN.size : IOCTL_IN.size + size], room)
    except MemoryWanted as wanted:
        spans = b"".join(struct.pack("<QQ", *span) for span in (*wanted.reads, *wanted.writes))
        _answer(kernel, unique, IOCTL_OUT.pack(0, RETRY, len(wanted.reads), len(wanted.writes)) + spans)
    except OSError as error:
        _answer(kernel, unique, error=error.errno or errno.EIO)
    else:
        _answer(kernel, unique, IOCTL_OUT.pack(result, 0, 0, 0) + out)


def _answer(kernel: int, unique: int, body: bytes = b"", *, error: int = 0) -> None:
    os.write(kernel, ANSWER.pack(ANSWER.size + len(body), -error, unique) + body)
