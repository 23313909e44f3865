"""Capture threads: one owns a device, reads it, and posts frames into the loop. Nothing else happens there.

A device that fails is closed and opened again, with growing pauses. A read that hangs in a driver cannot be cancelled:
`Capture.abandon` leaves its thread to itself (a daemon that shutdown never joins) and a new one opens a new device.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hw.errors import DeviceClosed, DeviceError, DeviceTimeout, FrameError, NotReady

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hw.clock import Clock

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Device(Protocol[T_co]):
    """What a capture thread reads: a thermal sensor or a camera."""

    def open(self) -> object:
        """Open; returns what it is."""
        ...

    def read(self, timeout: float) -> T_co:
        """Wait for the next frame."""
        ...

    def close(self) -> None:
        """Release; may be called from another thread."""
        ...


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """Bounds of one capture thread, seconds unless said."""

    read_timeout: float = 1.0
    lost_after: float = 1.0
    """Without a good frame for this long the device counts as lost."""
    pause_at_most: float = 10.0
    """A device that says it is not ready is believed for so long, and then lost too."""
    first_pause: float = 0.25
    longest_pause: float = 5.0
    hang_after: float = 5.0
    """A thread that made no step for this long hangs in its driver."""


@dataclass(slots=True)
class CaptureCounters:
    """What happened to one device."""

    frames: int = 0
    bad_frames: int = 0
    not_ready: int = 0
    timeouts: int = 0
    failures: int = 0
    reopened: int = 0
    abandoned: int = 0
    lost: int = 0
    """Gaps in the frames' numbers: the device made them and they did not come through."""


class Capture(Generic[T]):
    """Keeps one device delivering.

    `on_frame`, `on_up(info)`, `on_down(error)` and `on_end` are called on the loop's thread. `number` tells a frame's
    place since its device was opened.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Device[T]],
        *,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        on_frame: Callable[[T], None],
        on_up: Callable[[object], None],
        on_down: Callable[[Exception], None],
        on_end: Callable[[], None] = lambda: None,
        number: Callable[[T], int] | None = None,
        limits: CaptureLimits | None = None,
    ) -> None:
        self.name = name
        self.counters = CaptureCounters()
        self.limits = limits or CaptureLimits()
        self._make = make
        self._clock = clock
        self._loop = loop
        self._on_frame = on_frame
        self._on_up = on_up
        self._on_down = on_down
        self._on_end = on_end
        self._number = number
        self._generation = 0
        self._stop = threading.Event()
        self._last_step = clock.monotonic()

    def start(self) -> None:
        """Start the thread."""
        self._last_step = self._clock.monotonic()
        generation = self._generation
        self._clock.spawn(lambda: self._run(generation), f"{self.name}-{generation}")

    def stop(self) -> None:
        """Ask the thread to end; does not wait for it."""
        self._generation += 1
        self._stop.set()

    @property
    def silent_for(self) -> float:
        """Seconds since the thread last made a step."""
        return self._clock.monotonic() - self._last_step

    def abandon(self) -> None:
        """Leave a thread that hangs, and start anew with a new device."""
        self.counters.abandoned += 1
        self._generation += 1
        self.start()

    def _current(self, generation: int) -> bool:
        return generation == self._generation

    def _post(self, generation: int, call: Callable[[], None]) -> None:
        def on_loop() -> None:
            if self._current(generation):
                call()

        try:
            self._loop.call_soon_threadsafe(on_loop)
        except RuntimeError:
            # The loop is closed: the program is ending, and nobody waits for this frame.
            self._generation += 1

    def _run(self, generation: int) -> None:
        pause = self.limits.first_pause
        while self._current(generation):
            delivered = self.counters.frames
            device = self._make()
            try:
                info = device.open()
                self._post(generation, lambda info=info: self._on_up(info))  # type: ignore[misc]
                self._deliver(generation, device)
            except DeviceClosed:
                self._post(generation, self._on_end)
                return
            except Exception as error:  # noqa: BLE001 - whatever a driver throws, the lane must learn of it and go on
                self.counters.failures += 1
                self._post(generation, lambda error=error: self._on_down(error))  # type: ignore[misc]
            finally:
                device.close()
            self._last_step = self._clock.monotonic()
            if self._current(generation):
                self.counters.reopened += 1
                if self.counters.frames > delivered:
                    pause = self.limits.first_pause
                self._clock.wait(self._stop, pause)
                pause = min(2 * pause, self.limits.longest_pause)

    def _deliver(self, generation: int, device: Device[T]) -> None:
        last_good = last_frame = self._clock.monotonic()
        expected = 0
        while self._current(generation):
            self._last_step = now = self._clock.monotonic()
            try:
                frame = device.read(self.limits.read_timeout)
            except FrameError as error:
                self.counters.bad_frames += 1
                if now - last_good > self.limits.lost_after:
                    raise DeviceError(f"{self.name}: no good frame for {now - last_good:.1f} s: {error}") from error
            except NotReady as error:
                self.counters.not_ready += 1
                # What it says of itself is not what a wire does to its frames, so it does not count with those.
                last_good = now
                if now - last_frame > self.limits.pause_at_most:
                    raise DeviceError(f"{self.name}: not ready for {now - last_frame:.1f} s: {error}") from error
            except DeviceTimeout:
                self.counters.timeouts += 1
                raise
            else:
                last_good = last_frame = now
                self.counters.frames += 1
                if self._number is not None:
                    place = self._number(frame)
                    self.counters.lost += max(0, place - expected)
                    expected = place + 1
                self._post(generation, lambda frame=frame: self._on_frame(frame))  # type: ignore[misc]
