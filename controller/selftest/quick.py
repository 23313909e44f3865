"""The self-test that a lane in service can bear: kernels, disk, supply, clock, space and watchdog. No device is opened.

It takes a fraction of a second, on a worn SD card a few; nothing of it touches the gate's lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.selftest import machine as look
from controller.selftest.finding import attempt, passed
from controller.selftest.software import disk, search_kernel, thermal_kernel

if TYPE_CHECKING:
    from controller.config import Config
    from controller.link.messages import Scalar
    from controller.selftest.finding import Finding
    from controller.selftest.machine import Machine


def quick(config: Config, machine: Machine, clock_state: str, wall: float) -> list[Finding]:
    """Measure. `wall`: Unix seconds. Blocks; not on the event loop."""
    return [
        attempt("thermal kernel", thermal_kernel),
        attempt("search kernel", search_kernel),
        disk(config.store.folder, config.store.append_timeout),
        look.supply(machine),
        look.clock(clock_state, wall, {}),
        look.space(config.store.folder, machine),
        look.watchdog(config, machine),
    ]


def flat(findings: list[Finding]) -> dict[str, Scalar]:
    """What was found and measured, for a reply: `passed`, a line for each finding, and each figure by itself."""
    told: dict[str, Scalar] = {"passed": passed(findings)}
    for finding in findings:
        name = finding.name.replace(" ", "_")
        told[name] = f"{finding.status}: {finding.line}"
        told |= {f"{name}_{figure}": value for figure, value in finding.figures.items()}
    return told
