"""What one gate sees reaches the others whose anti-passback may ask for it; a message that is lost loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import aiomqtt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from campus.auth.roles import Actor, Role
from campus.broker import Broker
from campus.gates.peers import PeerNews
from campus.intake.ingest import Ingest
from campus.intake.store import Incoming
from campus.policy import versions as policy
from campus.policy.versions import Policies
from controller.follow.access import CLOCKS_APART, hear_peers
from controller.follow.peers import peers_desk
from controller.gallery.model import Person
from controller.lane.access import document as doc
from controller.lane.access.keeper import Access
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment
from controller.lane.model import Direction
from controller.link import signing
from controller.link.messages import EventMessage, Passed, Peers, State, encode, event_id
from controller.link.mqtt import Link
from controller.link.peers import PeersSigner
from controller.link.settings import RosterSettings
from controller.record.entry import AckOutcome, Entry, Place

if TYPE_CHECKING:
    from campus.intake.ingest import Commit
    from controller.lane.access.whereabouts import Place as Whereabout
    from controller.record.entry import Stored

Eventually = Callable[[Callable[[], bool], str], Awaitable[None]]
Make = Callable[..., Any]

TIMED = {"anti_passback": "timed", "anti_passback_seconds": 600}
HUB = Ed25519PrivateKey.generate()
RULES: dict[str, Any] = {
    "timezone": "Asia/Shanghai",
    "zones": {"street": {"outside": True}, "school": {}, "pool": {}},
    "points": {
        "north": {"from": "street", "to": "school"},
        "south": {"from": "street", "to": "school", **TIMED},
        "pool": {"from": "school", "to": "pool", **TIMED},
    },
    "rules": [{"groups": ["*"], "zones": ["school", "pool"]}],
}
SHELL = Actor("root (shell)", Role.ADMIN)


class NoEvents:
    """A gate that has nothing to send."""

    depth = 0
    newest = Place(1, 0)

    async def pending(self, limit: int, after: Place | None = None) -> list[Stored]:
        del limit, after
        return []

    async def acknowledge(self, epoch: int, seq: int, chain: str) -> AckOutcome:
        del epoch, seq, chain
        return AckOutcome.UNKNOWN_EPOCH

    async def cursors(self) -> list[Place]:
        return [Place(1, 0)]

    async def retire_epoch(self, epoch: int, reason: str) -> bool:
        del epoch, reason
        return False


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_passage_is_told_to_the_gate_next_door(
    broker: Any, gates: Make, hubs: Make, link_settings: Make, eventually: Eventually
) -> None:
    hub, north, access = hubs(broker.port), gates(broker.port), lane("timed", here="south", there="north")
    roster = RosterSettings(hub_key=signing.public_text(HUB.public_key()), url="https://hub")
    database = hub.ingest.store.database
    news = PeerNews(database, Policies(), PeersSigner("school", HUB))
    known = asyncio.Event()
    where = Broker("127.0.0.1", broker.port)
    # The first thing that anybody says is the other gate's birth, and its state.
    hub.ingest = Ingest("school", where, hub.ingest.store, peers=news, on_commit=[counted(2, known)])
    await hub.start()
    async with database.transaction() as query:
        await policy.change(query, SHELL, RULES, now=time.time())

    def state() -> State:
        return State(boot_id="b", time=time.time(), clock="synchronised", lane="locked", point="south")

    settings = link_settings(broker.port)
    right = partial(wall_now, known=True)
    desk = peers_desk(settings, roster, "gate-2", time.monotonic, lambda: access, moment=right)
    south = Link(settings, "gate-2", NoEvents(), boot_id="b", state=state, peers=desk)
    task = asyncio.ensure_future(south.run())
    async with asyncio.timeout(60):
        await known.wait()
    async with aiomqtt.Client("127.0.0.1", broker.port) as raw:
        forged = Peers(passed=[Passed(point="north", direction="entry", time=time.time(), person="p")])
        for payload in (b'{"passed": 1}', msgspec.json.encode(forged)):
            await raw.publish("gate/v1/school/gate-2/peers", payload, qos=1)
        await eventually(lambda: refused(south) == 2, "both are refused, and the link goes on")
        assert (south.counters.refused["peers_malformed"], south.counters.refused["peers_unsigned"]) == (1, 1)
        assert access.whereabouts.place("p", time.monotonic()) is None
    await north.start()
    told = {"direction": "entry", "outcome": "completed"}
    await north.journal.append(Entry("passage", 1.0, time.time(), "synchronised", "g", "p", told))
    await north.drained()

    def here() -> Whereabout | None:
        return access.whereabouts.place("p", time.monotonic())

    await eventually(lambda: here() is not None, "the gate next door hears of it")
    found = here()
    assert found is not None
    assert found.zone == "school"
    assert refused(south) == 2, "and the hub's own word is not"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def refused(link: Link) -> int:
    return sum(count for reason, count in link.counters.refused.items() if reason.startswith("peers_"))


def counted(messages: int, enough: asyncio.Event) -> Callable[[Commit], None]:
    """For `on_commit`: sets `enough` when so many messages are stored."""
    stored = [0]

    def count(commit: Commit) -> None:
        stored[0] += len(commit.batch)
        if stored[0] >= messages:
            enough.set()

    return count


def message(gate: str, person: str | None, **changes: Any) -> Incoming:
    detail = {"direction": changes.pop("direction", "entry"), "outcome": changes.pop("outcome", "completed")}
    fields: dict[str, Any] = {"type": "passage", "time": time.time(), "clock": "synchronised"} | changes
    event = EventMessage(
        id=event_id(gate, "1" * 16, 1), epoch="1" * 16, seq=1, boot_id="b", monotonic=1.0, chain="0" * 64,
        person=person, detail=detail, **fields,
    )  # fmt: skip
    return Incoming(gate, event, encode(event))


@pytest.mark.asyncio
async def test_only_who_may_ask_is_told(hubs: Make) -> None:
    hub = hubs(0)
    database = hub.ingest.store.database
    async with database:
        news = PeerNews(database, Policies(), PeersSigner("school", None))
        assert await news.of([message("north", "p-1")], time.time()) == {}, "there is no policy"
        async with database.transaction() as query:
            await policy.change(query, SHELL, RULES, now=time.time())
        states = [State(boot_id="b", time=1.0, clock="unknown", lane="locked") for _ in range(4)]
        gates = ("north", "south", "pool", "unheard-of")
        await hub.ingest.store.apply(
            [Incoming(gate, one, encode(one)) for gate, one in zip(gates, states, strict=True)], time.time()
        )

        async def told(*batch: Incoming) -> dict[str, list[str | None]]:
            found = await news.of(batch, time.time())
            return {gate: [one.person for one in peers.passed] for gate, peers in found.items()}

        assert await told(message("north", "p-1")) == {"south": ["p-1"]}
        assert await told(message("south", "p-1")) == {}, "north has no anti-passback"
        assert await told(message("pool", None, direction="exit")) == {"south": [None]}
        assert await told(message("unheard-of", "p-1")) == {}, "it is no point"
        assert await told(message("north", "p-1", outcome="expired")) == {}
        assert await told(message("north", "p-1", clock="unknown")) == {}
        assert await told(message("north", "p-1", time=time.time() - 3600)) == {}
        assert await told(message("north", "p-1", type="grant")) == {}


NOW = Moment(1_796_000_000.0, known=True)


def wall_now(*, known: bool) -> Moment:
    return Moment(time.time(), known=known)


def lane(mode: str, here: str = "here", there: str = "there") -> Access:
    seconds = 600.0 if mode == "timed" else 0.0
    point = doc.Point(from_="street", to="school", anti_passback=mode, anti_passback_seconds=seconds)  # type: ignore[arg-type]
    document = doc.Document(
        format=1,
        revision=1,
        zones={"street": doc.Zone(outside=True), "school": doc.Zone()},
        points={here: point, there: point},
        rules=(doc.Rule(groups=("*",), zones=("school",)),),
    )
    return Access(Policy(document), here, find={"p": Person("p")}.get)


def verdict(access: Access, told: list[Passed], moment: Moment = NOW) -> tuple[str | None, str | None]:
    hear_peers(access, Peers(passed=told), monotonic=5000.0, moment=moment)
    found = access.decide("p", 5000.0, NOW)
    return found.reason and found.reason.value, found.noted and found.noted.value


def passed(ago: float, direction: str = "entry", person: str | None = "p", point: str = "there") -> Passed:
    return Passed(point=point, direction=direction, time=NOW.unix - ago, person=person)  # type: ignore[arg-type]


def test_timed_anti_passback_counts_from_another_gate_and_hard_only_notes() -> None:
    assert verdict(lane("timed"), [passed(100.0)]) == ("anti_passback", None)
    assert verdict(lane("timed"), [passed(700.0)]) == (None, None)
    assert verdict(lane("hard"), [passed(100.0)]) == (None, "anti_passback")


def test_news_that_is_lost_late_or_strange_denies_nobody() -> None:
    assert verdict(lane("timed"), []) == (None, None)
    assert verdict(lane("timed"), [passed(100.0)], Moment(NOW.unix, known=False)) == (None, None)
    assert verdict(lane("timed"), [passed(-CLOCKS_APART - 1)]) == (None, None), "of the future"
    assert verdict(lane("timed"), [passed(100.0, point="elsewhere")]) == (None, None)
    assert verdict(lane("timed"), [passed(50.0, "exit"), passed(100.0)]) == (None, None), "out of order"
    assert verdict(lane("hard"), [passed(100.0), passed(50.0, "exit", None)]) == (None, None)


def test_what_this_gate_saw_itself_counts_for_more_than_what_another_says_of_the_same_moment() -> None:
    access = lane("timed")
    access.passed("p", Direction.EXIT, 4999.0)
    assert verdict(access, [passed(-1.0)]) == (None, None)
