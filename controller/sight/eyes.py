"""Between capture and lane: takes new frames to perception, off the loop, and posts to the lane what it finds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from controller.errors import EngineError, ImageError
from controller.lane import events as ev
from controller.lane.model import FaultKind
from controller.observe.log import get_logger
from controller.perception.pipeline import Perception
from controller.perception.presence import Change
from controller.sight.recognition import Recognition, nobody
from controller.sight.slots import LatestSlot, RecentFrames

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bank import LentExecutor
    from controller.perception.footing import FootingKeeper
    from controller.perception.linearity import LinearityResult
    from controller.perception.pipeline import History, Observation
    from controller.perception.settings import PerceptionSettings
    from controller.perception.types import FaceEngine, Identify
    from controller.sight.recognition import Verify
    from controller.watch import Watch
    from hw.clock import Clock
    from hw.executor import ClockExecutor
    from hw.ports import ImageFrame, ThermalFrame

HEAT_KEPT = 64
"""Thermal frames that may wait for a picture: four seconds at 16 Hz; more would not be this person's."""

log = get_logger("eyes")


class Eyes:
    """Drives one `Perception` on an executor of one thread, a step for each new picture.

    Args:
        engine: finds and compares faces.
        identify: the gallery's 1:N search.
        settings: [perception].
        footing: what the thermal sensor's absolute value rests on; only the executor's thread uses it from now on.
        history: everybody's earlier readings, where they are kept.
        verify: the gallery's 1:1 comparison, for whoever presents a card.
        second_factor: tells whether a person may not pass by their face alone.
        clock: the board's.
        executor: one worker; its thread is the only one that touches `Perception`.
        post: gives the lane an event.
        watches: told of pictures and of computing times.
    """

    def __init__(
        self,
        engine: FaceEngine,
        identify: Identify,
        settings: PerceptionSettings,
        *,
        footing: FootingKeeper | None = None,
        history: History | None = None,
        verify: Verify = nobody,
        second_factor: Callable[[str], bool] = lambda _: False,
        clock: Clock,
        executor: ClockExecutor | LentExecutor,
        post: Callable[[ev.LaneEvent], None],
        watches: tuple[Watch, ...] = (),
    ) -> None:
        self.pictures: LatestSlot[ImageFrame | None] = LatestSlot()
        """None: heat alone is to be looked at."""
        self.heat: RecentFrames[ThermalFrame] = RecentFrames(HEAT_KEPT)
        self._recognition = Recognition(engine, identify, verify)
        chosen = cast("FaceEngine", self._recognition)  # by delegation
        self._perception = Perception(chosen, self._recognition.identify, settings, footing, history)
        self._second_factor = second_factor
        self._claimed: str | None = None
        self._clock = clock
        self._executor = executor
        self._post = post
        self._watches = watches
        self._orders: list[Callable[[], None]] = []
        self._generation = 0
        self._presence = 0
        self._blind = False
        self._arrived = 0.0
        """When the newest picture came, by the clock."""

    def go_blind(self, *, on: bool) -> None:
        """There is no camera any more (heat alone tells who stands there), or there is one again."""
        self._blind = on
        self._order(lambda: self._perception.go_blind(on=on))

    def see(self, picture: ImageFrame) -> None:
        """Take a picture. On the loop's thread, as `feel`."""
        self._arrived = self._clock.monotonic()
        self.pictures.put(picture)

    def feel(self, frame: ThermalFrame) -> None:
        """Take a thermal frame: it waits for the next picture, or is looked at by itself where none will come."""
        self.heat.put(frame)
        if self._blind and not self.pictures.fresh:
            self.pictures.put(None)

    async def run(self) -> None:
        """Look at every new picture, or without a camera at every thermal frame, for ever."""
        while True:
            picture = await self.pictures.take()
            heat = self.heat.take_all()
            if picture is not None or heat:
                await self._look(picture, heat)

    def reassess(self, hold_off: float) -> None:
        """Begin a fresh attempt on whoever stands there, `hold_off` seconds from now."""
        not_before = self._clock.monotonic() + hold_off
        self._order(lambda: self._perception.reassess(not_before))

    def expect(self, person: str | None, *, face: bool) -> None:
        """Compare with this person alone, with everybody (None), or without `face` with nobody, from now on."""
        self._claimed = person

        def order() -> None:
            self._recognition.expect(person, face=face)
            self._perception.ask(face=face, claimed=person is not None)

        self._order(order)

    def forget(self) -> None:
        """Drop what was seen; whoever stands there approaches anew."""
        self.heat.take_all()
        self._order(self._perception.forget)

    @property
    def busy_for(self) -> float:
        """Seconds that the look under way has taken; 0 when there is none."""
        return self._executor.busy_for

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _order(self, order: Callable[[], None]) -> None:
        # Carried out on the executor's thread, before the next look; a look under way is of the old attempt.
        self._orders.append(order)
        self._generation += 1

    async def _look(self, picture: ImageFrame | None, heat: list[ThermalFrame]) -> None:
        generation = self._generation
        orders, self._orders = self._orders, []
        waited = self._clock.monotonic() - self._arrived
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            seen = await loop.run_in_executor(self._executor, self._observe, orders, picture, heat)
        except (ImageError, EngineError) as error:
            log.warning("picture not usable", error=str(error))
            return
        spent, laps = time.perf_counter() - started, self._recognition.take_laps()
        for watch in self._watches:
            watch.on_stage("perception", spent)
            for stage, seconds in laps:
                watch.on_stage(stage, seconds)
            if picture is not None:
                watch.on_delay("wait for a look", waited)
                watch.on_picture(picture, seen.faces)
        self._report(seen, stale=generation != self._generation)

    def _observe(
        self, orders: list[Callable[[], None]], picture: ImageFrame | None, heat: list[ThermalFrame]
    ) -> Observation:
        for order in orders:
            order()
        return self._perception.observe(picture, heat)

    def _report(self, seen: Observation, *, stale: bool) -> None:
        now = self._clock.monotonic()
        self._report_sensor(seen, now)
        if seen.change is Change.APPROACHED:
            self._presence += 1
            self._post(ev.Approached(now=now, presence=self._presence))
        elif seen.change is Change.LEFT:
            self._post(ev.Left(now=now))
        # Not where the lane asked for a fresh attempt while this one ended: that has begun by then.
        if seen.assessment is not None and not stale:
            match = seen.assessment.match
            found = ev.Assessed(
                now=now,
                assessment=seen.assessment,
                grant_id=uuid4().hex,
                presence=self._presence,
                seen_at=seen.timestamp,
                # Orders since that look began would have made it stale.
                claimed=self._claimed,
                second_factor=match is not None and self._second_factor(match.person),
            )
            self._post(found)

    def _report_sensor(self, seen: Observation, now: float) -> None:
        """Tell of the thermal sensor's self-tests, and whether it is fit to measure people."""
        for test in seen.tests:
            log.info("thermal self-test", passed=test.passed, slope=test.slope, worst=test.worst)
            self._post(ev.SelfTested(now=now, passed=test.passed, detail=_told(test)))
        if seen.fitness is None:
            return
        if seen.fitness.unfit is None:
            self._post(ev.DeviceBack(now=now, fault=FaultKind.SCREENING))
        else:
            self._post(ev.DeviceLost(now=now, fault=FaultKind.SCREENING, cause=seen.fitness.unfit.value))


def _told(test: LinearityResult) -> dict[str, str | float | bool]:
    """A self-test as its record has it."""
    points = {f"error_at_{point:g}": error for point, error in zip(test.points, test.errors, strict=False)}
    return {
        "test": "linearity",
        "complete": test.complete,
        "slope": test.slope,
        "worst": test.worst,
        "noise": test.noise,
        **points,
    }
