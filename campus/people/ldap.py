"""People from a directory by LDAP: Microsoft's Active Directory, OpenLDAP, FreeIPA, or another.

Read whole, in pages, and checked whole before anything is changed, like every source (`campus.people.reconcile`). The
library is python-ldap, an extra of its own (`ldap`) that compiles against libldap; it is loaded when it is needed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from campus.errors import HubConfigError
from campus.people.sources import KINDS, Record, Source
from campus.scim.settings import LONGEST_GROUP, Group, group_name
from controller.errors import GalleryError
from controller.gallery.model import check_person_id

if TYPE_CHECKING:
    from collections.abc import Sequence

WHERE = "people.ldap"
DISABLED = 0x2
"""ACCOUNTDISABLE, the bit of `userAccountControl` ([MS-ADTS] 2.2.16)."""
NEVER = frozenset({0, 0x7FFFFFFFFFFFFFFF})
"""Values of `accountExpires` that are no moment ([MS-ADA1] 2.3)."""
MICROSOFT = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
"""Since when it counts, in 100 ns."""
LONGEST_NAME = 200
NAMED = 20
"""Wrong entries that one error lists."""
Kind = Literal["student", "staff", "visitor"]


class LdapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[people.ldap]`: a directory, read by `thermogate-hub import --ldap`. Its defaults are Active Directory's."""

    url: str
    """`ldaps://host`, or `ldap://host` with STARTTLS; neither only on this machine."""
    starttls: bool = True
    """For `ldap://`."""
    ca: Path | None = None
    """PEM file of the authority that signed its certificate; None: the system's."""
    bind_dn: str | None = None
    """Who reads; None: nobody in particular."""
    password_file: Path | None = None
    """A file whose first line is the password, or a systemd credential."""
    base: str
    """DN below which people are."""
    filter: str = "(&(objectCategory=person)(objectClass=user)(employeeID=*))"
    id: str = "employeeID"
    """What becomes the person's id."""
    name: str | None = "displayName"
    kind: Kind | None = None
    """Of all who are read; None: as `kinds` has it."""
    kind_attribute: str = "employeeType"
    kinds: dict[str, Kind] = {}
    """What its values mean, beside `student`, `staff` and `visitor` themselves; capitals do not matter."""
    groups_from: tuple[str, ...] = ("memberOf",)
    """Attributes whose values are groups, of a DN its first name; `ou`: also the units that somebody stands in."""
    groups: dict[str, Group] = {}
    """The access policy's name of a group, by its name there; others' spaces become dashes."""
    only_groups: bool = False
    """Take over those groups alone that stand in `groups`."""
    card: str | None = None
    """Where the numbers of cards are."""
    valid_until: str | None = "accountExpires"
    """The last day: as `accountExpires` or `shadowExpire` count, in LDAP's generalized time, or a date."""
    disabled: str | None = None
    """What says TRUE of whoever is let in no more, as FreeIPA's `nsAccountLock`; `userAccountControl` counts always."""
    page: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 500
    """Entries of one answer; Active Directory gives 1000 at most."""
    timeout: Annotated[float, msgspec.Meta(ge=1, le=600)] = 30.0
    """Seconds for each answer."""


class Entry(NamedTuple):
    """What the directory has of somebody."""

    dn: str
    values: dict[str, tuple[str, ...]]
    """By attribute, in small letters."""
    units: tuple[str, ...]
    """Organizational units above it."""

    def first(self, attribute: str | None) -> str:
        """The first value; empty where there is none."""
        return next(iter(self.values.get((attribute or "").casefold(), ())), "")


async def read_directory(settings: LdapSettings) -> Source:
    """Read everybody. Raises `HubConfigError` naming what is wrong, each entry by its DN, and never the password."""
    try:
        import ldap  # noqa: F401, PLC0415 - an extra of its own
    except ImportError as error:
        raise HubConfigError(f"{WHERE}: needs python-ldap: pip install 'thermogate[hub,ldap]'") from error
    place = _place(settings)
    password = _password(settings)
    await _reach(settings, place)
    entries = await asyncio.to_thread(_search, settings, place, password)
    return Source("ldap", _records(entries, settings))


class _Place(NamedTuple):
    host: str
    port: int
    encrypted: bool
    """From the first byte."""
    starttls: bool


def _place(settings: LdapSettings) -> _Place:
    """Where it is. Raises `HubConfigError` for what would send a password or names of people in the clear."""
    parts = urllib.parse.urlsplit(settings.url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise HubConfigError(f"{WHERE}.url: {error}") from error
    if parts.scheme not in {"ldap", "ldaps"} or not host or parts.path.strip("/") or parts.username:
        raise HubConfigError(f"{WHERE}.url: ldaps://host[:port] or ldap://host[:port], and nothing else")
    encrypted = parts.scheme == "ldaps"
    if not (encrypted or settings.starttls or _is_here(host)):
        raise HubConfigError(f"{WHERE}: {host}: without encryption only to this machine")
    return _Place(host, port or (636 if encrypted else 389), encrypted, not encrypted and settings.starttls)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password(settings: LdapSettings) -> str:
    """The password; empty where nobody is named."""
    if settings.bind_dn is None:
        return ""
    if settings.password_file is None:
        raise HubConfigError(f"{WHERE}: bind_dn needs a password_file")
    try:
        lines = settings.password_file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise HubConfigError(f"{WHERE}.password_file: {settings.password_file}: {reason}") from error
    # With an empty one a server takes anybody for nobody in particular, and gives what nobody in particular may see.
    if not lines or not lines[0]:
        raise HubConfigError(f"{WHERE}.password_file: {settings.password_file}: is empty")
    return lines[0]


async def _reach(settings: LdapSettings, place: _Place) -> None:
    """See that it answers, and who it is: libldap says neither why, nor does it end to wait for a handshake."""
    where = f"{WHERE}: {place.host}:{place.port}"
    try:
        trusted = ssl.create_default_context(cafile=settings.ca)
        async with asyncio.timeout(settings.timeout):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=trusted if place.encrypted else None)
            writer.close()
    except ssl.SSLCertVerificationError as error:
        raise HubConfigError(f"{where}: its certificate is not trusted: {error.verify_message}") from error
    except TimeoutError as error:
        raise HubConfigError(f"{where}: no answer within {settings.timeout:.0f} s") from error
    except OSError as error:  # ssl.SSLError is one
        place_or_file = f"{WHERE}.ca: {settings.ca}" if isinstance(error, FileNotFoundError) else where
        raise HubConfigError(f"{place_or_file}: {error.strerror or error}") from error


def _search(settings: LdapSettings, place: _Place, password: str) -> list[Entry]:
    """Everybody below the base, page by page. Raises `HubConfigError`; then there is nothing of it."""
    import ldap  # noqa: PLC0415 - an extra of its own
    from ldap.controls import SimplePagedResultsControl  # noqa: PLC0415

    found: list[Any] = []
    try:
        connection = _connect(settings, place)
        if place.starttls:
            connection.start_tls_s()
        connection.simple_bind_s(settings.bind_dn or "", password)
        paging = SimplePagedResultsControl(criticality=True, size=settings.page, cookie=b"")
        while True:
            asked = connection.search_ext(
                settings.base, ldap.SCOPE_SUBTREE, settings.filter, _attributes(settings), serverctrls=[paging]
            )
            _, entries, _, controls = connection.result3(asked, timeout=settings.timeout)
            found += [entry for entry in entries if entry[0] is not None]  # else another server is referred to
            cookies = [one.cookie for one in controls if one.controlType == SimplePagedResultsControl.controlType]
            if not cookies or not cookies[0]:
                break
            paging.cookie = cookies[0]
        connection.unbind_s()
    except ldap.SIZELIMIT_EXCEEDED as error:
        raise HubConfigError(
            f"{WHERE}: the directory's size limit was exceeded after {len(found)} entries: nothing was changed; its "
            "administrator can raise it for the bind_dn"
        ) from error
    except ldap.CONNECT_ERROR as error:
        raise HubConfigError(
            f"{WHERE}: {place.host}:{place.port}: no STARTTLS, or its certificate is not trusted or another host's"
        ) from error
    except ldap.LDAPError as error:
        raise HubConfigError(f"{WHERE}: {place.host}:{place.port}: {_reason(error)}") from error
    return [_entry(dn, attributes) for dn, attributes in found]


def _connect(settings: LdapSettings, place: _Place) -> Any:
    import ldap  # noqa: PLC0415 - an extra of its own

    host = f"[{place.host}]" if ":" in place.host else place.host
    connection = ldap.initialize(f"{'ldaps' if place.encrypted else 'ldap'}://{host}:{place.port}")
    options = {
        ldap.OPT_PROTOCOL_VERSION: ldap.VERSION3,
        ldap.OPT_NETWORK_TIMEOUT: settings.timeout,
        ldap.OPT_TIMEOUT: settings.timeout,
        ldap.OPT_REFERRALS: ldap.OPT_OFF,
        # Also where /etc/ldap/ldap.conf asks for less.
        ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND,
    }
    for option, value in options.items():
        connection.set_option(option, value)
    if settings.ca is not None:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(settings.ca))
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    return connection


def _reason(error: Exception) -> str:
    """What the server said, in words."""
    said: dict[str, Any] = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    words = [str(said[key]) for key in ("desc", "info", "matched") if said.get(key)]
    return ": ".join(words) or type(error).__name__


def _attributes(settings: LdapSettings) -> list[str]:
    wanted = (
        settings.id, settings.name, settings.kind_attribute, settings.card, settings.valid_until, settings.disabled,
        "userAccountControl", *settings.groups_from,
    )  # fmt: skip
    return sorted({one for one in wanted if one})


def _entry(dn: str, attributes: dict[str, list[bytes]]) -> Entry:
    """An entry with its values as text; what is no text becomes what no attribute of ours may be."""
    values = {
        name.casefold(): tuple(value.decode(errors="replace").strip() for value in held)
        for name, held in attributes.items()
    }
    return Entry(dn, values, tuple(text for name, text in _names(dn) if name == "ou"))


def _names(dn: str) -> list[tuple[str, str]]:
    """Attribute, in small letters, and value of a DN's parts; nothing where it is no DN."""
    import ldap  # noqa: PLC0415 - an extra of its own
    import ldap.dn  # noqa: PLC0415

    try:
        return [(name.casefold(), text) for part in ldap.dn.str2dn(dn) for name, text, _ in part]
    except ldap.DECODING_ERROR:
        return []


def _records(entries: Sequence[Entry], settings: LdapSettings) -> tuple[Record, ...]:
    """Each id good and once. Raises `HubConfigError` with all that is wrong; nobody at all is wrong too."""
    wrong: list[str] = []
    first: dict[str, str] = {}
    found = []
    for entry in entries:
        try:
            who = _id(entry, settings)
            fields = _fields(entry, settings)
        except ValueError as error:
            wrong.append(f"{entry.dn}: {error}")
            continue
        if first.setdefault(who, entry.dn) != entry.dn:
            wrong.append(f"{entry.dn}: {settings.id}: {who} is {first[who]}'s as well")
        found.append(Record(who, fields, f"{WHERE}: {entry.dn}"))
    if not entries:
        wrong.append(f"nobody is below {settings.base} by the filter {settings.filter}")
    if wrong:
        more = [f"and {len(wrong) - NAMED} more mistakes"] if len(wrong) > NAMED else []
        raise HubConfigError("\n".join(f"{WHERE}: {one}" for one in wrong[:NAMED] + more))
    return tuple(found)


def _id(entry: Entry, settings: LdapSettings) -> str:
    """Raises `ValueError`."""
    held = entry.values.get(settings.id.casefold(), ())
    if len(held) != 1 or not held[0]:
        raise ValueError(f"{settings.id}: is missing" if not any(held) else f"{settings.id}: has {len(held)} values")
    try:
        return check_person_id(held[0])
    except GalleryError as error:
        raise ValueError(f"{settings.id}: {error}") from error


def _fields(entry: Entry, settings: LdapSettings) -> dict[str, Any]:
    """What the directory says of somebody, as `campus.people.records.Person` has it. Raises `ValueError`."""
    given: dict[str, Any] = {"active": _active(entry, settings), "groups": _groups(entry, settings)}
    if settings.name is not None:
        given["name"] = entry.first(settings.name)
        if len(given["name"]) > LONGEST_NAME:
            raise ValueError(f"{settings.name}: is longer than {LONGEST_NAME} characters")
    kinds: dict[str, Kind] = {one: one for one in KINDS}  # type: ignore[misc] # they are these
    kinds |= {word.casefold(): kind for word, kind in settings.kinds.items()}
    kind = settings.kind or kinds.get(entry.first(settings.kind_attribute).casefold())
    if kind is not None:
        given["kind"] = kind
    if settings.card is not None:
        given["cards"] = entry.values.get(settings.card.casefold(), ())
    if settings.valid_until is not None:
        text = entry.first(settings.valid_until)
        try:
            given["valid_until"] = _last_day(settings.valid_until, text) if text else None
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{settings.valid_until}: {text!r:.40} is no moment") from error
    return given


def _active(entry: Entry, settings: LdapSettings) -> bool:
    control = entry.first("userAccountControl")
    try:
        barred = bool(int(control or "0") & DISABLED)
    except ValueError as error:
        raise ValueError(f"userAccountControl: {control!r:.40} is no number") from error
    return not barred and entry.first(settings.disabled).casefold() != "true"


def _groups(entry: Entry, settings: LdapSettings) -> tuple[str, ...]:
    found = set()
    for attribute in settings.groups_from:
        values = entry.values.get(attribute.casefold(), ())
        for value in (*values, *entry.units) if attribute.casefold() == "ou" else values:
            name = next((text for _, text in _names(value)), value) if "=" in value else value
            if settings.only_groups and name not in settings.groups:
                continue
            group = group_name(settings.groups, name)
            if not group or len(group) > LONGEST_GROUP or not group.isprintable():
                raise ValueError(f"{attribute}: {name!r:.80}: a group has 1 to {LONGEST_GROUP} printable characters")
            found.add(group)
    return tuple(sorted(found))


def _last_day(attribute: str, text: str) -> dt.date | None:
    """The last day on which somebody is let in, in the hub's time zone; None: for ever. Raises `ValueError`."""
    kind = attribute.casefold()
    if kind == "accountexpires":
        ticks = int(text)
        if ticks in NEVER:
            return None
        end = MICROSOFT + dt.timedelta(microseconds=ticks // 10)
    elif kind == "shadowexpire":  # days since 1970, of the first on which the account is no good; -1: never
        days = int(text)
        return None if days < 0 else dt.date(1970, 1, 1) + dt.timedelta(days=days - 1)
    elif len(text) == len("2029-07-15"):
        return dt.date.fromisoformat(text)
    else:
        # Generalized time (RFC 4517, 3.3.13), as directories write it: whole seconds, in UTC.
        seconds = text.partition(".")[0].removesuffix("Z")
        end = dt.datetime.strptime(seconds, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    # What ends at midnight has its last day before.
    return (end.astimezone() - dt.timedelta(microseconds=1)).date()
