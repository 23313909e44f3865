"""The access policy as it is written: one versioned file, TOML by hand or JSON from the hub, read strictly.

Both sides use this file. What is wrong is refused with its path: a key, a name that nothing has, holidays that overlap,
an end before its beginning, a zone that nobody could leave.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from typing import Annotated, Any, Literal

import msgspec

from controller.errors import PolicyError

FORMAT = 1
EVERYBODY = "*"
"""Stands for everybody who is enrolled, where groups are named."""
SIZE_LIMIT = 8 * 1024 * 1024
"""Bytes of a policy; 20,000 visitors are 3 MB."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", max_length=32)]
Group = Annotated[str, msgspec.Meta(pattern=r"^\S{1,64}$", max_length=64)]
"""As in the roll."""
Clock = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", max_length=5)]
Local = Annotated[dt.datetime, msgspec.Meta(tz=False)]
"""A time by the clock on the wall, in the policy's time zone."""
Label = Annotated[str, msgspec.Meta(max_length=64)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Zone(_Strict, frozen=True):
    """A part of the site."""

    outside: bool = False
    """Nobody there is inside: the street. Every zone has to lead to one of these."""
    english: Label = ""
    chinese: Label = ""
    """What lists call it; empty: its name."""


class FirstCard(_Strict, frozen=True):
    """A point that opens for some only when one of others has passed that day."""

    after: Annotated[tuple[Group, ...], msgspec.Meta(min_length=1)]
    """One of these groups has to have passed."""
    groups: tuple[Group, ...] = (EVERYBODY,)
    """Who has to wait for that; those of `after` never do."""


class TwoPerson(_Strict, frozen=True):
    """A point that needs several people: each is let in when so many have asked within the time."""

    persons: Annotated[int, msgspec.Meta(ge=2, le=5)] = 2
    seconds: Annotated[float, msgspec.Meta(ge=1, le=600)] = 30.0
    groups: tuple[Group, ...] = (EVERYBODY,)
    """Whom it concerns."""


class Point(_Strict, frozen=True, rename={"from_": "from"}):
    """A lane: it leads from a zone into a zone."""

    from_: Name
    to: Name
    one_way: bool = False
    """Nobody leaves by it."""
    anti_passback: Literal["off", "soft", "hard", "timed"] = "off"
    """Who is in `to` already: may enter again, may and it is noted, may not, may not within the time."""
    anti_passback_seconds: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 0.0
    """The time; for `timed` alone."""
    first_card: FirstCard | None = None
    two_person: TwoPerson | None = None


class Hours(_Strict, frozen=True, rename={"from_": "from"}):
    """A span of each of some days; one that ends before it begins goes on into the next day."""

    from_: Clock
    to: Clock
    days: Annotated[tuple[Day, ...], msgspec.Meta(min_length=1)] = DAYS


class Holiday(_Strict, frozen=True, rename={"as_day": "as"}):
    """Days that are not as others are."""

    name: Label
    first: dt.date
    last: dt.date | None = None
    """Inclusive; None: one day."""
    as_day: Day | None = None
    """A day of work in place of another: it counts as this day of the week. None: a holiday."""

    @property
    def end(self) -> dt.date:
        """The last day."""
        return self.last or self.first


class Schedule(_Strict, frozen=True):
    """When something is open, by the week."""

    hours: tuple[Hours, ...]
    holidays: Name | None = None
    """The calendar of days on which `holiday_hours` hold in place of `hours`; None: every week is the same."""
    holiday_hours: tuple[Hours, ...] = ()
    """None: closed."""


class Rule(_Strict, frozen=True):
    """Lets people of some groups in by some points, or into some zones by any point. What no rule allows is denied."""

    groups: Annotated[tuple[Group, ...], msgspec.Meta(min_length=1)]
    points: tuple[Name, ...] = ()
    zones: tuple[Name, ...] = ()
    schedule: Name | None = None
    """None: at any time."""
    first: dt.date | None = None
    last: dt.date | None = None
    """Inclusive."""


class Visitor(_Strict, frozen=True, rename={"from_": "from"}):
    """Somebody enrolled for a visit."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Whose guest: a person who is enrolled. When that one is not any more, the visit is over."""
    from_: Local
    until: Local
    groups: Annotated[tuple[Group, ...], msgspec.Meta(min_length=1)]
    """Whose rules hold for them, besides those of the roll."""


class Document(_Strict, frozen=True, omit_defaults=False):
    """The whole policy."""

    format: Literal[1]
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """Goes up with each change; what gates and logs call it by."""
    zones: dict[Name, Zone]
    points: dict[Name, Point]
    rules: tuple[Rule, ...]
    groups: tuple[Group, ...] = ()
    """Every group that this policy names."""
    timezone: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """By the IANA database, as `Asia/Shanghai`; None: the board's own."""
    without_clock: Literal["deny", "ignore_schedules"] = "deny"
    """While the board's clock is not known to be right: what depends on the time is denied; or schedules and beginnings
    count as open, and only an end that even this clock has passed counts."""
    schedules: dict[Name, Schedule] = {}
    holidays: dict[Name, tuple[Holiday, ...]] = {}
    visitors: dict[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], Visitor] = {}
    """By the visitor's id in the roll."""


def from_toml(text: bytes, *, where: str) -> Document:
    """Read what stands in a file. Raises `PolicyError` naming `where` and the line or the key's path."""
    try:
        raw = tomllib.loads(text.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"{where}: {error}") from error
    return _from_raw(raw, where)


def from_json(text: bytes, *, where: str) -> Document:
    """The same of what a hub made."""
    if len(text) > SIZE_LIMIT:
        raise PolicyError(f"{where}: {len(text)} bytes are more than {SIZE_LIMIT}")
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"{where}: {error}") from error
    return _from_raw(raw, where)


def to_json(document: Document) -> bytes:
    """A document on the wire; equal ones give equal bytes."""
    return msgspec.json.encode(document, order="sorted")


def digest(document: Document) -> str:
    """What tells two documents apart, 16 hex digits."""
    return hashlib.sha256(to_json(document)).hexdigest()[:16]


_TABLES: dict[str, Any] = {
    "zones": Zone,
    "points": Point,
    "schedules": Schedule,
    "holidays": tuple[Holiday, ...],
    "visitors": Visitor,
}


def _from_raw(raw: Any, where: str) -> Document:
    try:
        return msgspec.convert(raw, Document, strict=True)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{where}: {_located(raw) or _readable(str(error))}") from error


def _located(raw: Any) -> str | None:
    """What is wrong in an entry of a table, by its name: msgspec says `[...]` for whichever it was."""
    for section, kind in _TABLES.items():
        table = raw.get(section) if isinstance(raw, dict) else None
        for name, entry in table.items() if isinstance(table, dict) else ():
            try:
                msgspec.convert(entry, kind, strict=True)
            except msgspec.ValidationError as error:
                return _readable(str(error), f"{section}.{name}")
    return None


def _readable(message: str, prefix: str = "") -> str:
    """``Expected `int` - at `$.rules[0].groups` `` becomes ``rules[0].groups: Expected `int` ``."""
    text, separator, path = message.rpartition(" - at `$")
    if not separator:
        text, path = message, ""
    place = f"{prefix}{path.rstrip('`')}".lstrip(".")
    return f"{place}: {text}" if place else text
