"""Plays a morning: puts people on the mark, reads the sign as they would, pushes the arm when it says so.

The director knows the gate only from outside: it reads the sign and feels the arm, and never asks the lane.
Every wait has a bound, so a lane that stops answering ends in `Ending.UNDECIDED` and not in a rehearsal that hangs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from controller.drill.cards import keyed
from controller.drill.diary import Arm, Outage, Push, Sign, Stay, Try, VisitLog
from controller.drill.scenario import WARMED_UP, Ending, Kind
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from controller.drill.scenario import Visit
    from hw.clock import Clock

TRIES: Final = 2
READY_WAIT: Final = 30.0
"""Seconds until a lane that just started must invite people."""
INVITE_WAIT: Final = 12.0
"""Seconds that the next in line waits for the sign to invite."""
ANSWER_WAIT: Final = 15.0
"""Seconds a person looks at a sign that gives no answer. Twice the lane's own patience."""
REACTION: Final = 0.4
"""Seconds from reading the sign to a hand on the arm."""
PUSH_AGAIN: Final = 0.3
PUSH_FOR: Final = 4.0
"""Seconds after which somebody gives up a locked arm that the sign had called open."""
WALK_THROUGH: Final = 1.4
"""Seconds from leaning on a free arm to standing behind it."""
FOLLOW_AFTER: Final = 0.5
"""Seconds by which a tailgater is behind the first."""
WALK_AWAY_WAIT: Final = 20.0
"""Seconds in which an unused grant must have gone off the sign."""
UNPLUG_AFTER: Final = 0.2
OUTAGE: Final = 3.0
"""Seconds that the sensor is off the bus."""
EGRESS_DURING_OUTAGE: Final = 1.5
WITH_CARD: Final = frozenset({Kind.CARD, Kind.BORROWED_CARD, Kind.EXPIRED_CARD})
READ_SIGN: Final = 0.6
"""Seconds to read a refusal before walking off."""


class Stage(Protocol):
    """What the director moves. `controller.drill.stage` has the simulated one."""

    async def prepare(self, visit: Visit) -> None:
        """Get everything ready that would take long once somebody steps up."""
        ...

    def step_up(self, visit: Visit, *, warm_minutes: float | None, bare: bool) -> None:
        """Put this visit's person (or photograph) on the mark, with or without glasses."""
        ...

    def step_off(self) -> None:
        """Clear the mark."""
        ...

    def present(self, visit: Visit) -> None:
        """Hold this visit's card to the reader."""
        ...

    async def key_in(self, text: str) -> None:
        """Key something in on the reader."""
        ...

    def push(self, *, outward: bool) -> Arm:
        """Lean on the arm."""
        ...

    def follow(self) -> Arm:
        """Squeeze in behind somebody who is passing."""
        ...

    def unplug_sensor(self, *, on: bool) -> None:
        """Take the thermal sensor off its bus (`on`), or put it back."""
        ...


class SignReader:
    """Everything the sign has shown and the director has not yet read, in order. On the loop's thread."""

    def __init__(self) -> None:
        self.current = Sign(Prompt.OUT_OF_SERVICE, None, 0.0)
        self._unread: asyncio.Queue[Sign] = asyncio.Queue()

    def show(self, sign: Sign) -> None:
        """The sign changed."""
        self.current = sign
        self._unread.put_nowait(sign)

    def forget(self) -> None:
        """Who steps up now has not seen what was shown before."""
        while not self._unread.empty():
            self._unread.get_nowait()

    async def until(self, wanted: Callable[[Sign], bool], seconds: float) -> Sign | None:
        """The next unread sign that is `wanted`; None when none came within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not wanted(sign := await self._unread.get()):
                    pass
                return sign
        except TimeoutError:
            return None

    async def now_or_within(self, wanted: Callable[[Sign], bool], seconds: float) -> bool:
        """Whether the sign shows what is `wanted`, or does within `seconds`."""
        return wanted(self.current) or await self.until(wanted, seconds) is not None


@dataclass(slots=True)
class _Notes:
    """The open page of the diary."""

    visit: Visit
    begin: float
    stays: list[Stay] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    outage: Outage | None = None
    standing: tuple[float, float | None] | None = None
    fresh: bool = False
    """Has just stepped onto the mark, and not been looked at yet."""

    def close(self, ending: Ending, end: float) -> VisitLog:
        """The page as it stays."""
        return VisitLog(
            self.visit, ending, tuple(self.stays), tuple(self.tries), tuple(self.pushes), self.outage, self.begin, end
        )


class Director:
    """Plays the visits in their order.

    Args:
        stage: what is moved.
        sign: what people read.
        clock: the board's clock; the running loop's time must be the same.
        on_begin: told of each visit before it starts.
        on_end: told of each visit when it is over.
    """

    def __init__(
        self,
        stage: Stage,
        sign: SignReader,
        clock: Clock,
        *,
        on_begin: Callable[[Visit], None] = lambda _: None,
        on_end: Callable[[VisitLog], None] = lambda _: None,
    ) -> None:
        self.diary: list[VisitLog] = []
        self._stage = stage
        self._sign = sign
        self._clock = clock
        self._on_begin = on_begin
        self._on_end = on_end

    async def play(self, visits: Iterable[Visit]) -> None:
        """Play all visits; what is over is in `diary`, also after a cancellation."""
        await self._sign.now_or_within(lambda sign: sign.invites, READY_WAIT)
        for visit in visits:
            self._on_begin(visit)
            notes = _Notes(visit, self._clock.monotonic())
            await asyncio.gather(asyncio.sleep(visit.pause), self._stage.prepare(visit))
            try:
                ending = await self._turn(notes)
            finally:
                self._step_off(notes)
            log = notes.close(ending, self._clock.monotonic())
            self.diary.append(log)
            self._on_end(log)

    async def _turn(self, notes: _Notes) -> Ending:
        match notes.visit.kind:
            case Kind.LEAVER:
                return await self._go_out(notes)
            case Kind.FROM_COLD:
                return await self._come_from_the_cold(notes)
            case Kind.GLASSES:
                return await self._come_with_glasses(notes)
            case Kind.SENSOR_DROPOUT:
                return await self._come_while_the_sensor_is_away(notes)
            case Kind.GUESSED_PIN:
                return await self._guess(notes)
            case _:
                return await self._come(notes, warm_minutes=None)

    # Ways to come

    async def _come(
        self, notes: _Notes, *, warm_minutes: float | None, tries: int = TRIES, bare: bool = True
    ) -> Ending:
        """Step up, look, and try once more after a refusal."""
        await self._step_up(notes, warm_minutes, bare=bare)
        for _ in range(tries):
            answer = await self._answer(notes)
            if answer is None:
                return Ending.UNDECIDED
            if answer.admits:
                return await self._use_grant(notes)
        await asyncio.sleep(READ_SIGN)
        # Some try the arm all the same. It must not give way; if it does, they walk in.
        if notes.visit.kind is Kind.STRANGER and self._push(notes, outward=False) is Arm.GIVES_WAY:
            await asyncio.sleep(WALK_THROUGH)
            return Ending.ADMITTED
        return Ending.TURNED_AWAY

    async def _guess(self, notes: _Notes) -> Ending:
        """Key in one PIN after the other behind somebody's number, and at last the right one."""
        await self._step_up(notes, None, bare=True)
        await self._answer(notes)
        for text in keyed(notes.visit):
            self._sign.forget()
            await self._stage.key_in(text)
            answer = await self._sign.until(lambda sign: sign.admits or sign.refuses, READ_SIGN)
            if answer is not None and answer.admits:
                return await self._use_grant(notes)
        return Ending.TURNED_AWAY

    async def _come_from_the_cold(self, notes: _Notes) -> Ending:
        """Try once with a cold face; if sent to warm up, come back as if `WARMED_UP` minutes had passed."""
        ending = await self._come(notes, warm_minutes=0.0, tries=1)
        if ending is not Ending.TURNED_AWAY:
            return ending
        self._step_off(notes)
        return await self._come(notes, warm_minutes=WARMED_UP)

    async def _come_with_glasses(self, notes: _Notes) -> Ending:
        """Try once with glasses on; told to take them off, do so and step up again."""
        ending = await self._come(notes, warm_minutes=None, tries=1, bare=False)
        if ending is not Ending.TURNED_AWAY:
            return ending
        self._step_off(notes)
        return await self._come(notes, warm_minutes=None)

    async def _come_while_the_sensor_is_away(self, notes: _Notes) -> Ending:
        """The sensor drops off the bus under somebody on the mark; meanwhile somebody else walks out."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outage(notes))
            visit = tasks.create_task(self._come(notes, warm_minutes=None))
        return visit.result()

    async def _outage(self, notes: _Notes) -> None:
        await asyncio.sleep(UNPLUG_AFTER)
        begin = self._clock.monotonic()
        self._stage.unplug_sensor(on=True)
        try:
            await asyncio.sleep(EGRESS_DURING_OUTAGE)
            await self._walk_out(notes)
            await asyncio.sleep(max(0.0, begin + OUTAGE - self._clock.monotonic()))
        finally:
            self._stage.unplug_sensor(on=False)
            notes.outage = Outage(begin, self._clock.monotonic())

    async def _go_out(self, notes: _Notes) -> Ending:
        """Walk out: no sign, no camera, just the arm."""
        return Ending.WENT_OUT if await self._walk_out(notes) else Ending.HINDERED

    # At the gate

    async def _step_up(self, notes: _Notes, warm_minutes: float | None, *, bare: bool) -> None:
        await self._sign.now_or_within(lambda sign: sign.invites, INVITE_WAIT)
        self._sign.forget()
        notes.standing, notes.fresh = (self._clock.monotonic(), warm_minutes), True
        self._stage.step_up(notes.visit, warm_minutes=warm_minutes, bare=bare)
        if notes.visit.kind in WITH_CARD:
            self._stage.present(notes.visit)

    def _step_off(self, notes: _Notes) -> None:
        self._stage.step_off()
        if notes.standing is not None:
            begin, warm_minutes = notes.standing
            notes.stays.append(Stay(begin, self._clock.monotonic(), warm_minutes))
            notes.standing = None

    async def _answer(self, notes: _Notes) -> Sign | None:
        """Look at the sign until it answers."""
        stepped, notes.fresh = notes.fresh, False
        began = notes.standing[0] if stepped and notes.standing is not None else self._clock.monotonic()
        answer = await self._sign.until(lambda sign: sign.admits or sign.refuses, ANSWER_WAIT)
        notes.tries.append(Try(len(notes.tries) + 1, began, stepped, answer))
        return answer

    async def _use_grant(self, notes: _Notes) -> Ending:
        await asyncio.sleep(REACTION)
        if notes.visit.kind is Kind.WALK_AWAY:
            self._step_off(notes)
            await self._sign.now_or_within(lambda sign: not sign.admits, WALK_AWAY_WAIT)
            return Ending.LEFT_UNUSED
        if not await self._lean(notes, outward=False):
            return Ending.STUCK
        self._step_off(notes)
        if notes.visit.kind is Kind.TAILGATE:
            await asyncio.sleep(FOLLOW_AFTER)
            notes.pushes.append(Push(self._clock.monotonic(), False, self._stage.follow(), follower=True))
        await asyncio.sleep(WALK_THROUGH)
        return Ending.ADMITTED

    async def _lean(self, notes: _Notes, *, outward: bool) -> bool:
        """Push until the arm gives way, as long as a person would. On the way out, a lock is one too many."""
        deadline = self._clock.monotonic() + PUSH_FOR
        while True:
            felt = self._push(notes, outward=outward)
            if felt is Arm.GIVES_WAY:
                return True
            if (outward and felt is Arm.LOCKED) or self._clock.monotonic() >= deadline:
                return False
            await asyncio.sleep(PUSH_AGAIN)

    async def _walk_out(self, notes: _Notes) -> bool:
        out = await self._lean(notes, outward=True)
        await asyncio.sleep(WALK_THROUGH)
        return out

    def _push(self, notes: _Notes, *, outward: bool) -> Arm:
        felt = self._stage.push(outward=outward)
        notes.pushes.append(Push(self._clock.monotonic(), outward, felt))
        return felt
