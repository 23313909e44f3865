"""`thermogate prompts`: the sound files of the spoken prompts, made, checked and tried."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.types import Subparsers
    from controller.indicators.settings import SoundSettings

DESCRIPTION = """\
Spoken prompts are WAV files in a folder, zh/NAME.wav and en/NAME.wav. `make` makes them with espeak-ng; files that the
school recorded take their place and are kept. [sound] of gate.toml switches them on; docs/indicators.md tells how.
"""


def add_parser(commands: Subparsers) -> None:
    """Add `prompts` with its four actions."""
    parser = commands.add_parser(
        "prompts",
        help="make, check and try the spoken prompts",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every prompt by its file's name, with its words")
    listing.set_defaults(run=_list)
    make = actions.add_parser("make", help="make the files that are missing")
    make.add_argument(
        "--speed",
        type=int,
        choices=range(80, 401),
        metavar="N",
        help="espeak-ng's words a minute, 80 to 400 (default: 150 for English, 220 for Chinese)",
    )
    make.add_argument("--again", action="store_true", help="also make anew what is there, recordings included")
    make.set_defaults(run=_make)
    check = actions.add_parser("check", help="name what is missing or can't be played; exit status 1 if anything is")
    check.set_defaults(run=_check)
    play = actions.add_parser("play", help="play one prompt as the gate would")
    play.add_argument("name", metavar="NAME", help="as `list` names it")
    play.add_argument("--device", default="default", help="as `aplay -L` lists them (default %(default)s)")
    play.set_defaults(run=_play)
    for action in (make, check, play):
        action.add_argument("--folder", type=Path, required=True, metavar="DIR", help="where the files are")
        action.add_argument(
            "--languages", nargs="+", choices=("zh", "en"), default=["zh", "en"], help="default: zh en, in this order"
        )


def _settings(arguments: argparse.Namespace) -> SoundSettings:
    from controller.indicators.settings import SoundSettings

    return SoundSettings(folder=arguments.folder, languages=tuple(arguments.languages))


def _list(arguments: argparse.Namespace) -> int:
    from controller.indicators.settings import SoundSettings
    from controller.prompts import PROMPTS

    del arguments
    silent = SoundSettings().silent
    for prompt, text in PROMPTS.items():
        print(f"{prompt.value:16} {text}" + ("   (not spoken unless configured)" if prompt in silent else ""))
    return 0


def _make(arguments: argparse.Namespace) -> int:
    from controller.indicators.voice import make
    from controller.lane.effects import Prompt

    # All of them: what is spoken is for gate.toml to say, and may be changed there later.
    for made in make(arguments.folder, arguments.languages, list(Prompt), speed=arguments.speed, again=arguments.again):
        print(f"{made.path}: {made.seconds:.1f} s" + ("" if made.new else ", kept"))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from controller.indicators.sound_book import load, strangers

    settings = _settings(arguments)
    book = load(settings)
    problems = [*book.problems, *strangers(settings.folder, settings.languages)]
    for problem in problems:
        print(problem)
    print(f"{settings.folder}: {len(book.sounds)} prompts can be spoken, {len(problems)} problems")
    return 1 if problems else 0


def _play(arguments: argparse.Namespace) -> int:
    import msgspec

    from controller.errors import SoundError
    from controller.indicators.settings import SoundSettings
    from controller.indicators.sound_book import load
    from controller.lane.effects import Prompt
    from hw.board import play_once

    try:
        prompt = Prompt(arguments.name)
    except ValueError:
        raise SoundError(f"no prompt is named {arguments.name!r}; `thermogate prompts list` names them") from None
    settings = msgspec.structs.replace(_settings(arguments), silent=tuple(one for one in Prompt if one is not prompt))
    # Also what the command line says of a device is checked.
    speaker = msgspec.convert({"device": arguments.device}, SoundSettings)
    book = load(settings)
    for problem in book.problems:
        print(problem)
    if prompt not in book.sounds:
        return 1
    play_once(speaker, book.sounds[prompt])
    return 0
