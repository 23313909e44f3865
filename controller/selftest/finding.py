"""One line of the self-test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Severity = Literal["wrong", "warning", "absent"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was found."""

    name: str
    ok: bool
    text: str
    """What was found; where that is wrong, its cause."""
    fix: str = ""
    """What to do about it, in an installer's words."""
    severity: Severity = "wrong"
    """What it is called where it is not ok: `wrong`, which no lane can do without, `warning`, or `absent`."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name and unit."""

    @property
    def status(self) -> Literal["ok", "wrong", "warning", "absent"]:
        """In one word."""
        return "ok" if self.ok else self.severity

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.text}: {self.fix}" if self.fix else self.text

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "fix": self.fix,
            "figures": dict(self.figures),
        }


def passed(findings: list[Finding]) -> bool:
    """Whether a lane could run."""
    return all(finding.status != "wrong" for finding in findings)


def attempt(name: str, probe: Callable[[], str], *, severity: Severity = "wrong") -> Finding:
    """A finding of a probe that tells what it found, or raises what is wrong."""
    from controller.errors import GateError  # noqa: PLC0415 - a finding as such needs none
    from hw.errors import DeviceError, words  # noqa: PLC0415

    try:
        return Finding(name, ok=True, text=probe())
    except (GateError, DeviceError, ArithmeticError, OSError, ImportError) as error:
        return Finding(name, ok=False, text=words(error), severity=severity)
