"""Tables of the access policy: every version of its rules, who visits, and the number that gates know it by."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, String, Table, Text

from campus.tables import metadata

head = Table(
    "policy_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)
"""One row; grows with each change of rules or visitors."""

rules = Table(
    "policy_rules",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("document", LargeBinary, nullable=False, comment="JSON, without visitors"),
)
"""Each version there ever was; the highest counts."""

visitor = Table(
    "visitor",
    metadata,
    Column("person", String(64), primary_key=True),
    Column("host", String(64), nullable=False),
    Column("begins", Text, nullable=False, comment="ISO 8601, by the policy's time zone"),
    Column("ends", Text, nullable=False),
    Column("groups", Text, nullable=False, comment="JSON"),
)
