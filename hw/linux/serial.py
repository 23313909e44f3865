"""A serial port as a `ByteLine`, and a key that stands in a file which nobody else may read."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import termios
import threading
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SPEEDS: Final = {
    9600: termios.B9600,
    19200: termios.B19200,
    38400: termios.B38400,
    57600: termios.B57600,
    115200: termios.B115200,
}
_KEY: Final = re.compile(rb"[0-9A-Fa-f]{32}")


class SerialLine:
    """`hw.bus.ByteLine` of a terminal device, 8 bits, no parity, one stop bit.

    Args:
        port: e.g. `/dev/serial/by-id/…`.
        baud: a key of `SPEEDS`.
        section: of gate.toml, for its errors.
    """

    def __init__(self, port: str, baud: int, section: str = "reader") -> None:
        self.name = port
        self._speed = SPEEDS[baud]
        self._section = section
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open and configure it, for this program alone. Raises `DeviceError` kinds."""
        where = f"[{self._section}] {self.name}"
        try:
            descriptor = os.open(self.name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            others = ", ".join(sorted(str(node) for node in Path("/dev/serial/by-id").glob("*"))) or "none"
            raise DeviceMissing(errno.ENOENT, f"{where} is not there; by id there is: {others}") from error
        except PermissionError as error:
            raise DeviceDenied(
                errno.EACCES, f"{where}: permission denied: the service's user must be in group dialout"
            ) from error
        except OSError as error:
            busy = ": another program has it" if error.errno == errno.EBUSY else ""
            raise DeviceError(f"{where}: cannot be opened: {error.strerror}{busy}") from error
        try:
            fcntl.ioctl(descriptor, termios.TIOCEXCL)
            tty.setraw(descriptor)
            settings = termios.tcgetattr(descriptor)
            settings[2] = termios.CS8 | termios.CLOCAL | termios.CREAD
            settings[4] = settings[5] = self._speed
            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
            termios.tcflush(descriptor, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            os.close(descriptor)
            raise DeviceError(f"{where}: is no serial port") from error
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Its descriptor, for who sees to it that nobody closes it meanwhile. Raises `DeviceClosed`."""
        if self._descriptor is None:
            raise DeviceClosed(f"[{self._section}] {self.name} is closed")
        return self._descriptor

    def read(self, most: int) -> bytes:
        """What has arrived. Raises `DeviceClosed`, or `DeviceError` when it was unplugged."""
        return self._use(lambda descriptor: os.read(descriptor, most)) or b""

    def write(self, data: bytes) -> int:
        """Send what the kernel takes. Raises as `read` does."""
        return self._use(lambda descriptor: os.write(descriptor, data)) or 0

    def close(self) -> None:
        """Let it go."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    fcntl.ioctl(descriptor, termios.TIOCNXCL)
                os.close(descriptor)

    def _use(self, call: Callable[[int], T]) -> T | None:
        """What a call makes of the descriptor, which nobody closes meanwhile; None where it would have to wait."""
        with self._lock:
            if self._descriptor is None:
                raise DeviceClosed(f"[{self._section}] {self.name} is closed")
            try:
                return call(self._descriptor)
            except BlockingIOError:
                return None
            except OSError as error:
                raise DeviceError(f"[{self._section}] {self.name}: {error.strerror}") from error


def read_key(given: str | None, credential: str) -> bytes:
    """A key of 16 bytes: the file `given`, else the systemd credential of that name (systemd.exec(5)).

    Raises `DeviceMissing` where there is none, `DeviceDenied` where others may read it, `DeviceError` for no key. No
    message repeats what is in the file.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if given is None and folder is None:
        raise DeviceMissing(
            errno.ENOENT, f"[reader] key: the secure channel needs a file, or the systemd credential {credential}"
        )
    path = Path(given) if given is not None else Path(folder or "") / credential
    try:
        with path.open("rb") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read(100).strip()
    except FileNotFoundError as error:
        raise DeviceMissing(errno.ENOENT, f"[reader] key: {path} is not there") from error
    except OSError as error:
        raise DeviceDenied(error.errno or 0, f"[reader] key: {path}: {error.strerror}") from error
    if given is not None and stat.S_IMODE(mode) & 0o077:
        raise DeviceDenied(errno.EACCES, f"[reader] key: {path} may be read by others: chmod 600")
    if not _KEY.fullmatch(text):
        raise DeviceError(f"[reader] key: {path} does not hold 32 hex digits; `openssl rand -hex 16` makes them")
    return bytes.fromhex(text.decode())
