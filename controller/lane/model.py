"""The nouns of the lane. All are frozen values without behaviour beyond their invariants."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from controller.lane.kind_settings import BarrierTimes, DoorTimes, Seconds


class Direction(enum.Enum):
    """A passage is into the protected area or out of it."""

    ENTRY = "entry"
    EXIT = "exit"


class Verdict(enum.Enum):
    """Outcome of a temperature screening. Only the first three are results."""

    NORMAL = "normal"
    ELEVATED = "elevated"
    RECHECK = "recheck"
    TOO_COLD = "too_cold"
    TOO_HOT = "too_hot"
    OBSTRUCTED = "obstructed"
    TOO_FAR = "too_far"
    UNSTABLE = "unstable"
    SENSOR_UNFIT = "sensor_unfit"

    @property
    def is_result(self) -> bool:
        """Whether a temperature was measured at all."""
        return self in (Verdict.NORMAL, Verdict.ELEVATED, Verdict.RECHECK)


class Liveness(enum.Enum):
    """Whether the face is a living one, judged by its heat."""

    LIVE = "live"
    SPOOF = "spoof"
    UNKNOWN = "unknown"


class LivenessReason(enum.Enum):
    """Why a face is not taken for a living one; the value is the stable name on the wire."""

    NOT_PAIRED = "not_paired"
    """No picture of the face at the time of the heat."""
    FEW_FRAMES = "few_frames"
    FEW_PIXELS = "few_pixels"
    HOT_ROOM = "hot_room"
    """The room is as warm as skin: a photograph would be, too."""
    COLD_FACE = "cold_face"
    """As cool as faces are from the cold, and paper before a face is."""
    NOT_WARM = "not_warm"
    """As cool as no bare face."""
    TOO_WARM = "too_warm"
    """As warm as no face."""
    BEYOND_FACE = "beyond_face"
    """Warm beyond the face's edge, where hair and the room are cooler."""
    WRONG_PLACE = "wrong_place"
    """The heat is beside the face in the picture."""
    WRONG_SIZE = "wrong_size"
    """The heat is wider or narrower than it."""
    COOLING = "cooling"
    """Giving its heat away within seconds, as a warmed sheet does."""
    EVEN = "even"
    """As even as no face."""
    SUSPICIOUS_PICTURE = "suspicious_picture"
    """A picture-based model doubts it."""


class CredentialKind(enum.Enum):
    """What a person identified themselves with."""

    FACE = "face"
    CARD = "card"
    QR = "qr"
    PIN = "pin"
    PLATE = "plate"
    """A vehicle's number plate; its tag is a CARD."""
    REMOTE = "remote"
    KEY = "key"


class DenyReason(enum.Enum):
    """Why a passage was denied; the value is the stable name on the wire."""

    UNKNOWN_PERSON = "unknown_person"
    AMBIGUOUS_MATCH = "ambiguous_match"
    SPOOF_SUSPECTED = "spoof_suspected"
    LIVENESS_UNKNOWN = "liveness_unknown"
    POOR_PICTURE = "poor_picture"
    ELEVATED_TEMPERATURE = "elevated_temperature"
    RECHECK_TEMPERATURE = "recheck_temperature"
    TOO_COLD = "too_cold"
    TOO_HOT = "too_hot"
    FACE_COVERED = "face_covered"
    TOO_FAR = "too_far"
    NO_TEMPERATURE = "no_temperature"
    MANUAL_TEMPERATURE = "manual_temperature"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    """A card, code or PIN that is nobody's here."""
    CREDENTIAL_NEEDED = "credential_needed"
    """A card, code or PIN has to be presented, first or besides."""
    FACE_UNAVAILABLE = "face_unavailable"
    """A face has to be seen besides the card, and there is no camera just now."""
    FACE_NEEDED = "face_needed"
    """This lane, or this person, does not pass by card alone."""
    FACE_MISMATCH = "face_mismatch"
    """The face is not that of whoever the card belongs to."""
    PIN_LOCKED = "pin_locked"
    """Too many wrong PINs in a row."""
    NOT_PERMITTED = "not_permitted"
    CREDENTIAL_EXPIRED = "credential_expired"
    OUT_OF_HOURS = "out_of_hours"
    """Known and welcome, at another time."""
    VISIT_OVER = "visit_over"
    """A visitor past the end of the visit, or whose host is gone."""
    FIRST_PERSON_NEEDED = "first_person_needed"
    """Somebody who opens up has to have passed here today."""
    SECOND_PERSON_NEEDED = "second_person_needed"
    """Several people have to ask here, shortly after each other."""
    ROSTER_STALE = "roster_stale"
    """The gate has not heard for too long who may still pass."""
    CLOCK_UNKNOWN = "clock_unknown"
    """The time decides, and the board does not know it."""
    ANTI_PASSBACK = "anti_passback"
    LANE_OCCUPIED = "lane_occupied"
    INTERLOCK = "interlock"
    """Another lane of the interlock is open."""
    NO_VEHICLE = "no_vehicle"
    """Somebody on foot at a barrier."""
    PASSENGERS = "passengers"
    """Others are in the car, and the guard is to look at them first."""
    LOCKDOWN = "lockdown"
    MAINTENANCE = "maintenance"
    LANE_FAULT = "lane_fault"
    JOURNAL_FAILED = "journal_failed"


class FaultKind(enum.Enum):
    """What is broken about a lane."""

    SELF_TEST = "self_test"
    SENSOR_THERMAL = "sensor_thermal"
    SCREENING = "screening"
    """The thermal sensor works, and is not fit to measure people."""
    CAMERA = "camera"
    PASS_STUCK = "pass_stuck"
    RELAY = "relay"
    JOURNAL = "journal"
    NOT_HOME = "not_home"
    MAINS = "mains"
    """The mains is gone: the lane works on, on its battery."""
    DOOR_FORCED = "door_forced"
    """Opened without a grant, an order or a request to exit."""
    DOOR_HELD_OPEN = "door_held_open"
    LOCK_NOT_SECURE = "lock_not_secure"
    """The door is shut and ought to be locked, and its lock says that it is not."""
    REX_STUCK = "rex_stuck"
    ARM_STUCK = "arm_stuck"
    """The arm did not arrive where it was sent."""
    ARM_MOVED = "arm_moved"
    """The arm left its place uncommanded: lifted, sunk or broken off."""
    ARM_CONTACTS = "arm_contacts"
    """The arm says that it is up and down."""
    LOOP = "loop"
    """The loop under the arm is lost, or occupied for longer than any car stays."""
    LOOP_EXIT = "loop_exit"
    """The loop inside is occupied for longer than any car waits."""
    PHOTOCELL = "photocell"
    """The same of the photocell."""
    POWER = "power"
    """The barrier has no mains; it stands where it stood, or has risen by its weight."""


class Outcome(enum.Enum):
    """How a granted passage ended."""

    COMPLETED = "completed"
    EXPIRED = "expired"
    REVERSED = "reversed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Match:
    """The gallery's answer for one probe."""

    person: str
    """Stable id of the person; never a name."""
    score: float
    """Cosine of probe and template, -1..1."""
    margin: float
    """Score less the best score of any other person; infinite where there is none."""


class Remark(enum.Enum):
    """What is to be said about a reading, or why there is none; the value is the stable name on the wire."""

    NO_FRAME = "no_frame"
    NOT_A_NUMBER = "not_a_number"
    """Too few of the face's pixels gave a temperature."""
    IMPLAUSIBLE = "implausible"
    """Frames with values no scene has, as swapped bytes or a wrong calibration make them."""
    SATURATED = "saturated"
    """Frames at the end of the sensor's range."""
    STALE = "stale"
    """Frames older than the look."""
    FROZEN = "frozen"
    """Frame after frame the same to the last bit."""
    IMPOSSIBLE_AMBIENT = "impossible_ambient"
    """A die or a room at a temperature at which nothing can be concluded."""
    ROOM_OUTSIDE_FIT = "room_outside_fit"
    """The room is colder or warmer than those the compensation was fitted in; the uncertainty says so."""
    WARMING_UP = "warming_up"
    """The sensor has been on for less than its warm-up, and no reference makes up for that."""
    REFERENCE_MISSING = "reference_missing"
    """The black body is covered, off, or not where it was."""
    REFERENCE_DRIFT = "reference_drift"
    """The sensor is further from the black body than it may be."""
    CROWD_DRIFT = "crowd_drift"
    """Passers-by as a whole read further from normal than people can be."""
    NOT_LINEAR = "not_linear"
    """The daily self-test over the black body's set points failed."""
    NO_REFERENCE = "no_reference"
    """The absolute value rests on the sensor's own calibration and the crowd."""
    FRAMES_LEFT_OUT = "frames_left_out"
    GLITCHES_LEFT_OUT = "glitches_left_out"
    HOT_OBJECT_LEFT_OUT = "hot_object_left_out"
    """A lamp, a cup, a heater beside the face."""
    HOT_OBJECT = "hot_object"
    """Too much of the face is as hot as no skin."""
    SUN_WARMED = "sun_warmed"
    """The forehead is warmer than the corners of the eyes: heated from outside."""
    CHILLED = "chilled"
    EYES_COVERED = "eyes_covered"
    """Glasses, hair or a hand over the corners of the eyes."""
    FOREHEAD_COVERED = "forehead_covered"
    """A hat or hair; the reading does not need the forehead."""
    FACE_COVERED = "face_covered"
    """Too little of it is as warm as skin."""
    FACE_AT_EDGE = "face_at_edge"
    """Part of the face is outside the thermal picture."""
    FEW_PIXELS = "few_pixels"
    FEW_FRAMES = "few_frames"
    MOVED = "moved"
    """Too few frames in which the face stood still."""
    NOISY = "noisy"


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Standard uncertainties of an estimated temperature, K, by cause (GUM, JCGM 100)."""

    noise: float
    """Sensor noise left after averaging; the only part that another look changes."""
    reference: float
    """The absolute value: the sensor's calibration, or what the reference or the crowd leaves of its error."""
    region: float
    """How far the warmest spot is from what pixels of this size on the face show of it."""
    compensation: float
    """How much people, and rooms, differ in oral less surface temperature."""

    @property
    def combined(self) -> float:
        """Root of the sum of squares."""
        return math.hypot(self.noise, self.reference, self.region, self.compensation)


@dataclass(frozen=True, slots=True)
class Personal:
    """A reading beside the person's own earlier ones."""

    evidence: str
    """Whether those may inform, or why not: a `controller.perception.history.Evidence` value."""
    unusual: bool
    """The reading is far above what is usual for this person, whether that informs or not."""
    z: float | None
    """By how many standard deviations; None: nothing can be said."""
    days: int
    """Days that went into it."""


@dataclass(frozen=True, slots=True)
class Screening:
    """A person's temperature reading."""

    verdict: Verdict
    value: float | None
    """Estimated body (oral-equivalent) temperature, °C; None where nothing was measured."""
    uncertainty: float | None
    """Standard uncertainty of `value`, K (1 sigma)."""
    surface: float | None
    """Warmest face surface seen (averaged), °C."""
    frames: int
    """Thermal frames that went into it."""
    parts: Uncertainty | None = None
    """`uncertainty` by cause."""
    risk: float | None = None
    """The chance, 0..1, that the verdict is on the wrong side of the alarm, by the whole uncertainty (JCGM 106)."""
    remarks: tuple[Remark, ...] = ()
    wait_minutes: int | None = None
    """How long to wait before coming again, TOO_COLD and TOO_HOT."""
    correction: float | None = None
    """What reference or crowd added, K."""
    room: float | None = None
    """The room that was compensated for, °C."""
    looks: int = 1
    """Looks that `value` is the mean of."""
    personal: Personal | None = None
    """What the person's own earlier readings say; None: nobody was identified, or no history is kept."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that perception found about one person at the gate, in one value."""

    match: Match | None
    """None: nobody in the gallery is near enough."""
    ambiguous: bool
    """The best two people are too close to tell apart."""
    liveness: Liveness
    screening: Screening
    quality: float
    """Best picture's quality, 0..1."""
    faces: int
    """People in the lane's region; more than one is LANE_OCCUPIED."""
    attempt: int
    """Counts attempts of this presence, from 1."""
    liveness_reasons: tuple[LivenessReason, ...] = ()
    """Why it is not LIVE, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to pass once."""

    grant_id: str
    person: str | None
    """None for a grant by command or key."""
    direction: Direction
    credential: CredentialKind
    granted_at: float
    """Monotonic seconds."""
    deadline: float
    """Monotonic seconds at which an unused grant expires."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal, with its reason. A value, never an exception."""

    reason: DenyReason
    person: str | None


Decision = Grant | Denial


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody identified who may pass on the guard's word: a temperature taken by hand, or that it is no picture."""

    person: str
    presence: int
    credential: CredentialKind = CredentialKind.FACE
    measured: bool = False
    """The gate's own reading lets them pass: no temperature needs to be taken."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who somebody says they are by a card, a code or a PIN, until they are let in, denied for good, or gone."""

    person: str
    credential: CredentialKind
    face: bool
    """Their face has to be this person's."""
    presence: int | None
    """Whose it is; None: nobody has been seen yet."""


Require = Literal["face", "card", "face_or_card", "face_and_card"]


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of the lane, seconds, as they stand in gate.toml under [lane].

    Defaults are the field's figures for tripods and swing gates (PERCo, TiSO and Castle manuals, GB 50396-2007).
    """

    kind: Literal["turnstile", "door", "barrier"] = "turnstile"
    """What closes the lane. Keys of another kind are refused."""
    door: DoorTimes = DoorTimes()
    barrier: BarrierTimes = BarrierTimes()
    require: Require = "face_or_card"
    """By what people pass here; `card` stands for a card, a code or a PIN. Somebody known without a face passes by card
    at every lane, somebody who needs a second factor by both."""
    card_wait: Seconds = 8.0
    """How long somebody is asked for a card before the lane looks again."""
    unlock_pulse: Annotated[float, msgspec.Meta(ge=0.1, le=1.5)] = 0.3
    passage_wait: Seconds = 5.0
    """From grant to first passage contact; 8 for speed gates, 15 for an accessible lane."""
    passage_time: Seconds = 3.0
    """From the first contact to completion; a longer passage is noted."""
    deny_show: Seconds = 2.0
    """How long a denial is shown before the lane looks again."""
    recheck_show: Seconds = 0.3
    """The same before a second look: the person is asked to hold still, and measured again at once."""
    manual_wait: Seconds = 30.0
    """How long somebody identified waits for the guard's thermometer before the lane looks again."""
    liveness_wait: Seconds = 0.0
    """How long somebody identified waits for the guard's `OpenOnce` where heat cannot tell whether the face is a living
    one (a hot day); 0: nobody waits, and the lane looks again after `deny_show`."""
    manual_alarm: Annotated[float, msgspec.Meta(ge=36.5, le=39.5)] = 37.3
    """A temperature taken by hand from here on, °C, goes to the doctor: what the guard's thermometer calls a fever."""
    warm_up: Seconds = 5.0
    """The same for someone straight from the cold: looking again at once only repeats the denial."""
    complete_show: Seconds = 0.3
    alarm_show: Seconds = 3.0
    """How long the alarm is shown at the lane, unless something more urgent has to be."""
    pass_stuck: Seconds = 30.0
    """A contact that stays active longer is stuck."""
    not_home: Seconds = 30.0
    unseen_grants: Annotated[int, msgspec.Meta(ge=1)] = 5
    """Grants in a row without a passage that point to a broken contact wire."""
    failed_attempts: Annotated[int, msgspec.Meta(ge=1, le=5)] = 5
    """Denials in a row that call the guard; at most 5 (GB 50396-2007, 5.1.5)."""
    minimum_quality: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """Picture quality below which nothing is concluded about who stands there."""
    anti_passback: Seconds = 0.0
    """Seconds in which the same person may not enter again; 0 switches it off. An access policy has its own."""
    tailgate_window: Seconds = 1.5
    """Seconds after a completed passage in which another contact is a tailgater, not an intruder."""
    screening_timeout: Seconds = 6.0
    """Seconds without an assessment after which screening gives up and looks again."""
    on_thermal_lost: Literal["closed", "manual"] = "closed"
    """Without the thermal sensor nobody is admitted; or, `manual`, whoever is identified has their temperature taken by
    the guard, who also sees that no picture is held up: whether a face is a living one only heat could tell."""
    on_camera_lost: Literal["closed", "cards"] = "closed"
    """Without the camera nobody is admitted; or, `cards`, people pass by card and heat, but for those who need both
    card and face. The guard may open for anybody in each case, and the way out is free in all."""
    on_journal_failure_deny: bool = True
    """False: keep granting with the record in memory (degraded)."""
