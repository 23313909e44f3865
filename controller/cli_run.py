"""`thermogate run`: one lane on this board."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import EngineError

if TYPE_CHECKING:
    from controller.cli_types import Subparsers
    from controller.config import Config
    from hw.board import Board

DESCRIPTION = """\
Runs one gate lane on this board until it is stopped (Ctrl-C, SIGTERM).

Before anything moves, the configuration, the engine, the models, the gallery and every device are checked; what is
missing is listed, each with what to do about it, and the exit status is 1. The outputs are at their safe level before
the lane starts, when it ends, and when it crashes.
"""

EPILOG = """\
examples:
  thermogate run /etc/thermogate/gate.toml
  thermogate run gate.toml --check        only look whether everything is there
"""


def add_parser(commands: Subparsers) -> None:
    """Add `run`."""
    command = commands.add_parser(
        "run",
        help="run a lane on this board",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "config", type=Path, metavar="GATE.TOML", help="the configuration; image/gate.toml shows it all"
    )
    command.add_argument("--check", action="store_true", help="only look whether everything is there")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, then run."""
    from controller.config import load
    from controller.observe.log import configure
    from hw.board import linux_board

    config = load(arguments.config)
    lacking = what_is_missing(config)
    if lacking:
        print(f"{arguments.config}: this board cannot run the lane yet:", file=sys.stderr)
        for line in lacking:
            print(f"  - {line}", file=sys.stderr)
        return 1
    if arguments.check:
        print(f"{arguments.config}: everything is there")
        return 0
    handle = configure(config.observe)
    try:
        board = linux_board(config.thermal, config.camera, config.wiring, config.reader, config.wiegand_out)
        return _serve(config, board)
    finally:
        handle.close()


def what_is_missing(config: Config) -> list[str]:
    """Everything that stands between this board and a running lane, a line each."""
    from controller.errors import GateError
    from controller.service import engine_of, gallery_of
    from hw.board import missing

    lacking = []
    try:
        engine = engine_of(config)
        if engine.rehearsal_only:
            raise EngineError(
                f"the {engine.name} engine is for rehearsals only and never stands before a real lock; get the models "
                "with `thermogate models pull`"
            )
        gallery_of(config, engine)
    except GateError as error:
        lacking.append(f"recognition: {error}")
    return lacking + missing(config.thermal, config.camera, config.wiring, config.reader)


def _serve(config: Config, board: Board) -> int:
    from controller.service import engine_of, gallery_of, serve

    async def main() -> None:
        engine = engine_of(config)
        await serve(config, board, engine, gallery_of(config, engine))

    try:
        board.run(main())
    except (asyncio.CancelledError, KeyboardInterrupt):
        # Ctrl-C or SIGTERM: the lane has been closed in order.
        return 0
    return 0
