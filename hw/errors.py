"""Errors of devices. Each is also the standard library's kind, so callers may catch either."""

from __future__ import annotations


class DeviceError(Exception):
    """Something is wrong with a device; the message names it."""


class DeviceTimeout(DeviceError, TimeoutError):  # noqa: N818 - named as the standard library's TimeoutError kinds are
    """A device did not answer within its bound."""


class BusError(DeviceError, OSError):
    """A transfer failed: no acknowledge, arbitration lost, or a line held down."""


class BusStuck(BusError):  # noqa: N818
    """Transfers fail in a way that only a bus or power reset mends."""


class BusTimeout(BusStuck, DeviceTimeout):
    """A transfer did not end: the clock line is held low or stretched for too long."""


class FrameError(DeviceError, ValueError):
    """A frame arrived that cannot be what the sensor saw: torn, glitched or of the wrong size."""


class CalibrationDataError(DeviceError, ValueError):
    """The sensor's EEPROM is not one that a working sensor could have."""


class RecordingError(DeviceError, ValueError):
    """A recording that stands in for a device cannot be used; the message names the file."""


class PictureUnreadable(RecordingError, FrameError):  # noqa: N818
    """One picture of a recording cannot be used: a bad frame, after which the next one comes."""


class DeviceMissing(DeviceError, FileNotFoundError):  # noqa: N818
    """A configured device is not there; the message says which and how to look for it."""


class DeviceDenied(DeviceError, PermissionError):  # noqa: N818
    """A device is there, but this user may not use it; the message says what is needed."""


class DeviceClosed(DeviceError, RuntimeError):  # noqa: N818
    """The device was closed while in use."""


class PulseError(DeviceError, OSError):
    """What was sent is not what the standard asks for; the message says by how much, and what helps."""


class NotReady(DeviceError):  # noqa: N818
    """A device works but has nothing to give for a moment, e.g. its shutter is closed; wait, and ask again."""


def words(error: BaseException) -> str:
    """What an error says, without the number in front that OSError puts there."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error) or type(error).__name__
