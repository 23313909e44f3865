"""The kernel's SPI device, with an object in spidev's place that answers as the kernel would."""

from __future__ import annotations

import errno
import sys
from typing import Any

import pytest

from hw.errors import BusError, DeviceDenied, DeviceMissing
from hw.linux.spi import LinuxSpiBus


class Device:
    def __init__(self, library: Library) -> None:
        self.library = library
        self.mode = 0
        self.max_speed_hz = 0

    def open_path(self, path: str) -> None:
        self.library.opened.append(path)
        if self.library.refuses:
            raise self.library.refuses

    def xfer2(self, values: list[int]) -> list[int]:
        if self.library.fails:
            raise self.library.fails
        assert not any(values)
        self.library.reads.append((self.mode, self.max_speed_hz, len(values)))
        return [7] * (len(values) - self.library.short)

    def close(self) -> None:
        self.library.closed += 1


class Library:
    """spidev as far as it is used."""

    def __init__(self) -> None:
        self.refuses: OSError | None = None
        self.fails: OSError | None = None
        self.short = 0
        self.opened: list[str] = []
        self.reads: list[tuple[int, int, int]] = []
        self.closed = 0

    def SpiDev(self) -> Device:  # noqa: N802 - spidev's name
        return Device(self)


def bus(library: Library) -> LinuxSpiBus:
    return LinuxSpiBus("/dev/spidev0.0", 16_000_000, library=library)


def test_a_read_in_mode_3_at_the_given_clock() -> None:
    library = Library()
    spi = bus(library)
    assert library.opened == []
    assert spi.read(164) == b"\x07" * 164
    assert spi.read(3936) == b"\x07" * 3936
    assert library.opened == ["/dev/spidev0.0"]
    assert library.reads == [(3, 16_000_000, 164), (3, 16_000_000, 3936)]
    assert (spi.name, spi.clock_hz, spi.longest) == ("/dev/spidev0.0", 16_000_000, 4096)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.ENOENT, DeviceMissing, r"/dev/spidev0\.0: no such SPI device: put dtparam=spi=on into config\.txt"),
        (errno.EACCES, DeviceDenied, "permission denied: the service needs group spi and DeviceAllow=char-spi"),
        (errno.EBUSY, BusError, "cannot be set up: Device or resource busy"),
    ],
)
def test_a_device_that_does_not_open(code: int, kind: type[Exception], said: str) -> None:
    library = Library()
    library.refuses = OSError(code, "no")
    with pytest.raises(kind, match=said):
        bus(library).read(4)
    library.refuses = None
    assert bus(library).read(4)


def test_a_transfer_that_fails_closes_and_the_next_one_opens_again() -> None:
    library = Library()
    spi = bus(library)
    library.fails = OSError(errno.EIO, "no")
    with pytest.raises(BusError, match="transfer failed: Input/output error"):
        spi.read(4)
    assert library.closed == 1
    library.fails = None
    assert spi.read(4)
    assert len(library.opened) == 2


def test_fewer_bytes_than_asked_for_are_an_error() -> None:
    library = Library()
    library.short = 1
    with pytest.raises(BusError, match="163 bytes instead of 164"):
        bus(library).read(164)


def test_close_is_harmless_twice() -> None:
    library = Library()
    spi = bus(library)
    spi.read(1)
    spi.close()
    spi.close()
    assert library.closed == 1


def test_without_spidev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(DeviceMissing, match=r"pip install 'thermogate\[lepton\]'"):
        LinuxSpiBus("/dev/spidev0.0", 1_000_000).read(1)


def test_a_real_missing_node() -> None:
    spidev: Any = pytest.importorskip("spidev", exc_type=ImportError)
    with pytest.raises(DeviceMissing, match="no such SPI device"):
        LinuxSpiBus("/dev/spidev97.0", 1_000_000, library=spidev).read(1)
