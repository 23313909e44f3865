"""`thermogate eval face`: how well people are told apart, on pictures of people."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Judges the recognition on pictures of people, one folder each (as Labeled Faces in the Wild: NAME/NAME_0001.jpg):
verification (ROC, AUC, EER, true-accept rates), identification against galleries of rising size with strangers, single
pictures and several fused as at the gate, and the time of each stage. Engines, gallery search and fusion are the code
that runs on a board. Every rate has its n and its interval; what so few people cannot show is said.

Pictures need matplotlib: pip install 'thermogate[eval]'. No picture and no template is kept.
"""
EPILOG = """\
examples:
  thermogate eval face --images lfw --pairs pairs.txt --out report
  thermogate eval face --images lfw --engine tflite --enrol 1 --splits 20
  thermogate eval face --images lfw --gallery people.txt --latency --walk 100
  thermogate eval face --images lfw --write-thresholds controller/face_evaluation.json

exit status: 0 all is written, 1 something cannot be used (it is named), 2 wrong usage
"""
BOOTSTRAP, SPLITS, SEED, ENROL = 2000, 10, 1, 2


def add_parser(kinds: Any) -> None:
    """Add `face` to `thermogate eval`'s sub-commands."""
    command = kinds.add_parser(
        "face",
        help="recognition on pictures of people",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("--images", type=Path, required=True, metavar="FOLDER", help="NAME/NAME_0001.jpg and so on")
    add("--pairs", type=Path, metavar="FILE", help="pairs to verify: `name i j` or `name i name2 j`, one a line")
    add("--gallery", type=Path, metavar="FILE", help="people to enrol before all others, one a line")
    add("--engine", choices=("opencv", "tflite", "both"), default="both", help="default: both")
    add("--models", type=Path, metavar="DIR", help="models folder (default $THERMOGATE_MODELS, or the user's own)")
    add("--enrol", type=_positive, default=ENROL, metavar="N", help="pictures to enrol with (default %(default)s)")
    add("--splits", type=_positive, default=SPLITS, metavar="N", help="galleries of each size (default %(default)s)")
    add("--bootstrap", type=_positive, default=BOOTSTRAP, metavar="N", help="drawn samples (default %(default)s)")
    add("--seed", type=int, default=SEED, help="of everything drawn (default %(default)s)")
    add("--limit", type=_positive, metavar="N", help="only the first N people by name")
    add("--out", type=Path, metavar="FOLDER", help="write report.md and its pictures here")
    add("--latency", action="store_true", help="also time fused attempts on one core")
    add("--walk", type=_positive, metavar="N", help="also rehearse N people in real time: foot on the mark to relay")
    add("--write-thresholds", type=Path, metavar="FILE", help="write the table of thresholds that a gate reads")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the evaluation."""
    from benchmarks.face import command

    return command.run(arguments)


def _positive(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return value
