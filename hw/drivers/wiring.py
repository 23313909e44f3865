"""Is the lane wired as gate.toml says? What is wrong, and what to do about it, in an installer's words.

No output is claimed: what hangs on it could move. An input is claimed for a moment, with the pull it will have. An open
contact and a cut wire look the same at rest; where a contact is closed at rest, a cut wire shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceError
from hw.gate_settings import LAMPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw.bus import GpioLines
    from hw.gate_settings import LaneLines

ARM: Final = ("arm_up", "arm_down")
"""Contacts of a barrier's arm: either may be active at rest, and one of them has to be."""

EXPLAINED: Final = {
    "pass_a": "somebody stands in the arm, the contact is stuck closed, or it opens when somebody passes",
    "pass_b": "somebody stands in the arm, the contact is stuck closed, or it opens when somebody passes",
    "ready": "the barrier is not home, the turnstile has no power or a fault, or the wire is off",
    "intrusion": "the turnstile's own sensor sees somebody, or its contact opens in an alarm",
    "fire": "the fire panel is in alarm, its loop is cut, or its contact is of the other kind",
    "tamper": "the housing is open, its loop is cut, or its contact is of the other kind",
    "mains": "the gate runs on its battery, or the wire is off",
    "key": "the key is turned, or its contact is of the other kind",
    "readback_a": "relay A is on though nothing has commanded it: a welded contact, or one that rests closed",
    "readback_b": "relay B is on though nothing has commanded it: a welded contact, or one that rests closed",
    "readback": "the lock's relay is on though nothing has commanded it: a welded contact, or one that rests closed",
    "readback_open": "the relay is on though nothing has commanded it: a welded contact, or one that rests closed",
    "readback_close": "the relay is on though nothing has commanded it: a welded contact, or one that rests closed",
    "door": "the door stands open, its contact is of the other kind, or the wire is off",
    "rex": "the button is pressed or stuck, the sensor sees somebody, or its contact is of the other kind",
    "secure": "the lock does not hold, its contact is of the other kind, or the wire is off",
    "loop_front": "a vehicle is on the loop, or the detector's relay is of the other kind",
    "loop_exit": "a vehicle is on the loop, or the detector's relay is of the other kind",
    "loop_arm": "something is under the arm, the detector has no power, or the wire is off",
    "photocell": "something is in the beam, the photocell has no power, or the wire is off",
    "loop_fault": "the loop's detector reports a fault or has no power, or the wire is off",
    "photocell_fault": "the photocell reports a fault or has no power, or the wire is off",
    "power_fail": "the barrier has no mains, or the wire is off",
}
"""Why an input may not be at rest."""


@dataclass(frozen=True, slots=True)
class WiringFinding:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    """What was found."""
    fix: str = ""
    """What to do about it; empty where nothing is."""

    def __str__(self) -> str:
        return f"{self.text}: {self.fix}" if self.fix else self.text


def check_wiring(settings: LaneLines, lines: GpioLines) -> list[WiringFinding]:
    """Look at every line of `settings` on its chip, while no lane runs and nobody passes. Moves nothing."""
    findings: list[WiringFinding] = []
    active: dict[str, bool] = {}
    for name in (*settings.OUTPUTS, *settings.INPUTS):
        number = settings.number(name)
        if number is None:
            continue
        finding = _unavailable(name, number, settings, lines)
        if finding is None and name in settings.INPUTS:
            finding = _input(name, number, settings, lines, active)
        text = f"GPIO line {number} is free"
        findings.append(finding or WiringFinding(_title(settings, name), ok=True, text=text))
    findings += _together(active, settings)
    if settings.spare is not None:
        findings.append(check_release(settings, lines))
    return findings


def check_release(settings: LaneLines, lines: GpioLines) -> WiringFinding:
    """What the kernel does with an output whose process dies, tried on the `spare` line."""
    name, spare = _title(settings, "kernel"), settings.spare
    if spare is None:
        return WiringFinding(name, ok=True, text=f"not tried: [{settings.SECTION}] spare names no free line")
    unavailable = _unavailable("spare", spare, settings, lines)
    if unavailable is not None:
        return unavailable
    try:
        driven = lines.stays_driven(spare)
    except DeviceError as error:
        return WiringFinding(name, ok=False, text=str(error), fix="give `spare` a line with nothing on it")
    if not driven:
        return WiringFinding(name, ok=True, text="outputs of a process that dies become inputs: the resistors lock")
    return WiringFinding(
        name,
        ok=False,
        text="outputs of a process that dies stay driven: a relay that is on then stays on",
        fix="put into /boot/firmware/config.txt, and restart: " + "; ".join(config_lines(settings)) + "; and give each "
        "relay a hardware one-shot (docs/gate-wiring.md)",
    )


def config_lines(settings: LaneLines) -> list[str]:
    """Lines for config.txt that have the firmware and the kernel keep this lane's relays inactive."""
    levels: dict[str, list[int]] = {"dl": [], "dh": []}
    for name in (name for name in settings.OUTPUTS if name not in LAMPS):
        if (number := settings.number(name)) is not None:
            levels["dh" if settings.active_low(name) else "dl"].append(number)
    gpio = [f"gpio={','.join(map(str, numbers))}=op,{level}" for level, numbers in levels.items() if numbers]
    return [*gpio, "dtparam=strict_gpiod"]


def _title(settings: LaneLines, name: str) -> str:
    return f"{settings.SECTION} {name}"


def _unavailable(name: str, number: int, settings: LaneLines, lines: GpioLines) -> WiringFinding | None:
    """Why the line can't be had; None where it can."""
    title = _title(settings, name)
    if number >= lines.count:
        return WiringFinding(
            title,
            ok=False,
            text=f"{lines.name} has lines 0 to {lines.count - 1}, and no {number}",
            fix=f"give `{name}` the BCM number of a line there (pinout.xyz), or `chip` the right chip (`gpiodetect`)",
        )
    try:
        state = lines.state(number)
    except DeviceError as error:
        return WiringFinding(title, ok=False, text=str(error), fix="look at it with `gpioinfo`")
    if not state.used:
        return None
    holder = f"{state.consumer!r} has it" if state.consumer else "the kernel or another program has it"
    return WiringFinding(
        title,
        ok=False,
        text=f"GPIO line {number} is busy: {holder}",
        fix="stop the lane (systemctl stop thermogate) or that program; if it is an overlay in config.txt, take it out "
        "or give another line",
    )


def _input(
    name: str, number: int, settings: LaneLines, lines: GpioLines, active: dict[str, bool]
) -> WiringFinding | None:
    """What is wrong with an input that can be had; notes in `active` whether it is."""
    title, pull, own = _title(settings, name), settings.pull_of(name), f"[{settings.SECTION}.line.{name}]"
    try:
        if pull == "none" and lines.read(number, "up") and not lines.read(number, "down"):
            return WiringFinding(
                title,
                ok=False,
                text=f"GPIO line {number} floats: it follows whichever pull the board gives it",
                fix=f'fit a resistor of about 10 kΩ outside, or leave `pull = "none"` out of {own}',
            )
        level = lines.read(number, pull)
    except DeviceError as error:
        return WiringFinding(title, ok=False, text=str(error), fix="look at it with `gpioinfo`")
    closed = level is not settings.active_low(name)
    active[name] = closed is not (name in settings.normally_closed)
    if name in ARM:
        said = "says that the arm is there" if active[name] else "says that the arm is not there"
        return WiringFinding(title, ok=True, text=f"GPIO line {number} {said} ({_contact(closed=closed)})")
    if active[name] is (name in settings.active_at_rest):
        return WiringFinding(title, ok=True, text=f"GPIO line {number} is at rest ({_contact(closed=closed)})")
    return WiringFinding(
        title,
        ok=False,
        text=f"GPIO line {number} is {'active' if active[name] else 'not active'} at rest "
        f"({_contact(closed=closed)}): {EXPLAINED[name]}",
        fix=_turn_round(name, settings),
    )


def _together(active: dict[str, bool], settings: LaneLines) -> Iterator[WiringFinding]:
    """What two inputs say that can't both be."""
    if active.get("ready") and active.get("fire"):
        yield WiringFinding(
            _title(settings, "ready+fire"),
            ok=False,
            text="READY and FIRE are both active: a turnstile that a fire has released is not ready",
            fix="fire is probably wired the other way round, or the two wires are swapped; check both with a meter",
        )
    if active.get("door") and active.get("secure"):
        yield WiringFinding(
            _title(settings, "door+secure"),
            ok=False,
            text="the door is open and its lock holds, by their contacts",
            fix="one of them is probably of the other kind (`normally_closed`); check both with a meter",
        )
    if all(name in active for name in ARM) and active["arm_up"] is active["arm_down"]:
        both = active["arm_up"]
        yield WiringFinding(
            _title(settings, "arm"),
            ok=False,
            text=f"by its contacts the arm is {'up and down at once' if both else 'neither up nor down'}",
            fix="the arm stands half-way, or a contact is of the other kind (`normally_closed`), or its wire is off",
        )
    inputs = [name for name in active if name not in (*settings.READBACKS, *ARM)]
    wrong = [name for name in inputs if active[name] is not (name in settings.active_at_rest)]
    if len(inputs) > 2 and len(wrong) == len(inputs):
        yield WiringFinding(
            _title(settings, "inputs"),
            ok=False,
            text="every input is the wrong way round",
            fix=f"turn `inputs_active_low` in [{settings.SECTION}] round, or connect the contacts' common wire",
        )


def _turn_round(name: str, settings: LaneLines) -> str:
    if name in settings.normally_closed:
        return f"if the contact closes when it becomes active, take {name} out of `normally_closed`"
    return f"if the contact opens when it becomes active, name {name} in `normally_closed`"


def _contact(*, closed: bool) -> str:
    return "contact closed" if closed else "contact open"
