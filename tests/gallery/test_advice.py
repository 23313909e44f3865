"""Who should bring new photographs: by age, by falling scores, by what happens to the consent."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.gallery.advice import advise
from controller.gallery.model import Consent, Enrolment, Origin, Person, Template
from controller.gallery.settings import EnrolmentSettings

if TYPE_CHECKING:
    from controller.gallery.advice import Scores

TODAY = dt.date(2026, 9, 1)
CONSENT = Consent("a law", dt.date(2025, 1, 1))
FRESH = TODAY - dt.timedelta(days=200)
RIGHT = Origin(FRESH, CONSENT)


def reasons(scores: Scores | None = None, *, origin: Origin = RIGHT, model: str = "net:1") -> str:
    enrolment = Enrolment(Person("p1"), (Template("net:1", np.ones(4, np.float32)),), origin)
    found = advise([enrolment], {"p1": scores or []}, today=TODAY, settings=EnrolmentSettings(), template_model=model)
    return "; ".join(found[0].reasons) if found else ""


def passages(first: float, last: float, *, count: int = 60, days: int = 150, noise: float = 0.04) -> Scores:
    rng = np.random.default_rng(5)
    when = [FRESH + dt.timedelta(days=round(days * step / count)) for step in range(count)]
    level = np.linspace(first, last, count) + rng.normal(0, noise, count)
    return list(zip(when, level.tolist(), strict=True))


def test_who_is_known_without_a_face_needs_none() -> None:
    people = [Enrolment(Person("p1", no_face=True), ())]
    assert advise(people, {}, today=TODAY, settings=EnrolmentSettings(), template_model="net:1") == []


def test_a_fresh_template_needs_nothing() -> None:
    assert reasons() == ""
    assert reasons(passages(0.75, 0.75)) == ""


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin(TODAY - dt.timedelta(days=366), CONSENT), "photographs enrolled 366 days ago, on 2025-08-31"),
        (Origin(None, CONSENT), "enrolled by a version that noted no date"),
        (Origin(FRESH, None), "no consent record"),
        (Origin(FRESH, Consent("consent", FRESH, "self", "face", TODAY)), "the consent ends in 0 days, on 2026-09-01"),
        (Origin(FRESH, Consent("consent", FRESH, "self", "face", dt.date(2026, 8, 1))), "renew it or erase the person"),
    ],
)
def test_age_and_consent(origin: Origin, said: str) -> None:
    assert said in reasons(origin=origin)


def test_another_model() -> None:
    assert reasons(model="net:2") == "no template of net:2, which this gate uses"


def test_a_growing_child() -> None:
    assert reasons(passages(0.75, 0.55)).startswith("match scores fell from 0.7")


@pytest.mark.parametrize(
    "series",
    [
        passages(0.75, 0.55, count=19),
        passages(0.75, 0.55, days=20),
        passages(0.75, 0.70, noise=0.01),
        [(FRESH - dt.timedelta(days=300 - step), 0.9 - step / 400) for step in range(100)],
        passages(0.75, 0.66, noise=0.2),
    ],
    ids=["too few", "too short", "too little", "of the photographs before", "within the scatter"],
)
def test_what_is_no_fall(series: Scores) -> None:
    assert "fell" not in reasons(series)
