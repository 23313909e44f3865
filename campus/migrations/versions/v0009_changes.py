"""The change feed, who is told of it, and the views that the school's own programs read.

The feed begins with the events that are stored from here on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PASSAGE = """
CREATE VIEW v1_passage AS
SELECT position, id, {happened} AS time, dated, gate, person, direction, outcome FROM change WHERE kind = 'passage'
"""
PRESENCE = """
CREATE VIEW v1_presence AS
SELECT person, direction = 'entry' AS inside, gate, {happened} AS since, dated
FROM (
    SELECT change.*, row_number() OVER (PARTITION BY person ORDER BY happened DESC, position DESC) AS age
    FROM change WHERE kind = 'passage' AND outcome = 'completed' AND person IS NOT NULL
) AS passage
WHERE age = 1
"""
ALERT = """
CREATE VIEW v1_alert AS
SELECT position, id, {happened} AS time, dated, gate, type, detail FROM change WHERE kind = 'alert'
"""
MOMENTS = {"postgresql": "to_timestamp(happened)", "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', happened, 'unixepoch')"}


def upgrade() -> None:
    """Make the tables and the views."""
    op.create_table(
        "change_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO change_head VALUES (1, 0)")
    op.create_table(
        "change",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("happened", sa.Float, nullable=False),
        sa.Column("dated", sa.Boolean, nullable=False),
        sa.Column("received", sa.Float, nullable=False),
        sa.Column("gate", sa.String(32)),
        sa.Column("person", sa.Text),
        sa.Column("direction", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("change_person", "change", ["person", "happened"])
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("failing", sa.Float),
        sa.Column("failure", sa.Text),
        sa.Column("disabled", sa.Float),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    happened = MOMENTS[op.get_bind().dialect.name]
    for view in (PASSAGE, PRESENCE, ALERT):
        op.execute(view.format(happened=happened))


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
