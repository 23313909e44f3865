"""Personal history at a running gate: everybody's readings in memory, and on disk by a thread of their own.

`assess` and `record` touch memory only, for microseconds, under a lock: perception's executor thread may call both, and
so may the event loop. All disk work runs, in order, on the one thread of the executor that is passed in. Whatever
happens to the file, the lane goes on; then the notes say `UNAVAILABLE`, and `problem` says why.
"""

from __future__ import annotations

import datetime as dt
import threading
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from controller.errors import GateError
from controller.gallery.history_store import HistoryDamagedError, HistoryStore, Reading
from controller.perception import history
from controller.perception.history import Evidence, PersonalNote
from controller.perception.variance import READING, Components, components, days_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.perception.history_settings import HistorySettings

WAITING_LIMIT = 1000
"""Readings that may wait for the disk; beyond, new ones are dropped and counted."""
FURTHEST = 50.0
"""A deviation or a noise beyond this, K, is no reading of a person."""


def local_day(now: float) -> int:
    """The ordinal of the local date: in Asia a morning's passages straddle midnight UTC."""
    return dt.datetime.fromtimestamp(now).astimezone().toordinal()


class PersonalHistory:
    """Everybody's readings at one gate. Safe to use from several threads.

    Args:
        folder: of the gallery; holds history.sqlite3.
        key: file with the gallery's key; None: beside it.
        settings: [perception.history].
        people: ids of everybody enrolled; readings of others are erased when the history is opened.
        executor: one worker; its thread is the only one that touches the disk.
        report: told of what goes wrong, on the executor's thread or the caller's; must not block.
        day_of: unix seconds to the ordinal of the local date.
    """

    def __init__(
        self,
        folder: Path,
        key: Path | None,
        settings: HistorySettings,
        people: Iterable[str],
        *,
        executor: Executor,
        report: Callable[[str], None] = lambda _: None,
        day_of: Callable[[float], int] = local_day,
    ) -> None:
        self._folder, self._key = folder, key
        self._settings = settings
        self._people = tuple(people)
        self._executor = executor
        self._report = report
        self._day_of = day_of
        self._lock = threading.Lock()
        self._store: HistoryStore | None = None
        self._rows: dict[bytes, NDArray[np.void]] = {}
        self._population: Components | None = None
        self._updated = -1
        """The day on which the population was last computed and old readings were erased."""
        self._waiting: list[Reading] = []
        self._scheduled = False
        self.problem: str | None = "it is not open yet"
        """Why there is no history; None: there is."""
        self.dropped = 0
        """Readings that were not kept, for whatever reason."""

    def start(self, now: float | None) -> Future[None]:
        """Open and load on the executor's thread, without waiting. `now`: unix seconds, None without a sure clock.

        The future never fails; a failure is in `problem` and was reported. Loading 3,000 people's 60 days takes a few
        seconds on a board; until then the notes say `UNAVAILABLE` and nothing is recorded.
        """
        return self._executor.submit(self._open, now)

    def close(self) -> Future[None]:
        """Write what waits and close the file, on the executor's thread; harmless when closed."""
        return self._executor.submit(self._close)

    def assess(self, person: str, value: float, noise: float, now: float | None, *, expected: float) -> PersonalNote:
        """What this person's earlier days say about the estimate `value`, oral-equivalent °C.

        `noise` is its standard uncertainty by the sensor's noise, K; `now` unix seconds, None while the clock is not
        sure; `expected` what is expected of anybody here and now, °C. Never blocks and never raises for bad numbers.
        """
        if now is None:
            return history.without(Evidence.NO_CLOCK)
        day = self._day_of(now)
        with self._lock:
            store, population = self._store, self._population
            if store is None or population is None or self.problem is not None:
                return history.without(Evidence.UNAVAILABLE)
            rows = self._rows.get(store.pseudonym(person), np.empty(0, READING))
        rows = rows[rows["day"] > day - self._settings.keep_days]
        days = days_of(rows, episode=self._settings.episode, before=day)
        return history.note(value, noise, days, population, self._settings, expected=expected)

    def record(
        self, person: str, value: float, noise: float, now: float | None, *, expected: float, flagged: bool
    ) -> None:
        """Keep one reading: once a passage, after its last look.

        `flagged`: it was an alarm, or a human treated it as one; its days stay out of the baseline. The other arguments
        are those of `assess`. Dropped where the clock is not sure, a number is none, or the disk is far behind.
        """
        if not self._settings.record:
            return
        # Also false for NaN.
        usable = abs(value - expected) <= FURTHEST and 0 <= noise <= FURTHEST
        with self._lock:
            if not usable or now is None or self._store is None or len(self._waiting) >= WAITING_LIMIT:
                self.dropped += 1
                return
            who, day = self._store.pseudonym(person), self._day_of(now)
            reading = Reading(who, day, now, value - expected, noise, flagged)
            self._remember(reading)
            self._waiting.append(reading)
            schedule, self._scheduled = not self._scheduled, True
        if schedule:
            self._submit(day)

    def forget(self, person: str) -> Future[None] | None:
        """Erase somebody who was removed while the gate runs; None where there is no history.

        The future is done when nothing is left on disk, or raises `StoreError`.
        """
        with self._lock:
            store = self._store
            if store is None:
                return None
            who = store.pseudonym(person)
            self._rows.pop(who, None)
            self._waiting = [reading for reading in self._waiting if reading.who != who]
        # Behind a batch that is being written.
        return self._executor.submit(self._erase, store, person)

    def components(self) -> Components | None:
        """The gate's variances as last computed (at the start and once a day); None: there is no history."""
        with self._lock:
            return self._population

    def _submit(self, day: int) -> None:
        try:
            self._executor.submit(self._write, day)
        except RuntimeError as error:  # it was shut down; the file is its thread's to close
            with self._lock:
                self.problem, self.dropped, self._waiting = str(error), self.dropped + len(self._waiting), []

    def _remember(self, reading: Reading) -> None:
        # Copied, never changed in place: `assess` works on the old array outside of the lock.
        row = np.array([(reading.day, reading.deviation, reading.noise, reading.flagged)], READING)
        old = self._rows.get(reading.who, np.empty(0, READING))
        self._rows[reading.who] = np.concatenate([old, row])[-self._settings.keep_readings :]

    def _open(self, now: float | None) -> None:
        try:
            store = HistoryStore.open(self._folder, self._key, create=self._settings.record)
            try:
                store.keep_only(self._people)
                if now is not None:
                    store.prune(self._day_of(now) - self._settings.keep_days + 1)
                rows = load(store)
            except BaseException:
                store.close()
                raise
        except (GateError, OSError) as error:
            self._fail(str(error))
            return
        population = population_of(rows.values(), self._settings)
        with self._lock:
            self._store, self._rows, self._population, self.problem = store, rows, population, None
            self._updated = -1 if now is None else self._day_of(now)

    def _write(self, day: int) -> None:
        """Write what waits; on a new day also erase what is too old and compute the variances anew."""
        with self._lock:
            batch, self._waiting, self._scheduled = self._waiting, [], False
            store, new_day = self._store, day > self._updated
            self._updated = max(day, self._updated)
            rows = list(self._rows.values()) if new_day else []
        if store is None:
            return
        try:
            store.append(batch, keep=self._settings.keep_readings)
            if new_day:
                store.prune(day - self._settings.keep_days + 1)
        except HistoryDamagedError as error:
            self._fail(str(error))
            return
        except (GateError, OSError) as error:  # locked, full: the next batch may find it better
            with self._lock:
                self.dropped += len(batch)
            self._report(f"{len(batch)} readings not kept: {error}")
        if new_day:
            oldest = day - self._settings.keep_days
            population = population_of((own[own["day"] > oldest] for own in rows), self._settings)
            with self._lock:
                self._population = population

    def _erase(self, store: HistoryStore, person: str) -> None:
        store.erase(person)

    def _close(self) -> None:
        with self._lock:
            batch, self._waiting, store, self._store = self._waiting, [], self._store, None
            self.problem = self.problem or "it is closed"
        if store is None:
            return
        try:
            store.append(batch, keep=self._settings.keep_readings)
        except (GateError, OSError) as error:
            self._fail(str(error))
        store.close()

    def _fail(self, problem: str) -> None:
        """Go on without history until the next start."""
        with self._lock:
            store, self._store, self.problem = self._store, None, problem
            self.dropped += len(self._waiting)
            self._waiting = []
        if store is not None:
            store.close()
        self._report(f"no personal history: {problem}")


def load(store: HistoryStore) -> dict[bytes, NDArray[np.void]]:
    """READING[n] of each pseudonym. Raises as `HistoryStore.readings` does."""
    return {
        who: np.array([(day, deviation, noise, flagged) for _, day, _, deviation, noise, flagged in own], READING)
        for who, own in groupby(store.readings(), key=attrgetter("who"))
    }


def population_of(people: Iterable[NDArray[np.void]], settings: HistorySettings) -> Components:
    """The variances of READING[n] of each person, without flagged days."""
    return components((days_of(rows, episode=settings.episode) for rows in people), least=settings.people)
