"""A lane with a runner and a turnstile played by the simplest thing that can: a dict of timers and two relays.

`Rig` performs effects as the runner must: in order, stopping at a record that fails. While it does, it checks what must
hold at every moment, whatever the order of events.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.arm import SAFETY, Arm, ArmTimer
from controller.lane.kind_settings import BarrierTimes, DoorTimes
from controller.lane.machine import Lane
from controller.lane.model import (
    Assessment,
    CredentialKind,
    Direction,
    FaultKind,
    LaneSettings,
    Liveness,
    Match,
    Screening,
    Verdict,
)
from controller.lane.sensed import Reading, Sensed, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable

    from controller.lane.access.keeper import Access
    from controller.lane.interlock import Interlock
    from controller.lane.sensed import AnyEvent

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def assessment(person: str | None = "p1", verdict: Verdict = Verdict.NORMAL, **changes: Any) -> Assessment:
    """Someone registered, alive and well, unless said otherwise."""
    value = 36.6 if verdict.is_result else None
    found = Assessment(
        match=None if person is None else Match(person=person, score=0.82, margin=0.4),
        ambiguous=False,
        liveness=Liveness.LIVE,
        screening=Screening(verdict=verdict, value=value, uncertainty=0.2, surface=34.1, frames=12),
        quality=0.8,
        faces=1,
        attempt=1,
    )
    return dataclasses.replace(found, **changes)


@dataclass
class Rig:
    """The lane, and what its effects have done."""

    lane: Lane
    settings: LaneSettings
    now: float = 0.0
    journal: list[fx.Append] = field(default_factory=list)
    """Records that reached the disk."""
    written: list[fx.Append] = field(default_factory=list)
    """Records that the lane asked for, whether or not they were reached."""
    lost: list[fx.Append] = field(default_factory=list)
    disk_fails: Callable[[fx.Append], bool] = lambda _: False
    timers: dict[str, tuple[float, int]] = field(default_factory=dict)
    unlocked: set[Direction] = field(default_factory=set)
    held: set[Direction] = field(default_factory=set)
    stop: bool = False
    arm_moves: list[fx.Effect] = field(default_factory=list)
    """What a barrier's arm was told beside `unlocked` and `held`."""
    prompt: tuple[fx.Prompt, str | None] = (fx.Prompt.OUT_OF_SERVICE, None)
    expected: fx.Expect | None = None
    """What perception was last told."""
    last: tuple[fx.Effect, ...] = ()
    """Effects of the latest event."""
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def new_id(self) -> str:
        return f"g{next(self._ids)}"

    def feed(self, kind: type[ev.LaneEvent], **values: Any) -> tuple[fx.Effect, ...]:
        """Feed an event and perform what comes of it; returns the effects."""
        return self.feed_event(kind(now=self.now, **values))

    def feed_event(self, event: AnyEvent) -> tuple[fx.Effect, ...]:
        closing = self.lane.place is Arm.CLOSING
        effects = self.lane.feed(event)
        self._check_arm(event, effects, closing=closing)
        self._check_order(effects)
        self._check_cause(event, effects)
        self.written += [effect for effect in effects if isinstance(effect, fx.Append)]
        failed = self._perform(effects)
        if failed is not None and not isinstance(event, ev.JournalFailed):
            self.feed_event(ev.JournalFailed(now=self.now, grant_id=failed.grant_id))
        self.last = effects
        self._check_outputs()
        self._check_grants(event, effects)
        if failed is None:
            self._check_claim()
        return effects

    def sense(self, sensor: Sensor, reading: Reading, *, found: bool = False) -> tuple[fx.Effect, ...]:
        """Let a sensor of a door or a barrier say something."""
        return self.feed_event(Sensed(now=self.now, sensor=sensor, reading=reading, found=found))

    def advance(self, seconds: float) -> None:
        """Let time pass; timers fire on the way."""
        end = self.now + seconds
        while self.timers:
            name, (due, token) = min(self.timers.items(), key=lambda timer: timer[1])
            if due > end:
                break
            self.now = max(self.now, due)
            del self.timers[name]
            self.feed(ev.TimerFired, name=name, token=token)
        self.now = end

    # What people do

    def boot(self) -> Rig:
        self.feed(ev.Booted)
        self.feed(ev.SelfTestPassed)
        return self

    def approach(self, presence: int = 0) -> None:
        self.feed(ev.Approached, presence=presence)

    def assess(
        self, found: Assessment | None = None, presence: int = 0, grant_id: str | None = None, **changes: Any
    ) -> str:
        """Let perception report; returns the id it offered. It did what it was told, unless `claimed` says not."""
        offered = grant_id or self.new_id()
        claimed = changes.pop("claimed", self.expected.person if self.expected else None)
        event = {"assessment": found or assessment(), "grant_id": offered, "presence": presence, "claimed": claimed}
        self.feed(ev.Assessed, **event, **changes)
        return offered

    def visit(self, person: str, **changes: Any) -> str:
        """Somebody comes and is looked at; returns the id that was offered."""
        self.approach()
        return self.assess(assessment(person), **changes)

    def present(self, person: str | None = "p1", kind: CredentialKind = CredentialKind.CARD, **changes: Any) -> None:
        """Somebody holds a card to the reader."""
        self.feed(ev.Presented, credential=kind, person=person, **changes)

    def contact(self, direction: Direction, *, active: bool) -> None:
        self.feed(ev.PassContact, direction=direction, active=active)

    def pass_through(self, direction: Direction = ENTRY, seconds: float = 0.4) -> None:
        self.contact(direction, active=True)
        self.advance(seconds)
        self.contact(direction, active=False)

    def admit(self, person: str = "p1", **changes: Any) -> str:
        """Somebody comes, is granted entry, and has not yet passed; returns the grant's id."""
        self.approach()
        grant_id = self.assess(assessment(person, **changes))
        assert self.lane.state is State.GRANTED
        return grant_id

    def open_once(self, direction: Direction = ENTRY, grant_id: str | None = None) -> str:
        offered = grant_id or self.new_id()
        self.feed(ev.OpenOnce, direction=direction, grant_id=offered, actor="guard")
        return offered

    def set_free(self, *, entry: bool = False, exit_: bool = False) -> None:
        self.feed(ev.SetFree, entry=entry, exit=exit_, actor="guard")

    # What can be asked

    def state(self) -> State:
        """Where the lane stands."""
        return self.lane.state

    def place(self) -> enum.Enum | None:
        """Where the leaf or the arm is."""
        return self.lane.place

    def is_stopped(self) -> bool:
        """Whether STOP is asserted."""
        return self.stop

    def shown(self) -> tuple[fx.Prompt, str | None]:
        """The prompt at the lane, and the reason beside it."""
        return self.prompt

    def kinds(self) -> list[fx.RecordKind]:
        return [record.kind for record in self.journal]

    def records(self, kind: fx.RecordKind) -> list[fx.Append]:
        return [record for record in self.journal if record.kind is kind]

    def outcomes(self, grant_id: str) -> list[object]:
        """Outcomes of every PASSAGE record of a grant; there has to be one, once it has ended."""
        passages = self.records(fx.RecordKind.PASSAGE)
        return [record.detail["outcome"] for record in passages if record.grant_id == grant_id]

    def moves(self) -> list[fx.Effect]:
        """Relay moves among the latest effects."""
        return [effect for effect in self.last if isinstance(effect, fx.Unlock | fx.Hold | fx.Relock | fx.BlockEntry)]

    def told_faults(self, kind: fx.RecordKind = fx.RecordKind.FAULT) -> list[object]:
        return [record.detail["fault"] for record in self.records(kind)]

    # What vehicles and an arm do at a barrier

    def drive_up(self) -> None:
        self.sense(Sensor.LOOP_FRONT, Reading.ON)

    def arm_goes_up(self) -> None:
        """The arm does what it was told."""
        self.sense(Sensor.ARM_DOWN, Reading.OFF)
        self.advance(2.0)
        self.sense(Sensor.ARM_UP, Reading.ON)

    def arm_comes_down(self) -> None:
        self.sense(Sensor.ARM_UP, Reading.OFF)
        self.advance(2.0)
        self.sense(Sensor.ARM_DOWN, Reading.ON)

    def drive_under(self) -> None:
        self.sense(Sensor.LOOP_ARM, Reading.ON)
        self.sense(Sensor.PHOTOCELL, Reading.ON)
        self.sense(Sensor.LOOP_FRONT, Reading.OFF)

    def drive_off(self) -> None:
        self.sense(Sensor.PHOTOCELL, Reading.OFF)
        self.sense(Sensor.LOOP_ARM, Reading.OFF)

    def let_car_in(self) -> str:
        self.drive_up()
        grant = self.admit()
        self.arm_goes_up()
        return grant

    # How effects are performed, and what must hold

    def _perform(  # noqa: C901, PLR0912 - one branch an effect is the table
        self, effects: tuple[fx.Effect, ...]
    ) -> fx.Append | None:
        for effect in effects:
            match effect:
                case fx.Append():
                    json.dumps(dict(effect.detail), allow_nan=False)
                    if self.disk_fails(effect):
                        self.lost.append(effect)
                        if self.settings.on_journal_failure_deny:
                            return effect
                    else:
                        self.journal.append(effect)
                case fx.Unlock(direction=direction):
                    self.unlocked.add(direction)
                case fx.Relock(direction=direction):
                    self.unlocked.discard(direction)
                    self.held.discard(direction)
                case fx.Hold(direction=direction, on=True):
                    self.unlocked.discard(direction)
                    self.held.add(direction)
                case fx.Hold(direction=direction):
                    self.held.discard(direction)
                case fx.BlockEntry(on=on):
                    self.stop = on
                case fx.Lower() | fx.Lift():
                    self.arm_moves.append(effect)
                case fx.Indicate(prompt=prompt, reason=reason):
                    self.prompt = prompt, reason
                case fx.ArmTimer(name=name, seconds=seconds, token=token):
                    assert seconds >= 0
                    self.timers[name] = self.now + seconds, token
                case fx.CancelTimer(name=name):
                    self.timers.pop(name, None)
                case fx.Reassess(hold_off=hold_off):
                    assert hold_off >= 0
                case fx.Expect():
                    self.expected = effect
        return None

    def _check_order(self, effects: tuple[fx.Effect, ...]) -> None:
        """Moves that make safe come before any record; an unlock comes after its grant's."""
        granted: set[str | None] = set()
        written = False
        for effect in effects:
            match effect:
                case fx.Append(kind=kind, grant_id=grant_id):
                    written = True
                    if kind is fx.RecordKind.GRANT:
                        granted.add(grant_id)
                case fx.Unlock(grant_id=grant_id):
                    assert grant_id in granted, "an unlock without its grant on record"
                case fx.Relock() | fx.Hold(on=False) | fx.BlockEntry(on=True) | fx.Hold(direction=Direction.EXIT):
                    assert not written, f"{effect} waits for the disk"
                case fx.Hold() | fx.BlockEntry():
                    facts = self.lane.facts
                    assert written or facts.emergency or facts.key, f"{effect} opens without a record"
                case _:
                    pass

    def _check_arm(self, event: AnyEvent, effects: tuple[fx.Effect, ...], *, closing: bool) -> None:
        """An arm comes down on nothing, and goes up again before anything else when something is there."""
        said = self.lane._core.body.sensed
        if fx.Lower() in effects:
            assert isinstance(event, ev.TimerFired)
            assert all(said.get(sensor) is Reading.OFF for sensor in SAFETY), f"closed on {said}"
        if closing and isinstance(event, Sensed) and event.sensor in SAFETY and event.reading is not Reading.OFF:
            assert effects[0] == fx.Lift()
        if self.lane.place is Arm.CLOSING:
            assert all(said.get(sensor) is Reading.OFF for sensor in SAFETY), f"coming down on {said}"

    def _check_cause(self, event: AnyEvent, effects: tuple[fx.Effect, ...]) -> None:
        """Only a finding, an order, fire or the key may open anything, and the way out who asks. A card never does."""
        asks = isinstance(event, Sensed) and event.sensor in (Sensor.REX, Sensor.LOOP_EXIT) and not event.found
        # Who waited on the loop inside while somebody came in is heard a little later.
        waits = isinstance(event, ev.TimerFired) and event.name == ArmTimer.EXIT_OVER.value
        if asks or (waits and self.lane._core.body.sensed.get(Sensor.LOOP_EXIT) is Reading.ON):
            effects = tuple(effect for effect in effects if effect != fx.Hold(EXIT, on=True))
        opening = [fx.Unlock, fx.Hold(ENTRY, on=True), fx.Hold(EXIT, on=True), fx.BlockEntry(on=False)]
        opens = [effect for effect in effects if effect in opening or isinstance(effect, fx.Unlock)]
        if not isinstance(event, ev.Assessed | ev.Command | ev.FireAlarm | ev.MechanicalKey):
            # A relay that disobeys in an emergency is told once more to open.
            again = isinstance(event, ev.RelayMismatch) and self.lane.facts.emergency
            assert again or not opens, f"{event} opened: {opens}"

    def _check_claim(self) -> None:
        """Perception is told of a claim and of its end, and no claim outlives its visit."""
        core = self.lane._core
        assert (self.expected or fx.Expect(None, face=not core.card_first)) == core.expectation()
        if core.claim is not None:
            assert self.lane.state in (State.SCREENING, State.DENIED)
            assert core.present or core.claim.presence is None
            assert core.claim.presence in (None, core.presence)

    def _check_grants(self, event: AnyEvent, effects: tuple[fx.Effect, ...]) -> None:
        """Where a card is required nobody is let in by face alone, nor as anybody but its owner."""
        for effect in effects:
            if not isinstance(effect, fx.Append) or effect.kind is not fx.RecordKind.GRANT:
                continue
            if not isinstance(event, ev.Assessed):
                continue
            card = effect.detail["credential"] in ("card", "qr", "pin", "plate")
            faults = self.lane.faults
            assert FaultKind.SENSOR_THERMAL not in faults, "let in by itself without a temperature"
            assert FaultKind.CAMERA not in faults or (card and not event.second_factor), "let in by a face unseen"
            assert card == (event.claimed is not None)
            assert not card or effect.person == event.claimed
            if self.settings.require in ("card", "face_and_card") or event.second_factor:
                assert card
            if self.settings.require == "face_and_card" and effect.detail["verified"] is not None:
                assert effect.detail["verified"]

    def _check_outputs(self) -> None:
        facts = self.lane.facts
        if facts.emergency:
            assert self.held == {ENTRY, EXIT}
            assert not self.stop
        if facts.key:
            assert not self.stop
        assert EXIT in self.held or EXIT not in facts.held, "egress is hindered"
        if self.lane.state is not State.PASSING:
            assert self.stop == facts.stops_entry
        if facts.lockdown and not facts.emergency:
            assert ENTRY not in self.held
        for direction, grant in self.lane.grants.items():
            assert grant.direction is direction
        if self.lane.state in (State.GRANTED, State.PASSING):
            assert self.lane.grant is not None
        else:
            assert self.lane.grant is None
        # A door may stay released until it shuts.
        using = {State.GRANTED, State.PASSING} if self.settings.kind == "door" else {State.GRANTED}
        if self.lane.state not in using:
            assert ENTRY not in self.unlocked, "unlocked beyond its grant"


if TYPE_CHECKING:
    MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig() -> MakeRig:
    """Make a rig that hasn't booted, with some settings changed."""

    def make(access: Access | None = None, interlock: Interlock | None = None, **settings: Any) -> Rig:
        chosen = LaneSettings(**settings)
        return Rig(Lane(chosen, access, interlock), chosen)

    return make


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """A rig in service."""
    return make_rig().boot()


@pytest.fixture
def make_door(make_rig: MakeRig) -> MakeRig:
    """Make a door in service, shut: `times` of [lane.door], other settings."""

    def make(times: dict[str, Any] | None = None, **settings: Any) -> Rig:
        rig = make_rig(kind="door", door=DoorTimes(**(times or {})), **settings).boot()
        rig.sense(Sensor.DOOR, Reading.OFF, found=True)
        return rig

    return make


@pytest.fixture
def door(make_door: MakeRig) -> Rig:
    """A door in service, shut."""
    return make_door()


@pytest.fixture
def make_barrier(make_rig: MakeRig) -> MakeRig:
    """Make a barrier in service, nothing near it, its arm down or `up`: `times` of [lane.barrier], other settings."""

    def make(times: dict[str, Any] | None = None, *, up: bool = False, **settings: Any) -> Rig:
        rig = make_rig(kind="barrier", barrier=BarrierTimes(**(times or {})), passage_wait=15.0, **settings)
        for sensor in (Sensor.LOOP_FRONT, Sensor.LOOP_ARM, Sensor.LOOP_EXIT, Sensor.PHOTOCELL, Sensor.POWER_FAIL):
            rig.sense(sensor, Reading.OFF, found=True)
        rig.sense(Sensor.ARM_UP, Reading.ON if up else Reading.OFF, found=True)
        rig.sense(Sensor.ARM_DOWN, Reading.OFF if up else Reading.ON, found=True)
        return rig.boot()

    return make


@pytest.fixture
def barrier(make_barrier: MakeRig) -> Rig:
    """A barrier in service, its arm down."""
    return make_barrier()


@pytest.fixture
def someone() -> Callable[..., Assessment]:
    """`assessment` above: makes a finding about a person."""
    return assessment
