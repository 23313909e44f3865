"""Capture threads: one owns a device, reads it, and posts frames into the loop. Nothing else happens there.

When a device that failed is opened again, and when its supply is cut before, is `controller.health.device`'s to say. A
read that hangs in a driver cannot be cancelled: `Capture.abandon` leaves its thread to itself (a daemon that shutdown
never joins) and a new one opens a new device.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from controller.health.device import DeviceHealth, HealthLimits, Retry
from hw.errors import DeviceClosed, DeviceError, DeviceTimeout, FrameError, NotReady, words

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from controller.health.device import Report
    from hw.clock import Clock
    from hw.ports import Supply

T = TypeVar("T")
R = TypeVar("R")
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
    """A device that promised less than two frames a second is given the time of two."""
    pause_at_most: float = 10.0
    """A device that says it is not ready is believed for so long, and then lost too."""
    hang_after: float = 5.0
    """A thread that made no step for this long hangs in its driver."""
    health: HealthLimits = field(default_factory=HealthLimits)


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

    `on_frame`, `on_up(info)`, `on_down(error)`, `on_health(report)`, `on_delay(stage, seconds)` and `on_end` are called
    on the loop's thread; `on_health` once for each change.

    Args:
        name: how people name it.
        make: gives a new, unopened device.
        clock: the board's.
        loop: where frames are posted.
        random: the dice of the pauses.
        number: tells a frame's place since its device was opened.
        supply: switches the device's supply, where that is wired.
        limits: see there.
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
        on_health: Callable[[Report], None] = lambda _: None,
        on_delay: Callable[[str, float], None] = lambda _stage, _seconds: None,
        on_end: Callable[[], None] = lambda: None,
        random: Random | None = None,
        supply: Supply | None = None,
        number: Callable[[T], int] | None = None,
        limits: CaptureLimits | None = None,
    ) -> None:
        self.name = name
        self.counters = CaptureCounters()
        self.limits = limits or CaptureLimits()
        self._health = DeviceHealth(
            clock.monotonic(),
            random or Random(name),  # noqa: S311 - no secret
            self.limits.health,
            can_cycle=supply is not None,
        )
        self._told = self._health.report
        self._lock = threading.Lock()
        self._retry: Retry | None = None
        self._supply = supply
        self._on_health = on_health
        self._on_delay = on_delay
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

    @property
    def report(self) -> Report:
        """How the device is."""
        with self._lock:
            return self._health.report

    def expect(self, frames_a_second: float) -> None:
        """Say how many frames the device should deliver."""
        with self._lock:
            self._health.promised = frames_a_second

    def abandon(self, error: Exception) -> None:
        """Leave a thread that hangs, and start anew with a new device. On the loop's thread."""
        self.counters.abandoned += 1
        self._generation += 1
        self._retry = self._fail(self._generation, error)
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

    def _arrive(self, frame: T, read: float) -> None:
        """Take a frame on the loop's thread that was read at `read`, and tell how long its way took."""
        taken = getattr(frame, "timestamp", None)
        if isinstance(taken, float):
            self._on_delay(f"{self.name} read", read - taken)
            self._on_delay(f"{self.name} post", self._clock.monotonic() - read)
        self._on_frame(frame)

    def _note(self, generation: int, change: Callable[[DeviceHealth, float], R]) -> R | None:
        """Tell the device's health what happened, and the loop of what that changed; None for a thread left behind."""
        with self._lock:
            if not self._current(generation):
                return None
            outcome = change(self._health, self._clock.monotonic())
            report = self._health.report
            news = report.health is not self._told.health
            self._told = report
        if news:
            self._post(generation, lambda: self._on_health(report))
        return outcome

    def _fail(self, generation: int, error: Exception) -> Retry | None:
        self.counters.failures += 1
        self._post(generation, lambda: self._on_down(error))
        return self._note(generation, lambda health, now: health.failed(now, words(error)))

    def _run(self, generation: int) -> None:
        retry, self._retry = self._retry, None
        while self._current(generation):
            if retry is not None and not self._wait(generation, retry):
                return
            device = self._make()
            try:
                info = device.open()
                rate = getattr(info, "frame_rate", None)
                if rate is not None:
                    # At once: a sensor of one frame a second is not late after one second.
                    self.expect(rate)
                self._post(generation, lambda info=info: self._on_up(info))  # type: ignore[misc]
                self._note(generation, lambda health, now: health.opened(now))
                self._deliver(generation, device)
            except DeviceClosed:
                self._post(generation, self._on_end)
                return
            except Exception as error:  # noqa: BLE001 - whatever a driver throws, the lane must learn of it and go on
                retry = self._fail(generation, error)
            finally:
                device.close()
            self._last_step = self._clock.monotonic()

    def _wait(self, generation: int, retry: Retry) -> bool:
        """Sit out the pause and, where that is due, cut the supply; False when there is nothing to go on for."""
        self.counters.reopened += 1
        self._clock.wait(self._stop, retry.pause)
        self._last_step = self._clock.monotonic()
        if retry.power_cycle and self._supply is not None and self._current(generation):
            try:
                self._supply.cycle()
            except Exception as error:  # noqa: BLE001 - the device is tried all the same
                self._post(generation, lambda error=error: self._on_down(error))  # type: ignore[misc]
            self._last_step = self._clock.monotonic()
        return self._current(generation)

    def _deliver(self, generation: int, device: Device[T]) -> None:
        last_good = last_frame = self._clock.monotonic()
        expected = 0
        patience = max(self.limits.read_timeout, self._health.two_frames)
        while self._current(generation):
            self._last_step = now = self._clock.monotonic()
            try:
                frame = device.read(patience)
            except FrameError as error:
                self.counters.bad_frames += 1
                reason = str(error)
                if self._note(generation, lambda health, now, reason=reason: health.bad(now, reason)):  # type: ignore[misc]
                    raise DeviceError(f"{self.name}: no good frame for {now - last_good:.1f} s: {error}") from error
            except NotReady as error:
                self.counters.not_ready += 1
                # What it says of itself is not what a wire does to its frames, so it does not count with those.
                last_good = now
                self._note(generation, lambda health, now: health.waits(now))
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
                self._post(generation, partial(self._arrive, frame, self._clock.monotonic()))
                self._note(generation, lambda health, now: health.good(now))
