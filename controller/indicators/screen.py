"""The screen beside the lane: takes the newest of what the lane shows and sees, and paints it on a thread of its own.

Only the newest counts; what could not be painted in time is not painted. Whatever panel, font or painting do, the lane
goes on. Nothing is stored: a picture lives until the next one.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2

from controller.indicators.mirror import Mirror
from controller.indicators.painter import Painter
from controller.indicators.typeface import find
from controller.lane.effects import Prompt
from controller.observe.log import get_logger
from controller.watch import Watch
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

    from controller.indicators.page import Page
    from controller.indicators.settings import ScreenSettings
    from controller.perception.registration import RegistrationSettings
    from controller.perception.types import Box, Face
    from hw.clock import Clock
    from hw.output_ports import ScreenPanel
    from hw.ports import ImageFrame, ThermalFrame

FACE_LASTS: Final = 1.0
"""Seconds for which somebody's last picture with a face is shown, at most."""
HEAT_LASTS: Final = 1.0
"""Seconds for which a thermal frame is laid over pictures."""
OPEN_AGAIN: Final = 10.0
"""Seconds between two attempts at a panel that is not there."""
LEAVE: Final = 2.0
"""Seconds in which a panel must have taken the last picture."""
JPEG_QUALITY: Final = 85
FACELESS: Final = frozenset({Prompt.IDLE, Prompt.OUT_OF_SERVICE, Prompt.EMERGENCY})
"""Prompts beside which nobody's picture is shown."""

log = get_logger("indicators")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is to be seen."""

    prompt: Prompt
    reason: str | None
    picture: ImageFrame | None = None
    face: Box | None = None
    heat: ThermalFrame | None = None

    def same_as(self, other: View | None) -> bool:
        """Whether it would look the same; a new thermal frame alone is not worth a painting."""
        return other is not None and (self.prompt, self.reason, self.picture) == (
            other.prompt,
            other.reason,
            other.picture,
        )


class Screen(Watch):
    """Watches the lane and paints the screen; also a service of the app.

    Args:
        settings: [screen].
        registration: how camera and array look at the lane.
        panel: where it is shown; None: on the page alone.
        page: the same as a web page; None: on the panel alone.
        sign: what the lane shows at present, prompt and reason.
        clock: the board's.
        executor: one worker, on which everything is painted.
    """

    def __init__(
        self,
        settings: ScreenSettings,
        registration: RegistrationSettings,
        *,
        panel: ScreenPanel | None,
        page: Page | None,
        sign: Callable[[], tuple[Prompt, str | None]],
        clock: Clock,
        executor: Executor,
    ) -> None:
        self.painted = 0
        self._settings = settings
        self._mirror = Mirror(registration, heat=settings.heat, flip=settings.mirror)
        self._panel = panel
        self._page = page
        self._sign = sign
        self._clock = clock
        self._executor = executor
        self._painter: Painter | None = None
        self._seen: tuple[ImageFrame, Box] | None = None
        self._heat: ThermalFrame | None = None
        self._last: View | None = None

    def on_thermal(self, frame: ThermalFrame) -> None:
        """Keep the newest."""
        self._heat = frame

    def on_picture(self, frame: ImageFrame, faces: tuple[Face, ...]) -> None:
        """Keep the newest that somebody is on."""
        if faces:
            self._seen = (frame, max((face.box for face in faces), key=lambda box: box.area))

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        """A sensor that is lost shows no more warmth."""
        del text
        if name == "thermal" and not up:
            self._heat = None

    async def run(self) -> None:
        """Paint for ever; without a panel or a font, say so once and try again."""
        told = False
        while True:
            try:
                await self._off_loop(self._open)
                told = False
                await self._paint_on()
            except Exception as error:  # noqa: BLE001 - a sign that fails stops no lane
                if not told:
                    log.warning("screen does not show; the lane goes on without", error=str(error))
                told = True
            await asyncio.sleep(OPEN_AGAIN)

    async def close(self) -> None:
        """Show that the lane is closed: no picture of anybody stays behind. Not before the gate is closed."""
        try:
            async with asyncio.timeout(LEAVE):
                await self._off_loop(self._leave)
        except TimeoutError:
            log.warning("screen not cleared: the panel hangs")
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def view(self, now: float) -> View:
        """What is to be seen at `now`, and nobody's picture any longer than they stood there."""
        prompt, reason = self._sign()
        if self._seen is not None and now - self._seen[0].timestamp > FACE_LASTS:
            self._seen = None
        if self._seen is None or prompt in FACELESS or not self._settings.picture:
            return View(prompt, reason)
        frame, face = self._seen
        heat = self._heat if self._heat is not None and now - self._heat.timestamp <= HEAT_LASTS else None
        return View(prompt, reason, frame, face, heat)

    async def _paint_on(self) -> None:
        while True:
            view = self.view(self._clock.monotonic())
            if not view.same_as(self._last):
                jpeg = await self._off_loop(functools.partial(self._show, view))
                self._last = view
                if self._page is not None and jpeg is not None:
                    self._page.publish(jpeg)
            await asyncio.sleep(1 / self._settings.fps)

    async def _off_loop(self, work: Callable[[], bytes | None]) -> bytes | None:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    # On the executor's thread

    def _open(self) -> None:
        wanted = self._settings
        size = wanted.size if self._panel is None else self._panel.open()
        if self._painter is None or self._painter.size != size:
            self._painter = Painter(size, wanted.diagonal, wanted.distance, find(wanted.font))
            shortfall = self._painter.shortfall(tuple(Prompt))
            if shortfall is not None:
                log.warning("screen", text=shortfall)
        self._last = None

    def _show(self, view: View) -> bytes | None:
        """Paint and show; the picture as JPEG where there is a page."""
        painter = self._painter
        if painter is None:
            raise DeviceError("the screen is not open")
        started = time.perf_counter()
        pixels = painter.paint(view.prompt, view.reason, self._pictured(view, painter))
        if self._panel is not None:
            self._panel.show(pixels)
        self.painted += 1
        log.debug("screen painted", milliseconds=round(1000 * (time.perf_counter() - started), 1))
        return None if self._page is None else encoded(pixels)

    def _pictured(self, view: View, painter: Painter) -> NDArray[np.uint8] | None:
        if view.picture is None or view.face is None:
            self._mirror.forget()
            return None
        heat = None if view.heat is None else view.heat.temperatures
        size = painter.picture_size(view.prompt, view.reason)
        return self._mirror.seen(view.picture.pixels, view.face, heat, size)

    def _leave(self) -> None:
        if self._painter is None:
            return
        try:
            if self._panel is not None:
                self._panel.show(self._painter.paint(Prompt.OUT_OF_SERVICE, None, None))
                self._panel.close()
        except DeviceError as error:
            log.warning("screen not cleared", error=str(error))


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels as JPEG."""
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError("the picture could not be encoded")
    return jpeg.tobytes()
