"""Hours in which buzzer and voice keep silent, by a clock that may not be right.

A board has no clock of its own at power-on. Quiet hours by a wrong clock would silence a gate at noon, so they count
only while the kernel says that the clock is synchronised.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final

from controller.observe.log import get_logger
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw.ports import Gate

LOOK_EVERY: Final = 10.0
"""Seconds between two looks at the clock."""
SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

log = get_logger("indicators")


def parse_span(text: str) -> tuple[int, int]:
    """`22:00-06:00` as minutes of the day, (from, until). Raises ValueError for anything else."""
    found = SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of a day; write it as 22:00-06:00")
    hour, minute, last_hour, last_minute = (int(part) for part in found.groups())
    begin, end = 60 * hour + minute, 60 * last_hour + last_minute
    if begin == end:
        raise ValueError(f"{text!r} begins when it ends")
    return begin, end


def within(minute: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a minute of the day is in one of the spans; their end no longer is, and they may go over midnight."""
    return any(begin <= minute < end if begin < end else minute >= begin or minute < end for begin, end in spans)


class QuietHours:
    """Tells whether it is to be quiet now.

    Args:
        spans: as in [indicators] quiet.
        wall: Unix seconds; None: this board's time has no date, and it is never quiet.
        clock_state: what is known of `wall`, as `controller.record.boot.clock_state` says it.
        local: Unix seconds -> local time.
    """

    def __init__(
        self,
        spans: Sequence[str],
        wall: Callable[[], float] | None,
        clock_state: Callable[[], str],
        local: Callable[[float], time.struct_time] = time.localtime,
    ) -> None:
        self._spans = [parse_span(span) for span in spans]
        self._wall = wall
        self._clock_state = clock_state
        self._local = local

    def now(self) -> bool:
        """Whether buzzer and voice keep silent."""
        if not self._spans or self._wall is None or self._clock_state() != "synchronised":
            return False
        moment = self._local(self._wall())
        return within(60 * moment.tm_hour + moment.tm_min, self._spans)


class BuzzerKeeper:
    """Mutes the buzzer in quiet hours, or always; a service of the app."""

    def __init__(self, gate: Gate, quiet: QuietHours, *, always: bool) -> None:
        self._gate = gate
        self._quiet = quiet
        self._always = always

    async def run(self) -> None:
        """Look at the clock for ever."""
        muted: bool | None = None
        while True:
            wanted = self._always or self._quiet.now()
            if wanted is not muted:
                try:
                    self._gate.mute(on=wanted)
                except DeviceError as error:
                    log.warning("buzzer not muted", error=str(error))
                muted = wanted
            await asyncio.sleep(LOOK_EVERY)
