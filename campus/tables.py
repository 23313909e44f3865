"""The hub's tables, for queries; `campus.migrations` makes them. PostgreSQL in earnest, SQLite to try it.

`event` holds what is complete: of each gate's epoch everything up to its mark, once. What came ahead of that, live or
behind a gap, waits in `pending`; `arrived` is both, for whoever wants to know what happened. So (gate, epoch, seq) is
unique though PostgreSQL keeps `event` in monthly partitions, whose keys cannot span them: only who holds the mark's row
moves it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Float, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

hub = Table("hub", metadata, Column("campus", String(32), primary_key=True))
"""One row: whose events these are."""

event = Table(
    "event",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("received", Float, primary_key=True, comment="Unix seconds by the hub's clock"),
    Column("type", Text, nullable=False),
    Column("time", Float, nullable=False, comment="Unix seconds by the gate's clock"),
    Column("clock", Text, nullable=False, comment="what the gate knew of its clock"),
    Column("monotonic", Float, nullable=False, comment="seconds since the boot that boot_id names"),
    Column("boot_id", Text, nullable=False),
    Column("grant_id", Text),
    Column("person", Text),
    Column("chain", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False, comment="as it came"),
    Column("happened", Float, comment="Unix seconds; null: `time` is right (campus.intake.dating)"),
    Column("happened_error", Float, comment="null beside a `happened`: nobody knows when; that is when it came"),
)

pending = Table(
    "pending",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    *(Column(column.name, column.type, nullable=column.nullable) for column in list(event.c)[3:]),
)
"""Events ahead of the mark, with the columns of `event`."""

arrived = sa.union_all(
    sa.select(event, sa.true().label("complete")), sa.select(pending, sa.false().label("complete"))
).subquery("arrived")
"""Every event that is here, once. One that becomes complete keeps its `received`."""

dates = arrived.c.time, arrived.c.happened, arrived.c.happened_error
"""What `campus.intake.dating.moment_of` wants to know."""

boot = Table(
    "boot",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("boot_id", Text, primary_key=True),
    Column("first_monotonic", Float, nullable=False),
    Column("first_time", Float, nullable=False),
    Column("last_monotonic", Float, nullable=False),
    Column("last_time", Float, nullable=False),
)
"""The first and the last moment of each start of a board at which it knew the time."""

mark = Table(
    "mark",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
    Column("stored", BigInteger, nullable=False, server_default="0", comment="events that ever were in `event`"),
)
"""Nothing of (gate, epoch) up to `seq` is missing."""

conflict = Table(
    "conflict",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("chain", String(64), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("received", Float, nullable=False),
    Column("refiled", Text, comment="epoch-seq under which the gate has written it again; it is in `event` there"),
)
"""Another event at a place that was taken: a restored card, or a forgery."""

hole = Table(
    "hole",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("found", Float, nullable=False),
)
"""Events that a gate has forgotten on the word of a hub that had them, and this one has not."""

gap = Table(
    "gap",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, comment="null: what comes behind is not known"),
    Column("found", Float, nullable=False),
    Column("asked", BigInteger, nullable=False, comment="times the gate was asked"),
    Column("asked_at", Float),
    Column("alerted", Float),
)
"""Events that stay away though their gate has them; while they do, see `campus.intake.gaps`."""

gate = Table(
    "gate",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("online", Boolean),
    Column("boot_id", Text),
    Column("seen", Float, nullable=False),
    Column("state", LargeBinary),
)
"""What each gate said last of itself."""

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON"),
    Column("chain", String(64), nullable=False),
)
"""Who changed what; append-only by triggers, see `campus.auth.audit`."""

token = Table(
    "token",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    Column("digest", String(64), nullable=False, unique=True),
)
"""Who is known to the hub, see `campus.auth.tokens`."""
