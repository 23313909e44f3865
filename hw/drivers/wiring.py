"""Is the gate wired as gate.toml says? What is wrong, and what to do about it, in an installer's words.

No output is claimed: what hangs on it could move. An input is claimed for a moment, with the pull it will have. An open
contact and a cut wire look the same at rest; where a contact is closed at rest, a cut wire shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceError
from hw.gate_settings import GATE_INPUTS, GATE_OUTPUTS, READBACKS
from hw.ports import ACTIVE_AT_REST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw.bus import GpioLines
    from hw.gate_settings import GateSettings

REST: Final = {signal.value for signal in ACTIVE_AT_REST}

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


def check_wiring(settings: GateSettings, lines: GpioLines) -> list[WiringFinding]:
    """Look at every line of `settings` on its chip, while no lane runs and nobody passes. Moves nothing."""
    findings: list[WiringFinding] = []
    active: dict[str, bool] = {}
    for name in (*GATE_OUTPUTS, *GATE_INPUTS):
        number = getattr(settings, name)
        if number is None:
            continue
        finding = _unavailable(name, number, lines)
        if finding is None and name in GATE_INPUTS:
            finding = _input(name, number, settings, lines, active)
        findings.append(finding or WiringFinding(f"gate {name}", ok=True, text=f"GPIO line {number} is free"))
    findings += _together(active)
    if settings.spare is not None:
        findings.append(check_release(settings, lines))
    return findings


def check_release(settings: GateSettings, lines: GpioLines) -> WiringFinding:
    """What the kernel does with an output whose process dies, tried on the `spare` line."""
    name, spare = "gate kernel", settings.spare
    if spare is None:
        return WiringFinding(name, ok=True, text="not tried: [gate] spare names no free line")
    unavailable = _unavailable("spare", spare, lines)
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


def config_lines(settings: GateSettings) -> list[str]:
    """Lines for config.txt that have the firmware and the kernel keep this gate's relays inactive."""
    levels: dict[str, list[int]] = {"dl": [], "dh": []}
    for name in ("unlock_a", "unlock_b", "stop"):
        if (number := getattr(settings, name)) is not None:
            levels["dh" if settings.active_low(name) else "dl"].append(number)
    gpio = [f"gpio={','.join(map(str, numbers))}=op,{level}" for level, numbers in levels.items() if numbers]
    return [*gpio, "dtparam=strict_gpiod"]


def _unavailable(name: str, number: int, lines: GpioLines) -> WiringFinding | None:
    """Why the line can't be had; None where it can."""
    title = f"gate {name}"
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
    name: str, number: int, settings: GateSettings, lines: GpioLines, active: dict[str, bool]
) -> WiringFinding | None:
    """What is wrong with an input that can be had; notes in `active` whether it is."""
    title, pull = f"gate {name}", settings.pull_of(name)
    try:
        if pull == "none" and lines.read(number, "up") and not lines.read(number, "down"):
            return WiringFinding(
                title,
                ok=False,
                text=f"GPIO line {number} floats: it follows whichever pull the board gives it",
                fix=f'fit a resistor of about 10 kΩ outside, or leave `pull = "none"` out of [gate.line.{name}]',
            )
        level = lines.read(number, pull)
    except DeviceError as error:
        return WiringFinding(title, ok=False, text=str(error), fix="look at it with `gpioinfo`")
    closed = level is not settings.active_low(name)
    active[name] = closed is not (name in settings.normally_closed)
    if active[name] is (name in REST):
        return WiringFinding(title, ok=True, text=f"GPIO line {number} is at rest ({_contact(closed=closed)})")
    return WiringFinding(
        title,
        ok=False,
        text=f"GPIO line {number} is {'active' if active[name] else 'not active'} at rest "
        f"({_contact(closed=closed)}): {EXPLAINED[name]}",
        fix=_turn_round(name, settings),
    )


def _together(active: dict[str, bool]) -> Iterator[WiringFinding]:
    """What two inputs say that can't both be."""
    if active.get("ready") and active.get("fire"):
        yield WiringFinding(
            "gate ready+fire",
            ok=False,
            text="READY and FIRE are both active: a turnstile that a fire has released is not ready",
            fix="fire is probably wired the other way round, or the two wires are swapped; check both with a meter",
        )
    inputs = [name for name in active if name not in READBACKS]
    wrong = [name for name in inputs if active[name] is not (name in REST)]
    if len(inputs) > 2 and len(wrong) == len(inputs):
        yield WiringFinding(
            "gate inputs",
            ok=False,
            text="every input is the wrong way round",
            fix="turn `inputs_active_low` in [gate] round, or connect the contacts' common wire",
        )


def _turn_round(name: str, settings: GateSettings) -> str:
    if name in settings.normally_closed:
        return f"if the contact closes when it becomes active, take {name} out of `normally_closed`"
    return f"if the contact opens when it becomes active, name {name} in `normally_closed`"


def _contact(*, closed: bool) -> str:
    return "contact closed" if closed else "contact open"
