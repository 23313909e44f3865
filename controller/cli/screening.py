"""`thermogate screening`: choose the alarm, and look at what the gate's own readings say of people."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.cli.screening_text import Plan
    from controller.cli.types import Subparsers
    from controller.config import Config
    from controller.perception.evaluation import Evaluated, ScreeningEvaluation
    from controller.perception.operating import Stages
    from controller.perception.screening_settings import ScreeningSettings

DESCRIPTION = "Choose the alarm with open eyes, and see whether people's own history could help."

PLAN = """\
Prints what each alarm threshold would bring a school on one day: how many are measured again, how many go to the
doctor, how many fevers are found and how many pass, each with its interval, from the evaluation on public data that
ships with this program. With a wish it marks a row, and prints the lines for gate.toml.

The sensor decides much: an MLX90640 sees a face in pixels of 16 mm, and is judged by spots of 12 mm of the same data; a
thermographic camera's pixels are about 1 mm.
"""
PLAN_EPILOG = """\
examples:
  thermogate screening plan --people 3000 --prevalence 0.002
  thermogate screening plan --people 3000 --prevalence 0.002 --alarms-a-day 60 --config gate.toml
  thermogate screening plan --people 800 --prevalence 0.01 --misses 0.2 --stages both
  thermogate screening plan --people 3000 --prevalence 0.002 --sensor camera --sensor-noise 0.05

exit status: 0 done, 1 no threshold fulfils the wish, 2 wrong usage
"""
HISTORY = """\
Prints how much people differ from each other and from day to day, from this gate's own readings, and whether a
person's own history may ask for a second look ([perception.history]). It names nobody.
"""

SENSOR_NOISE = 0.2
"""K of one look: about what 12 frames of 0.8 K leave of an MLX90640 at 16 Hz (docs/perception.md)."""
WIDEST_GUARD = 3.0
"""What [perception.screening] guard may be; only a noise below a step of the thresholds asks for more."""


def add_parser(commands: Subparsers) -> None:
    """Add `screening`."""
    group = commands.add_parser("screening", help="choose the alarm; personal history", description=DESCRIPTION)
    parts = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    plan = parts.add_parser(
        "plan", help="what each alarm would bring", description=PLAN, epilog=PLAN_EPILOG, formatter_class=raw
    )
    plan.add_argument("--people", type=_people, required=True, metavar="N", help="who pass on one day")
    plan.add_argument(
        "--prevalence", type=_share, required=True, metavar="SHARE", help="part of them with a fever, such as 0.002"
    )
    noise = plan.add_mutually_exclusive_group()
    noise.add_argument(
        "--sensor-noise",
        type=_number,
        metavar="K",
        help=f"standard deviation that the sensor's noise leaves in one look (default: {SENSOR_NOISE:g})",
    )
    noise.add_argument("--config", type=Path, metavar="GATE.TOML", help="take noise, alarm and band from there")
    plan.add_argument(
        "--stages", choices=("one", "two", "both"), default="two", help="looks before the doctor (default: two)"
    )
    plan.add_argument("--alarms-a-day", type=_number, metavar="N", help="wish: at most so many a day to the doctor")
    plan.add_argument("--misses", type=_share, metavar="SHARE", help="wish: at most this part of the fevers passes")
    plan.add_argument(
        "--sensor",
        choices=("mlx90640", "camera"),
        help="what looks at the faces: the gate's coarse array, or a thermographic camera (default: mlx90640)",
    )
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.set_defaults(run=run_plan)
    history = parts.add_parser(
        "history", help="what this gate's readings say of people", description=HISTORY, formatter_class=raw
    )
    history.add_argument("--config", type=Path, metavar="GATE.TOML", help="take folder, key and bounds from there")
    history.set_defaults(run=run_history)


def run_plan(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from controller.cli import screening_text as text
    from controller.errors import EvaluationError
    from controller.perception.evaluation import load
    from controller.perception.operating import Crowd, at_noise

    evaluation = load()
    if arguments.config is not None and arguments.sensor == "camera":
        return _wrong(f"--config {arguments.config}: the gate's sensor is an MLX90640; leave --sensor away")
    try:
        people = _set(evaluation, arguments.sensor or "mlx90640")
    except EvaluationError as error:
        return _wrong(f"--sensor: {error}")
    config = _config(arguments.config)
    noise = _noise(arguments, config)
    try:
        at_noise(people, noise)
    except EvaluationError as error:
        return _wrong(f"{'--sensor-noise' if arguments.config is None else f'--config {arguments.config}'}: {error}")
    crowd = Crowd(arguments.people, arguments.prevalence)
    chosen: tuple[Stages, ...] = ("one", "two") if arguments.stages == "both" else (arguments.stages,)
    settings = config.perception.screening
    plans = [_plan(arguments, evaluation, people, settings, noise=noise, stages=stages) for stages in chosen]
    if arguments.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(text.as_json(evaluation, people, noise, crowd, plans))).decode())
    else:
        lines = text.head(evaluation, people, noise, crowd)
        for plan in plans:
            lines += text.table(plan) + text.in_words(plan, crowd) + text.settings_lines(plan)
        print("\n".join(lines + text.caveats(evaluation, people)))
    unmet = [plan.stages for plan in plans if plan.wished and plan.chosen is None]
    for stages in unmet:
        print(f"thermogate screening plan: no threshold fulfils this wish with {stages} stage(s)", file=sys.stderr)
    return 1 if unmet else 0


def run_history(arguments: argparse.Namespace) -> int:
    """Print the variance components."""
    from controller.cli.screening_text import history_lines
    from controller.gallery.history_store import HistoryStore
    from controller.gallery.personal import load, population_of
    from controller.perception.history import Evidence, population_evidence

    config = _config(arguments.config)
    settings = config.perception.history
    with HistoryStore.open(config.store.folder, config.store.key) as store:
        rows = load(store)
    found = population_of(rows.values(), settings)
    kept, flagged = sum(len(own) for own in rows.values()), sum(int(own["flagged"].sum()) for own in rows.values())
    print(f"{len(rows)} people, {kept} readings kept for {settings.keep_days} days, {flagged} of them flagged.")
    print("\n".join(history_lines(found)))
    reasons = {
        Evidence.UNMEASURED: f"it takes {settings.people} people with readings on two days or more",
        Evidence.SHARE_TOO_SMALL: f"the share must surely exceed {settings.share:g}, its lower bound is "
        f"{found.share.low:.2f}",
    }
    evidence = population_evidence(found, settings)
    if evidence is not Evidence.ENOUGH:
        print(f"A person's history may not inform: {reasons[evidence]}.")
    elif settings.inform:
        print("It informs: a reading unusual for a person asks for a second look, and never for less.")
    else:
        print("It may inform, but is switched off ([perception.history] inform = false).")
    return 0


def look_noise(config: Config) -> float:
    """What the sensor's noise leaves in one look of a gate, K, standard deviation: its rate and its least frames."""
    from controller.perception.screening import noise_left
    from hw.arrays import array_of

    frames = config.perception.screening.frames
    array = array_of(config.thermal)
    return noise_left(array.noise, array.renewed * frames)


def _plan(
    arguments: argparse.Namespace,
    evaluation: ScreeningEvaluation,
    people: Evaluated,
    settings: ScreeningSettings,
    *,
    noise: float,
    stages: Stages,
) -> Plan:
    from controller.cli.screening_text import Plan
    from controller.perception.operating import Crowd, points, recommend

    crowd = Crowd(arguments.people, arguments.prevalence)
    band = settings.guard * noise
    found = points(people, evaluation.thresholds, noise, crowd, stages=stages, band=band)
    wished = arguments.alarms_a_day is not None or arguments.misses is not None
    chosen = recommend(found, alarms=arguments.alarms_a_day, misses=arguments.misses)
    if not wished and found:
        nearest = min(found, key=lambda point: abs(point.alarm - settings.alarm))
        # Half a step away it would be another threshold's figures.
        chosen = nearest if abs(nearest.alarm - settings.alarm) < 0.026 else None
    guard = settings.guard
    if chosen is not None and noise > 0:
        guard = min((chosen.alarm - chosen.again_from) / noise, WIDEST_GUARD)
    return Plan(stages, found, chosen, wished, guard)


def _set(evaluation: ScreeningEvaluation, sensor: str) -> Evaluated:
    """The set with most fevers of those like this sensor. Raises `EvaluationError` that names what there is."""
    from controller.errors import EvaluationError

    fitting = [each for each in evaluation.sets if (each.spot > 0) == (sensor == "mlx90640")]
    if not fitting:
        known = "; ".join(sorted({each.camera for each in evaluation.sets}))
        raise EvaluationError(f"{sensor!r} was not evaluated (there are: {known})")
    return max(fitting, key=lambda each: each.febrile_n)


def _config(path: Path | None) -> Config:
    from controller.config import Config, load

    return Config() if path is None else load(path)


def _noise(arguments: argparse.Namespace, config: Config) -> float:
    if arguments.config is not None:
        return look_noise(config)
    return SENSOR_NOISE if arguments.sensor_noise is None else float(arguments.sensor_noise)


def _wrong(message: str) -> int:
    print(f"thermogate screening plan: {message}", file=sys.stderr)
    return 2


def _people(text: str) -> int:
    try:
        people = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not 1 <= people <= 10_000_000:
        raise argparse.ArgumentTypeError(f"must be 1 to 10,000,000, not {people}")
    return people


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be over 0 and below 1, not {text} (0.002 is 0.2 %)")
    return value
