"""`thermogate run`: one lane on this board."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import EngineError

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.config import Config
    from controller.health.notify import Notifier
    from hw.board import Board

TRIED_AGAIN = ("thermal sensor:", "camera:", "reader:")
"""What a lane starts without: it looks for them again and again, and meanwhile does as [lane] says (docs/health.md)."""
LOOK_SECONDS = 120.0
LOAD_SECONDS = 120.0
"""Seconds that each stage of a start may take on a slow board with many people."""
LOOKS_AGAIN = 10.0
"""Seconds before a service that cannot run yet is started again."""

DESCRIPTION = """\
Runs one gate lane on this board, or two, until it is stopped (Ctrl-C, SIGTERM).

Before anything moves, the configuration, the engine, the models, the gallery and every device are checked; what is
missing is listed, each with what to do about it. With a wrong configuration the exit status is 78, without engine,
gallery or gate it is 1; without a sensor, camera or reader the lane starts, looks for them again and again, and does as
[lane] on_thermal_lost and on_camera_lost say. The outputs are at their safe level before the lane starts, when it
ends, and when it crashes.
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
    from controller.errors import ConfigError
    from controller.health.notify import MISCONFIGURED, Notifier
    from controller.observe.log import configure

    notifier = Notifier.from_environment()
    try:
        configs = load_all(arguments.config)
    except ConfigError as error:
        # Started again it would find the same file: the unit leaves it down, and its status says why.
        notifier.status(f"cannot run: {error}")
        print(f"thermogate: {error}", file=sys.stderr)
        return MISCONFIGURED
    notifier.starting("looking for engine, gallery and devices", LOOK_SECONDS * len(configs))
    lacking = {file: what_is_missing(config) for file, config in configs.items()}
    fit = [_tell(file, lines) for file, lines in lacking.items()]
    if arguments.check:
        for file, lines in lacking.items():
            print(f"{file}: {'something is missing' if lines else 'everything is there'}")
        return 1 if any(lacking.values()) else 0
    if not all(fit):
        notifier.status(f"cannot run: {next(lines[0] for lines in lacking.values() if lines)}")
        if notifier.listened:
            # A disk with the models or the key may still come: it looks again, and not each second.
            time.sleep(LOOKS_AGAIN)
        return 1
    # Where the watchdog ends a program that hangs (SIGABRT), every thread's stack goes to the log: names of functions.
    faulthandler.enable()
    lanes = list(configs.values())
    handle = configure(lanes[0].observe)
    try:
        return _serve([(config, _board(config)) for config in lanes], notifier)
    finally:
        handle.close()


def _tell(file: str, lacking: list[str]) -> bool:
    """Name what is missing; whether the lane can start all the same."""
    fit = all(line.startswith(TRIED_AGAIN) for line in lacking)
    if lacking:
        how = "the lane starts without these, and looks for them again" if fit else "this board cannot run the lane yet"
        print(f"{file}: {how}:", file=sys.stderr)
        for line in lacking:
            print(f"  - {line}", file=sys.stderr)
    return fit


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
        watchdog=config.watchdog,
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


def _serve(lanes: list[tuple[Config, Board]], notifier: Notifier) -> int:
    from controller.bank import Place, serve_bank
    from controller.service import engine_of, gallery_of, serve

    config, board = lanes[0]

    async def main() -> None:
        notifier.starting("engine and gallery", LOAD_SECONDS)
        engine = engine_of(config)
        if len(lanes) == 1:
            await serve(config, board, engine, gallery_of(config, engine), notifier=notifier)
            return
        places = [Place(config, board, gallery_of(config, engine)) for config, board in lanes]
        await serve_bank(places, engine, notifier=notifier)

    try:
        board.run(main())
    except (asyncio.CancelledError, KeyboardInterrupt):
        # Ctrl-C or SIGTERM: the lane has been closed in order.
        return 0
    return 0
