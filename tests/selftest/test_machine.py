"""Every finding of the self-test, on a folder that stands in for a machine: its cause, and what to do about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.config import Config
from controller.selftest import machine as look
from controller.selftest.finding import passed
from hw.drivers.bus_speed import MLX90640_EEPROM, MLX90640_WORDS, bus_hertz
from hw.errors import BusError, DeviceMissing
from hw.linux.machine import LinuxMachine
from hw.settings import CameraSettings, ReaderSettings
from hw.sim.clock import ManualClock
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.watchdog_settings import WatchdogSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.selftest.finding import Finding

NOW = 1_790_000_000.0


class Root:
    """A folder that stands in for a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = LinuxMachine(folder, user="pi")

    def put(self, path: str, text: str = "") -> Path:
        place = self.folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def named(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def test_a_missing_i2c_bus_is_switched_on_in_config_txt(root: Root) -> None:
    root.put("/dev/i2c-20")
    found = named(look.buses(Config(), root.machine), "I2C bus")
    assert (found.status, found.text) == ("wrong", "/dev/i2c-1 is not there")
    assert "dtparam=i2c_arm=on,i2c_arm_baudrate=400000 into /boot/firmware/config.txt" in found.fix
    assert "buses of this machine: /dev/i2c-20" in found.fix


def test_an_older_system_has_its_config_txt_elsewhere(root: Root) -> None:
    root.put("/boot/config.txt")
    assert " into /boot/config.txt and " in named(look.buses(Config(), root.machine), "I2C bus").fix


def test_a_bus_that_is_another_groups_names_group_and_user(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.put("/dev/i2c-1").chmod(0)
    root.put("/dev/gpiochip0")
    monkeypatch.setattr(os, "access", lambda path, mode: bool(path.stat().st_mode & 0o600) and mode)
    bus, gpio = look.buses(Config(), root.machine)
    assert bus.status == "wrong"
    assert bus.text.startswith("/dev/i2c-1 may not be used by pi, only by the group ")
    group = bus.text.rsplit(" ", 1)[1]
    assert bus.fix.startswith(f"sudo usermod -aG {group} pi, and log in again")
    assert gpio.text == "/dev/gpiochip0 is there, and pi may use it"


def test_a_missing_gpio_chip_reader_and_spi_bus_are_named(root: Root) -> None:
    config = Config(reader=ReaderSettings(driver="wedge", device="/dev/input/by-id/a-reader"))
    findings = look.buses(config, root.machine)
    assert "`gpiodetect` lists the chips" in named(findings, "GPIO chip").fix
    assert "`ls /dev/input/by-id` lists readers" in named(findings, "reader").fix
    found = look.spi("/dev/spidev0.0", root.machine)
    assert (found.status, "dtparam=spi=on" in found.fix) == ("wrong", True)
    root.put("/dev/spidev0.0")
    assert look.spi("/dev/spidev0.0", root.machine).status == "ok"


def test_a_camera_that_is_not_there_is_told_with_those_that_are(root: Root) -> None:
    root.put("/sys/class/video4linux/video10/name", "bcm2835-codec-decode\n")
    found = look.camera(Config(), root.machine)
    assert (found.status, found.text) == ("wrong", "/dev/video0 is not there")
    assert "(cameras of this machine: /dev/video10 (bcm2835-codec-decode))" in found.fix
    root.put("/dev/video0")
    assert look.camera(Config(), root.machine).ok
    assert look.camera(Config(camera=CameraSettings(source="rtsp://camera/1")), root.machine).ok


def timed(hertz: int) -> Callable[[], float]:
    """A timed read on a simulated bus of this speed."""
    clock = ManualClock()
    chip = SimulatedMlx90640(lambda _: np.full((24, 32), 20.0), clock, seed=1)
    bus = SimulatedI2cBus({0x33: chip}, clock, hertz)
    return lambda: bus_hertz(bus, 0x33, MLX90640_EEPROM, 2 * MLX90640_WORDS, clock)


@pytest.mark.parametrize("hertz", [100_000, 400_000, 1_000_000])
def test_a_timed_transfer_tells_the_speed_of_the_bus(hertz: int) -> None:
    assert timed(hertz)() == pytest.approx(hertz, rel=0.005)


@pytest.mark.parametrize(
    ("hertz", "rate", "status", "fix"),
    [
        (100_000, 16.0, "wrong", "dtparam=i2c_arm_baudrate=400000"),
        (100_000, 2.0, "ok", ""),
        (400_000, 16.0, "ok", ""),
        (400_000, 32.0, "wrong", "dtparam=i2c_arm_baudrate=1000000"),
        (1_000_000, 16.0, "warning", "dtparam=i2c_arm_baudrate=400000"),
        (1_000_000, 32.0, "ok", ""),
    ],
)
def test_the_bus_is_as_fast_as_the_rate_needs(hertz: int, rate: float, status: str, fix: str) -> None:
    found = look.bus_speed(rate, timed(hertz))
    assert found.status == status
    assert fix in found.fix
    assert found.figures["measured_khz"] == pytest.approx(hertz / 1e3, rel=0.005)


def test_a_bus_that_cannot_be_timed_says_why() -> None:
    def measure() -> float:
        raise BusError("/dev/i2c-1: 0x33 did not acknowledge")

    found = look.bus_speed(16.0, measure)
    assert (found.status, found.text) == ("warning", "not measured: /dev/i2c-1: 0x33 did not acknowledge")


@pytest.mark.parametrize(
    ("bits", "status", "said"),
    [
        ("0", "ok", "no under-voltage"),
        ("50005", "wrong", "the board is under-voltage now (0x50005)"),
        ("50000", "warning", "the board was under-voltage since its start (0x50000)"),
        ("80008", "wrong", "at its temperature limit now"),
        ("4", "wrong", "the board is throttled now"),
    ],
)
def test_supply_and_heat_are_told_with_a_remedy(root: Root, bits: str, status: str, said: str) -> None:
    root.put("/sys/devices/platform/soc/soc:firmware/get_throttled", f"{bits}\n")
    found = look.supply(root.machine)
    assert found.status == status
    assert said in found.text
    assert found.ok or found.fix


def test_a_kernel_with_only_an_alarm_tells_of_that(root: Root) -> None:
    root.put("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    root.put("/sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    alarm = root.put("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    assert look.supply(root.machine).status == "ok"
    alarm.write_text("1\n", encoding="ascii")
    assert "under-voltage now" in look.supply(root.machine).text


def test_a_machine_that_tells_nothing_is_not_accused(root: Root) -> None:
    assert look.supply(root.machine).ok


@pytest.mark.parametrize(
    ("state", "newest", "status", "said"),
    [
        ("synchronised", {}, "ok", "synchronised; 2026-09-21"),
        ("unsynchronised", {}, "warning", "not synchronised; it says 2026-09-21"),
        ("unknown", {}, "ok", "does not say"),
        ("synchronised", {"journal.sqlite3": NOW + 30}, "ok", "synchronised"),
        ("unsynchronised", {"journal.sqlite3": NOW + 86400}, "wrong", "journal.sqlite3 was written at 2026-09-22"),
    ],
)
def test_a_clock_that_is_wrong_is_told(state: str, newest: dict[str, float], status: str, said: str) -> None:
    found = look.clock(state, NOW, newest)
    assert found.status == status
    assert said in found.text
    assert found.ok or "timesyncd.conf" in found.fix


@pytest.mark.parametrize(("free", "status"), [(5_000_000_000, "ok"), (500_000_000, "warning"), (100_000_000, "wrong")])
def test_a_disk_that_is_almost_full_is_told(tmp_path: Path, free: int, status: str) -> None:
    class Full(LinuxMachine):
        def free(self, folder: Path) -> int:
            del folder
            return free

    found = look.space(tmp_path / "store", Full(tmp_path))
    assert found.status == status
    assert found.ok or "journalctl --vacuum-size" in found.fix
    assert found.figures == {"free_mb": free / 1e6}


def test_the_room_of_a_folder_not_yet_made_is_its_parents(tmp_path: Path) -> None:
    machine = LinuxMachine(tmp_path)
    assert machine.free(tmp_path / "not" / "yet") == pytest.approx(machine.free(tmp_path), rel=0.01)


def test_no_watchdog_an_idle_one_and_one_that_is_fed(root: Root) -> None:
    found = look.watchdog(Config(), root.machine)
    assert (found.status, found.text) == ("warning", "no hardware watchdog")
    assert "dtparam=watchdog=on" in found.fix
    root.put("/sys/class/watchdog/watchdog0/identity", "Broadcom BCM2835 Watchdog timer\n")
    assert look.watchdog(Config(), root.machine).ok, "an old kernel does not say whether it is fed"
    state = root.put("/sys/class/watchdog/watchdog0/state", "inactive\n")
    found = look.watchdog(Config(), root.machine)
    assert (found.status, "nobody feeds it" in found.text) == ("warning", True)
    assert "thermogate-watchdog.conf" in found.fix
    state.write_text("active\n", encoding="ascii")
    assert look.watchdog(Config(), root.machine).text == "watchdog0 (Broadcom BCM2835 Watchdog timer) is fed"


def test_the_watchdog_that_was_asked_for_has_to_be_there(root: Root) -> None:
    found = look.watchdog(Config(watchdog=WatchdogSettings(device="/dev/watchdog1")), root.machine)
    assert (found.status, found.text) == ("wrong", "/dev/watchdog1 is not there")
    assert not passed([found])


def test_findings_are_for_machines_too() -> None:
    def measure() -> float:
        raise DeviceMissing("no bus")

    told = look.bus_speed(16.0, measure).as_json()
    assert told == {"name": "I2C speed", "status": "warning", "text": "not measured: no bus", "fix": "", "figures": {}}
