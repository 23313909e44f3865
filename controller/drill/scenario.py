"""The cast of a rehearsal: who comes to the gate, in which order, how warm they are, and what should become of them.

Drawn from a seed, so the same numbers give the same morning. Only the mix is unnatural: a real morning has one fever in
hundreds (`docs/drill.md`).
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CORE_MEAN: Final = 36.89
CORE_SD: Final = 0.29
"""Oral temperature of the 606 afebrile (< 37.5 °C) adults of FDA/UMD (PhysioNet, doi 10.13026/3bhc-9065), °C."""
AFEBRILE_BELOW: Final = 37.5
SURFACE_SD: Final = 0.27
"""Person-to-person scatter of oral minus facial maximum, mean of three rounds, ambient taken out: same data, K."""
FEVER_LOW: Final = 38.3
"""A fever by the usual clinical definition (IDSA/ACCM 2008: 38.3 °C)."""
FEVER_HIGH: Final = 39.8
WARMED_UP: Final = 10.0
"""Minutes indoors after which somebody from the cold tries again; 5 bring a forehead back to 36.1 °C."""
SCATTER_CUT: Final = 2.0
"""Scatter is drawn within this many standard deviations: a cast of a dozen is no place for one in a thousand."""
ABSENT: Final = 4
"""People who are registered but don't come this morning."""


class Kind(enum.Enum):
    """What a visit rehearses. In the order in which a small cast takes them."""

    ENROLLED = "enrolled"
    STRANGER = "stranger"
    FEBRILE = "febrile"
    PHOTOGRAPH = "photograph"
    TAILGATE = "tailgate"
    SENSOR_DROPOUT = "sensor dropout"
    FROM_COLD = "from the cold"
    GLASSES = "glasses"
    WALK_AWAY = "walk away"
    LEAVER = "leaver"
    CARD = "card"
    BORROWED_CARD = "borrowed card"
    EXPIRED_CARD = "expired card"
    GUESSED_PIN = "guessed PIN"
    OUT_OF_HOURS = "out of hours"
    VISIT_OVER = "visit over"
    TOO_EARLY = "before opening"
    OPENER = "opens up"
    OPENED = "after opening"

    @property
    def is_registered(self) -> bool:
        """Whether the face shown is in the gallery."""
        return self not in {Kind.STRANGER, Kind.LEAVER, *CARD_KINDS}

    @property
    def is_screened(self) -> bool:
        """Whether a bare living face is before a working sensor, so that the first reading can be predicted."""
        return self not in {Kind.PHOTOGRAPH, Kind.LEAVER, Kind.SENSOR_DROPOUT, Kind.GLASSES, *BY_REQUEST}

    @property
    def may_enter(self) -> bool:
        """Whether this person ought to be granted in the end: the ones whose refusal is a false reject."""
        return self in NEEDS_GRANT | {Kind.ENROLLED}


CARD_KINDS: Final = (Kind.CARD, Kind.BORROWED_CARD, Kind.EXPIRED_CARD, Kind.GUESSED_PIN)
"""Come only where a reader is rehearsed (`controller.drill.cards`)."""
ACCESS_KINDS: Final = (Kind.OUT_OF_HOURS, Kind.VISIT_OVER, Kind.TOO_EARLY, Kind.OPENER, Kind.OPENED)
"""Come only where an access policy is rehearsed (`controller.drill.access`)."""
BY_REQUEST: Final = (*CARD_KINDS, *ACCESS_KINDS)


class Ending(enum.Enum):
    """How a visit ended, as anybody standing there could see it."""

    ADMITTED = "admitted"
    TURNED_AWAY = "turned away"
    LEFT_UNUSED = "granted, walked away"
    WENT_OUT = "went out"
    HINDERED = "hindered on the way out"
    UNDECIDED = "no decision"
    STUCK = "granted, but the arm stayed locked"


EXPECTED: Final[dict[Kind, Ending]] = {
    Kind.ENROLLED: Ending.ADMITTED,
    Kind.STRANGER: Ending.TURNED_AWAY,
    Kind.FEBRILE: Ending.TURNED_AWAY,
    Kind.PHOTOGRAPH: Ending.TURNED_AWAY,
    Kind.TAILGATE: Ending.ADMITTED,
    Kind.SENSOR_DROPOUT: Ending.ADMITTED,
    Kind.FROM_COLD: Ending.ADMITTED,
    Kind.GLASSES: Ending.ADMITTED,
    Kind.WALK_AWAY: Ending.LEFT_UNUSED,
    Kind.LEAVER: Ending.WENT_OUT,
    Kind.CARD: Ending.ADMITTED,
    Kind.BORROWED_CARD: Ending.TURNED_AWAY,
    Kind.EXPIRED_CARD: Ending.TURNED_AWAY,
    Kind.GUESSED_PIN: Ending.TURNED_AWAY,
    Kind.OUT_OF_HOURS: Ending.TURNED_AWAY,
    Kind.VISIT_OVER: Ending.TURNED_AWAY,
    Kind.TOO_EARLY: Ending.TURNED_AWAY,
    Kind.OPENER: Ending.ADMITTED,
    Kind.OPENED: Ending.ADMITTED,
}

NEVER_GRANTED: Final = frozenset(
    {
        Kind.STRANGER,
        Kind.PHOTOGRAPH,
        Kind.BORROWED_CARD,
        Kind.EXPIRED_CARD,
        Kind.GUESSED_PIN,
        Kind.OUT_OF_HOURS,
        Kind.VISIT_OVER,
        Kind.TOO_EARLY,
    }
)
"""A grant to one of these is a safety violation. A missed fever is judged with the screening rates."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One person who comes up to the gate (with the one who squeezes in behind, for a tailgate)."""

    number: int
    """Place in the morning, from 1."""
    kind: Kind
    identity: int
    """Whose face it is: a number of `hw.sim.faces`. For a photograph, who is on it."""
    companion: int | None
    """Identity of the tailgater, of who holds the photograph, or of a card's or PIN's owner."""
    core: float
    """Core temperature, °C."""
    scatter: float
    """How much warmer this person's face is than the population's at that core temperature, K."""
    distance: float
    """Metres from the camera."""
    offset: float
    """Metres to the side of the mark's middle."""
    pause: float
    """Seconds between the previous person's leaving and this one's foot on the mark."""

    @property
    def expected(self) -> Ending:
        """How this visit should end."""
        return EXPECTED[self.kind]

    @property
    def person(self) -> str:
        """Gallery id that a grant must name, if one is given at all."""
        return person_id(self.identity)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A morning at the gate."""

    seed: int
    visits: tuple[Visit, ...]
    registered: tuple[int, ...]
    """Identities in the gallery: all who come and are registered, and some who don't come today."""

    @property
    def counts(self) -> Counter[Kind]:
        """Visits by kind."""
        return Counter(visit.kind for visit in self.visits)


def person_id(identity: int) -> str:
    """The id under which a drawn face is enrolled."""
    return f"p{identity:05d}"


def draw(people: int, seed: int) -> Scenario:
    """Draw a morning of `people` visits. Twelve contain every kind; fewer take them in the order of `Kind`.

    Raises ValueError for less than one.
    """
    if people < 1:
        raise ValueError(f"a rehearsal needs at least one person, not {people}")
    dice = random.Random(f"thermogate-drill-{seed}")
    kinds = _kinds(people, dice)
    faces = iter(dice.sample(range(1, 100_000), 2 * people + ABSENT))
    visits = tuple(visit_of(number, kind, faces, dice) for number, kind in enumerate(kinds, start=1))
    registered = [visit.identity for visit in visits if visit.kind.is_registered]
    registered += [next(faces) for _ in range(ABSENT)]
    return Scenario(seed, visits, tuple(sorted(registered)))


def _kinds(people: int, dice: random.Random) -> list[Kind]:
    """One of each as far as they go, then mostly registered people; the first to come is one of them."""
    specials = [kind for kind in Kind if kind not in BY_REQUEST][:people]
    others = people - len(specials)
    rest = [Kind.STRANGER if dice.random() < 0.1 else Kind.ENROLLED for _ in range(max(0, others - 3))]
    rest += [Kind.ENROLLED] * (others - len(rest))
    order = specials[1:] + rest
    dice.shuffle(order)
    return [Kind.ENROLLED, *order]


NEEDS_GRANT: Final = frozenset({Kind.TAILGATE, Kind.SENSOR_DROPOUT, Kind.FROM_COLD, Kind.GLASSES, Kind.WALK_AWAY})
"""Kinds whose point comes after a grant. They are drawn near the mean, so that no borderline temperature hides it."""


def visit_of(number: int, kind: Kind, faces: Iterator[int], dice: random.Random) -> Visit:
    """Draw a visit of a kind; takes one or two of `faces`."""
    has_companion = kind in (Kind.TAILGATE, Kind.PHOTOGRAPH, Kind.BORROWED_CARD, Kind.GUESSED_PIN)
    spread = 0.3 if kind in NEEDS_GRANT or kind in BY_REQUEST else 1.0
    return Visit(
        number=number,
        kind=kind,
        identity=next(faces),
        companion=next(faces) if has_companion else None,
        core=round(_core(kind, dice, spread), 2),
        scatter=round(_scatter(dice, spread * SURFACE_SD), 2),
        distance=round(dice.uniform(0.4, 0.6), 3),
        offset=round(dice.uniform(-0.04, 0.04), 3),
        pause=round(dice.uniform(0.3, 0.9), 2),
    )


def _core(kind: Kind, dice: random.Random, spread: float) -> float:
    if kind is Kind.FEBRILE:
        return dice.uniform(FEVER_LOW, FEVER_HIGH)
    return min(CORE_MEAN + _scatter(dice, spread * CORE_SD), AFEBRILE_BELOW - 0.01)


def _scatter(dice: random.Random, sd: float) -> float:
    """Normal scatter, cut off at `SCATTER_CUT` by drawing again."""
    while abs(drawn := dice.gauss(0.0, 1.0)) > SCATTER_CUT:
        pass
    return sd * drawn
