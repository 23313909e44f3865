"""What an identity provider pushes: accounts, groups, and the guard against a push that shuts everybody out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all five."""
    op.create_table(
        "scim_account",
        sa.Column("person", sa.String(64), sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("user_name", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("external_id", sa.LargeBinary),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("modified", sa.Float, nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_scim_account_external_id", "scim_account", ["external_id"])
    op.create_table(
        "scim_group",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("modified", sa.Float, nullable=False),
    )
    op.create_table(
        "scim_member",
        sa.Column("group", sa.String(32), sa.ForeignKey("scim_group.id"), primary_key=True),
        sa.Column("person", sa.String(64), sa.ForeignKey("person.id"), primary_key=True),
    )
    op.create_index("ix_scim_member_person", "scim_member", ["person"])
    op.create_table(
        "scim_removal",
        sa.Column("person", sa.String(64), primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
    )
    guard = op.create_table(
        "scim_guard",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tripped", sa.Float),
        sa.Column("allowed", sa.Integer, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.bulk_insert(guard, [{"id": 1, "tripped": None, "allowed": 0, "until": 0.0}])


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
