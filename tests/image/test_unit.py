"""The unit is one that systemd understands, gives no more rights than a lane needs, and those that it does need."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from controller.health.notify import MISCONFIGURED
from image.proof.inside.manager import documented

IMAGE = Path(__file__).parents[2] / "image"
UNIT = IMAGE / "thermogate.service"
EXPOSURES = {"thermogate.service": 2.0, "thermogate-hub.service": 1.1}
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


def test_a_wrong_configuration_is_not_tried_again() -> None:
    for name in EXPOSURES:
        unit = (IMAGE / name).read_text(encoding="utf-8")
        (statuses,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)
        assert statuses.split() == [str(MISCONFIGURED), "216", "217"], "nor with a group or a user that is not there"
        assert re.findall(r"^Type=(.*)$", unit, re.MULTILINE) == ["notify"]


def test_every_group_of_the_unit_is_made_or_debians_own() -> None:
    """A unit with a group that is not there does not start."""
    sysusers = (IMAGE / "thermogate.sysusers").read_text(encoding="utf-8")
    assert re.findall(r"^u (\S+) ", sysusers, re.MULTILINE) == settings("User") == ["thermogate"]
    assert f'"{settings("User")[0]}"' in (IMAGE / "thermogate-reboot.rules").read_text(encoding="utf-8")
    made = re.findall(r"^g (\S+) -$", sysusers, re.MULTILINE)
    given = re.findall(r'GROUP="(\w+)"', (IMAGE / "60-thermogate.rules").read_text(encoding="utf-8"))
    assert sorted(made) == sorted(given)
    asked = {
        name
        for line in re.findall(r"^#?SupplementaryGroups=(.*)$", UNIT.read_text(), re.MULTILINE)
        for name in line.split()
    }
    assert asked == {*made, "video", "input", "audio"}


@pytest.mark.parametrize(
    ("page", "unit"),
    [
        ("board.md", "image/thermogate.service"),
        ("hub.md", "image/thermogate-hub.service"),
        ("commands.md", "image/thermogate-reboot.rules"),
    ],
)
def test_what_a_page_installs_is_shipped(page: str, unit: str) -> None:
    commands = documented(IMAGE.parent / "docs" / page, unit)
    sources = [word for line in commands for word in line.split() if word.startswith("image/")]
    assert unit in sources
    assert all((IMAGE.parent / source).is_file() for source in sources)


def test_everything_that_is_to_be_installed_is_named_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (IMAGE.parent / "docs").glob("*.md"))
    shipped = [path.name for path in IMAGE.iterdir() if path.suffix in {".service", ".rules", ".conf", ".sysusers"}]
    assert len(shipped) == 6
    assert [name for name in shipped if f" image/{name} " not in pages] == []


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
