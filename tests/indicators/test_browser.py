"""The page in a real browser: it shows the gate's picture, and says closed when the gate is gone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from controller.errors import ConfigError
from controller.indicators.page import Answer, Page
from controller.indicators.painter import Painter
from controller.indicators.screen import encoded
from controller.indicators.typeface import find
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from pathlib import Path

    import h11
    from numpy.typing import NDArray

SIZE = (640, 400)
BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
GONE_GROUND = (0x30, 0x35, 0x3D)
pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(BROWSER is None, reason="no chromium-headless-shell (Debian's package of that name)"),
]


class WatchedPage(Page):
    """Knows what the browser has shown, and holds its load event, after which it takes the picture, until `done`."""

    def __init__(self, *pictures: bytes, hangs: bool = False) -> None:
        super().__init__("127.0.0.1", 0)
        self.done = asyncio.Event()
        self._hangs, self._hung = hangs, False
        self._left = list(pictures)
        self.publish(self._left.pop(0))

    async def _answer(self, request: h11.Request) -> Answer:
        if request.target == b"/wait.js":
            await self.done.wait()
            return Answer(200, "text/javascript; charset=utf-8", b"")
        answer = await super()._answer(request)
        if request.target != b"/":
            return answer
        return answer._replace(body=answer.body.replace(b"</html>", b'<script async src="/wait.js"></script></html>'))

    async def _picture(self, known: str) -> Answer:
        """Who knows a picture has shown it: the next one follows, and after the last the browser may be done.

        A gate that hangs answers no more; a browser that asks once more, of nothing that it knows, has noticed.
        """
        if self._hangs:
            if self._hung:
                self.done.set()
            self._hung = self._hung or bool(known)
            if self._hung:
                await asyncio.Event().wait()
        elif known and self._left:
            self.publish(self._left.pop(0))
        elif known:
            self.done.set()
        return await super()._picture(known)


def shot(folder: Path, page: WatchedPage) -> NDArray[np.uint8]:
    """What a browser shows once the page lets it be done: RGB of SIZE."""
    target = folder / "shot.png"

    async def main() -> None:
        service = asyncio.create_task(page.run())
        await page.listening.wait()
        # Root's browser has no sandbox of its own; it sees nothing but this page.
        browser = await asyncio.create_subprocess_exec(
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
            "--timeout=100000",
            f"--screenshot={target}",
            f"http://127.0.0.1:{page.port}/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(120):
                await browser.wait()
        finally:
            if browser.returncode is None:
                browser.kill()
                await browser.wait()
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)

    asyncio.run(main())
    assert page.done.is_set()
    read = cv2.imread(str(target))
    assert read is not None
    return np.asarray(read[:, :, ::-1], np.uint8)


@pytest.fixture(scope="module")
def painter() -> Painter:
    try:
        return Painter(SIZE, 5.0, 1.5, find(None))
    except ConfigError as error:
        pytest.skip(str(error))


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_the_browser_shows_the_newest_picture(painter: Painter, tmp_path: Path) -> None:
    first, second = (painter.paint(prompt, None, None) for prompt in (Prompt.LOOK_HERE, Prompt.PASS))
    seen = shot(tmp_path, WatchedPage(encoded(first), encoded(second)))
    assert seen.shape == (SIZE[1], SIZE[0], 3)
    assert difference(seen, second) < 4
    assert difference(seen, first) > 30


def test_a_gate_that_hangs_leaves_no_pass_behind(painter: Painter, tmp_path: Path) -> None:
    going = painter.paint(Prompt.PASS, None, None)
    seen = shot(tmp_path, WatchedPage(encoded(going), hangs=True))
    assert difference(seen, going) > 30
    assert tuple(seen[2, 2]) == GONE_GROUND
    assert (seen == 255).all(axis=2).mean() > 0.02  # its words
