"""What a lane's other outputs offer the program above: what speaks to passers-by, and what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


class Speaker(Protocol):
    """What speaks to passers-by. One sound at a time: the newest ends what sounds."""

    def open(self, on_state: Callable[[str | None], None]) -> None:
        """Start. `on_state` is told, from a thread of the speaker, what is wrong, and None once it works."""
        ...

    def play(self, sound: bytes) -> None:
        """Begin a WAV file, in place of the one that sounds. Returns at once; harmless when closed."""
        ...

    def close(self) -> None:
        """Silence; harmless when closed."""
        ...


class ScreenPanel(Protocol):
    """A screen for passers-by. Calls block and come from one thread at a time."""

    def open(self) -> tuple[int, int]:
        """Start; returns width and height in pixels. Raises `hw.errors.DeviceError` kinds."""
        ...

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show uint8[height, width, 3], RGB, of the size that `open` told. Raises `hw.errors.DeviceError` kinds."""
        ...

    def close(self) -> None:
        """Let it go, with what it shows; harmless when closed."""
        ...
