"""Frames wait in slots: the newest wins, and what was lost is counted."""

from __future__ import annotations

import asyncio

import pytest

from controller.sight.slots import LatestSlot, RecentFrames


@pytest.mark.asyncio
async def test_the_newest_value_replaces_the_one_nobody_took() -> None:
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    slot.put(2)
    assert await slot.take() == 2
    assert (slot.received, slot.dropped) == (2, 1)


@pytest.mark.asyncio
async def test_a_value_is_taken_once() -> None:
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    await slot.take()
    waiting = asyncio.ensure_future(slot.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    slot.put(2)
    assert await waiting == 2
    assert slot.dropped == 0


def test_recent_frames_keep_order_and_lose_the_oldest() -> None:
    frames: RecentFrames[int] = RecentFrames(3)
    for value in range(5):
        frames.put(value)
    assert frames.take_all() == [2, 3, 4]
    assert frames.take_all() == []
    assert (frames.received, frames.dropped) == (5, 2)
