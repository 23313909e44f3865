"""Orders from the campus: what is carried out, and that nothing else ever moves a lock."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import ConfigError, StoreError
from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.machine import Lane
from controller.lane.model import LaneSettings
from controller.lane.states import State
from controller.link import commands as wire
from controller.link import signing
from controller.orders.desk import RECEIVED, ROTATE_EVERY, CommandDesk, CommandersFile, Identity
from controller.record.entry import Entry, Stored
from controller.watch import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.link.messages import ClockState

pytestmark = pytest.mark.asyncio

TIMES = int(os.environ.get("THERMOGATE_FUZZ", "1"))
"""How often the usual number of changed commands is tried."""
NOW = 1_790_000_000.0
BOOT = "boot-1"


@dataclass
class Book:
    """A journal in memory, whose disk may be full."""

    entries: list[Entry] = field(default_factory=list)
    full: bool = False

    async def append(self, entry: Entry, *, timeout: float | None = None) -> Stored:  # noqa: ASYNC109, ARG002 - the port's
        if self.full:
            raise StoreError("journal: no space left on device")
        self.entries.append(entry)
        return Stored(1, len(self.entries), BOOT, entry)


class Rig:
    """The desk, the lane behind it, and what moved."""

    def __init__(self, *, answer_within: float = 5.0) -> None:
        self.now = 100.0
        """Monotonic seconds."""
        self.wall = NOW
        self.clock_state: ClockState = "synchronised"
        self.book = Book()
        self.gate_key = Ed25519PrivateKey.generate()
        self.hub_key = Ed25519PrivateKey.generate()
        self.stranger = Ed25519PrivateKey.generate()
        self.commanders = signing.Commanders(
            "test",
            (
                signing.Commander(
                    public=signing.public_text(self.hub_key.public_key()),
                    actors={"admin": ("*",), "guard": ("open_once", "self_test")},
                ),
            ),
        )
        self.lane = Lane(LaneSettings())
        self.moved: list[fx.Effect] = []
        """Everything the lane had done to the gate."""
        self.deeds: list[str] = []
        self.answers = True
        """Whether the lane's steps are seen, as they are unless the loop is stuck."""
        for event in (ev.Booted(now=1.0), ev.SelfTestPassed(now=2.0)):
            self.lane.feed(event)
        self.desk = CommandDesk(
            Identity("school", "north", BOOT, self.gate_key),
            lambda: self.commanders,
            monotonic=lambda: self.now,
            wall=lambda: self.wall,
            clock_state=lambda: self.clock_state,
            journal=self.book,
            append_timeout=1.0,
            degraded=False,
            post=self._post,
            lane_state=lambda: self.lane.state.value,
            deeds={name: self._deed(name) for name in ("reread", "self_test", "restart", "reboot")},
            answer_within=answer_within,
        )

    def _deed(self, name: str) -> Any:
        async def done() -> dict[str, str]:
            self.deeds.append(name)
            return {"done": name}

        return done

    def _post(self, event: ev.LaneEvent) -> None:
        """As the runner does: records first, and nothing after one that failed."""
        before = self.lane.state
        effects = self.lane.feed(event)
        stored: list[Stored] = []
        for effect in effects:
            if not isinstance(effect, fx.Append):
                self.moved.append(effect)
            elif self.book.full:
                break
            else:
                entry = Entry(effect.kind.value, 0.0, 0.0, "unknown", effect.grant_id, effect.person, effect.detail)
                stored.append(Stored(1, len(stored) + 1, BOOT, entry))
        if self.answers:
            self.desk.on_step(Step(event, before, self.lane.state, effects, tuple(stored), 0.0, 0.0))

    def command(self, action: wire.AnyAction | None = None, **changes: Any) -> wire.Command:
        """A command that would be carried out, but for the changes."""
        values: dict[str, Any] = {
            "cmd_id": secrets.token_hex(16),
            "campus": "school",
            "gate": "north",
            "boot_id": BOOT,
            "challenge": self.desk.challenges.newest,
            "expires": self.wall + 10,
            "actor": "admin",
            "reason": "a visitor",
            "action": action or wire.OpenOnce(direction="entry"),
        }
        return wire.Command(**(values | changes))

    def signed(self, command: wire.Command, key: Ed25519PrivateKey | None = None, prefix: bytes = b"") -> bytes:
        return signing.sign(key or self.hub_key, prefix or signing.COMMAND, wire.encode(command))

    async def give(self, command: wire.Command, *, retained: bool = False) -> wire.Reply:
        """Give a signed command, and read the signed reply."""
        answer = await self.desk.take(self.signed(command), retained=retained)
        assert answer is not None
        return self.read(answer)

    def read(self, answer: bytes) -> wire.Reply:
        signed = signing.read_signed("reply", answer)
        return wire.read_reply("reply", signing.verify("reply", signed, self.gate_key.public_key(), signing.REPLY))

    @property
    def opened(self) -> bool:
        """Whether a way was opened."""
        return any(
            isinstance(effect, fx.Unlock) or (isinstance(effect, fx.Hold) and effect.on) for effect in self.moved
        )


async def test_a_guards_word_opens_once() -> None:
    rig = Rig()
    command = rig.command(actor="guard")
    reply = await rig.give(command)
    assert (reply.accepted, reply.refused, reply.lane) == (True, None, State.GRANTED.value)
    assert reply.cmd_id == command.cmd_id
    assert rig.opened
    (note,) = rig.book.entries
    assert note.kind == RECEIVED
    assert note.detail["cmd_id"] == command.cmd_id
    assert (note.detail["actor"], note.detail["reason"], note.detail["command"]) == ("guard", "a visitor", "open_once")


async def test_every_action_is_carried_out() -> None:
    rig = Rig()
    for action, state in (
        (wire.Lockdown(active=True), State.LOCKDOWN),
        (wire.Lockdown(active=False), State.LOCKED),
        (wire.Maintenance(active=True), State.MAINTENANCE),
        (wire.Maintenance(active=False), State.LOCKED),
        (wire.SetFree(entry=True, exit=True), State.FREE_BOTH),
        (wire.SetFree(entry=False, exit=False), State.LOCKED),
        (wire.OpenOnce(direction="exit"), State.LOCKED),
    ):
        reply = await rig.give(rig.command(action))
        assert (reply.accepted, reply.lane) == (True, state.value), action
    for deed in (wire.Reread(), wire.SelfTest(), wire.Restart(), wire.Reboot()):
        reply = await rig.give(rig.command(deed))
        assert (reply.accepted, reply.detail) == (True, {"done": wire.name_of(deed)})
    assert rig.deeds == ["reread", "self_test", "restart", "reboot"]
    refused = await rig.give(rig.command(wire.Reset()))
    assert (refused.accepted, refused.refused) == (False, "refused_by_lane/nothing_to_reset")
    assert (await rig.give(rig.command(wire.Acknowledge()))).refused == "refused_by_lane/nothing_to_acknowledge"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gate": "south"}, "other_gate"),
        ({"campus": "elsewhere"}, "other_gate"),
        ({"boot_id": "boot-0"}, "other_boot"),
        ({"challenge": "0" * 32}, "old_challenge"),
        ({"expires": NOW - 3}, "expired"),
        ({"expires": NOW + 60}, "not_yet"),
        ({"actor": "guard", "action": wire.Lockdown(active=True)}, "not_permitted"),
        ({"actor": "nobody"}, "not_permitted"),
    ],
)
async def test_what_breaks_a_rule_moves_nothing(changes: dict[str, Any], reason: str) -> None:
    rig = Rig()
    action = changes.pop("action", None)
    reply = await rig.give(rig.command(action, **changes))
    assert (reply.accepted, reply.refused) == (False, reason)
    assert not rig.moved
    assert not rig.book.entries
    assert rig.desk.refused[reason] == 1


async def test_what_is_not_signed_by_a_commander_is_not_answered() -> None:
    rig = Rig()
    command = rig.command()
    good = rig.signed(command)
    assert await rig.desk.take(good, retained=True) is None
    assert await rig.desk.take(rig.signed(command, rig.stranger), retained=False) is None
    # A signature for something else is none for this.
    assert await rig.desk.take(rig.signed(command, prefix=signing.REPLY), retained=False) is None
    other = json.loads(rig.signed(rig.command(reason="another")))
    mixed = json.loads(good) | {"body": other["body"]}
    assert await rig.desk.take(json.dumps(mixed).encode(), retained=False) is None
    assert rig.desk.refused == {"retained": 1, "unknown_key": 1, "bad_signature": 2}
    assert not rig.moved


async def test_a_command_counts_once() -> None:
    rig = Rig()
    payload = rig.signed(rig.command(wire.SetFree(entry=True, exit=False)))
    first = await rig.desk.take(payload, retained=False)
    assert first is not None
    assert rig.read(first).accepted
    back = await rig.give(rig.command(wire.SetFree(entry=False, exit=False)))
    assert back.accepted
    rig.moved.clear()
    second = await rig.desk.take(payload, retained=False)
    assert second is not None
    assert rig.read(second).refused == "seen"
    assert not rig.moved


async def test_a_command_that_lay_for_a_while_is_refused_without_any_clock() -> None:
    """Two turns of the challenge, and whoever recorded it has nothing; ids need not be kept beyond."""
    rig = Rig()
    rig.clock_state = "unsynchronised"
    late = rig.command(expires=0.0)
    assert (await rig.give(late)).accepted, "with a clock that is wrong, expiry says nothing"
    lying = rig.command(expires=NOW + 1e9)
    rig.now += ROTATE_EVERY
    assert (await rig.give(rig.command(wire.SelfTest()))).accepted
    rig.now += ROTATE_EVERY
    rig.moved.clear()
    assert (await rig.give(lying)).refused == "old_challenge"
    assert not rig.moved


async def test_the_challenge_before_still_counts_once_it_was_renewed() -> None:
    rig = Rig()
    on_its_way = rig.command(wire.SelfTest())
    rig.now += ROTATE_EVERY + 1
    assert rig.desk.challenges.turn()
    assert (await rig.give(on_its_way)).accepted
    # After a pause of the program the one before is as old as the pause.
    old = rig.command(wire.SelfTest())
    rig.now += 10 * ROTATE_EVERY
    assert (await rig.give(old)).refused == "old_challenge"


async def test_a_full_disk_opens_nothing_and_still_locks_down() -> None:
    rig = Rig()
    rig.book.full = True
    assert (await rig.give(rig.command())).refused == "journal_failed"
    assert (await rig.give(rig.command(wire.Lockdown(active=False)))).refused == "journal_failed"
    assert not rig.opened
    reply = await rig.give(rig.command(wire.Lockdown(active=True)))
    assert (reply.accepted, reply.lane) == (True, State.LOCKDOWN.value)


async def test_a_lane_that_refuses_says_why() -> None:
    rig = Rig()
    assert (await rig.give(rig.command(wire.Lockdown(active=True)))).accepted
    reply = await rig.give(rig.command())
    assert reply.refused == "refused_by_lane/lockdown"
    warm = rig.command(wire.OpenOnce(direction="entry", temperature=36.4))
    assert (await rig.give(warm)).refused is not None
    assert not rig.opened


async def test_a_lane_that_does_not_answer_is_said() -> None:
    rig = Rig(answer_within=0.01)
    rig.answers = False
    assert (await rig.give(rig.command())).refused == "no_answer"


async def test_keys_end_with_their_last_day_and_overlap_while_they_are_rotated() -> None:
    rig = Rig()
    today = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
    day = dt.timedelta(days=1)
    text = signing.public_text(rig.hub_key.public_key())

    def only(**span: dt.date) -> None:
        commander = signing.Commander(public=text, actors={"admin": ("*",)}, **span)
        rig.commanders = signing.Commanders("test", (commander,))

    only(not_after=today)
    assert (await rig.give(rig.command(wire.SelfTest()))).accepted
    only(not_after=today - day)
    assert (await rig.give(rig.command(wire.SelfTest()))).refused == "key_expired"
    only(not_before=today + day)
    assert (await rig.give(rig.command(wire.SelfTest()))).refused == "key_expired"
    # Without a clock that is right nobody is locked out by a date.
    rig.clock_state = "unsynchronised"
    assert (await rig.give(rig.command(wire.SelfTest()))).accepted


async def test_unknown_fields_and_actions_are_refused() -> None:
    rig = Rig()
    changes: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
        lambda made: made | {"unless": "raining"},
        lambda made: made | {"action": {"do": "open_all"}},
        lambda made: made | {"action": made["action"] | {"seconds": 600}},
        lambda made: made | {"reason": ""},
        lambda made: made | {"expires": None},
        lambda made: made | {"cmd_id": made["cmd_id"] + "\n"},
    )
    for change in changes:
        body = json.dumps(change(json.loads(wire.encode(rig.command())))).encode()
        assert await rig.desk.take(signing.sign(rig.hub_key, signing.COMMAND, body), retained=False) is None
    assert rig.desk.refused == {"malformed": 6}
    assert not rig.moved


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "cmd_id": st.sampled_from(["0" * 32, "f" * 32]),
    "gate": st.sampled_from(["north", "south"]),
    "campus": st.sampled_from(["school", "town"]),
    "boot_id": st.sampled_from([BOOT, "boot-0", ""]),
    "challenge": st.sampled_from(["newest", "before", "older", "0" * 32]),
    "expires": st.sampled_from([NOW - 100, NOW - 1, NOW, NOW + 5, NOW + 11, NOW + 100, 0.0, 1e300]),
    "actor": st.sampled_from(["admin", "guard", "cook"]),
    "key": st.sampled_from(["hub", "stranger"]),
    "retained": st.booleans(),
    "prefix": st.sampled_from([signing.COMMAND, signing.REPLY, b"x"]),
}


@settings(max_examples=300, deadline=None)
@given(orders=st.lists(st.fixed_dictionaries({}, optional=FIELDS), min_size=1, max_size=4))
async def test_only_what_keeps_every_rule_opens(orders: list[dict[str, Any]]) -> None:
    """Validly made commands with any of their fields changed, replayed and reordered, against the rules in words."""
    rig = Rig()
    known = {"older": rig.desk.challenges.newest}
    for name in ("before", "newest"):
        rig.now += ROTATE_EVERY
        rig.desk.challenges.turn()
        known[name] = rig.desk.challenges.newest
    carried_out: set[str] = set()
    for order in orders:
        changed = dict(order)
        key = rig.stranger if changed.pop("key", "hub") == "stranger" else rig.hub_key
        retained, prefix = changed.pop("retained", False), changed.pop("prefix", signing.COMMAND)
        if "challenge" in changed:
            changed["challenge"] = known.get(changed["challenge"], changed["challenge"])
        command = rig.command(**changed)
        rig.moved.clear()
        await rig.desk.take(rig.signed(command, key, prefix), retained=retained)
        allowed = (
            key is rig.hub_key
            and prefix == signing.COMMAND
            and not retained
            and (command.campus, command.gate, command.boot_id) == ("school", "north", BOOT)
            and command.challenge in (known["newest"], known["before"])
            and NOW - 2 <= command.expires <= NOW + 12
            and command.actor in ("admin", "guard")
            and command.cmd_id not in carried_out
        )
        if allowed:
            carried_out.add(command.cmd_id)
        assert not rig.opened or allowed
        # The lane itself refuses a second grant while the first stands: then it is asked, and says so.
        assert not allowed or rig.desk.refused["refused_by_lane"] or rig.opened


def _mangled(random: Random, payloads: tuple[bytes, bytes]) -> bytes:
    """One message with bytes changed, cut out, doubled, or spliced with another one's."""
    first, second = payloads
    at, until = sorted((random.randrange(len(first)), random.randrange(1, len(first) + 1)))
    match random.randrange(5):
        case 0:
            return first[:at]
        case 1:
            return first[:at] + first[until:]
        case 2:
            return first[:until] + first[at:]
        case 3:
            return first[:at] + second[at:]
        case _:
            changed = bytearray(first)
            for _ in range(random.randrange(1, 4)):
                changed[random.randrange(len(changed))] = random.randrange(256)
            return bytes(changed)


@pytest.mark.timeout(300 * TIMES)
async def test_no_changed_byte_opens() -> None:
    """20,000 mangled messages (THERMOGATE_FUZZ=50: a million), byte by byte and spliced from two good ones."""
    random = Random(7)
    rig = Rig()
    good = [rig.signed(rig.command(reason=f"visitor {number}")) for number in range(20)]
    spelled = 0
    for _ in range(20_000 * TIMES):
        pair = random.choice(good), random.choice(good)
        payload = _mangled(random, pair)
        rig.now = 100.0
        await rig.desk.take(payload, retained=False)
        if rig.moved or rig.book.entries:
            # Only the very bytes that were signed may do that, however they are spelled: JSON has white space,
            # and base64 spare bits at its end.
            signed = signing.read_signed("cmd", payload)
            body = signing.verify("cmd", signed, rig.hub_key.public_key(), signing.COMMAND)
            assert wire.read_command("cmd", body).reason.startswith("visitor")
            spelled += 1
            rig.moved.clear()
            rig.book.entries.clear()
    assert rig.desk.refused.total() + spelled >= 20_000 * TIMES - spelled
    assert spelled <= 20


async def test_the_list_of_commanders_is_followed_and_a_slip_leaves_nobody_in_charge(tmp_path: Path) -> None:
    rig = Rig()
    path = tmp_path / "commanders.toml"
    text = signing.public_text(rig.hub_key.public_key())
    path.write_text(f'[[commander]]\npublic = "{text}"\n[commander.actors]\nadmin = ["*"]\n')
    file = CommandersFile(path)
    key = signing.key_id(rig.hub_key.public_key())
    assert file.now().may(key, "admin", "lockdown")
    path.write_text("")
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert len(file.now()) == 0
    path.write_text("[[commander]]\npublic = 7\n")
    os.utime(path, (time.time() + 10, time.time() + 10))
    assert len(file.now()) == 0
    with pytest.raises(ConfigError, match=r"commanders\.toml.*public"):
        CommandersFile(path)


async def test_keys_are_private_and_wrong_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    made = signing.create_private(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert signing.key_id(signing.read_private(path).public_key()) == signing.key_id(made.public_key())
    with pytest.raises(ConfigError, match="cannot be made"):
        signing.create_private(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        signing.read_private(path)
    path.chmod(0o600)
    path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match=r"hub\.key: is no private key"):
        signing.read_private(path)
    twice = signing.Commander(public=signing.public_text(made.public_key()), actors={})
    with pytest.raises(ConfigError, match="commander 2: this key stands there twice"):
        signing.Commanders("list", (twice, twice))
    with pytest.raises(ConfigError, match="commander 1: public: is no Ed25519"):
        signing.Commanders("list", (signing.Commander(public="AAAA", actors={}),))


async def test_orders_wait_for_each_other() -> None:
    """Two at once are two: the id of each is taken before the disk is waited for."""
    rig = Rig()
    command = rig.signed(rig.command(wire.SetFree(entry=True, exit=False)))
    answers = await asyncio.gather(*(rig.desk.take(command, retained=False) for _ in range(5)))
    replies = [rig.read(answer) for answer in answers if answer is not None]
    assert sorted(reply.refused or "" for reply in replies) == ["", "seen", "seen", "seen", "seen"]


async def test_a_key_as_a_credential_has_the_mask_of_its_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd gives a root's file to the service's user by an ACL; elsewhere the same mode is refused."""
    if os.geteuid() != 0:
        pytest.skip("a credential is root's")
    path = tmp_path / "orders.key"
    signing.create_private(path)
    path.chmod(0o440)
    with pytest.raises(ConfigError, match="others may read this key"):
        signing.read_private(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    signing.read_private(path)
    path.chmod(0o444)
    with pytest.raises(ConfigError, match="others may read this key"):
        signing.read_private(path)
