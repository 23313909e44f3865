"""When an event happened is written beside it, and the feed tells again what is dated later: revisions.

What REST had dated and the feed had not is told again here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

DAY = 86_400
DATED = """
UPDATE {table} SET happened = {near}_time + (monotonic - {near}_monotonic),
    happened_error = 1.0 + 0.0005 * abs(monotonic - {near}_monotonic)
FROM boot
WHERE happened IS NOT NULL AND boot.gate = {table}.gate AND boot.boot_id = {table}.boot_id
    AND (abs(monotonic - first_monotonic) <= abs(monotonic - last_monotonic)) = {first}
"""
AGAIN = """
INSERT INTO change
    (position, id, revision, kind, type, happened, dated, received, gate, person, direction, outcome, detail)
SELECT (SELECT position FROM change_head) + row_number() OVER (ORDER BY change.position), id, 2, kind, type,
    event.happened, {true}, received, gate, person, direction, outcome, detail
FROM change JOIN (
    SELECT gate || '-' || epoch || '-' || seq AS place, happened FROM event WHERE happened_error IS NOT NULL
    UNION ALL
    SELECT gate || '-' || epoch || '-' || seq, happened FROM pending WHERE happened_error IS NOT NULL
) AS event ON event.place = change.id
WHERE NOT dated
"""
LATEST = "NOT EXISTS (SELECT 1 FROM change AS later WHERE later.id = change.id AND later.revision > change.revision)"
VIEWS = {
    "v1_passage": """
SELECT position, id, {happened} AS time, dated, gate, person, direction, outcome
FROM change WHERE kind = 'passage' AND {latest}
""",
    "v1_presence": """
SELECT person, direction = 'entry' AS inside, gate, {happened} AS since, dated
FROM (
    SELECT change.*, row_number() OVER (PARTITION BY person ORDER BY happened DESC, position DESC) AS age
    FROM change WHERE kind = 'passage' AND outcome = 'completed' AND person IS NOT NULL AND {latest}
) AS passage
WHERE age = 1
""",
    "v1_alert": """
SELECT position, id, {happened} AS time, dated, gate, type, detail FROM change WHERE kind = 'alert' AND {latest}
""",
}
MOMENTS = {"postgresql": "to_timestamp(happened)", "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', happened, 'unixepoch')"}


def upgrade() -> None:
    """Date what is there, and give the feed its revisions."""
    dialect = op.get_bind().dialect.name
    true, false = ("true", "false") if dialect == "postgresql" else ("1", "0")
    for table in ("event", "pending"):
        op.add_column(table, sa.Column("happened", sa.Float))
        op.add_column(table, sa.Column("happened_error", sa.Float))
        wrong = f"clock <> 'synchronised' OR time <= 0 OR time >= received + {DAY}"
        op.execute(f"UPDATE {table} SET happened = received WHERE {wrong}")  # noqa: S608 - names of our own
        op.execute(DATED.format(table=table, near="first", first=true))
        op.execute(DATED.format(table=table, near="last", first=false))
        undated = sa.text("happened IS NOT NULL AND happened_error IS NULL")
        op.create_index(f"{table}_undated", table, ["gate", "boot_id"], postgresql_where=undated, sqlite_where=undated)
    if dialect == "postgresql":
        op.drop_constraint("change_id_key", "change")
        op.add_column("change", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    else:
        _rebuild_change()
    op.create_index("change_revision", "change", ["id", "revision"], unique=True)
    op.execute(AGAIN.format(true=true))
    last = "(SELECT max(position) FROM change)"
    op.execute(f"UPDATE change_head SET position = {last} WHERE position < {last}")  # noqa: S608 - nobody's words
    make = "CREATE OR REPLACE VIEW" if dialect == "postgresql" else "CREATE VIEW"  # replaced: what was granted stays
    for name, query in VIEWS.items():
        op.execute(f"{make} {name} AS {query.format(happened=MOMENTS[dialect], latest=LATEST)}")


def _rebuild_change() -> None:
    """SQLite drops no constraint of a table that is there."""
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_index("change_person")
    op.rename_table("change", "change_before")
    op.create_table(
        "change",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
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
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    )
    op.execute("INSERT INTO change SELECT *, 1 FROM change_before")
    op.drop_table("change_before")
    op.create_index("change_person", "change", ["person", "happened"])


def downgrade() -> None:
    """Nothing is thrown away by a migration."""
    raise RuntimeError("restore a backup to go behind this version")
