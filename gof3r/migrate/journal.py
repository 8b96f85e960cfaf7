"""The journal: what has become of each item, in a file that survives whatever ends the program.

Theory: an item is known by its destination, since that is what must be right in the end, and is in one
state::

    to do --take--> under way --done--> done
      ^                |  |                |
      +----release-----+  +--failed--> failed
      +---- begin: a new run ----------+
      +---- again, add: the source has changed since ---- done --deleted--> deleted
      +---- add: the source is there again ---------------------------------- deleted

SQLite keeps it (WAL: a transaction is there or is not). Items, what says *done*, and which upload is under
way, are on the disk when the call returns (synchronous=FULL); all else may be lost with the machine's power,
and only costs finding it out again. The file of receipts is the truth about what is done; the journal says
how far it has been taken in (``confirmed``), and ``record`` sees to the rest.

Counts are kept by triggers, and what is to do, failed or under way has indices of its own: nothing but a
listing, and paging through ``entries``, looks at all items, of which there may be a hundred million.

One process has it at a time, by SQLite's own lock, which is the process's: it ends with it, and what it forks
does not have it. A forked process must end by os._exit, as the engine's do: to close the database from there
would damage it. One thread may use it.
"""

from __future__ import annotations

import contextlib
import os.path
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from gof3r.engine.errors import Gof3rError, UsageError, one_line

from . import schema
from .items import Identity, Item, LocalFile, place_of
from .options import as_text, from_text
from .states import REFUSED, TWICE, Cause, Done, Duplicate, Entry, Failed, Left, Side, State, Total, left

_ENTRY = (
    "id, source, version, destination, options, size, etag, found, mtime, state, attempts, upload, receipt"
)


class Journal:
    """The journal in the file ``path``, of the migration that ``work`` names (the manifest's fingerprint, or
    ``--from`` and ``--to``): of no other. To be closed."""

    def __init__(self, path: str, work: str) -> None:
        """Raises UsageError, one line, when it is in use, or is another's, another version's or no
        journal."""
        self._path = path
        with self._told():
            # Absolute: SQLite has other uses for names such as ":memory:".
            self._db = sqlite3.connect(os.path.abspath(path), timeout=0, isolation_level=None)
        try:
            with self._told():
                schema.opened(self._db, path, work)
        except BaseException:
            self._db.close()
            raise
        self._pass = 0  # none is begun

    def close(self) -> None:
        self._db.close()

    # --- what is to be done ------------------------------------------------------------------

    def begin(self) -> None:
        """A new run: what was under way or has failed is to do once more, and every item is to be added
        again, in any order; ``add`` finds those that are there."""
        with self._transaction(durable=True):
            self._pass = int(self._said("pass")) + 1
            self._say("pass", self._pass)
            self._db.execute("UPDATE item SET state = 0 WHERE state = 1")
            self._db.execute("UPDATE item SET state = 0, cause = NULL, text = NULL WHERE state = 3")

    def add(self, items: Iterable[Item], *, current: bool) -> list[Duplicate]:
        """Add ``items`` (thousands at a time: each call is a transaction), or find them again. ``current``:
        what they say of their sources is how these are now (a listing's word, not an inventory's), and one
        that is done and has changed since is to do again. One that is refused has failed.

        Of two items of this run with one destination and different sources the second is told, and the first
        fails unless it is under way or done: each run tells them again. The same item twice is one.
        """
        if not self._pass:
            raise ValueError("items are added to a run, and none is begun")
        rows = [self._row(item) for item in items]
        statement = schema.add(current)
        with self._transaction(durable=True):
            changed = 0
            if self._pass > 1:  # mostly they are as they were, and to look is a third of the work
                changed = self._db.executemany(
                    schema.seen(current), (self._seen(row, current) for row in rows)
                ).rowcount
            if changed < len(rows):
                changed += self._db.executemany(statement, rows).rowcount
            if changed == len(rows):
                return []
            self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            return [twice for row in rows if (twice := self._add_one(statement, row)) is not None]

    @staticmethod
    def _seen(row: tuple[Any, ...], current: bool) -> tuple[Any, ...]:
        destination, source, version, options, size, etag, found, mtime, state, _, _, run = row
        known = (size, etag, mtime, found, found, etag, mtime) if current else ()
        return (run, destination, run, state, source, version, options, *known)

    def _row(self, item: Item) -> tuple[Any, ...]:
        known, source = item.known, item.source
        return (
            _raw(str(item.destination)),
            _raw(str(source)),
            "" if isinstance(source, LocalFile) else _plain(source.version_id),
            as_text(item.options),
            known.size,
            _plain(known.etag),
            _plain(known.version_id),
            known.mtime_ns,
            State.FAILED.value if item.refused else State.TODO.value,
            REFUSED if item.refused else None,
            _plain(item.refused) or None,
            self._pass,
        )

    def _add_one(self, statement: str, row: tuple[Any, ...]) -> Duplicate | None:
        if self._db.execute(statement, row).rowcount:
            return None
        destination, source, version, options = row[:4]
        query = "SELECT source, version, options FROM item WHERE destination = ?"
        first = self._db.execute(query, (destination,)).fetchone()
        if first == (source, version, options):
            return None
        twice = Duplicate(_text(destination), _text(first[0]), _text(source))
        self._db.execute(
            "UPDATE item SET state = 3, cause = ?, text = ? WHERE destination = ? AND state = 0",
            (TWICE, _plain(f"{twice.destination}: from {twice.first} and from {twice.second}"), destination),
        )
        return twice

    def drop_unseen(self) -> int:
        """Forget what this run's listing, which has come to its end, did not have, unless it is or was done,
        or has left an upload: its source is gone, or no longer wanted. How many these were. To be asked when
        what has arrived is settled."""
        with self._transaction():
            return self._db.execute(
                "DELETE FROM item WHERE state IN (0, 3) AND upload IS NULL AND receipt IS NULL AND seen < ?",
                (self._pass,),
            ).rowcount

    def overlapping(self) -> list[tuple[str, str]]:
        """Destinations to do that are another item's source as well, each with that one's destination: one of
        both would overwrite what the other is to read."""
        with self._told():
            rows = self._db.execute(
                "SELECT b.destination, a.destination FROM item a JOIN item b ON b.destination = a.source "
                "WHERE b.state = 0"
            ).fetchall()
        return [(_text(destination), _text(other)) for destination, other in rows]

    def learn(self, known: Iterable[tuple[int, Identity]]) -> None:
        """What a look has shown of sources that are to do: sizes are what they are ordered and counted by."""
        rows = [
            (it.size, _plain(it.etag), _plain(it.version_id), it.mtime_ns, number) for number, it in known
        ]
        with self._transaction():
            self._db.executemany(
                "UPDATE item SET size = ?, etag = ?, found = ?, mtime = ? WHERE id = ? AND state = 0", rows
            )

    # --- doing it ------------------------------------------------------------------

    def take(self, count: int, *, most: int | None = None, below: int | None = None) -> list[Entry]:
        """Up to ``count`` items to do, which are under way from now on: the largest first, those of unknown
        size before all others. No more than fill ``most`` bytes, but one in any case; ``below``: only those
        that are known to be smaller."""
        with self._transaction():
            self._db.execute(schema.TODO)  # now, not before: a listing is added faster without
            top = schema.LARGEST if below is None else below - 1
            found = self._db.execute(
                f"SELECT {_ENTRY} FROM item WHERE state = 0 AND {schema.RANK} <= ? "
                f"ORDER BY {schema.RANK} DESC, id LIMIT ?",
                (top, count),
            ).fetchall()
            entries: list[Entry] = []
            total = 0
            for row in found:
                entry = _entry(row, State.UNDER_WAY)
                total += entry.item.known.size or 0
                if entries and most is not None and total > most:
                    break
                entries.append(entry)
            self._db.executemany("UPDATE item SET state = 1 WHERE id = ?", [(entry.id,) for entry in entries])
        return entries

    def uploading(self, uploads: Iterable[tuple[int, Left | None]]) -> None:
        """Items, by number, have these multipart uploads, None for none any more; on the disk."""
        rows = [(str(upload) if upload else None, number) for number, upload in uploads]
        with self._transaction(durable=True):
            self._db.executemany("UPDATE item SET upload = ? WHERE id = ?", rows)

    def done(self, done: Iterable[Done], confirmed: int) -> None:
        """These are done, and the receipts are taken in up to byte ``confirmed``; on the disk. Receipts
        first: ``record`` does both."""
        rows = [
            (
                it.receipt,
                it.identity.size,
                it.identity.etag,
                it.identity.version_id,
                it.identity.mtime_ns,
                it.id,
            )
            for it in done
        ]
        with self._transaction(durable=True):
            self._db.executemany(
                "UPDATE item SET state = 2, receipt = ?, size = ?, etag = ?, found = ?, mtime = ?, "
                "upload = NULL, cause = NULL, text = NULL WHERE id = ?",
                rows,
            )
            self._say("confirmed", confirmed)

    def deleted(self, numbers: Iterable[int]) -> None:
        """The sources of these, which are done, are deleted."""
        with self._transaction():
            self._db.executemany(
                "UPDATE item SET state = 4 WHERE id = ? AND state = 2", [(number,) for number in numbers]
            )

    def failed(self, failed: Iterable[Failed]) -> None:
        """These have failed for this run, or until ``again``."""
        rows = [(_plain(it.cause), _plain(it.text), it.id) for it in failed]
        with self._transaction():
            self._db.executemany(
                "UPDATE item SET state = 3, attempts = attempts + 1, cause = ?, text = ? "
                "WHERE id = ? AND state NOT IN (2, 4)",
                rows,
            )

    def release(self, numbers: Iterable[int]) -> None:
        """These are to do again: nobody is at them any more, or another attempt is worth it. What is done by
        now stays so."""
        self._redo(numbers, "state IN (1, 3)")

    def again(self, numbers: Iterable[int]) -> None:
        """These are to do again though they are done: a look has shown that their sources have changed."""
        self._redo(numbers, "state = 2")

    def _redo(self, numbers: Iterable[int], where: str) -> None:
        statement = f"UPDATE item SET state = 0, cause = NULL, text = NULL WHERE id = ? AND {where}"
        with self._transaction():
            self._db.executemany(statement, [(number,) for number in numbers])

    # --- what there is ------------------------------------------------------------------

    @property
    def confirmed(self) -> int:
        """Byte of the file of receipts up to which these are taken in."""
        return int(self._said("confirmed"))

    def totals(self) -> dict[State, Total]:
        with self._told():
            rows = self._db.execute("SELECT state, items, bytes, unknown FROM total").fetchall()
        return {State(state): Total(items, size, unknown) for state, items, size, unknown in rows}

    def causes(self) -> list[Cause]:
        """What has failed, by its cause, the most frequent first."""
        with self._told():
            # Of min() SQLite's manual says: the text is that of the row that has it.
            rows = self._db.execute(
                "SELECT cause, count(*), coalesce(sum(size), 0), text, min(id) FROM item WHERE state = 3 "
                "GROUP BY cause ORDER BY 2 DESC, 1"
            ).fetchall()
        return [Cause(*row) for *row, _ in rows]

    def entry(self, destination: str) -> Entry | None:
        """The item with this destination."""
        found = self._entries("destination = ?", _raw(destination))
        return found[0] if found else None

    def by_number(self, number: int) -> Entry | None:
        found = self._entries("id = ?", number)
        return found[0] if found else None

    def entries(self, state: State, *, after: int = 0, count: int = 1000) -> list[Entry]:
        """Up to ``count`` items in ``state`` with a number above ``after``, by number: page by page, as the
        items may change meanwhile."""
        return self._entries(f"state = {int(state)} AND id > ? ORDER BY id LIMIT {int(count)}", after)

    def sharing(self, source: str) -> list[Entry]:
        """All items that come from ``source``, in any version, by number."""
        with self._told():
            self._db.execute(schema.BY_SOURCE)  # now, not before: only who deletes asks
        return self._entries("source = ? ORDER BY id", _raw(source))

    def buckets(self, side: Side, *states: State) -> list[Entry]:
        """One of the items in ``states`` for each bucket that they come from, or go to; one for all files."""
        among = ", ".join(str(int(state)) for state in states)
        bucket = schema.BUCKET.format(side)
        where = f"id IN (SELECT min(id) FROM item WHERE state IN ({among}) GROUP BY {bucket}) AND id > ?"
        return self._entries(f"{where} ORDER BY id", 0)

    def uploads(self) -> list[Entry]:
        """All that have left a multipart upload, which somebody must resume or abort."""
        return self._entries("upload IS NOT NULL AND state <> ? ORDER BY id", State.UNDER_WAY.value)

    def _entries(self, where: str, value: object) -> list[Entry]:
        with self._told():
            rows = self._db.execute(f"SELECT {_ENTRY} FROM item WHERE {where}", (value,)).fetchall()
        return [_entry(row) for row in rows]

    # --- SQLite ------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self, durable: bool = False) -> Iterator[None]:
        with self._told():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _said(self, name: str) -> str:
        with self._told():
            return str(self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _say(self, name: str, value: int) -> None:
        self._db.execute("UPDATE meta SET value = ? WHERE name = ?", (str(value), name))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "locked" in text:
                raise UsageError(
                    one_line(f"{self._path}: another gof3r migrate is at work with it")
                ) from None
            if "not a database" in text or "malformed" in text:
                raise UsageError(one_line(f"{self._path} is no journal of gof3r migrate: {text}")) from None
            raise Gof3rError(one_line(f"{self._path}: the journal cannot be kept: {text}")) from None


def _entry(row: tuple[Any, ...], state: State | None = None) -> Entry:
    (
        number,
        source,
        version,
        destination,
        options,
        size,
        etag,
        found,
        mtime,
        was,
        attempts,
        upload,
        receipt,
    ) = row
    return Entry(
        number,
        Item(
            place_of(_text(source), version),
            place_of(_text(destination)),
            from_text(options),
            Identity(size, etag, found, mtime),
        ),
        State(was) if state is None else state,
        attempts,
        left(upload) if upload else None,
        receipt,
    )


def _raw(text: str) -> bytes:
    """Names need not be UTF-8, and SQLite's texts must: they are kept as the bytes they are."""
    return text.encode(errors="surrogateescape")


def _plain(text: str) -> str:
    """What is no name, as SQLite takes it."""
    return text.encode(errors="backslashreplace").decode()


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
