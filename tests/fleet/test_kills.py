"""A short campaign against 24 gates and their campus (`python -m benchmarks.hub.kills` is the long one); its audit."""

from __future__ import annotations

import pytest

from benchmarks.hub import kills
from benchmarks.hub.audit import Audit, Place, check_marks, compare
from benchmarks.hub.services import MissingError

EXPECTED = {Place("north", "2a", seq): f'{{"seq":{seq},"chain":"c{seq}"}}'.encode() for seq in (1, 2, 3)}


@pytest.mark.service
def test_nothing_is_lost_doubled_or_changed_whoever_is_killed() -> None:
    try:
        campaign = kills.run(8, seed=3, tuned=True)
    except MissingError as error:
        pytest.skip(str(error))
    kills.show(campaign)
    assert campaign.found.troubles == []
    assert campaign.kills.total() >= 8
    assert campaign.found.stored == campaign.found.journaled > 0
    assert campaign.found.promised > 0


def test_the_audit_finds_what_is_missing_twice_foreign_or_changed() -> None:
    found = Audit()
    one, two, three = EXPECTED.items()
    compare(EXPECTED, [one, one, (two[0], b"changed"), (Place("north", "2a", 9), b"")], found)
    assert [trouble.partition(",")[0] for trouble in found.troubles] == [
        "1 stored twice",
        "1 journaled and not stored",
        "1 stored and never journaled",
        "1 stored otherwise than journaled",
    ]
    clean = Audit()
    compare(EXPECTED, [three, one, two], clean)
    assert clean.troubles == []


@pytest.mark.parametrize(("mark", "wrong"), [((3, "c3"), False), ((2, "c2"), True), ((3, "c2"), True)])
def test_the_audit_looks_at_marks(mark: tuple[int, str], *, wrong: bool) -> None:
    found = Audit()
    check_marks(EXPECTED, {("north", "2a"): mark}, found)
    assert bool(found.troubles) is wrong
