"""Seals: AES-256-GCM with a fresh nonce and a label, so that a record opens only as what it was sealed as.

Each sealed record carries the id of its key; while the key is being changed, two are at hand. A nonce is random, 96
bits: for one key 2^32 records stay far from a collision (NIST SP 800-38D, 8.3), and a gallery has some ten thousand.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from controller.gallery.keyfile import Keyring

NONCE_BYTES = 12

Label = tuple[str, ...]


class Sealed(NamedTuple):
    """A record as it stands in the database."""

    key: str
    nonce: bytes
    sealed: bytes


class SealError(Exception):
    """A record does not open; says why, not which. Never leaves this room."""


class Sealer:
    """The keys at hand.

    Args:
        ring: its keys open; the one in force is chosen by the gallery (`active`).
    """

    def __init__(self, ring: Keyring) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in ring.keys.items()}
        self.active = ring.first
        """Id of the key that seals."""

    def knows(self, key: str) -> bool:
        """Whether that key is at hand."""
        return key in self._ciphers

    def seal(self, plain: bytes, label: Label) -> Sealed:
        """Seal under the active key. `label` is what the record is; no two labels share an encoding."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self.active]
        return Sealed(self.active, nonce, cipher.encrypt(nonce, plain, _associated(self.active, label)))

    def unseal(self, record: Sealed, label: Label) -> bytes:
        """Open. Raises `SealError`."""
        cipher = self._ciphers.get(record.key)
        if cipher is None:
            raise SealError(f"sealed by the key {record.key!r:.40}, which is not at hand")
        try:
            return cipher.decrypt(record.nonce, record.sealed, _associated(record.key, label))
        except (InvalidTag, ValueError, TypeError) as error:
            raise SealError("altered, swapped, or sealed by another key") from error


def _associated(key: str, label: Label) -> bytes:
    return msgspec.json.encode((key, *label))
