"""What a run has to do, has done and has not: receipts and failures, written down as they come.

Theory: a receipt is written when the object's destination has been verified, and an item is done when its
receipt is on the disk. What fails is noted with its cause and keeps no other, up to ``most`` failures. What
was taken and has come to neither is to do again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.events import Progress
from gof3r.engine.values import Begun
from gof3r.report import Report

from .receipts import Receipt
from .record import Record
from .states import Entry, Failed, Left, State

TOGETHER = 1000
"""Items that are taken from the journal at a time."""


class Stopped(Gof3rError):
    """More has failed than was allowed."""


class Tally:
    """Of one run, in ``record``; a carrier's ``Told``."""

    def __init__(self, record: Record, report: Report, most: int | None) -> None:
        """``most``: failures after which nothing more is begun; None for any number."""
        self._record = record
        self._report = report
        self._most = most
        self._todo = record.journal.totals()[State.TODO].items
        self._taken: set[int] = set()
        self._begun: dict[int, float] = {}
        """Those of which an upload may have been begun, and since when."""
        self.warning = report.warning
        self.debug = report.debug
        self.happened = report.happened
        self._crew = ""
        self.failures = 0
        self.carried = 0
        self.bytes = 0
        self._head()

    def take(self, count: int, *, most: int | None = None, below: int | None = None) -> list[Entry]:
        """As the journal's."""
        entries = self._record.journal.take(count, most=most, below=below)
        self._taken.update(entry.id for entry in entries)
        return entries

    def release(self, entries: list[Entry] | None = None) -> None:
        """Of ``entries``, or all, what has neither arrived nor failed is to do again."""
        self._record.settle()
        left = self._taken if entries is None else self._taken.intersection(each.id for each in entries)
        self._record.journal.release(left)
        self._taken -= left

    # --- what a carrier tells ------------------------------------------------------------------

    def began(self, entries: Sequence[Entry]) -> None:
        now = float(int(time.time()))
        self._begun |= {entry.id: now for entry in entries}
        left = ((entry.id, Left(now, entry.left.begun if entry.left else None)) for entry in entries)
        self._record.journal.uploading(left)

    def uploading(self, entry: Entry, begun: Begun, since: float = 0.0) -> None:
        """``since``: the epoch second from which on it may be, of what ``began`` was not told of: an object
        that is larger than anybody knew."""
        then = self._begun.setdefault(entry.id, float(int(since)))
        self._record.journal.uploading([(entry.id, Left(then, begun))])

    def arrived(self, entry: Entry, receipt: Receipt) -> None:
        if self._record.arrived(entry.id, receipt, time.monotonic()):
            self.carried += 1
            self.bytes += receipt.size
            self._head()
        self._forget(entry)
        self.tick()

    def failed(self, entry: Entry, cause: str, text: str, kept: bool) -> None:
        """Raises Stopped."""
        if entry.id in self._begun and not kept:  # else it is gone on with, or ended, by the next run
            self._record.journal.uploading([(entry.id, None)])
        self._record.journal.failed([Failed(entry.id, cause, text)])
        self._forget(entry)
        self.failures += 1
        if self._most is not None and self.failures > self._most:
            raise Stopped(f"migrate: stopped after {self.failures} failures (--max-errors={self._most})")
        self._head()

    def progress(self, progress: Progress) -> None:
        self.tick()
        self._report.progress(progress)

    def tick(self) -> None:
        """To be called often: what has arrived gets to the disk in its time."""
        due = self._record.due
        if due is not None and time.monotonic() >= due:
            self._record.settle()

    def _forget(self, entry: Entry) -> None:
        self._taken.discard(entry.id)
        self._begun.pop(entry.id, None)

    def staffed(self, machines: int) -> None:
        """So many are at it."""
        self._crew = f", {machines} machine{'' if machines == 1 else 's'}"
        self._head()

    def _head(self) -> None:
        failed = f", {self.failures} failed" if self.failures else ""
        self._report.heading = f"{self.carried} of {self._todo} objects{failed}{self._crew}: "
