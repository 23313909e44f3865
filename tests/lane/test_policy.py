"""Who may pass: each rule, their order, and what counts as a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane.effects import Prompt
from controller.lane.model import DenyReason, Liveness, Verdict
from controller.lane.policy import (
    ADVICE,
    TEMPERATURE_REASONS,
    PolicyContext,
    RepeatedFailures,
    decide,
    identified,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment

    Someone = Callable[..., Assessment]

CONTEXT = PolicyContext(minimum_quality=0.1)

# In the order of the rules: what is wrong, and the reason it gives.
WRONGS: list[tuple[dict[str, Any], DenyReason]] = [
    ({"faces": 2}, DenyReason.LANE_OCCUPIED),
    ({"liveness": Liveness.SPOOF}, DenyReason.SPOOF_SUSPECTED),
    ({"quality": 0.05}, DenyReason.POOR_PICTURE),
    ({"ambiguous": True}, DenyReason.AMBIGUOUS_MATCH),
    ({"person": None}, DenyReason.UNKNOWN_PERSON),
    ({"liveness": Liveness.UNKNOWN}, DenyReason.LIVENESS_UNKNOWN),
    ({"verdict": Verdict.ELEVATED}, DenyReason.ELEVATED_TEMPERATURE),
]


def test_someone_registered_alive_and_well_may_pass(someone: Someone) -> None:
    assert decide(someone(), CONTEXT) is None


@pytest.mark.parametrize(("wrong", "reason"), WRONGS, ids=lambda value: getattr(value, "value", ""))
def test_each_rule_denies_with_its_reason(someone: Someone, wrong: dict[str, Any], reason: DenyReason) -> None:
    assert decide(someone(**wrong), CONTEXT) is reason


@pytest.mark.parametrize("place", range(len(WRONGS)))
def test_the_first_rule_that_holds_gives_the_reason(someone: Someone, place: int) -> None:
    everything: dict[str, Any] = {}
    for wrong, _ in reversed(WRONGS[place:]):
        everything |= wrong
    assert decide(someone(**everything), CONTEXT) is WRONGS[place][1]


def test_the_access_policy_comes_before_liveness_and_temperature_and_after_who_it_is(someone: Someone) -> None:
    context = PolicyContext(access=DenyReason.ANTI_PASSBACK)
    found = someone(verdict=Verdict.ELEVATED, liveness=Liveness.UNKNOWN)
    assert decide(found, context) is DenyReason.ANTI_PASSBACK
    assert decide(someone(ambiguous=True), context) is DenyReason.AMBIGUOUS_MATCH


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_normal_temperature_passes(someone: Someone, verdict: Verdict) -> None:
    assert (decide(someone(verdict=verdict), CONTEXT) is None) == (verdict is Verdict.NORMAL)
    assert verdict in TEMPERATURE_REASONS


def test_a_strangers_fever_is_not_revealed(someone: Someone) -> None:
    reason = decide(someone(person=None, verdict=Verdict.ELEVATED), CONTEXT)
    assert reason is DenyReason.UNKNOWN_PERSON
    assert ADVICE[reason].prompt is Prompt.DENIED


def test_a_quality_that_is_no_number_is_poor(someone: Someone) -> None:
    assert decide(someone(quality=float("nan")), CONTEXT) is DenyReason.POOR_PICTURE


def test_a_quality_that_just_suffices_does(someone: Someone) -> None:
    assert decide(someone(quality=CONTEXT.minimum_quality), CONTEXT) is None


def test_no_face_at_all_is_no_stranger(someone: Someone) -> None:
    assert decide(someone(person=None, faces=0, quality=0.0), CONTEXT) is DenyReason.POOR_PICTURE


@pytest.mark.parametrize("reason", DenyReason)
def test_every_reason_has_its_advice(reason: DenyReason) -> None:
    assert ADVICE[reason].prompt not in (Prompt.PASS, Prompt.FREE, Prompt.IDLE)


def test_people_are_told_what_to_do() -> None:
    assert ADVICE[DenyReason.ELEVATED_TEMPERATURE].prompt is Prompt.SEE_DOCTOR
    assert ADVICE[DenyReason.TOO_COLD].prompt is Prompt.WARM_UP
    assert ADVICE[DenyReason.LANE_OCCUPIED].prompt is Prompt.ONE_AT_A_TIME


def test_a_picture_of_someone_is_not_them(someone: Someone) -> None:
    assert identified(someone("p1")) == "p1"
    assert identified(someone("p1", liveness=Liveness.UNKNOWN)) == "p1"
    assert identified(someone("p1", liveness=Liveness.SPOOF)) is None
    assert identified(someone("p1", ambiguous=True)) is None
    assert identified(someone(None)) is None


def test_the_fifth_failure_calls_the_guard_once() -> None:
    failures = RepeatedFailures(5)
    calls = [failures.denied(DenyReason.ELEVATED_TEMPERATURE) for _ in range(10)]
    assert calls == [False, False, False, False, True] * 2


def test_stepping_back_hides_no_stranger_but_forgives_a_poor_picture() -> None:
    failures = RepeatedFailures(3)
    for reason, expected in ((DenyReason.SPOOF_SUSPECTED, True), (DenyReason.POOR_PICTURE, False)):
        calls = []
        for _ in range(3):
            calls.append(failures.denied(reason))
            failures.left()
        assert any(calls) is expected


def test_an_admission_and_the_cold_count_as_no_failure() -> None:
    failures = RepeatedFailures(2)
    assert not failures.denied(DenyReason.UNKNOWN_PERSON)
    failures.admitted()
    assert not failures.denied(DenyReason.UNKNOWN_PERSON)
    assert not any(failures.denied(DenyReason.TOO_COLD) for _ in range(9))
    assert failures.denied(DenyReason.UNKNOWN_PERSON)
