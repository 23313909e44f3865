"""Who is inside is found by walking from person to person, and what is old enough to erase by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PASSED = "kind = 'passage' AND outcome = 'completed' AND person IS NOT NULL"
# A look at everybody's every passage took seconds where a year of them is kept; the last one of each is a look into the
# index for each person.
PRESENCE = """
WITH RECURSIVE somebody (who) AS (
    SELECT min(person) FROM change WHERE {passed}
    UNION ALL
    SELECT (SELECT min(person) FROM change WHERE {passed} AND person > who) FROM somebody WHERE who IS NOT NULL
)
SELECT person, direction = 'entry' AS inside, gate, {happened} AS since, dated
FROM somebody JOIN change ON change.position = (
    SELECT change.position FROM change
    WHERE {passed} AND person = who AND NOT EXISTS (
        SELECT 1 FROM change AS later WHERE later.id = change.id AND later.revision > change.revision
    )
    ORDER BY change.happened DESC, change.position DESC LIMIT 1
)
"""
MOMENTS = {"postgresql": "to_timestamp(happened)", "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', happened, 'unixepoch')"}


def upgrade() -> None:
    """Make the indexes, and the view anew; on PostgreSQL it is replaced, and what was granted stays."""
    dialect = op.get_bind().dialect.name
    passed = sa.text(PASSED)
    op.create_index(
        "change_passed", "change", ["person", "happened", "position"], postgresql_where=passed, sqlite_where=passed
    )
    op.create_index("change_received", "change", ["received"])
    make = "CREATE OR REPLACE VIEW"
    if dialect == "sqlite":
        op.execute("DROP VIEW v1_presence")
        make = "CREATE VIEW"
    op.execute(f"{make} v1_presence AS {PRESENCE.format(passed=PASSED, happened=MOMENTS[dialect])}")


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
