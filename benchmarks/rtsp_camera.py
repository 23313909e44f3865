"""A network camera on loopback, by GStreamer: H.264 whose pictures show the moment at which they were taken.

    /usr/bin/python3 benchmarks/rtsp_camera.py PORT [USER PASSWORD [basic|digest]]

It takes a command a line (JSON) and answers each with a line. Pictures are taken at the rates asked for, evenly or not,
and stamped with the moment, as a camera does it. Each shows that moment, in milliseconds of CLOCK_MONOTONIC, as 32
squares in its first rows, white for 1, the highest bit first.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

WIDTH, HEIGHT, SQUARE = 640, 480, 20
PIPELINE = (
    "( appsrc name=eye is-live=true format=time max-buffers=1 leaky-type=downstream "
    f"caps=video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate=0/1 "
    "! videoconvert ! video/x-raw,format=I420 "
    "! openh264enc usage-type=camera complexity=low gop-size=15 bitrate=2000000 multi-thread=1 "
    "! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 aggregate-mode=zero-latency )"
)


class Camera:
    """Takes pictures while somebody looks."""

    def __init__(self) -> None:
        self.rate = 15.0
        self.uneven = 0.0
        self.stalled = threading.Event()
        self._eyes: list[Gst.Element] = []
        threading.Thread(target=self._run, daemon=True).start()

    def watch(self, _: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        """Somebody asks for the stream."""
        eye = media.get_element().get_by_name("eye")
        self._eyes = [eye]
        media.connect("unprepared", lambda _: self._eyes.clear())

    def _run(self) -> None:
        dice = random.Random(1)
        while True:
            time.sleep((1 + self.uneven * dice.uniform(-1, 1)) / self.rate)
            if self.stalled.is_set():
                continue
            for eye in list(self._eyes):
                # GStreamer's system clock is CLOCK_MONOTONIC too. Stamped by hand: a thread may stand still on its way.
                moment = time.monotonic_ns() // 1_000_000 * 1_000_000
                started = eye.get_base_time()
                if eye.get_clock() is not None and 0 < started <= moment:
                    taken = Gst.Buffer.new_wrapped(picture(moment // 1_000_000))
                    taken.pts = moment - started
                    eye.emit("push-buffer", taken)


def picture(moment: int) -> bytes:
    """Grey uint8[HEIGHT, WIDTH] that shows `moment`."""
    bits = f"{moment % (1 << 32):032b}"
    row = b"".join((b"\xeb" if bit == "1" else b"\x10") * SQUARE for bit in bits)
    shade = bytes([80 + moment // 100 % 60]) * WIDTH
    return row * (2 * SQUARE) + shade * (HEIGHT - 2 * SQUARE)


def serve(port: str, user: str | None, password: str, scheme: str) -> tuple[Camera, int]:
    """Listen on loopback; the camera and the port."""
    camera = Camera()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    factory.connect("media-configure", camera.watch)
    server.get_mount_points().add_factory("/live", factory)
    if user is not None:
        guard(server, factory, user, password, scheme)
    server.attach(None)
    return camera, server.get_bound_port()


def guard(server: Any, factory: Any, user: str, password: str, scheme: str) -> None:
    """Let in only who knows the password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if scheme == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("viewer")
    for allowed in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", allowed, True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def main(port: str, user: str | None = None, password: str = "", scheme: str = "digest") -> None:
    """Obey until the input ends."""
    Gst.init(None)
    camera, bound = serve(port, user, password, scheme)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "rate":
                camera.rate, camera.uneven = command["rate"], command.get("uneven", 0.0)
            case "stall":
                camera.stalled.set()
            case "resume":
                camera.stalled.clear()
        print(json.dumps(bound), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
