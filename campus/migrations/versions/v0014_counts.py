"""How many events of each gate were stored, so that nobody has to count them; rare kinds of events are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RARE = "type NOT IN ('command', 'deny', 'grant', 'passage', 'state')"


def upgrade() -> None:
    """Count once what is here; an index for the kinds of which there are few, as the others are found soon anyway."""
    op.add_column("mark", sa.Column("stored", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE mark SET stored = "
        "(SELECT count(*) FROM event WHERE event.gate = mark.gate AND event.epoch = mark.epoch)"
    )
    rare = sa.text(RARE)
    op.create_index("event_rare", "event", ["type", "received"], postgresql_where=rare, sqlite_where=rare)


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
