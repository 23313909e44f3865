"""Cards, codes and PINs: who is known by which, with no number that is read here on disk or in memory.

Of a number there is only an HMAC-SHA256 under the gallery's own secret, itself sealed: without the key, not even a
guess at a 26-bit card can be tried. A PIN is stretched besides (scrypt, RFC 7914, with a salt of its own): somebody
with gallery and key still has to try ten thousand of them at a tenth of a second each. That secret survives a change
of the key, for nobody can compute the numbers back to seal them anew.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from controller.errors import GalleryError
from controller.gallery.model import check_person_id
from controller.gallery.schema import label
from controller.gallery.sealing import Sealed
from controller.gallery.store import Details

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.gallery.file import Root
    from controller.gallery.store import GalleryStore

KINDS = ("card", "qr", "pin", "plate", "panel")
"""A panel's is presented to nobody here: it is the number that another controller knows somebody by."""
LONGEST = 512
"""Characters of a code."""
PLATE_LONGEST = 12
PIN_LEAST, PIN_MOST = 4, 12
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""16 MB and about 0.05 s here, 0.2 s on a Raspberry Pi 4: the interactive setting of RFC 7914's author."""
_CARD = re.compile(r"[0-9A-Za-z:._-]{1,64}")
_PLATE_GAPS = re.compile(r"[\s.·•-]")
"""What stands between a plate's characters, or does not, depending on who writes it."""
_PANEL = re.compile(r"(\d{1,10}-)?\d{1,20}")
_PIN = re.compile(r"(?P<number>\d{1,16})\*(?P<pin>\d+)")


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is sealed of a credential."""

    digest: bytes
    """HMAC of the card's number, the code's text, or the number that a PIN is entered after."""
    salt: bytes | None = None
    stretched: bytes | None = None
    """scrypt of the PIN."""
    number: str | None = None
    """A panel's number itself: it has to be sent, so that no HMAC will do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of one person."""

    record: str
    """A random name, to remove it by."""
    person: str
    kind: str
    """One of `KINDS`."""


class CredentialBook:
    """Who is known by what, in memory. Its methods may be called from any thread."""

    def __init__(self, root: Root, tokens: Iterable[tuple[Credential, Token]]) -> None:
        """Use `open_book`."""
        held = [(one, token) for one, token in tokens]
        known = {(one.kind, token.digest): (one.person, token) for one, token in held if token.number is None}
        self._content = (root, known)
        self._numbers = {one.person: token.number for one, token in held if token.number is not None}

    def take(self, other: CredentialBook) -> None:
        """Hold what another book holds, in place of what is here."""
        self._content, self._numbers = other._content, other._numbers

    def number_for(self, person: str) -> str | None:
        """The number that another controller knows this person by, `FACILITY-NUMBER` or `NUMBER`; not to be logged."""
        return self._numbers.get(person)

    def __len__(self) -> int:
        """Credentials in it."""
        return len(self._content[1])

    def find(self, kind: str, value: str) -> str | None:
        """Whose credential this is; None: nobody's, or a PIN that is not right. A PIN takes the time of a scrypt."""
        try:
            number, pin = parse(kind, value)
        except GalleryError:
            return None
        root, known = self._content
        person, token = known.get((kind, digest(root, kind, number)), (None, None))
        if pin is None:
            return person
        # Also for a number that nobody has: else the time would tell which numbers there are.
        salt = token.salt if token is not None and token.salt is not None else bytes(16)
        found = stretch(pin, salt)
        right = token is not None and token.stretched is not None and hmac.compare_digest(found, token.stretched)
        return person if right else None


def open_book(store: GalleryStore) -> CredentialBook:
    """Every credential that opens and that its owner's record names. Raises `StoreError`, `GalleryError` (key)."""
    intact = set(store.inspect().credentials)
    with store.file.reading() as root:
        return CredentialBook(root, [(one, token) for one, token in _all(store) if one.record in intact])


def add_credential(store: GalleryStore, person: str, kind: str, value: str, *, create: bool = False) -> Credential:
    """Let `person` be known by this. A PIN replaces the one they had.

    `value`: the card's number or the code's text, for a PIN `NUMBER*PIN`. `create` enrols somebody without a
    face here. Raises `GalleryError`: no such person, no such number, or it is another person's.
    """
    check_person_id(person)
    number, pin = parse(kind, value)
    with store.file.writing() as root:
        details = _details(store, root, person, create=create)
        mark = digest(root, kind, number)
        for one, token in _all(store):
            if one.kind != kind or token.digest != mark:
                continue
            if one.person != person:
                raise GalleryError(f"{store.path}: this {kind} is {one.person}'s already")
            if pin is None:
                return one
        if pin is not None or kind == "panel":
            details = _without(store, person, details, kind)
        salt = None if pin is None else os.urandom(16)
        stretched = None if pin is None or salt is None else stretch(pin, salt)
        token = Token(mark, salt, stretched, number if kind == "panel" else None)
        made = Credential(secrets.token_hex(8), person, kind)
        record = store.file.seal(msgspec.json.encode(token), label("credential", person, kind, made.record))
        store.file.run("INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?)", (made.record, person, kind, *record))
        fresh = (*details.credentials, made.record)
        store.put_person(root, person, msgspec.structs.replace(details, credentials=fresh))
    return made


def remove_credentials(store: GalleryStore, person: str, kind: str | None = None, record: str | None = None) -> int:
    """Forget a person's credentials, or those of one kind, or the one named; how many there were.

    Raises `GalleryError` where the person's record does not open.
    """
    with store.file.writing() as root:
        row = store.person_row(person)
        if row is None:
            return 0
        details = store.details(person, row)
        left = _without(store, person, details, kind, record)
        store.put_person(root, person, left)
    store.file.checkpoint()
    return len(details.credentials) - len(left.credentials)


def credentials_of(store: GalleryStore, person: str | None = None) -> list[Credential]:
    """Everybody's, or a person's. Raises `StoreError`."""
    rows = store.file.rows("SELECT record, person, kind FROM credential ORDER BY person, kind, record")
    return [Credential(*row) for row in rows if person in (None, row[1])]


def parse(kind: str, value: str) -> tuple[str, str | None]:
    """(what is looked up, the PIN). Raises `GalleryError` for what cannot be; the message never repeats the value."""
    if kind == "card":
        if not _CARD.fullmatch(value):
            raise GalleryError("a card's number is 1 to 64 letters, digits and : . _ -")
        return value.upper(), None
    if kind == "qr":
        if not value or len(value) > LONGEST or not value.isprintable():
            raise GalleryError(f"a code is 1 to {LONGEST} printable characters")
        return value, None
    if kind == "panel":
        if not _PANEL.fullmatch(value):
            raise GalleryError("a panel's number is digits, or FACILITY-NUMBER")
        return value, None
    if kind == "pin":
        found = _PIN.fullmatch(value)
        if found is None or not PIN_LEAST <= len(found["pin"]) <= PIN_MOST:
            raise GalleryError(f"a PIN is entered as NUMBER*PIN, with {PIN_LEAST} to {PIN_MOST} digits of PIN")
        return found["number"], found["pin"]
    if kind == "plate":
        return _plate(value), None
    raise GalleryError(f"{kind!r:.20} is no kind of credential: {', '.join(KINDS)}")


def _plate(value: str) -> str:
    """A number plate without what stands between its characters."""
    plate = _PLATE_GAPS.sub("", value).upper()
    if not 2 <= len(plate) <= PLATE_LONGEST or not plate.isalnum():
        raise GalleryError(f"a number plate is 2 to {PLATE_LONGEST} letters and digits; gaps and dashes don't count")
    return plate


def digest(root: Root, kind: str, number: str) -> bytes:
    """The HMAC by which a number is known."""
    return root.mac(b"credential " + kind.encode(), number.encode())


def stretch(pin: str, salt: bytes) -> bytes:
    """Stretch a PIN by scrypt, to 32 bytes."""
    return Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(pin.encode())


def _all(store: GalleryStore) -> list[tuple[Credential, Token]]:
    """Those that open."""
    found = []
    query = "SELECT record, person, kind, key, nonce, sealed FROM credential"
    for record, person, kind, *sealed in store.file.rows(query):
        try:
            plain = store.file.unseal(Sealed(*sealed), label("credential", person, kind, record), "credential")
        except GalleryError:
            continue
        found.append((Credential(record, person, kind), msgspec.json.decode(plain, type=Token)))
    return found


def _details(store: GalleryStore, root: Root, person: str, *, create: bool) -> Details:
    row = store.person_row(person)
    if row is not None:
        return store.details(person, row)
    if not create:
        raise GalleryError(f"{store.path}: {person} is not enrolled")
    details = Details(None, None, (), no_face=True)
    store.put_person(root, person, details)
    return details


def _without(
    store: GalleryStore, person: str, details: Details, kind: str | None, record: str | None = None
) -> Details:
    """A person's data without those credentials, which are deleted."""
    gone = {
        one.record for one in credentials_of(store, person) if kind in (None, one.kind) and record in (None, one.record)
    }
    for name in gone:
        store.file.run("DELETE FROM credential WHERE record = ?", (name,))
    left = tuple(name for name in details.credentials if name not in gone)
    return msgspec.structs.replace(details, credentials=left)
