"""Tables of what is handed out to the gates: to which, under which key, and the snapshots there are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, LargeBinary, String, Table, Text

from campus.tables import metadata

gate_key = Table(
    "gate_key",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("public", Text, nullable=False, comment="base64 of the X25519 key that an administrator pinned"),
    Column("pinned", Float, nullable=False),
    Column("revoked", Float),
    Column("reported", LargeBinary, comment="what the gate said last of what it has installed"),
    Column("reported_at", Float),
)
"""Gates that are given people."""

content_key = Table(
    "content_key",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="the highest is in force"),
    Column("created", Float, nullable=False),
    Column("key", String(16), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("content_key", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)
"""The newest of each kind."""
