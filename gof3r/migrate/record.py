"""Journal and receipts kept together: an object that has arrived is written down once, whatever ends the
program.

Theory: the receipt comes first and is the truth; the journal follows, and knows up to which byte it has. So
between the two a crash leaves receipts that the journal has not heard of, never the reverse, and opening
takes them in. An object carried over twice at the same time (its machine was given up and lived on) has one
receipt: the first. An object whose receipt was not yet on the disk has none, and is carried over again.

Times are monotonic seconds, from the caller.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from gof3r.engine.errors import UsageError, one_line

from .appended import Appended
from .journal import Journal
from .receipts import Receipt
from .states import Done, Entry, State

_BATCH = 1000
"""Receipts taken in by one transaction."""


class Record:
    """The journal and the receipts in two files, of the migration that ``work`` names. As a context manager;
    an error that leaves its block does not keep what has arrived from being settled."""

    def __init__(self, journal: str, receipts: str, work: str) -> None:
        """Raises UsageError where one of them is in use, or is another's."""
        is_new = not os.path.exists(journal)
        self.journal = Journal(journal, work)
        try:
            self._receipts = Appended(receipts)
            try:
                self._take_in(receipts)
            except BaseException:
                self._receipts.close()
                raise
        except BaseException:
            self.journal.close()
            if is_new:  # of nothing
                with contextlib.suppress(OSError):
                    os.unlink(journal)
            raise
        self._arrived: dict[int, Done] = {}

    def _take_in(self, name: str) -> None:
        found = self._receipts.recover(self.journal.confirmed)
        while batch := list(islice(found, _BATCH)):
            done = list(self._known(batch, name))
            position, _ = batch[-1]
            self.journal.done(done, position)  # the last one's end is known with the next
        if self._receipts.end != self.journal.confirmed:
            self.journal.done((), self._receipts.end)

    def _known(self, batch: list[tuple[int, Receipt]], name: str) -> Iterator[Done]:
        for position, receipt in batch:
            entry = self.journal.entry(str(receipt.destination))
            if entry is None:
                why = f"a receipt of {receipt.destination}, which the journal does not know"
                todo = "put its journal back, or begin anew with other --receipts"
                raise UsageError(one_line(f"{name}: {why}: {todo}"))
            yield Done(entry.id, position, receipt.identity)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.settle()
        finally:
            self._receipts.close()
            self.journal.close()

    def arrived(self, number: int, receipt: Receipt, now: float) -> bool:
        """Item ``number`` has arrived and is verified. False where it has a receipt already, of this source:
        then nothing is written. It is done when ``settle`` has returned. Raises Gof3rError."""
        entry = None if number in self._arrived else self.journal.by_number(number)
        if entry is None or entry.state in (State.DONE, State.DELETED):
            return False
        if str(receipt.destination) != str(entry.item.destination):
            raise ValueError(f"item {number} is {entry.item.destination}, not {receipt.destination}")
        position = self._receipts.add(replace(receipt, supersedes=entry.receipt), now)
        self._arrived[number] = Done(number, position, receipt.identity)
        return True

    def receipt(self, entry: Entry) -> Receipt:
        """Of ``entry``, which is done, as the file has it now. Raises UsageError for what is not its own."""
        assert entry.receipt is not None
        receipt = self._receipts.read(entry.receipt)
        item = entry.item
        if (str(receipt.source), str(receipt.destination)) != (str(item.source), str(item.destination)):
            raise UsageError(
                one_line(f"the receipt at byte {entry.receipt} is that of {receipt.destination}: put it back")
            )
        return receipt

    @property
    def due(self) -> float | None:
        """The second by which ``settle`` should be called; None when nothing has arrived since."""
        return self._receipts.due

    def settle(self) -> list[int]:
        """What has arrived is on the disk, receipts and journal: now a source may be deleted, of these items.
        Raises Gof3rError."""
        if not self._arrived:
            return []
        self._receipts.commit()
        self.journal.done(self._arrived.values(), self._receipts.end)
        settled = list(self._arrived)
        self._arrived.clear()
        return settled
