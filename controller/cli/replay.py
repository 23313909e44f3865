"""`thermogate replay`: the same program on recorded sensor words and photographs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers

DESCRIPTION = """\
Plays recorded sensor words and photographs through the whole program, from the bus up, and prints each decision. The
turnstile behind it is simulated, and time passes as fast as the work allows.

RECORDING is a .json with `eeprom_832_u16` and `frames_834_u16`, or a .npz with such arrays for one case or several
(--case). Its words are looped through the register interface that the sensor's driver reads.
"""

EPILOG = """\
examples:
  thermogate replay scene.json --pictures photos/ --gallery /var/lib/thermogate
  thermogate replay golden.npz --case lobby --pictures face.jpg --engine opencv --seconds 20
"""


def add_parser(commands: Subparsers) -> None:
    """Add `replay`."""
    command = commands.add_parser(
        "replay",
        help="run the program on recorded input",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("recording", type=Path, metavar="RECORDING", help="EEPROM and frames: .json or .npz")
    command.add_argument("--case", help="which case of a .npz that holds several")
    command.add_argument(
        "--pictures", type=Path, required=True, help="a photograph, a folder of them (one after the other), or a video"
    )
    command.add_argument("--gallery", type=Path, help="folder of the gallery; without it nobody is registered")
    command.add_argument("--config", type=Path, help="a gate.toml for all other settings")
    command.add_argument(
        "--engine", choices=("auto", "opencv", "tflite", "demo"), help="in place of the configured one"
    )
    command.add_argument("--models", type=Path, help="folder of the model files")
    command.add_argument(
        "--seconds", type=float, default=12.0, help="how long to play, in the gate's time (default: 12)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play and print."""
    from controller.observe.log import configure
    from controller.observe.settings import ObserveSettings

    # The decisions are printed already; the log would say them again.
    handle = configure(ObserveSettings(level="error"))
    try:
        return _replay(arguments)
    finally:
        handle.close()


def _replay(arguments: argparse.Namespace) -> int:
    from controller.replay import replay

    return replay(
        arguments.recording,
        case=arguments.case,
        pictures=arguments.pictures,
        gallery=arguments.gallery,
        config=arguments.config,
        engine=arguments.engine,
        models=arguments.models,
        seconds=arguments.seconds,
    )
