"""Personal history at a running gate: it never blocks, never stops the lane, and forgets who is removed."""

from __future__ import annotations

import datetime as dt
import math
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from controller.cli.main import main
from controller.gallery.history_store import DATABASE, HistoryStore
from controller.gallery.keyfile import create_key
from controller.gallery.model import Enrolment, Person
from controller.gallery.personal import PersonalHistory, local_day
from controller.gallery.store import GalleryStore
from controller.perception.history import Evidence
from controller.perception.history_settings import HistorySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400.0
START = 1_790_000_000.0
ON = HistorySettings(inform=True)
PEOPLE = [f"s-{number}" for number in range(80)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key(tmp_path / "gallery.key")
    return tmp_path


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


Make = "Callable[..., PersonalHistory]"


@pytest.fixture
def make(folder: Path, executor: ThreadPoolExecutor) -> Callable[..., PersonalHistory]:
    def build(settings: HistorySettings = ON, people: list[str] = PEOPLE, **more: Any) -> PersonalHistory:
        return PersonalHistory(folder, None, settings, people, executor=executor, **more)

    return build


def fill(history: PersonalHistory, days: int = 12, start: float = START) -> None:
    """Everybody twice a day: people differ by 0.45 K, their days by 0.2 K."""
    rng = np.random.default_rng(4)
    usual = rng.normal(0, 0.45, len(PEOPLE))
    usual[0] = -0.6
    for day in range(days):
        for person, own in zip(PEOPLE, usual, strict=True):
            today = own + rng.normal(0, 0.2)
            for hour in (0, 4):
                at = start + day * DAY + hour * 3600
                history.record(person, 36.7 + today + rng.normal(0, 0.15), 0.15, at, expected=36.7, flagged=False)
        history._executor.submit(int).result()  # a day's readings do not wait for the disk all at once


def test_what_it_learnt_it_knows_after_a_restart(make: Callable[..., PersonalHistory]) -> None:
    history = make()
    history.start(START).result()
    assert history.problem is None
    fill(history)
    history.close().result()
    assert history.dropped == 0
    again = make()
    again.start(START + 13 * DAY).result()
    told = again.assess("s-0", 37.2, 0.15, START + 13 * DAY, expected=36.7)
    assert (told.evidence, told.second_look, told.days, told.readings) == (Evidence.ENOUGH, True, 12, 24)
    assert told.expected == pytest.approx(36.1, abs=0.15)
    found = again.components()
    assert found is not None
    assert found.between.low <= 0.45 <= found.between.high
    assert again.assess("s-0", 37.2, 0.15, None, expected=36.7).evidence is Evidence.NO_CLOCK
    assert again.assess("nobody", 37.2, 0.15, START + 13 * DAY, expected=36.7).evidence is Evidence.FEW_READINGS
    again.close().result()


def test_the_variances_are_renewed_each_day_while_it_runs(make: Callable[..., PersonalHistory]) -> None:
    history = make()
    history.start(START).result()
    empty = history.components()
    assert empty is not None
    assert empty.source == "published"
    fill(history)
    history.close().result()
    later = history.components()
    assert later is not None
    assert later.source == "measured"


def test_today_is_not_compared_with_itself(make: Callable[..., PersonalHistory]) -> None:
    history = make()
    history.start(START).result()
    fill(history)
    now = START + 13 * DAY
    # The day's first reading renews the variances; that is not what is looked at here.
    history.record("s-9", 36.6, 0.15, now, expected=36.7, flagged=False)
    history._executor.submit(int).result()
    before = history.assess("s-0", 37.2, 0.15, now, expected=36.7)
    for _ in range(5):
        history.record("s-0", 39.0, 0.15, now, expected=36.7, flagged=False)
    assert history.assess("s-0", 37.2, 0.15, now, expected=36.7).expected == before.expected
    # Tomorrow it would count, if nobody had flagged it; flagged it does not.
    history.record("s-0", 39.0, 0.15, now, expected=36.7, flagged=True)
    tomorrow = history.assess("s-0", 37.2, 0.15, now + DAY, expected=36.7)
    assert tomorrow.expected == pytest.approx(before.expected, abs=0.1)
    history.close().result()


class Stuck(ThreadPoolExecutor):
    """A disk that answers only when it is let go."""

    def __init__(self) -> None:
        super().__init__(1)
        self.free = threading.Event()
        self.free.set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def job() -> Any:
            assert self.free.wait(30)
            return fn(*args, **kwargs)

        return super().submit(job)


def test_a_disk_that_hangs_keeps_nobody_waiting(folder: Path) -> None:
    with Stuck() as disk:
        history = PersonalHistory(folder, None, ON, PEOPLE, executor=disk)
        history.start(START).result()
        disk.free.clear()
        began = time.perf_counter()
        for number in range(1100):
            history.record("s-1", 36.6, 0.1, START + number, expected=36.7, flagged=False)
            history.assess("s-1", 36.6, 0.1, START + DAY, expected=36.7)
        assert time.perf_counter() - began < 5
        assert history.dropped == 100
        assert history.assess("s-1", 36.6, 0.1, START + DAY, expected=36.7).readings == 200
        disk.free.set()
        history.close().result()
    with HistoryStore.open(folder) as store:
        assert len(list(store.readings())) == 200


@pytest.mark.parametrize("damage", ["file", "record", "key"])
def test_the_lane_goes_on_without_history(make: Callable[..., PersonalHistory], folder: Path, damage: str) -> None:
    history = make()
    history.start(START).result()
    fill(history, 2)
    history.close().result()
    path = folder / DATABASE
    if damage == "file":
        path.write_bytes(b"x" * 9000)
    elif damage == "record":
        with HistoryStore.open(folder) as store:
            store._connection.execute("UPDATE reading SET sealed = zeroblob(33) WHERE id = 5")
    else:
        (folder / "gallery.key").unlink()
    size = path.stat().st_size
    said: list[str] = []
    broken = make(report=said.append)
    broken.start(START).result()
    assert len(said) == 1
    assert broken.problem is not None
    assert str(folder) in broken.problem
    broken.record("s-1", 36.6, 0.1, START, expected=36.7, flagged=False)
    assert broken.assess("s-1", 39.0, 0.1, START, expected=36.7).evidence is Evidence.UNAVAILABLE
    assert broken.dropped == 1
    broken.close().result()
    assert path.stat().st_size == size


def test_a_disk_that_refuses_once_costs_one_batch(make: Callable[..., PersonalHistory], folder: Path) -> None:
    said: list[str] = []
    history = make(report=said.append)
    history.start(START).result()
    assert history._store is not None
    history._executor.submit(lambda: history._store._run("PRAGMA busy_timeout = 20")).result()  # type: ignore[union-attr]
    with HistoryStore.open(folder) as other:
        other._run("BEGIN IMMEDIATE")
        history.record("s-1", 36.6, 0.1, START, expected=36.7, flagged=False)
        history._executor.submit(int).result()
        other._run("ROLLBACK")
    assert said
    assert "locked" in said[0]
    history.record("s-2", 36.6, 0.1, START, expected=36.7, flagged=False)
    history.close().result()
    assert history.dropped == 1
    with HistoryStore.open(folder) as store:
        assert [one.who for one in store.readings()] == [store.pseudonym("s-2")]


@pytest.mark.parametrize(
    ("value", "noise", "now"), [(math.nan, 0.1, START), (1e300, 0.1, START), (36.6, -1.0, START), (36.6, 0.1, None)]
)
def test_what_is_no_reading_is_dropped(
    make: Callable[..., PersonalHistory], value: float, noise: float, now: float | None
) -> None:
    history = make()
    history.start(START).result()
    history.record("s-1", value, noise, now, expected=36.7, flagged=False)
    assert history.dropped == 1
    history.record("s-1", 36.6, 0.1, START, expected=36.7, flagged=False)
    history.close().result()
    assert history.dropped == 1


def test_switched_off_nothing_is_kept(make: Callable[..., PersonalHistory], folder: Path) -> None:
    history = make(msgspec.structs.replace(ON, record=False))
    history.start(START).result()
    history.record("s-1", 36.6, 0.1, START, expected=36.7, flagged=False)
    history.close().result()
    assert not (folder / DATABASE).exists()


def test_old_readings_go_at_the_start_and_every_day(make: Callable[..., PersonalHistory], folder: Path) -> None:
    history = make()
    history.start(START).result()
    for day in (0, 30, 59, 60, 61):
        history.record("s-1", 36.6, 0.1, START + day * DAY, expected=36.7, flagged=False)
        history._executor.submit(int).result()
    history.close().result()
    with HistoryStore.open(folder) as store:
        assert [one.day - local_day(START) for one in store.readings()] == [30, 59, 60, 61]
    again = make()
    again.start(START + 100 * DAY).result()
    again.close().result()
    with HistoryStore.open(folder) as store:
        assert [one.day - local_day(START) for one in store.readings()] == [59, 60, 61]


def test_who_is_no_longer_enrolled_is_forgotten_at_the_start(
    make: Callable[..., PersonalHistory], folder: Path
) -> None:
    history = make()
    history.start(START).result()
    fill(history, 1)
    history.close().result()
    again = make(people=["s-3"])
    again.start(START).result()
    again.close().result()
    with HistoryStore.open(folder) as store:
        assert {one.who for one in store.readings()} == {store.pseudonym("s-3")}


def test_somebody_removed_while_it_runs_is_erased_at_once(make: Callable[..., PersonalHistory], folder: Path) -> None:
    history = make()
    history.start(START).result()
    fill(history, 2)
    for person in ("s-1", "s-2"):
        history.record(person, 36.6, 0.1, START, expected=36.7, flagged=False)
    erased = history.forget("s-1")
    assert erased is not None
    erased.result()
    assert history.assess("s-1", 36.6, 0.1, START + 9 * DAY, expected=36.7).readings == 0
    assert history.assess("s-2", 36.6, 0.1, START + 9 * DAY, expected=36.7).readings == 5
    history.close().result()
    assert history.forget("s-2") is None
    with HistoryStore.open(folder) as store:
        assert store.pseudonym("s-1") not in (folder / DATABASE).read_bytes()
        assert sum(one.who == store.pseudonym("s-2") for one in store.readings()) == 5


def test_the_day_is_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    morning = dt.datetime(2026, 9, 1, 7, 30, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp()
    monkeypatch.setitem(os.environ, "TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert local_day(morning) == local_day(morning + 3600) == dt.date(2026, 9, 1).toordinal()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_removing_a_person_erases_their_readings(
    make: Callable[..., PersonalHistory], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with GalleryStore.open(folder, create=True) as gallery:
        gallery.write([Enrolment(Person("s-1"), ()), Enrolment(Person("s-2"), ())])
    history = make()
    history.start(START).result()
    fill(history, 2)
    history.close().result()
    assert main(["enrol", "--remove", "s-1", "--gallery", str(folder)]) == 0
    assert "4 temperature readings" in capsys.readouterr().out
    with HistoryStore.open(folder) as store:
        assert store.pseudonym("s-1") not in {one.who for one in store.readings()}
        assert store.pseudonym("s-2") in {one.who for one in store.readings()}
    assert main(["enrol", "--remove", "s-1", "--gallery", str(folder)]) == 1
    (folder / DATABASE).write_bytes(b"x" * 9000)
    capsys.readouterr()
    assert main(["enrol", "--remove", "s-2", "--gallery", str(folder)]) == 1
    assert "templates erased, but the temperature readings stay" in capsys.readouterr().err
