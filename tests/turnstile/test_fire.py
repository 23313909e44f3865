"""Fire frees both ways within 100 ms of its edge, and waits for nothing: no frame, no journal, no timer, no loop.

The program is asked to stop opposing the panel; the way out itself hangs on the panel's own wire (docs/gate-wiring.md).
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from controller.errors import StoreError
from controller.lane import events as ev
from controller.lane.effects import RecordKind
from controller.lane.states import State
from hw.gate_settings import LineSettings
from hw.ports import Side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.record.entry import Entry, Stored
    from tests.turnstile.conftest import MakeSite, Site

BOUND = 0.1
"""Seconds from the contact's first edge until nothing of the program's opposes the way out."""


class StuckJournal:
    """A disk that does not answer while a test looks, however long that is; nothing bounds the wait for it."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - the journal's
        del timeout
        await self.over.wait()
        raise StoreError(f"the disk is gone, and {entry.kind} with it")


def released(site: Site, since: float) -> float:
    """Seconds from the panel's edge until both relays were on; infinity: they are not."""
    times = [at for side in Side for at, active in site.relay(side) if active and at >= since]
    return max(times) - since if site.active() == {"unlock_a", "unlock_b"} else math.inf


async def alarm(site: Site) -> float:
    """Press the panel's contact and let its bound pass, the loop included; returns how long the release took."""
    pressed = site.clock.monotonic()
    site.turnstile.press_fire(True)
    await asyncio.sleep(BOUND)
    return released(site, pressed)


async def idle(site: Site) -> None:
    await asyncio.sleep(2.0)
    assert site.state() is State.LOCKED


async def lockdown(site: Site) -> None:
    site.order(ev.Lockdown, active=True, actor="campus")
    await asyncio.sleep(1.0)
    assert site.state() is State.LOCKDOWN
    assert site.turnstile.active("stop")


async def maintenance(site: Site) -> None:
    site.order(ev.Maintenance, active=True, actor="technician")
    await asyncio.sleep(1.0)
    assert site.state() is State.MAINTENANCE


async def granted(site: Site) -> None:
    await site.grant()
    assert site.state() is State.GRANTED


async def passing(site: Site) -> None:
    await site.grant()
    assert site.turnstile.push(Side.A)
    await asyncio.sleep(0.7)
    assert site.state() is State.PASSING


async def out_of_service(site: Site) -> None:
    site.order(ev.RelayMismatch, direction=site.app.runner._directions[Side.A], cause="welded")
    await asyncio.sleep(1.0)
    assert site.state() is State.FAULT
    assert site.turnstile.active("stop")


@pytest.mark.parametrize("before", [idle, lockdown, maintenance, granted, passing, out_of_service])
@pytest.mark.parametrize("mode", ["pulse", "potential"])
def test_from_every_state_both_ways_are_free_in_time(
    make_site: MakeSite, before: Callable[[Site], Awaitable[None]], mode: str
) -> None:
    site = make_site(mode=mode)

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await before(site)
        assert await alarm(site) <= BOUND
        await asyncio.sleep(10.0)
        assert site.state() is State.EMERGENCY_OPEN
        assert site.active() == {"unlock_a", "unlock_b"}, "and nothing takes it back"
        assert site.of(RecordKind.EMERGENCY) == [{"active": True, "source": "fire_line"}]

    site.play(scene)


@pytest.mark.parametrize("ordered", [idle, lockdown])
def test_the_release_waits_for_no_disk(make_site: MakeSite, ordered: Callable[[Site], Awaitable[None]]) -> None:
    """The loop lives, and the lane is in the middle of a step that will never end."""
    site, journal = make_site(), StuckJournal()

    async def scene(site: Site) -> None:
        await asyncio.sleep(1.0)
        if ordered is lockdown:
            site.order(ev.Lockdown, active=True, actor="campus")
        taken = await alarm(site)
        journal.over.set()
        assert taken <= BOUND

    site.play(scene, journal)


def test_stop_is_released_though_the_lane_is_busy(make_site: MakeSite) -> None:
    site, journal = make_site(), StuckJournal()

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await lockdown(site)
        # From here on the disk is dead: the lane is in a step that does not end, with STOP asserted, when it burns.
        site.app.runner._journal = journal
        site.order(ev.Tamper, active=True)
        await asyncio.sleep(0.5)
        assert site.turnstile.active("stop")
        taken, state = await alarm(site), site.state()
        journal.over.set()
        assert taken <= BOUND
        assert state is State.LOCKDOWN, "the lane itself did not even know yet"

    site.play(scene)


@pytest.mark.parametrize("before", [idle, lockdown, granted])
def test_the_release_waits_for_no_loop(site: Site, before: Callable[[Site], Awaitable[None]]) -> None:
    """While the loop hangs there is no frame, no timer and no journal; a restart would come later."""

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await before(site)
        pressed = site.clock.monotonic()
        site.turnstile.press_fire(True)
        site.hang(BOUND)
        assert released(site, pressed) <= BOUND

    site.play(scene)


def test_it_takes_the_same_whatever_else_goes_on(make_site: MakeSite) -> None:
    """Debounce and nothing else: a release that waited for anything would differ between these."""
    seconds: list[float] = []

    async def busy(site: Site) -> None:
        await site.app.ready.wait()
        await granted(site)
        seconds.append(await alarm(site))

    async def hung(site: Site) -> None:
        await site.app.ready.wait()
        pressed = site.clock.monotonic()
        site.turnstile.press_fire(True)
        site.hang(BOUND)
        seconds.append(released(site, pressed))

    async def blind(site: Site) -> None:
        seconds.append(await alarm(site))  # before the first frame of any sensor

    stuck = StuckJournal()

    async def diskless(site: Site) -> None:
        await blind(site)
        stuck.over.set()

    scenes: list[tuple[Any, Any]] = [(busy, None), (hung, None), (blind, None), (diskless, stuck)]
    for scene, journal in scenes:
        make_site().play(scene, journal)
    # The contact's own bounce is random, and settles within 3 ms.
    assert all(0.03 <= taken <= 0.036 for taken in seconds), seconds


def test_a_fire_that_burns_at_start_is_released_with_the_first_claim(site: Site) -> None:
    site.turnstile.press_fire(True)
    began, journal = list[float](), StuckJournal()

    async def scene(site: Site) -> None:
        began.append(site.clock.monotonic())
        await asyncio.sleep(BOUND)
        active = site.active()
        journal.over.set()
        assert active == {"unlock_a", "unlock_b"}

    site.play(scene, journal)
    for side in Side:
        on, _ = site.relay(side)[0]
        assert on <= began[0], "before any task of the program had its turn"


def test_restarted_in_a_fire_it_opens_again(site: Site) -> None:
    async def killed(site: Site) -> None:
        await site.app.ready.wait()
        assert await alarm(site) <= BOUND
        site.turnstile.pin_factory.lose_process(kept=False)

    site.play(killed)
    assert site.active() == set()
    assert site.turnstile.push(Side.A), "between the two, the panel's own wire is what frees the way"

    async def restarted(site: Site) -> None:
        await asyncio.sleep(0)
        assert site.active() == {"unlock_a", "unlock_b"}

    site.play(restarted)


def test_the_alarm_is_latched_and_ends_by_an_order_only(site: Site) -> None:
    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await lockdown(site)
        await alarm(site)
        site.turnstile.press_fire(False)
        await asyncio.sleep(60.0)
        assert site.active() == {"unlock_a", "unlock_b"}
        site.order(ev.ResetEmergency, actor="guard")
        await asyncio.sleep(0.5)
        assert site.state() is State.LOCKDOWN
        assert site.active() == {"stop"}, "what was ordered before stands again"

    site.play(scene)


def test_a_flicker_of_the_line_opens_though_the_lane_hears_of_it_late(site: Site) -> None:
    """On and off again while the lane is in a slow step: what it decided before must not shut the way again."""

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        await site.grant()
        site.order(ev.Tamper, active=True)
        await asyncio.sleep(0)
        site.order(ev.Lockdown, active=True, actor="guard")
        site.turnstile.press_fire(True)
        site.hang(0.2)
        site.turnstile.press_fire(False)
        site.hang(0.2)
        opened = site.clock.monotonic()
        await asyncio.sleep(2.0)
        moves = [move for side in Side for move in site.relay(side) if move[0] >= opened]
        assert moves == [], "not even for a moment"
        assert site.active() == {"unlock_a", "unlock_b"}
        assert site.state() is State.EMERGENCY_OPEN

    site.play(scene)


def test_a_normally_closed_loop_that_is_cut_is_a_fire(make_site: MakeSite) -> None:
    site = make_site(normally_closed=("fire",), line={"fire": LineSettings(pull="none", debounce=0.08)})

    async def scene(site: Site) -> None:
        await site.app.ready.wait()
        assert await alarm(site) <= BOUND, "with the longest debounce that is allowed"

    site.play(scene)
