"""The unit is one that systemd understands, gives no more rights than a lane needs, and those that it does need."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[2] / "image"
UNIT = IMAGE / "thermogate.service"
EXPOSURES = {"thermogate.service": 2.5, "thermogate-hub.service": 1.5}
"""Of 10, by `systemd-analyze security`; a unit without any hardening has 9.6."""


@pytest.fixture(scope="module")
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (apt install systemd)")
    return program


def settings(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", EXPOSURES)
def test_systemd_understands_every_line(analyze: str, tmp_path: Path, name: str) -> None:
    copy = tmp_path / name
    # The program is not installed where this runs.
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", (IMAGE / name).read_text(encoding="utf-8")))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("name", "exposure"), EXPOSURES.items())
def test_it_is_hardly_exposed(analyze: str, name: str, exposure: float) -> None:
    threshold = str(round(10 * exposure))
    arguments = ["security", "--offline=true", f"--threshold={threshold}", str(IMAGE / name)]
    done = subprocess.run([analyze, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]
    told = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert told is not None
    assert float(told[1]) <= exposure


def test_the_clock_may_be_asked_and_not_set(analyze: str) -> None:
    allowed: set[str] = set()
    for line in settings("SystemCallFilter"):
        names = line.removeprefix("~").split()
        calls = {call for name in names for call in (members(analyze, name) if name[0] == "@" else {name})}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    assert {"adjtimex", "openat", "ioctl", "sendto", "fsync"} <= allowed
    assert allowed.isdisjoint({"reboot", "mount", "settimeofday", "clock_settime", "bpf", "init_module", "chroot"})
    assert settings("ProtectClock") == [], "it would answer adjtimex with EPERM"
    assert settings("CapabilityBoundingSet") == [""], "which is what keeps the clock from being set"
    assert settings("SystemCallErrorNumber") == ["EPERM"], "a call too many is an error, not the end of a lane"


def members(analyze: str, name: str) -> set[str]:
    """Every call of a set of systemd's, those of the sets in it among them."""
    done = subprocess.run([analyze, "syscall-filter", name], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines()[1:] if line.strip() and line.strip()[0] != "#"]
    return {call for word in words for call in (members(analyze, word) if word[0] == "@" else {word})}


def test_it_is_watched_and_never_given_up() -> None:
    assert settings("Type") == ["notify"]
    (seconds,) = settings("WatchdogSec")
    assert 2 <= float(seconds) <= 5
    assert settings("Restart") == ["always"]
    assert settings("StartLimitIntervalSec") == ["0"]


def test_only_the_devices_of_a_lane_are_open() -> None:
    assert settings("DevicePolicy") == ["closed"]
    assert settings("DeviceAllow") == [
        "char-i2c rw",
        "char-gpiochip rw",
        "char-video4linux rw",
        "char-alsa rw",
        "char-fb rw",
        "char-input rw",
    ]
