"""`thermogate selftest`: is this installation, and this board, fit for a lane?"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.cli_types import Subparsers
    from controller.config import Config

DESCRIPTION = """\
Looks whether this installation is fit for a lane: the kernels against their oracle, the journal's disk, the engines and
their models. With a GATE.TOML also every device it names. Each line says ok or what is wrong and what to do about it;
the exit status is 1 when anything that the lane needs is wrong. No lock moves.
"""

COMMITS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the self-test."""

    name: str
    ok: bool
    text: str
    needed: bool = True
    """Whether the lane cannot do without."""


def add_parser(commands: Subparsers) -> None:
    """Add `selftest`."""
    command = commands.add_parser(
        "selftest",
        help="look whether this installation and board are fit",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("config", type=Path, metavar="GATE.TOML", nargs="?", help="also test the devices it names")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Test and print."""
    from controller.config import Config, load
    from controller.indicators.check import looked_at

    config = Config() if arguments.config is None else load(arguments.config)
    findings = software(config, None if arguments.config is None else config.store.folder)
    if arguments.config is not None:
        findings += devices(config) + gate_wiring(config)
        findings += [Finding(name, ok, text, needed=False) for name, ok, text in looked_at(config)]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok     " if finding.ok else ("WRONG  " if finding.needed else "missing")
        print(f"{mark} {finding.name:<{width}}  {finding.text}")
    return 0 if all(finding.ok or not finding.needed for finding in findings) else 1


def software(config: Config, folder: Path | None) -> list[Finding]:
    """Test what needs no device. The journal's disk is tested in `folder`, or in a temporary one."""
    findings = [_attempt("thermal kernel", thermal_kernel), _attempt("search kernel", search_kernel)]
    findings.append(_attempt("journal disk", lambda: journal_disk(folder)))
    chosen = config.perception.engine
    for name in ("tflite", "opencv", "demo"):
        needed = chosen == name
        findings.append(_attempt(f"engine {name}", lambda name=name: engine(config, name), needed=needed))  # type: ignore[misc]
    return findings


def devices(config: Config) -> list[Finding]:
    """Test the devices of a configuration, each on its own."""
    from hw.board import missing

    lacking = dict(line.split(": ", 1) for line in missing(config.thermal, config.camera, config.wiring, config.reader))
    return [
        Finding(name, name not in lacking, lacking.get(name, "answers"))
        for name in ("thermal sensor", "camera", "gate", *(["reader"] if config.reader else []))
    ]


def gate_wiring(config: Config) -> list[Finding]:
    """Look at each line of the gate; a chip that is not there is told already."""
    from hw.board import wiring

    return [Finding(found.name, found.ok, str(found)) for found in wiring(config.gate) if found.name != "gate chip"]


def thermal_kernel() -> str:
    """The kernel against the NumPy oracle, on a made-up sensor."""
    import numpy as np

    import _fastcore
    from _fastcore import reference
    from _fastcore.thermal import Mlx90640
    from hw.sim.mlx90640_eeprom import synthetic_eeprom

    eeprom = synthetic_eeprom(1)
    frame = np.zeros(834, dtype=np.uint16)
    frame[:768] = np.arange(768) % 200
    frame[768:832] = 0
    frame[768], frame[800], frame[778], frame[810] = 0x4BF2, 0x06AF, 0x1881, 0xCCC5
    frame[832], frame[833] = 0x1901, 0
    got = np.full(768, np.nan, dtype=np.float32)
    Mlx90640(eeprom).object_temperatures(frame, got, emissivity=0.98)
    true = reference.object_temperatures(reference.extract(eeprom), frame, emissivity=0.98)
    if not np.array_equal(np.isnan(got), np.isnan(true)):
        raise ArithmeticError("the kernel and its oracle disagree about which pixels there are")
    worst = float(np.nanmax(np.abs(got - true)))
    if not worst < 2e-3:
        raise ArithmeticError(f"the kernel is {worst:.4f} °C off its oracle")
    return f"within {worst:.1e} °C of its oracle ({_fastcore.backend()})"


def search_kernel() -> str:
    """The search against NumPy."""
    import numpy as np

    from _fastcore.match import Gallery

    rng = np.random.default_rng(1)
    templates = rng.normal(size=(500, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    gallery = Gallery(128)
    for key, template in enumerate(templates):
        gallery.add(key, template)
    keys, scores = gallery.search(templates[123], k=3)
    order = np.argsort(-(templates @ templates[123]))[:3]
    if keys.tolist() != order.tolist() or abs(float(scores[0]) - 1) > 1e-5:
        raise ArithmeticError("the search does not find what brute force finds")
    return "finds what brute force finds"


def journal_disk(folder: Path | None) -> str:
    """Commits with fsync, timed, in a file of its own beside the journal."""
    import sqlite3

    times = []
    with tempfile.TemporaryDirectory(prefix="thermogate-selftest-", dir=folder) as scratch:
        connection = sqlite3.connect(Path(scratch) / "probe.sqlite3", isolation_level=None)
        try:
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x);")
            for number in range(COMMITS):
                started = time.perf_counter()
                connection.execute("INSERT INTO t VALUES (?)", (number,))
                times.append(time.perf_counter() - started)
        finally:
            connection.close()
    times.sort()
    median, worst = 1000 * times[len(times) // 2], 1000 * times[-1]
    place = folder or "a temporary folder"
    return f"a commit takes {median:.1f} ms (median of {COMMITS}), {worst:.1f} ms at worst, in {place}"


def engine(config: Config, name: str) -> str:
    """Whether an engine opens."""
    from controller.perception.engines import open_engine

    opened = open_engine(name, config.perception.models)
    return f"{opened.template_model}" + (", for rehearsals only" if opened.rehearsal_only else "")


def _attempt(name: str, probe: Callable[[], str], *, needed: bool = True) -> Finding:
    from controller.errors import GateError

    try:
        return Finding(name, ok=True, text=probe(), needed=needed)
    except (GateError, ArithmeticError, OSError, ImportError) as error:
        return Finding(name, ok=False, text=str(error), needed=needed)
