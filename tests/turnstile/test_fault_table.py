"""The faults a turnstile has in the field, through the whole stack: what is found, what follows, who still passes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, FaultKind
from controller.lane.states import State
from hw.ports import Side
from hw.sim.turnstile import Fault

if TYPE_CHECKING:
    from tests.turnstile.conftest import MakeSite, Site

PASS_STUCK_ENTRY = {"fault": "pass_stuck", "direction": "entry", "degraded": True}


async def pass_through(site: Site, side: Side = Side.A) -> None:
    assert site.turnstile.push(side)
    await asyncio.sleep(2.0)


async def anybody_may_leave(site: Site) -> None:
    before = len(site.turnstile.passages(Side.B))
    await pass_through(site, Side.B)
    assert len(site.turnstile.passages(Side.B)) == before + 1


# PASS stuck


def test_a_contact_that_sticks_is_told_and_unlocks_end_by_time(make_site: MakeSite) -> None:
    site = make_site(lane={"anti_passback": 600.0})

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.inject(Fault.PASS_STUCK, Side.A)
        await asyncio.sleep(29.0)
        assert FaultKind.PASS_STUCK not in site.app.lane.faults
        await asyncio.sleep(2.0)
        assert site.of(RecordKind.FAULT) == [PASS_STUCK_ENTRY]
        await site.leave()
        first = await site.grant("p1")
        await pass_through(site)
        await asyncio.sleep(4.0)
        assert site.outcome(first) == ["completed"]
        assert site.of(RecordKind.PASSAGE)[-1]["presumed"] is True
        assert 4.9 <= site.of(RecordKind.PASSAGE)[-1]["seconds"] <= 5.1, "by time"
        await site.leave()
        await site.grant("p1")
        assert site.of(RecordKind.GRANT)[-1]["noted"] == "anti_passback", "told, and not denied for it"
        await anybody_may_leave(site)
        site.turnstile.repair(Fault.PASS_STUCK, Side.A)
        await asyncio.sleep(1.0)
        assert site.of(RecordKind.FAULT_CLEARED) == [{"fault": "pass_stuck", "direction": "entry"}]

    site.play(scene)


def test_a_contact_that_is_stuck_at_boot_is_told_at_once(site: Site) -> None:
    site.turnstile.inject(Fault.PASS_STUCK, Side.A)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await asyncio.sleep(0.5)
        assert site.of(RecordKind.FAULT) == [PASS_STUCK_ENTRY]
        assert site.state() is State.LOCKED
        assert site.of(RecordKind.INTRUSION) == []
        grant_id = await site.grant()
        await asyncio.sleep(6.0)
        assert site.outcome(grant_id) == ["completed"]

    site.play(scene)


def test_a_stuck_exit_contact_keeps_nobody_in(site: Site) -> None:
    site.turnstile.inject(Fault.PASS_STUCK, Side.B)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await anybody_may_leave(site)
        grant_id = await site.grant()
        await pass_through(site)
        assert site.outcome(grant_id) == ["completed"]

    site.play(scene)


# PASS never seen


def test_five_grants_without_a_passage_point_to_a_broken_wire(site: Site) -> None:
    site.turnstile.inject(Fault.PASS_BROKEN, Side.A)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        for number in range(1, 7):
            grant_id = await site.grant(f"p{number}")
            await pass_through(site)
            await site.leave()
            await asyncio.sleep(6.0)
            assert site.outcome(grant_id) == ["expired"]
            told = [warning["reason"] for warning in site.of(RecordKind.WARNING)]
            assert told == (["pass_never_seen"] if number >= 5 else [])
        assert len(site.turnstile.passages(Side.A)) == 6, "people went through all the time"
        site.turnstile.repair(Fault.PASS_BROKEN, Side.A)
        grant_id = await site.grant("p9")
        await pass_through(site)
        assert site.outcome(grant_id) == ["completed"]

    site.play(scene)


# The relay


@pytest.mark.parametrize(
    ("fault", "side", "cause"),
    [
        (Fault.RELAY_WELDED, Side.A, "entry_relay_welded"),
        (Fault.RELAY_WELDED, Side.B, "exit_relay_welded"),
        (Fault.COIL_BROKEN, Side.A, "entry_relay_dead"),
    ],
)
def test_a_relay_that_disobeys_shuts_the_entry_and_no_way_out(site: Site, fault: Fault, side: Side, cause: str) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.inject(fault, side)
        grant_id = await site.grant()
        await asyncio.sleep(0.5)
        assert site.of(RecordKind.FAULT) == [{"fault": "relay", "cause": cause}]
        assert site.state() is State.FAULT
        assert site.app.runner.prompt is Prompt.OUT_OF_SERVICE
        assert site.turnstile.active("stop")
        assert site.outcome(grant_id) in (["revoked"], []), "what was granted is taken back"
        assert not site.turnstile.push(Side.A), "STOP bars the entry, welded or not"
        await anybody_may_leave(site)
        await site.leave()
        await site.grant()
        site.order(ev.OpenOnce, direction=Direction.ENTRY, grant_id="guard", actor="guard")
        await asyncio.sleep(0.5)
        assert len(site.of(RecordKind.GRANT)) <= 1
        # An exit is opened all the same.
        site.order(ev.OpenOnce, direction=Direction.EXIT, grant_id="exit", actor="guard")
        await asyncio.sleep(0.3)
        assert site.of(RecordKind.GRANT)[-1]["direction"] == "exit"

    site.play(scene)
    assert site.active() == set()


def test_a_relay_that_was_mended_waits_for_its_reset(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.inject(Fault.RELAY_WELDED)
        await asyncio.sleep(1.0)
        site.order(ev.ResetEmergency, actor="technician")
        await asyncio.sleep(0.5)
        assert site.of(RecordKind.COMMAND)[-1]["refused"] == "relay_disobeys"
        site.turnstile.repair(Fault.RELAY_WELDED)
        await asyncio.sleep(1.0)
        assert site.state() is State.FAULT
        assert site.turnstile.active("stop")
        site.order(ev.ResetEmergency, actor="technician")
        await asyncio.sleep(0.5)
        assert site.state() is State.LOCKED
        assert not site.turnstile.active("stop")
        grant_id = await site.grant()
        await pass_through(site)
        assert site.outcome(grant_id) == ["completed"]

    site.play(scene)


def test_welded_at_boot_never_comes_into_service(site: Site) -> None:
    site.turnstile.inject(Fault.RELAY_WELDED)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await asyncio.sleep(0.5)
        assert site.state() is State.FAULT
        assert site.turnstile.active("stop")
        assert site.of(RecordKind.FAULT) == [{"fault": "relay", "cause": "entry_relay_welded"}]
        await site.grant()
        assert site.of(RecordKind.DENY)[-1]["reason"] == "lane_fault"
        await anybody_may_leave(site)

    site.play(scene)
    assert site.relay(Side.A) == [], "and nothing was commanded all the while"


def test_a_fire_opens_though_a_relay_is_out_of_order(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.inject(Fault.COIL_BROKEN)
        await site.grant()
        await asyncio.sleep(0.5)
        assert site.turnstile.active("stop")
        site.turnstile.press_fire(True)
        await asyncio.sleep(0.1)
        assert site.active() == {"unlock_a", "unlock_b"}
        await asyncio.sleep(5.0)
        assert site.active() == {"unlock_a", "unlock_b"}, "and stays open, whatever the read-back says"
        assert site.turnstile.push(Side.A), "by the panel's own wire, where the coil is dead"

    site.play(scene)


# Passages that were not granted


def test_a_passage_without_a_grant_is_an_intrusion(make_site: MakeSite) -> None:
    site = make_site(intrusion=None)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.force(Side.A)
        await asyncio.sleep(1.0)
        assert site.of(RecordKind.INTRUSION) == [{"direction": "entry", "state": "locked", "alarm": "intrusion"}]
        assert site.app.runner.prompt is Prompt.ALARM
        assert site.turnstile.active("lamp_stop") or site.turnstile.active("buzzer")
        await asyncio.sleep(5.0)
        assert site.state() is State.LOCKED

    site.play(scene)


def test_the_turnstiles_own_sensor_tells_of_whoever_climbs(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.force(Side.A)
        await asyncio.sleep(0.2)
        assert site.of(RecordKind.INTRUSION) == [{"source": "sensor", "state": "locked", "alarm": "intrusion"}]
        assert site.app.runner.prompt is Prompt.ALARM

    site.play(scene)


def test_in_free_passage_nobody_is_an_intruder(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.order(ev.SetFree, entry=True, exit=True, actor="guard")
        await asyncio.sleep(3.5)
        await pass_through(site)
        assert site.of(RecordKind.INTRUSION) == []
        assert site.of(RecordKind.PASSAGE)[-1]["cause"] == "free"

    site.play(scene)


def test_two_passages_on_one_grant_are_a_tailgater(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        grant_id = await site.grant()
        assert site.turnstile.push(Side.A)
        await asyncio.sleep(0.5)
        assert site.turnstile.follow(Side.A)
        await asyncio.sleep(2.5)
        assert site.outcome(grant_id) == ["completed"]
        (tailgate,) = site.of(RecordKind.TAILGATE)
        assert tailgate["direction"] == "entry"
        assert [stored.entry.grant_id for stored in site.records.stored if stored.entry.kind == "tailgate"] == [
            grant_id
        ]
        assert site.of(RecordKind.INTRUSION) == []
        assert len(site.turnstile.passages(Side.A)) == 2

    site.play(scene)


def test_the_wrong_way_round_ends_the_grant_and_bars_nobody(make_site: MakeSite) -> None:
    site = make_site(lane={"anti_passback": 600.0})

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        grant_id = await site.grant("p1")
        await pass_through(site, Side.B)
        assert site.outcome(grant_id) == ["reversed"]
        assert site.of(RecordKind.REVERSE) == [{"granted": "entry", "turned": "exit"}]
        await site.leave()
        again = await site.grant("p1")
        assert "noted" not in site.of(RecordKind.GRANT)[-1]
        await pass_through(site)
        assert site.outcome(again) == ["completed"]
        await site.leave()
        await site.grant("p1")
        assert site.of(RecordKind.DENY)[-1]["reason"] == "anti_passback", "who really passed is barred"

    site.play(scene)


# READY, tamper, mains, key


def test_ready_lost_for_over_30_s_takes_the_lane_out_of_service(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.inject(Fault.ARM_JAMMED, Side.A)
        await site.grant()
        assert site.turnstile.push(Side.A)
        await site.leave()
        await asyncio.sleep(28.0)
        assert site.of(RecordKind.FAULT) == []
        await asyncio.sleep(4.0)
        assert site.of(RecordKind.FAULT) == [{"fault": "not_home"}]
        assert site.state() is State.FAULT
        site.turnstile.repair(Fault.ARM_JAMMED, Side.A)
        await asyncio.sleep(1.0)
        assert site.state() is State.LOCKED
        await anybody_may_leave(site)

    site.play(scene)


def test_an_opened_housing_is_recorded_and_alarms(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.open_cover(True)
        await asyncio.sleep(0.2)
        assert site.app.runner.prompt is Prompt.ALARM
        site.turnstile.open_cover(False)
        await asyncio.sleep(5.0)
        assert site.of(RecordKind.TAMPER) == [{"active": True, "alarm": "tamper"}, {"active": False}]
        assert site.state() is State.LOCKED

    site.play(scene)


@pytest.mark.parametrize("at_boot", [False, True])
def test_without_mains_people_pass_and_the_operator_sees_it(site: Site, at_boot: bool) -> None:  # noqa: FBT001
    if at_boot:
        site.turnstile.cut_mains(True)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        site.turnstile.cut_mains(True)
        await asyncio.sleep(0.2)
        assert site.of(RecordKind.FAULT) == [{"fault": "mains", "cause": "on_battery"}]
        assert site.app.lane.faults == {FaultKind.MAINS}
        grant_id = await site.grant()
        await pass_through(site)
        assert site.outcome(grant_id) == ["completed"]
        site.turnstile.cut_mains(False)
        await asyncio.sleep(0.2)
        assert site.of(RecordKind.FAULT_CLEARED) == [{"fault": "mains"}]

    site.play(scene)


def test_the_guards_key_takes_the_lane_and_gives_it_back(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        grant_id = await site.grant()
        site.turnstile.turn_key(True)
        await asyncio.sleep(0.5)
        assert site.state() is State.KEY_OVERRIDE
        assert site.outcome(grant_id) == ["revoked"]
        await pass_through(site, Side.A)
        await pass_through(site, Side.B)
        assert site.of(RecordKind.INTRUSION) == []
        site.turnstile.turn_key(False)
        await site.leave()
        assert site.state() is State.LOCKED

    site.play(scene)


# A hang


@pytest.mark.parametrize(("mode", "bound"), [("pulse", 1.5), ("potential", 5.0)])
@pytest.mark.parametrize("kept", [False, True])
def test_a_hanging_program_keeps_no_lock_open_and_starts_again(
    make_site: MakeSite,
    mode: str,
    bound: float,
    kept: bool,  # noqa: FBT001
) -> None:
    """The watchdog kills a loop that hangs; until then the relay's own thread has locked, and the next start locks."""
    site = make_site(mode=mode)
    lives: list[Any] = []

    async def hangs(site: Site) -> None:
        await site.app.ready.wait()
        await site.grant()
        began = site.clock.monotonic()
        site.hang(bound + 0.1)
        lives.append((began, site.active()))
        assert site.turnstile.push(Side.B), "the way out needs no program"
        site.hang(5.0)
        site.turnstile.pin_factory.lose_process(kept=kept)

    site.play(hangs)
    ((_, active),) = lives
    assert active == set()
    (on, _), (off, _) = site.relay(Side.A)
    assert off - on <= bound + 1e-6
    before = len(site.turnstile.moves)

    async def restarted(site: Site) -> None:
        await site.app.ready.wait()
        await asyncio.sleep(3.0)
        assert site.state() is State.LOCKED

    site.play(restarted)
    assert site.turnstile.moves[before:] == []


def test_killed_while_the_relay_is_on_the_next_start_locks(site: Site) -> None:
    """On a kernel that keeps a released output driven."""

    async def killed(site: Site) -> None:
        await site.app.ready.wait()
        site.order(ev.SetFree, entry=True, exit=True, actor="guard")
        await asyncio.sleep(1.0)
        site.turnstile.pin_factory.lose_process(kept=True)

    site.play(killed)
    assert site.active() == {"unlock_a", "unlock_b"}

    async def restarted(site: Site) -> None:
        assert site.active() == set(), "from the moment the lines are claimed"
        await site.app.ready.wait()
        assert site.state() is State.LOCKED

    site.play(restarted)
    assert site.active() == set()
