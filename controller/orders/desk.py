"""Orders from the campus, on the board: checked, journaled, then carried out, and answered with a signature.

Every check is made before anything moves, and the order's id is on disk before the lane hears of it. A challenge lives
in memory only: it is new with every start of the program and every ROTATE_EVERY seconds, and nothing but an order that
answers it counts. So an order that is late, repeated, or meant for another gate or start opens nothing, whatever the
board's clock says.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from controller.errors import ConfigError, MessageError, StoreError
from controller.lane import events as ev
from controller.lane.effects import Append, RecordKind
from controller.lane.model import Direction
from controller.link import commands as wire
from controller.link import signing
from controller.link.messages import TEXT_LIMIT
from controller.observe.log import get_logger
from controller.record.entry import Entry
from controller.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from controller.link.messages import ClockState, Scalar
    from controller.record.entry import Stored
    from controller.watch import Step

ROTATE_EVERY: Final = 15.0
"""Seconds a challenge is the newest one; the one before it counts as well, for what is on its way."""
SKEW: Final = 2.0
"""Seconds by which two clocks that are right may differ."""
ANSWER_WITHIN: Final = 5.0
"""Seconds the lane may take for an order; its records wait for the disk."""
RECEIVED: Final = "command_received"
"""Kind of the journal's entry for an order whose checks were passed."""
SAFE: Final = frozenset({"lockdown", "maintenance"})
"""Orders that make safe when they switch on: carried out even where the journal cannot note them."""

Deed = Callable[[], Awaitable[Mapping[str, "Scalar"]]]
"""Does what an order asks for beside the lane and returns details for the reply, within `ANSWER_WITHIN`. May raise
`Refused`."""

log = get_logger("commands")


class JournalPort(Protocol):
    """Where orders are noted, such as `controller.record.journal.Journal`."""

    async def append(self, entry: Entry, *, timeout: float | None = None) -> Stored:  # noqa: ASYNC109 - the journal's own
        """Return when the entry is on disk. Raises `StoreError`."""
        ...


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """Why an order is not carried out."""

    def __init__(self, reason: wire.Refusal, more: str = "") -> None:
        super().__init__(f"{reason}/{more}" if more else reason)
        self.reason = reason


class Challenges:
    """The newest challenge and the one before; both are random, and neither outlives the program."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._made = monotonic()
        self.newest = secrets.token_hex(16)
        self._before = ""

    def turn(self) -> bool:
        """Make a new one where it is time; whether it was."""
        now = self._monotonic()
        if now - self._made < ROTATE_EVERY:
            return False
        # After a pause the one before is as old as the pause: it goes too.
        self._before = self.newest if now - self._made < 2 * ROTATE_EVERY else ""
        self.newest, self._made = secrets.token_hex(16), now
        return True

    def counts(self, challenge: str) -> bool:
        """Whether an order may answer this one now."""
        self.turn()
        known = [one for one in (self.newest, self._before) if one]
        return any(secrets.compare_digest(challenge.encode(), one.encode()) for one in known)


class CommandersFile:
    """Who may give orders, read anew when the file changes; a file that became wrong leaves nobody in charge.

    Raises `ConfigError` for one that is wrong at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self._found = signing.Commanders.read(path)

    def now(self) -> signing.Commanders:
        """As the file is now."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._found = signing.Commanders.read(self._path)
                log.info("commanders read anew", keys=len(self._found))
            except ConfigError as error:
                # A key that was to be taken out must not go on because of a slip beside it.
                self._found = signing.Commanders(str(self._path), ())
                log.error("commanders unreadable: nobody may give orders", error=str(error))
        return self._found

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which gate this is, in which start, and the key it signs replies with."""

    campus: str
    gate: str
    boot_id: str
    key: Ed25519PrivateKey


class CommandDesk(Watch):
    """Takes orders of one gate.

    Args:
        identity: see there.
        commanders: gives who may order what, as of now.
        monotonic: seconds by the board's clock.
        wall: Unix seconds by the machine's clock.
        clock_state: what is known of `wall`.
        journal: where orders are noted.
        append_timeout: seconds that note may take.
        degraded: whether the lane goes on where a record cannot be written.
        post: gives the lane an event, on the loop's thread.
        lane_state: the lane's state, for replies.
        deeds: what is done for orders that are not the lane's, by their names.
        on_refused: told why, of each that is not carried out.
        answer_within: seconds the lane may take for an order.
    """

    def __init__(
        self,
        identity: Identity,
        commanders: Callable[[], signing.Commanders],
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        clock_state: Callable[[], ClockState],
        journal: JournalPort,
        append_timeout: float,
        degraded: bool,
        post: Callable[[ev.LaneEvent], None],
        lane_state: Callable[[], str],
        deeds: Mapping[str, Deed],
        on_refused: Callable[[str], None] = lambda _: None,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        self.challenges = Challenges(monotonic)
        self.refused: Counter[str] = Counter()
        """Orders that were not carried out, by reason."""
        self._identity = identity
        self._commanders = commanders
        self._monotonic, self._wall, self._clock_state = monotonic, wall, clock_state
        self._journal, self._append_timeout, self._degraded = journal, append_timeout, degraded
        self._post, self._lane_state, self._deeds, self._on_refused = post, lane_state, deeds, on_refused
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[int, asyncio.Future[Step]] = {}
        self._answer_within = answer_within

    @property
    def reply_key(self) -> str:
        """The public key that verifies the replies, base64."""
        return signing.public_text(self._identity.key.public_key())

    async def take(self, payload: bytes, *, retained: bool) -> bytes | None:
        """Carry out an order, or not; the signed reply, or None for what is nobody's order."""
        try:
            signed, body = self._open(payload, retained=retained)
        except Refused as refusal:
            self._count(refusal)
            return None
        command: wire.Command | None = None
        try:
            command = _read(body)
            self._check(command, signed.key)
            detail = await self._carry_out(command, signed.key)
        except Refused as refusal:
            self._count(refusal, None if command is None else command.cmd_id)
            return None if command is None else self._reply(command, str(refusal), {})
        log.info("command", cmd_id=command.cmd_id, actor=command.actor, action=wire.name_of(command.action))
        return self._reply(command, None, detail)

    def on_step(self, step: Step) -> None:
        """See what came of an order."""
        waiting = self._waiting.pop(id(step.event), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(step)

    def _open(self, payload: bytes, *, retained: bool) -> tuple[signing.Signed, bytes]:
        """The order's signed bytes; nothing of an order whose signature is not good is looked at."""
        if retained:
            raise Refused("retained")
        try:
            signed = signing.read_signed("cmd", payload)
        except MessageError as error:
            raise Refused("malformed") from error
        public = self._commanders().public(signed.key)
        if public is None:
            raise Refused("unknown_key")
        try:
            return signed, signing.verify("cmd", signed, public, signing.COMMAND)
        except MessageError as error:
            raise Refused("bad_signature") from error

    def _check(self, command: wire.Command, key: str) -> None:
        """Every rule, in the order in which a refusal tells least."""
        identity, commanders = self._identity, self._commanders()
        now = self._wall() if self._clock_state() == "synchronised" else None
        rules: tuple[tuple[bool, wire.Refusal], ...] = (
            ((command.campus, command.gate) == (identity.campus, identity.gate), "other_gate"),
            (commanders.public(key) is not None, "unknown_key"),
            (command.boot_id == identity.boot_id, "other_boot"),
            (self.challenges.counts(command.challenge), "old_challenge"),
            # NaN is refused as well.
            (now is None or command.expires + SKEW >= now, "expired"),
            (now is None or command.expires <= now + wire.LIFETIME + SKEW, "not_yet"),
            (command.cmd_id not in self._seen, "seen"),
        )
        for holds, refusal in rules:
            if not holds:
                raise Refused(refusal)
        today = None if now is None else dt.datetime.fromtimestamp(now, dt.UTC).date()
        if not commanders.valid(key, today):
            raise Refused("key_expired")
        if not commanders.may(key, command.actor, wire.name_of(command.action)):
            raise Refused("not_permitted")

    async def _carry_out(self, command: wire.Command, key: str) -> Mapping[str, Scalar]:
        self._remember(command.cmd_id)
        await self._note(command, key)
        deed = self._deeds.get(wire.name_of(command.action))
        if deed is not None:
            return await _done(deed)
        event = lane_event(command, self._monotonic())
        if event is None:
            raise Refused("refused_by_lane", "not_here")
        return _outcome(await self._ask_lane(event), degraded=self._degraded)

    def _remember(self, cmd_id: str) -> None:
        """Seen from now on, whatever comes of it. An id is kept for as long as its challenge could count."""
        now = self._monotonic()
        self._seen[cmd_id] = now
        while self._seen and now - next(iter(self._seen.values())) > 3 * ROTATE_EVERY:
            self._seen.popitem(last=False)

    async def _note(self, command: wire.Command, key: str) -> None:
        """On disk before it acts; only what makes safe goes on without."""
        detail: dict[str, Scalar] = {
            "cmd_id": command.cmd_id,
            "command": wire.name_of(command.action),
            "actor": command.actor,
            "reason": command.reason,
            "key": key,
        }
        entry = Entry(
            kind=RECEIVED,
            monotonic=self._monotonic(),
            wall=self._wall(),
            clock=self._clock_state(),
            grant_id=None,
            person=None,
            detail=detail,
        )
        try:
            await self._journal.append(entry, timeout=self._append_timeout)
        except StoreError as error:
            if not _makes_safe(command.action):
                raise Refused("journal_failed") from error
            log.error("an order that makes safe is not on disk", cmd_id=command.cmd_id, error=str(error))

    async def _ask_lane(self, event: ev.LaneEvent) -> Step:
        waiting: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        self._waiting[id(event)] = waiting
        try:
            self._post(event)
            async with asyncio.timeout(self._answer_within):
                return await waiting
        except TimeoutError as error:
            raise Refused("no_answer") from error
        finally:
            self._waiting.pop(id(event), None)

    def _reply(self, command: wire.Command, refused: str | None, detail: Mapping[str, Scalar]) -> bytes:
        reply = wire.Reply(
            cmd_id=command.cmd_id,
            gate=self._identity.gate,
            boot_id=self._identity.boot_id,
            accepted=refused is None,
            refused=None if refused is None else refused[:TEXT_LIMIT],
            lane=self._lane_state(),
            challenge=self.challenges.newest,
            time=self._wall(),
            clock=self._clock_state(),
            detail=dict(detail),
        )
        try:
            return signing.sign(self._identity.key, signing.REPLY, wire.encode(reply))
        except MessageError as error:
            # That it was done is the reply; what was found is in the journal and the state as well.
            short = msgspec.structs.replace(reply, detail={"left_out": str(error)})
            return signing.sign(self._identity.key, signing.REPLY, wire.encode(short))

    def _count(self, refusal: Refused, cmd_id: str | None = None) -> None:
        self.refused[refusal.reason] += 1
        self._on_refused(refusal.reason)
        count = self.refused[refusal.reason]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th…: whoever floods the topic must not fill the log
            log.warning("command refused", reason=str(refusal), cmd_id=cmd_id, count=count)


def _read(body: bytes) -> wire.Command:
    try:
        return wire.read_command("cmd", body)
    except MessageError as error:
        raise Refused("malformed") from error


def lane_event(command: wire.Command, now: float) -> ev.LaneEvent | None:
    """The order as the lane knows it; None: it is none of the lane's."""
    actor = command.actor
    match command.action:
        case wire.OpenOnce(direction=way, temperature=temperature):
            grant_id = f"cmd-{command.cmd_id}"
            return ev.OpenOnce(
                now=now, actor=actor, direction=Direction(way), grant_id=grant_id, temperature=temperature
            )
        case wire.SetFree(entry=entry, exit=leave):
            return ev.SetFree(now=now, actor=actor, entry=entry, exit=leave)
        case wire.Lockdown(active=active):
            return ev.Lockdown(now=now, actor=actor, active=active)
        case wire.Maintenance(active=active):
            return ev.Maintenance(now=now, actor=actor, active=active)
        case wire.Reset():
            return ev.ResetEmergency(now=now, actor=actor)
        case wire.Acknowledge():
            return ev.Acknowledge(now=now, actor=actor)
        case _:
            return None


async def _done(deed: Deed) -> Mapping[str, Scalar]:
    """Do it. Whatever goes wrong is an answer: it must not take the link down, and whoever ordered it has to know."""
    try:
        return await deed()
    except Refused:
        raise
    except Exception as error:
        log.exception("an order's deed failed")
        raise Refused("not_possible", f"{type(error).__name__}: {error}") from error


def _makes_safe(action: wire.AnyAction) -> bool:
    return wire.name_of(action) in SAFE and getattr(action, "active", False) is True


def _outcome(step: Step, *, degraded: bool) -> Mapping[str, Scalar]:
    """What the lane did in this step. Raises `Refused` where it did not do as ordered."""
    records = [effect for effect in step.effects if isinstance(effect, Append)]
    for record in records:
        if record.kind is RecordKind.COMMAND and record.detail.get("accepted") is False:
            raise Refused("refused_by_lane", str(record.detail.get("refused", "")))
    on_disk = len(step.stored) == len(records)
    if not (on_disk or degraded or (isinstance(step.event, ev.Lockdown | ev.Maintenance) and step.event.active)):
        # What follows a record that did not reach the disk was not performed.
        raise Refused("journal_failed")
    return {"before": step.before.value, "after": step.after.value}
