"""Between a SCIM user and a person: what was said of somebody, what that means here, and how it is read again."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from scim2_models import InvalidValueException, Meta, Reference

from campus.people.records import Number, Person
from campus.people.sources import KINDS
from campus.scim.model import EnterpriseUser, FullUser, GateUser, GroupOfUser, Name
from campus.scim.settings import LONGEST_GROUP, group_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from campus.scim.settings import ScimSettings

SOURCE = "scim"
"""`Person.source` of whom a provider pushed."""
LONGEST = 256
"""Characters of any attribute."""
LONGEST_NAME = 200


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider said of somebody, as it reads it again. None: it did not say."""

    user_name: str
    external_id: str | None = None
    display_name: str | None = None
    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    user_type: str | None = None
    employee_number: str | None = None
    department: str | None = None
    kind: str | None = None
    cards: tuple[str, ...] | None = None
    valid_from: str | None = None
    valid_until: str | None = None


class Account(NamedTuple):
    """Somebody whom a provider pushed."""

    said: Said
    person: Person
    groups: tuple[tuple[str, str], ...]
    """The pushed groups that somebody is in: id and name, sorted."""
    created: float
    modified: float


def read(user: Any) -> Said:
    """What a `FullUser` says. Raises `InvalidValueException` for what is too long or cannot be kept."""
    name = user.name or Name()
    enterprise = user[EnterpriseUser] or EnterpriseUser()
    gate = user[GateUser] or GateUser()
    said = Said(
        user_name=user.user_name or "",
        external_id=user.external_id,
        display_name=user.display_name,
        formatted=name.formatted,
        family_name=name.family_name,
        given_name=name.given_name,
        user_type=user.user_type,
        employee_number=enterprise.employee_number,
        department=enterprise.department,
        kind=gate.kind,
        cards=None if gate.cards is None else tuple(gate.cards),
        valid_from=gate.valid_from,
        valid_until=gate.valid_until,
    )
    for attribute, value in msgspec.structs.asdict(said).items():
        for text in value if isinstance(value, tuple) else (value or "",):
            if len(text) > LONGEST or "\0" in text:
                head, *parts = attribute.split("_")
                name = head + "".join(map(str.capitalize, parts))
                raise InvalidValueException(detail=f"{name}: is longer than {LONGEST} characters, or has a NUL")
    if not said.user_name.strip():
        raise InvalidValueException(detail="userName: is empty")
    return said


def person_id(said: Said, settings: ScimSettings) -> str:
    """The id that somebody gets. Raises `InvalidValueException` where the attribute is missing."""
    found = {"externalId": said.external_id, "userName": said.user_name, "employeeNumber": said.employee_number}
    identifier = found[settings.id]
    if not identifier:
        raise InvalidValueException(
            detail=f"{settings.id}: is missing, and is to be the person's id ([people.scim] id)"
        )
    return identifier


def fields(said: Said, settings: ScimSettings) -> dict[str, Any]:
    """What that means of a `Person`, but for groups; None: it was not said.

    Raises `InvalidValueException` naming the attribute that means nothing.
    """
    name = said.display_name or said.formatted or f"{said.given_name or ''} {said.family_name or ''}".strip() or None
    if name is not None and len(name) > LONGEST_NAME:
        raise InvalidValueException(detail=f"displayName: is longer than {LONGEST_NAME} characters")
    return {
        "name": name,
        "kind": _kind(said, settings),
        "valid_from": _day("validFrom", said.valid_from),
        "valid_until": _day("validUntil", said.valid_until),
        "cards": said.cards,
    }


def over(before: Person, old: Said | None, said: Said, settings: ScimSettings) -> Person:
    """Somebody with what changed from `old` to `said`; what a provider never said stays as the hub has it."""
    known = {} if old is None else fields(old, settings)
    changed = {key: value for key, value in fields(said, settings).items() if value != known.get(key)}
    if "cards" in changed:
        others = tuple(one for one in before.credentials or () if one.kind != "card")
        changed["credentials"] = tuple(Number("card", number) for number in changed.pop("cards") or ()) + others
    for key, default in (("name", ""), ("kind", "student")):
        if key in changed and changed[key] is None:
            changed[key] = default
    return msgspec.structs.replace(before, **changed, source=SOURCE)


def own_groups(said: Said, settings: ScimSettings) -> set[str]:
    """Groups that follow from what was said of somebody, beside those pushed. Raises `InvalidValueException`."""
    if not settings.department_is_group or not said.department:
        return set()
    return {checked_group(said.department, settings)}


def checked_group(text: str, settings: ScimSettings) -> str:
    """The access policy's name of a group. Raises `InvalidValueException` where it has none."""
    name = group_name(settings.groups, text)
    if not name or len(name) > LONGEST_GROUP or not name.isprintable():
        raise InvalidValueException(detail=f"{text!r:.80}: a group has 1 to {LONGEST_GROUP} printable characters")
    return name


def user(found: Account) -> Any:
    """As the provider reads it again: a `FullUser` with `meta`, but for its location."""
    said = found.said
    made = FullUser(
        id=found.person.id,
        external_id=said.external_id,
        user_name=said.user_name,
        display_name=said.display_name,
        user_type=said.user_type,
        active=found.person.active,
    )
    if said.formatted or said.family_name or said.given_name:
        made.name = Name(formatted=said.formatted, family_name=said.family_name, given_name=said.given_name)
    if found.groups:
        made.groups = [
            GroupOfUser(value=key, ref=Reference(f"Groups/{key}"), display=name) for key, name in found.groups
        ]
    if said.employee_number is not None or said.department is not None:
        made[EnterpriseUser] = EnterpriseUser(employee_number=said.employee_number, department=said.department)
    if said.kind or said.cards or said.valid_from or said.valid_until:
        made[GateUser] = GateUser(
            kind=said.kind,
            cards=None if said.cards is None else list(said.cards),
            valid_from=said.valid_from,
            valid_until=said.valid_until,
        )
    content = [msgspec.structs.asdict(said), found.person.active, found.groups]
    made.meta = meta("User", content, found.created, found.modified)
    return made


def meta(kind: str, content: Sequence[Any], created: float, modified: float) -> Meta:
    """A resource's; its version follows from its content alone."""
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
    moments = [dt.datetime.fromtimestamp(seconds, dt.UTC) for seconds in (created, modified)]
    return Meta(resource_type=kind, created=moments[0], last_modified=moments[1], version=f'W/"{digest}"')


def _kind(said: Said, settings: ScimSettings) -> str | None:
    if said.kind is not None:
        if said.kind not in KINDS:
            raise InvalidValueException(detail=f"kind: {said.kind!r:.80} is none of {', '.join(KINDS)}")
        return said.kind
    if said.user_type is None:
        return None
    word = said.user_type.casefold()
    known: dict[str, str] = {one: one for one in KINDS} | {key.casefold(): one for key, one in settings.kinds.items()}
    return known.get(word)


def _day(attribute: str, text: str | None) -> dt.date | None:
    """A date, or the day of a moment in the hub's time zone."""
    if not text:
        return None
    try:
        if len(text) == len("2029-07-15"):
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo is None else moment.astimezone()).date()
    except (ValueError, OverflowError) as error:
        raise InvalidValueException(detail=f"{attribute}: {text!r:.40} is no date like 2029-07-15") from error
