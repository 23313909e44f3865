"""What a lane's devices offer the program above: four ports and the frames that pass through them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ThermalFrame:
    """One whole picture of a thermal array, merged from the newest of each subpage."""

    temperatures: NDArray[np.float32]
    """float32[rows, columns] object temperature To in °C; NaN where the sensor has no usable pixel."""
    ambient: float
    """Die temperature Ta in °C."""
    supply: float
    """Supply voltage in volts; NaN where the sensor does not tell."""
    timestamp: float
    """Monotonic seconds when the newest subpage was read."""
    sequence: int
    """Counts frames since the sensor was opened, from 0; a gap is a lost frame."""
    subpage: int
    """The subpage this frame renewed (0 or 1); the other half is one subpage older. 0 where frames come whole."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFrame:
    """One picture of the camera."""

    pixels: NDArray[np.uint8]
    """uint8[height, width, 3], BGR."""
    timestamp: float
    """Monotonic seconds at exposure."""
    sequence: int
    """Counts pictures since the camera was opened, from 0; a gap is one that did not come through."""


@dataclass(frozen=True, slots=True)
class ThermalInfo:
    """What a thermal sensor is."""

    model: str
    serial: str
    rows: int
    columns: int
    frame_rate: float
    """Frames (subpage renewals) a second."""
    noise: float
    """NETD of one pixel of one frame at this rate, K (1 sigma), from the data sheet."""
    warnings: tuple[str, ...] = ()
    """What an operator should know: bad pixels, a bus too slow for the rate."""
    fov: tuple[float, float] | None = None
    """Horizontal and vertical field of view, degrees; None where the sensor does not tell."""


class ThermalSensor(Protocol):
    """A thermal array. Calls block; one capture thread owns it. All raise `hw.errors.DeviceError` kinds."""

    def open(self) -> ThermalInfo:
        """Find, check and start the sensor; also re-initialises one that dropped off."""
        ...

    def read(self, timeout: float) -> ThermalFrame:
        """Wait for the next renewed frame.

        Raises `DeviceTimeout` when none came within `timeout` s, `NotReady` when none can come now (a shutter is
        closed: try again), `FrameError` for a torn or glitched one (try again), `BusError` when the device is off the
        bus or lost its settings (open again).
        """
        ...

    def close(self) -> None:
        """Stop; harmless when closed, and may be called from another thread."""
        ...


class Camera(Protocol):
    """A camera. Calls block; one capture thread owns it."""

    def open(self) -> str:
        """Open and start; returns a description for the log."""
        ...

    def read(self, timeout: float) -> ImageFrame:
        """Wait for the next picture.

        Raises `DeviceTimeout`, `FrameError` for one that is not whole (try again), `DeviceError` (open again), or
        `DeviceClosed` at a recording's end.
        """
        ...

    def close(self) -> None:
        """Stop; harmless when closed, and may be called from another thread."""
        ...


class Side(enum.Enum):
    """A turnstile's two directions. Configuration says which one is entry."""

    A = "a"
    B = "b"


class Signal(enum.Enum):
    """What a gate tells: its contacts, and what it finds out about its own relays.

    Which of them a gate has depends on what it is (`hw.gate_settings`, `hw.kind_settings`).
    """

    PASS_A = "pass_a"
    PASS_B = "pass_b"
    READY = "ready"
    INTRUSION = "intrusion"
    """The turnstile's own sensor saw somebody climb or crawl through."""
    FIRE = "fire"
    TAMPER = "tamper"
    MAINS = "mains"
    """There is mains; inactive: the gate runs on its battery."""
    KEY = "key"
    RELAY_A = "relay_a"
    """The relay of side A has not been what was commanded for longer than a relay takes; no contact of its own."""
    RELAY_B = "relay_b"

    # A door's
    DOOR = "door"
    """Active: the door is open."""
    REX = "rex"
    """Active: somebody inside asks for the door."""
    SECURE = "secure"
    """Active: the lock holds."""

    # A barrier's
    LOOP_FRONT = "loop_front"
    LOOP_ARM = "loop_arm"
    LOOP_EXIT = "loop_exit"
    PHOTOCELL = "photocell"
    """Active: the beam is broken."""
    LOOP_FAULT = "loop_fault"
    """Active: the detector of the loop under the arm can't be relied on."""
    PHOTOCELL_FAULT = "photocell_fault"
    ARM_UP = "arm_up"
    ARM_DOWN = "arm_down"
    POWER_FAIL = "power_fail"
    """Active: the barrier has no mains."""


RELAY_FAULTS: Final = {Side.A: Signal.RELAY_A, Side.B: Signal.RELAY_B}
CONTACTS: Final = tuple(signal for signal in Signal if signal not in RELAY_FAULTS.values())
"""Signals that are a line each."""
ACTIVE_AT_REST: Final = frozenset({Signal.READY, Signal.MAINS})
"""Signals that are active while all is well; the others are not."""


class Lamp(enum.Enum):
    """What the lamp and buzzer tell the passer-by."""

    IDLE = "idle"
    LOOK = "look"
    GO = "go"
    STOP = "stop"
    WAIT = "wait"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Edge:
    """A debounced change of an input."""

    signal: Signal
    active: bool
    timestamp: float
    """Monotonic seconds of the first edge (before debounce)."""
    cause: str | None = None
    """What the gate knows of why: of a relay, "welded" or "dead"."""


class Gate(Protocol):
    """A turnstile. Calls are short (one register write) and may be made from any thread.

    Opening a gate, closing it and losing the program leave every output at its safe level; none of them moves a lock.
    """

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim the lines at their safe level and start to report inputs to `on_edge`, from a thread of the gate."""
        ...

    def read(self, signal: Signal) -> bool | None:
        """The present level of an input; None where it is not wired."""
        ...

    def unlock(self, side: Side, seconds: float) -> None:
        """Energise the unlock relay of `side` for `seconds`; longer than the hard cap raises ValueError.

        Pulse mode ends by itself, on a thread that needs no event loop.
        """
        ...

    def hold(self, side: Side, *, on: bool) -> None:
        """Hold `side` free (FREE and EMERGENCY states), or end that. Not subject to the pulse cap."""
        ...

    def relock(self, side: Side) -> None:
        """End a pulse or hold of `side` at once."""
        ...

    def stop(self, *, on: bool) -> None:
        """Assert the turnstile's STOP input, which blocks entry; never egress."""
        ...

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        """Show `lamp`; `silent`: without the buzzer, alarms included."""
        ...

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        ...

    def close(self) -> None:
        """Outputs safe, lines released; harmless when closed."""
        ...


class MachineReboot(Protocol):
    """The way to restart this machine."""

    async def refusal(self) -> str | None:
        """Why it may not be restarted by this program, in words; None: it may."""
        ...

    async def reboot(self) -> None:
        """Restart it: every service, this program too, is told to end. Raises `hw.errors.DeviceError` if refused."""
        ...


class Supply(Protocol):
    """The switch of a device's supply. Calls block for as long as they take."""

    def open(self) -> None:
        """Claim the line with the supply on. Raises `hw.errors.DeviceError` naming it."""
        ...

    def cycle(self) -> None:
        """Cut the supply for long enough to reset the device, and wait until it may be spoken to again."""
        ...

    def close(self) -> None:
        """Leave the supply on and let the line go; harmless when closed."""
        ...


class HardwareWatchdog(Protocol):
    """A timer outside the program that resets the board when it is not fed. Calls are short."""

    def open(self) -> float:
        """Start it; returns the seconds it waits. Raises `hw.errors.DeviceError` naming the device and the fix."""
        ...

    def feed(self) -> None:
        """Begin its wait anew. Raises `hw.errors.DeviceError`."""
        ...

    def close(self) -> None:
        """Stop it, where it lets itself be stopped; harmless when closed."""
        ...


class BarrierArm(Protocol):
    """The arm of a barrier, beside its `Gate`, whose `unlock` and `hold` send it up. May be called from any thread."""

    def lower(self) -> bool:
        """Send the arm down; False, and nothing moves, where the lines say that something may be under it."""
        ...

    def lift(self) -> None:
        """Send it up at once."""
        ...


class ReadKind(enum.Enum):
    """What a credential reader read."""

    CARD = "card"
    QR = "qr"
    """The text of a QR or bar code."""
    PIN = "pin"
    """`NUMBER*PIN`, as it was keyed in."""
    PLATE = "plate"
    """A vehicle's number plate, as a camera that reads them types it."""


@dataclass(frozen=True, slots=True)
class CredentialRead:
    """One credential that was presented."""

    kind: ReadKind
    value: str = field(repr=False)
    """The card's number, `FACILITY-NUMBER` where it has both; never to be logged."""
    timestamp: float
    """Monotonic seconds at its end."""


@dataclass(frozen=True, slots=True)
class ReaderState:
    """What became of a reader after it was opened."""

    up: bool
    text: str
    tampered: bool | None = None
    """Its housing was opened or closed; None: that is not what this tells."""


def unheard(_state: ReaderState) -> None:
    """Nobody listens for the states of a reader."""


class CredentialReader(Protocol):
    """A card, code or PIN reader. Reads come from a thread of the reader; a device that is lost is looked for again."""

    def open(self, on_read: Callable[[CredentialRead], None], on_state: Callable[[ReaderState], None] = unheard) -> str:
        """Start; returns a description for the log. Raises `hw.errors.DeviceError` kinds where it is not there.

        `on_state` is told, from the same thread, when the reader is lost, back, or opened by somebody.
        """
        ...

    def close(self) -> None:
        """Stop and let the device go; harmless when closed."""
        ...


@runtime_checkable
class ReaderLamp(Protocol):
    """A reader that has a lamp of its own."""

    def indicate(self, lamp: Lamp) -> None:
        """Show `lamp`; returns at once, from any thread."""
        ...


class CredentialSender(Protocol):
    """Wires to another controller that takes this gate for a card reader."""

    def open(self) -> str:
        """Claim the wires; returns a description for the log. Raises `hw.errors.DeviceError` kinds."""
        ...

    def send(self, number: str) -> None:
        """Send a card's number, `FACILITY-NUMBER` where it has both; blocks its thread for a tenth of a second.

        Raises ValueError for a number that the format cannot carry (the message does not repeat it), `PulseError` where
        what came out is no card for sure, another `hw.errors.DeviceError` where the wires are gone.
        """
        ...

    def close(self) -> None:
        """Let the wires go; harmless when closed."""
        ...
