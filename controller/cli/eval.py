"""`thermogate eval`: how good the screening and the recognition are, on public data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from controller.cli.types import Subparsers

DESCRIPTION = """\
Judges the fever screening on the published facial and oral temperatures (doi 10.13026/3bhc-9065, CC0): ROC, AUC and
sensitivity with intervals, beside the plain face maximum; by camera, room and hour; what a cold room and a drifting
camera cost. The values are computed by the code that runs on a board.

Pictures need matplotlib: pip install 'thermogate[eval]', or `make eval DATA=…` in a checkout.
"""
EPILOG = """\
examples:
  thermogate eval fever --data FLIR_before_2018-02.csv --out report
  thermogate eval fever --data folder-of-csv-files          (a camera is the first word of a file's name)
  thermogate eval fever --data FLIR_before_2018-02.csv --fit train
  thermogate eval fever --data FLIR_before_2018-02.csv --write-operating controller/screening_evaluation.json
"""
BOOTSTRAP, SEED = 2000, 1


def add_parser(commands: Subparsers) -> None:
    """Add `eval`, its `fever` and its `face`."""
    import argparse

    from controller.cli import eval_face as cli_eval_face

    group = commands.add_parser("eval", help="evaluate the screening and the recognition on public data")
    kinds = group.add_subparsers(title="evaluations", metavar="WHAT", required=True)
    command = kinds.add_parser(
        "fever",
        help="fever screening against oral temperature",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help="a published CSV file, or a folder of them")
    add("--out", type=Path, metavar="FOLDER", help="write report.md and its pictures here")
    add("--fit", choices=("shipped", "train"), default="shipped", help="the frozen fit, or a refit on the first 60 %%")
    add("--seed", type=int, default=SEED, help=f"of everything drawn (default: {SEED})")
    add("--bootstrap", type=_positive, default=BOOTSTRAP, metavar="N", help=f"drawn samples (default: {BOOTSTRAP})")
    add("--write-operating", type=Path, metavar="FILE", help="write the evaluation that `screening plan` reads")
    command.set_defaults(run=run)
    cli_eval_face.add_parser(kinds)


def run(arguments: argparse.Namespace) -> int:
    """Run the evaluation."""
    from benchmarks.fever import command

    return command.run(arguments)


def _positive(text: str) -> int:
    import argparse

    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return value
