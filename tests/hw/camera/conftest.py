"""A clock that only sleeping moves, and pictures."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class SteppingClock:
    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if not event.is_set():
            self.sleep(timeout)
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three pictures whose grey says their place, and a text."""
    for place, name in enumerate(["b.png", "a.jpg", "c.PNG"]):
        picture: Any = np.full((24, 32, 3), 60 * (place + 1), dtype=np.uint8)
        good, data = cv2.imencode(".png", picture)
        assert good
        (tmp_path / name).write_bytes(data.tobytes())
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path
