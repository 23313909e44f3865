"""The page of the access policy: its file is accepted as it stands, and the signs it names are the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.config import parse
from controller.lane.access.document import Point, Schedule, from_toml
from controller.lane.access.policy import Policy
from controller.lane.model import DenyReason
from controller.prompts import REASONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "access-policy.md").read_text(encoding="utf-8")
POLICY, GATE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("commented", [True, False])
def test_the_policy_is_accepted(*, commented: bool) -> None:
    text = POLICY if commented else re.sub(r"(?m)^# ", "", POLICY)
    policy = Policy(from_toml(text.encode(), where="docs/access-policy.md"))
    assert (policy.document.points["dorm"].two_person is None) == commented


def test_the_gates_section_is_accepted() -> None:
    assert parse(GATE, where="docs/access-policy.md").access.policy == Path("/etc/thermogate/policy.toml")


@pytest.mark.parametrize(
    "reason",
    [
        DenyReason.CREDENTIAL_EXPIRED,
        DenyReason.VISIT_OVER,
        DenyReason.NOT_PERMITTED,
        DenyReason.OUT_OF_HOURS,
        DenyReason.FIRST_PERSON_NEEDED,
        DenyReason.ANTI_PASSBACK,
    ],
)
def test_a_sign_is_as_the_page_says(reason: DenyReason) -> None:
    assert str(REASONS[reason]) in PAGE


@pytest.mark.parametrize("key", sorted({*Point.__struct_encode_fields__, *Schedule.__struct_encode_fields__}))
def test_keys_are_on_the_page(key: str) -> None:
    assert re.search(rf"\b{key}\b", PAGE)
