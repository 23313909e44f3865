"""Kernels beside other threads: the GIL is really let go, and a search sees one state of the gallery."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from _fastcore.match import Gallery
from _fastcore.thermal import Mlx90640

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]


@pytest.fixture
def cooperative() -> Iterator[None]:
    """No thread is made to give up the GIL for an hour: another runs only where the running one lets go of it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    yield
    sys.setswitchinterval(before)


def _another_thread_runs_during(call: Callable[[], object], attempts: int) -> bool:
    """Whether a thread that is waiting for the GIL gets it within so many calls; nothing else here lets go of it."""
    ran: list[bool] = []
    gate = threading.Lock()

    def wait_then_mark() -> None:
        with gate:
            ran.append(True)

    with gate:
        waiter = threading.Thread(target=wait_then_mark)
        waiter.start()
    for _ in range(attempts):
        call()
        if ran:
            break
    result = bool(ran)
    waiter.join()
    return result


def test_the_search_lets_go_of_the_gil(cooperative: None) -> None:
    gallery, axis = Gallery(512), np.zeros(512, dtype=np.float32)
    axis[0] = 1
    for key in range(2000):
        gallery.add(key, axis)
    assert _another_thread_runs_during(lambda: gallery.search(axis), attempts=20_000)


def test_the_thermal_kernel_lets_go_of_the_gil(cooperative: None, own: Vectors) -> None:
    kernel, frame, out = Mlx90640(own["eeprom"][0]), own["frames"][0, 0], np.zeros(768, dtype=np.float32)
    assert _another_thread_runs_during(lambda: kernel.object_temperatures(frame, out), attempts=500_000)


def test_a_bound_conversion_lets_go_of_the_gil(cooperative: None, own: Vectors) -> None:
    kernel, frame, out = Mlx90640(own["eeprom"][0]), own["frames"][0, 0], np.zeros(768, dtype=np.float32)
    assert _another_thread_runs_during(kernel.bind(frame, out).convert, attempts=500_000)


def test_merging_lets_go_of_the_gil(cooperative: None, own: Vectors) -> None:
    merger, frame = Mlx90640(own["eeprom"][0]).merge(), own["frames"][0, 0]
    assert _another_thread_runs_during(lambda: merger.add(frame), attempts=500_000)


def test_a_call_that_keeps_the_gil_is_told_apart(cooperative: None, own: Vectors) -> None:
    kernel, frame = Mlx90640(own["eeprom"][0]), own["frames"][0, 0]
    assert not _another_thread_runs_during(lambda: kernel.supply_voltage(frame), attempts=100_000)


def _rows(dim: int, count: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(3).standard_normal((count, dim))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_a_search_sees_the_gallery_as_it_was_at_some_moment() -> None:
    """Two near twins at the gallery's ends change places while searches pass over the crowd between them.

    At least one twin is there at any moment. A search that read rows as they move would find one twice.
    """
    dim, crowd = 128, 20_000
    rows, gallery = _rows(dim, crowd + 1), Gallery(dim)
    probe, one, other = rows[0], 10**6, 10**6 + 1
    gallery.add(one, probe)
    for key, row in enumerate(rows[1:]):
        gallery.add(key, row)
    gallery.add(other, probe)

    def search() -> None:
        for _ in range(200):
            keys = gallery.search(probe, k=9, threshold=0.99)[0].tolist()
            assert keys in ([one, other], [one], [other])

    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        while not all(each.done() for each in searches):
            for twin in (one, other):
                gallery.remove(twin)
                gallery.add(twin, probe)
        for each in searches:
            each.result()
    assert len(gallery) == crowd + 2


def test_replacing_a_template_is_never_seen_half_done() -> None:
    dim = 65536
    first, second = _rows(dim, 2)
    gallery = Gallery(dim)
    gallery.add(1, first)
    allowed = {float(gallery.search(first)[1][0])}
    gallery.add(1, second)
    allowed.add(float(gallery.search(first)[1][0]))

    def search() -> set[float]:
        return {float(gallery.search(first)[1][0]) for _ in range(40)}

    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        while not all(each.done() for each in searches):
            for template in (first, second):
                gallery.add(1, template)
        for each in searches:
            assert each.result() <= allowed


def test_one_calibration_serves_many_threads(own: Vectors) -> None:
    kernel, frame = Mlx90640(own["eeprom"][0]), own["frames"][0, 0]
    expected = np.zeros(768, dtype=np.float32)
    kernel.object_temperatures(frame, expected)

    def compute() -> bool:
        out = np.zeros(768, dtype=np.float32)
        for _ in range(300):
            kernel.object_temperatures(frame, out)
        return np.array_equal(out, expected)

    with ThreadPoolExecutor(4) as pool:
        assert all(each.result(timeout=120) for each in [pool.submit(compute) for _ in range(8)])


def test_one_merger_takes_frames_of_one_thread_at_a_time(own: Vectors) -> None:
    """Whoever comes in the middle is told so, and the average holds the readings of those who were not."""
    merger, frame = Mlx90640(own["eeprom"][0]).merge(), own["frames"][0, 0]
    refused = "another thread is in the middle of a conversion"

    def add() -> int:
        taken = 0
        for _ in range(2000):
            try:
                merger.add(frame)
            except RuntimeError as error:
                assert refused in str(error)  # noqa: PT017 - most calls don't raise
            else:
                taken += 1
        return taken

    with ThreadPoolExecutor(3) as pool:
        taken = sum(each.result(timeout=120) for each in [pool.submit(add) for _ in range(3)])
    assert taken >= 2000
    np.testing.assert_array_equal(merger.mean, merger.latest)
