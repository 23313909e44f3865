"""What a template was made from, and people who may be enrolled though they look like one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both."""
    op.add_column("template", sa.Column("photograph", sa.LargeBinary))
    op.create_table(
        "lookalike",
        sa.Column("first", sa.String(64), sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("second", sa.String(64), sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.create_index("lookalike_second", "lookalike", ["second"])


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
