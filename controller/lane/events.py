"""What the lane is told. Every event carries `now`, monotonic seconds; the lane owns no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.lane.access.times import UNKNOWN, Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.lane.model import Assessment, CredentialKind, Direction, FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened."""

    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted(Event):
    """The program runs; the self-test begins."""

    alarms: tuple[str, ...] = ()
    """Those that nobody had acknowledged when it ended, by their reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestPassed(Event):
    """All devices answered and inputs are plausible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestFailed(Event):
    """The self-test found a fault."""

    fault: FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Approached(Event):
    """Somebody stands on the mark."""

    presence: int = 0
    """Counts people who came to the mark; an assessment of another presence is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """Nobody stands on the mark any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed(Event):
    """Perception has a finding about who stands there."""

    assessment: Assessment
    grant_id: str
    """A fresh unique id to use if this leads to a grant; the lane makes no random numbers."""
    presence: int = 0
    """The `Approached.presence` that was looked at."""
    seen_at: float | None = None
    """Monotonic seconds of the newest frame in it; None: not told."""
    claimed: str | None = None
    """The person whom alone, or without whose face, this was about (`Expect`); None: everybody."""
    second_factor: bool = False
    """Whoever was recognised may not pass by their face alone."""
    moment: Moment = UNKNOWN
    """The wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented(Event):
    """A card, a code or a PIN was read, and looked up. No number comes this far."""

    credential: CredentialKind
    person: str | None
    """Whose it is; None: nobody's, or a wrong PIN."""
    second_factor: bool = False
    """This person's face has to be theirs besides."""
    no_face: bool = False
    """This person is known without a face."""
    locked: bool = False
    """Not looked at: too many wrong PINs in a row."""
    moment: Moment = UNKNOWN
    """The wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassContact(Event):
    """A passage contact changed."""

    direction: Direction
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Home(Event):
    """The READY line: True when the barrier is home and the turnstile is ready."""

    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FireAlarm(Event):
    """The fire panel's line."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanicalKey(Event):
    """The guard's key switch."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tamper(Event):
    """The housing's tamper contact."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mains(Event):
    """The supply: present, or gone, and the gate runs on its battery."""

    present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrusion(Event):
    """The turnstile's own sensor for whoever climbs or crawls through."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Event):
    """A timer that the lane armed has run out."""

    name: str
    token: int
    """The token it was armed with; an old one is ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFailed(Event):
    """A record could not be written, and nothing after it was performed. Comes before any other event."""

    grant_id: str | None
    """That of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLost(Event):
    """A device the lane depends on stopped working."""

    fault: FaultKind
    cause: str | None = None
    """What is known of why, for the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBack(Event):
    """It works again."""

    fault: FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTested(Event):
    """A sensor was tested against its reference; whether it is fit comes as `DeviceLost` or `DeviceBack`."""

    passed: bool
    detail: Mapping[str, str | float | int | bool | None]
    """Flat, JSON-able: what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayMismatch(Event):
    """A relay's read-back differs from what was commanded for longer than allowed, or does so no more."""

    direction: Direction
    stands: bool = True
    cause: str | None = None
    """What is known of why, for the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Event):
    """An authorised order from the guard or the campus."""

    actor: str
    """Who gave it, for the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOnce(Command):
    """Let one person pass."""

    direction: Direction
    grant_id: str
    temperature: float | None = None
    """What the guard's own thermometer showed, °C, where the lane asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFree(Command):
    """Free passage in the given directions; none returns to normal."""

    entry: bool
    exit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockdown(Command):
    """No entry; egress stays free."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(Command):
    """The lane is out of service on purpose."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetEmergency(Command):
    """Authorised end of the latched emergency opening, and of a latched fault; refused while its cause stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(Command):
    """The guard knows of the alarms there are: they sound no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLaneShut(Event):
    """Nothing of the interlock bars this lane any more."""


LaneEvent = (
    Booted
    | SelfTestPassed
    | SelfTestFailed
    | Approached
    | Left
    | Assessed
    | Presented
    | PassContact
    | Home
    | FireAlarm
    | MechanicalKey
    | Tamper
    | Mains
    | Intrusion
    | TimerFired
    | JournalFailed
    | DeviceLost
    | DeviceBack
    | SelfTested
    | RelayMismatch
    | OpenOnce
    | SetFree
    | Lockdown
    | Maintenance
    | ResetEmergency
    | Acknowledge
    | OtherLaneShut
)
"""Every event there is, so that a type checker can tell when one is not handled."""
