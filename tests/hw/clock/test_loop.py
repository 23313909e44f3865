"""asyncio in a clock's time: timers, executor jobs, callbacks from threads, sockets, shutdown."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
import signal
import socket
import threading
import time
from concurrent.futures import CancelledError

import pytest

from hw.clock import SystemClock
from hw.executor import ClockExecutor
from hw.sim.clock import ClockDeadlock, ScaledClock, VirtualClock
from hw.sim.loop import ClockLoop, run


def test_an_hour_of_timers_takes_no_time(clock: VirtualClock) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = []
        for _ in range(3600):
            await asyncio.sleep(1)
            seen.append(loop.time())
        return seen

    began = time.monotonic()
    assert run(main(), clock) == pytest.approx(range(1, 3601))
    assert time.monotonic() - began < 20


def crowded_run() -> list[tuple[float, str]]:
    """Three threads that call into the loop, a loop with timers and jobs; returns who did what when."""
    clock = VirtualClock(patience=5)
    log: list[tuple[float, str]] = []
    stop = threading.Event()

    def ticker(loop: asyncio.AbstractEventLoop, name: str, period: float) -> None:
        def note(what: str) -> None:
            log.append((loop.time(), what))

        while not clock.wait(stop, period):
            note(name)
            loop.call_soon_threadsafe(note, f"loop for {name} of {clock.monotonic():.3f}")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for name, period in (("a", 0.7), ("b", 1.1), ("c", 1.3)):
            clock.spawn(functools.partial(ticker, loop, name, period), name)
        for i in range(300):
            await asyncio.sleep(1.7)
            before = loop.time()
            assert await asyncio.to_thread(clock.monotonic) == before == loop.time()
            if i % 3 == 0:
                await asyncio.to_thread(clock.sleep, 0.25)
                assert loop.time() == pytest.approx(before + 0.25)
        stop.set()

    run(main(), clock)
    return log


def test_loop_threads_and_jobs_share_one_time_in_order() -> None:
    log = crowded_run()
    assert len(log) > 2000
    assert [at for at, _ in log] == sorted(at for at, _ in log)
    for at, name in log:
        if name.startswith("loop"):
            assert f"{at:.3f}" == name.rpartition(" ")[2], "the callback ran at the time it was called for"


def test_crowded_runs_take_the_same_turns() -> None:
    first = crowded_run()
    assert all(crowded_run() == first for _ in range(3))


def test_time_never_passes_a_callback_queued_by_a_thread() -> None:
    """Each round trip of thread, loop and job is at one instant, although a timer is always pending far ahead."""
    for _ in range(50):
        clock = VirtualClock(patience=5)

        async def main(clock: VirtualClock = clock) -> None:
            loop = asyncio.get_running_loop()
            far = loop.call_later(1000, lambda: None)
            with ClockExecutor(clock, 2, "jobs") as pool:
                for i in range(20):
                    now = loop.time()
                    results = await asyncio.gather(*(loop.run_in_executor(pool, abs, -i) for _ in range(4)))
                    assert results == [i] * 4
                    assert loop.time() == now
                    await asyncio.sleep(0.01)
            far.cancel()

        run(main(), clock)


def test_a_timeout_on_a_slow_job_is_kept_in_virtual_time(clock: VirtualClock) -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.to_thread(clock.sleep, 60)
        return asyncio.get_running_loop().time()

    assert run(main(), clock) == 2.0


def test_real_work_in_a_job_holds_time(clock: VirtualClock) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, lambda: None)
        await asyncio.to_thread(threading.Event().wait, 0.1)
        return loop.time()

    assert run(main(), clock) == 0.0


def test_a_loop_that_waits_for_nothing_is_a_deadlock(clock: VirtualClock) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ClockDeadlock, match="event loop of MainThread waits for its next timer"):
        run(main(), clock)


@pytest.mark.parametrize("make", [VirtualClock, SystemClock, lambda: ScaledClock(10)], ids=["virtual", "system", "x10"])
def test_sockets_work(make: type[VirtualClock]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return line

    assert run(main(), make()) == b"HELLO\n"


def test_a_socket_of_an_outsider_wakes_a_virtual_loop_and_is_no_deadlock(clock: VirtualClock) -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        outsider = threading.Timer(0.8, theirs.sendall, [b"late"])  # real time, longer than the clock's patience
        outsider.start()
        with ours, theirs:
            data = await asyncio.get_running_loop().sock_recv(ours, 10)
            outsider.join()
            return data

    assert run(main(), clock) == b"late"


def test_scaled_timers_run_at_the_clocks_speed() -> None:
    clock = ScaledClock(50)

    async def main() -> float:
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time() - before

    began = time.monotonic()
    assert run(main(), clock) >= 5
    assert time.monotonic() - began < 4


def test_shutdown_does_not_wait_for_a_job_that_hangs() -> None:
    hang = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, hang.wait)
        await asyncio.sleep(0)

    began = time.monotonic()
    run(main(), SystemClock())
    assert time.monotonic() - began < 10
    hang.set()


def test_an_interrupt_ends_a_virtual_loop(clock: VirtualClock) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reader, writer = socket.socketpair()
        with reader, writer:
            loop.add_reader(reader, lambda: None)  # external: no deadlock
            interrupt = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
            interrupt.start()
            try:
                await loop.create_future()
            finally:
                loop.remove_reader(reader)

    with pytest.raises(KeyboardInterrupt):
        run(main(), clock)


def test_a_loop_inside_a_participating_thread_keeps_its_participation(clock: VirtualClock) -> None:
    async def main() -> None:
        await asyncio.sleep(1)

    with clock.participant("test") as member:
        run(main(), clock)
        assert clock.current() is member
        assert clock.monotonic() == 1.0
    assert clock.current() is None


def test_a_closed_loop_refuses_callbacks(clock: VirtualClock) -> None:
    loop = ClockLoop(clock)
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(lambda: None)


def test_context_variables_follow_a_callback(clock: VirtualClock) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outer")

    async def main() -> str:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        context.run(variable.set, "inner")
        seen = loop.create_future()
        loop.call_soon_threadsafe(lambda: seen.set_result(variable.get()), context=context)
        return str(await seen)

    assert run(main(), clock) == "inner"


class TestExecutor:
    def test_jobs_run_in_order_on_one_thread_and_errors_reach_the_caller(self, clock: VirtualClock) -> None:
        order: list[int] = []
        with clock.participant("test"), ClockExecutor(clock, 1, "writer") as pool:
            futures = [pool.submit(order.append, i) for i in range(100)]
            failing = pool.submit(lambda: 1 / 0)
            clock.sleep(1)
            assert all(future.done() for future in futures)
            with pytest.raises(ZeroDivisionError):
                failing.result()
        assert order == list(range(100))

    def test_more_sleeping_jobs_than_threads_do_not_stop_time(self, clock: VirtualClock) -> None:
        with clock.participant("test"), ClockExecutor(clock, 2, "jobs") as pool:
            futures = [pool.submit(clock.sleep, 1.0) for _ in range(10)]
            clock.sleep(6)
            assert all(future.done() for future in futures)

    def test_shutdown_cancels_what_has_not_begun_and_refuses_more(self, clock: VirtualClock) -> None:
        pool = ClockExecutor(clock, 1, "jobs")
        with clock.participant("test"):
            first, second = pool.submit(clock.sleep, 5), pool.submit(clock.sleep, 5)
            clock.sleep(1)
            pool.shutdown(wait=True, cancel_futures=True)
            assert clock.monotonic() == 5.0
        assert first.done()
        with pytest.raises(CancelledError):
            second.result()
        with pytest.raises(RuntimeError, match="jobs"):
            pool.submit(lambda: None)

    def test_an_executor_without_threads_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            ClockExecutor(SystemClock(), 0)

    def test_it_works_in_real_time(self) -> None:
        with ClockExecutor(SystemClock(), 3) as pool:
            assert list(pool.map(math.sqrt, [1, 4, 9])) == [1, 2, 3]
