"""`thermogate drill`: the rehearsal of one lane on simulated hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from controller.cli.types import Subparsers

DESCRIPTION = """\
Rehearses one gate lane: drawn people come to a simulated gate, and the same program that runs on a board recognises
them, takes their temperature, decides, writes its journal and unlocks the turnstile. Among them are strangers, a
fever, somebody straight from the cold, a photograph held to the camera, a tailgater, somebody who walks away after
the grant, and a thermal sensor that drops off its bus. Sensor, bus, camera and turnstile are simulated below the
drivers; everything above is what is shipped.
"""

EPILOG = """\
exit status:
  0    no safety violation, no event lost, and rates as predicted
  1    a violation (a relay without a journaled grant, the wrong person, a stranger or a photograph let in, the way
       out hindered, an event lost or doubled, an alarm missed), more false rejects or other screening results than
       the sensor's noise explains, or the rehearsal could not run
  130  interrupted with Ctrl-C; the report covers what was done by then

examples:
  thermogate drill
  thermogate drill --people 100 --seed 7 --speed max --report out.json
  thermogate drill --kind barrier --people 14
  thermogate drill --engine opencv --models ~/models --speed 1
  thermogate drill --screen 8080 --speed 1      and http://127.0.0.1:8080/ in a browser
"""

DEFAULT_PEOPLE = 12
DEFAULT_SEED = 1


def add_parser(commands: Subparsers) -> None:
    """Add `drill`."""
    import argparse

    command = commands.add_parser(
        "drill",
        help="rehearse a gate lane on simulated hardware",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add(
        "--kind",
        choices=("turnstile", "door", "barrier"),
        default="turnstile",
        help="what closes the lane; a door and a barrier play scenes of their own, a line each (default %(default)s)",
    )
    add("--people", type=_count, default=DEFAULT_PEOPLE, metavar="N", help="how many come (default %(default)s)")
    add("--seed", type=_seed, default=DEFAULT_SEED, metavar="S", help="who they are (default %(default)s)")
    add(
        "--speed",
        type=_speed,
        default=None,
        metavar="X",
        help="gate seconds in a real second; or max, the default: time waits for the work and jumps over idleness, "
        "so a slow machine rehearses as well as a fast one (the live view still keeps to 4)",
    )
    add(
        "--engine",
        choices=("auto", "demo", "opencv", "tflite"),
        default="auto",
        help="finds and tells faces apart; demo needs no models, auto takes the best there is (default %(default)s)",
    )
    add(
        "--sensor",
        choices=("mlx90640", "lepton"),
        default="mlx90640",
        help="the thermal array: as [thermal] driver (default %(default)s; a Lepton at --speed max only)",
    )
    add("--models", type=Path, metavar="DIR", help="models folder (default $THERMOGATE_MODELS, or the user's own)")
    add("--report", type=Path, metavar="FILE", help="also write the report as JSON (docs/drill.md has the schema)")
    add("--keep", type=Path, metavar="DIR", help="keep journal and gallery in a new or empty folder")
    add("--cards", action="store_true", help="four more come with a card or a PIN: theirs, lent, expired, guessed")
    add("--access", action="store_true", help="five more come for whom the access policy has a rule")
    add("--plain", action="store_true", help="a line for each person in place of the live view")
    add(
        "--screen",
        type=_screen,
        metavar="PORT|FILE",
        help="also draw what passers-by read: as a page on that loopback port, or into a PNG file",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rehearse; returns the exit status."""
    from controller.drill.command import Options, rehearse

    options = Options(
        people=arguments.people,
        seed=arguments.seed,
        speed=arguments.speed,
        engine=arguments.engine,
        sensor=arguments.sensor,
        models=arguments.models,
        report=arguments.report,
        keep=arguments.keep,
        plain=arguments.plain,
        kind=arguments.kind,
        screen=arguments.screen,
        cards=arguments.cards,
        access=arguments.access,
    )
    return rehearse(options)


def _count(text: str) -> int:
    import argparse

    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of people from 1 to 10000")
    return int(text)


def _screen(text: str) -> int | Path:
    import argparse

    if text.isascii() and text.isdigit():
        if not 1024 <= int(text) <= 65535:
            raise argparse.ArgumentTypeError(f"{text} is no port from 1024 to 65535")
        return int(text)
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a port nor the name of a .png file")
    return Path(text)


def _seed(text: str) -> int:
    import argparse

    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 2**63 - 1")
    return int(text)


def _speed(text: str) -> float | None:
    import argparse

    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.1 <= speed <= 20:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0.1 to 20 nor `max`")
    return speed
