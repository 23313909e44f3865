"""The plan as a school reads it: a table, the row to choose, what the figures are not, two lines for the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.perception.evaluation import Evaluated, ScreeningEvaluation
    from controller.perception.operating import Crowd, Point, Stages
    from controller.perception.variance import Components, Interval

SHOWN_EVERY = 0.1
"""Kelvin between the rows of a table; the marked row is always there."""
LOWEST_SHOWN = 0.5
"""A threshold that finds fewer of the fevers is not shown unless it is marked."""

COLUMNS = (
    f"{'alarm':>7} {'again':>6}  {'sensitivity':<16} {'specificity':<18} {'PPV %':<16} {'NPV %':<22} "
    f"{'measured again':<17} {'to the doctor':<16} {'fevers missed':<13} of 100"
)
UNITS = f"{'°C':>7} {'from':>6}  {'':<16} {'':<18} {'':<16} {'':<22} {'a day':<17} {'a day':<16} {'a day':<13} missed"


@dataclass(frozen=True, slots=True)
class Plan:
    """One number of stages, laid out."""

    stages: Stages
    points: list[Point]
    chosen: Point | None
    """The row to mark."""
    wished: bool
    """The chosen row was recommended for a wish; else it is what is set now."""
    guard: float
    """[perception.screening] guard that gives the band, standard deviations of the noise."""


def head(evaluation: ScreeningEvaluation, people: Evaluated, noise: float, crowd: Crowd) -> list[str]:
    """What the table is about and where it comes from."""
    fevers = crowd.people * crowd.prevalence
    return [
        f"{crowd.people} people a day, {crowd.prevalence:.2%} of them with a fever: {fevers:.1f} a day.",
        f"Fever: oral {evaluation.febrile_from:g} °C or more. Sensor noise: {noise:.2f} K a look.",
        *_sensor(people),
        f"Source: doi {evaluation.source}, camera {people.camera}, {people.name}, model {evaluation.model}:",
        f"{people.febrile_n} people with a fever, {people.afebrile_n} without.",
    ]


def _sensor(people: Evaluated) -> list[str]:
    """Which sensor the figures stand for, and how far they do."""
    if people.spot > 0:
        size = f"{1000 * people.spot:.0f} mm"
        return [
            f"Sensor: MLX90640, judged by what spots of {size} show of faces. Its own pixels are coarser, 16 mm",
            "at 0.5 m, and it reads four of them: the truth is a little worse still. Finer: --sensor camera.",
        ]
    return [
        "Sensor: a thermographic camera, its pixels about 1 mm on a face. A gate's MLX90640 does worse:",
        "--sensor mlx90640.",
    ]


def table(plan: Plan) -> list[str]:
    """The rows of a plan, the chosen one marked."""
    title = "One stage: who reaches the alarm goes to the doctor."
    if plan.stages == "two":
        title = (
            "Two stages: who comes near the alarm is measured again at once; who reaches it then goes to the doctor."
        )
    lines = ["", title, COLUMNS, UNITS]
    lines += [_row(point, plan) for point in plan.points if point is plan.chosen or _is_shown(point)]
    if plan.chosen is not None:
        lines.append("> recommended for your wish" if plan.wished else "> as set now")
    return lines


def in_words(plan: Plan, crowd: Crowd) -> list[str]:
    """The chosen row in English and Chinese."""
    point = plan.chosen
    if point is None:
        return []
    doctor, found, passing = _days(point.doctor), _days(point.found), _days(point.missed)
    ill, missed = _few(100 * point.ppv.value), f"{100 * (1 - point.sensitivity.value):.0f}"
    again = f"about {point.again.value:.0f} are measured again, " if plan.stages == "two" else ""
    again_zh = f"约 {point.again.value:.0f} 人当场复测，" if plan.stages == "two" else ""
    found_zh, passing_zh = _few(point.found.value), _few(point.missed.value)
    sent_zh = f"约 {point.doctor.value:.0f} 人送校医，其中约 {found_zh} 人真正发热；另有约 {passing_zh} 名发热者漏过。"
    return [
        "",
        f"Alarm {point.alarm:.2f} °C, on a day: {again}{doctor} go to the doctor, {found} of them with a fever;",
        f"{passing} with a fever pass.",
        f"Fevers among 100 who go to the doctor: about {ill}, the others are healthy. Of 100 fevers {missed} pass.",
        f"每天约 {crowd.people} 人通过：{again_zh}{sent_zh}",
        f"送校医的每 100 人中约 {ill} 人发热，请用临床体温计确认；闸机放行不等于没有发热。",
    ]


def settings_lines(plan: Plan) -> list[str]:
    """What to write into gate.toml for the chosen row."""
    if plan.chosen is None:
        return []
    lines = ["", "For gate.toml:", "[perception.screening]", f"alarm = {plan.chosen.alarm:.2f}"]
    if plan.stages == "one":
        return [*lines, "looks = 1"]
    return [*lines, "looks = 2", f"guard = {plan.guard:.3g}  # measured again from {plan.chosen.again_from:.2f} °C"]


def caveats(evaluation: ScreeningEvaluation, people: Evaluated) -> list[str]:
    """How to read the intervals, and what the figures are not."""
    return [
        "",
        "Intervals hold 95 %. Sensitivity, specificity: Wilson's, from the people counted. PPV, NPV and numbers a day:",
        "20,000 simulated days, each with rates drawn from what the counts leave open (beta), then people (binomial).",
        "What these figures are not:",
        "- Of children. The people are 18 and older; whether it carries over to children is not known.",
        f"- Of your sensor. They were measured with one thermographic camera ({people.camera}), and noise was",
        "  added. A calibration error is not noise: a sensor that reads 0.3 K too low acts like an alarm that is 0.3 K",
        "  higher.",
        "- Of your school. The prevalence is of one visit, and your guess; other illnesses may bring other fevers.",
        "- Of people without a reading: from the cold, under a hat, too far. They come on top.",
        f"- Exactly your looks. First: {evaluation.first}.",
        f"  Second: {evaluation.second} (again from).",
    ]


def as_json(
    evaluation: ScreeningEvaluation, people: Evaluated, noise: float, crowd: Crowd, plans: Sequence[Plan]
) -> dict[str, Any]:
    """The same for machines; temperatures in °C, noise in K, numbers of people a day."""
    return {
        "people": crowd.people,
        "prevalence": crowd.prevalence,
        "sensor_noise": noise,
        "source": evaluation.source,
        "model": evaluation.model,
        "febrile_from": evaluation.febrile_from,
        "set": people.name,
        "camera": people.camera,
        "sensor": "mlx90640" if people.spot > 0 else "camera",
        "spot": people.spot,
        "febrile_n": people.febrile_n,
        "afebrile_n": people.afebrile_n,
        "confidence": 0.95,
        "plans": [
            {
                "stages": plan.stages,
                "guard": plan.guard,
                "chosen": None if plan.chosen is None else plan.chosen.alarm,
                "recommended": plan.wished and plan.chosen is not None,
                "points": [_plain(point) for point in plan.points],
            }
            for plan in plans
        ],
    }


def history_lines(found: Components) -> list[str]:
    """The variance components of a gate's own readings."""
    measured = found.source == "measured"
    share = f"{found.share.value:.2f}" + (f" ({found.share.low:.2f} to {found.share.high:.2f})" if measured else "")
    lines = [
        f"{found.readings} readings count, on {found.person_days} days of people.",
        f"{found.people} people have two days or more.",
        "Measured here:" if measured else "Too few to measure; published figures of oral temperature in adults:",
        f"  between people    {_kelvin(found.between, known=measured)}",
        f"  within a person   {_kelvin(found.within, known=measured)}, from day to day",
        f"  sensor noise      {found.noise:.3f} K of a day's mean (measured here)",
        f"  between people's share of the variance: {share}",
    ]
    if measured:
        lines.append("Intervals hold 95 % (leaving out one person after the other).")
    return lines


def _plain(point: Point) -> dict[str, Any]:
    names = ("sensitivity", "specificity", "ppv", "npv", "again", "doctor", "found", "missed")
    intervals = {name: getattr(point, name)._asdict() for name in names}
    return {"alarm": point.alarm, "again_from": point.again_from, **intervals}


def _row(point: Point, plan: Plan) -> str:
    mark = ">" if point is plan.chosen else " "
    again = f"{point.again_from:.2f}" if plan.stages == "two" else "-"
    measured = _whole(point.again) if plan.stages == "two" else "-"
    s, c, p, n = point.sensitivity, point.specificity, point.ppv, point.npv
    rates = f"{_bare(s, 2):<16} {_bare(c, 3):<18}"
    ppv = f"{100 * p.value:.1f} ({_percent(p.low)}-{_percent(p.high)})"
    npv = f"{100 * n.value:.2f} ({100 * n.low:.2f}-{100 * n.high:.2f})"
    return (
        f"{mark} {point.alarm:5.2f} {again:>6}  {rates} {ppv:<16} {npv:<22} {measured:<17} {_whole(point.doctor):<16} "
        f"{_days(point.missed):<13} {_whole(_of_100(s))}"
    )


def _is_shown(point: Point) -> bool:
    steps = point.alarm / SHOWN_EVERY
    return abs(steps - round(steps)) < 1e-6 and point.sensitivity.value >= LOWEST_SHOWN


def _bare(interval: Interval, digits: int) -> str:
    """A rate without its leading zero, as in .73 (.59-.83)."""
    value, low, high = (f"{one:.{digits}f}".removeprefix("0") for one in interval)
    return f"{value} ({low}-{high})"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}" if value < 0.1 else f"{100 * value:.0f}"


def _whole(interval: Interval) -> str:
    return f"{interval.value:.0f} ({interval.low:.0f}-{interval.high:.0f})"


def _of_100(found: Interval) -> Interval:
    """Missed of 100 fevers, from the part that is found."""
    return type(found)(100 * (1 - found.value), 100 * (1 - found.high), 100 * (1 - found.low))


def _days(interval: Interval) -> str:
    """A number of people, with tenths where these matter."""
    text = f"{interval.value:.1f}" if interval.value < 10 else f"{interval.value:.0f}"
    return f"{text} ({interval.low:.0f}-{interval.high:.0f})"


def _few(value: float) -> str:
    return f"{value:.1f}" if value < 1 else f"{value:.0f}"


def _kelvin(interval: Interval, *, known: bool) -> str:
    return f"{interval.value:.3f} K" + (f" ({interval.low:.3f} to {interval.high:.3f})" if known else "")
