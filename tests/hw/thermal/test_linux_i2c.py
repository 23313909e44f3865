"""The kernel's I2C device, with an object in smbus2's place that answers as the kernel would."""

from __future__ import annotations

import errno
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hw.errors import BusError, BusStuck, BusTimeout, DeviceDenied, DeviceMissing
from hw.linux.i2c import LinuxI2cBus, clock_frequency

if TYPE_CHECKING:
    from pathlib import Path


class Message:
    def __init__(self, address: int, data: bytes = b"", count: int = 0) -> None:
        self.address = address
        self.data = data or bytes(count)
        self.reads = bool(count)

    def __bytes__(self) -> bytes:
        return self.data

    @staticmethod
    def write(address: int, data: bytes) -> Message:
        return Message(address, data=bytes(data))

    @staticmethod
    def read(address: int, count: int) -> Message:
        return Message(address, count=count)


class Library:
    """smbus2 as far as it is used."""

    i2c_msg = Message

    def __init__(self) -> None:
        self.fails: OSError | None = None
        self.refuses: OSError | None = None
        self.transfers: list[list[Message]] = []
        self.opened = 0
        self.closed = 0

    def SMBus(self, path: str) -> Any:  # noqa: N802 - smbus2's name
        assert path.startswith("/")
        if self.refuses:
            raise self.refuses
        self.opened += 1
        return SimpleNamespace(i2c_rdwr=self.transfer, close=self.close)

    def close(self) -> None:
        self.closed += 1

    def transfer(self, *messages: Message) -> None:
        if self.fails:
            raise self.fails
        self.transfers.append(list(messages))
        for message in messages:
            if message.reads:
                message.data = bytes(range(len(message.data)))


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def bus(library: Library, tmp_path: Path) -> LinuxI2cBus:
    return LinuxI2cBus("/dev/i2c-7", library=library, adapters=tmp_path)


def test_a_read_is_one_transaction(bus: LinuxI2cBus, library: Library) -> None:
    assert bus.write_read(0x33, b"\x24\x00", 4) == bytes([0, 1, 2, 3])
    ((written, read),) = library.transfers
    assert (written.address, bytes(written)) == (0x33, b"\x24\x00")
    assert read.address == 0x33
    bus.write(0x33, b"\x80\x0d\x19\x01")
    assert bytes(library.transfers[1][0]) == b"\x80\x0d\x19\x01"
    assert library.opened == 1


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (errno.EREMOTEIO, BusError, "0x33 did not acknowledge"),
        (errno.ENXIO, BusError, "did not acknowledge"),
        (errno.EAGAIN, BusStuck, "SDA is held low"),
        (errno.EBUSY, BusStuck, "SDA is held low"),
        (errno.ETIMEDOUT, BusTimeout, "SCL is held low"),
        (errno.EIO, BusError, "transfer failed"),
        (errno.EOPNOTSUPP, BusError, "SMBus only"),
        (errno.ENODEV, BusError, "adapter is gone"),
    ],
)
def test_the_kernels_refusals_are_explained(
    bus: LinuxI2cBus, library: Library, code: int, kind: type[BusError], says: str
) -> None:
    library.fails = OSError(code, "said the kernel")
    with pytest.raises(kind, match=says) as caught:
        bus.write_read(0x33, b"\x24\x00", 2)
    assert type(caught.value) is kind
    assert caught.value.errno == code
    assert "/dev/i2c-7: 0x33" in str(caught.value)


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), DeviceMissing, "dtparam=i2c_arm=on,i2c_arm_baudrate=400000"),
        (PermissionError(errno.EACCES, "x"), DeviceDenied, "group i2c"),
        (OSError(errno.EBUSY, "x"), BusError, "cannot be opened"),
    ],
)
def test_a_bus_that_does_not_open(
    bus: LinuxI2cBus, library: Library, refusal: OSError, kind: type[Exception], says: str
) -> None:
    library.refuses = refusal
    with pytest.raises(kind, match=says):
        bus.write(0x33, b"\x00\x00")
    library.refuses = None
    bus.write(0x33, b"\x00\x00")


def test_a_real_missing_node() -> None:
    with pytest.raises(DeviceMissing, match="/dev/i2c-250: no such I2C bus"):
        LinuxI2cBus("/dev/i2c-250").write(0x33, b"\x00")


def test_without_smbus2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smbus2", None)
    with pytest.raises(DeviceMissing, match=r"thermogate\[board\]"):
        LinuxI2cBus("/dev/i2c-1").write(0x33, b"\x00")


def test_recover_and_close_reopen(bus: LinuxI2cBus, library: Library) -> None:
    bus.close()
    bus.write(0x33, b"\x00")
    bus.recover()
    bus.write(0x33, b"\x00")
    bus.close()
    bus.close()
    assert (library.opened, library.closed) == (2, 2)


def test_the_clock_is_read_from_the_device_tree(tmp_path: Path) -> None:
    node = tmp_path / "i2c-1" / "of_node"
    node.mkdir(parents=True)
    assert clock_frequency("/dev/i2c-1", tmp_path) is None
    (node / "clock-frequency").write_bytes((400_000).to_bytes(4, "big"))
    assert clock_frequency("/dev/i2c-1", tmp_path) == 400_000
    assert clock_frequency("/dev/i2c-2", tmp_path) is None
    assert clock_frequency("/dev/thermal", tmp_path) is None
    (node / "clock-frequency").write_bytes(b"\x00")
    assert clock_frequency("/dev/i2c-1", tmp_path) is None


def test_messages_are_what_smbus2_hands_to_the_kernel() -> None:
    smbus2 = pytest.importorskip("smbus2")
    seen: list[tuple[int, int, bytes]] = []

    class Bus:
        def __init__(self, path: str) -> None:
            assert path == "/dev/i2c-1"

        def i2c_rdwr(self, *messages: Any) -> None:
            seen.extend((message.addr, message.flags, bytes(message)) for message in messages)

    library = SimpleNamespace(i2c_msg=smbus2.i2c_msg, SMBus=Bus)
    assert LinuxI2cBus("/dev/i2c-1", library=library).write_read(0x33, b"\x04\x00", 1664) == bytes(1664)
    assert seen == [(0x33, 0, b"\x04\x00"), (0x33, 1, bytes(1664))]
