"""The board's real GPIO lines: gpiozero's lgpio pins on a GPIO character device, made fit for a lock.

What gpiozero leaves open is closed here. An output gets its first level with the request that makes it one;
in two steps an active-low relay would click at every start. A line that is closed is let go, with its callback. A
board that gpiozero doesn't know as a Pi gets the 40-pin header's numbering. And lgpio, which leaves a pipe in the
current folder when it is imported, is imported elsewhere.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw.errors import DeviceError, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.kind_settings import Wiring

PI_4B: Final = 0xC03115
"""Revision code assumed where there is none: its header has GPIO 0-27, as every 40-pin board's."""


def pin_factory(settings: Wiring, *, devices: Path = Path("/dev")) -> Any:
    """A gpiozero pin factory for the lines of `settings`, on /dev/gpiochipN.

    Raises DeviceMissing when the chip is not there, may not be opened, or lgpio is not installed; the message says what
    to do. `devices` is where the chip is looked for.
    """
    node = devices / f"gpiochip{settings.chip}"
    _check_node(node, settings.SECTION)
    with _elsewhere():
        pins = _import("gpiozero.pins.lgpio")
        lgpio = _import("lgpio")
    try:
        return _factory_class(pins, lgpio)(chip=settings.chip)
    except lgpio.error as error:
        raise DeviceError(f"[{settings.SECTION}] {node} can't be opened: {error}") from error


def _check_node(node: Path, section: str, may_open: Callable[[Path, int], bool] = os.access) -> None:
    if not node.exists():
        others = ", ".join(sorted(path.name for path in node.parent.glob("gpiochip*"))) or "none"
        raise DeviceMissing(
            f"[{section}] {node} is not there (GPIO chips on this machine: {others}); `gpiodetect` lists them, "
            f"`chip` in [{section}] chooses one: 0 on a Raspberry Pi, 4 on a Pi 5 with an older kernel"
        )
    if not may_open(node, os.R_OK | os.W_OK):
        raise DeviceMissing(f"[{section}] {node} may not be opened: add this user to the group gpio and log in again")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DeviceMissing(
            f"real GPIO needs the extra thermogate[board] (on Python 3.13 Debian's python3-lgpio): {error}"
        ) from error


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Import lgpio from a folder of its own, which may go afterwards: the pipe stays open."""
    if "lgpio" in sys.modules:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="thermogate-lgpio-") as folder, contextlib.chdir(folder):
        yield


def _factory_class(pins: Any, lgpio: Any) -> Any:
    """Subclasses of gpiozero's, made here because importing their bases needs lgpio."""
    from gpiozero.exc import PinUnknownPi  # noqa: PLC0415 - nothing of gpiozero before it is asked for

    class LockPin(pins.LGPIOPin):  # type: ignore[misc]
        def output_with_state(self, state: Any) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))  # noqa: SLF001 - no accessor

        def close(self) -> None:
            # gpiozero keeps both until its factory closes: the line, and a callback that ends the thread of all
            # callbacks when it is called after its owner has gone.
            # Each may find the line busy for as long as lgpio's own thread has not let an input's alerts go.
            for step in (self._forget_callback, super().close, self._free):
                with contextlib.suppress(lgpio.error):
                    step()

        def _forget_callback(self) -> None:
            self.when_changed = None

        def _free(self) -> None:
            if self.factory._handle is not None:  # noqa: SLF001
                lgpio.gpio_free(self.factory._handle, self._number)  # noqa: SLF001

    class LockFactory(pins.LGPIOFactory):  # type: ignore[misc]
        def __init__(self, chip: int) -> None:
            super().__init__(chip=chip)
            self.pin_class = LockPin
            # gpiozero keeps these once for all chips, so line 17 of a second chip would be that of the first.
            self.pins: dict[Any, Any] = {}
            self._reservations: Any = collections.defaultdict(list)
            self._res_lock = threading.Lock()

        def _get_revision(self) -> int:
            try:
                return int(super()._get_revision())
            except PinUnknownPi:
                return PI_4B

    return LockFactory
