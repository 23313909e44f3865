"""Checks of the order `reboot`, the last of all: the machine is not there any more when it is shown.

The gate's link, its list of commanders and the polkit rule are as docs/commands.md says. The restart is seen from
outside, as the emulator's own event.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof.inside import manager
from image.proof.inside.check import Check, need, tell
from image.proof.inside.unit_gate import LINK, SCENE, STARTS, UNIT, configure

if TYPE_CHECKING:
    import subprocess

CLAIM: Final = "The order `reboot` restarts the machine"
EVENT: Final = "SHUTDOWN guest-reset"
"""The emulator's event (QMP): the guest itself restarted, here without a second start."""
ACCEPTED: Final = "the order to restart the machine was accepted"
HUB: Final = "/opt/thermogate/bin/thermogate-hub"
KEY: Final = Path("/root/guard.key")
COMMANDERS: Final = Path("/etc/thermogate/commanders.toml")
LOGIN: Final = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
MANAGER: Final = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
QUESTIONS: Final = ("CanPowerOff", "CanHalt", "CanSuspend", "CanHibernate", "CanRebootToFirmwareSetup")
DEEDS: Final = (
    (*LOGIN, "PowerOff", "b", "false"),
    (*LOGIN, "SetRebootParameter", "s", "0"),
    (*LOGIN, "ScheduleShutdown", "st", "poweroff", "0"),
    (*MANAGER, "StopUnit", "ss", "proof.target", "replace"),
    (*MANAGER, "Reload"),
)
"""What the lane's user may not do either."""
PATIENCE: Final = 60.0


def _order(*action: str) -> subprocess.CompletedProcess[str]:
    words = ["--broker", "127.0.0.1:1883", "--campus", "school", "--gate", "proof", "--sign-with", str(KEY)]
    return manager.command(HUB, "order", *words, "--actor", "admin", "--reason", "the proof", *action, seconds=90)


def _as(user: str, *call: str) -> subprocess.CompletedProcess[str]:
    return manager.command("setpriv", f"--reuid={user}", "--clear-groups", "busctl", "--system", "call", *call)


def _asked(user: str, question: str) -> str:
    return _as(user, *LOGIN, question).stdout.strip()


def _without_rule() -> str:
    SCENE.begin()
    made = manager.done(HUB, "new-key", str(KEY))
    (public,) = [line for line in made.splitlines() if line.startswith("public")]
    COMMANDERS.write_text(f'[[commander]]\n{public}\nnot_after = 2037-01-01\n[commander.actors]\nadmin = ["*"]\n')
    configure(LINK)
    manager.done("systemctl", "start", "mosquitto.service", "polkit.service", "systemd-logind.service")
    manager.done("systemctl", "restart", UNIT, seconds=STARTS)
    tell("the lane is in service, with a link")
    refused = _order("reboot")
    said = (refused.stdout + refused.stderr).strip()
    need(refused.returncode == 1 and "polkit" in said, f"status {refused.returncode}: {said}")
    return f"“{said.splitlines()[-1]}”"


def _rule() -> str:
    SCENE.running()
    manager.install("commands.md", "image/thermogate-reboot.rules", lambda _: False)
    manager.until(
        lambda: _asked("thermogate", "CanReboot") == 's "yes"',
        PATIENCE,
        lambda: f"logind says {_asked('thermogate', 'CanReboot')}: {manager.log('polkit.service')[-400:]}",
    )
    others = {user: _asked(user, "CanReboot") for user in ("nobody", "mosquitto", "daemon")}
    need('s "yes"' not in others.values(), f"others may restart it: {others}")
    mays = [question for question in QUESTIONS if _asked("thermogate", question) == 's "yes"']
    need(not mays, f"its user may also {mays}")
    did = [call[3] for call in DEEDS if _as("thermogate", *call).returncode == 0]
    need(not did, f"its user could also {did}")
    told = f"{', '.join(others)}: {', '.join(sorted(set(others.values())))}"
    return f"CanReboot: yes; {told}; {len(QUESTIONS) + len(DEEDS)} other requests refused"


def _restart() -> str:
    process, before = SCENE.running(), manager.restarts(UNIT)
    began = time.monotonic()
    given = _order("restart")
    need(given.returncode == 0, f"status {given.returncode}: {given.stdout}{given.stderr}")
    manager.until(lambda: manager.pid(UNIT) not in (0, process), PATIENCE, lambda: manager.log(UNIT)[-800:])
    manager.until_active(UNIT, STARTS)
    need(manager.restarts(UNIT) == before + 1, f"started {manager.restarts(UNIT) - before} times")
    return f"accepted, and active again {manager.since(UNIT) - began:.1f} s after the order"


def _reboot() -> str:
    SCENE.running()
    given = _order("reboot")
    need(given.returncode == 0, f"status {given.returncode}: {given.stdout}{given.stderr}")
    tell(ACCEPTED)
    time.sleep(PATIENCE)
    need(False, f"the machine runs {PATIENCE:.0f} s after the order was accepted: {manager.log(UNIT)[-800:]}")
    return ""


CHECKS: Final = (
    Check(
        "Without the polkit rule the order `reboot` is refused",
        "`thermogate-hub order` over mosquitto, to the gate under its unit",
        _without_rule,
        400,
    ),
    Check(
        "The polkit rule lets the lane's user restart the machine, and nothing else",
        "installed as docs/commands.md says; logind and systemd are asked as other users, and for other things",
        _rule,
        180,
    ),
    Check("The order `restart` starts the service anew", "`thermogate-hub order`; systemd's NRestarts", _restart, 400),
    Check(CLAIM, "`thermogate-hub order reboot`; the restart is the emulator's event", _reboot, 180),
)
