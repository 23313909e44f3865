"""The doctor's tickets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables; an entry of a ticket's history is never changed, and goes only with its ticket."""
    op.create_table(
        "ticket",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("opened", sa.Float, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("dated", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("closed", sa.Float),
        sa.Column("closed_by", sa.Text),
    )
    is_open = sa.text("closed IS NULL")
    op.create_index(
        "ticket_open", "ticket", ["person", "day"], unique=True, postgresql_where=is_open, sqlite_where=is_open
    )
    op.create_table(
        "ticket_entry",
        sa.Column("ticket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION ticket_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'entries of a ticket never change'; END $$"
        )
        op.execute(
            "CREATE TRIGGER ticket_entry_is_final BEFORE UPDATE ON ticket_entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION ticket_entry_is_final()"
        )
        return
    op.execute(
        "CREATE TRIGGER ticket_entry_is_final BEFORE UPDATE ON ticket_entry "
        "BEGIN SELECT raise(ABORT, 'entries of a ticket never change'); END"
    )


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
