"""One V4L2 node and the conversation with its driver: formats, buffers in shared memory, pictures with their stamps."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import select
import stat
from ctypes import Structure, c_int32
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.linux import videodev2 as v4l2
from hw.linux.v4l2_modes import Mode, nearest
from hw.linux.video_nodes import holders, list_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFERS: Final = 4
"""One being filled, one or two waiting, one being read."""
GONE: Final = frozenset({errno.ENODEV, errno.ENXIO})
_END: Final = frozenset({errno.EINVAL, errno.ENOTTY})
"""How an enumeration ends, or says that there is none."""

S = TypeVar("S", bound=Structure | c_int32)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the driver settled on."""

    pixelformat: int
    width: int
    height: int
    stride: int
    """Bytes a line; 0 for compressed formats."""
    size: int
    """Bytes of a whole uncompressed picture."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A buffer that the driver has filled; its memory is ours until it is queued again."""

    index: int
    data: memoryview
    timestamp: float
    """Seconds, of the clock that `flags` tell."""
    sequence: int
    """The driver's count of pictures, those it dropped among them."""
    flags: int


class VideoNode:
    """An open V4L2 capture node. Every call raises `DeviceMissing` where the camera has gone, else `DeviceError`.

    Raises:
        DeviceMissing: no such node.
        DeviceDenied: not permitted.
        DeviceError: not a camera, or not one whose pictures can be had this way.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.node = os.path.realpath(path)
        self._buffers: list[mmap.mmap] = []
        self._streaming = False
        self._descriptor = _open(path, self.node)
        try:
            self.card = self._require_camera()
        except BaseException:
            os.close(self._descriptor)
            raise

    def modes(self, width: int, height: int) -> Iterator[Mode]:
        """What the camera offers; of ranges of sizes the one nearest to `width` x `height`."""
        for index in range(256):
            found = v4l2.FmtDesc(index=index, type=v4l2.BUF_TYPE_VIDEO_CAPTURE)
            if not self._enumerated(v4l2.ENUM_FMT, found):
                return
            for wide, high in self._sizes(found.pixelformat, width, height):
                yield Mode(found.pixelformat, wide, high, self._rate(found.pixelformat, wide, high))

    def set_mode(self, mode: Mode) -> Layout:
        """Ask for a mode; the driver may settle on another size or format."""
        form = v4l2.Format(type=v4l2.BUF_TYPE_VIDEO_CAPTURE)
        pix = form.fmt.pix
        pix.width, pix.height, pix.pixelformat, pix.field = mode.width, mode.height, mode.pixelformat, v4l2.FIELD_NONE
        self._ask(v4l2.S_FMT, form, "its format")
        return Layout(pix.pixelformat, pix.width, pix.height, pix.bytesperline, pix.sizeimage)

    def set_rate(self, rate: float) -> float | None:
        """Ask for pictures a second; the rate that the driver settled on, None where it has no say."""
        parameters = v4l2.StreamParm(type=v4l2.BUF_TYPE_VIDEO_CAPTURE)
        interval = parameters.parm.capture.timeperframe
        interval.numerator, interval.denominator = 1000, round(1000 * rate)
        if not self._enumerated(v4l2.S_PARM, parameters):
            return None
        if not parameters.parm.capture.capability & v4l2.CAP_TIMEPERFRAME or not interval.numerator:
            return None
        return float(interval.denominator / interval.numerator)

    def set_control(self, control: int, value: int) -> bool:
        """Set a control; False where the camera has none of the kind, or does not take the value."""
        query = v4l2.QueryCtrl(id=control)
        if not self._enumerated(v4l2.QUERYCTRL, query):
            return False
        if query.flags & (v4l2.CTRL_FLAG_DISABLED | v4l2.CTRL_FLAG_READ_ONLY):
            return False
        try:
            fcntl.ioctl(self._descriptor, v4l2.S_CTRL, v4l2.Control(id=control, value=value))
        except OSError as error:
            self._require_there(error)
            return False
        return True

    def start(self) -> int:
        """Share buffers with the driver and let it fill them; returns a buffer's flags, which tell its clock."""
        wanted = self._request_buffers(BUFFERS)
        if wanted < 2:
            raise DeviceError(f"{self.path}: {self.card} gives {wanted} buffers, too few to stream")
        flags = 0
        for index in range(wanted):
            found = self._ask(v4l2.QUERYBUF, self._buffer(index), "its buffers")
            flags = found.flags
            try:
                # For reading: what the camera wrote is never changed here.
                shared = mmap.mmap(
                    self._descriptor, found.length, mmap.MAP_SHARED, mmap.PROT_READ, offset=found.m.offset
                )
            except (OSError, ValueError) as error:
                raise DeviceError(f"{self.path}: {self.card} shares no memory: {error}") from error
            self._buffers.append(shared)
            self.give_back(index)
        self._ask(v4l2.STREAMON, c_int32(v4l2.BUF_TYPE_VIDEO_CAPTURE), "to start")
        self._streaming = True
        return flags

    @property
    def buffers(self) -> int:
        """How many buffers are shared with the driver."""
        return len(self._buffers)

    def fileno(self) -> int:
        """The descriptor, for `select`."""
        return self._descriptor

    def take(self) -> Filled | None:
        """The next filled buffer, oldest first; None when there is none yet."""
        found = self._buffer(0)
        try:
            fcntl.ioctl(self._descriptor, v4l2.DQBUF, found)
        except BlockingIOError:
            return None
        except OSError as error:
            self._require_there(error)
            raise DeviceError(f"{self.path}: {self.card} gave no picture: {error.strerror}") from error
        stamp = found.timestamp.tv_sec + found.timestamp.tv_usec * 1e-6
        data = memoryview(self._buffers[found.index])[: found.bytesused]
        return Filled(found.index, data, stamp, found.sequence, found.flags)

    def give_back(self, index: int) -> None:
        """Let the driver fill a buffer."""
        self._ask(v4l2.QBUF, self._buffer(index), "a buffer back")

    def stop(self) -> None:
        """Stop the stream and let the buffers go, so that another mode can be set; never raises."""
        with contextlib.suppress(OSError, DeviceError):
            if self._streaming:
                fcntl.ioctl(self._descriptor, v4l2.STREAMOFF, c_int32(v4l2.BUF_TYPE_VIDEO_CAPTURE))
        self._streaming = False
        while self._buffers:
            shared = self._buffers.pop()
            with contextlib.suppress(BufferError):  # a picture in another thread's hands: unmapped when that ends
                shared.close()
        with contextlib.suppress(OSError, DeviceError):
            self._request_buffers(0)

    def close(self) -> None:
        """Stop and let the node go; harmless when closed."""
        if self._descriptor >= 0:
            self.stop()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _require_camera(self) -> str:
        found = v4l2.Capability()
        try:
            fcntl.ioctl(self._descriptor, v4l2.QUERYCAP, found)
        except OSError as error:
            raise DeviceError(f"{self.path}: not a V4L2 device: {error.strerror}") from error
        return require_capture(self.path, found)

    def _sizes(self, pixelformat: int, width: int, height: int) -> Iterator[tuple[int, int]]:
        for index in range(256):
            found = v4l2.FrmSizeEnum(index=index, pixel_format=pixelformat)
            if not self._enumerated(v4l2.ENUM_FRAMESIZES, found):
                if index == 0:  # the driver tells none: S_FMT will
                    yield width, height
                return
            if found.type == v4l2.FRMSIZE_TYPE_DISCRETE:
                yield found.size.discrete.width, found.size.discrete.height
                continue
            steps = found.size.stepwise
            yield (
                nearest(width, steps.min_width, steps.max_width, steps.step_width),
                nearest(height, steps.min_height, steps.max_height, steps.step_height),
            )
            return

    def _rate(self, pixelformat: int, width: int, height: int) -> float | None:
        """The highest rate of a mode."""
        rates = []
        for index in range(256):
            found = v4l2.FrmIvalEnum(index=index, pixel_format=pixelformat, width=width, height=height)
            if not self._enumerated(v4l2.ENUM_FRAMEINTERVALS, found):
                break
            discrete = found.type == v4l2.FRMIVAL_TYPE_DISCRETE
            interval = found.interval.discrete if discrete else found.interval.stepwise.min
            if interval.numerator:
                rates.append(interval.denominator / interval.numerator)
            if not discrete:
                break
        return max(rates, default=None)

    def _buffer(self, index: int) -> v4l2.Buffer:
        return v4l2.Buffer(index=index, type=v4l2.BUF_TYPE_VIDEO_CAPTURE, memory=v4l2.MEMORY_MMAP)

    def _request_buffers(self, count: int) -> int:
        wanted = v4l2.RequestBuffers(count=count, type=v4l2.BUF_TYPE_VIDEO_CAPTURE, memory=v4l2.MEMORY_MMAP)
        return int(self._ask(v4l2.REQBUFS, wanted, "buffers").count)

    def _enumerated(self, request: int, structure: Structure) -> bool:
        """Whether the driver filled it in; False at an enumeration's end, or where it does not know the question."""
        try:
            fcntl.ioctl(self._descriptor, request, structure)
        except OSError as error:
            if error.errno in _END:
                return False
            self._require_there(error)
            raise DeviceError(f"{self.path}: {self.card} does not tell what it can do: {error.strerror}") from error
        return True

    def _ask(self, request: int, structure: S, what: str) -> S:
        try:
            fcntl.ioctl(self._descriptor, request, structure)
        except OSError as error:
            self._require_there(error)
            raise self._refused(error, what) from error
        return structure

    def _require_there(self, error: OSError) -> None:
        if error.errno in GONE:
            raise DeviceMissing(errno.ENODEV, f"{self.path}: {self.card} was unplugged") from error

    def _refused(self, error: OSError, what: str) -> DeviceError:
        if error.errno == errno.EBUSY:
            who = holders(self.node) or "another program (`fuser -v` as root tells which)"
            return DeviceError(f"{self.path}: {self.card} is in use by {who}")
        if error.errno == errno.ENOSPC:
            return NoBandwidth(
                f'{self.path}: the USB bus has no room for this stream; set [camera] format = "mjpeg", a smaller '
                "size or rate, or give the camera a port of another controller"
            )
        return DeviceError(f"{self.path}: {self.card} refuses {what}: {error.strerror}")


class NoBandwidth(DeviceError):  # noqa: N818 - a state of the bus
    """The bus cannot carry the mode that was asked for."""


def require_capture(path: str, found: v4l2.Capability) -> str:
    """The card's name; DeviceError where the node gives no pictures that can be had by streaming."""
    name = found.card.decode(errors="replace")
    can = found.device_caps if found.capabilities & v4l2.CAP_DEVICE_CAPS else found.capabilities
    if not can & v4l2.CAP_VIDEO_CAPTURE:
        if can & v4l2.CAP_META_CAPTURE:
            kind = "carries the metadata of its pictures, not the pictures"
        elif can & v4l2.CAP_VIDEO_CAPTURE_MPLANE:
            kind = 'belongs to a camera pipeline; for a Pi\'s camera set [camera] source = "picamera2:0"'
        else:
            kind = "is no camera (a codec, a scaler or an output)"
        raise DeviceError(f"{path}: this node of {name!r} {kind}; there is: {list_nodes()}")
    if not can & v4l2.CAP_STREAMING:
        raise DeviceError(f"{path}: {name!r} cannot stream")
    return str(name)


def wait(node: VideoNode, wake: int, timeout: float) -> bool:
    """Wait until the driver has something to tell, or `wake` is readable; False after `timeout` seconds."""
    poll = select.poll()
    poll.register(node.fileno(), select.POLLIN)
    poll.register(wake, select.POLLIN)
    return bool(poll.poll(max(0.0, 1000 * timeout)))


def _open(path: str, node: str) -> int:
    try:
        if not stat.S_ISCHR(os.stat(node).st_mode):  # noqa: PTH116 - beside os.open
            raise DeviceError(f"{path}: not a camera but a file")
        return os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise DeviceMissing(errno.ENOENT, f"{path}: no such camera; there is: {list_nodes()}") from error
    except PermissionError as error:
        raise DeviceDenied(
            errno.EACCES, f"{path}: permission denied: the service's user must be in group video"
        ) from error
    except OSError as error:
        if error.errno in GONE:
            raise DeviceMissing(errno.ENODEV, f"{path}: the camera is going; there is: {list_nodes()}") from error
        if error.errno == errno.EBUSY:
            who = holders(node) or "another program"
            raise DeviceError(f"{path}: is in use by {who}") from error
        raise DeviceError(f"{path}: cannot be opened: {error.strerror}") from error
