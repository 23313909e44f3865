"""Events, marks, and what is known of gates.

Each version is frozen: it names its own columns, and `campus.tables` is what they add up to.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _place(*, key: bool = True) -> list[sa.Column[object]]:
    """Gate, epoch and number of an event."""
    return [
        sa.Column("gate", sa.String(32), primary_key=key),
        sa.Column("epoch", sa.String(16), primary_key=key),
        sa.Column("seq", sa.BigInteger, primary_key=key),
    ]


def upgrade() -> None:
    """Make the tables; PostgreSQL's `event` is partitioned by the month in which its rows came."""
    partitioned: dict[str, Any] = (
        {"postgresql_partition_by": "RANGE (received)"} if op.get_bind().dialect.name == "postgresql" else {}
    )
    op.create_table("hub", sa.Column("campus", sa.String(32), primary_key=True))
    op.create_table(
        "event",
        *_place(),
        sa.Column("received", sa.Float, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("clock", sa.Text, nullable=False),
        sa.Column("monotonic", sa.Float, nullable=False),
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("grant_id", sa.Text),
        sa.Column("person", sa.Text),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        **partitioned,
    )
    op.create_index("event_received", "event", ["received"])
    op.create_index("event_person", "event", ["person", "received"])
    op.create_table(
        "pending",
        *_place(),
        sa.Column("received", sa.Float, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mark",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
    )
    op.create_table(
        "conflict",
        *_place(),
        sa.Column("chain", sa.String(64), primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received", sa.Float, nullable=False),
    )
    op.create_table(
        "hole",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("found", sa.Float, nullable=False),
    )
    op.create_table(
        "gate",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("online", sa.Boolean),
        sa.Column("boot_id", sa.Text),
        sa.Column("seen", sa.Float, nullable=False),
        sa.Column("state", sa.LargeBinary),
    )


def downgrade() -> None:
    """Events are never thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind the first version")
