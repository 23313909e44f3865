"""Prove the board: `python -m image.proof [--write docs/board-proof.md] [--only GROUP ...]`.

Prints a table: claim, how it was shown, figure. The exit status is 1 where a claim failed. Kernels, roots and wheels
are kept in build/proof; a second run only boots. Models are those that THERMOGATE_MODELS names; without them the claims
of the whole program are skipped, for it refuses a real lock without.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from image.proof import contents, kernels, machine, managed, raspberry
from image.proof.claims import Evidence, failed, markdown, missing, parse, read_table, renewed
from image.proof.contents import ROOT
from image.proof.inside import unit_reboot, units, watchdog
from image.proof.inside.groups import GROUPS
from image.proof.kernels import ProofError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from image.proof.inside.check import Check

CACHE: Final = ROOT / "build" / "proof"
BUSES: Final = ROOT / "tests" / "hw" / "buses"
RASPBERRY: Final = "raspberry"
BUS: Final = "buses"
BUS_CLAIM: Final = "I2C and SPI below the client libraries"
TABLE: Final = ("<!-- table -->", "<!-- end of table -->")
SECONDS: Final = 480.0
"""Most that the emulated PC may take."""
CONTAINED: Final = ("hub-unit",)
MANAGED_SECONDS: Final = 1200.0
"""And the one under systemd."""


def main() -> int:
    """Prove, print, and write the page where that is asked for."""
    options = _options()
    began = time.monotonic()
    try:
        found = prove(options.only or [BUS, RASPBERRY, *GROUPS, *units.GROUPS], console=options.console)
    except (ProofError, subprocess.CalledProcessError) as error:
        print(f"board-proof: {error}", file=sys.stderr)
        return 1
    table = markdown(found)
    counts = [f"{sum(one.status == status for one in found)} {status}" for status in ("shown", "FAILED", "skipped")]
    print(f"{table}\nboard-proof: {', '.join(counts)}, in {time.monotonic() - began:.0f} s")
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(rewritten(page, found), encoding="utf-8")
    return int(failed(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="board-proof", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE.MD", help="renew the rows of this page's table")
    parser.add_argument(
        "--only", nargs="+", choices=(BUS, RASPBERRY, *GROUPS, *units.GROUPS), help="some groups of claims"
    )
    parser.add_argument("--console", action="store_true", help="also show what the emulated PC's console said")
    return parser.parse_args()


def prove(groups: Sequence[str], *, console: bool = False) -> list[Evidence]:
    """The evidence for these groups of claims. Raises ProofError where the proof itself cannot be done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found: list[Evidence] = []
    if BUS in groups:
        found.append(buses())
    inside = [name for name in groups if name in GROUPS]
    if inside:
        found += _pc(inside, console=console)
    if RASPBERRY in groups:
        found += raspberry.prove(CACHE)
    of_units = [name for name in groups if name in units.GROUPS]
    if of_units:
        found += _managed(of_units, console=console)
    return found


def buses() -> Evidence:
    """The tests of I2C and SPI below unmodified smbus2 and spidev, in this machine's own kernel."""
    claim, how = BUS_CLAIM, "the tests of this folder, with umockdev: "
    how += str(BUSES.relative_to(ROOT))
    if not BUSES.is_dir():
        return Evidence(claim, "skipped", how, "there are no such tests")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", str(BUSES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return judged(claim, how, done.returncode, done.stdout)


def judged(claim: str, how: str, status: int, output: str) -> Evidence:
    """What a run of pytest shows: nothing where a test was skipped."""
    last = output.strip().splitlines()[-1] if output.strip() else "it said nothing"
    if status:
        return Evidence(claim, "FAILED", how, last)
    skipped = re.search(r"^SKIPPED .*?: (.+)$", output, re.MULTILINE)
    if skipped is not None or "skipped" in last:
        return Evidence(claim, "skipped", how, f"{last}: {skipped[1] if skipped else 'no reason'}")
    return Evidence(claim, "shown", how, last)


def _pc(groups: list[str], *, console: bool) -> list[Evidence]:
    kernel = kernels.native(CACHE)
    accelerator = machine.accelerator(kernel, CACHE)
    models = os.environ.get("THERMOGATE_MODELS")
    folders = [Path(models).resolve()] if models else []
    exports = [f"PYTHONPATH={contents.site(CACHE)}", *(f"THERMOGATE_MODELS={folder}" for folder in folders)]
    called = f"{contents.PYTHON} -m image.proof.inside {' '.join(groups)}"
    disk = machine.ram_disk(kernel, CACHE, folders, f"cd {ROOT}; export {shlex.join(exports)}; {called}")
    said = machine.boot(kernel, disk, accelerator, seconds=SECONDS)
    from_outside: list[Evidence] = []
    if "watchdog" in groups and watchdog.EVENT in said.events:
        (check,) = watchdog.CHECKS
        figure = f"reset by the card, {watchdog.HEARTBEAT} s of heartbeat"
        from_outside.append(Evidence(check.claim, "shown", check.how, figure))
    checks = [check for name in groups for check in GROUPS[name]]
    return _heard(
        said, f"the emulated PC ({kernel.source}, {accelerator.upper()})", checks, from_outside, console=console
    )


def _managed(groups: list[str], *, console: bool) -> list[Evidence]:
    """A hub needs no device: where this is root its claims are tried on this machine's kernel, which is far faster."""
    contained = [name for name in groups if name in CONTAINED and os.geteuid() == 0]
    found: list[Evidence] = []
    if contained:
        said = managed.contain(CACHE, contained, seconds=MANAGED_SECONDS)
        checks = [check for name in contained for check in units.GROUPS[name]]
        found += _heard(said, f"the container ({managed.CONTAINER})", checks, (), console=console)
    groups = [name for name in groups if name not in contained]
    if not groups:
        return found
    kernel = kernels.native(CACHE)
    accelerator = machine.accelerator(kernel, CACHE)
    said = managed.prove(kernel, CACHE, accelerator, groups, seconds=MANAGED_SECONDS)
    from_outside: list[Evidence] = []
    if "reboot" in groups and was_restarted(said):
        check = unit_reboot.CHECKS[-1]
        from_outside.append(Evidence(check.claim, "shown", check.how, "accepted, and the machine restarted in order"))
    checks = [check for name in groups for check in units.GROUPS[name]]
    where = f"the emulated PC under systemd ({kernel.source}, {accelerator.upper()})"
    return found + _heard(said, where, checks, from_outside, console=console)


def was_restarted(said: machine.Said) -> bool:
    """Whether the machine restarted because the order was accepted: not by a watchdog, nor by a panic of its kernel."""
    by_itself = watchdog.EVENT not in said.events and "Kernel panic" not in said.console
    return by_itself and unit_reboot.EVENT in said.events and unit_reboot.ACCEPTED in said.console


def _heard(
    said: machine.Said, where: str, checks: Sequence[Check], from_outside: Sequence[Evidence], *, console: bool
) -> list[Evidence]:
    """The evidence of a machine's checks, from within and from outside; what it did not speak of has failed."""
    if console:
        print(said.console, file=sys.stderr)
    print(f"board-proof: {where} ran for {said.seconds:.0f} s", file=sys.stderr)
    how = "ended" if said.ended else f"was stopped after {said.seconds:.0f} s"
    found = [*parse(said.evidence), *from_outside]
    return found + missing(
        [(check.claim, check.how) for check in checks], found, f"{where} {how} before it said anything of this"
    )


def claims() -> list[str]:
    """All claims that are made, in the order of the page."""
    inside = [check.claim for checks in (*GROUPS.values(), *units.GROUPS.values()) for check in checks]
    return [BUS_CLAIM, *inside, *(claim for claim, _ in raspberry.CLAIMS)]


def rewritten(page: str, found: Sequence[Evidence]) -> str:
    """The page with the rows renewed that were tried. Raises ProofError where the page has no place for a table."""
    begin, end = TABLE
    before, opened, rest = page.partition(begin)
    table, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ProofError(f"the page has no place for the table: {begin} and {end}")
    rows = renewed(read_table(table), found, claims())
    return f"{before}{begin}\n{markdown(rows)}{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
