"""What an identity provider pushed, beside the people themselves; for queries."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, String, Table, Text

from campus.tables import metadata

account = Table(
    "scim_account",
    metadata,
    Column("person", String(64), ForeignKey("person.id"), primary_key=True),
    Column("user_name", LargeBinary, nullable=False, unique=True, comment="HMAC of it in small letters"),
    Column("external_id", LargeBinary, index=True, comment="HMAC of it"),
    Column("created", Float, nullable=False, comment="Unix seconds"),
    Column("modified", Float, nullable=False),
    Column("key", String(16), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="what was said of somebody"),
)

group = Table(
    "scim_group",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False, comment="as pushed"),
    Column("external_id", Text),
    Column("created", Float, nullable=False),
    Column("modified", Float, nullable=False),
)

member = Table(
    "scim_member",
    metadata,
    Column("group", String(32), ForeignKey("scim_group.id"), primary_key=True),
    Column("person", String(64), ForeignKey("person.id"), primary_key=True, index=True),
)

removal = Table(
    "scim_removal",
    metadata,
    Column("person", String(64), primary_key=True),
    Column("time", Float, nullable=False),
)
"""Who was shut out by a push not long ago."""

guard = Table(
    "scim_guard",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1"),
    Column("tripped", Float, comment="since when removals are refused"),
    Column("allowed", Integer, nullable=False, comment="so many more may be shut out"),
    Column("until", Float, nullable=False, comment="up to when"),
)
"""One row, whose lock puts pushes one after the other."""
