"""Checks of the whole program: `thermogate run` on the kernel's pins, sensor and camera, from the card to the arm."""

from __future__ import annotations

import contextlib
import time
from functools import cache
from typing import TYPE_CHECKING, Final

from image.proof.claims import duration, spread
from image.proof.inside import program
from image.proof.inside.cards import Reader
from image.proof.inside.check import CannotTry, Check, NotShown, need, tell
from image.proof.inside.gate import pins
from image.proof.inside.sensors import camera_node, sensor_chip

if TYPE_CHECKING:
    import subprocess

UNLOCK_A, UNLOCK_B, PASS_A, FIRE, D0, D1 = 17, 27, 5, 16, 20, 21
PASSAGES: Final = 3
CONTACT: Final = 0.3
"""Seconds that a passage contact is closed (TiSO)."""
DECIDES: Final = 30.0
"""Seconds from a card to its grant on an emulated processor."""
SETTLED: Final = 240.0
"""Seconds from power-on until an MLX90640 is taken at its word."""


@cache
def cards() -> Reader:
    """The card reader at the lane; its wires and all contacts rest high."""
    wires = pins()
    for line in (PASS_A, 6, FIRE):
        wires.pull(line, high=True)
    return Reader(wires, D0, D1)


class _Scene:
    """What outlasts a check: sensor, camera, somebody before the lane, and the program that runs."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._program: subprocess.Popen[str] | None = None
        self.grants = 0
        """Given since the log of the lines began."""

    def begin(self) -> None:
        """Set all up and start the program, with a new log of the lines. Raises CannotTry without models."""
        program.configure(pins().chip)
        program.give_card()
        tell("the card is given")
        camera_node()
        self._stack.enter_context(sensor_chip())
        tell("sensor and camera are there")
        cards()
        pins().watch()
        time.sleep(max(0.0, SETTLED - time.monotonic()))
        self.start()

    def start(self) -> None:
        """Start the program."""
        tell("the program starts")
        self._program = program.start()
        tell("its lane is in service")

    @property
    def running(self) -> subprocess.Popen[str]:
        """The program. Raises CannotTry where it does not run."""
        if self._program is None or self._program.poll() is not None:
            raise CannotTry("the program does not run: see the claim before this one")
        return self._program

    def end(self) -> None:
        """End the program in order, and take all away."""
        program.end(self.running)
        self._stack.close()


@cache
def scene() -> _Scene:
    """The one scene of these checks."""
    return _Scene()


def _rises(*lines: int) -> list[float]:
    return [setting.at for setting in pins().settings(*lines) if setting.level]


def _present() -> float:
    """Present the card until it was sent in time; returns when."""
    while True:
        began = time.monotonic()
        if cards().present(program.FACILITY, program.NUMBER):
            return began
        time.sleep(0.5)


def _granted() -> tuple[float, float]:
    """Present the card; returns the moments of the grant's record and of the relay."""
    presented = _present()
    try:
        tell("the card was presented")
        grant = program.wait_for("grant", presented, DECIDES)
        tell("granted")
    except NotShown:
        program.tell_log()
        raise
    scene().grants += 1
    deadline = time.monotonic() + 5
    while True:
        after = [at for at in _rises(UNLOCK_A) if at > presented]
        if after:
            return grant.monotonic, after[0]
        need(time.monotonic() < deadline, "a grant is recorded and no relay moved")


def _walk() -> tuple[float, float]:
    """Go through: returns the moments of the passage contact and of the relay's release."""
    wires = pins()
    closed = time.monotonic()
    wires.pull(PASS_A, high=False)
    time.sleep(CONTACT)
    wires.pull(PASS_A, high=True)
    program.wait_for("passage", closed - 1, 20, lambda record: "completed" in record.detail)
    falls = [s.at for s in wires.settings(UNLOCK_A) if not s.level and s.at > closed]
    need(falls, "the passage is complete, and the line was not released")
    return closed, falls[0]


def _lacking() -> str:
    program.configure(pins().chip)
    done = program.command("selftest", str(program.CONFIG))
    wrong = [line[len("WRONG") :].strip().split("  ") for line in done.stdout.splitlines() if line.startswith("WRONG")]
    said = {found[0]: found[-1].strip() for found in wrong}
    need(done.returncode == 1, f"status {done.returncode}")
    need("thermal sensor" in said and "camera" in said and "gate" not in said, done.stdout)
    need("no such I2C bus" in said["thermal sensor"] and "no such camera" in said["camera"], done.stdout)
    return f"status 1; “{said['thermal sensor']}”; “{said['camera']}”"


def _passages() -> str:
    scene().begin()
    recorded: list[float] = []
    released: list[float] = []
    for _ in range(PASSAGES):
        record, relay = _granted()
        recorded.append(relay - record)
        closed, opened = _walk()
        released.append(opened - closed)
        time.sleep(1)
    need(min(recorded) > 0, "a relay moved before its grant was recorded")
    return (
        f"{PASSAGES} of {PASSAGES} passages completed; grant recorded → relay {spread(recorded)}; passage contact → "
        f"line released, with 30 ms of debounce, {spread(released)}"
    )


def _killed() -> str:
    process = scene().running
    _granted()
    killed = time.monotonic()
    process.kill()
    while pins().level(UNLOCK_A):
        need(time.monotonic() - killed < 2, "the line is high 2 s after the program was killed")
    low = time.monotonic() - killed
    process.wait()
    return f"low, by its pull-down, after {duration(low)}"


def _restarts() -> str:
    if not scene().grants:
        raise CannotTry("no grant was given: see the claims before this one")
    scene().start()
    moved, grants = len(_rises(UNLOCK_A, UNLOCK_B)), scene().grants
    need(moved == grants, f"{moved} rising edges, {grants} grants")
    return f"two starts and a kill -9, {grants} grants: {moved} rising edges of the unlock lines"


def _fire() -> str:
    need(scene().running, "it does not run")
    began = time.monotonic()
    pins().pull(FIRE, high=False)
    try:
        program.wait_for("emergency", began, 20)
        rises = {line: [at for at in _rises(line) if at > began] for line in (UNLOCK_A, UNLOCK_B)}
        need(all(rises.values()), "a way was not freed")
        slower = max(rises[UNLOCK_A][0], rises[UNLOCK_B][0]) - began
        pins().pull(FIRE, high=True)
        time.sleep(2)
        need(pins().level(UNLOCK_A) and pins().level(UNLOCK_B), "the end of the alarm shut a way by itself")
    finally:
        pins().pull(FIRE, high=True)
    before = len(_rises(UNLOCK_A, UNLOCK_B))
    scene().end()
    need(not pins().level(UNLOCK_A) and not pins().level(UNLOCK_B), "the program ended and a line is high")
    need(len(_rises(UNLOCK_A, UNLOCK_B)) == before, "a line rose when the program ended")
    return f"both ways free {duration(slower)} after the edge, and still after the alarm; locked after SIGTERM"


CHECKS: Final = (
    Check("Missing devices are named", "`thermogate selftest` on a machine without sensor and camera", _lacking, 150),
    Check(
        "Card → grant on disk → relay → passage → locked",
        "`thermogate run`, potential mode, require = card: card, contact and relay are kernel edges",
        _passages,
        600,
    ),
    Check("kill -9 of the program in an unlock", "the line's level in sysfs after SIGKILL", _killed, 90),
    Check("Start and crash move no relay", "all rising edges of both unlock lines by the kernel's log", _restarts, 120),
    Check(
        "Fire, and an orderly end", "the panel's contact is a kernel edge; the kernel's log of both lines", _fire, 60
    ),
)
