"""The doctor's tickets, for queries."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text, text

from campus.tables import metadata

ticket = Table(
    "ticket",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", Text, nullable=False),
    Column("day", String(10), nullable=False, comment="ISO 8601, the hub's time zone"),
    Column("opened", Float, nullable=False, comment="Unix seconds by the hub's clock"),
    Column("version", Integer, nullable=False, comment="entries so far"),
    Column("dated", Boolean, nullable=False, comment="every gate's clock was right, so the day is the reading's"),
    Column("outcome", Text),
    Column("closed", Float),
    Column("closed_by", Text),
)
"""As each ticket stands; `ticket_entry` is how it came to."""

_OPEN = text("closed IS NULL")
Index("ticket_open", ticket.c.person, ticket.c.day, unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN)

ticket_entry = Table(
    "ticket_entry",
    metadata,
    Column("ticket", Integer, primary_key=True),
    Column("version", Integer, primary_key=True, comment="the ticket's version that this entry made"),
    Column("time", Float, nullable=False, comment="Unix seconds by the hub's clock"),
    Column("actor", Text, nullable=False, comment="a doctor, or `gate NAME`"),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON"),
)
"""What happened to each ticket. No entry changes, by a trigger; all of a ticket go when it is forgotten."""
