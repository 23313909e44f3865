"""Checks of thermogate.service under a real systemd: when it is up, what it may do, and what becomes of one that dies.

The unit is the shipped one, installed by the commands of docs/board.md. Two things are added to it here: the node of
the simulated sensor, which is no adapter of the kernel's and has another major number, and longer waits for a start.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import signal
import time
from pathlib import Path
from typing import Final

from image.proof.claims import duration
from image.proof.inside import manager, program
from image.proof.inside.cards import Reader
from image.proof.inside.check import CannotTry, Check, NotShown, need, tell
from image.proof.inside.gate import pins
from image.proof.inside.pins import load
from image.proof.inside.sensors import camera_node, sensor_chip

UNIT: Final = "thermogate.service"
CONFIG: Final = Path("/etc/thermogate/gate.toml")
PROGRAM: Final = "/opt/thermogate/bin/thermogate"
MODELS: Final = Path("/var/lib/thermogate/models")
UNLOCKS: Final = (17, 27)
RESTING: Final = (5, 6, 16)
"""Contacts whose wires rest high."""
GROUPS: Final = {"thermogate", "i2c", "gpio", "video", "input", "audio"}
STARTS: Final = 240.0
SETTLED: Final = 240.0
"""Seconds from power-on until an MLX90640 is taken at its word."""
DROP_IN: Final = """\
[Service]
DeviceAllow=/dev/i2c-1 rw
"""
LINK: Final = """\
[link]
host = "127.0.0.1"
campus = "school"
commanders = "/etc/thermogate/commanders.toml"
"""
WRONG: Final = "unlok_a"
CALM: Final = 20.0
"""Seconds in which a unit that is left down stays down."""


def configure(more: str = "") -> None:
    """Write gate.toml. Raises CannotTry without models."""
    if not MODELS.is_dir():
        raise CannotTry("no models: the program refuses to run without (`thermogate models pull`, THERMOGATE_MODELS)")
    # The longest wait for a passage, so that the lane is still unlocked when the check goes on.
    text = program.TEXT.format(chip=pins().chip).replace("passage_wait = 6.0", "passage_wait = 15.0")
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.write_text(text.replace("[perception]\n", f'[perception]\nmodels = "{MODELS}"\n') + more)


class _Scene:
    """What outlasts a check: the unit, the card, the sensor and the camera."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._is_set = False
        self.grants = 0

    def begin(self) -> None:
        """Install the unit as the page says, and set up what stands before the lane."""
        if self._is_set:
            return
        load("i6300esb")
        configure()
        given = manager.command(
            *(PROGRAM, "credential", "add", program.PERSON, "card", f"{program.FACILITY}-{program.NUMBER}"),
            *("--create", "--config", str(CONFIG)),
        )
        need(given.returncode == 0, f"thermogate credential: {given.stderr}")
        ran = manager.install("board.md", "image/thermogate.service", lambda line: "thermogate" in line.split()[-1:])
        tell(f"{ran} commands of docs/board.md installed it")
        camera_node()
        self._stack.enter_context(sensor_chip())
        os.chown("/dev/i2c-1", 0, grp.getgrnam("i2c").gr_gid)
        Path("/dev/i2c-1").chmod(0o660)
        manager.drop_in(UNIT, "proof", DROP_IN)
        for line in RESTING:
            pins().pull(line, high=True)
        self.card = Reader(pins(), 20, 21)
        self._is_set = True

    def running(self) -> int:
        """The process of the lane. Raises CannotTry where it does not run."""
        if not self._is_set or manager.state(UNIT) != "active":
            raise CannotTry("the lane does not run: see the claims before this one")
        return manager.pid(UNIT)

    def unlock(self) -> None:
        """Present the card until the lane is unlocked."""
        began = time.monotonic()
        while not self.card.present(program.FACILITY, program.NUMBER):
            time.sleep(0.5)
        try:
            program.wait_for("grant", began, 30)
            manager.until(lambda: pins().level(17), 5, lambda: "a grant is recorded and no relay moved")
        except NotShown:
            manager.tell_log(UNIT)
            raise
        self.grants += 1

    def end(self) -> None:
        """Take the sensor away."""
        self._stack.close()


SCENE: Final = _Scene()


def _locked() -> bool:
    return not any(pins().level(line) for line in UNLOCKS)


def _sandbox() -> str:
    SCENE.begin()
    for module in ("vfb", "snd_dummy"):
        load(module, *(["vfb_enable=1"] if module == "vfb" else []))
    # Nodes of the kernel's own majors without a device behind them: ENXIO or ENODEV is an open that was permitted.
    for name, major, group in (("i2c-9", 89, "i2c"), ("spidev9.0", 153, "spi")):
        os.mknod(f"/dev/{name}", 0o020660, os.makedev(major, 9))
        os.chown(f"/dev/{name}", 0, grp.getgrnam(group).gr_gid)
    manager.done("udevadm", "settle")
    (event,) = sorted(Path("/dev/input").glob("event*"))[:1]
    open_to = [f"/dev/gpiochip{pins().chip}", "/dev/video0", "/dev/fb0", str(event), "/dev/snd/controlC0", "/dev/i2c-9"]
    closed = ["/dev/spidev9.0", "/dev/watchdog0", "/dev/mem", "/dev/ttyS0", "/dev/kmsg"]
    state, others = "/var/lib/thermogate", ["/etc", "/etc/thermogate", "/opt/thermogate", "/usr", "/var/log", "/root"]
    report = Path("/run/probe.json")
    probe = Path(__file__).with_name("probe.py")
    words = f"{','.join(open_to + closed)} {','.join([state, '/tmp', *others])}"  # noqa: S108 - the unit's own
    path = manager.drop_in(
        UNIT,
        "probe",
        f"[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\n"
        f"ExecStart=/opt/thermogate/bin/python3 {probe} {words}\n"
        f"StandardOutput=append:{report}\nStandardError=journal\n",
    )
    try:
        manager.done("systemctl", "start", UNIT)
    finally:
        manager.take_out(path)
    found = json.loads(report.read_text())
    permitted = [*open_to, f"{state}/", "/tmp/", "the clock is asked", "logind is asked"]  # noqa: S108
    refused = [name for name in permitted if found.pop(name) not in ("ok", "ENXIO", "ENODEV", "EBUSY")]
    need(not refused, f"the unit keeps the lane from {', '.join(refused)}: {report.read_text()}")
    got = [name for name, came in found.items() if came in ("ok", "ENXIO", "ENODEV")]
    need(not got, f"the unit lets the lane have {', '.join(got)}: {report.read_text()}")
    return f"{len(permitted)} of {len(permitted)} may be used, {len(found)} of {len(found)} others are refused"


def _ready() -> str:
    SCENE.begin()
    time.sleep(max(0.0, SETTLED - time.monotonic()))
    pins().watch()
    began = time.monotonic()
    manager.done("systemctl", "enable", UNIT)
    manager.done("systemctl", "start", "--no-block", UNIT)
    seen: set[str] = set()

    def is_over() -> bool:
        seen.add(manager.state(UNIT))
        return "active" in seen or "failed" in seen

    manager.until(is_over, STARTS, lambda: f"{seen}: {manager.log(UNIT)[-1500:]}")
    need(seen <= {"activating", "active"}, f"it went through {seen}: {manager.log(UNIT)[-1500:]}")
    active = manager.since(UNIT)
    locked = program.wait_for("state", began, 1, lambda record: '"locked"' in record.detail).monotonic
    need(active >= locked, f"it was called active {duration(locked - active)} before the lane was in service")
    need(_locked() and not _rises(), "a relay moved in the start")
    told = manager.show(UNIT, "StatusText")["StatusText"]
    return f"activating for {duration(active - began)}, active {duration(active - locked)} after its lane; “{told}”"


def _rises() -> int:
    return sum(setting.level for setting in pins().settings(*UNLOCKS))


def _rights() -> str:
    about = manager.identity(SCENE.running())
    user = pwd.getpwuid(int(about["Uid"][0])).pw_name
    groups = {grp.getgrgid(int(number)).gr_name for number in (*about["Groups"], about["Gid"][0])}
    need(user == "thermogate" and set(about["Uid"]) == {about["Uid"][0]}, f"it runs as {about['Uid']}")
    need(groups == GROUPS, f"its groups are {', '.join(sorted(groups))}")
    sets = {name: about[name][0] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")}
    need(not any(int(bits, 16) for bits in sets.values()), f"it has capabilities: {sets}")
    need(about["NoNewPrivs"] == ["1"] and about["Seccomp"] == ["2"], "it may gain rights, or calls are not filtered")
    owner = Path("/var/lib/thermogate").stat()
    need((owner.st_uid, owner.st_mode & 0o777) == (int(about["Uid"][0]), 0o700), f"its state is {owner}")
    named = ", ".join(sorted(groups - {"thermogate"}))
    return f"{user} and {named}, no capability, calls filtered; exposure {manager.exposure(UNIT)}"


def _killed() -> str:
    process = SCENE.running()
    SCENE.unlock()
    before, killed = manager.restarts(UNIT), time.monotonic()
    need(pins().level(17), "the lane was locked before it was killed")
    os.kill(process, signal.SIGKILL)
    low = manager.until(_locked, 2, lambda: "a line is high 2 s after the program was killed")
    manager.until(lambda: manager.pid(UNIT) not in (0, process), 30, lambda: manager.log(UNIT)[-800:])
    again = time.monotonic() - killed
    manager.until_active(UNIT, STARTS)
    back = manager.since(UNIT) - killed
    need(manager.restarts(UNIT) == before + 1, f"started {manager.restarts(UNIT) - before} times")
    need(_locked() and _rises() == SCENE.grants, f"{_rises()} rising edges, {SCENE.grants} grants")
    return (
        f"locked, by its pull-down, after {duration(low)}; started again after {duration(again)}, active after "
        f"{duration(back)}; no relay moved; n = 1"
    )


def _hangs() -> str:
    process = SCENE.running()
    SCENE.unlock()
    before, after, stopped = manager.restarts(UNIT), manager.mark(), time.monotonic()
    need(pins().level(17), "the lane was locked before it hung")
    os.kill(process, signal.SIGSTOP)
    low = manager.until(_locked, 30, lambda: f"a line is high 30 s after: {manager.log(UNIT, after)[-800:]}")
    manager.until(lambda: manager.pid(UNIT) not in (0, process), 30, lambda: manager.log(UNIT, after)[-800:])
    manager.until_active(UNIT, STARTS)
    back = manager.since(UNIT) - stopped
    said = manager.log(UNIT, after)
    need("Watchdog timeout" in said, f"systemd did not say that it was the watchdog: {said[:800]}")
    need("Fatal Python error: Aborted" in said and "Thread 0x" in said, f"no stacks in the log: {said[:1500]}")
    need(manager.restarts(UNIT) == before + 1, f"started {manager.restarts(UNIT) - before} times")
    need(_locked() and _rises() == SCENE.grants, f"{_rises()} rising edges, {SCENE.grants} grants")
    stacks = said.count("Thread 0x")
    return (
        f"in an unlock: locked {duration(low)} after SIGSTOP, {stacks} stacks in the log, active again after "
        f"{duration(back)}; n = 1"
    )


def _stopped() -> str:
    SCENE.running()
    SCENE.unlock()
    before, after = _rises(), manager.mark()
    began = time.monotonic()
    need(pins().level(17), "the lane was locked before it was stopped")
    manager.done("systemctl", "stop", UNIT)
    took = time.monotonic() - began
    need(_locked() and _rises() == before, "a line is high after the stop, or rose in it")
    found = manager.show(UNIT, "ActiveState", "Result", "ExecMainStatus")
    need(list(found.values()).count("0") == 1 and found["Result"] == "success", f"{found}: {manager.log(UNIT, after)}")
    return f"in an unlock: stopped after {duration(took)}, result {found['Result']}, both lines low, none rose"


def _misconfigured() -> str:
    SCENE.begin()
    right = CONFIG.read_text()
    CONFIG.write_text(right.replace("[gate]\n", f"[gate]\n{WRONG} = 3\n"))
    after = manager.mark()
    try:
        begun = manager.command("systemctl", "start", UNIT)
        need(begun.returncode != 0, "systemctl start called it a success")
        time.sleep(CALM)
        found = manager.show(UNIT, "ActiveState", "NRestarts", "ExecMainStatus", "StatusText")
        need(found["ActiveState"] == "failed", f"it is {found}")
        said = manager.log(UNIT, after)
        lines = [line for line in said.splitlines() if WRONG in line and str(CONFIG) in line]
        need(lines and said.count("Main process exited") == 1, said)
    finally:
        CONFIG.write_text(right)
    manager.done("systemctl", "start", UNIT, seconds=STARTS)
    need(manager.state(UNIT) == "active", "it did not start with the right file")
    return (
        f"“{lines[0]}” once, status {found['ExecMainStatus']}, one start in {CALM:.0f} s; with the right file it starts"
    )


def _board_watchdog() -> str:
    SCENE.begin()
    told = manager.done("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value")
    dog = Path("/sys/class/watchdog/watchdog0")
    state, seconds = ((dog / name).read_text().strip() for name in ("state", "timeout"))
    need(state == "active" and float(seconds) <= 15, f"it is {state}, {seconds} s; systemd says {told}")
    time.sleep(2 * float(seconds))
    name = (dog / "identity").read_text().strip()
    return f"{name}: {state}, {seconds} s; no reset in {2 * float(seconds):.0f} s"


CHECKS: Final = (
    Check(
        "thermogate.service opens what a lane needs, and nothing else",
        "installed by the commands of docs/board.md; a probe in the place of the program, in the unit's own sandbox",
        _sandbox,
        240,
    ),
    Check(
        "systemd feeds the board's watchdog",
        "image/watchdog.conf and `systemctl daemon-reexec`; i6300esb in sysfs",
        _board_watchdog,
        120,
    ),
    Check(
        "thermogate.service is active when its lane is in service, not before",
        "Type=notify: systemd's own moment beside the journal's record of the lane",
        _ready,
        600,
    ),
    Check("It runs as a user of its own", "/proc of its process; `systemd-analyze security`", _rights),
    Check(
        "kill -9 of the service in an unlock",
        "systemd's NRestarts; the lines in sysfs and the kernel's log",
        _killed,
        400,
    ),
    Check("A service that hangs in an unlock", "SIGSTOP; WatchdogSec=5 and TimeoutAbortSec=5 do the rest", _hangs, 400),
    Check("`systemctl stop` leaves the outputs safe", "the lines in sysfs and the kernel's log", _stopped, 120),
    Check(
        "A wrong gate.toml is named in the journal, and tried once",
        "a key that does not exist; RestartPreventExitStatus; then the right file",
        _misconfigured,
        400,
    ),
)
