"""What the hub hands out to gates, and how: people, templates and the access policy, as sealed documents.

A document is a *snapshot*, or what changed *since* one; it is named by the SHA-256 of its sealed bytes. Which ones a
gate should have is said by a `Desired`, signed by the hub for that gate. Documents are sealed once, under a content key
that each gate gets sealed to its own X25519 key (HPKE, RFC 9180). Both sides use this file, so it knows no board.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from controller.errors import ConfigError, MessageError
from controller.link.commands import Name
from controller.link.messages import Text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ROSTER, GALLERY, POLICY = "roster", "gallery", "policy"
KINDS: Final = (ROSTER, GALLERY, POLICY)
"""In the order in which they are installed: templates belong to people."""
SIGNED: Final = b"thermogate desired 1\0"
LARGEST: Final = 128 << 20
"""Bytes of a sealed document; a gate takes no more."""
INLINE: Final = 1200
"""Bytes of a sealed document that may travel within the message, so that three fit."""
KEY_BYTES: Final = 32
_NONCE: Final = 12
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Since = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sealed document: at `documents/{sha256}` of the hub, or here."""

    sha256: Digest
    size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
    inline: Annotated[str, msgspec.Meta(max_length=2 * INLINE)] = ""
    """Base64 of the bytes themselves; empty: to be fetched."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gate should have of one kind."""

    version: Version
    base: Version
    """The snapshot's version. Whoever has this or a later one needs `delta` alone."""
    snapshot: File
    delta: File | None = None
    """Everything that changed since the snapshot; None: nothing did."""


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """`cfg/desired`: signed, retained. What this gate should have installed."""

    campus: Name
    gate: Name
    issued: float
    """Unix seconds."""
    fresh_until: float
    """Unix seconds; a gate that has heard nothing newer lets nobody in from then on."""
    sealed_key: Annotated[str, msgspec.Meta(max_length=256)]
    """Base64 of the content key, sealed to this gate's key (HPKE)."""
    documents: dict[Text, Wanted]
    """By kind; one that a gate does not know is left alone."""


class Installed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gate has of one kind."""

    version: Since = 0
    error: Text = ""
    """Why it does not have what it should; empty: it has, or is on its way."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """`cfg/reported`: retained. What a gate has installed."""

    boot_id: Text
    key: Text
    """Base64 of its X25519 key, for an administrator to compare and pin; the hub does not take it from here."""
    documents: dict[Text, Installed] = msgspec.field(default_factory=dict)
    error: Text = ""
    """Why the last message was refused as a whole."""
    fresh_until: float = 0.0
    stale: bool = False
    """It has heard nothing for so long that it lets nobody in."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document, opened: MessagePack."""

    campus: Name
    kind: str
    version: Version
    since: Since = 0
    """0: a snapshot, which is everything there is. Else what changed since the snapshot of this version."""
    entries: dict[str, msgspec.Raw] = {}
    """What is there, by key: a `PersonEntry` or `FaceEntry` by a person's id; of a policy, what its own room says."""
    removed: tuple[str, ...] = ()
    """Keys that are there no more."""


class PersonEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Of `roster`: somebody who may pass. Unlike elsewhere an unknown field is refused: it may restrict somebody."""

    groups: tuple[str, ...] = ()
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    second_factor: bool = False
    no_face: bool = False
    credentials: tuple[tuple[Literal["card", "qr", "plate", "panel"], str], ...] = ()
    """Kinds and numbers."""


class FaceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `gallery`: somebody's templates."""

    templates: tuple[tuple[str, bytes], ...]
    """Each the embedder's model and the little-endian float32 numbers."""


def encode_desired(desired: Desired) -> bytes:
    """The bytes to be signed."""
    return msgspec.json.encode(desired)


def read_desired(where: str, body: bytes) -> Desired:
    """Read what was signed. Raises `MessageError` naming `where` and the field's path."""
    try:
        return msgspec.json.decode(body, type=Desired)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error


def encode_reported(reported: Reported) -> bytes:
    """The message."""
    return msgspec.json.encode(reported)


def read_reported(where: str, payload: bytes) -> Reported:
    """Read a gate's report. Raises `MessageError`."""
    try:
        return msgspec.json.decode(payload, type=Reported)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error


def seal_document(document: Document, content_key: bytes) -> bytes:
    """The document as it is handed out: ChaCha20-Poly1305 with a random nonce before it."""
    nonce = os.urandom(_NONCE)
    return nonce + ChaCha20Poly1305(content_key).encrypt(nonce, msgspec.msgpack.encode(document), _DOCUMENT)


def open_document(where: str, sealed: bytes, content_key: bytes) -> Document:
    """Open one. Raises `MessageError`: sealed by another key, altered, or no document."""
    try:
        plain = ChaCha20Poly1305(content_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _DOCUMENT)
    except (InvalidTag, ValueError) as error:
        raise MessageError(f"{where}: does not open: altered, or sealed by another key") from error
    try:
        return msgspec.msgpack.decode(plain, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error


_DOCUMENT: Final = b"thermogate document 1"


def seal_key(content_key: bytes, public: X25519PublicKey, campus: str, gate: str) -> str:
    """The content key for one gate, base64."""
    return base64.b64encode(_SUITE.encrypt(content_key, public, info=_info(campus, gate))).decode()


def open_key(sealed: str, private: X25519PrivateKey, campus: str, gate: str) -> bytes:
    """The content key. Raises `MessageError` where it is not sealed to this gate's key."""
    try:
        key = _SUITE.decrypt(base64.b64decode(sealed, validate=True), private, info=_info(campus, gate))
    except (InvalidTag, ValueError) as error:
        raise MessageError("the content key is not sealed to this gate's key: pin it at the hub") from error
    if len(key) != KEY_BYTES:
        raise MessageError(f"the content key has {len(key)} bytes")
    return key


def _info(campus: str, gate: str) -> bytes:
    return f"thermogate content key 1\0{campus}/{gate}".encode()


def download_password(content_key: bytes, gate: str) -> str:
    """By which a gate shows the hub, when it fetches, that it has the content key."""
    return hmac.digest(content_key, f"thermogate download 1\0{gate}".encode(), hashlib.sha256).hex()


def file_of(sealed: bytes) -> File:
    """What a `Desired` says of a sealed document; small ones travel in it."""
    inline = base64.b64encode(sealed).decode() if len(sealed) <= INLINE else ""
    return File(sha256=hashlib.sha256(sealed).hexdigest(), size=len(sealed), inline=inline)


def inline_bytes(where: str, file: File) -> bytes:
    """The bytes of a document that came within the message. Raises `MessageError` where they are not those."""
    try:
        sealed = base64.b64decode(file.inline, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"{where}: is not base64 ({error})") from error
    if len(sealed) != file.size or hashlib.sha256(sealed).hexdigest() != file.sha256:
        raise MessageError(f"{where}: is not the document that was signed")
    return sealed


def key_text(public: X25519PublicKey) -> str:
    """A gate's public key as it is shown and pinned: base64 of its 32 bytes."""
    return base64.b64encode(public.public_bytes_raw()).decode()


def read_gate_key(where: str, text: str) -> X25519PublicKey:
    """A gate's public key. Raises `ConfigError` that names `where`."""
    try:
        return X25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise ConfigError(f"{where}: is no X25519 public key in base64: {error}") from error
