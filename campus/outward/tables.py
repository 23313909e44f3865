"""What the school's own programs are told, and who of them is told by a webhook; for queries."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from campus.tables import metadata

change_head = Table(
    "change_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1"),
    Column("position", BigInteger, nullable=False),
)
"""One row: the last position given. Its lock puts positions in the order of the COMMITs."""

change = Table(
    "change",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, comment="of the event, or one of the hub's own"),
    Column("kind", String(16), nullable=False, comment="passage, alert or health"),
    Column("type", Text, nullable=False),
    Column("happened", Float, nullable=False, comment="Unix seconds"),
    Column("dated", Boolean, nullable=False, comment="by the gate's clock, then or later; else it is when it came"),
    Column("received", Float, nullable=False, comment="Unix seconds by the hub's clock"),
    Column("gate", String(32)),
    Column("person", Text),
    Column("direction", Text),
    Column("outcome", Text),
    Column("detail", Text, nullable=False, comment="JSON; never a measurement"),
    Column("revision", Integer, nullable=False, comment="1; 2 where it is told again, as it was dated later"),
    UniqueConstraint("id", "revision"),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("url", Text, nullable=False),
    Column("kinds", Text, nullable=False, comment="separated by spaces"),
    Column("created", Float, nullable=False),
    Column("position", BigInteger, nullable=False, comment="everything up to here was delivered"),
    Column("failing", Float, comment="since when nothing was delivered"),
    Column("failure", Text, comment="why the last attempt failed"),
    Column("disabled", Float),
    Column("key", String(16), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="the secret"),
)

consumer = Table(
    "consumer",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""How far a part of the hub's own has read the feed."""

standing_alert = Table(
    "standing_alert",
    metadata,
    Column("type", String(32), primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("subject", String(256), primary_key=True),
    Column("since", Float, nullable=False),
)
"""What the hub has raised the alarm about and is not over."""
