"""Checks of the look at the wiring on the kernel's pins: it sets no line, and names who has one.

gpio-sim's pulls are its contacts, so an input reads what it is pulled to here; what a contact does is a test's matter.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from hw.board import wiring
from hw.gate_settings import GATE_LINES, GateSettings, LineSettings
from image.proof.inside.check import Check, need
from image.proof.inside.gate import HOLDER, pins

FLOATS: Final = LineSettings(pull="none")


def _untouched() -> str:
    wires = pins()
    settings = GateSettings(chip=wires.chip, fire=16, stop=24, line={"fire": FLOATS})
    lines = [line for name in GATE_LINES if (line := getattr(settings, name)) is not None]
    wires.watch()
    found = {finding.name: finding for finding in wiring(settings)}
    moved = wires.settings(*lines)
    need(not moved, f"it set {len(moved)} lines")
    wrong = [name for name, finding in found.items() if not finding.ok]
    need(wrong == ["gate fire"], f"wrong are {wrong}")
    need("floats" in found["gate fire"].text, found["gate fire"].text)
    return f"{len(found)} lines looked at, none set; {found['gate fire'].text}"


def _held() -> str:
    settings = GateSettings(chip=pins().chip)
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None  # noqa: S101 - it is a pipe
        need(holder.stdout.readline().strip() == "unlocked", "the other program did not come up")
        found = {finding.name: finding for finding in wiring(settings)}
        holder.kill()
    named = [name for name, finding in found.items() if "busy: 'lg' has it" in finding.text]
    need(len(named) == len(found), f"{len(named)} of {len(found)} lines are named as lg's")
    after = [str(finding) for finding in wiring(settings) if "busy" in finding.text]
    need(not after, f"after its death still busy: {after}")
    return f"{len(named)} lines of a lane that runs, each with its holder; none after its death"


CHECKS: Final = (
    Check(
        "A look at the wiring sets no line, and tells one that floats", "the kernel's own log of settings", _untouched
    ),
    Check("A line in use is named with its holder", "beside a gate of another process", _held, 120),
)
