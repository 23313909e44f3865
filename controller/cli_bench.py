"""`thermogate bench`: the fast core's benchmark harness."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from controller.cli_types import Subparsers

DESCRIPTION = """\
Times the thermal calibration and the embedding search against the NumPy oracle and, where they are installed, against
adafruit-circuitpython-mlx90640 and faiss-cpu, all in one run and interleaved. Results are checked against the oracle
before they are timed. Install the peers with: pip install 'thermogate[bench]'
"""


def add_parser(commands: Subparsers) -> None:
    """Add `bench`."""
    import argparse

    command = commands.add_parser(
        "bench",
        help="time the fast core against its peers",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Options after -- go to the harness; see them with: thermogate bench -- --help",
    )
    command.add_argument("harness", nargs="*", metavar="-- OPTION", help="--quick, --json FILE, --vendor-lib PATH, ...")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the harness."""
    from benchmarks.harness import main

    return main([option for option in arguments.harness if option != "--"])
