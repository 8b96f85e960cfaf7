"""The journal's tables, and how its file is opened: whose it is, which version, and that nobody else has it.

Sizes are bytes, times nanoseconds, NULL what is not known. Destinations and sources are bytes, since a file's
name need not be text.
"""

from __future__ import annotations

import sqlite3

from gof3r.engine.errors import UsageError, one_line

APPLICATION = 0x676F3372
"""PRAGMA application_id, "go3r": a database of somebody else's is not touched."""

FORMAT = 3
"""PRAGMA user_version: another number for other tables."""

LARGEST = 2**62
"""Above every size, for those that are not known."""

RANK = f"coalesce(size, {LARGEST})"

TODO = f"CREATE INDEX IF NOT EXISTS todo ON item ({RANK} DESC, id) WHERE state = 0"

BY_SOURCE = "CREATE INDEX IF NOT EXISTS by_source ON item (source)"

BUCKET = (
    "CASE WHEN substr({0}, 1, 1) = x'2f' THEN x'2f' ELSE substr({0}, 1, 5 + instr(substr({0}, 6), x'2f')) END"
)
"""Of a place's text: ``s3://BUCKET/``, or ``/`` of a file."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE item (
    id INTEGER PRIMARY KEY,
    destination BLOB NOT NULL UNIQUE,
    source BLOB NOT NULL,
    version TEXT NOT NULL,   -- of the source, that is wanted
    options TEXT NOT NULL,
    size INTEGER,            -- and the next three: of the source, as listed; once done, as it was read
    etag TEXT NOT NULL,
    found TEXT NOT NULL,     -- its version id
    mtime INTEGER,
    state INTEGER NOT NULL,
    cause TEXT,
    text TEXT,
    seen INTEGER NOT NULL,   -- the run that has last listed it
    attempts INTEGER NOT NULL DEFAULT 0,
    upload TEXT,
    receipt INTEGER
);
CREATE INDEX under_way ON item (id) WHERE state = 1;
CREATE INDEX failed ON item (cause) WHERE state = 3;
CREATE INDEX uploads ON item (id) WHERE upload IS NOT NULL;
CREATE TABLE total (
    state INTEGER PRIMARY KEY,
    items INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0
);
INSERT INTO total (state) VALUES (0), (1), (2), (3), (4);
CREATE TRIGGER added AFTER INSERT ON item BEGIN
    UPDATE total SET
        items = items + 1, bytes = bytes + coalesce(NEW.size, 0), unknown = unknown + (NEW.size IS NULL)
    WHERE state = NEW.state;
END;
CREATE TRIGGER moved AFTER UPDATE OF state, size ON item
WHEN OLD.state <> NEW.state OR OLD.size IS NOT NEW.size BEGIN
    UPDATE total SET
        items = items - 1, bytes = bytes - coalesce(OLD.size, 0), unknown = unknown - (OLD.size IS NULL)
    WHERE state = OLD.state;
    UPDATE total SET
        items = items + 1, bytes = bytes + coalesce(NEW.size, 0), unknown = unknown + (NEW.size IS NULL)
    WHERE state = NEW.state;
END;
CREATE TRIGGER dropped AFTER DELETE ON item BEGIN
    UPDATE total SET
        items = items - 1, bytes = bytes - coalesce(OLD.size, 0), unknown = unknown - (OLD.size IS NULL)
    WHERE state = OLD.state;
END;
"""

_EQUAL = """
    item.size IS excluded.size
    AND (item.etag = '' OR excluded.etag = '' OR item.etag = excluded.etag)
    AND (item.found = '' OR excluded.found = '' OR item.found = excluded.found)
    AND (item.mtime IS NULL OR excluded.mtime IS NULL OR item.mtime = excluded.mtime)
    AND ((item.etag <> '' AND excluded.etag <> '') OR (item.found <> '' AND excluded.found <> '')
         OR (item.mtime IS NOT NULL AND excluded.mtime IS NOT NULL))
"""
"""As ``Identity.is_still`` has it."""


def add(current: bool) -> str:
    """An item of this run; no row is changed where this run has had its destination. ``current``: what is
    known of its source is how it is now."""
    same = "item.source = excluded.source AND item.version = excluded.version"
    same += " AND item.options = excluded.options" + (f" AND ({_EQUAL})" if current else "")
    # What is deleted, and listed as it is now, is there again: it is moved again.
    done = "item.state = 2" if current else "item.state IN (2, 4)"
    stays = f"(excluded.state <> 3 AND (item.state = 1 OR ({done} AND {same})))"
    news = f"NOT {stays} AND (excluded.size IS NOT NULL OR excluded.etag <> '' OR excluded.mtime IS NOT NULL)"
    known = ", ".join(
        f"{name} = CASE WHEN {news} THEN excluded.{name} ELSE item.{name} END"
        for name in ("size", "etag", "found", "mtime")
    )
    return f"""
        INSERT INTO item
            (destination, source, version, options, size, etag, found, mtime, state, cause, text, seen)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (destination) DO UPDATE SET
            source = excluded.source, version = excluded.version, options = excluded.options, {known},
            state = CASE WHEN {stays} THEN item.state ELSE excluded.state END,
            cause = excluded.cause, text = excluded.text, seen = excluded.seen
        WHERE item.seen < excluded.seen
    """


def seen(current: bool) -> str:
    """The same for an item that is as it was: its row changes in nothing but the run, and no index does."""
    known = (
        "AND size IS ? AND etag = ? AND mtime IS ? AND (? = '' OR found = ?) AND (? <> '' OR ? IS NOT NULL)"
    )
    return f"""
        UPDATE item SET seen = ? WHERE destination = ? AND seen < ? AND state <> 3 AND ? <> 3
            AND source = ? AND version = ? AND options = ? {f"AND state <> 4 {known}" if current else ""}
    """


def opened(db: sqlite3.Connection, path: str, work: str) -> None:
    """Take ``db`` for this process, and make its tables where it is new. Raises UsageError, and what SQLite
    raises."""
    # Of this process until it ends; and no second file of shared memory, which network file systems lack.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    found = (_number(db, "application_id"), _number(db, "user_version"))
    is_new = found == (0, 0) and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_new and found[0] != APPLICATION:
        raise UsageError(one_line(f"{path} is no journal of gof3r migrate, but another program's database"))
    if not is_new and found[1] != FORMAT:
        why = f"its format is {found[1]}, and this version reads {FORMAT}"
        raise UsageError(one_line(f"{path}: a journal of another gof3r: {why}"))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA cache_size = -16384")  # KiB: the inner pages of a hundred million items
    db.execute("PRAGMA synchronous = FULL")
    db.execute("BEGIN EXCLUSIVE")
    try:
        if is_new:
            _create(db, work)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    known = str(db.execute("SELECT value FROM meta WHERE name = 'work'").fetchone()[0])
    if known != work:
        raise UsageError(
            one_line(
                f"{path}: the journal of another migration ({known}), not of {work}: use other --receipts"
            )
        )


def _create(db: sqlite3.Connection, work: str) -> None:
    for statement in _statements(_TABLES):
        db.execute(statement)
    values = {"work": work, "pass": "0", "confirmed": "0"}
    db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def _statements(script: str) -> list[str]:
    """One by one: executescript would commit what is under way."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
