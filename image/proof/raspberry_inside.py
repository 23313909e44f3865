"""The only program of the emulated Raspberry Pi: the shipped lane, runner, journal and gate driver on its pins.

The guard's order `OpenOnce` stands for a person: it takes the way of every grant, from the lane over the journal to the
relay, and needs neither camera nor sensor, which this machine has not. What the pins do is seen from outside; here it
is only said what was done.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

MARK: Final = "proof: "
GRANTS: Final = 3
POWER_OFF: Final = 0x4321FEDC
"""LINUX_REBOOT_CMD_POWER_OFF (linux/reboot.h)."""
SPARE: Final = 11
"""A line with nothing on it."""
STORE: Final = Path("/run/thermogate")


def say(text: str) -> None:
    """Tell the outside how far it is."""
    print(f"{MARK}{text}", flush=True)


def _mount() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"devtmpfs", b"/dev"), (b"tmpfs", b"/run")):
        if libc.mount(kind, place, kind, 0, None):
            raise OSError(ctypes.get_errno(), "mount", place.decode())


async def _grants() -> None:
    """A lane comes into service, lets in whom the guard says, and is closed."""
    from controller.lane import events as ev  # noqa: PLC0415 - what takes long to load is loaded when /proc is there
    from controller.lane.machine import Lane  # noqa: PLC0415
    from controller.lane.model import Direction, LaneSettings  # noqa: PLC0415
    from controller.record.journal import Journal  # noqa: PLC0415
    from controller.runner import Runner  # noqa: PLC0415
    from hw.board import linux_board  # noqa: PLC0415
    from hw.executor import ClockExecutor  # noqa: PLC0415
    from hw.ports import Side  # noqa: PLC0415
    from hw.settings import CameraSettings, GateSettings  # noqa: PLC0415
    from hw.thermal_settings import Mlx90640Settings  # noqa: PLC0415

    settings = GateSettings()
    board = linux_board(Mlx90640Settings(), CameraSettings(), settings)
    journal = Journal(STORE / "journal.sqlite3", ClockExecutor(board.clock, 1, "journal"), boot_id="0", serial="")
    await journal.open()
    lane = Lane(LaneSettings(passage_wait=1.0))
    runner = Runner(
        lane,
        board.gate,
        entry_side=Side.A,
        journal=journal,
        append_timeout=20.0,
        degraded_without_disk=False,
        latching=settings.mode == "pulse",
        clock=board.clock,
        clock_state=lambda: "none",
        on_reassess=lambda _: None,
    )
    runner.attach(asyncio.get_running_loop())
    for _ in range(3):
        board.gate.open(runner.on_edge)
        board.gate.close()
    say("opened and closed three times")
    board.gate.open(runner.on_edge)
    work = asyncio.create_task(runner.run())
    now = board.clock.monotonic
    runner.post(ev.Booted(now=now()))
    runner.post(ev.SelfTestPassed(now=now()))
    for number in range(GRANTS):
        say("order")
        order = ev.OpenOnce(now=now(), actor="guard", direction=Direction.ENTRY, grant_id=f"grant-{number}")
        runner.post(order)
        await asyncio.sleep(2.5)
    say(f"lane {lane.state.value}, {lane.illegal_events} impossible events")
    work.cancel()
    runner.close()
    board.gate.close()
    await journal.close()


def _hold() -> None:
    """A child in an unlock, killed: what the kernel leaves of the line is read from outside."""
    from hw.board import linux_board  # noqa: PLC0415
    from hw.ports import Side  # noqa: PLC0415
    from hw.settings import CameraSettings, GateSettings  # noqa: PLC0415
    from hw.thermal_settings import Mlx90640Settings  # noqa: PLC0415

    gate = linux_board(Mlx90640Settings(), CameraSettings(), GateSettings(mode="potential")).gate
    gate.open(lambda _: None)
    gate.unlock(Side.A, 15.0)
    say("held")
    time.sleep(5)
    say("to be killed")
    time.sleep(60)


def _spare() -> None:
    """What the look at the wiring makes of a released output; its register is read from outside meanwhile."""
    from hw.linux.gpio_lines import OUTPUT, LinuxGpioLines  # noqa: PLC0415

    lines = LinuxGpioLines(Path("/dev/gpiochip0"))
    held = lines._request(SPARE, OUTPUT)  # noqa: SLF001 - what `stays_driven` does, in steps
    say("spare driven")
    time.sleep(2)
    os.close(held)
    say("spare released")
    time.sleep(2)
    kept = "stays an output" if lines.stays_driven(SPARE) else "becomes an input"
    say(f"spare {kept}, told {lines.label}")
    lines.close()


def main() -> None:
    """Do all, and switch the machine off."""
    _mount()
    say("started")
    sys.path[:0] = ["/lib-board", "/site"]
    STORE.mkdir()
    asyncio.run(_grants())
    child = os.fork()
    if not child:
        _hold()
    time.sleep(9)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    say("killed")
    time.sleep(3)
    _spare()
    say("done")


if __name__ == "__main__":
    try:
        main()
    finally:
        ctypes.CDLL(None).reboot(POWER_OFF)
