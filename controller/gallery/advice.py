"""Whose photographs should be renewed, and why: age, falling scores, consent that ends, another model."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.gallery.consent import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from controller.gallery.model import Enrolment
    from controller.gallery.settings import EnrolmentSettings

EITHER_END = 10
"""Passages at the beginning and at the end of a person's series that are compared."""
LEAST_SPAN = 30
"""Days that a series must cover: a week of hats and masks is no growth."""
SURE = 3.0
"""Standard errors that a fall must exceed."""
NOTICE = 30
"""Days before the end of a consent from which it is told."""

Scores = list[tuple[dt.date, float]]
"""Day and match score of a person's passages at the gate, in order."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One person, and what speaks for new photographs or a new consent."""

    person: str
    reasons: tuple[str, ...]


def advise(
    enrolments: Iterable[Enrolment],
    scores: Mapping[str, Scores],
    *,
    today: dt.date,
    settings: EnrolmentSettings,
    template_model: str | None = None,
) -> list[Advice]:
    """Advice for everybody who needs some. `template_model`: the engine's; None: not known, so not asked."""
    advised = []
    for one in enrolments:
        if one.person.no_face:  # no photographs, so nothing of them is too old
            continue
        reasons = [
            *_model(one, template_model),
            *_age(one, today, settings),
            *_fall(one, scores.get(one.person.person, []), settings),
            *_consent(one, today, settings),
        ]
        if reasons:
            advised.append(Advice(one.person.person, tuple(reasons)))
    return advised


def _model(one: Enrolment, template_model: str | None) -> list[str]:
    if template_model is None or any(template.model == template_model for template in one.templates):
        return []
    return [f"no template of {template_model}, which this gate uses"]


def _age(one: Enrolment, today: dt.date, settings: EnrolmentSettings) -> list[str]:
    if one.origin.enrolled is None:
        return ["enrolled by a version that noted no date"]
    days = (today - one.origin.enrolled).days
    return [f"photographs enrolled {days} days ago, on {one.origin.enrolled}"] if days > settings.renew_after else []


def _consent(one: Enrolment, today: dt.date, settings: EnrolmentSettings) -> list[str]:
    consent = one.origin.consent
    reason = refusal(consent, today, settings.consent_scope)
    if reason or consent is None or consent.expires is None:
        return [f"{reason}: renew it or erase the person"] if reason else []
    days = (consent.expires - today).days
    return [f"the consent ends in {days} days, on {consent.expires}"] if days <= NOTICE else []


def _fall(one: Enrolment, series: Sequence[tuple[dt.date, float]], settings: EnrolmentSettings) -> list[str]:
    """Whether a person's scores since their enrolment have fallen, by more than their own scatter explains.

    Medians of the first and the last ten passages; the error of a median is 1.2533 σ / √n, σ from the median absolute
    deviation (1.4826, normal scatter).
    """
    own = [(day, score) for day, score in series if one.origin.enrolled is None or day >= one.origin.enrolled]
    if len(own) < 2 * EITHER_END or (own[-1][0] - own[0][0]).days < LEAST_SPAN:
        return []
    first, last = ([score for _, score in part] for part in (own[:EITHER_END], own[-EITHER_END:]))
    before, after = statistics.median(first), statistics.median(last)
    deviations = [abs(score - before) for score in first] + [abs(score - after) for score in last]
    error = 1.2533 * 1.4826 * statistics.median(deviations) * math.sqrt(2 / EITHER_END)
    if before - after < max(settings.score_drop, SURE * error):
        return []
    return [f"match scores fell from {before:.2f} to {after:.2f} between {own[0][0]} and {own[-1][0]}"]
