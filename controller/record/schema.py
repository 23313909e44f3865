"""The journal's tables. The rules of an audit log are triggers, so that a mistake in any program meets them."""

from __future__ import annotations

APPLICATION_ID = 0x54474A31
"""`TGJ1`, in the header of the database file: tells a journal from somebody else's database."""

VERSION = 1

SCHEMA = """
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY,  -- order of the epochs of this file
    epoch INTEGER NOT NULL UNIQUE,
    serial TEXT NOT NULL,  -- of the board it was begun on
    reason TEXT NOT NULL,
    started REAL NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,  -- the campus has every entry up to here
    pruned INTEGER NOT NULL DEFAULT 0,  -- entries up to here are no longer kept
    pruned_chain BLOB NOT NULL  -- chain value of the entry `pruned`, or the epoch's anchor
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

CREATE TRIGGER epoch_is_monotone BEFORE UPDATE ON epoch
WHEN NEW.acked < OLD.acked OR NEW.pruned < OLD.pruned OR NEW.pruned > NEW.acked
    OR NEW.number <> OLD.number OR NEW.epoch <> OLD.epoch OR NEW.serial <> OLD.serial
    OR NEW.acked > coalesce((SELECT max(seq) FROM entry WHERE era = OLD.number), OLD.pruned)
BEGIN SELECT raise(ABORT, 'marks of the journal only advance, and not beyond its entries'); END;

CREATE TRIGGER epoch_is_kept BEFORE DELETE ON epoch
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
"""

CREATE = f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
"""Makes all of it or nothing."""
