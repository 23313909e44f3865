"""The hardware watchdog's device: what is asked of it, how it is let go, and what its errors say."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest

from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.linux.watchdog import WDIOC_GETSUPPORT, WDIOC_SETTIMEOUT, WDIOF_MAGICCLOSE, LinuxWatchdog, _explained
from hw.watchdog_settings import WatchdogSettings

if TYPE_CHECKING:
    from pathlib import Path


class Kernel:
    """The kernel's side of the two ioctls. Numbers from include/uapi/linux/watchdog.h, packed by hand."""

    def __init__(self, *, magic: bool = True, longest: int = 600) -> None:
        self.magic = magic
        self.longest = longest
        self.asked: list[int] = []

    def __call__(self, file: int, request: int, argument: bytes) -> bytes:
        assert os.fstat(file)
        self.asked.append(request)
        if request == 0x80285700:
            assert len(argument) == 40
            return struct.pack("=II32s", 0x8180 if self.magic else 0x8080, 1, b"a watchdog")
        if request == 0xC0045706:
            (seconds,) = struct.unpack("i", argument)
            if seconds > self.longest:
                raise OSError(errno.EINVAL, "Invalid argument")
            return struct.pack("i", seconds)
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "watchdog1"
    path.touch()
    return path


def watchdog(device: Path, kernel: Kernel, timeout: int = 60) -> LinuxWatchdog:
    return LinuxWatchdog(WatchdogSettings(device=str(device), timeout=timeout), kernel)


def test_it_is_opened_with_its_timeout_fed_and_closed_by_magic(device: Path) -> None:
    kernel = Kernel()
    dog = watchdog(device, kernel)
    assert dog.open() == 60.0
    assert dog.identity == "a watchdog"
    assert kernel.asked == [WDIOC_GETSUPPORT, WDIOC_SETTIMEOUT]
    dog.feed()
    dog.feed()
    assert device.read_bytes() == b"\0\0", "feeding must never write the magic letter"
    dog.close()
    dog.close()
    assert device.read_bytes() == b"\0\0V"
    with pytest.raises(DeviceError, match="is not open"):
        dog.feed()


def test_one_that_knows_no_magic_is_just_closed(device: Path) -> None:
    dog = watchdog(device, Kernel(magic=False))
    dog.open()
    dog.close()
    assert device.read_bytes() == b""
    assert not 0x8080 & WDIOF_MAGICCLOSE


def test_a_timeout_it_cannot_do_is_refused_and_it_is_not_left_running(device: Path) -> None:
    dog = watchdog(device, Kernel(longest=15), timeout=60)
    with pytest.raises(DeviceError, match=r"\[watchdog\] .*refuses 60 s .*RuntimeWatchdogSec"):
        dog.open()
    assert device.read_bytes() == b"V"


def test_one_that_is_not_there_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"watchdog9 is not there: put dtparam=watchdog=on into config\.txt"):
        watchdog(tmp_path / "watchdog9", Kernel()).open()


def test_a_file_that_is_no_watchdog_is_refused(device: Path) -> None:
    with pytest.raises(DeviceError, match="Inappropriate ioctl"):
        LinuxWatchdog(WatchdogSettings(device=str(device))).open()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.EBUSY, DeviceError, "in use: by systemd, where RuntimeWatchdogSec is set"),
        (errno.EACCES, DeviceDenied, "DeviceAllow=/dev/watchdog1 rw"),
        (errno.EIO, DeviceError, "cannot be opened"),
    ],
)
def test_what_the_kernel_refuses_is_explained(code: int, kind: type[DeviceError], said: str) -> None:
    error = _explained("/dev/watchdog1", OSError(code, os.strerror(code)))
    assert type(error) is kind
    assert said in str(error)
