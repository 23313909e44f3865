"""The simulated turnstile under the real driver: who gets through, what the contacts say, and every fault."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from hw.clock import SystemClock
from hw.ports import Side, Signal
from hw.settings import GateSettings
from hw.sim.arm import Opening
from hw.sim.clock import ManualClock, VirtualClock
from hw.sim.turnstile import ArmPassage, Fault, PushResult, RelayMove, SimulatedTurnstile

if TYPE_CHECKING:
    from collections.abc import Callable


def passages(lane: Any, side: Side = Side.A) -> list[tuple[float, Opening]]:
    return [(round(move.timestamp, 3), move.opened_by) for move in lane.turnstile.passages(side)]


class TestLock:
    def test_a_locked_arm_blocks_entry_and_lets_people_out(self, lane: Any) -> None:
        assert lane.turnstile.push(Side.A) is PushResult.BLOCKED
        assert lane.turnstile.push(Side.B) is PushResult.ROTATES
        assert lane.turnstile.push(Side.A) is PushResult.OCCUPIED
        lane.clock.advance(2)
        assert passages(lane, Side.A) == []
        assert passages(lane, Side.B) == [(100.74, Opening.EGRESS)]

    def test_without_free_egress_both_ways_are_locked(self, build: Callable[..., Any]) -> None:
        lane = build(turnstile={"free_egress": False})
        assert not lane.turnstile.push(Side.B)
        lane.gate.unlock(Side.B, 0.3)
        lane.clock.advance(0.2)
        assert lane.turnstile.push(Side.B)

    def test_one_pulse_is_one_passage(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(2)
        assert lane.turnstile.push(Side.A), "the unlock is latched"
        lane.clock.advance(3)
        assert not lane.turnstile.push(Side.A), "and used up"
        assert passages(lane) == [(102.74, Opening.PULSE)]

    def test_a_latched_unlock_runs_out(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(4.9)
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(4.9)
        assert lane.turnstile.push(Side.A)
        lane.clock.advance(2)
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(5.1)
        assert not lane.turnstile.push(Side.A)

    def test_a_pulse_under_100_ms_is_not_noticed(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.09)
        lane.clock.advance(0.5)
        assert not lane.turnstile.push(Side.A)

    def test_a_relay_held_long_is_hold_open(self, lane: Any) -> None:
        lane.gate.hold(Side.A, on=True)
        lane.clock.advance(3.5)
        for _ in range(3):
            assert lane.turnstile.push(Side.A)
            lane.clock.advance(1.5)
        lane.gate.hold(Side.A, on=False)
        assert not lane.turnstile.push(Side.A)
        assert {opening for _, opening in passages(lane)} == {Opening.HELD}

    def test_potential_mode_is_free_while_the_line_is_on(self, build: Callable[..., Any]) -> None:
        lane = build(mode="potential")
        lane.gate.unlock(Side.A, 5.0)
        assert lane.turnstile.push(Side.A)
        lane.clock.advance(2)
        lane.gate.relock(Side.A)
        assert not lane.turnstile.push(Side.A)

    def test_somebody_who_leans_gets_through_when_it_unlocks(self, lane: Any) -> None:
        results: list[PushResult] = []
        lane.clock.spawn(lambda: results.append(lane.turnstile.push(Side.A, seconds=5)), "early")
        lane.clock.spawn(lambda: results.append(lane.turnstile.push(Side.A, seconds=1)), "impatient")
        lane.clock.advance(2)
        assert results == [PushResult.BLOCKED]
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(3)
        assert results == [PushResult.BLOCKED, PushResult.ROTATES]
        assert passages(lane) == [(102.84, Opening.PULSE)]

    def test_stop_blocks_entry_and_never_egress(self, lane: Any) -> None:
        lane.gate.stop(on=True)
        lane.gate.hold(Side.A, on=True)
        lane.clock.advance(4)
        assert not lane.turnstile.push(Side.A)
        assert lane.turnstile.push(Side.B)
        lane.clock.advance(2)
        lane.gate.stop(on=False)
        assert lane.turnstile.push(Side.A)

    @pytest.mark.parametrize(
        ("act", "signal", "opening"),
        [("press_fire", Signal.FIRE, Opening.FIRE), ("turn_key", Signal.KEY, Opening.KEY)],
    )
    def test_fire_and_key_free_both_sides_even_under_stop(
        self, lane: Any, act: str, signal: Signal, opening: Opening
    ) -> None:
        lane.gate.stop(on=True)
        getattr(lane.turnstile, act)(True)
        for side in Side:
            assert lane.turnstile.push(side)
            lane.clock.advance(2)
            assert [why for _, why in passages(lane, side)] == [opening]
        getattr(lane.turnstile, act)(False)
        lane.clock.advance(1)
        assert not lane.turnstile.push(Side.A)
        assert lane.edges_of(signal) == [True, False]

    def test_a_tailgater_follows_through_one_opening(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(0.5)
        assert lane.turnstile.push(Side.A)
        lane.clock.advance(0.6)
        assert lane.turnstile.follow(Side.A)
        lane.clock.advance(4)
        assert [why for _, why in passages(lane)] == [Opening.PULSE, Opening.FOLLOWED]
        assert lane.edges_of(Signal.PASS_A) == [True, False, True, False]
        assert lane.edges_of(Signal.READY) == [False, True], "home only after both"

    def test_following_is_too_late_once_the_arm_has_locked(self, lane: Any) -> None:
        assert not lane.turnstile.follow(Side.A)
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(0.2)
        lane.turnstile.push(Side.A)
        lane.clock.advance(1.4)
        assert lane.turnstile.follow(Side.A), "just after the arm came home"
        lane.clock.advance(2.5)
        assert not lane.turnstile.follow(Side.A)
        assert not lane.turnstile.follow(Side.B)

    def test_force_is_a_passage_without_grant(self, lane: Any) -> None:
        assert lane.turnstile.force(Side.A)
        assert lane.turnstile.force(Side.A) is PushResult.OCCUPIED
        lane.clock.advance(2)
        assert passages(lane) == [(100.74, Opening.FORCED)]
        assert lane.relay_moves() == []


class TestContacts:
    def test_a_passage_is_one_pulse_of_300_ms_and_not_ready_meanwhile(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(0.8)
        lane.turnstile.push(Side.A)
        lane.clock.advance(3)
        seen = [(edge.signal, edge.active, round(edge.timestamp, 3)) for edge in lane.edges]
        assert seen == [
            (Signal.READY, False, 101.0),
            (Signal.PASS_A, True, 101.54),
            (Signal.PASS_A, False, 101.84),
            (Signal.READY, True, 102.2),
        ]

    def test_contacts_bounce_and_the_driver_does_not_care(self, lane: Any) -> None:
        lane.turnstile.push(Side.B)
        lane.clock.advance(3)
        assert len(lane.pin_levels("pass_b")) > 8, "raw levels flutter"
        assert lane.edges_of(Signal.PASS_B) == [True, False]

    def test_the_cover_is_the_tamper_contact(self, lane: Any) -> None:
        lane.turnstile.open_cover(True)
        lane.clock.advance(1)
        lane.turnstile.open_cover(True)
        lane.clock.advance(1)
        assert lane.edges_of(Signal.TAMPER) == [True]

    def test_the_same_seed_bounces_the_same(self) -> None:
        def raw_edges(seed: int) -> list[float]:
            clock, times = ManualClock(), []

            def note(ticks: float, state: bool) -> None:  # noqa: FBT001 - gpiozero's callback
                times.append(clock.monotonic())

            turnstile = SimulatedTurnstile(GateSettings(), clock, seed=seed)
            turnstile.pin_factory.pin(6).when_changed = note
            turnstile.push(Side.B)
            clock.advance(3)
            turnstile.close()
            return times

        assert raw_edges(7) == raw_edges(7)
        assert raw_edges(7) != raw_edges(8)
        assert len(raw_edges(7)) == 10

    def test_sixty_passages_a_minute_all_count(self, build: Callable[..., Any]) -> None:
        lane = build(turnstile={"rotation": 0.9})
        for _ in range(60):
            lane.gate.unlock(Side.A, 0.3)
            lane.clock.advance(0.1)
            assert lane.turnstile.push(Side.A)
            lane.clock.advance(0.9)
        lane.clock.advance(1)
        assert len(passages(lane)) == 60
        assert lane.edges_of(Signal.PASS_A) == [True, False] * 60


class TestFaults:
    def pass_once(self, lane: Any) -> PushResult:
        lane.gate.unlock(Side.A, 1.0)
        lane.clock.advance(0.5)
        result: PushResult = lane.turnstile.push(Side.A)
        lane.clock.advance(3)
        return result

    @pytest.mark.parametrize("mode", ["pulse", "potential"])
    def test_a_welded_relay_lets_people_in_unasked(self, build: Callable[..., Any], mode: str) -> None:
        lane = build(mode=mode)
        lane.turnstile.inject(Fault.RELAY_WELDED)
        lane.clock.advance(3.5)
        assert lane.turnstile.push(Side.A)
        lane.clock.advance(2)
        assert passages(lane)[0][1] is Opening.WELDED
        assert lane.relay_moves() == [], "the program did not do it"
        lane.gate.stop(on=True)
        assert not lane.turnstile.push(Side.A), "STOP still holds the arm"
        lane.gate.stop(on=False)
        lane.turnstile.repair(Fault.RELAY_WELDED)
        assert not lane.turnstile.push(Side.A)
        assert self.pass_once(lane)

    def test_a_relay_that_welds_in_a_pulse_stays_closed(self, lane: Any) -> None:
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(0.2)
        lane.turnstile.inject(Fault.RELAY_WELDED)
        lane.clock.advance(5)
        for _ in range(2):
            assert lane.turnstile.push(Side.A)
            lane.clock.advance(2)

    def test_a_stuck_passage_contact_stays_active(self, lane: Any) -> None:
        lane.turnstile.inject(Fault.PASS_STUCK)
        lane.clock.advance(1)
        assert self.pass_once(lane)
        assert lane.edges_of(Signal.PASS_A) == [True]
        assert lane.gate.read(Signal.PASS_A) is True
        lane.turnstile.repair(Fault.PASS_STUCK)
        lane.clock.advance(1)
        assert lane.edges_of(Signal.PASS_A) == [True, False]

    def test_a_broken_passage_contact_says_nothing(self, lane: Any) -> None:
        lane.turnstile.inject(Fault.PASS_BROKEN)
        assert self.pass_once(lane)
        assert lane.edges_of(Signal.PASS_A) == []
        assert lane.edges_of(Signal.READY) == [False, True]
        assert len(passages(lane)) == 1
        lane.turnstile.repair(Fault.PASS_BROKEN)
        assert self.pass_once(lane)
        assert lane.edges_of(Signal.PASS_A) == [True, False]

    def test_heavy_bounce_is_still_one_passage(self, lane: Any) -> None:
        lane.turnstile.inject(Fault.CONTACT_BOUNCE)
        assert self.pass_once(lane)
        assert len(lane.pin_levels("pass_a")) > 40
        assert lane.edges_of(Signal.PASS_A) == [True, False]

    def test_a_jammed_arm_is_not_home_until_mended(self, lane: Any) -> None:
        lane.turnstile.inject(Fault.ARM_JAMMED)
        assert self.pass_once(lane)
        lane.clock.advance(60)
        assert lane.gate.read(Signal.READY) is False
        assert lane.turnstile.rotating is Side.A
        assert lane.turnstile.push(Side.B) is PushResult.OCCUPIED
        lane.turnstile.repair(Fault.ARM_JAMMED)
        lane.clock.advance(1)
        assert lane.gate.read(Signal.READY) is True
        assert lane.turnstile.push(Side.B)

    def test_mending_in_mid_rotation_does_not_shorten_it(self, lane: Any) -> None:
        lane.turnstile.push(Side.B)
        lane.clock.advance(0.3)
        lane.turnstile.inject(Fault.ARM_JAMMED, Side.B)
        lane.turnstile.repair(Fault.ARM_JAMMED, Side.B)
        lane.clock.advance(0.3)
        assert lane.turnstile.rotating is Side.B
        lane.clock.advance(1)
        assert lane.turnstile.rotating is None


def test_moves_are_in_order_of_time(lane: Any) -> None:
    for _ in range(5):
        lane.gate.unlock(Side.A, 0.3)
        lane.clock.advance(0.5)
        lane.turnstile.push(Side.A)
        lane.clock.advance(2)
    times = [move.timestamp for move in lane.turnstile.moves]
    assert times == sorted(times)
    kinds = [type(move) for move in lane.turnstile.moves]
    assert kinds == [RelayMove, RelayMove, ArmPassage] * 5


def test_it_turns_in_real_time_too() -> None:
    turnstile = SimulatedTurnstile(GateSettings(), SystemClock(), rotation=0.1)
    done = threading.Event()
    try:
        assert turnstile.push(Side.B)
        assert not done.wait(0.3)
        assert turnstile.rotating is None
        assert len(turnstile.passages(Side.B)) == 1
    finally:
        turnstile.close()
        turnstile.close()


def test_an_idle_turnstile_is_no_deadlock_and_costs_no_jumps() -> None:
    clock = VirtualClock(patience=0.2)
    turnstile = SimulatedTurnstile(GateSettings(), clock)
    try:
        assert not threading.Event().wait(0.5)
        assert clock.monotonic() == 0.0
    finally:
        turnstile.close()
