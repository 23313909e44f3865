"""`thermogate bench`: the fast core beside its peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import options

if TYPE_CHECKING:
    import argparse

    from controller.cli.types import Subparsers

DESCRIPTION = """\
Times the thermal calibration and the embedding search beside the libraries one would use instead, in one interleaved
run, one thread each. Answers are checked against a float64 oracle first: whoever is wrong is not timed.

Peers that aren't installed are left out, and named: pip install 'thermogate[bench]', or `make bench` in a checkout.
"""
EPILOG = """\
examples:
  thermogate bench --quick
  thermogate bench --distribution anisotropic --sizes 10000 --dims 512 --thresholds 0.45 --k 1
  thermogate bench --json bench.json --markdown docs/benchmarks.md --chart docs/benchmarks.svg
"""


def add_parser(commands: Subparsers) -> None:
    """Add `bench`."""
    import argparse

    command = commands.add_parser(
        "bench",
        help="time the fast core against its peers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the harness."""
    from benchmarks import harness

    return harness.run(arguments)
