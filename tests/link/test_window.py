"""The send window by itself: bounded, complete, and patient with a campus that does not answer."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.link.brokers import Backoff
from controller.link.window import SendWindow
from controller.record.entry import Place


def places(first: int, last: int, epoch: int = 1) -> list[Place]:
    return [Place(epoch, seq) for seq in range(first, last + 1)]


def test_room_shrinks_with_what_is_sent_and_grows_with_what_is_acknowledged() -> None:
    window = SendWindow(5, 30.0, 600.0)
    assert (window.room, window.last, window.deadline) == (5, None, None)
    window.sent(places(1, 5), 10.0)
    assert (window.room, window.last, window.deadline) == (0, Place(1, 5), 40.0)
    window.acknowledged(Place(1, 3), 20.0)
    assert (window.room, window.deadline) == (3, 50.0)
    window.acknowledged(Place(1, 5), 21.0)
    assert (window.room, window.deadline) == (5, None)


def test_an_acknowledgement_of_one_epoch_says_nothing_of_another() -> None:
    window = SendWindow(5, 30.0, 600.0)
    window.sent(places(1, 2, epoch=1) + places(1, 2, epoch=2), 0.0)
    window.acknowledged(Place(2, 9), 1.0)
    assert window.room == 3
    window.acknowledged(Place(1, 2), 1.0)
    assert window.room == 5


def test_nobody_answers_so_it_asks_less_and_less() -> None:
    window = SendWindow(5, 30.0, 100.0)
    now, pauses = 0.0, []
    for _ in range(5):
        window.sent(places(1, 5), now)
        assert not window.expire(now)
        deadline = window.deadline
        assert deadline is not None
        pauses.append(deadline - now)
        assert window.expire(deadline)
        assert (window.last, window.room) == (None, 5)
        now = deadline
    assert pauses == [30.0, 60.0, 100.0, 100.0, 100.0]
    window.sent(places(1, 5), now)
    window.acknowledged(Place(1, 1), now)
    assert window.deadline == now + 30.0


def test_a_hint_shortens_the_wait_but_leaves_time_for_what_is_under_way() -> None:
    window = SendWindow(5, 30.0, 600.0)
    window.hint()
    window.sent(places(1, 5), 10.0)
    assert window.deadline == 40.0, "nothing was on its way when the campus spoke"
    window.hint()
    assert window.deadline == 12.0
    window.acknowledged(Place(1, 2), 11.0)
    assert window.deadline == 41.0, "it arrived after all"
    window.hint()
    assert window.expire(13.0)
    window.sent(places(3, 7), 13.0)
    assert window.deadline == 43.0, "a campus that answers is not asked less often"


@given(st.lists(st.sampled_from(["send", "lose", "arrive", "ack lost"]), max_size=60), st.integers(1, 6))
def test_go_back_n_delivers_everything_in_order_whatever_is_lost(events: list[str], size: int) -> None:
    window = SendWindow(size, 1.0, 8.0)
    newest, mark, acked, now = 10, 0, 0, 0.0
    wire: list[Place] = []
    for event in [*events, *["send", "arrive"] * 60]:
        now += 0.01
        if event == "send":
            start = max(acked, window.last.seq if window.last else 0)
            batch = places(start + 1, min(newest, start + window.room))
            if batch:
                window.sent(batch, now)
                wire += batch
        elif event == "lose":
            wire = wire[1:]
        elif wire:
            seq = wire.pop(0).seq
            mark = seq if seq == mark + 1 else mark
            if event == "arrive":
                if mark > acked:
                    acked = mark
                    window.acknowledged(Place(1, mark), now)
                else:
                    window.hint()
        assert 0 <= window.room <= size
        if not wire and window.deadline is not None:
            now = window.deadline
            window.expire(now)
    assert mark == acked == newest


def test_pauses_are_random_bounded_and_grow() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(5))
    pauses = [backoff.next() for _ in range(200)]
    assert all(1.0 <= pause <= 60.0 for pause in pauses)
    assert len(set(pauses)) > 100
    assert sum(pauses[:3]) < 30 < sum(pauses[50:60])
    backoff.reset()
    assert backoff.next() <= 3.0


@pytest.mark.parametrize("seed", range(5))
def test_gates_do_not_come_back_all_at_once(seed: int) -> None:
    firsts = [Backoff(1.0, 60.0, random.Random(seed * 100 + gate)).next() for gate in range(24)]
    assert max(firsts) - min(firsts) > 0.5
