"""The gallery's tables, and what the seal of each row is bound to."""

from __future__ import annotations

SCHEMA_VERSION = 2
APPLICATION_ID = 0x54474741
"""`TGGA` in the file's header: another program's database is not taken for a gallery."""

SEALED = "key TEXT NOT NULL, nonce BLOB NOT NULL, sealed BLOB NOT NULL"

CREATE = f"""
CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), {SEALED}) STRICT;
CREATE TABLE person (person TEXT PRIMARY KEY, {SEALED}) STRICT, WITHOUT ROWID;
CREATE TABLE template (
    record TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (person) ON DELETE CASCADE,
    model TEXT NOT NULL,
    position INTEGER NOT NULL,
    {SEALED}
) STRICT, WITHOUT ROWID;
CREATE INDEX template_person ON template (person);
CREATE TABLE credential (
    record TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (person) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    {SEALED}
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_person ON credential (person);
CREATE TABLE picture (
    record TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (person) ON DELETE CASCADE,
    day INTEGER NOT NULL,
    {SEALED}
) STRICT, WITHOUT ROWID;
CREATE INDEX picture_person ON picture (person);
CREATE INDEX picture_day ON picture (day);
"""

BOUND: dict[str, tuple[str, ...]] = {
    "person": ("person",),
    "template": ("person", "model", "record", "position"),
    "credential": ("person", "kind", "record"),
    "picture": ("person", "record", "day"),
}
"""What of a row stands in its seal's associated data, by table; the table's name comes before it."""
NAMED = {"person": "person", "template": "record", "credential": "record", "picture": "record"}
"""The column that names a row."""


def label(table: str, *values: object) -> tuple[str, ...]:
    """What a row's seal is bound to; `values` in the order of `BOUND`."""
    return (table, *map(str, values))


def statements(script: str) -> list[str]:
    """A script's statements one by one: SQLite's own `executescript` would end the transaction they belong in."""
    return [statement for statement in script.split(";") if statement.strip()]
