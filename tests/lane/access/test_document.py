"""What is wrong in a policy is refused with its path, and a good one reads the same as TOML and as JSON."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest

from controller.errors import PolicyError
from controller.lane.access import document as doc
from controller.lane.access.policy import Policy, simple
from controller.lane.access.times import unix_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lane.access.conftest import Desk

WRONG = [
    (("revision = 7", 'revision = "7"'), r"^policy\.toml: revision: Expected `int`, got `str`"),
    (("format = 1", "format = 2"), r"policy\.toml: format: "),
    (("[zones.dormitory]", "[zones.dormitory]\nheated = true"), r"zones\.dormitory: .*unknown field `heated`"),
    (('[points.dorm]\nfrom = "grounds"', "[points.dorm]\nfrom = 5"), r"points\.dorm\.from: Expected `str`"),
    (('from = "07:00"', 'from = "7:00"'), r"schedules\.lessons\.hours\[0\]\.from: "),
    (('to = "dormitory"', 'to = "attic"'), r"points\.dorm\.to: there is no zone 'attic' \(there are: dormitory, "),
    (('groups = ["boarders"]', 'groups = ["boaders"]'), r"rules\[2\]\.groups: there is no group 'boaders'"),
    (('points = ["main", "dorm"]', 'points = ["main", "door"]'), r"rules\[1\]\.points: there is no point 'door'"),
    (('zones = ["dormitory"]', 'zones = ["cellar"]'), r"rules\[2\]\.zones: there is no zone 'cellar'"),
    (('schedule = "night"', 'schedule = "nihgt"'), r"rules\[2\]\.schedule: there is no schedule 'nihgt'"),
    (('holidays = "school"', 'holidays = "works"'), r"schedules\.lessons\.holidays: there is no calendar of holidays"),
    (('groups = ["guests"]', 'groups = ["*"]'), r"visitors\.v1\.groups: there is no group '\*'"),
    (("first = 2026-10-10", "first = 2026-10-07"), r"holidays\.school: National Day and in place .* on 2026-10-07"),
    (("last = 2026-10-07", "last = 2026-09-07"), r"holidays\.school\[0\]\.last: 2026-09-07 is before `first`"),
    (("last = 2026-10-07", "last = 2036-10-07"), r"holidays\.school\[0\]: National Day is longer than a year"),
    (("until = 2026-11-30T12", "until = 2026-11-30T07"), r"visitors\.v1\.until: .* is not after `from`"),
    (("until = 2026-11-30T12:00:00", "until = 2026-11-30T12:00:00Z"), r"visitors\.v1\.until: "),
    (('from = "21:00", to = "01:00"', 'from = "21:00", to = "21:00"'), r"schedules\.night\.hours\[0\]: .* no span"),
    (("outside = true", "outside = false"), r"zones: none is `outside`"),
    (
        ('from = "grounds"\nto = "dormitory"', 'from = "grounds"\nto = "dormitory"\none_way = true'),
        r"zones\.dormitory: ",
    ),
    (('from = "grounds"\nto = "dormitory"', 'from = "grounds"\nto = "grounds"'), r"points\.dorm: leads from"),
    (('zones = ["dormitory"]', ""), r"rules\[2\]: names neither points nor zones"),
    (('to = "dormitory"', 'to = "dormitory"\nanti_passback = "timed"'), r"points\.dorm\.anti_passback_seconds"),
    (('to = "dormitory"', 'to = "dormitory"\nfirst_card.after = ["cook"]'), r"points\.dorm\.first_card\.after: "),
    (('"Asia/Shanghai"', '"Asia/Shangai"'), r"timezone: 'Asia/Shangai' is no time zone"),
    (("format = 1", "format = 1\nformat = 1"), r"policy\.toml: .*line 3"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_refused_with_its_path(
    make_desk: Callable[..., Desk], change: tuple[str, str], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        make_desk(change)


def test_toml_and_json_say_the_same(desk: Desk) -> None:
    document = desk.policy.document
    text = doc.to_json(document)
    assert doc.from_json(text, where="hub") == document
    assert doc.to_json(doc.from_json(text, where="hub")) == text
    assert doc.digest(document) == doc.digest(doc.from_json(text, where="hub"))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b'{"format": 1}', b"[" * 100_000])
def test_what_is_no_policy_is_refused(text: bytes) -> None:
    with pytest.raises(PolicyError, match=r"^hub: "):
        doc.from_json(text, where="hub")


def test_one_more_zone_that_is_left_by_another_point_is_fine(make_desk: Callable[..., Desk]) -> None:
    one_way = 'from = "grounds"\nto = "dormitory"'
    out = f'{one_way}\none_way = true\n[points.dorm-out]\nfrom = "dormitory"\nto = "grounds"\none_way = true'
    policy = make_desk((one_way, out)).policy
    assert policy.leads_out("dorm-out")
    assert not policy.leads_out("dorm")
    assert policy.ways_out_of("dormitory") == {"dorm-out"}
    assert policy.ways_out_of("grounds") == {"main", "dorm"}


def test_a_gate_without_a_policy_has_a_simple_one() -> None:
    assert isinstance(simple("gate-1"), Policy)
    assert [permit.groups for permit in simple("gate-1", groups=["a", "b"]).permits["gate-1"]] == [{"a", "b"}]
    assert simple("gate-1", groups=()).permits["gate-1"] == ()


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "UTC"])
@pytest.mark.parametrize("own", [False, True])
def test_for_ever_may_be_written_as_the_last_day_there_is(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, zone: str, *, own: bool
) -> None:
    """Also by the board's own time zone, where the policy names none: who is asked about must not end the program."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        desk = make_desk(
            ('timezone = "Asia/Shanghai"', "" if own else f'timezone = "{zone}"'),
            ("from = 2026-11-30T08:00:00", "from = 0001-01-01T00:00:00"),
            ("until = 2026-11-30T12:00:00", "until = 9999-12-31T23:59:59"),
            ("first = 2026-10-10", "first = 9999-12-31"),
        )
        assert desk.policy.weeks["lessons"].holiday(dt.date(9999, 12, 31)) is not None
        visitor = desk.policy.document.visitors["v1"]
        assert unix_of(visitor.from_, desk.policy.zone) < 0.0
        assert unix_of(visitor.until, desk.policy.zone) > 1e11
    finally:
        monkeypatch.undo()
        time.tzset()
