"""Whether a face is a living one, judged by its heat: a likelihood ratio against each way to be none.

`signs` reads a few figures from the frames, with their errors. Here stands what each of them is in living people, and
what it is in each kind of attack; every kind is tested for itself, and the most likely one decides and names the
reason. Where the noise or a hot day makes a figure worthless both are equally likely, and nothing is concluded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from controller.lane.model import Liveness, LivenessReason
from controller.perception.frame_checks import frame_fault
from controller.perception.heat import Levels, average
from controller.perception.signs import Seen, Sign, Signs, read_signs
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.perception.heat import HeatMap
    from controller.perception.types import HeatFrame

STILL: Final = 1.5
"""Thermal pixels that the face may have moved between frames that are averaged together, as in the screening."""
KEEP: Final = 64
"""Newest frames that are kept."""


class LivenessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it takes to believe a face. Evidence is in nats: 2.3 is 10 to 1."""

    pixels: Annotated[int, msgspec.Meta(ge=4, le=768)] = 16
    """Least pixels on the face."""
    frames: Annotated[int, msgspec.Meta(ge=1, le=512)] = 8
    """Least frames with a picture of the same moment."""
    paired: Annotated[float, msgspec.Meta(ge=0.02, le=1)] = 0.15
    """Seconds between a thermal frame and the nearest picture of the face, beyond which the frame proves nothing."""
    hottest_room: Annotated[float, msgspec.Meta(ge=20, le=45)] = 33.0
    """In a warmer room a photograph is nearly as warm as skin: UNKNOWN."""
    live: Annotated[float, msgspec.Meta(ge=0, le=20)] = 2.0
    """Evidence against every kind of attack that makes a face LIVE."""
    even: Annotated[float, msgspec.Meta(ge=-20, le=20)] = -1.5
    """Evidence against an even surface below which a face is UNKNOWN. At 1 few heated prints in the shape of a face
    pass, and a tenth to a third of people must ask the guard, most of them in rooms above 25 °C (docs/liveness.md)."""
    spoof: Annotated[float, msgspec.Meta(ge=0, le=50)] = 4.0
    """Evidence for one of them that makes it a SPOOF; between the two it is UNKNOWN."""
    suspicion: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    """Mean suspicion of a picture-based model, where there is one, that makes LIVE UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Life:
    """What heat says about a face."""

    liveness: Liveness
    reasons: tuple[LivenessReason, ...] = ()
    """Why it is not LIVE, the weightiest first."""
    evidence: float = 0.0
    """For a living face against the likeliest attack, nats."""


@dataclass(frozen=True, slots=True)
class Range:
    """A sign that lies evenly between two values, or between these of either signature; the sensor's error on top."""

    low: float
    high: float
    mirrored: bool = False

    def density(self, sign: Sign) -> float:
        """Of a sign's value, given its error."""
        found = _uniform(sign.value, self.low, self.high, sign.error)
        return (found + _uniform(-sign.value, self.low, self.high, sign.error)) / 2 if self.mirrored else found


@dataclass(frozen=True, slots=True)
class People:
    """A sign in living people: most are near a mean, and some within a range."""

    mean: float
    spread: float
    share: float
    rest: Range

    def density(self, sign: Sign) -> float:
        """Of a sign's value, given its error."""
        most = _normal(sign.value - self.mean, math.hypot(self.spread, sign.error))
        return self.share * most + (1 - self.share) * self.rest.density(sign)


LIVING: Final[dict[str, People]] = {
    # The rest of these are faces from the cold, and fevers.
    "warmth": People(1.0, 0.08, 0.7, Range(0.75, 2.5)),
    "excess": People(0.0, 0.8, 0.8, Range(-5.0, 5.0)),
    "ring": People(0.9, 0.12, 0.9, Range(0.4, 1.4)),
    # Who is bald has no edge there.
    "crown": People(0.45, 0.15, 0.9, Range(-0.05, 0.9)),
    # The spread of these two is mostly the detectors', whose boxes differ from the face by up to a quarter.
    "shift": People(0.0, 0.05, 0.95, Range(-0.18, 0.18)),
    "width": People(0.03, 0.1, 0.85, Range(-0.35, 0.35)),
    "drift": People(0.0, 0.012, 0.97, Range(-0.05, 0.05)),
    "far_shift": People(0.0, 0.06, 0.95, Range(-0.25, 0.25)),
    "far_width": People(-0.04, 0.12, 0.9, Range(-0.45, 0.45)),
}
"""Signs of living people: of the simulated world's, with shares for what it does not draw."""
PATTERN: Final = {"relief": (0.045, 0.02), "brow": (0.015, 0.02), "mouth": (0.035, 0.025)}
"""Mean and standard deviation of the differences within a bare face."""
COVERED: Final = {"relief": Range(-0.12, 0.16), "brow": Range(-0.15, 0.45), "mouth": Range(-0.15, 0.2)}
"""The same with glasses, a hat, a fringe, a mask or a beard, each of which is cooler than skin."""
BARE: Final = 0.65
"""Share of people with nothing on the face."""
SPOTS: Final = Range(-0.35, 0.35)
"""The same of a surface with warm spots."""
FLAT: Final = Range(-0.012, 0.012)
"""The same of an even surface: what its own unevenness leaves between bands of 5 cm."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to be no living face: the signs that differ. All others are as in people, and cancel."""

    reason: LivenessReason
    signs: dict[str, Range]
    spots: float | None = None
    """Where the parts of the face count as well: the chance of warm spots on its even surface."""


ATTACKS: Final = (
    # Paper takes at most 0.72 of the skin's warmth through a millimetre of air.
    Attack(LivenessReason.NOT_WARM, {"warmth": Range(-0.2, 0.72)}),
    Attack(LivenessReason.TOO_WARM, {"excess": Range(5.5, 30.0)}),
    Attack(LivenessReason.BEYOND_FACE, {"ring": Range(-0.6, 0.55)}),
    # A sheet goes on above the face, and to its sides.
    Attack(LivenessReason.BEYOND_FACE, {"crown": Range(-0.12, 0.12), "width": Range(0.08, 1.0)}, spots=0.7),
    # A small screen held near has its heat beside its face: the parallax was undone for a face of a usual size.
    Attack(
        LivenessReason.WRONG_PLACE, {"shift": Range(0.08, 0.6, mirrored=True), "crown": Range(-0.15, 0.15)}, spots=0.7
    ),
    Attack(LivenessReason.WRONG_PLACE, {"shift": Range(0.18, 0.6, mirrored=True)}),
    Attack(LivenessReason.WRONG_PLACE, {"far_shift": Range(0.25, 0.8, mirrored=True)}),
    Attack(LivenessReason.WRONG_SIZE, {"width": Range(-1.2, -0.35)}),
    Attack(LivenessReason.WRONG_SIZE, {"width": Range(0.35, 1.0)}),
    Attack(LivenessReason.WRONG_SIZE, {"far_width": Range(0.45, 1.2, mirrored=True)}),
    Attack(LivenessReason.COOLING, {"drift": Range(-1.0, -0.035)}),
)
"""Ways to be none, with the physics of `hw.sim.attacks` and the ranges of docs/liveness.md."""
NEEDED: Final = ("warmth", "width", "relief", "drift")
"""Signs without which nobody is LIVE."""


def judge(signs: Signs, settings: LivenessSettings) -> Life:
    """What signs amount to."""
    if not math.isfinite(signs.room) or signs.room > settings.hottest_room:
        return Life(Liveness.UNKNOWN, (LivenessReason.HOT_ROOM,))
    tested = [(evidence(signs, attack), attack.reason) for attack in ATTACKS]
    tested = sorted((each for each in tested if not math.isnan(each[0])), key=lambda each: each[0])
    if not tested:
        return Life(Liveness.UNKNOWN, (LivenessReason.FEW_PIXELS,))
    least = tested[0][0]
    against = [reason for found, reason in tested if found < settings.live]
    if least <= -settings.spoof:
        return Life(Liveness.SPOOF, tuple(dict.fromkeys(against)), least)
    if not all(getattr(signs, name).known for name in NEEDED):
        against.append(LivenessReason.FEW_PIXELS)
    # Never proof of an attack: some faces are even, and on a warm day all are.
    if unevenness(signs) < settings.even:
        against.append(LivenessReason.EVEN)
    if against:
        return Life(Liveness.UNKNOWN, tuple(dict.fromkeys(_mild(reason) for reason in against)), least)
    return Life(Liveness.LIVE, (), least)


def evidence(signs: Signs, attack: Attack) -> float:
    """For a living face against one kind of attack, nats; NaN where none of its signs is known."""
    found = [(name, getattr(signs, name)) for name in attack.signs]
    known = [(name, sign) for name, sign in found if sign.known]
    if not known:
        return math.nan
    parts = 0.0 if attack.spots is None else unevenness(signs, attack.spots)
    return (0.0 if math.isnan(parts) else parts) + sum(
        math.log(LIVING[name].density(sign) + FLOOR) - math.log(attack.signs[name].density(sign) + FLOOR)
        for name, sign in known
    )


def unevenness(signs: Signs, spots: float = 0.0) -> float:
    """Evidence for a face with its parts against an even surface, nats; NaN where nothing is known.

    `spots`: the chance that the surface is a screen or a heater with warm spots of its own.
    """
    known = {name: getattr(signs, name) for name in PATTERN if getattr(signs, name).known}
    if not known:
        return math.nan
    bare = math.prod(
        _normal(sign.value - PATTERN[name][0], math.hypot(PATTERN[name][1], sign.error)) for name, sign in known.items()
    )
    covered = math.prod(COVERED[name].density(sign) for name, sign in known.items())
    flat = math.prod(FLAT.density(sign) for sign in known.values())
    spotty = math.prod(SPOTS.density(sign) for sign in known.values())
    face = BARE * bare + (1 - BARE) * covered
    return math.log(face + FLOOR) - math.log((1 - spots) * flat + spots * spotty + FLOOR)


FLOOR: Final = 1e-3
"""Density of a sign that neither people nor attacks explain: no single sign convicts beyond doubt."""


def _mild(reason: LivenessReason) -> LivenessReason:
    """The reason that a passer-by is given where nothing is certain: a cool face is a cold one."""
    return LivenessReason.COLD_FACE if reason is LivenessReason.NOT_WARM else reason


def _normal(off: float, spread: float) -> float:
    return math.exp(-0.5 * (off / spread) ** 2) / (spread * math.sqrt(2 * math.pi))


def _uniform(value: float, low: float, high: float, error: float) -> float:
    """Density of a value evenly within a range, with a normal error."""
    spread = max(error, 1e-4) * math.sqrt(2)
    return (math.erf((value - low) / spread) - math.erf((value - high) / spread)) / 2 / (high - low)


class LivenessAttempt:
    """Frames of one person at one attempt."""

    def __init__(self, settings: LivenessSettings, not_before: float = -math.inf) -> None:
        """Frames from before `not_before`, monotonic seconds, are of somebody else."""
        self._settings = settings
        self._not_before = not_before
        self._seen: list[Seen] = []
        self._unpaired = 0
        self._suspicion: list[float] = []

    def add(self, frame: HeatFrame, box: Box, levels: Levels | None = None, lag: float = 0.0) -> None:
        """A frame, the face's place on it in thermal pixels, and the seconds to the nearest picture that shows it.

        Heat that no picture belongs to proves nothing about the face in another.
        """
        if self._seen and frame.timestamp <= self._seen[-1].frame.timestamp:
            return
        if frame.timestamp < self._not_before or not lag <= self._settings.paired:
            self._unpaired += 1
            return
        if frame_fault(frame) is None:
            self._seen = [*self._seen[1 - KEEP :], Seen(frame, box, levels or Levels())]

    def suspect(self, score: float) -> None:
        """A picture-based model's suspicion of one picture, 0..1; it can make LIVE UNKNOWN, and nothing else."""
        self._suspicion = [*self._suspicion[1 - KEEP :], score]

    def judge(self) -> Life:
        """What the frames amount to so far."""
        if len(self._seen) < self._settings.frames:
            few = LivenessReason.NOT_PAIRED if self._unpaired > len(self._seen) else LivenessReason.FEW_FRAMES
            return Life(Liveness.UNKNOWN, (few,))
        heat = self._heat()
        if heat is None or heat.frames < self._settings.frames:
            return Life(Liveness.UNKNOWN, (LivenessReason.FEW_FRAMES,))
        if int(heat.region.face.sum()) < self._settings.pixels:
            return Life(Liveness.UNKNOWN, (LivenessReason.FEW_PIXELS,))
        found = judge(read_signs(heat, self._seen), self._settings)
        if found.liveness is Liveness.LIVE and self._suspected():
            return Life(Liveness.UNKNOWN, (LivenessReason.SUSPICIOUS_PICTURE,), found.evidence)
        return found

    def _suspected(self) -> bool:
        scores = self._suspicion
        # What is no number is no all-clear.
        return bool(scores) and not sum(scores) / len(scores) < self._settings.suspicion

    def _heat(self) -> HeatMap | None:
        """The map over the frames in which the face stood where it stands now."""
        still = _still(self._seen)
        boxes = [each.box for each in still]
        place = Box(*(float(median(getattr(box, key) for box in boxes)) for key in ("x", "y", "width", "height")))
        levels = Levels(median(each.levels.eyes for each in still), median(each.levels.nose for each in still))
        return average([each.frame for each in still], place, levels)


def _still(seen: Sequence[Seen]) -> list[Seen]:
    newest = seen[-1]
    x, y = newest.box.centre
    return [
        each
        for each in seen
        if math.hypot(each.box.centre[0] - x, each.box.centre[1] - y) <= STILL
        and each.frame.temperatures.shape == newest.frame.temperatures.shape
    ]
