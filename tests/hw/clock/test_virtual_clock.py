"""Threads in virtual time: jumps, order, events, threads that die, deadlocks."""

from __future__ import annotations

import logging
import math
import threading
import time

import pytest

from hw.sim.clock import ClockDeadlock, VirtualClock


def test_an_hour_of_three_threads_takes_no_time_and_every_reading_is_in_order(clock: VirtualClock) -> None:
    log: list[tuple[float, str]] = []

    def tick(name: str, period: float) -> None:
        while clock.monotonic() < 3600:
            clock.sleep(period)
            log.append((clock.monotonic(), name))

    began = time.monotonic()
    with clock.participant("test"):
        threads = [
            clock.spawn(lambda name=name, period=period: tick(name, period), name)  # type: ignore[misc]
            for name, period in (("a", 0.9), ("b", 1.1), ("c", 1.3))
        ]
        for thread in threads:
            thread.join()
    assert time.monotonic() - began < 20  # it takes a quarter of a second; an hour it must not take
    assert len(log) == math.ceil(3600 / 0.9) + math.ceil(3600 / 1.1) + math.ceil(3600 / 1.3)
    assert [at for at, _ in log] == sorted(at for at, _ in log)
    assert {name: round(at, 6) for at, name in log[:3]} == {"a": 0.9, "b": 1.1, "c": 1.3}


def test_the_same_program_takes_the_same_turns() -> None:
    def once() -> list[tuple[float, str]]:
        clock = VirtualClock()
        log: list[tuple[float, str]] = []
        doorbell = threading.Event()

        def ring() -> None:
            for _ in range(50):
                clock.sleep(0.5)
                log.append((clock.monotonic(), "ring"))
                doorbell.set()
                log.append((clock.monotonic(), "rang"))

        def answer() -> None:
            while clock.wait(doorbell, 5):
                doorbell.clear()
                log.append((clock.monotonic(), "answer"))

        with clock.participant("test"):
            threads = [clock.spawn(ring, "ring"), clock.spawn(answer, "answer"), clock.spawn(ring, "ring 2")]
            for thread in threads:
                thread.join()
        return log

    first = once()
    assert len(first) > 200
    assert all(once() == first for _ in range(10))


def test_equal_deadlines_run_in_the_order_the_waits_began(clock: VirtualClock) -> None:
    order: list[str] = []

    def wait(name: str) -> None:
        clock.sleep(1)
        order.append(name)

    with clock.participant("test"):
        for name in "dbca":
            clock.spawn(lambda name=name: wait(name), name)  # type: ignore[misc]
        clock.sleep(2)
    assert order == list("dbca")


def test_time_stands_still_while_a_participant_is_busy(clock: VirtualClock) -> None:
    woken = threading.Event()

    def sleeper() -> None:
        clock.sleep(1)
        woken.set()

    with clock.participant("busy"):
        clock.spawn(sleeper, "sleeper")
        assert not woken.wait(0.2)
        assert clock.monotonic() == 0.0
        clock.sleep(1.5)
        assert woken.is_set()
        assert clock.monotonic() == 1.5


def test_a_plain_event_ends_a_wait_at_the_time_it_was_set(clock: VirtualClock) -> None:
    bell = threading.Event()
    heard: list[float] = []

    def listener() -> None:
        assert clock.wait(bell, 100)
        heard.append(clock.monotonic())

    with clock.participant("test"):
        clock.spawn(listener, "listener")
        clock.sleep(3)
        bell.set()
        clock.sleep(10)
    assert heard == [3.0]


def test_an_event_set_by_an_outsider_ends_a_wait_without_deadline() -> None:
    clock = VirtualClock(patience=30)
    bell = threading.Event()
    listener = clock.spawn(lambda: clock.wait(bell, math.inf), "listener")
    bell.set()
    listener.join(5)
    assert not listener.is_alive()


def test_a_wait_that_times_out_says_so_and_one_on_a_set_event_takes_no_time(clock: VirtualClock) -> None:
    event = threading.Event()
    with clock.participant("test"):
        assert not clock.wait(event, 2.5)
        assert clock.monotonic() == 2.5
        assert not clock.wait(event, 0)
        event.set()
        assert clock.wait(event, 10)
        assert clock.monotonic() == 2.5


def test_a_plain_thread_takes_part_from_its_first_sleep(clock: VirtualClock) -> None:
    readings: list[float] = []

    def body() -> None:
        clock.sleep(1)
        readings.append(clock.monotonic())

    thread = threading.Thread(target=body)
    with clock.participant("test"):
        thread.start()
        with clock.blocked("a plain thread"):
            thread.join()
    assert readings == [1.0]


@pytest.mark.parametrize("spawned", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_participant_that_dies_does_not_hold_time(clock: VirtualClock, spawned: bool) -> None:  # noqa: FBT001
    def dies() -> None:
        clock.sleep(1)
        raise RuntimeError("this thread ends here")

    with clock.participant("test"):
        if spawned:
            clock.spawn(dies, "dies")
        else:
            threading.Thread(target=dies, daemon=True).start()
        clock.sleep(2)
        assert clock.monotonic() == 2.0
        clock.sleep(2)
    assert "dies" not in clock.describe()


def test_a_deadlock_is_raised_and_names_who_waits_for_what(clock: VirtualClock) -> None:
    never = threading.Event()
    clock.spawn(lambda: clock.wait(never, math.inf), "camera")
    with clock.participant("main"), pytest.raises(ClockDeadlock, match=r"camera waits for an event.*main waits for"):
        clock.wait(never, math.inf)
    never.set()


def test_joining_a_thread_that_never_ends_is_a_deadlock(clock: VirtualClock) -> None:
    never = threading.Event()
    with clock.participant("main"):
        thread = clock.spawn(lambda: clock.wait(never, math.inf), "camera")
        with pytest.raises(ClockDeadlock):
            thread.join()
        never.set()
        thread.join()
        assert not thread.is_alive()


def test_services_alone_may_wait_for_ever(clock: VirtualClock) -> None:
    bell = threading.Event()
    service = clock.spawn(lambda: clock.wait(bell, math.inf), "service")
    service.join(0.6)  # twice the patience, of real time: this thread takes no part
    assert service.is_alive()
    bell.set()
    service.join(5)
    assert not service.is_alive()


def test_a_busy_participant_is_named_when_time_stands_still(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    def sleeper() -> None:
        clock.sleep(1)
        done.set()

    with caplog.at_level(logging.WARNING, "hw.sim.scheduler"), clock.participant("hog"):
        clock.spawn(sleeper, "sleeper")
        clock.sleep(0)
        assert not done.wait(1.0)
        clock.sleep(2)
    assert done.is_set()
    assert "hog" in caplog.text
    assert "sleeper waits for the end of a sleep" in caplog.text


def test_an_unyielding_participant_is_overtaken_after_the_grace() -> None:
    clock = VirtualClock(grace=0.05)
    bell, heard = threading.Event(), threading.Event()

    def listener() -> None:
        clock.wait(bell, math.inf)
        heard.set()

    with clock.participant("test"):
        clock.spawn(listener, "listener")
        clock.sleep(1)
        bell.set()
        clock.spawn(lambda: None, "another")
        with clock.participant("test"):  # nested: no new participation
            clock.sleep(0)
        assert heard.wait(5)


def test_join_takes_virtual_time(clock: VirtualClock) -> None:
    with clock.participant("test"):
        thread = clock.spawn(lambda: clock.sleep(10), "long")
        thread.join(4)
        assert thread.is_alive()
        assert clock.monotonic() == 4.0
        thread.join()
        assert clock.monotonic() == 10.0
        assert not thread.is_alive()


def test_fifty_crowded_runs_never_hang() -> None:
    for seed in range(50):
        clock = VirtualClock(patience=2)
        counts: list[int] = []
        baton = [threading.Event() for _ in range(5)]

        def relay(
            i: int, clock: VirtualClock = clock, baton: list[threading.Event] = baton, out: list[int] = counts
        ) -> None:
            for lap in range(10):
                if clock.wait(baton[i], 0.7 + 0.1 * i):
                    baton[i].clear()
                clock.sleep(0.05 * (lap % 3))
                baton[(i + 1) % 5].set()
            out.append(i)

        with clock.participant("test"):
            threads = [clock.spawn(lambda i=i, relay=relay: relay(i), f"{seed}-{i}") for i in range(5)]  # type: ignore[misc]
            for thread in threads:
                thread.join()
        assert sorted(counts) == [0, 1, 2, 3, 4]


def test_services_alone_do_not_move_time(clock: VirtualClock) -> None:
    """What a program sets up before its loop runs must not live through hours until then."""
    beats: list[float] = []
    stop = threading.Event()

    def heart() -> None:
        while not clock.wait(stop, 0.5):
            beats.append(clock.monotonic())

    heart_thread = clock.spawn(heart, "heart")
    assert not stop.wait(0.2)
    assert (clock.monotonic(), beats) == (0.0, [])
    with clock.participant("loop"):
        clock.sleep(1.25)
    assert not stop.wait(0.2)
    assert (clock.monotonic(), beats) == (1.25, [0.5, 1.0])
    stop.set()
    heart_thread.join(5)
    assert not heart_thread.is_alive()
