"""The served I2C device against a client whose memory is read and written as the kernel does it."""

from __future__ import annotations

import errno
import struct

import pytest

from hw.errors import BusError
from image.proof.inside.cuse import I2C_FUNCS, I2C_RDWR, I2C_SLAVE, I2cDevice, MemoryWanted

ARGUMENT, MESSAGES, OUT, IN = 0x1000, 0x2000, 0x3000, 0x4000


class Bus:
    """Answers a read with the address and the register."""

    name = "bus"
    clock_hz: int | None = None

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def write(self, address: int, data: bytes) -> None:
        self.written.append((address, data))

    def write_read(self, address: int, data: bytes, count: int) -> bytes:
        if address != 0x33:
            raise BusError(errno.EREMOTEIO, "nobody there")
        self.written.append((address, data))
        return bytes([address, *data, *range(count)])[:count]

    def recover(self) -> None: ...

    def close(self) -> None: ...


class Client:
    """A process that makes an ioctl; the kernel's part is the loop."""

    def __init__(self, device: I2cDevice) -> None:
        self.memory: dict[int, bytearray] = {}
        self._device = device

    def put(self, place: int, content: bytes) -> None:
        self.memory[place] = bytearray(content)

    def ioctl(self, command: int) -> int:
        reads: list[tuple[int, int]] = []
        writes: list[tuple[int, int]] = []
        for _ in range(4):
            data = b"".join(bytes(self.memory[place][:length]) for place, length in reads)
            try:
                result, out = self._device.ioctl(command, ARGUMENT, data, sum(length for _, length in writes))
            except MemoryWanted as wanted:
                reads, writes = wanted.reads, wanted.writes
                continue
            for place, length in writes:
                self.memory[place][:length], out = out[:length], out[length:]
            return result
        raise AssertionError("it asks for ever")

    def transfer(self, *messages: tuple[int, int, int, int]) -> int:
        self.put(ARGUMENT, struct.pack("<QI4x", MESSAGES, len(messages)))
        self.put(MESSAGES, b"".join(struct.pack("<HHHxxQ", *message) for message in messages))
        return self.ioctl(I2C_RDWR)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def client(bus: Bus) -> Client:
    return Client(I2cDevice("i2c-1", bus))


def test_a_write_reaches_the_chip(client: Client, bus: Bus) -> None:
    client.put(OUT, b"\x80\x0d\x19\x01")
    assert client.transfer((0x33, 0, 4, OUT)) == 1
    assert bus.written == [(0x33, b"\x80\x0d\x19\x01")]


def test_a_read_after_a_repeated_start_fills_the_clients_memory(client: Client, bus: Bus) -> None:
    client.put(OUT, b"\x24\x00")
    client.put(IN, bytes(6))
    assert client.transfer((0x33, 0, 2, OUT), (0x33, 1, 6, IN)) == 2
    assert bytes(client.memory[IN]) == b"\x33\x24\x00\x00\x01\x02"


def test_a_chip_that_does_not_acknowledge_is_the_clients_errno(client: Client) -> None:
    client.put(OUT, b"\x24\x00")
    client.put(IN, bytes(2))
    with pytest.raises(OSError, match="nobody there") as caught:
        client.transfer((0x40, 0, 2, OUT), (0x40, 1, 2, IN))
    assert caught.value.errno == errno.EREMOTEIO


def test_a_transfer_of_another_kind_is_refused(client: Client) -> None:
    client.put(IN, bytes(2))
    with pytest.raises(OSError, match="no such transfer") as caught:
        client.transfer((0x33, 1, 2, IN))
    assert caught.value.errno == errno.EOPNOTSUPP


def test_it_says_that_it_speaks_plain_i2c(client: Client) -> None:
    client.put(ARGUMENT, bytes(8))
    assert client.ioctl(I2C_FUNCS) == 0
    assert struct.unpack("<Q", client.memory[ARGUMENT])[0] & 1
    assert client.ioctl(I2C_SLAVE) == 0
    with pytest.raises(OSError, match="i2c-dev"):
        client.ioctl(0x720)
