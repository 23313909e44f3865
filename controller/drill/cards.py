"""Those who come with a card or a PIN, behind everybody else: `thermogate drill --cards`.

They are drawn by dice of their own, so that the rest of the morning is the same with and without them.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from controller.drill.scenario import CARD_KINDS, Kind, Scenario, Visit, person_id, visit_of
from controller.gallery.credentials import add_credential
from controller.gallery.model import Enrolment, Person
from hw.settings import ReaderSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.gallery.store import GalleryStore

READER: Final = ReaderSettings(driver="wiegand", d0=20, d1=21, keypad=True)
FACILITY: Final = 77
PIN: Final = "471100"
GUESSES: Final = ("111111", "123456", "000000", "471101", "222222")
"""Wrong ones, as many as lock a number; the right one comes after them, too late."""
PAST: Final = dt.date(2020, 1, 1)
"""Until when an expired card was good."""


def with_cards(scenario: Scenario) -> Scenario:
    """The same morning with one visit of each kind of card behind it."""
    dice = random.Random(f"thermogate-drill-cards-{scenario.seed}")
    # Not those of the morning: `draw` takes its faces from 1 to 99,999.
    faces = iter(dice.sample(range(100_000, 110_000), 2 * len(CARD_KINDS)))
    first = len(scenario.visits) + 1
    visits = tuple(visit_of(number, kind, faces, dice) for number, kind in enumerate(CARD_KINDS, start=first))
    owners = [visit.companion for visit in visits if visit.kind is Kind.BORROWED_CARD and visit.companion is not None]
    return replace(
        scenario,
        visits=(*scenario.visits, *visits),
        registered=tuple(sorted((*scenario.registered, *owners))),
    )


def has_cards(visits: Iterable[Visit]) -> bool:
    """Whether somebody comes with a card."""
    return any(visit.kind in CARD_KINDS for visit in visits)


def owner_of(visit: Visit) -> str:
    """Whose card or PIN it is."""
    lent = visit.kind in (Kind.BORROWED_CARD, Kind.GUESSED_PIN) and visit.companion is not None
    return person_id(visit.companion) if lent and visit.companion is not None else visit.person


def number_of(visit: Visit) -> int:
    """The number on this visit's card, or the one a PIN is keyed in after."""
    return 1000 + visit.number


def keyed(visit: Visit) -> tuple[str, ...]:
    """What is keyed in, one after the other."""
    return tuple(f"{number_of(visit)}*{pin}#" for pin in (*GUESSES, PIN))


def equip(scenario: Scenario, store: GalleryStore) -> None:
    """Give out the cards: after everybody with a face was enrolled."""
    for visit in scenario.visits:
        owner = owner_of(visit)
        match visit.kind:
            case Kind.CARD:
                add_credential(store, owner, "card", f"{FACILITY}-{number_of(visit)}", create=True)
            case Kind.EXPIRED_CARD:
                store.write([Enrolment(Person(owner, valid_until=PAST), ())])
                store.set_factors(owner, second_factor=False, no_face=True)
                add_credential(store, owner, "card", f"{FACILITY}-{number_of(visit)}")
            case Kind.BORROWED_CARD:
                # A twin, say: the face alone or the card alone is not enough.
                store.set_factors(owner, second_factor=True, no_face=False)
                add_credential(store, owner, "card", f"{FACILITY}-{number_of(visit)}")
            case Kind.GUESSED_PIN:
                add_credential(store, owner, "pin", f"{number_of(visit)}*{PIN}", create=True)
            case _:
                continue
