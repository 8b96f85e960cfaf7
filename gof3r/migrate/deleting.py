"""Sources deleted, when all that was asked for has been carried over: ``--delete-source``.

Theory: it cannot be undone, so it is a phase of its own, which believes nothing but what it sees. A source
goes when every item that comes from it is done, each has its receipt on the disk, each destination is *now*
what its receipt says, and so is the source: objects by a HEAD right before (size, ETag, version, CRC64NVME),
files by being read once more and held against the receipt's digest. That costs a reading, and finds what a
size and a time do not tell; the journal needs to know no more of a file than it does. From then on a file's
inode and its times must stay as they were, until it is unlinked.

What stays is told, by its causes, and tried again by the next run. An item whose source is gone is *deleted*
in the journal: a listing has it no more, and nobody looks for it again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted, TransferError, UsageError, one_line
from gof3r.engine.flow.events import Progress
from gof3r.engine.flow.lane import Carried
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.values import Stored
from gof3r.report import Quiet, Report, say

from .apart import Buckets, ends_all, files_not_to_delete, inode_of
from .held import CHANGED, Held, Holder, Stays
from .items import LocalFile, Place, S3Object
from .mounts import Mounts
from .ordered import How, Orders
from .receipts import Receipt
from .record import Record
from .states import Entry, State

TOGETHER = 1000
"""Sources that one ring looks at and deletes."""

WITH_FILES = 64
"""The same where files are read for it, so that it is not long ago when a source is deleted."""

LANES = 64
"""Sources under way at a time."""

NEEDED = "needed by an item that is not done"
ONE = "perhaps what was written"
REFUSED = "not to be deleted"


@dataclass(frozen=True, slots=True)
class Removal:
    """A source that may go, if ``order`` finds all objects as they were."""

    order: orders.Discard
    terms: orders.Terms
    entries: tuple[Entry, ...]
    """That come from it."""
    file: Held | None
    """The source, where it is a file."""


def delete_sources(
    how: How,
    record: Record,
    report: Report,
    environ: Mapping[str, str],
    one_store: bool,
    kept: Collection[str],
) -> int:
    """Of all that is done; what comes of it is told. How many sources are still there. ``one_store``: sources
    and destinations have one endpoint. ``kept``: sources of lines that are no items, and not done. Raises
    Gof3rError for what is no source's fault."""
    deleter = Deleter(how, record, report, environ, one_store, kept)
    try:
        deleter.run()
    finally:
        report.clear()
        say(f"gof3r: {deleter.deleted} sources deleted")
        deleter.tell()
    return deleter.left


class Deleter:
    """Deletes the sources of what ``record`` has as done."""

    def __init__(
        self,
        how: How,
        record: Record,
        report: Report,
        environ: Mapping[str, str],
        one_store: bool,
        kept: Collection[str],
    ) -> None:
        self._how = how
        self._record = record
        self._report = report
        self._environ = environ
        self._one_store = one_store
        self._kept = frozenset(kept)
        self._orders = Orders(how, environ)
        self._gone: list[int] = []
        """Items to be noted."""
        self._held = Holder()
        self._total = 0
        self._causes: dict[str, tuple[int, str]] = {}
        self.deleted = 0

    @property
    def left(self) -> int:
        """Sources that are still there."""
        return sum(count for count, _ in self._causes.values())

    def run(self) -> None:
        """All of them. Raises Gof3rError for what is no source's fault."""
        journal = self._record.journal
        self._total = journal.totals()[State.DONE].items
        if not self._total:
            return
        self._buckets = Buckets(journal, self._orders, self._one_store, self._report, self._environ)
        self._mounts = Mounts(self._orders, self._report, self._environ)
        self._files = files_not_to_delete(journal, self._kept)
        written = journal.buckets("destination", State.DONE)
        if any(isinstance(entry.item.destination, LocalFile) for entry in written):
            os.sync()  # also the directories, or a power failure may take a file's name with it
        after = 0
        while entries := journal.entries(State.DONE, after=after, count=TOGETHER):
            after = entries[-1].id
            for with_files, run in groupby(entries, key=_has_file):
                many, size = list(run), WITH_FILES if with_files else TOGETHER
                for at in range(0, len(many), size):
                    self._together(many[at : at + size])

    def tell(self) -> None:
        """What has stayed, by its causes."""
        for cause, (count, said) in sorted(self._causes.items()):
            many = "1 source stays" if count == 1 else f"{count} sources stay"
            self._report.warning(one_line(f"{many}: {cause}: {said}"))

    def stays(self, cause: str, said: str) -> None:
        count, first = self._causes.get(cause, (0, said))
        self._causes[cause] = count + 1, first

    # --- which, and whether ------------------------------------------------------------------

    def _together(self, entries: Sequence[Entry]) -> None:
        removals: list[Removal] = []
        for entry in entries:
            try:
                removals += self._removals(entry)
            except Stays as stays:
                self.stays(stays.cause, stays.text)
            except UsageError as error:
                self.stays(REFUSED, str(error))
        signed: dict[tuple[object, ...], list[Removal]] = {}
        for removal in removals:
            terms = removal.terms
            signed.setdefault((terms.signer, terms.source_signer, terms.ca_bundle), []).append(removal)
        for several in signed.values():
            self._carry_out(several)

    def _removals(self, entry: Entry) -> Iterator[Removal]:
        """Of the source of ``entry``, with all that come from it; one for each version. Raises Stays,
        UsageError."""
        source = entry.item.source
        lines = self._record.journal.sharing(str(source))
        done = [line for line in lines if line.state is State.DONE]
        if not done or done[0].id != entry.id:
            return  # with the first of them
        undone = [line for line in lines if line.state not in (State.DONE, State.DELETED)]
        if undone or str(source) in self._kept:
            raise Stays(NEEDED, f"{source}, by {undone[0].item.destination}" if undone else str(source))
        self._check_source(source, done)
        pairs = [(line, self._record.receipt(line)) for line in done]
        copies: list[Stored] = []
        versions: dict[Place, list[tuple[Entry, Receipt]]] = {}
        for line, receipt in pairs:
            versions.setdefault(line.item.source, []).append((line, receipt))
            if isinstance(line.item.destination, LocalFile):
                self._held.read_copy(line.item.destination.path, receipt)
            else:
                copies.append(self._copy(line, receipt))
        asked = [self._orders.of(line.item) for line in done]
        # A copy's signs for both sides.
        order = next((each for each in asked if isinstance(each, orders.Copy)), asked[0])
        for place, of_version in versions.items():
            yield self._removal(place, of_version, tuple(copies), order)

    def _check_source(self, source: Place, done: Sequence[Entry]) -> None:
        """Raises Stays where it may be something that was written."""
        for line in done:
            if why := self._mounts.objection(line.item):
                raise Stays(ONE, why)
        if isinstance(source, S3Object):
            to = [line.item.destination for line in done if isinstance(line.item.destination, S3Object)]
            if why := self._buckets.objection(source, to):
                raise Stays(ONE, why)
        elif os.path.realpath(source.path) in self._how.own:
            raise Stays(REFUSED, f"{source}: this run keeps its receipts and its journal there")
        elif inode_of(source.path) in self._files:
            raise Stays(ONE, f"{source} is a destination, or the source of another that is not done")

    def _copy(self, line: Entry, receipt: Receipt) -> Stored:
        order = self._orders.of(line.item)
        if not receipt.etag:
            raise Stays(CHANGED, f"{line.item.source}: its receipt has no ETag of its destination")
        return Stored(order.target, receipt.size, receipt.etag, crc64nvme=receipt.crc64nvme)

    def _removal(
        self,
        source: Place,
        pairs: list[tuple[Entry, Receipt]],
        copies: tuple[Stored, ...],
        order: orders.Put | orders.Get | orders.Copy,
    ) -> Removal:
        entries = tuple(entry for entry, _ in pairs)
        if isinstance(source, LocalFile):
            held = [self._held.read(source.path, receipt) for _, receipt in pairs][-1]
            return Removal(orders.Discard(None, copies), order.terms, entries, held)
        target = order.source if isinstance(order, orders.Copy) else order.target
        target = replace(target, version_id=source.version_id)
        first = pairs[0][1]
        if not first.source_etag or any(receipt.identity != first.identity for _, receipt in pairs):
            raise Stays(CHANGED, f"{source}: its receipts do not say which object was moved")
        assert isinstance(first.source, S3Object)
        stored = Stored(target, first.size, first.source_etag, first.source.version_id)
        return Removal(orders.Discard(stored, copies), order.terms, entries, None)

    # --- doing it ------------------------------------------------------------------

    def _carry_out(self, removals: list[Removal]) -> None:
        terms = replace(removals[0].terms, concurrency=LANES, memory=None)
        order = orders.Many(tuple(removal.order for removal in removals), 1, terms)
        try:
            carry_out(order, _Looks(self, self._report, removals), self._environ, Ends())
        finally:
            self._record.journal.deleted(self._gone)
            self._gone.clear()

    def seen(self, removal: Removal, error: BaseException | None) -> None:
        """All objects of ``removal`` are as they were, and its source, if it is one, is deleted; or else."""
        if isinstance(error, Gof3rError):
            failure = getattr(error, "failure", None)
            self.stays((failure.code or str(failure.status)) if failure else CHANGED, str(error))
            return
        try:
            if removal.file is not None:
                self._held.unlink(removal.file)
        except Stays as stays:
            self.stays(stays.cause, stays.text)
            return
        self._gone += [entry.id for entry in removal.entries]
        self.deleted += 1
        self._report.heading = f"{self.deleted} of {self._total} sources deleted: "


class _Looks(Quiet):
    """Hears what has come of each."""

    def __init__(self, deleter: Deleter, report: Report, removals: Sequence[Removal]) -> None:
        super().__init__(report)
        self._told = report
        self._deleter = deleter
        self._removals = removals

    def show(self, value: object) -> None:
        assert isinstance(value, Carried)
        error = value.error
        if isinstance(error, Interrupted) or (isinstance(error, TransferError) and ends_all(error)):
            return  # which the order raises
        self._deleter.seen(self._removals[value.number], error)

    def progress(self, progress: Progress) -> None:
        self._told.progress(progress)


def _has_file(entry: Entry) -> bool:
    return isinstance(entry.item.source, LocalFile) or isinstance(entry.item.destination, LocalFile)
