"""Checks of the gate driver on the kernel's pins: times, polarities, a second claimant, and a program that dies."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from hw.board import linux_board
from hw.drivers.gate import GpioGate
from hw.errors import DeviceError
from hw.ports import Side, Signal
from hw.settings import CameraSettings, GateSettings
from hw.thermal_settings import Mlx90640Settings
from image.proof.claims import spread
from image.proof.inside.check import Check, NotShown, need
from image.proof.inside.pins import Pins

if TYPE_CHECKING:
    from hw.ports import Edge

UNLOCKS: Final = 200
EDGES: Final = 50
KILLS: Final = 3
PULSES: Final = 20
PULSE: Final = 0.3
LATE: Final = 0.1
"""Seconds by which a pulse may end late on an emulated machine that shares its processors."""
EARLY: Final = 0.01
"""Seconds by which it may seem to end early: its beginning is noted before the line moves, and may be held up there."""

HOLDER: Final = """
import sys, time
from hw.ports import Side
from image.proof.inside.gate import gate
held = gate()
held.open(lambda edge: None)
held.unlock(Side.A, 1.5)
print("unlocked", flush=True)
time.sleep(60)
"""


@cache
def pins() -> Pins:
    """The chip of this machine."""
    return Pins()


def gate(*, active_low: bool = False, mode: Literal["pulse", "potential"] = "pulse") -> GpioGate:
    """The shipped gate on this machine's chip."""
    settings = GateSettings(chip=pins().chip, fire=16, outputs_active_low=active_low, mode=mode)
    made = linux_board(Mlx90640Settings(), CameraSettings(), settings).gate
    assert isinstance(made, GpioGate)  # noqa: S101 - a board's gate has counters besides
    return made


def _unlock() -> str:
    wires, tried = pins(), gate()
    tried.open(lambda _: None)
    calls: list[float] = []
    wires.watch()
    try:
        for _ in range(UNLOCKS):
            calls.append(time.monotonic())
            tried.unlock(Side.A, 1.0)
            need(wires.level(17), "the call returned and the line was not high")
            tried.relock(Side.A)
            need(not wires.level(17), "relock returned and the line was not low")
    finally:
        tried.close()
    rises = [setting.at for setting in wires.settings(17) if setting.level]
    need(len(rises) == UNLOCKS, f"{UNLOCKS} unlocks, {len(rises)} rising edges in the kernel's log")
    return spread([rise - call for call, rise in zip(calls, rises, strict=True)])


def _pulse() -> str:
    wires, tried = pins(), gate()
    tried.open(lambda _: None)
    wires.watch()
    try:
        for _ in range(PULSES):
            tried.unlock(Side.A, PULSE)
            time.sleep(PULSE + 0.05)
            while wires.level(17):
                time.sleep(0.005)
    finally:
        tried.close()
    settings = wires.settings(17)
    ons = [setting.at for setting in settings if setting.level]
    ends = [next(s.at for s in settings if s.at > on and not s.level) for on in ons]
    excess = [end - on - PULSE for on, end in zip(ons, ends, strict=True)]
    need(len(ons) == PULSES, f"{PULSES} pulses asked for, {len(ons)} seen")
    need(min(excess) > -EARLY and max(excess) < LATE, f"lengths off by {min(excess):.4f} to {max(excess):.4f} s")
    return f"longer than the {PULSE} s asked for by {spread(excess)}"


def _edge() -> str:
    wires, tried = pins(), gate()
    seen: list[tuple[Edge, float]] = []
    came = threading.Event()

    def note(edge: Edge) -> None:
        seen.append((edge, time.monotonic()))
        came.set()

    wires.pull(5, high=True)
    tried.open(note)
    noted: list[float] = []
    reported: list[float] = []
    try:
        for number in range(EDGES):
            came.clear()
            pulled = time.monotonic()
            wires.pull(5, high=bool(number % 2))
            need(came.wait(5), f"edge {number + 1} never came")
            edge, at = seen[-1]
            need(edge.signal is Signal.PASS_A and edge.active is not bool(number % 2), f"{edge} came")
            noted.append(edge.timestamp - pulled)
            reported.append(at - pulled)
            time.sleep(0.02)
        lost = tried.counters.lost_edges
        need(lost <= EDGES // 10, f"{lost} of {EDGES} edges were found by comparison of the levels only")
    finally:
        tried.close()
        wires.pull(5, high=True)
    told = f"stamped after {spread(noted)}; reported, 30 ms of debounce included, after {spread(reported)}"
    return f"{told}; {lost} found by comparison only"


def _still() -> str:
    wires = pins()
    for active_low in (False, True):
        # The resistor of docs/gate-wiring.md: each unlock line rests at its inactive level.
        for line in (17, 27):
            wires.pull(line, high=active_low)
        wires.watch()
        for _ in range(10):
            tried = gate(active_low=active_low)
            tried.open(lambda _: None)
            tried.close()
        moved = [setting for setting in wires.settings(17, 27) if setting.level is not active_low]
        for line in (17, 27):
            need(wires.level(line) is active_low, f"line {line} is active after closing")
            wires.pull(line, high=False)
        need(not moved, f"active low {active_low}: {len(moved)} settings to the active level")
    return "10 times each with active-high and active-low relays: no setting to the active level"


def _killed() -> str:
    wires = pins()
    taken: list[float] = []
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None  # noqa: S101 - it is a pipe
            holder.stdout.readline()
            need(wires.level(17), "the line was not high in the pulse")
            killed = time.monotonic()
            holder.kill()
            while wires.level(17):
                need(time.monotonic() - killed < 1.0, "the line is high 1 s after the program was killed")
            taken.append(time.monotonic() - killed)
    return f"released and low, by its pull-down, after {spread(taken)}"


def _claimed() -> str:
    first, second = gate(), gate()
    first.open(lambda _: None)
    try:
        second.open(lambda _: None)
    except DeviceError as error:
        text = str(error)
        need("unlock_a: GPIO line 17" in text and "gpioinfo" in text, text)
        return f"“{text}”"
    else:
        second.close()
        raise NotShown("a second gate got the line")
    finally:
        first.close()


CHECKS: Final = (
    Check("Unlock call → level", "GpioGate.unlock; the moment is the kernel's (tracepoint gpio_value)", _unlock),
    Check("A pulse has its length", f"{PULSE} s asked for; both edges by the kernel's log", _pulse),
    Check("Edge → event", "gpio-sim's pull is a kernel edge; Edge of the shipped driver", _edge, 120),
    Check("Opening and closing the gate moves no relay", "the kernel's log of the unlock lines", _still, 120),
    Check(
        "kill -9 in a pulse → locked", "the line's level in sysfs after SIGKILL of a process in a pulse", _killed, 180
    ),
    Check("A line that another program holds", "two gates on one chip; the error names line and remedy", _claimed),
)
