"""Signatures of commands and their replies: Ed25519 (RFC 8032) over exact bytes, keys in files, and who may order what.

Both sides use this file, so it knows no board. What is signed travels as the bytes that were signed, in base64, so
that no reader has to write JSON the way the signer did. Each use has a prefix of its own: a signature of one kind is
never one of another.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import os
import tempfile
import tomllib
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controller.errors import ConfigError, MessageError

if TYPE_CHECKING:
    from pathlib import Path

COMMAND: Final = b"thermogate command 1\0"
REPLY: Final = b"thermogate reply 1\0"
ALL: Final = "*"
"""In a list of commands: every one there is."""
LONGEST: Final = 8192
"""Bytes of a signed message at most."""

KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and who vouches for them."""

    key: KeyId
    """The first eight bytes of SHA-256 of the public key, in hex."""
    body: Annotated[str, msgspec.Meta(max_length=LONGEST)]
    """Base64 of the bytes that were signed."""
    signature: Annotated[str, msgspec.Meta(max_length=88)]
    """Base64 of 64 bytes."""


_decoder = msgspec.json.Decoder(Signed)
_encoder = msgspec.json.Encoder()


def key_id(public: Ed25519PublicKey) -> str:
    """The name of a key: 16 hex digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sign(private: Ed25519PrivateKey, prefix: bytes, body: bytes) -> bytes:
    """The message that carries `body` and its signature. Raises `MessageError` for a body too long to be taken."""
    encoded = base64.b64encode(body).decode()
    if len(encoded) > LONGEST:
        raise MessageError(f"{len(body)} bytes are too many to sign")
    signature = base64.b64encode(private.sign(prefix + body)).decode()
    return _encoder.encode(Signed(key=key_id(private.public_key()), body=encoded, signature=signature))


def read_signed(where: str, payload: bytes) -> Signed:
    """Take a signed message apart, unverified. Raises `MessageError` that names `where`."""
    if len(payload) > 2 * LONGEST:
        raise MessageError(f"{where}: {len(payload)} bytes are more than a signed message has")
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error


def verify(where: str, signed: Signed, public: Ed25519PublicKey, prefix: bytes) -> bytes:
    """The signed bytes. Raises `MessageError` where the signature is not that of `public` over them."""
    try:
        body = base64.b64decode(signed.body, validate=True)
        signature = base64.b64decode(signed.signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"{where}: is not base64 ({error})") from error
    try:
        public.verify(signature, prefix + body)
    except InvalidSignature:
        raise MessageError(f"{where}: its signature is not that of key {signed.key}") from None
    return body


def public_text(public: Ed25519PublicKey) -> str:
    """A public key as it stands in files: base64 of its 32 bytes."""
    return base64.b64encode(public.public_bytes_raw()).decode()


def read_public(where: str, text: str) -> Ed25519PublicKey:
    """A public key from its base64. Raises `ConfigError` that names `where`."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise ConfigError(f"{where}: is no Ed25519 public key in base64: {error}") from error


def create_private(path: Path) -> Ed25519PrivateKey:
    """Make a private key in a new file of mode 0600 (PKCS #8, PEM), whole or not at all.

    Raises `ConfigError` where it cannot be, or something has that name already.
    """
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        # mkstemp makes mode 0600. Half a key under its name would keep a gate from ever starting again.
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.link(beside, path)
        finally:
            os.unlink(beside)  # noqa: PTH108 - mkstemp gives a name
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be made: {error.strerror}") from error
    return private


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> Ed25519PrivateKey:
    """A private key that only its owner may read. Raises `ConfigError` that names the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            text = file.read(LONGEST)
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read: {error.strerror}") from error
    # systemd gives a credential to the service's user by an ACL, whose mask shows as the group's bits of a root's file.
    is_credential = found.st_uid == 0 and str(path.parent) == os.environ.get("CREDENTIALS_DIRECTORY")
    if found.st_mode & 0o077 & ~(0o040 if is_credential else 0):
        raise ConfigError(f"{path}: others may read this key; run chmod 600 on it")
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: is no private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: is no Ed25519 key")
    return key


class Commander(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that may give orders, and whose orders."""

    public: str
    """Base64 of the 32 bytes."""
    actors: dict[str, tuple[str, ...]]
    """Who speaks through this key, and which commands are theirs; `*` is all of them."""
    not_before: dt.date | None = None
    not_after: dt.date | None = None
    """First and last day, both inclusive, by a clock that is right. Two keys may overlap: so they are rotated."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    commander: tuple[Commander, ...] = ()


class Commanders:
    """Everybody who may give orders to a gate.

    Args:
        where: names their source in errors.
        commanders: keys and actors. Raises `ConfigError` for a key that is none, or stands there twice.
    """

    def __init__(self, where: str, commanders: tuple[Commander, ...]) -> None:
        self._keys: dict[str, tuple[Ed25519PublicKey, Commander]] = {}
        for number, one in enumerate(commanders, start=1):
            public = read_public(f"{where}: commander {number}: public", one.public)
            if key_id(public) in self._keys:
                raise ConfigError(f"{where}: commander {number}: this key stands there twice")
            self._keys[key_id(public)] = public, one

    @classmethod
    def read(cls, path: Path) -> Commanders:
        """Read a file of `[[commander]]` tables. Raises `ConfigError` that names the file, and the key's path."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            found = msgspec.convert(raw, _File, strict=True)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"{path}: {error}") from error
        return cls(str(path), found.commander)

    def __len__(self) -> int:
        """Keys."""
        return len(self._keys)

    def public(self, key: str) -> Ed25519PublicKey | None:
        """The key of this name; None: it is nobody's."""
        found = self._keys.get(key)
        return None if found is None else found[0]

    def valid(self, key: str, today: dt.date | None) -> bool:
        """Whether a key counts today; `today` is None while the board's clock is not to be trusted."""
        one = self._keys[key][1]
        if today is None:
            return True
        early = one.not_before is not None and today < one.not_before
        return not early and (one.not_after is None or today <= one.not_after)

    def may(self, key: str, actor: str, command: str) -> bool:
        """Whether this actor may give this command through this key."""
        allowed = self._keys[key][1].actors.get(actor, ())
        return ALL in allowed or command in allowed
