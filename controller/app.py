"""The composition root: joins board, perception, lane, journal and link into one TaskGroup.

It is the only file that knows all rooms. Whatever ends the program, a signal, the end of a rehearsal or a crash of any
task, leads through one shutdown: capture threads are told to stop, the lamp shows out of service, the gate is closed
with its outputs at their safe level.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

from controller.errors import EngineError
from controller.follow.access import access_of, wall_clock
from controller.footing_state import FootingState
from controller.health.device import Health
from controller.health.followed import Followed, Stated
from controller.lane import events as ev
from controller.lane.machine import Lane
from controller.lane.model import FaultKind, Remark
from controller.observe.log import get_logger
from controller.perception.resolution import lens_fault
from controller.readers.credentials import REPEAT, CredentialDesk
from controller.record.boot import clock_state
from controller.runner import Runner
from controller.sight.capture import Capture
from controller.sight.eyes import Eyes
from hw.errors import DeviceError
from hw.executor import ClockExecutor
from hw.ports import ACTIVE_AT_REST, ImageFrame, Side, Signal, ThermalFrame, ThermalInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.bank import Bank
    from controller.config import Config
    from controller.gallery.credentials import CredentialBook
    from controller.gallery.index import GalleryIndex
    from controller.health.device import Report
    from controller.lane.access.keeper import Access
    from controller.lane.access.times import Moment
    from controller.perception.pipeline import History
    from controller.perception.types import FaceEngine
    from controller.runner import JournalPort
    from controller.sight.capture import Device
    from controller.watch import Watch
    from hw.board import Board
    from hw.ports import Supply

SELF_TEST_SECONDS = 15.0
"""How long devices may take to deliver their first frame."""
SUPERVISE_EVERY = 0.5
MAX_ABANDONED = 3
"""Hung device threads after which the process restarts itself: each holds memory and a file."""

FAULTS = {"thermal": FaultKind.SENSOR_THERMAL, "camera": FaultKind.CAMERA}
"""What the loss of a device is to the lane."""

F = TypeVar("F", ThermalFrame, ImageFrame)

log = get_logger("app")


class _Finished(Exception):  # noqa: N818 - not an error: ends the task group
    """What ran beside the lane has ended, so the lane ends as well."""


class Service(Protocol):
    """Something that runs beside the lane for as long as it does: the campus link, the journal's housekeeping."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class App:
    """One lane on one board.

    `bank`: what it shares with another one there; `access`: who may pass, None: as gate.toml says; `moment`: reads the
    wall clock; `alarms`: that nobody had acknowledged when the program ended.

    Raises `EngineError` when a rehearsal-only engine is to stand before a real lock.
    """

    def __init__(
        self,
        config: Config,
        board: Board,
        *,
        engine: FaceEngine,
        gallery: GalleryIndex,
        journal: JournalPort,
        services: tuple[Service, ...] = (),
        watches: tuple[Watch, ...] = (),
        history: History | None = None,
        credentials: CredentialBook | None = None,
        bank: Bank | None = None,
        access: Access | None = None,
        moment: Callable[[], Moment] = wall_clock,
        alarms: tuple[str, ...] = (),
    ) -> None:
        if board.real and engine.rehearsal_only:
            raise EngineError(
                f"the {engine.name} engine is for rehearsals only and never stands before a real lock; "
                "get the models with `thermogate models pull` and set [perception] engine"
            )
        self.config = config
        self.board = board
        self.access = access or access_of(config, gallery.person, None if bank is None else bank.whereabouts)
        self.lane = Lane(config.lane, self.access, None if bank is None else bank.interlock)
        self._lanes = [self.lane] if bank is None else bank.lanes
        if bank is not None:
            bank.lanes.append(self.lane)
        self.lane.when_free(lambda: self.post(ev.OtherLaneShut(now=board.clock.monotonic())))
        self.watches = watches
        self._alarms = alarms
        self._services = services
        self._down = set(FAULTS.values())
        self._all_up = asyncio.Event()
        self._started = asyncio.Event()
        self.captures: list[Capture[ThermalFrame] | Capture[ImageFrame]] = []
        self._disk = self._follow("journal")
        self.link_health = None if config.link is None else self._follow("link")
        """Fed by whoever runs the link."""
        encrypted = config.link is not None and config.link.tls is not None
        self.certificate_health = Stated("certificate", board.clock, self._on_health) if encrypted else None
        """Stated by whoever looks after the link's certificates."""
        self._reader_health = None if board.reader is None or credentials is None else self._follow("reader")
        self.runner = Runner(
            self.lane,
            board.gate,
            entry_side=Side(config.site.entry),
            journal=journal,
            append_timeout=config.store.append_timeout,
            degraded_without_disk=not config.lane.on_journal_failure_deny,
            latching=config.lane.kind == "turnstile" and config.gate.mode == "pulse",
            clock=board.clock,
            clock_state=clock_state,
            moment=moment,
            on_reassess=self._reassess,
            on_expect=lambda person, face: self.eyes.expect(person, face=face),
            watches=watches,
            arm=board.arm,
            disk=self._disk,
        )
        self._footing = FootingState(config, board)
        self.eyes = Eyes(
            engine,
            gallery.identify,
            config.perception,
            footing=self._footing.keeper,
            history=history,
            verify=gallery.verify,
            second_factor=gallery.needs_second_factor,
            clock=board.clock,
            executor=ClockExecutor(board.clock, 1, "perception") if bank is None else bank.perception,
            post=self.runner.post,
            watches=watches,
        )
        self.eyes.expect(self.lane.expected.person, face=self.lane.expected.face)
        self.desk = self._desk(gallery, credentials)

    def _desk(self, gallery: GalleryIndex, credentials: CredentialBook | None) -> CredentialDesk | None:
        """The reader's, where there is one."""
        reader, clock = self.board.reader, self.board.clock
        if reader is None or credentials is None or self._reader_health is None:
            return None
        return CredentialDesk(
            reader,
            credentials,
            gallery,
            clock=clock,
            executor=ClockExecutor(clock, 1, "credentials"),
            post=self.runner.post,
            health=self._reader_health,
            watches=self.watches,
            repeat=REPEAT if self.config.reader is None else self.config.reader.repeat,
        )

    def post(self, event: ev.LaneEvent) -> None:
        """Give the lane an event, on the loop's thread."""
        self.runner.post(event)

    async def run(self, beside: Callable[[], Awaitable[None]] | None = None) -> None:
        """Run the lane until cancelled, until a task crashes, or until `beside` returns."""
        loop = asyncio.get_running_loop()
        self.runner.attach(loop)
        try:
            self.board.gate.open(self.runner.on_edge)
            self._take_levels()
            if self.board.thermal_supply is not None:
                self.board.thermal_supply.open()
            self._start_captures(loop)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.runner.run(), name="runner")
                tasks.create_task(self.eyes.run(), name="eyes")
                tasks.create_task(self._supervise(), name="supervisor")
                tasks.create_task(self._self_test(), name="self-test")
                tasks.create_task(self._footing.run(), name="footing")
                if self.desk is not None:
                    tasks.create_task(self.desk.run(), name="credentials")
                for service in self._services:
                    tasks.create_task(service.run(), name=type(service).__name__)
                if beside is not None:
                    tasks.create_task(_until_done(beside), name="beside")
        except* _Finished:
            await self.runner.drain()
        finally:
            self._shutdown()

    @property
    def health(self) -> dict[str, Report]:
        """How each device is, and what else the lane leans on."""
        found = {capture.name: capture.report for capture in self.captures}
        others = {
            "reader": self._reader_health,
            "journal": self._disk,
            "link": self.link_health,
            "certificate": self.certificate_health,
        }
        return found | {name: one.report for name, one in others.items() if one is not None}

    def _follow(self, name: str) -> Followed:
        # As a device's: dice of its own, the same ones at each rehearsal.
        dice = Random(f"{self.config.site.name} {name}")  # noqa: S311 - no secret
        return Followed(name, self.board.clock, dice, self._on_health)

    @property
    def in_use(self) -> str | None:
        """Why the program should not end now, by any lane of the board; see `Lane.in_use`."""
        return next((reason for lane in self._lanes if (reason := lane.in_use) is not None), None)

    @property
    def ready(self) -> asyncio.Event:
        """Set once the self-test has ended, either way."""
        return self._started

    def _start_captures(self, loop: asyncio.AbstractEventLoop) -> None:
        board = self.board
        thermal = self._capture("thermal", board.make_thermal, self._on_thermal, loop, board.thermal_supply)
        camera = self._capture("camera", board.make_camera, self._on_picture, loop)
        camera.expect(self.config.camera.fps)
        self.captures = [thermal, camera]
        thermal.start()
        camera.start()

    def _capture(
        self,
        name: str,
        make: Callable[[], Device[F]],
        on_frame: Callable[[F], None],
        loop: asyncio.AbstractEventLoop,
        supply: Supply | None = None,
    ) -> Capture[F]:
        return Capture(
            name,
            make,
            clock=self.board.clock,
            loop=loop,
            on_frame=on_frame,
            on_up=lambda info: self._on_up(name, info),
            on_down=lambda error: self._on_down(name, error),
            on_health=lambda report: self._on_health(name, report),
            on_delay=self._on_delay,
            number=lambda frame: frame.sequence,
            # Every gate and device has dice of its own, and the same ones at each rehearsal.
            random=Random(f"{self.config.site.name} {name}"),  # noqa: S311 - no secret
            supply=supply,
        )

    def _shutdown(self) -> None:
        for capture in self.captures:
            capture.stop()
        self.eyes.close()
        if self.desk is not None:
            self.desk.close()
        try:
            self.runner.close()
        except DeviceError as error:
            log.error("lamp not set at shutdown", error=str(error))
        finally:
            self.board.gate.close()
            if self.board.thermal_supply is not None:
                self.board.thermal_supply.close()

    def _on_delay(self, stage: str, seconds: float) -> None:
        for watch in self.watches:
            watch.on_delay(stage, seconds)

    def _reassess(self, hold_off: float) -> None:
        self.eyes.reassess(hold_off)

    def _on_thermal(self, frame: ThermalFrame) -> None:
        self.eyes.feel(frame)
        for watch in self.watches:
            watch.on_thermal(frame)

    def _on_picture(self, frame: ImageFrame) -> None:
        self.eyes.see(frame)

    def _on_up(self, name: str, info: object) -> None:
        if isinstance(info, ThermalInfo):
            text = f"{info.model} {info.serial}, {info.frame_rate:g} Hz"
            for warning in info.warnings:
                log.warning("device", device=name, text=warning)
            self._check_lens(info)
        else:
            text = str(info)
        log.info("device up", device=name, text=text)
        for watch in self.watches:
            watch.on_device(name, up=True, text=text)

    def _check_lens(self, info: ThermalInfo) -> None:
        """The lens and the pixels on a face are a condition of measuring at all; identity goes on without."""
        if info.fov is None:
            return
        perception = self.config.perception
        registration, pixels = perception.registration, perception.screening.pixels
        fault = lens_fault(info.fov, (info.rows, info.columns), registration, pixels)
        if fault is not None:
            log.error("lens", text=fault)
        elif registration.homography is None and info.fov != registration.thermal_fov:
            told = " x ".join(f"{angle:g}" for angle in registration.thermal_fov)
            log.warning("lens", text=f"[perception.registration] thermal_fov says {told} degrees", sensor=info.model)
        self._footing.keeper.declare(None if fault is None else Remark.FEW_PIXELS)

    def _on_down(self, name: str, error: Exception) -> None:
        """An attempt to open or read it failed; what that makes of it comes as its health."""
        log.debug("device down", device=name, error=str(error))
        for watch in self.watches:
            watch.on_device(name, up=False, text=str(error))

    def _on_health(self, name: str, report: Report) -> None:
        """Good frames, not merely an open device, are what ends a loss."""
        tell = log.info if report.health is Health.OK else log.warning
        told = {"device": name, "health": report.health.value, "tries": report.tries, "reason": report.reason or None}
        tell("device health", **told)
        for watch in self.watches:
            watch.on_health(name, report)
        fault = FAULTS.get(name)
        if fault is None:
            return
        if report.health.usable == (fault not in self._down):
            return
        if report.health.usable:
            self._regain(fault)
        else:
            self._lose(fault)

    def _lose(self, fault: FaultKind) -> None:
        self._down.add(fault)
        if fault is FaultKind.CAMERA:
            self.eyes.go_blind(on=True)
        self.eyes.forget()
        self.post(ev.DeviceLost(now=self.board.clock.monotonic(), fault=fault))

    def _regain(self, fault: FaultKind) -> None:
        self._down.discard(fault)
        if fault is FaultKind.CAMERA:
            self.eyes.go_blind(on=False)
        if not self._down:
            self._all_up.set()
        if self._started.is_set():
            self.post(ev.DeviceBack(now=self.board.clock.monotonic(), fault=fault))

    def _take_levels(self) -> None:
        """Levels found are no edges: the gate reports changes only. A fire that burns already waits for nothing."""
        clock = self.board.clock
        self.post(ev.Booted(now=clock.monotonic(), alarms=self._alarms))
        for signal in Signal:
            level = self.board.gate.read(signal)
            # A door's and a barrier's sensors say nothing before they said something, and that is not "clear".
            at_rest = self.config.lane.kind == "turnstile" and level is (signal in ACTIVE_AT_REST)
            if level is not None and not at_rest:
                self.runner.on_level(signal, clock.monotonic(), active=level)

    async def _self_test(self) -> None:
        clock = self.board.clock
        try:
            async with asyncio.timeout(SELF_TEST_SECONDS):
                await self._all_up.wait()
        except TimeoutError:
            log.warning("self-test", missing=sorted(fault.value for fault in self._down))
        if FaultKind.CAMERA in self._down:
            self.eyes.go_blind(on=True)
        now = clock.monotonic()
        faults = sorted(self._down, key=lambda fault: fault.value)
        if faults:
            self.post(ev.SelfTestFailed(now=now, fault=faults[0]))
            for fault in faults[1:]:
                self.post(ev.DeviceLost(now=now, fault=fault))
        else:
            self.post(ev.SelfTestPassed(now=now))
        self._started.set()

    async def _supervise(self) -> None:
        """Replace device threads that hang; after a few of those, end, and let the service manager start anew."""
        while True:
            await asyncio.sleep(SUPERVISE_EVERY)
            for capture in self.captures:
                if capture.silent_for <= capture.limits.hang_after:
                    continue
                if capture.counters.abandoned >= MAX_ABANDONED:
                    raise DeviceError(f"{capture.name}: its driver hung {MAX_ABANDONED + 1} times; restarting")
                log.error("device hangs", device=capture.name, seconds=round(capture.silent_for, 1))
                capture.abandon(DeviceError("its driver does not answer"))


async def _until_done(beside: Callable[[], Awaitable[None]]) -> None:
    await beside()
    raise _Finished
