"""Tables of people, their credentials and templates; what names or shows somebody is sealed (`people.records`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Float, ForeignKey, Index, Integer, LargeBinary, String, Table
from sqlalchemy import Text as Words

from campus.tables import metadata


def _sealed() -> list[Column[object]]:
    return [
        Column("key", String(16), nullable=False),
        Column("nonce", LargeBinary, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
    ]


person = Table(
    "person",
    metadata,
    Column("id", String(64), primary_key=True, comment="stable, and no name"),
    Column("kind", String(16), nullable=False),
    Column("groups", Words, nullable=False, comment="JSON"),
    Column("valid_from", Date),
    Column("valid_until", Date, comment="inclusive"),
    Column("active", Boolean, nullable=False),
    Column("second_factor", Boolean, nullable=False),
    Column("no_face", Boolean, nullable=False),
    Column("source", Words, nullable=False, comment="who keeps this record: empty for the hub itself"),
    *_sealed(),
    Column("removed", Float, comment="Unix seconds; then nothing but the id is left"),
    Column("changed", BigInteger, nullable=False, comment="what gates know of them was changed; only ever grows"),
    Column("faces_changed", BigInteger, nullable=False, comment="the same of their templates"),
    Index("person_changed", "changed"),
    Index("person_faces_changed", "faces_changed"),
)

credential = Table(
    "credential",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("digest", LargeBinary, primary_key=True, comment="HMAC of the number: nobody else may have it"),
    Column("person", String(64), ForeignKey("person.id"), nullable=False, index=True),
    *_sealed(),
)

template = Table(
    "template",
    metadata,
    Column("person", String(64), ForeignKey("person.id"), primary_key=True),
    Column("model", Words, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("quality", Float, comment="0..1; null: not known"),
    Column("photograph", LargeBinary, comment="HMAC of the file it was made from at this hub; null: it came finished"),
    *_sealed(),
)

lookalike = Table(
    "lookalike",
    metadata,
    Column("first", String(64), ForeignKey("person.id"), primary_key=True),
    Column("second", String(64), ForeignKey("person.id"), primary_key=True, comment="the greater id of both"),
    Column("since", Float, nullable=False, comment="Unix seconds"),
    Index("lookalike_second", "second"),
)
"""Two people who may be enrolled though their faces are as one, as twins are; who said so is in the audit log."""
