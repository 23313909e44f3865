"""`thermogate calibrate`: measure how this gate's sensors look at the lane, and write it into its gate.toml."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.calibrate.dialogue import Guide
    from controller.calibrate.practice import Practice
    from controller.calibrate.session import Outcome, Session
    from controller.cli.types import Subparsers
    from controller.config import Config
    from hw.board import Sensors

DESCRIPTION = """\
Measures one thing about this gate at a time, draws what it saw to a picture file, shows what would change in gate.toml
and asks before it writes. Comments and other keys stay as they are, the old file is kept as gate.toml.bak, and a file
that was good is good after any failure. What is measured badly is refused, and the message says what to do.

No lock moves: the gate's lines are not even opened. Stop the lane's service first, as the sensors serve one program.
docs/calibration.md leads through all of it.
"""

EPILOG = """\
in this order:
  thermogate calibrate registration --config gate.toml --distance 0.5 --distance 0.8
  thermogate calibrate distance --config gate.toml --distance 0.4 --distance 0.5 --distance 0.8
  thermogate calibrate reference --config gate.toml --temperature 37.0
  thermogate calibrate emissivity --config gate.toml --surface 52.0 --of reference
  thermogate calibrate offset --config gate.toml pairs.csv

Each with --simulated practises without hardware, and then writes to gate.practice.toml.

exit status: 0 written (or nothing to write), 1 refused, or the answer was no
"""


def add_parser(commands: Subparsers) -> None:
    """Add `calibrate` and what it measures."""
    command = commands.add_parser(
        "calibrate",
        help="measure how this gate's sensors look at the lane",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = command.add_subparsers(title="what", metavar="WHAT", required=True)
    _add_registration(kinds)
    _add_reference(kinds)
    _add_emissivity(kinds)
    _add_distance(kinds)
    _add_offset(kinds)


def _add(
    kinds: Subparsers, name: str, help_text: str, measure: Callable[[argparse.Namespace, Session], Outcome]
) -> argparse.ArgumentParser:
    """A kind of calibration with the options that all share."""
    command = kinds.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
    add = command.add_argument
    add("--config", type=Path, required=True, metavar="GATE.TOML", help="the gate's configuration, which is written")
    add("--picture", type=Path, metavar="FILE.png", help=f"what was seen (default: calibrate-{name}.png)")
    add("--yes", action="store_true", help="write without asking")
    add("--dry-run", action="store_true", help="show what would change, and write nothing")
    add(
        "--every",
        type=_number(0, 600),
        metavar="SECONDS",
        help="ask nothing: wait so long before each step instead of for Enter",
    )
    add(
        "--seconds",
        type=_number(1, 600),
        default=10.0 if name == "reference" else 3.0,
        metavar="S",
        help="how long the thermal sensor looks each time (default %(default)g)",
    )
    practice = command.add_argument_group("practise without hardware")
    practice.add_argument(
        "--simulated",
        action="store_true",
        help="a simulated lane in place of this board's sensors; writes to GATE.practice.toml, never to GATE.toml",
    )
    practice.add_argument("--seed", type=int, default=1, metavar="N", help="which simulated lane (default %(default)s)")
    command.set_defaults(run=lambda arguments: run(arguments, name, measure))
    return command


def _add_registration(kinds: Subparsers) -> None:
    command = _add(kinds, "registration", "find where the array looks, as the camera sees it", _registration)
    command.add_argument(
        "--distance",
        type=_number(0.15, 5),
        action="append",
        metavar="M",
        help="metres from the camera to the target; give two or more (default 0.5 and 0.8)",
    )
    command.add_argument(
        "--bound",
        type=_number(0.1, 5),
        default=1.0,
        metavar="PX",
        help="thermal pixels that the worst place may be off (default %(default)g)",
    )


def _add_reference(kinds: Subparsers) -> None:
    command = _add(kinds, "reference", "find the black body in the thermal picture", _reference)
    command.add_argument(
        "--temperature",
        type=_number(20, 60),
        metavar="C",
        help="its set point (default: the configured one)",
    )
    command.add_argument("--at", type=_place, metavar="COLUMN,ROW", help="where it is, when several things could be it")
    command.add_argument(
        "--emissivity", type=_number(0.5, 1), metavar="E", help="of its surface (default: the configured one, or 0.98)"
    )


def _add_emissivity(kinds: Subparsers) -> None:
    command = _add(kinds, "emissivity", "solve for the emissivity of a target of known temperature", _emissivity)
    add = command.add_argument
    add("--surface", type=_number(-20, 200), required=True, metavar="C", help="what the contact thermometer says")
    add("--surface-accuracy", type=_number(0, 5), default=0.3, metavar="K", help="half-width (default %(default)g)")
    add(
        "--reflected",
        type=_number(-40, 100),
        metavar="C",
        help="reflected temperature (default: the room as it is seen)",
    )
    add("--at", type=_place, metavar="COLUMN,ROW", help="where the target is (default: the one hot thing)")
    add(
        "--known",
        type=_number(0.3, 1),
        metavar="E",
        help="emissivity of a patch on the same plate: takes the sensor's own error out",
    )
    add("--known-at", type=_place, metavar="COLUMN,ROW", help="where that patch is")
    add(
        "--of",
        choices=("thermal", "reference"),
        default="thermal",
        help="whose emissivity it is: [thermal], of what the lane looks at, or the black body's (default %(default)s)",
    )


def _add_distance(kinds: Subparsers) -> None:
    command = _add(kinds, "distance", "fit how far a face is from how broad it looks", _distance)
    command.add_argument(
        "--distance",
        type=_number(0.15, 5),
        action="append",
        metavar="M",
        help="metres by the tape measure; give two or more (default 0.4, 0.5 and 0.8)",
    )
    command.add_argument(
        "--fit",
        choices=("camera_fov", "face_breadth"),
        default="camera_fov",
        help="which of the two is fitted; the other one is believed (default %(default)s)",
    )


def _add_offset(kinds: Subparsers) -> None:
    command = _add(kinds, "offset", "compare the gate with a clinical thermometer", _offset)
    command.add_argument(
        "pairs",
        type=Path,
        nargs="?",
        metavar="PAIRS.csv",
        help="columns gate, clinical, and name if you like; °C (default: asks for them)",
    )


def run(arguments: argparse.Namespace, name: str, measure: Callable[[argparse.Namespace, Session], Outcome]) -> int:
    """Measure one thing, and write it if that is wanted; returns the exit status."""
    from controller.calibrate.dialogue import REFUSED, Nobody
    from controller.calibrate.finishing import finish
    from controller.calibrate.looking import Eyes
    from controller.calibrate.refusal import CalibrationError
    from controller.calibrate.session import Session
    from controller.config import load
    from hw.board import linux_sensors

    path: Path = arguments.config
    config = load(path)
    picture = arguments.picture or Path(f"calibrate-{name}.png")
    practice: Practice | None = None
    if arguments.simulated:
        path = _practice_file(path)
        config = load(path)
        practice = _practice(arguments, config)
    sensors = linux_sensors(config.thermal, config.camera) if practice is None else practice.sensors
    guide = _guide(arguments, sensors)
    with Eyes(sensors) as eyes:
        session = Session(config, eyes, guide, practice or Nobody(), arguments.seconds, picture)
        try:
            outcome = measure(arguments, session)
        except CalibrationError as error:
            guide.say(REFUSED[error.refusal])
            raise
    status = finish(outcome, path, picture, guide, dry_run=arguments.dry_run)
    if practice is not None:
        guide.say(practice.truth.text)
    return status


def _registration(arguments: argparse.Namespace, session: Session) -> Outcome:
    from controller.calibrate.step_registration import measure

    return measure(session, arguments.distance or [0.5, 0.8], bound=arguments.bound)


def _reference(arguments: argparse.Namespace, session: Session) -> Outcome:
    from controller.calibrate.refusal import CalibrationError, Refusal
    from controller.calibrate.step_reference import measure

    present = session.config.perception.reference
    temperature = arguments.temperature if present is None else (arguments.temperature or present.temperature)
    if temperature is None:
        raise CalibrationError(Refusal.WRONG_INPUT, "--temperature is needed: the black body's set point in °C")
    emissivity = arguments.emissivity or (0.98 if present is None else present.emissivity)
    return measure(session, temperature, emissivity=emissivity, at=arguments.at)


def _emissivity(arguments: argparse.Namespace, session: Session) -> Outcome:
    from controller.calibrate.step_emissivity import Question, measure

    question = Question(
        surface=arguments.surface,
        surface_accuracy=arguments.surface_accuracy,
        reflected=arguments.reflected,
        at=arguments.at,
        known=arguments.known,
        known_at=arguments.known_at,
        of=arguments.of,
    )
    return measure(session, question)


def _distance(arguments: argparse.Namespace, session: Session) -> Outcome:
    from controller.calibrate.step_distance import measure

    distances = arguments.distance or [0.4, 0.5, 0.8]
    return measure(session, distances, key=arguments.fit, practice=arguments.simulated)


def _offset(arguments: argparse.Namespace, session: Session) -> Outcome:
    from controller.calibrate.step_offset import measure

    return measure(session.guide, session.config.perception.screening.offset, arguments.pairs)


def _guide(arguments: argparse.Namespace, sensors: Sensors) -> Guide:
    """A person at the terminal, or nobody where flags answer everything."""
    from controller.calibrate.dialogue import Terminal, Unattended

    if arguments.every is not None or (arguments.simulated and arguments.yes):

        def wait() -> None:
            with sensors.taking_part():
                sensors.clock.sleep(arguments.every or 0.0)

        return Unattended(wait, print, yes=arguments.yes)
    return Terminal(input, print, yes=arguments.yes)


def _practice_file(path: Path) -> Path:
    """The copy that practice writes to, made anew from `path` when that has changed. Raises `ConfigError`."""
    from controller.errors import ConfigError

    copy = path.with_name(f"{path.stem}.practice{path.suffix}")
    try:
        if not copy.exists() or copy.stat().st_mtime_ns < path.stat().st_mtime_ns:
            copy.write_bytes(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    return copy


def _practice(arguments: argparse.Namespace, config: Config) -> Practice:
    from controller.calibrate.practice import Practice

    temperature = getattr(arguments, "temperature", None)
    if temperature is None:
        temperature = 37.0 if config.perception.reference is None else config.perception.reference.temperature
    return Practice(config, arguments.seed, temperature=temperature)


def _number(low: float, high: float) -> Callable[[str], float]:
    """An argument from `low` to `high`."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:g}")
        return value

    return number


def _place(text: str) -> tuple[float, float]:
    """COLUMN,ROW in thermal pixels."""
    try:
        column, row = (float(part) for part in text.split(","))
    except ValueError:
        column = row = math.nan
    if not (0 <= column <= 512 and 0 <= row <= 512):
        raise argparse.ArgumentTypeError(f"{text!r} is no place like 12.5,8 in thermal pixels")
    return column, row
