"""The health of a device: what it is called when, how it is tried again, and when its supply is cut."""

from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from controller.health.device import REASON_LENGTH, DeviceHealth, Health, HealthLimits

LIMITS = HealthLimits(jitter=0.0)


def device(limits: HealthLimits = LIMITS, *, can_cycle: bool = False) -> DeviceHealth:
    """A device that works."""
    health = DeviceHealth(0.0, Random(1), limits, can_cycle=can_cycle)
    health.opened(0.0)
    deliver(health, 0.0, 3)
    assert state(health) is Health.OK
    return health


def state(health: DeviceHealth) -> Health:
    """How it is."""
    return health.report.health


def deliver(health: DeviceHealth, start: float, frames: int, every: float = 0.1) -> float:
    """So many good frames; returns when the last one came."""
    for number in range(1, frames + 1):
        health.good(start + number * every)
    return start + frames * every


def test_a_device_begins_as_recovering_and_is_well_after_some_good_frames() -> None:
    health = DeviceHealth(5.0, Random(1), LIMITS)
    assert (health.report.health, health.report.reason) == (Health.RECOVERING, "starting")
    health.opened(5.0)
    health.good(5.1)
    health.good(5.2)
    assert state(health) is Health.RECOVERING
    health.good(5.3)
    assert (health.report.health, health.report.reason, health.report.since) == (Health.OK, "", 5.3)


def test_a_bad_frame_between_begins_the_count_anew() -> None:
    health = DeviceHealth(0.0, Random(1), LIMITS)
    health.opened(0.0)
    health.good(0.1)
    health.good(0.2)
    health.bad(0.3, "torn")
    health.good(0.4)
    health.good(0.5)
    assert state(health) is Health.RECOVERING


def test_a_loss_is_lost_then_recovering_then_well() -> None:
    health = device()
    health.failed(1.0, "did not acknowledge")
    assert (health.report.health, health.report.reason, health.report.tries) == (Health.LOST, "did not acknowledge", 1)
    health.opened(2.0)
    assert (health.report.health, health.report.reason) == (Health.RECOVERING, "did not acknowledge")
    deliver(health, 2.0, 3)
    assert state(health) is Health.OK


def test_a_device_tried_in_vain_is_failed_and_tried_for_ever() -> None:
    health = device()
    states, pauses = [], []
    for number in range(30):
        pauses.append(health.failed(1.0 + number, f"try {number}").pause)
        states.append(state(health))
        health.opened(1.5 + number)
    assert states == [Health.LOST] * 9 + [Health.FAILED] * 21
    assert pauses[-1] == LIMITS.longest_pause
    assert state(health) is Health.FAILED, "an open device alone is no recovery"
    assert health.report.reason == "try 29"
    health.good(40.0)
    assert state(health) is Health.RECOVERING
    deliver(health, 40.0, 3)
    assert state(health) is Health.OK


def test_tries_are_forgotten_only_when_it_has_been_well_for_long() -> None:
    health = device()
    health.failed(1.0, "off")
    health.opened(1.2)
    at = deliver(health, 1.2, 50)
    assert health.failed(at, "off").pause == 2 * LIMITS.first_pause
    health.opened(at)
    at = deliver(health, at, 350)
    assert health.failed(at, "off").pause == LIMITS.first_pause


def test_many_bad_frames_degrade_it_with_the_reason_and_good_ones_mend_it() -> None:
    health = device()
    at = 1.0
    for number in range(64):
        at += 0.1
        if number % 3:
            health.good(at)
        else:
            health.bad(at, "torn frame")
    report = health.report
    assert (report.health, report.reason) == (Health.DEGRADED, "31% of its frames are bad: torn frame")
    assert report.health.usable
    deliver(health, at, 30)
    assert state(health) is Health.DEGRADED, "no flutter between the two"
    deliver(health, at + 3.0, 60)
    assert state(health) is Health.OK


def test_far_fewer_frames_than_promised_degrade_it() -> None:
    health = device()
    health.promised = 15.0
    at = deliver(health, 0.3, 64, every=0.2)
    assert state(health) is Health.DEGRADED
    assert health.report.reason.endswith(" of 15 frames a second")
    deliver(health, at, 64, every=1 / 15)
    assert state(health) is Health.OK


def test_half_the_frames_are_a_dark_room_and_no_fault() -> None:
    health = device()
    health.promised = 15.0
    deliver(health, 1.0, 64, every=2 / 15)
    assert state(health) is Health.OK


def test_without_a_good_frame_for_a_while_it_is_to_be_opened_again() -> None:
    health = device()
    assert not health.bad(1.0, "torn")
    assert health.bad(0.3 + LIMITS.lost_after + 0.01, "torn")


@pytest.mark.parametrize(("can_cycle", "cuts"), [(True, [3, 6, 9]), (False, [])])
def test_the_supply_is_cut_at_every_third_try_in_vain(can_cycle: bool, cuts: list[int]) -> None:  # noqa: FBT001
    health = device(can_cycle=can_cycle)
    asked = [number for number in range(1, 11) if health.failed(float(number), "stuck").power_cycle]
    assert asked == cuts
    assert health.report.power_cycles == len(cuts)


def test_a_reason_is_one_short_line() -> None:
    health = device()
    health.failed(1.0, "first\n  second " + "x" * 1000)
    assert health.report.reason.startswith("first second x")
    assert len(health.report.reason) == REASON_LENGTH


EVENTS = st.lists(st.tuples(st.sampled_from(["good", "bad", "failed", "opened"]), st.floats(0.001, 5.0)), max_size=200)


@given(EVENTS, st.integers(0, 2**32), st.floats(0.0, 0.9))
def test_rules_hold_whatever_happens(events: list[tuple[str, float]], seed: int, jitter: float) -> None:
    limits = HealthLimits(jitter=jitter)
    health = DeviceHealth(0.0, Random(seed), limits, can_cycle=True)
    now, failures, longest_run, run = 0.0, 0, 0, 0
    for kind, later in events:
        now += later
        before = health.report
        match kind:
            case "good":
                health.good(now)
                run += 1
            case "bad":
                health.bad(now, "torn")
                run = 0
            case "opened":
                health.opened(now)
                run = 0
            case _:
                retry = health.failed(now, "off")
                failures, run = failures + 1, 0
                assert limits.first_pause * (1 - jitter) <= retry.pause <= limits.longest_pause
                assert not health.report.health.usable
        after = health.report
        longest_run = max(longest_run, run)
        assert after.since == (now if after.health is not before.health else before.since)
        assert (after.reason == "") == (after.health is Health.OK)
        if after.health.usable and not before.health.usable:
            assert kind == "good", "nothing but frames ends a loss"
            assert run >= limits.steady_frames
        if before.health.usable and not after.health.usable:
            assert kind == "failed", "a bad frame alone loses nothing"
        assert after.power_cycles <= failures // limits.power_after + 1
        assert after.health is not Health.FAILED or after.tries >= limits.failed_after
