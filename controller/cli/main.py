"""The command line: arguments in, one call out."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from typing import TYPE_CHECKING

from controller.cli import bench as cli_bench
from controller.cli import calibrate as cli_calibrate
from controller.cli import credential as cli_credential
from controller.cli import drill as cli_drill
from controller.cli import enrol as cli_enrol
from controller.cli import eval as cli_eval
from controller.cli import explain as cli_explain
from controller.cli import gallery as cli_gallery
from controller.cli import journal as cli_journal
from controller.cli import models as cli_models
from controller.cli import prompts as cli_prompts
from controller.cli import replay as cli_replay
from controller.cli import run as cli_run
from controller.cli import screening as cli_screening
from controller.cli import selftest as cli_selftest
from controller.errors import GateError
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Thermogate runs one gate lane: it recognises a registered person, takes the temperature, unlocks the turnstile and
tells the campus. Start with `thermogate drill`, a rehearsal on simulated hardware that needs nothing else.
"""

COMMANDS = (
    cli_drill,
    cli_run,
    cli_replay,
    cli_enrol,
    cli_credential,
    cli_explain,
    cli_gallery,
    cli_journal,
    cli_models,
    cli_prompts,
    cli_calibrate,
    cli_screening,
    cli_selftest,
    cli_bench,
    cli_eval,
)

FAILED = 1
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="thermogate",
        description=DESCRIPTION,
        epilog="Every command explains itself: thermogate COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"thermogate {importlib.metadata.version('thermogate')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 failed, 2 wrong usage, 130 interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    # `enrol` takes a folder's name in this place; a folder of that name is still `./credential`.
    arguments = parser().parse_args(words[1:] if words[:2] == ["enrol", "credential"] else words)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except (GateError, DeviceError) as error:
        print(f"thermogate: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("thermogate: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) went away; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status
