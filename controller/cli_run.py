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
Runs one gate lane on this board, or two, until it is stopped (Ctrl-C, SIGTERM).

Before anything moves, the configuration, the engine, the models, the gallery and every device are checked; what is
missing is listed, each with what to do about it, and the exit status is 1. The outputs are at their safe level before
the lane starts, when it ends, and when it crashes.
"""

EPILOG = """\
examples:
  thermogate run /etc/thermogate/gate.toml
  thermogate run gate.toml --check        only look whether everything is there
  thermogate run gate-1.toml gate-2.toml  two lanes in one program (docs/gate-wiring.md)
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
        "config",
        type=Path,
        nargs="+",
        metavar="GATE.TOML",
        help="the configuration; image/gate.toml shows it all. Two of them: two lanes on this board",
    )
    command.add_argument("--check", action="store_true", help="only look whether everything is there")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, then run."""
    from controller.bank import load_all
    from controller.observe.log import configure

    configs = load_all(arguments.config)
    fit = True
    for file, config in configs.items():
        lacking = what_is_missing(config)
        if lacking:
            fit = False
            print(f"{file}: this board cannot run the lane yet:", file=sys.stderr)
            for line in lacking:
                print(f"  - {line}", file=sys.stderr)
    if not fit:
        return 1
    if arguments.check:
        for file in configs:
            print(f"{file}: everything is there")
        return 0
    lanes = list(configs.values())
    handle = configure(lanes[0].observe)
    try:
        return _serve([(config, _board(config)) for config in lanes])
    finally:
        handle.close()


def _board(config: Config) -> Board:
    from hw.board import linux_board

    return linux_board(
        config.thermal,
        config.camera,
        config.wiring,
        config.reader,
        config.wiegand_out,
        speaker=config.sound,
        screen=config.screen,
    )


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


def _serve(lanes: list[tuple[Config, Board]]) -> int:
    from controller.bank import Place, serve_bank
    from controller.service import engine_of, gallery_of, serve

    config, board = lanes[0]

    async def main() -> None:
        engine = engine_of(config)
        if len(lanes) == 1:
            await serve(config, board, engine, gallery_of(config, engine))
            return
        places = [Place(config, board, gallery_of(config, engine)) for config, board in lanes]
        await serve_bank(places, engine)

    try:
        board.run(main())
    except (asyncio.CancelledError, KeyboardInterrupt):
        # Ctrl-C or SIGTERM: the lane has been closed in order.
        return 0
    return 0
