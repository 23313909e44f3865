"""A V4L2 driver as a program of its own: umockdev hands it the ioctls of other processes on /dev/video*.

    umockdev-wrapper /usr/bin/python3 umock_camera.py

It takes a command a line (JSON) and answers each with a line. Its structures are written down here once more, from
linux/videodev2.h, so that a mistake in the driver under test is not repeated. A node of umockdev's is a plain file, and
that file is the memory that buffers are mapped from.
"""

from __future__ import annotations

import base64
import errno
import json
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402

PAGE = 4096
CAPTURE = 1
NAP = 0.002
"""Seconds before a dequeue says that nothing is there: a file is always ready to be polled."""
PERIOD = 0.03
"""Seconds between the pictures of a camera that takes them by itself."""


class Driver:
    """One camera, with the queues that videobuf2 keeps."""

    def __init__(self, spec: dict[str, Any], file: Path) -> None:
        self.spec, self.file = spec, file
        self.lock = threading.Lock()
        self.gone = False
        self.asked: list[str] = []
        self.controls = {int(key): value for key, value in spec.get("controls", {}).items()}
        self.form: tuple[str, int, int] = ("", 0, 0)
        self.rate = 30.0
        self.length = self.count = self.sequence = 0
        self.queued: list[int] = []
        self.done: list[tuple[int, int, int, float, int]] = []
        self.on = False
        self.taken = 0.0

    def frame(self, data: bytes, stamp: float | None, flags: int, used: int | None) -> bool:
        """Fill a buffer, if there is one; a picture without one is lost, and counted."""
        with self.lock:
            number, self.sequence = self.sequence, self.sequence + 1
            if not self.on or not self.queued:
                return False
            index = self.queued.pop(0)
            with self.file.open("r+b") as memory:
                memory.seek(index * self.length)
                memory.write(data)
            when = time.monotonic() if stamp is None else stamp
            self.done.append((index, len(data) if used is None else used, number, when, flags))
            return True

    def ioctl(self, request: int, data: bytes) -> bytes:
        """Answer a request; OSError for a refusal."""
        if self.gone:
            raise OSError(errno.ENODEV, "")
        handler = getattr(self, f"_{NAMES.get(request & 0xFF, 'unknown')}", None)
        if handler is None or request >> 8 & 0xFF != ord("V"):
            raise OSError(errno.ENOTTY, "")
        self.asked.append(NAMES[request & 0xFF])
        return bytes(handler(data))

    def _querycap(self, _: bytes) -> bytes:
        caps = self.spec.get("caps", 0x04200001)
        card = self.spec.get("card", "HD Camera").encode()
        return struct.pack("=16s32s32sIII12x", b"uvcvideo", card, b"usb-1", 0x060100, 0x84A00001, caps)

    def _enum_fmt(self, data: bytes) -> bytes:
        index, kind = struct.unpack_from("=II", data)
        formats = list(self.spec["formats"])
        if kind != CAPTURE or index >= len(formats):
            raise OSError(errno.EINVAL, "")
        return struct.pack("=III32s4sI12x", index, kind, 0, b"", formats[index].encode(), 0)

    def _enum_framesizes(self, data: bytes) -> bytes:
        index, code = struct.unpack_from("=I4s", data)
        sizes = self.spec["formats"][code.decode()]
        if "steps" in sizes:
            if index:
                raise OSError(errno.EINVAL, "")
            return struct.pack("=I4sI6I8x", index, code, 3, *sizes["steps"])
        listed = list(sizes)
        if index >= len(listed):
            raise OSError(errno.EINVAL, "")
        width, height = map(int, listed[index].split("x"))
        return struct.pack("=I4sIII16x8x", index, code, 1, width, height)

    def _enum_frameintervals(self, data: bytes) -> bytes:
        index, code, width, height = struct.unpack_from("=I4sII", data)
        sizes = self.spec["formats"][code.decode()]
        rates = sizes["rates"] if "steps" in sizes else sizes[f"{width}x{height}"]
        if index >= len(rates):
            raise OSError(errno.EINVAL, "")
        return struct.pack("=I4sIIIII16x8x", index, code, width, height, 1, 1, rates[index])

    def _s_fmt(self, data: bytes) -> bytes:
        if self.spec.get("busy"):
            raise OSError(errno.EBUSY, "")
        kind, width, height, code = struct.unpack_from("=I4xII4s", data)
        if self.count:
            raise OSError(errno.EBUSY, "")
        if "settles" in self.spec:
            width, height = self.spec["settles"]
        self.form = (code.decode(), width, height)
        stride = 2 * width + self.spec.get("padding", 0) if code == b"YUYV" else 0
        size = stride * height or width * height
        self.length = -(-size // PAGE) * PAGE
        return struct.pack("=I4xII4sIII", kind, width, height, code, 1, stride, size) + data[32:]

    def _s_parm(self, data: bytes) -> bytes:
        numerator, denominator = struct.unpack_from("=II", data, 12)
        asked = denominator / numerator
        self.rate = min(self.spec.get("rates", [asked]), key=lambda rate: abs(rate - asked))
        return data[:4] + struct.pack("=IIII", 0x1000, 0, 1000, round(1000 * self.rate)) + data[20:]

    def _queryctrl(self, data: bytes) -> bytes:
        (control,) = struct.unpack_from("=I", data)
        if control not in self.controls:
            raise OSError(errno.EINVAL, "")
        return struct.pack("=II32siiiiI8x", control, 1, b"", 0, 3, 1, 1, 0)

    def _s_ctrl(self, data: bytes) -> bytes:
        control, value = struct.unpack("=Ii", data)
        if control not in self.controls:
            raise OSError(errno.EINVAL, "")
        self.controls[control] = value
        return data

    def _reqbufs(self, data: bytes) -> bytes:
        count, kind, memory = struct.unpack_from("=III", data)
        if memory != 1:
            raise OSError(errno.EINVAL, "")
        self.count = count
        self.queued, self.done = [], []
        with self.file.open("r+b") as file:
            file.truncate(count * self.length)
        return struct.pack("=IIIII", count, kind, memory, 1, 0)

    def _buffer(self, index: int, used: int, flags: int, stamp: float, sequence: int) -> bytes:
        seconds, parts = divmod(round(stamp * 1e6), 1_000_000)
        offset = index * self.length
        flags |= self.spec.get("stamps", 0x12000)
        head = struct.pack("=IIIIIxxxxqq16x", index, CAPTURE, used, flags, 1, seconds, parts)
        return head + struct.pack("=IIQIIi4x", sequence, 1, offset, self.length, 0, 0)

    def _querybuf(self, data: bytes) -> bytes:
        (index,) = struct.unpack_from("=I", data)
        if index >= self.count:
            raise OSError(errno.EINVAL, "")
        return self._buffer(index, 0, 0, 0.0, 0)

    def _qbuf(self, data: bytes) -> bytes:
        (index,) = struct.unpack_from("=I", data)
        if index >= self.count or index in self.queued:
            raise OSError(errno.EINVAL, "")
        with self.lock:
            self.queued.append(index)
        return data

    def _dqbuf(self, _: bytes) -> bytes:
        if not self.on:
            raise OSError(errno.EINVAL, "")
        if "takes" in self.spec and time.monotonic() - self.taken > PERIOD:
            self.taken = time.monotonic()
            self.frame(base64.b64decode(self.spec["takes"]), None, 0, None)
        with self.lock:
            if self.done:
                index, used, sequence, stamp, flags = self.done.pop(0)
                return self._buffer(index, used, flags, stamp, sequence)
        time.sleep(NAP)
        raise OSError(errno.EAGAIN, "")

    def _streamon(self, data: bytes) -> bytes:
        if self.form[0] in self.spec.get("no_room_for", []):
            raise OSError(errno.ENOSPC, "")
        self.on = True
        return data

    def _streamoff(self, data: bytes) -> bytes:
        self.on = False
        self.queued, self.done = [], []
        return data


NAMES = {
    0: "querycap", 2: "enum_fmt", 5: "s_fmt", 8: "reqbufs", 9: "querybuf", 15: "qbuf", 17: "dqbuf", 18: "streamon",
    19: "streamoff", 22: "s_parm", 28: "s_ctrl", 36: "queryctrl", 74: "enum_framesizes", 75: "enum_frameintervals",
}  # fmt: skip


class Handler(UMockdev.IoctlBase):  # type: ignore[misc]
    """Between umockdev and a driver."""

    driver: Driver

    def do_handle_ioctl(self, client: UMockdev.IoctlClient) -> bool:
        request = client.get_property("request")
        memory = client.get_property("arg").resolve(0, request >> 16 & 0x3FFF)
        try:
            answer = self.driver.ioctl(request, bytes(memory.retrieve()))
        except OSError as error:
            client.complete(-1, error.errno)
        else:
            memory.update(0, answer)
            client.complete(0, 0)
        return True


class Machine:
    """The test bed: nodes that come and go."""

    def __init__(self) -> None:
        self.bed = UMockdev.Testbed.new()
        self.root = Path(self.bed.get_root_dir())
        self.drivers: dict[str, Driver] = {}
        self.handlers: list[Handler] = []

    def obey(self, command: dict[str, Any]) -> object:
        """Carry a command out."""
        node = command.get("node", "video0")
        match command["do"]:
            case "root":
                return str(self.root)
            case "plug":
                return self._plug(node, command["spec"])
            case "unplug":
                self.drivers[node].gone = True
                (self.root / "dev" / node).unlink()
                self.bed.remove_device(f"/sys/devices/usb1/video4linux/{node}")
                for link in (self.root / "dev/v4l/by-id").glob("*"):
                    link.unlink()
                return True
            case "frame":
                data = base64.b64decode(command["data"])
                flags, used = command.get("flags", 0), command.get("used")
                return self.drivers[node].frame(data, command.get("stamp"), flags, used)
            case "asked":
                driver = self.drivers[node]
                return {"ioctls": driver.asked, "controls": driver.controls, "form": driver.form, "rate": driver.rate}
        raise ValueError(command["do"])

    def _plug(self, node: str, spec: dict[str, Any]) -> bool:
        name = spec.get("card", "HD Camera")
        self.bed.add_from_string(
            f"P: /devices/usb1/video4linux/{node}\nN: {node}=00\nE: DEVNAME=/dev/{node}\nE: SUBSYSTEM=video4linux\n"
            f"A: name={name}\\n\n"
        )
        file = self.root / "dev" / node
        if spec.get("id"):
            folder = self.root / "dev/v4l/by-id"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / spec["id"]).symlink_to(f"../../{node}")
        handler = Handler()
        handler.driver = self.drivers[node] = Driver(spec, file)
        self.handlers.append(handler)
        self.bed.attach_ioctl(f"/dev/{node}", handler)
        return True


def main() -> None:
    """Obey until the input ends."""
    machine = Machine()
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    for line in sys.stdin:
        print(json.dumps(machine.obey(json.loads(line))), flush=True)
    loop.quit()


if __name__ == "__main__":
    main()
