"""Everything that may be shown has a text in both languages."""

from __future__ import annotations

from controller.lane.effects import Prompt
from controller.lane.model import DenyReason, LivenessReason
from controller.prompts import LAMPS, LIVENESS, PROMPTS, REASONS, reason_text


def test_every_prompt_reason_and_liveness_reason_has_both_languages() -> None:
    for known, texts in ((Prompt, PROMPTS), (DenyReason, REASONS), (LivenessReason, LIVENESS)):
        assert set(texts) == set(known)
        assert all(text.english and text.chinese for text in texts.values())
    assert set(LAMPS) == set(Prompt)


def test_what_follows_a_slash_is_more_to_the_point() -> None:
    assert reason_text("liveness_unknown/hot_room") == LIVENESS[LivenessReason.HOT_ROOM]
    assert reason_text("liveness_unknown") == REASONS[DenyReason.LIVENESS_UNKNOWN]
    assert reason_text("repeated_failures") is None
    assert reason_text("liveness_unknown/nonsense") is None
    assert reason_text(None) is None
