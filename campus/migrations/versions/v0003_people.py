"""People, their credentials and templates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _sealed() -> list[sa.Column[object]]:
    return [
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    ]


def upgrade() -> None:
    """Make all three."""
    op.create_table(
        "person",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date),
        sa.Column("valid_until", sa.Date),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("second_factor", sa.Boolean, nullable=False),
        sa.Column("no_face", sa.Boolean, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        *_sealed(),
        sa.Column("removed", sa.Float),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("faces_changed", sa.BigInteger, nullable=False),
    )
    op.create_index("person_changed", "person", ["changed"])
    op.create_index("person_faces_changed", "person", ["faces_changed"])
    op.create_table(
        "credential",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("person", sa.String(64), sa.ForeignKey("person.id"), nullable=False),
        *_sealed(),
    )
    op.create_index("ix_credential_person", "credential", ["person"])
    op.create_table(
        "template",
        sa.Column("person", sa.String(64), sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("quality", sa.Float),
        *_sealed(),
    )


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
