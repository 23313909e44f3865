"""What an installer may have forgotten, and what a board suffers from: buses, rights, cameras, supply, clock, disk.

Nothing is opened that a running lane holds, but for one timed read of the sensor's EEPROM; no lock moves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from controller.selftest.finding import Finding
from hw.errors import DeviceError, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from controller.config import Config

LEAST_FREE: Final = 200_000_000
"""Bytes a lane must find: 100,000 events and their log are 100 MB."""
GOOD_FREE: Final = 1_000_000_000
EEPROM_LIMIT: Final = 440_000
"""Hertz above which an MLX90640's EEPROM is out of its specification (400 kHz), and a tenth of doubt."""
SLACK: Final = 0.9
"""Part of the wanted bus speed that is still called right: a timed transfer reads a little low."""
BUSY_SHARE: Final = 0.75
"""Of a subpage's time, that its read may take."""
FRAME_BITS: Final = 2 * 9 * 832
FUTURE: Final = 60.0
"""Seconds by which a file may be newer than the clock."""

_BITS: Final = (
    (
        1 << 0,
        "under-voltage",
        "use the board's own 5 V supply (3 A, a Pi 5: 5 A) and a short cable; power the camera apart",
    ),
    (1 << 2, "throttled", "cool it: a heat sink, a fan, no sun on the housing"),
    (1 << 3, "at its temperature limit", "cool it: a heat sink, a fan, no sun on the housing"),
    (1 << 1, "its clock capped", "cool it, and look at the supply"),
)


class NodeLike(Protocol):
    """A device node."""

    @property
    def there(self) -> bool: ...  # noqa: D102
    @property
    def permitted(self) -> bool: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102


class WatchdogLike(Protocol):
    """A hardware watchdog."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def identity(self) -> str: ...  # noqa: D102
    @property
    def active(self) -> bool | None: ...  # noqa: D102


class Machine(Protocol):
    """What a machine tells of itself; `hw.linux.machine.LinuxMachine` is one."""

    user: str

    @property
    def config_txt(self) -> str: ...  # noqa: D102
    def node(self, path: str) -> NodeLike: ...  # noqa: D102
    def nodes(self, pattern: str) -> list[str]: ...  # noqa: D102
    def cameras(self) -> Mapping[str, str]: ...  # noqa: D102
    def throttled(self) -> int | None: ...  # noqa: D102
    def watchdogs(self) -> Sequence[WatchdogLike]: ...  # noqa: D102
    def free(self, folder: Path) -> int: ...  # noqa: D102


def buses(config: Config, machine: Machine) -> list[Finding]:
    """The device nodes that the configuration names: there, and this user's to use."""
    wanted = [("I2C bus", config.thermal.bus, _i2c_fix(machine))]
    chip = f"/dev/gpiochip{config.wiring.chip}"
    wanted.append(("GPIO chip", chip, "`gpiodetect` lists the chips; `chip` chooses one"))
    found = [_node(name, path, fix, machine) for name, path, fix in wanted]
    if config.reader is not None and config.reader.device is not None:
        found.append(_node("reader", config.reader.device, "plug it in; `ls /dev/input/by-id` lists readers", machine))
    return found


def _i2c_fix(machine: Machine) -> str:
    there = ", ".join(machine.nodes("i2c-*")) or "none"
    return (
        f"put dtparam=i2c_arm=on,i2c_arm_baudrate=400000 into {machine.config_txt} and i2c-dev into /etc/modules, and "
        f"restart (I2C buses of this machine: {there})"
    )


def spi(node: str, machine: Machine) -> Finding:
    """The SPI node of a sensor that has one."""
    return _node("SPI bus", node, f"put dtparam=spi=on into {machine.config_txt} and restart", machine)


def _node(name: str, path: str, fix: str, machine: Machine) -> Finding:
    node = machine.node(path)
    if not node.there:
        return Finding(name, ok=False, text=f"{path} is not there", fix=fix)
    if not node.permitted:
        return Finding(
            name,
            ok=False,
            text=f"{path} may not be used by {machine.user}, only by the group {node.group}",
            fix=f"sudo usermod -aG {node.group} {machine.user}, and log in again; the service has the group by "
            "SupplementaryGroups in its unit",
        )
    return Finding(name, ok=True, text=f"{path} is there, and {machine.user} may use it")


def camera(config: Config, machine: Machine) -> Finding:
    """The camera's node, and which cameras there are instead."""
    source = config.camera.source
    if not source.startswith("/dev/"):
        return Finding("camera node", ok=True, text=f"{source} is no device node")
    others = ", ".join(f"{node} ({name})" for node, name in machine.cameras().items()) or "none"
    fix = f"plug it in, or name another in [camera] source (cameras of this machine: {others})"
    return _node("camera node", source, fix, machine)


def bus_speed(rate: float, measure: Callable[[], float]) -> Finding:
    """Whether the bus is as fast as an MLX90640's `rate` needs; `measure` gives hertz, or raises DeviceError."""
    try:
        hertz = measure()
    except DeviceError as error:
        return Finding("I2C speed", ok=False, text=f"not measured: {words(error)}", severity="warning")
    needed = FRAME_BITS * rate / BUSY_SHARE
    figures = {"measured_khz": round(hertz / 1e3, 1), "needed_khz": round(needed / 1e3, 1)}
    text = f"{hertz / 1e3:.0f} kHz by the time of a transfer; {rate:g} Hz need {needed / 1e3:.0f} kHz"
    if hertz < SLACK * needed:
        baud = 400_000 if needed <= EEPROM_LIMIT else 1_000_000
        fix = (
            f"put dtparam=i2c_arm_baudrate={baud} into config.txt and restart, or ask for a lower [thermal] refresh_hz"
        )
        return Finding("I2C speed", ok=False, text=text, fix=fix, figures=figures)
    if hertz > EEPROM_LIMIT and needed <= EEPROM_LIMIT:
        fix = "put dtparam=i2c_arm_baudrate=400000 into config.txt: the sensor's EEPROM is specified up to there"
        return Finding("I2C speed", ok=False, text=text, fix=fix, severity="warning", figures=figures)
    return Finding("I2C speed", ok=True, text=text, figures=figures)


def supply(machine: Machine) -> Finding:
    """Under-voltage and throttling, now and since the start."""
    bits = machine.throttled()
    if bits is None:
        return Finding("supply", ok=True, text="this machine does not tell of its supply")
    for bit, what, fix in _BITS:
        if bits & bit:
            return Finding("supply", ok=False, text=f"the board is {what} now (0x{bits:x})", fix=fix)
    for bit, what, fix in _BITS:
        if bits & (bit << 16):
            text = f"the board was {what} since its start (0x{bits:x})"
            return Finding("supply", ok=False, text=text, fix=fix, severity="warning")
    return Finding("supply", ok=True, text="no under-voltage and no throttling since the start")


def clock(state: str, wall: float, newest: Mapping[str, float]) -> Finding:
    """Whether the date is right; `newest`: when files were last written, by their names, Unix seconds."""
    fix = (
        "connect it to the network, or set [Time] NTP= in /etc/systemd/timesyncd.conf; a board without a network needs "
    )
    fix += "a clock of its own (dtoverlay=i2c-rtc,ds3231)"
    told = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(wall))
    for name, written in newest.items():
        if written > wall + FUTURE:
            later = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(written))
            text = f"the clock says {told} UTC, and {name} was written at {later} already: the date is wrong"
            return Finding("clock", ok=False, text=text, fix=fix)
    if state == "synchronised":
        return Finding("clock", ok=True, text=f"synchronised; {told} UTC")
    if state == "unsynchronised":
        text = f"not synchronised; it says {told} UTC"
        return Finding("clock", ok=False, text=text, fix=fix, severity="warning")
    return Finding("clock", ok=True, text=f"the kernel does not say whether it is synchronised; {told} UTC")


def space(folder: Path, machine: Machine) -> Finding:
    """Room for what the lane keeps."""
    free = machine.free(folder)
    figures = {"free_mb": round(free / 1e6, 1)}
    text = f"{free / 1e6:,.0f} MB free at {folder}"
    if free >= GOOD_FREE:
        return Finding("disk space", ok=True, text=text, figures=figures)
    fix = "make room: `journalctl --vacuum-size=200M`, `apt clean`, or a larger card; a full disk admits nobody"
    severity = "wrong" if free < LEAST_FREE else "warning"
    return Finding("disk space", ok=False, text=text, fix=fix, severity=severity, figures=figures)  # type: ignore[arg-type]


def watchdog(config: Config, machine: Machine) -> Finding:
    """A hardware watchdog that somebody feeds."""
    if config.watchdog is not None:
        fix = f"put dtparam=watchdog=on into {machine.config_txt} and restart, or name another in [watchdog] device"
        return _node("watchdog", config.watchdog.device, fix, machine)
    found = machine.watchdogs()
    feed = "sudo install -D -m 0644 image/watchdog.conf /etc/systemd/system.conf.d/thermogate-watchdog.conf; sudo "
    feed += "systemctl daemon-reexec"
    if not found:
        fix = f"put dtparam=watchdog=on into {machine.config_txt} and restart; then {feed}"
        return Finding("watchdog", ok=False, text="no hardware watchdog", fix=fix, severity="warning")
    fed = [dog for dog in found if dog.active]
    if not fed and all(dog.active is False for dog in found):
        names = ", ".join(f"{dog.name} ({dog.identity})" for dog in found)
        return Finding("watchdog", ok=False, text=f"{names}: nobody feeds it", fix=feed, severity="warning")
    names = ", ".join(f"{dog.name} ({dog.identity})" for dog in fed or found)
    return Finding("watchdog", ok=True, text=f"{names}{' is fed' if fed else ' is there'}")
