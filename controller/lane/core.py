"""What the handlers share: the lane's memory, and the list of effects that one event adds up to."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from controller.lane import effects as fx
from controller.lane.access.keeper import Access
from controller.lane.facts import Facts, resting, standing_prompt
from controller.lane.model import Direction, FaultKind, Outcome
from controller.lane.policy import RepeatedFailures
from controller.lane.sensed import Reading, Sensor
from controller.lane.states import IDLE, State, Timer

if TYPE_CHECKING:
    import enum

    from controller.lane.interlock import Interlock
    from controller.lane.kind_settings import Others
    from controller.lane.model import Claim, Grant, LaneSettings, Waiting

REMEMBERED_GRANTS = 256

Scalar = str | float | int | bool | None
Shown = tuple[fx.Prompt, str | None]

_STATE_TIMERS = {
    State.SCREENING: Timer.SCREENING,
    State.GRANTED: Timer.GRANT,
    State.PASSING: Timer.PASSING,
    State.COMPLETE: Timer.SHOW,
    State.DENIED: Timer.SHOW,
    State.GRANT_EXPIRED: Timer.SHOW,
    State.LANE_OCCUPIED: Timer.SHOW,
}

_YIELD_TO_ALARM = frozenset({fx.Prompt.IDLE, fx.Prompt.LOOK_HERE, fx.Prompt.WAIT})
"""Prompts that can wait until an alarm has been seen."""


def _tolerated(settings: LaneSettings) -> frozenset[FaultKind]:
    told = {
        FaultKind.JOURNAL: not settings.on_journal_failure_deny,
        FaultKind.SENSOR_THERMAL: settings.on_thermal_lost == "manual",
        FaultKind.CAMERA: settings.on_camera_lost == "cards",
    }
    return frozenset(fault for fault, lived_with in told.items() if lived_with)


def _is_unwritable(value: Scalar) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


class EffectList:
    """Collects one event's effects, and puts what makes safe before the records and what opens after them."""

    def __init__(self) -> None:
        self.moves: list[fx.Effect] = []
        """Relay moves that make safe, or free a way out: no disk may stand in their way."""
        self.signs: list[fx.Effect] = []
        """Prompts, timers and requests that depend on nothing."""
        self.records: list[fx.Effect] = []
        self.then: list[fx.Effect] = []
        """What must not happen unless the records are on disk."""
        self.alarms: list[str] = []
        """Alarms that no record tells of yet."""
        self.remind = False
        """The lane has come up: alarms of before are to be shown again."""

    def in_order(self) -> tuple[fx.Effect, ...]:
        """Return the list as the runner has to perform it."""
        return (*self.moves, *self.signs, *self.records, *self.then)


@dataclass(slots=True)
class Body:
    """What the lane knows of a door's leaf or a barrier's arm; a turnstile has none."""

    place: enum.Enum = State.BOOT
    """Where it is."""
    since: float = 0.0
    """Since when."""
    sensed: dict[Sensor, Reading] = field(default_factory=dict)
    """What its sensors said last; one that is not here never said anything."""
    lowers: bool = False
    """The arm was sent up, and is to come down once nothing wants it up."""
    unrecorded: tuple[enum.Enum, bool] | None = None
    """`place` and `lowers` before a grant sent the arm up whose record is not on disk yet."""
    alarm: str | None = None
    """What is to be shown as an alarm once the lane has settled."""
    overlooked: bool = False
    """Whatever is under the arm was there before the lane knew of any passage, or counts as passed."""


class Core:
    """The lane's memory. `machine.Lane` owns it; handlers read and change it.

    Args:
        settings: times and limits.
        access: who may pass here; None: everybody who is recognised.
        interlock: shared by lanes of which only one may be open.
    """

    def __init__(
        self,
        settings: LaneSettings,
        access: Access | None = None,
        interlock: Interlock | None = None,
    ) -> None:
        self.settings = settings
        self.interlock = interlock
        self.access = Access.of_lane(settings.anti_passback) if access is None else access
        self.facts = Facts(tolerated=_tolerated(settings))
        self.state = State.BOOT
        self.standing = State.BOOT
        """The standing state last recorded; a visit's states don't change it."""
        self.now = 0.0
        self.grants: dict[Direction, Grant] = {}
        """Outstanding grants, by direction."""
        self.used: deque[str] = deque(maxlen=REMEMBERED_GRANTS)
        """Ids of the latest grants: an order that comes twice must not open twice."""
        self.contacts: set[Direction] = set()
        """Passage contacts that are active."""
        self.rose: dict[Direction, float] = {}
        """When each passage contact last became active."""
        self.present, self.presence = False, 0
        self.fresh = False
        """Whoever stands there came after the latest grant."""
        self.failures = RepeatedFailures(settings.failed_attempts)
        self.waiting: Waiting | None = None
        """Who waits for the guard's thermometer."""
        self.claim: Claim | None = None
        """Who presented a card, and has not been decided upon."""
        self.expected = self.expectation()
        """What perception was last told to compare with."""
        self.unseen = 0
        """Grants in a row without a passage."""
        self.last_entry: tuple[float, str] | None = None
        """End and grant_id of the last completed entry."""
        self.away = False
        """The barrier is not home."""
        self.leaving = False
        """The grant to leave is being used."""
        self.open_passages: dict[Direction, str] = {}
        """Passages without a grant that have begun and are in order, with what made them so."""
        self.show_until = 0.0
        self.prompt: Shown = (fx.Prompt.OUT_OF_SERVICE, None)
        """What is shown."""
        self.alarms: dict[str, bool] = {}
        """Alarms by their reason, and whether the guard has acknowledged them; see `alarms`."""
        self.body = Body()
        self.effects = EffectList()
        self.undo: Facts | None = None
        """The facts before an order whose outputs wait for its record."""
        self._wanted: Shown = self.prompt
        self._alarm = False
        self._timers: dict[enum.Enum, int] = {}
        self._token = 0
        self._held, self._stopped, self._silent = frozenset[Direction](), False, False

    # Effects

    def take(self) -> tuple[fx.Effect, ...]:
        """Hand out what has been collected."""
        for reason in self.effects.alarms:
            if not self.effects.records:
                self.record(fx.RecordKind.WARNING, {"reason": reason})
            self._tag(reason)
        effects, self.effects = self.effects, EffectList()
        return effects.in_order()

    def record(
        self, kind: fx.RecordKind, detail: dict[str, Scalar], *, grant_id: str | None = None, person: str | None = None
    ) -> None:
        """Write to the journal. Numbers that JSON doesn't know (infinite, NaN) become None."""
        flat = {key: None if _is_unwritable(value) else value for key, value in detail.items()}
        self.effects.records.append(fx.Append(kind, grant_id, person, flat))

    def show(self, prompt: fx.Prompt, reason: str | None = None, *, after_records: bool = False) -> None:
        """Show a prompt; one of little urgency waits for an alarm to have been seen."""
        self._wanted = (prompt, reason)
        if self._alarm:
            if prompt in _YIELD_TO_ALARM:
                return
            self._alarm = False
            self.cancel(Timer.ALARM)
        self._display(prompt, reason, self.effects.then if after_records else self.effects.signs)

    def alarm(self, reason: str) -> None:
        """Show an alarm for a while, and sound it until it is acknowledged.

        Not in an emergency: the way out must stay signed. The record of what it is about says so when it is new on the
        list: a restart takes the list from there.
        """
        if self.facts.emergency:
            return
        if reason not in self.alarms:
            self.alarms[reason] = False
            if self.effects.records:
                self._tag(reason)
            else:
                self.effects.alarms.append(reason)
        self._show_alarm(reason)

    def remind(self) -> None:
        """Show again, and sound, the first of those that nobody had acknowledged before a restart.

        Once the lane has settled: the sign of one that is out of service would cover it.
        """
        waiting = sorted(reason for reason, known in self.alarms.items() if not known)
        if self.effects.remind and waiting and not self.facts.emergency:
            self._show_alarm(waiting[0])

    def _show_alarm(self, reason: str) -> None:
        self._alarm = True
        self._display(fx.Prompt.ALARM, reason, self.effects.signs, silent=self.alarms[reason])
        self.arm(Timer.ALARM, self.settings.alarm_show)

    def _tag(self, reason: str) -> None:
        record = self.effects.records[-1]
        if isinstance(record, fx.Append):
            told = f"{record.detail['alarm']} {reason}" if "alarm" in record.detail else reason
            self.effects.records[-1] = replace(record, detail={**record.detail, "alarm": told})

    def silence(self) -> None:
        """Go on showing an alarm without its sound."""
        if self._alarm:
            self._display(*self.prompt, self.effects.signs, silent=True)

    def alarm_over(self) -> None:
        """Show what the alarm was hiding."""
        self._alarm = False
        self._display(*self._wanted, self.effects.signs)

    def _display(self, prompt: fx.Prompt, reason: str | None, place: list[fx.Effect], *, silent: bool = False) -> None:
        if (*self.prompt, self._silent) != (prompt, reason, silent):
            self.prompt, self._silent = (prompt, reason), silent
            place.append(fx.Indicate(prompt, reason, silent))

    # Timers

    def arm(self, timer: enum.Enum, seconds: float, *, after_records: bool = False) -> None:
        """Start a timer, in place of an earlier one of that name."""
        self._token += 1
        self._timers[timer] = self._token
        place = self.effects.then if after_records else self.effects.signs
        place.append(fx.ArmTimer(timer.value, seconds, self._token))

    def cancel(self, timer: enum.Enum) -> None:
        """Forget a timer; harmless when it isn't armed."""
        if self._timers.pop(timer, None) is not None:
            self.effects.signs.append(fx.CancelTimer(timer.value))

    def is_armed(self, timer: enum.Enum) -> bool:
        """Whether a timer runs."""
        return timer in self._timers

    def accept_timer(self, name: str, token: int) -> bool:
        """Whether this is the timer last armed under that name, and not a stale one; it counts as run out then."""
        timer = next((timer for timer, armed in self._timers.items() if timer.value == name and armed == token), None)
        if timer is None:
            return False
        del self._timers[timer]
        return True

    # Outputs

    def give(self, grant: Grant, detail: dict[str, Scalar]) -> None:
        """Make a grant outstanding: its record, and once that is on disk, the lock."""
        self.grants[grant.direction] = grant
        self.used.append(grant.grant_id)
        self.fresh = False
        told: dict[str, Scalar] = {"direction": grant.direction.value, "credential": grant.credential.value}
        self.record(fx.RecordKind.GRANT, told | detail, grant_id=grant.grant_id, person=grant.person)
        window = max(0.0, grant.deadline - grant.granted_at)
        self.effects.then.append(fx.Unlock(grant.direction, self.settings.unlock_pulse, grant.grant_id, window))

    def relock(self, direction: Direction) -> None:
        """End an unlock, unless the direction is held open by what stands."""
        if direction not in self.facts.held:
            self.effects.moves.append(fx.Relock(direction))

    def hold_everything(self) -> None:
        """Free both ways, whatever was commanded before: what opens in a fire may be said twice."""
        self._held = self.facts.held
        self._stopped = False
        self.effects.moves += [fx.Hold(direction, on=True) for direction in Direction]
        self.effects.moves.append(fx.BlockEntry(on=False))

    def drive(self) -> bool:
        """Bring the held outputs in line with the facts; True when one of them waits for the records.

        A passage under way is never stopped: STOP waits until the person is through.
        """
        facts, effects = self.facts, self.effects
        gated = len(effects.then)
        for direction in Direction:
            on = direction in facts.held
            if on != (direction in self._held):
                # Only opening the entry by an order waits for the disk; egress never does.
                place = effects.then if on and direction is Direction.ENTRY else effects.moves
                place.append(fx.Hold(direction, on=on))
        self._held = facts.held
        if facts.stops_entry != self._stopped and not (facts.stops_entry and self.state is State.PASSING):
            self._stopped = facts.stops_entry
            place = effects.moves if self._stopped or facts.key else effects.then
            place.append(fx.BlockEntry(on=self._stopped))
        return len(effects.then) > gated

    @property
    def interlocked(self) -> bool:
        """Whether nobody may be let in, as another lane of the interlock is open."""
        return self.interlock is not None and self.interlock.bars(self)

    @property
    def wanted(self) -> Shown:
        """What is shown, or would be but for an alarm."""
        return self._wanted

    def note_open(self, *, mechanics: bool) -> None:
        """Tell the interlock whether somebody may get in here, or is on the way.

        `mechanics`: whether the arms, the leaf or the arm are not where nobody passes.
        """
        if self.interlock is not None:
            entered = self.state in (State.GRANTED, State.PASSING) or Direction.ENTRY in self.facts.held
            self.interlock.note(self, is_open=entered or self.facts.key or mechanics)

    def expectation(self) -> fx.Expect:
        """Whom perception is to compare with: a function of the claim and of what this lane requires."""
        if self.claim is not None:
            return fx.Expect(self.claim.person, self.claim.face)
        return fx.Expect(None, face=not self.card_first)

    @property
    def tailgate_window(self) -> float:
        """Seconds after a completed entry in which another is a tailgater's; at a barrier, until the arm is down."""
        return math.inf if self.settings.kind == "barrier" else self.settings.tailgate_window

    @property
    def vehicle_there(self) -> bool:
        """Whether somebody may be in a vehicle: not so where a barrier's loop says that none is there."""
        wanted = self.settings.kind == "barrier" and self.settings.barrier.needs_vehicle
        return not wanted or self.body.sensed.get(Sensor.LOOP_FRONT) is not Reading.OFF

    @property
    def others(self) -> Others:
        """What further faces mean here."""
        return self.settings.barrier.passengers if self.settings.kind == "barrier" else "refuse"

    @property
    def card_first(self) -> bool:
        """Whether nobody passes here without a card, so that no face is looked up before one."""
        return self.settings.require in ("card", "face_and_card") or not self.sees

    @property
    def sees(self) -> bool:
        """Whether there is a camera."""
        return FaultKind.CAMERA not in self.facts.faults

    def tell_perception(self) -> None:
        """Say whom to compare with, where that has changed."""
        wanted = self.expectation()
        if wanted != self.expected:
            self.expected = wanted
            self.effects.signs.append(wanted)

    # States

    def go(self, place: enum.Enum) -> None:
        """Note where the door's leaf or the barrier's arm is now."""
        self.body.place, self.body.since = place, self.now

    def change(self, **changes: Any) -> None:
        """Replace facts."""
        self.facts = replace(self.facts, **changes)

    def enter(
        self,
        state: State,
        prompt: fx.Prompt,
        reason: str | None = None,
        *,
        seconds: float | None = None,
        after_records: bool = False,
    ) -> None:
        """Go to a state: its prompt, and its timer of `seconds`; what the state before it waited for is forgotten."""
        if self.state in _STATE_TIMERS:
            self.cancel(_STATE_TIMERS[self.state])
        self.state = state
        self.show(prompt, reason, after_records=after_records)
        if seconds is not None:
            self.show_until = self.now + seconds
            self.arm(_STATE_TIMERS[state], seconds, after_records=after_records)

    def screen(self) -> None:
        """Look at whoever stands on the mark."""
        self.enter(State.SCREENING, fx.Prompt.LOOK_HERE, seconds=self.settings.screening_timeout)

    def rest(self) -> None:
        """Go to the standing state the facts call for, or on to whoever is waiting where that one admits people."""
        state = resting(self.facts)
        if state is not self.standing:
            self.record(fx.RecordKind.STATE, {"from": self.standing.value, "to": state.value})
            self.standing = state
        if state in IDLE and self.present:
            self.screen()
            # Someone who was there before the last grant may be its holder, not yet out of the picture.
            self.effects.signs.append(fx.Reassess(0.0 if self.fresh else self.settings.tailgate_window))
        else:
            self.claim = None
            self.enter(state, *standing_prompt(state))

    # Grants

    def finish(self, direction: Direction, outcome: Outcome, detail: dict[str, Scalar]) -> Grant:
        """End the outstanding grant of `direction` with its one PASSAGE record."""
        grant = self.grants.pop(direction)
        if grant.person is not None:
            self.access.whereabouts.release(grant.person, grant.grant_id)
        if outcome is Outcome.COMPLETED:
            self.access.passed(grant.person, direction, self.now)
        rose = self.rose.get(direction, -math.inf)
        began = rose if rose >= grant.granted_at else None
        told: dict[str, Scalar] = {
            "direction": direction.value,
            "outcome": outcome.value,
            "seconds": max(0.0, self.now - grant.granted_at),
            "waited": None if began is None else began - grant.granted_at,
            "passing": None if began is None else max(0.0, self.now - began),
        }
        self.record(fx.RecordKind.PASSAGE, told | detail, grant_id=grant.grant_id, person=grant.person)
        return grant
