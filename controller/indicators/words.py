"""What the screen says of a prompt, and in which colours. What is about somebody's health is said like anything else.

A queue reads along. So the prompt that sends to the doctor looks like every other one that sends aside: same sign, same
colours, no number, and no reason beneath it. What was measured is on record for those whose work it is.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from controller.lane.effects import Prompt
from controller.lane.model import DenyReason
from controller.prompts import PROMPTS, SHORT, reason_text

if TYPE_CHECKING:
    from controller.prompts import Text

Colour = tuple[int, int, int]


class Family(NamedTuple):
    """Colours, RGB; at least 7 to 1 in contrast (WCAG 2.2, 1.4.6)."""

    ground: Colour
    ink: Colour


class Families(enum.Enum):
    """What a colour says. None says it alone: words and signs differ too."""

    INVITE = Family((13, 59, 128), (255, 255, 255))
    GO = Family((0, 92, 52), (255, 255, 255))
    ASIDE = Family((255, 196, 46), (0, 0, 0))
    STOP = Family((150, 17, 27), (255, 255, 255))
    CLOSED = Family((48, 53, 61), (255, 255, 255))


_FAMILIES: Final[dict[Prompt, Families]] = {
    Prompt.IDLE: Families.INVITE,
    Prompt.LOOK_HERE: Families.INVITE,
    Prompt.PRESENT_CARD: Families.INVITE,
    Prompt.COME_CLOSER: Families.INVITE,
    Prompt.WAIT: Families.ASIDE,
    Prompt.PASS: Families.GO,
    Prompt.FREE: Families.GO,
    Prompt.EMERGENCY: Families.GO,
    Prompt.DENIED: Families.STOP,
    Prompt.ONE_AT_A_TIME: Families.STOP,
    Prompt.ALARM: Families.STOP,
    Prompt.SEE_DOCTOR: Families.ASIDE,
    Prompt.SEE_GUARD: Families.ASIDE,
    Prompt.ASK_GUARD: Families.ASIDE,
    Prompt.WARM_UP: Families.ASIDE,
    Prompt.COOL_DOWN: Families.ASIDE,
    Prompt.UNCOVER: Families.ASIDE,
    Prompt.CLOSE_DOOR: Families.ASIDE,
    Prompt.OUT_OF_SERVICE: Families.CLOSED,
}
FAMILIES: Final[dict[Prompt, Family]] = {prompt: family.value for prompt, family in _FAMILIES.items()}

UNSAID: Final = frozenset(
    reason.value
    for reason in (
        DenyReason.ELEVATED_TEMPERATURE,
        DenyReason.RECHECK_TEMPERATURE,
        DenyReason.MANUAL_TEMPERATURE,
        DenyReason.SPOOF_SUSPECTED,
        DenyReason.FACE_MISMATCH,
        DenyReason.CREDENTIAL_EXPIRED,
        DenyReason.VISIT_OVER,
        DenyReason.PIN_LOCKED,
        DenyReason.NOT_PERMITTED,
        DenyReason.LANE_FAULT,
        DenyReason.JOURNAL_FAILED,
        DenyReason.MAINTENANCE,
    )
)
"""Reasons about a person that are not for the queue to read, and those that help nobody in it; the prompt says what to
do."""


def headline(prompt: Prompt) -> Text:
    """The large words."""
    return SHORT[prompt]


def detail(prompt: Prompt, reason: str | None) -> tuple[str, str]:
    """The small words, Chinese and English: why, where that helps and is fit for a queue, else the prompt in full."""
    told = None if reason is None or reason.partition("/")[0] in UNSAID else reason_text(reason)
    text = told or PROMPTS[prompt]
    return text.chinese, text.english
