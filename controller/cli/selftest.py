"""`thermogate selftest`: is this installation, and this board, fit for a lane?"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.config import Config
    from controller.selftest.finding import Finding
    from controller.selftest.machine import Machine

DESCRIPTION = """\
Looks whether this installation is fit for a lane: the kernels against their oracle, the journal's disk, the engines and
their models. With a GATE.TOML also the board: buses and rights, every device that is named, the bus' real speed, the
supply, the clock, the disk, the watchdog. Each line says ok, or what is wrong and what to do about it; the exit status
is 1 when anything that the lane needs is wrong. No lock moves.
"""

EPILOG = """\
examples:
  thermogate selftest                                 this installation
  sudo thermogate selftest /etc/thermogate/gate.toml  and the board
  thermogate selftest gate.toml --latency 60          how long each stage takes, from sensor to decision
  thermogate selftest gate.toml --json                for machines: {"passed": ..., "findings": [...]}
"""

MARKS = {"ok": "ok     ", "wrong": "WRONG  ", "warning": "warning", "absent": "missing"}


def add_parser(commands: Subparsers) -> None:
    """Add `selftest`."""
    command = commands.add_parser(
        "selftest",
        help="look whether this installation and board are fit",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("config", type=Path, metavar="GATE.TOML", nargs="?", help="also test the board it describes")
    command.add_argument(
        "--latency",
        type=float,
        metavar="SECONDS",
        help="also run the lane for so long, with its lock simulated, and hold each stage against its budget",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Test and print."""
    from controller.config import Config, load
    from controller.indicators.check import looked_at
    from controller.selftest.finding import Finding, passed
    from controller.selftest.software import software

    if arguments.latency is not None and arguments.config is None:
        print("thermogate selftest: --latency needs the GATE.TOML of a board", file=sys.stderr)
        return 2
    config = Config() if arguments.config is None else load(arguments.config)
    findings = software(config, None if arguments.config is None else config.store.folder)
    if arguments.config is not None:
        findings += board(config, arguments.config) + devices(config) + gate_wiring(config) + link(config)
        findings += [Finding(name, ok, text, severity="warning") for name, ok, text in looked_at(config)]
        if arguments.latency is not None:
            findings += latency(config, arguments.latency)
    if arguments.json:
        told = {"passed": passed(findings), "findings": [finding.as_json() for finding in findings]}
        print(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        _print(findings)
    return 0 if passed(findings) else 1


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{MARKS[finding.status]} {finding.name:<{width}}  {finding.text}")
        if finding.fix:
            print(f"{'':{9 + width}} -> {finding.fix}")


def board(config: Config, path: Path) -> list[Finding]:
    """Test the machine: what an installer may have forgotten, and what a board suffers from."""
    from controller.record.boot import clock_state
    from controller.selftest import machine as look
    from hw.linux.machine import LinuxMachine

    machine = LinuxMachine()
    written = {
        str(file): file.stat().st_mtime for file in (path, config.store.folder / "journal.sqlite3") if file.exists()
    }
    return [
        *look.buses(config, machine),
        *_sensor(config, machine),
        look.camera(config, machine),
        look.supply(machine),
        look.clock(clock_state(), time.time(), written),
        look.space(config.store.folder, machine),
        look.watchdog(config, machine),
    ]


def _sensor(config: Config, machine: Machine) -> list[Finding]:
    """The bus that the thermal sensor's pictures come over."""
    from controller.selftest import machine as look
    from hw.board import linux_bus_hertz
    from hw.thermal_settings import LeptonSettings, Mlx90640Settings

    sensor = config.thermal
    if isinstance(sensor, Mlx90640Settings):
        return [look.bus_speed(sensor.refresh_hz, lambda: linux_bus_hertz(sensor))]
    return [look.spi(sensor.spi, machine)] if isinstance(sensor, LeptonSettings) else []


def latency(config: Config, seconds: float) -> list[Finding]:
    """Run the lane for so long on the board's own senses, and hold each stage against its budget."""
    from controller.errors import GateError
    from controller.selftest import latency as timed
    from controller.selftest.finding import Finding
    from hw.board import rehearsal_board
    from hw.errors import DeviceError, words

    board, mechanics = rehearsal_board(config.thermal, config.camera, config.wiring)
    try:
        return timed.findings(timed.measure(config, board, seconds))
    except (GateError, DeviceError) as error:
        return [Finding("latency", ok=False, text=words(error))]
    finally:
        mechanics.close()


def devices(config: Config) -> list[Finding]:
    """Open the devices of a configuration, each on its own."""
    from controller.selftest.finding import Finding
    from hw.board import missing

    lacking = dict(line.split(": ", 1) for line in missing(config.thermal, config.camera, config.wiring, config.reader))
    # Two wires say nothing by themselves.
    silent = config.reader is not None and config.reader.driver == "wiegand"
    well = {"reader": "two wires; present a card to try them"} if silent else {}
    return [
        Finding(name, name not in lacking, lacking.get(name, well.get(name, "answers")))
        for name in ("thermal sensor", "camera", "gate", *(["reader"] if config.reader else []))
    ]


def link(config: Config) -> list[Finding]:
    """Look at the files of the link to the campus."""
    from controller.record.boot import clock_state
    from controller.selftest.link import certificates

    return certificates(config, time.time() if clock_state() == "synchronised" else None)


def gate_wiring(config: Config) -> list[Finding]:
    """Look at each line of the lane; a chip that is not there is told already."""
    from controller.selftest.finding import Finding
    from hw.board import wiring

    found = [one for one in wiring(config.wiring) if not one.name.endswith(" chip")]
    return [Finding(one.name, one.ok, one.text, one.fix) for one in found]
