"""Boards: real, simulated, or playing a recording. The only place that chooses; all code above runs unchanged on each.

Importing this module loads neither side: a real board needs no simulation, a rehearsal no I2C library.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hw.clock import SystemClock
from hw.drivers.barrier import GpioBarrier
from hw.drivers.camera import CameraDriver
from hw.drivers.door import GpioDoor
from hw.drivers.gate import GpioGate
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.drivers.probe import told_otherwise
from hw.drivers.screen import ScreenDriver
from hw.drivers.speaker import LOOK_EVERY, SpeakerDriver
from hw.drivers.thermal import thermal_driver
from hw.drivers.wedge import WedgeReader
from hw.drivers.wiegand import WiegandReader
from hw.drivers.wiegand_out import WiegandSender
from hw.drivers.wiring import WiringFinding, check_wiring
from hw.errors import DeviceError, DeviceMissing, words
from hw.kind_settings import BarrierSettings, DoorSettings
from hw.linux import devices as linux
from hw.settings import GateSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

    from hw.bus import PulseTrain
    from hw.clock import Clock
    from hw.kind_settings import Wiring
    from hw.output_ports import ScreenPanel, Speaker
    from hw.output_settings import PanelSettings, SpeakerSettings
    from hw.ports import (
        BarrierArm,
        Camera,
        CredentialReader,
        CredentialSender,
        Gate,
        HardwareWatchdog,
        MachineReboot,
        Supply,
        ThermalSensor,
    )
    from hw.sender_settings import WiegandOutSettings
    from hw.settings import CameraSettings, ReaderSettings
    from hw.sim.barrier import SimulatedBarrier
    from hw.sim.door import SimulatedDoor
    from hw.sim.mlx90640_flaws import Imperfections
    from hw.sim.panel import SimulatedPanel
    from hw.sim.reader import SimulatedKeys, SimulatedWires
    from hw.sim.recorded import Recording
    from hw.sim.thermal import ThermalRig
    from hw.sim.turnstile import SimulatedTurnstile
    from hw.sim.world import World
    from hw.thermal_settings import Mlx90640Settings, ThermalSettings
    from hw.watchdog_settings import WatchdogSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Board:
    """The devices of one lane and the time they live in.

    `make_thermal` and `make_camera` give a new, unopened device each time: a driver that hangs is left behind and
    replaced.
    """

    name: str
    real: bool
    """Whether a lock hangs on it. A rehearsal-only engine refuses to start where this is true."""
    clock: Clock
    make_thermal: Callable[[], ThermalSensor]
    make_camera: Callable[[], Camera]
    gate: Gate
    reader: CredentialReader | None = None
    sender: CredentialSender | None = None
    """Another controller, which takes this gate for a reader."""
    wall: Callable[[], float] | None = None
    """The date: Unix seconds by the machine's clock, right or wrong; None: this board's time has no date."""
    arm: BarrierArm | None = None
    """The arm of a barrier, whose `gate` is the same device."""
    speaker: Speaker | None = None
    screen: ScreenPanel | None = None
    thermal_supply: Supply | None = None
    """None: the sensor's supply can't be cut."""
    watchdog: HardwareWatchdog | None = None
    reboot: MachineReboot | None = None
    """None: this machine is not the board's to restart."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run` in this board's time."""
        if self.real:
            return asyncio.run(main)
        from hw.sim.loop import run  # noqa: PLC0415 - a real board loads no simulation

        return run(main, self.clock)


@dataclass(frozen=True, slots=True)
class Sensors:
    """What one lane sees with, and nothing that could move a lock. As in `Board`, each call gives a new device."""

    name: str
    clock: Clock
    make_thermal: Callable[[], ThermalSensor]
    make_camera: Callable[[], Camera]
    taking_part: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    """Around each use of a device: simulated time moves for those who take part in it, and real time for all."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the world of a simulated board is made of: for the director of a rehearsal, not for the program."""

    world: World
    thermal: ThermalRig
    turnstile: SimulatedTurnstile
    reader: SimulatedWires | SimulatedKeys | None = None
    panel: SimulatedPanel | None = None


@dataclass(frozen=True, slots=True)
class KindSimulation:
    """The same of a door or a barrier."""

    world: World
    thermal: ThermalRig
    mechanics: SimulatedDoor | SimulatedBarrier
    reader: SimulatedWires | SimulatedKeys | None = None


def linux_board(
    thermal: ThermalSettings,
    camera: CameraSettings,
    gate: Wiring,
    reader: ReaderSettings | None = None,
    wiegand_out: WiegandOutSettings | None = None,
    *,
    speaker: SpeakerSettings | None = None,
    screen: PanelSettings | None = None,
    watchdog: WatchdogSettings | None = None,
) -> Board:
    """Devices of this machine. Nothing is opened yet; see `missing`."""
    from hw.linux.gpio import pin_factory  # noqa: PLC0415 - a rehearsal needs no GPIO library

    clock = SystemClock()
    pins = pin_factory(gate)
    closed_by, arm = _gate(gate, pins, clock)
    return Board(
        name="linux",
        real=True,
        clock=clock,
        make_thermal=lambda: linux.thermal_sensor(thermal, clock, pins=pins),
        make_camera=lambda: CameraDriver(linux.camera_frames(camera, clock), camera, clock),
        gate=closed_by,
        reader=None if reader is None else linux.credential_reader(reader, pins, clock),
        sender=None if wiegand_out is None else linux_sender(wiegand_out, gate),
        wall=time.time,
        arm=arm,
        speaker=None if speaker is None else linux_speaker(speaker, clock),
        screen=None if screen is None or screen.driver == "none" else linux_screen(screen),
        thermal_supply=linux.thermal_supply(thermal, pins, clock),
        watchdog=None if watchdog is None else linux.hardware_watchdog(watchdog),
        reboot=linux.machine_reboot(),
    )


def _gate(wiring: Wiring, pins: Any, clock: Clock) -> tuple[Gate, BarrierArm | None]:
    """What closes the lane, by the kind of its wiring."""
    if isinstance(wiring, BarrierSettings):
        barrier = GpioBarrier(wiring, pins, clock)
        return barrier, barrier
    if isinstance(wiring, DoorSettings):
        return GpioDoor(wiring, pins, clock), None
    return GpioGate(wiring, pins, clock), None


def linux_sensors(thermal: ThermalSettings, camera: CameraSettings) -> Sensors:
    """Sensor and camera of this machine without its gate, whose lines may belong to a lane that runs."""
    clock = SystemClock()
    return Sensors(
        name="linux",
        clock=clock,
        make_thermal=lambda: linux.thermal_sensor(thermal, clock),
        make_camera=lambda: CameraDriver(linux.camera_frames(camera, clock), camera, clock),
    )


def rehearsal_board(
    thermal: ThermalSettings, camera: CameraSettings, wiring: Wiring
) -> tuple[Board, SimulatedTurnstile | SimulatedDoor | SimulatedBarrier]:
    """Sensor and camera of this machine before simulated mechanics, to be closed: all is real but the lock."""
    from hw.sim.turnstile import SimulatedTurnstile  # noqa: PLC0415

    seen = linux_sensors(thermal, camera)
    clock = seen.clock
    mechanics = SimulatedTurnstile(wiring, clock) if isinstance(wiring, GateSettings) else _mechanics(wiring, clock)
    gate, arm = _gate(wiring, mechanics.pin_factory, clock)
    board = Board(
        name="rehearsal",
        real=False,
        clock=clock,
        make_thermal=seen.make_thermal,
        make_camera=seen.make_camera,
        gate=gate,
        wall=time.time,
        arm=arm,
    )
    return board, mechanics


def _mechanics(wiring: DoorSettings | BarrierSettings, clock: Clock, seed: int = 0) -> SimulatedDoor | SimulatedBarrier:
    from hw.sim.barrier import SimulatedBarrier  # noqa: PLC0415 - a real board loads no simulation
    from hw.sim.door import SimulatedDoor  # noqa: PLC0415

    if isinstance(wiring, DoorSettings):
        return SimulatedDoor(wiring, clock, seed=seed)
    return SimulatedBarrier(wiring, clock, seed=seed)


def linux_reader(reader: ReaderSettings, gate: Wiring) -> CredentialReader:
    """The reader of this machine alone, to learn a card's number; not while a lane has it."""
    from hw.linux.gpio import pin_factory  # noqa: PLC0415

    pins = pin_factory(gate) if reader.driver == "wiegand" else None
    return linux.credential_reader(reader, pins, SystemClock())


def linux_speaker(settings: SpeakerSettings, clock: Clock) -> Speaker:
    """The loudspeaker of this machine."""
    from hw.linux.aplay import AplayPlayer  # noqa: PLC0415 - only where there is one

    return SpeakerDriver(AplayPlayer(settings.device), clock)


def linux_screen(settings: PanelSettings) -> ScreenPanel:
    """The panel of this machine."""
    from hw.linux.framebuffer import LinuxFramebuffer  # noqa: PLC0415 - as above

    return ScreenDriver(LinuxFramebuffer(settings.device), settings.rotate)


def file_screen(path: Path, size: tuple[int, int]) -> ScreenPanel:
    """A panel that is a PNG file, for a rehearsal."""
    from hw.sim.screen import PictureFile  # noqa: PLC0415 - a real board loads no simulation

    return PictureFile(path, size)


def play_once(settings: SpeakerSettings, sound: bytes) -> None:
    """Play a WAV file and wait for its end; to try a loudspeaker. Raises `DeviceError` kinds."""
    from hw.linux.aplay import AplayPlayer  # noqa: PLC0415

    playing = AplayPlayer(settings.device).start(sound)
    while not playing.ended():
        time.sleep(LOOK_EVERY)


def linux_sender(settings: WiegandOutSettings, gate: Wiring) -> WiegandSender:
    """The wires of this machine to another controller; nothing is opened yet."""
    from hw.linux.pulses import GpioPulses, SerialPulses  # noqa: PLC0415

    train: PulseTrain
    if settings.port0 is not None and settings.port1 is not None:
        train = SerialPulses((settings.port0, settings.port1), priority=settings.priority)
    else:
        train = GpioPulses(
            f"/dev/gpiochip{gate.chip}",
            (settings.d0 or 0, settings.d1 or 0),
            sense=None if settings.sense0 is None or settings.sense1 is None else (settings.sense0, settings.sense1),
            inverted=settings.inverted,
            priority=settings.priority,
        )
    return WiegandSender(settings, train, SystemClock())


def missing(
    thermal: ThermalSettings, camera: CameraSettings, gate: Wiring, reader: ReaderSettings | None = None
) -> list[str]:
    """Open each device of this machine in turn and close it: what is not there, a line each; empty when all is well.

    Moves no lock: the gate's lines are not claimed, only its chip is opened.
    """
    from hw.linux.cameras import first_picture  # noqa: PLC0415
    from hw.linux.gpio import pin_factory  # noqa: PLC0415

    clock = SystemClock()
    found: list[str] = []

    def attempt(name: str, probe: Callable[[], None]) -> None:
        try:
            probe()
        except DeviceError as error:
            found.append(f"{name}: {words(error)}")

    def probe_thermal() -> None:
        sensor = linux.thermal_sensor(thermal, clock)
        try:
            sensor.open()
        except DeviceError as error:
            other = told_otherwise(linux.i2c_bus(thermal), thermal)
            raise DeviceError(f"{words(error)}; {other}" if other else words(error)) from error
        finally:
            sensor.close()

    def probe_camera() -> None:
        device = CameraDriver(linux.camera_frames(camera, clock), camera, clock)
        try:
            device.open()
            first_picture(device)
        finally:
            device.close()

    attempt("thermal sensor", probe_thermal)
    attempt("camera", probe_camera)
    attempt("gate", lambda: pin_factory(gate).close())
    if reader is not None and reader.device is not None:
        attempt("reader", lambda: linux.probe_keys(str(reader.device)))
    if reader is not None and reader.port is not None:
        attempt("reader", lambda: linux.probe_port(reader))
    return found


def linux_bus_hertz(thermal: Mlx90640Settings) -> float:
    """How fast the thermal sensor's bus is, hertz, by a timed read of its EEPROM. Raises `DeviceError` kinds."""
    from hw.drivers.bus_speed import MLX90640_EEPROM, MLX90640_WORDS, bus_hertz  # noqa: PLC0415

    bus = linux.i2c_bus(thermal)
    try:
        return bus_hertz(bus, thermal.address, MLX90640_EEPROM, 2 * MLX90640_WORDS, SystemClock())
    finally:
        bus.close()


def wiring(gate: Wiring, devices: Path = Path("/dev")) -> list[WiringFinding]:
    """Look at every line of the lane on this machine, one finding a line; while no lane runs. Moves no lock."""
    from hw.linux.gpio_lines import LinuxGpioLines  # noqa: PLC0415

    node = devices / f"gpiochip{gate.chip}"
    try:
        lines = LinuxGpioLines(node)
    except DeviceError as error:
        fix = f"`chip` in [{gate.SECTION}] chooses another"
        return [WiringFinding(f"{gate.SECTION} chip", ok=False, text=str(error), fix=fix)]
    try:
        return check_wiring(gate, lines)
    finally:
        lines.close()


def simulated_board(
    thermal: ThermalSettings,
    camera: CameraSettings,
    gate: GateSettings,
    *,
    clock: Clock,
    world: World,
    seed: int,
    imperfections: Imperfections | None = None,
    reader: ReaderSettings | None = None,
    wiegand_out: WiegandOutSettings | None = None,
) -> tuple[Board, Simulation]:
    """A board whose sensor, camera, turnstile and reader are simulated below the bus; the drivers are the shipped ones.

    An MLX90640 has the lens that the world's mount says. With `imperfections` its die settles above the room by their
    self-heating, and the scene reflects the room; without, die and room are equally warm, and Tr is 8 K below both.
    Raises ValueError where `world` is made for an array of another size than the sensor's.
    """
    from hw.sim.camera import WorldCamera  # noqa: PLC0415
    from hw.sim.lines import WiredFactory  # noqa: PLC0415
    from hw.sim.thermal import thermal_rig  # noqa: PLC0415
    from hw.sim.turnstile import SimulatedTurnstile  # noqa: PLC0415

    rig = thermal_rig(thermal, world, clock, seed=seed, imperfections=imperfections)
    turnstile = SimulatedTurnstile(gate, clock)
    board = Board(
        name="simulated",
        real=False,
        clock=clock,
        make_thermal=lambda: thermal_driver(thermal, clock, rig.bus, lambda _: rig.video, lambda _: rig.reset),
        make_camera=lambda: CameraDriver(WorldCamera(world, clock, camera.fps), camera, clock),
        gate=GpioGate(gate, turnstile.pin_factory, clock),
        # A line let go leaves the supply on, as the switch's resistor does.
        thermal_supply=linux.thermal_supply(
            thermal, WiredFactory(lambda _, level: rig.chip.power(on=level is not thermal.power_active_low)), clock
        ),
    )
    simulation = Simulation(world, rig, turnstile)
    if reader is not None:
        driver, played = _simulated_reader(reader, clock)
        board, simulation = replace(board, reader=driver), replace(simulation, reader=played)
    if wiegand_out is not None:
        from hw.sim.panel import SimulatedPanel  # noqa: PLC0415

        panel = SimulatedPanel(clock)
        sender = WiegandSender(wiegand_out, panel, clock)
        board, simulation = replace(board, sender=sender), replace(simulation, panel=panel)
    return board, simulation


def simulated_kind(
    thermal: ThermalSettings,
    camera: CameraSettings,
    wiring: DoorSettings | BarrierSettings,
    *,
    clock: Clock,
    world: World,
    seed: int,
    reader: ReaderSettings | None = None,
) -> tuple[Board, KindSimulation]:
    """`simulated_board` with a door or a barrier in the turnstile's place."""
    from hw.sim.camera import WorldCamera  # noqa: PLC0415
    from hw.sim.thermal import thermal_rig  # noqa: PLC0415

    rig = thermal_rig(thermal, world, clock, seed=seed)
    mechanics = _mechanics(wiring, clock, seed)
    gate, arm = _gate(wiring, mechanics.pin_factory, clock)
    driver, played = (None, None) if reader is None else _simulated_reader(reader, clock)
    board = Board(
        name="simulated",
        real=False,
        clock=clock,
        make_thermal=lambda: thermal_driver(thermal, clock, rig.bus, lambda _: rig.video, lambda _: rig.reset),
        make_camera=lambda: CameraDriver(WorldCamera(world, clock, camera.fps), camera, clock),
        gate=gate,
        reader=driver,
        arm=arm,
    )
    return board, KindSimulation(world, rig, mechanics, played)


def _simulated_reader(
    settings: ReaderSettings, clock: Clock
) -> tuple[CredentialReader, SimulatedWires | SimulatedKeys]:
    from hw.sim.reader import SimulatedKeys, SimulatedWires  # noqa: PLC0415

    if settings.driver == "osdp":
        raise DeviceMissing("[reader] osdp keeps the machine's own time: a rehearsal has Wiegand and USB readers only")
    if settings.driver == "wiegand":
        wires = SimulatedWires(clock)
        return WiegandReader(settings, wires, clock), wires
    keys = SimulatedKeys(clock)
    return WedgeReader(settings, keys, clock), keys


def recorded_board(
    thermal: Mlx90640Settings,
    camera: CameraSettings,
    gate: GateSettings,
    *,
    clock: Clock,
    recording: Recording,
    pictures: Path,
) -> tuple[Board, SimulatedTurnstile]:
    """A board that plays an MLX90640's recorded words and photographs, with a simulated turnstile behind them."""
    from hw.linux.pictures import PictureSource  # noqa: PLC0415
    from hw.sim.i2c import SimulatedI2cBus  # noqa: PLC0415
    from hw.sim.recorded import RecordedMlx90640  # noqa: PLC0415
    from hw.sim.turnstile import SimulatedTurnstile  # noqa: PLC0415

    chip = RecordedMlx90640(recording.eeprom, recording.frames, clock, loop=True)
    bus = SimulatedI2cBus({thermal.address: chip}, clock)
    turnstile = SimulatedTurnstile(gate, clock)
    board = Board(
        name="recorded",
        real=False,
        clock=clock,
        make_thermal=lambda: Mlx90640Driver(bus, thermal, clock),
        make_camera=lambda: CameraDriver(PictureSource(pictures, clock, fps=camera.fps, loop=True), camera, clock),
        gate=GpioGate(gate, turnstile.pin_factory, clock),
    )
    return board, turnstile
