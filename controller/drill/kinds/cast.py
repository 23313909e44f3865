"""What a rehearsal of a door or a barrier plays: scenes, who is in them, and what the journal must say of each.

A scene's records are compared as a whole: every one that is expected has to be there, and no alarm, fault or warning
that is not.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controller.drill.scenario import ABSENT, AFEBRILE_BELOW, CORE_MEAN, CORE_SD, person_id

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTERED: Final = ("grant", "passage entry completed")
LEFT: Final = ("passage exit completed",)
REFUSED: Final = ("deny unknown_person",)


class DoorScene(enum.Enum):
    """Scenes at a dormitory's door, in the order in which a short rehearsal takes them."""

    RESIDENT = "resident"
    STRANGER = "stranger"
    LEAVER = "leaver"
    HELD_OPEN = "held open"
    FORCED = "forced"
    FIRE = "fire"
    LOCKDOWN = "lockdown"
    WALK_AWAY = "walk away"
    REBOUND = "rebound"
    REX_STUCK = "request stuck"
    LOCK_WEAK = "lock not secure"


class BarrierScene(enum.Enum):
    """Scenes at a vehicle barrier."""

    DRIVER = "driver"
    STRANGER = "stranger"
    LEAVER = "leaver"
    TAILGATE = "tailgate"
    STOPS_UNDER = "stops under the arm"
    WALKER = "walker under the arm"
    FIRE = "fire"
    LOCKDOWN = "lockdown"
    ON_FOOT = "on foot"
    WALK_AWAY = "drives away"
    DETECTOR = "detector lost"
    LIFTED = "arm lifted by hand"
    STUCK = "arm stuck"
    POWER = "mains lost"


Scene = DoorScene | BarrierScene
ORDINARY: Final[Mapping[str, Scene]] = {"door": DoorScene.RESIDENT, "barrier": BarrierScene.DRIVER}
SCENES: Final[Mapping[str, tuple[Scene, ...]]] = {"door": tuple(DoorScene), "barrier": tuple(BarrierScene)}

EXPECTED: Final[Mapping[Scene, tuple[str, ...]]] = {
    DoorScene.RESIDENT: ENTERED,
    DoorScene.STRANGER: REFUSED,
    DoorScene.LEAVER: LEFT,
    DoorScene.HELD_OPEN: (
        *ENTERED,
        "warning door_open_long",
        "fault door_held_open",
        "fault_cleared door_held_open",
    ),
    DoorScene.FORCED: ("intrusion", "fault door_forced", "fault_cleared door_forced"),
    DoorScene.FIRE: ("emergency", "emergency", *LEFT),
    DoorScene.LOCKDOWN: ("deny lockdown", *LEFT),
    DoorScene.WALK_AWAY: ("grant", "passage entry expired"),
    DoorScene.REBOUND: (*ENTERED, "warning door_rebound"),
    DoorScene.REX_STUCK: (*LEFT, "fault rex_stuck", "fault_cleared rex_stuck"),
    DoorScene.LOCK_WEAK: (*ENTERED, "fault lock_not_secure", "fault_cleared lock_not_secure"),
    BarrierScene.DRIVER: ENTERED,
    BarrierScene.STRANGER: REFUSED,
    BarrierScene.LEAVER: LEFT,
    BarrierScene.TAILGATE: (*ENTERED, "tailgate", "warning arm_reversed"),
    BarrierScene.STOPS_UNDER: ENTERED,
    BarrierScene.WALKER: (*ENTERED, "warning arm_reversed"),
    BarrierScene.FIRE: ("emergency", "emergency", *LEFT),
    BarrierScene.LOCKDOWN: ("deny lockdown", *LEFT),
    BarrierScene.ON_FOOT: ("deny no_vehicle",),
    BarrierScene.WALK_AWAY: ("grant", "passage entry expired"),
    BarrierScene.DETECTOR: (*ENTERED, "fault loop", "fault_cleared loop"),
    BarrierScene.LIFTED: ("fault arm_moved", "fault_cleared arm_moved"),
    BarrierScene.STUCK: ("grant", "passage entry expired", "fault arm_stuck", "fault_cleared arm_stuck"),
    BarrierScene.POWER: ("fault power", "fault_cleared power"),
}
"""Records that a scene must leave; a STATE, a COMMAND and a further denial may come besides."""

STRANGERS: Final = frozenset({DoorScene.STRANGER, BarrierScene.STRANGER})


@dataclass(frozen=True, slots=True)
class Act:
    """One scene with its person."""

    number: int
    """From 1."""
    scene: Scene
    identity: int
    """Whose face it is: a number of `hw.sim.faces`."""
    core: float
    """Core temperature, °C."""
    distance: float
    """Metres from the camera."""

    @property
    def expected(self) -> tuple[str, ...]:
        """What the journal must say of it."""
        return EXPECTED[self.scene]

    @property
    def person(self) -> str:
        """Gallery id that a grant must name."""
        return person_id(self.identity)


@dataclass(frozen=True, slots=True)
class Play:
    """A rehearsal of one kind of lane."""

    kind: str
    seed: int
    acts: tuple[Act, ...]
    registered: tuple[int, ...]
    """Identities in the gallery."""


def cast(kind: str, scenes: int, seed: int) -> Play:
    """Draw a play of so many scenes: one of each as far as they go, then ordinary ones. The first is ordinary.

    Temperatures are drawn near the mean: what is rehearsed here is the mechanics, `thermogate drill` rehearses fevers.
    """
    if scenes < 1:
        raise ValueError(f"a rehearsal needs at least one scene, not {scenes}")
    dice = random.Random(f"thermogate-drill-{kind}-{seed}")
    special = list(SCENES[kind][1:scenes])
    others = [ORDINARY[kind]] * (scenes - 1 - len(special))
    order = special + others
    dice.shuffle(order)
    faces = iter(dice.sample(range(1, 100_000), scenes + ABSENT))
    acts = tuple(
        _act(number, scene, next(faces), dice) for number, scene in enumerate([ORDINARY[kind], *order], start=1)
    )
    registered = [act.identity for act in acts if act.scene not in STRANGERS] + [next(faces) for _ in range(ABSENT)]
    return Play(kind, seed, acts, tuple(sorted(registered)))


def _act(number: int, scene: Scene, identity: int, dice: random.Random) -> Act:
    core = min(CORE_MEAN + 0.3 * CORE_SD * dice.gauss(0.0, 1.0), AFEBRILE_BELOW - 0.3)
    return Act(number, scene, identity, round(core, 2), round(dice.uniform(0.45, 0.55), 3))
