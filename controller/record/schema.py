"""The journal's tables. The rules of an audit log are triggers, so that a mistake in any program meets them."""

from __future__ import annotations

APPLICATION_ID = 0x54474A31
"""`TGJ1`, in the header of the database file: tells a journal from somebody else's database."""

VERSION = 2

SCHEMA = """
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY,  -- order of the epochs of this file
    epoch INTEGER NOT NULL UNIQUE,
    serial TEXT NOT NULL,  -- of the board it was begun on
    reason TEXT NOT NULL,
    started REAL NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,  -- the campus has every entry up to here
    pruned INTEGER NOT NULL DEFAULT 0,  -- entries up to here are no longer kept
    pruned_chain BLOB NOT NULL,  -- chain value of the entry `pruned`, or the epoch's anchor
    thinned INTEGER NOT NULL DEFAULT 0  -- screening parts up to here are no longer kept
) STRICT;

CREATE TABLE entry (
    era INTEGER NOT NULL REFERENCES epoch (number),
    seq INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    monotonic REAL NOT NULL,
    wall REAL NOT NULL,
    clock TEXT NOT NULL,
    grant_id TEXT,
    person TEXT,
    detail TEXT NOT NULL,
    screening_digest BLOB,  -- SHA-256 of the screening part, whether it is still here or not
    chain BLOB NOT NULL,
    PRIMARY KEY (era, seq)
) STRICT, WITHOUT ROWID;  -- one B-tree, appended to at its end: a commit writes one page

CREATE TRIGGER entry_is_contiguous BEFORE INSERT ON entry
WHEN NEW.seq <> 1 + coalesce(
    (SELECT max(seq) FROM entry WHERE era = NEW.era), (SELECT pruned FROM epoch WHERE number = NEW.era)
)
BEGIN SELECT raise(ABORT, 'the journal has no gaps'); END;

CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
WHEN OLD.seq > (SELECT pruned FROM epoch WHERE number = OLD.era)
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER epoch_is_kept BEFORE DELETE ON epoch
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
"""

SINCE_2 = """
-- Apart from its entry, so that a range that is thrown away frees whole pages, which new entries take.
CREATE TABLE screening (
    era INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (era, seq),
    FOREIGN KEY (era, seq) REFERENCES entry (era, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER screening_is_final BEFORE UPDATE ON screening
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER screening_is_kept BEFORE DELETE ON screening
WHEN OLD.seq > (SELECT max(thinned, pruned) FROM epoch WHERE number = OLD.era)
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER epoch_is_monotone BEFORE UPDATE ON epoch
WHEN NEW.acked < OLD.acked OR NEW.pruned < OLD.pruned OR NEW.pruned > NEW.acked OR NEW.thinned < OLD.thinned
    OR NEW.number <> OLD.number OR NEW.epoch <> OLD.epoch OR NEW.serial <> OLD.serial
    OR NEW.acked > coalesce((SELECT max(seq) FROM entry WHERE era = OLD.number), OLD.pruned)
BEGIN SELECT raise(ABORT, 'marks of the journal only advance, and not beyond its entries'); END;
"""

_MARK = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
CREATE = f"BEGIN IMMEDIATE; {SCHEMA} {SINCE_2} {_MARK} COMMIT;"
"""Makes all of it or nothing."""
UPGRADE = f"""
BEGIN IMMEDIATE;
ALTER TABLE epoch ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN screening_digest BLOB;
DROP TRIGGER epoch_is_monotone;
{SINCE_2} {_MARK} COMMIT;"""
"""Brings a journal of version 1 along; its entries keep their detail in one piece."""
