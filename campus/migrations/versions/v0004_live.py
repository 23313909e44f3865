"""What came ahead of the mark can be seen as an event; boots are dated; a conflict says where it was written again."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give `pending` the columns of `event`, and make `boot`."""
    query = op.get_bind()
    waiting = query.execute(sa.text("SELECT gate, epoch, seq, received, chain, payload FROM pending")).mappings().all()
    op.drop_table("pending")
    pending = op.create_table(
        "pending",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("epoch", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("received", sa.Float, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("clock", sa.Text, nullable=False),
        sa.Column("monotonic", sa.Float, nullable=False),
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("grant_id", sa.Text),
        sa.Column("person", sa.Text),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("pending_received", "pending", ["received"])
    told = ("type", "time", "clock", "monotonic", "boot_id", "grant_id", "person")
    for row in waiting:
        event = json.loads(row["payload"])
        query.execute(pending.insert().values(**row, **{name: event.get(name) for name in told}))
    op.create_table(
        "boot",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("boot_id", sa.Text, primary_key=True),
        sa.Column("first_monotonic", sa.Float, nullable=False),
        sa.Column("first_time", sa.Float, nullable=False),
        sa.Column("last_monotonic", sa.Float, nullable=False),
        sa.Column("last_time", sa.Float, nullable=False),
    )
    op.add_column("conflict", sa.Column("refiled", sa.Text))


def downgrade() -> None:
    """Events are never thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
