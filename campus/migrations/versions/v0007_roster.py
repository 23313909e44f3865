"""What is handed out to the gates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all three."""
    op.create_table(
        "gate_key",
        sa.Column("gate", sa.String(32), primary_key=True),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("pinned", sa.Float, nullable=False),
        sa.Column("revoked", sa.Float),
        sa.Column("reported", sa.LargeBinary),
        sa.Column("reported_at", sa.Float),
    )
    op.create_table(
        "content_key",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "snapshot",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("content_key", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
