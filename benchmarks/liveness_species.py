"""Who and what stands before the gate in the benchmark of liveness: living people and attacks, from stated ranges.

Every range is drawn evenly unless said otherwise. `HELD_OUT` species were not looked at while the judge was built, and
`BUILD_SEEDS` are the presentations that it was fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from hw.sim.attacks import TO_ROOM, Hand, Sheet, Worn, cooling, share_taken
from hw.sim.figures import Person
from hw.sim.skin import SCATTER, face_maximum

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from hw.sim.drawing import Seeable

Range = tuple[float, float]
PEOPLE: Final = 400
"""Drawn identities."""
BUILD_SEEDS: Final = range(1_000_000, 2_000_000)
TEST_SEEDS: Final = range(1_000_000)
COOL_ROOM: Final = 24.0
"""°C up to which somebody may come in from the frost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Where and on which day somebody stands there. Lengths in metres, temperatures in °C."""

    room: Range = (10.0, 36.0)
    distance: Range = (0.38, 0.68)
    x: Range = (-0.06, 0.06)
    y: Range = (-0.05, 0.0)
    approach: Range = (0.8, 1.6)
    """Seconds for the last 1.2 m."""
    core: Range = (36.89, 0.29)
    """Mean and standard deviation of people without a fever (doi 10.13026/3bhc-9065)."""
    fever: Range = (38.0, 40.0)
    febrile: float = 0.05
    from_cold: float = 0.25
    """Share of those in a room below COOL_ROOM who come from the frost, `minutes` ago."""
    minutes: Range = (0.0, 5.0)
    glasses: float = 0.25
    hat: float = 0.15
    mask: float = 0.1
    fringe: float = 0.1


class Where(TypedDict):
    """Place and time of a figure, `hw.sim.figures.Figure`."""

    distance: float
    x: float
    y: float
    arrival: float
    approach: float


@dataclass(frozen=True, slots=True)
class Draw:
    """One presentation."""

    figure: Seeable
    room: float
    """°C."""
    note: str
    """What was drawn, for who looks into a single one."""


RANGES: Final = Ranges()


def living(rng: np.random.Generator, arrival: float, ranges: Ranges = RANGES) -> Draw:
    """A living person on the mark from `arrival` on."""
    room = rng.uniform(*ranges.room)
    return _draw(_person(rng, room, ranges, _place(rng, arrival, ranges)), room)


def _person(rng: np.random.Generator, room: float, ranges: Ranges, where: Where) -> Person:
    fever = rng.random() < ranges.febrile
    cold = rng.random() < ranges.from_cold and room < COOL_ROOM
    return Person(
        identity=int(rng.integers(PEOPLE)),
        core=rng.uniform(*ranges.fever) if fever else float(rng.normal(*ranges.core)),
        scatter=float(rng.normal(0, SCATTER)),
        minutes_indoors=rng.uniform(*ranges.minutes) if cold else None,
        glasses=bool(rng.random() < ranges.glasses),
        hat=bool(rng.random() < ranges.hat),
        mask=bool(rng.random() < ranges.mask),
        fringe=bool(rng.random() < ranges.fringe),
        moment=int(rng.integers(1000)),
        **where,
    )


def _bare(rng: np.random.Generator, room: float, ranges: Ranges, where: Where) -> Person:
    """Somebody behind or beneath a print."""
    found = _person(rng, room, ranges, where)
    return Person(identity=found.identity, core=found.core, scatter=found.scatter, glasses=False, **where)


def _place(rng: np.random.Generator, arrival: float, ranges: Ranges, distance: Range | None = None) -> Where:
    return {
        "distance": rng.uniform(*(distance or ranges.distance)),
        "x": rng.uniform(*ranges.x),
        "y": rng.uniform(*ranges.y),
        "arrival": arrival,
        "approach": rng.uniform(*ranges.approach),
    }


def _draw(figure: Seeable, room: float) -> Draw:
    return Draw(figure, room, f"room {room:.1f} {figure}")


def _room(rng: np.random.Generator) -> float:
    return float(rng.uniform(*RANGES.room))


def _printed(rng: np.random.Generator) -> int:
    return int(rng.integers(PEOPLE))


def cold_print(rng: np.random.Generator, arrival: float) -> Draw:
    """A print as warm as the room, its face 0.85 to 1.05 of life, held 5 to 20 cm before the holder or by nobody."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    holder = _bare(rng, room, RANGES, where) if rng.random() < 0.8 else None
    behind, scale = rng.uniform(0.05, 0.2), rng.uniform(0.85, 1.05)
    return _draw(Sheet(identity=_printed(rng), scale=scale, held_by=holder, behind=behind, **where), room)


def phone(rng: np.random.Generator, arrival: float) -> Draw:
    """A phone of 7 by 15 cm at 17 to 26 cm, its glass 2 to 16 K above the room and at most 42 °C, up to 4 K at a spot.

    Its face fills 0.75 to 0.95 of the width, so that it looks as large as a face on the mark.
    """
    room, where = _room(rng), _place(rng, arrival, RANGES, (0.17, 0.26))
    scale = 0.075 * rng.uniform(0.75, 0.95) / 0.148
    warm = min(room + rng.uniform(2, 16), 42.0)
    figure = Sheet(
        identity=_printed(rng),
        scale=scale,
        width=0.075,
        above=0.06,
        below=0.095,
        screen=True,
        temperature=warm,
        spot=rng.uniform(0, 4),
        spot_x=rng.uniform(-0.02, 0.02),
        spot_y=rng.uniform(-0.05, 0.08),
        **where,
    )
    return _draw(figure, room)


def tablet(rng: np.random.Generator, arrival: float) -> Draw:
    """A tablet of 16 to 22 by 22 to 28 cm on the mark, its glass 2 to 14 K above the room, up to 4 K at a spot."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    width, height = rng.uniform(0.16, 0.22), rng.uniform(0.22, 0.28)
    figure = Sheet(
        identity=_printed(rng),
        scale=rng.uniform(0.8, 1.0),
        width=width,
        above=0.45 * height,
        below=0.55 * height,
        screen=True,
        temperature=min(room + rng.uniform(2, 14), 42.0),
        spot=rng.uniform(0, 4),
        spot_x=rng.uniform(-0.07, 0.07),
        spot_y=rng.uniform(-0.09, 0.09),
        **where,
    )
    return _draw(figure, room)


def warmed_print(rng: np.random.Generator, arrival: float) -> Draw:
    """A print warmed with a dryer to 34 to 60 °C, 0.5 to 6 s before, that cools with 6 to 20 s; half are cut out."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    heat = cooling(rng.uniform(34, 60), room, rng.uniform(6, 20), arrival - rng.uniform(0.5, 6))
    cut, scale = bool(rng.random() < 0.5), rng.uniform(0.85, 1.05)
    return _draw(Sheet(identity=_printed(rng), scale=scale, temperature=heat, cut=cut, **where), room)


def hand_behind(rng: np.random.Generator, arrival: float) -> Draw:
    """A print with a hand of 30 to 34.5 °C flat against its back, of which the paper takes 0.7 to 0.95."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    hand = Hand(
        temperature=max(rng.uniform(30, 34.5), room),
        take=rng.uniform(0.7, 0.95),
        x=rng.uniform(-0.02, 0.02),
        y=rng.uniform(0, 0.05),
    )
    scale, cut = rng.uniform(0.85, 1.0), bool(rng.random() < 0.3)
    return _draw(Sheet(identity=_printed(rng), scale=scale, hand=hand, cut=cut, **where), room)


def paper_mask(rng: np.random.Generator, arrival: float) -> Draw:
    """A printed paper mask worn 3 to 15 mm before the face, with or without holes for the eyes."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    gap = rng.uniform(0.003, 0.015)
    return _draw(_worn(rng, room, where, gap=gap, cut=True, holes=bool(rng.random() < 0.5)), room)


def _worn(rng: np.random.Generator, room: float, where: Where, *, gap: float, cut: bool, holes: bool) -> Worn:
    take = share_taken(gap, rng.uniform(*TO_ROOM))
    wearer = _bare(rng, room, RANGES, where)
    return Worn(identity=_printed(rng), wearer=wearer, take=take, ahead=gap, cut=cut, holes=holes, **where)


def holed_print(rng: np.random.Generator, arrival: float) -> Draw:
    """A print with its eyes cut out, held 2 to 8 cm before a face; half are cut along the face's outline."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    gap = rng.uniform(0.02, 0.08)
    return _draw(_worn(rng, room, where, gap=gap, cut=bool(rng.random() < 0.5), holes=True), room)


def heated_print(rng: np.random.Generator, arrival: float) -> Draw:
    """A print on a heating film, kept within 2 K of a face's maximum in that room; half are cut out."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    warm = face_maximum(36.8, room) - rng.uniform(0, 4)
    cut, scale = bool(rng.random() < 0.5), rng.uniform(0.85, 1.05)
    return _draw(Sheet(identity=_printed(rng), scale=scale, temperature=max(warm, room), cut=cut, **where), room)


def bent_print(rng: np.random.Generator, arrival: float) -> Draw:
    """A print bent around an upright cylinder by 0.3 to 1.0 radians each way; half are warmed as `warmed_print`."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    heat = cooling(rng.uniform(34, 60), room, rng.uniform(6, 20), arrival - rng.uniform(0.5, 6))
    warm, cut = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    bend, scale = rng.uniform(0.3, 1.0), rng.uniform(0.9, 1.15)
    figure = Sheet(identity=_printed(rng), scale=scale, temperature=heat if warm else None, bend=bend, cut=cut, **where)
    return _draw(figure, room)


def touching_mask(rng: np.random.Generator, arrival: float) -> Draw:
    """A print cut along the face that lies on the skin, less than 1 mm away: what we do not claim to stop."""
    room, where = _room(rng), _place(rng, arrival, RANGES)
    gap = rng.uniform(0.0001, 0.001)
    return _draw(_worn(rng, room, where, gap=gap, cut=True, holes=bool(rng.random() < 0.5)), room)


SPECIES: Final[dict[str, Callable[[np.random.Generator, float], Draw]]] = {
    "print": cold_print,
    "phone": phone,
    "tablet": tablet,
    "warmed print": warmed_print,
    "hand behind": hand_behind,
    "paper mask": paper_mask,
    "holed print": holed_print,
    "heated print": heated_print,
    "bent print": bent_print,
    "touching mask": touching_mask,
}
HELD_OUT: Final = frozenset({"holed print", "heated print", "bent print"})
UNCLAIMED: Final = frozenset({"touching mask"})
"""Beats 32 by 24 pixels by its nature; measured all the same."""
