"""The rehearsal of a door and of a barrier: what is cast, what the audit finds, and the whole program for once."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from controller.drill.command import Options, rehearse
from controller.drill.kinds.audit import audit
from controller.drill.kinds.cast import EXPECTED, SCENES, STRANGERS, BarrierScene, DoorScene, cast
from controller.drill.kinds.rehearsal import SceneLog, Traces
from controller.drill.witness import Sighting
from controller.record.entry import Entry, Stored
from hw.ports import Side

if TYPE_CHECKING:
    from pathlib import Path

    from controller.drill.kinds.cast import Scene


def test_every_scene_says_what_the_journal_must_have_of_it() -> None:
    assert set(EXPECTED) == {*DoorScene, *BarrierScene}
    assert all(EXPECTED.values())


@pytest.mark.parametrize("kind", SCENES)
def test_one_of_each_and_ordinary_ones_besides(kind: str) -> None:
    scenes = SCENES[kind]
    play = cast(kind, len(scenes) + 5, seed=3)
    drawn = [act.scene for act in play.acts]
    assert set(drawn) == set(scenes)
    assert drawn[0] is scenes[0]
    assert drawn.count(scenes[0]) == 6
    assert cast(kind, len(scenes) + 5, seed=3) == play
    for act in play.acts:
        assert (act.identity in play.registered) == (act.scene not in STRANGERS)


def test_a_rehearsal_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one scene"):
        cast("door", 0, seed=1)


# The audit, on traces made by hand


def row(
    seq: int, at: float, kind: str, grant_id: str | None = None, person: str | None = None, **detail: Any
) -> Stored:
    entry = Entry(kind=kind, monotonic=at, wall=0.0, clock="synced", grant_id=grant_id, person=person, detail=detail)
    return Stored(1, seq, "boot", entry)


def traces_of(scene: Scene, rows: tuple[Stored, ...], **changes: Any) -> Traces:
    act = replace(cast("door" if isinstance(scene, DoorScene) else "barrier", 1, seed=1).acts[0], scene=scene)
    usual = Traces(
        scenes=(SceneLog(act, 0.0, 100.0, ""),),
        opened=(),
        orders=(),
        asked=(),
        closed_on=(),
        hits=(),
        reversals=0,
        journal=rows,
        reported=rows,
        unwritten=0,
        complete=True,
    )
    return replace(usual, **changes)


PERSON = cast("door", 1, seed=1).acts[0].person
DRIVER = cast("barrier", 1, seed=1).acts[0].person
ENTRY = (
    row(1, 10.0, "grant", "g1", PERSON, direction="entry"),
    row(2, 12.0, "passage", "g1", PERSON, direction="entry", outcome="completed"),
)
IN_ORDER: dict[str, Any] = {"opened": (10.1,), "orders": (Sighting(10.1, Side.A, 1),)}


def rules(traces: Traces) -> list[str]:
    return [finding.rule for finding in audit(traces)]


def test_a_scene_in_order_has_no_findings() -> None:
    assert rules(traces_of(DoorScene.RESIDENT, ENTRY, **IN_ORDER)) == []


def test_what_is_missing_and_what_is_too_much_is_found() -> None:
    assert rules(traces_of(DoorScene.REBOUND, ENTRY, **IN_ORDER)) == ["record-missing"]
    more = (*ENTRY, row(3, 20.0, "intrusion"))
    assert rules(traces_of(DoorScene.RESIDENT, more, **IN_ORDER)) == ["record-besides"]


def test_a_state_and_a_second_denial_are_not_too_much() -> None:
    more = (*ENTRY, row(3, 20.0, "state"), row(4, 21.0, "deny", reason="recheck_temperature"))
    assert rules(traces_of(DoorScene.RESIDENT, more, **IN_ORDER)) == []


def test_a_grant_of_somebody_else_or_of_a_stranger_is_found() -> None:
    others = (replace(ENTRY[0], entry=replace(ENTRY[0].entry, person="p99999")), ENTRY[1])
    assert "wrong-person" in rules(traces_of(DoorScene.RESIDENT, others, **IN_ORDER))
    assert "stranger-let-in" in rules(traces_of(DoorScene.STRANGER, ENTRY, **IN_ORDER))


def test_a_lock_that_opened_before_the_disk_or_unordered_is_found() -> None:
    early = {"opened": (10.1,), "orders": (Sighting(10.1, Side.A, 0),)}
    assert rules(traces_of(DoorScene.RESIDENT, ENTRY, **early)) == ["opened-before-disk"]
    alone = {**IN_ORDER, "opened": (10.1, 40.0)}
    assert rules(traces_of(DoorScene.RESIDENT, ENTRY, **alone)) == ["opened-unordered"]
    asked = {**alone, "asked": (39.95,)}
    assert rules(traces_of(DoorScene.RESIDENT, ENTRY, **asked)) == []


def test_an_arm_sent_down_on_something_and_one_that_hits_it_are_found() -> None:
    rows = tuple(replace(one, entry=replace(one.entry, person=DRIVER)) for one in ENTRY)
    found = rules(traces_of(BarrierScene.DRIVER, rows, **IN_ORDER, closed_on=(50.0,), hits=(51.0,)))
    assert found == ["closed-on-something", "hit"]


def test_trouble_a_lost_record_and_a_grant_without_end_are_found() -> None:
    traces = traces_of(DoorScene.RESIDENT, ENTRY, **IN_ORDER)
    trouble = replace(traces, scenes=(replace(traces.scenes[0], trouble="the way out was locked"),))
    assert rules(trouble) == ["trouble"]
    assert "event-lost" in rules(replace(traces, journal=ENTRY[:1]))
    assert "grant-without-end" in rules(replace(traces, journal=ENTRY[:1], reported=ENTRY[:1]))


# The whole program


@pytest.mark.parametrize("kind", ["door", "barrier"])
def test_a_short_rehearsal_passes(kind: str, tmp_path: Path) -> None:
    out = io.StringIO()
    report = tmp_path / "report.json"
    options = Options(
        people=2, seed=1, speed=None, engine="demo", models=None, report=report, keep=None, plain=True, kind=kind
    )
    status = rehearse(options, Console(file=out, width=120))
    told = json.loads(report.read_bytes())
    assert status == 0, out.getvalue()
    assert told["schema"] == f"thermogate-drill-{kind}/1"
    assert told["passed"]
    assert [scene["number"] for scene in told["scenes"]] == [1, 2]
    assert "PASSED" in out.getvalue()
