"""Items carried over: which order does what, small ones many at a time, and what came of each written down.

Theory: objects that one slot holds go through one ring together, in lanes; a larger one has a ring to itself,
with all connections. A receipt is written when the object's destination has been verified, and an item is
done when its receipt is on the disk. What fails is noted with its cause and keeps no other, up to ``most``
failures; what is no object's fault (no server, Ctrl-C) ends the run, and what was under way is to do again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Literal, cast

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted, TransferError, one_line
from gof3r.engine.flow import events
from gof3r.engine.flow.events import Progress
from gof3r.engine.flow.lane import Carried, Unfit
from gof3r.engine.flow.slots import stride
from gof3r.engine.flow.verify import text
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.s3.listings import UploadListed
from gof3r.report import Quiet, Report

from .estimate import parts_of
from .files import Sources, Targets, check_same, identity, prepared, readable
from .items import Identity, Item, LocalFile, S3Object
from .ordered import How, Orders
from .receipts import Receipt
from .record import Record
from .states import Entry, Failed, State

TOGETHER = 1000
"""Items that are taken from the journal at a time."""

MOST_LANES = 64
"""Small objects under way at a time."""

SKEW = 900.0
"""Seconds by which a store's clock may be behind ours: S3 answers nobody whose is further off."""

LEAST_SLOT = 1 << 16
"""Bytes: smaller objects are not told apart."""

Kind = Literal["put", "get", "copy"]


class Stopped(Gof3rError):
    """More has failed than was allowed."""


class Carrier:
    """Carries out what the journal of ``record`` has to do."""

    def __init__(
        self, how: How, record: Record, report: Report, environ: Mapping[str, str], most: int | None
    ) -> None:
        """``most``: failures after which nothing more is begun; None for any number."""
        self._how = how
        self._record = record
        self.report = report
        self._environ = environ
        self._most = most
        self._orders = Orders(how, environ)
        self._todo = 0
        self.failures = 0
        self.carried = 0
        self.bytes = 0

    def abort_left(self) -> None:
        """End the multipart uploads of those objects that were under way when an earlier run was killed, but
        for those of files that are still to be uploaded: they will be gone on with. In the journal's place
        for an upload's id is the epoch second in which it was begun: older ones are somebody else's."""
        journal = self._record.journal
        for entry in journal.uploads():
            if _kind(entry.item) == "put" and entry.state is State.TODO:
                continue
            order = self._orders.of(entry.item)
            target, listed = order.target, _Uploads(self.report)
            terms = replace(order.terms, concurrency=1, memory=None)
            carry_out(orders.Uploads(target, terms=terms), listed, self._environ, Ends())
            for upload in listed.found:
                if upload.key == target.key and upload.initiated >= float(entry.upload_id) - SKEW:
                    ending = orders.Uploads(target, upload_id=upload.upload_id, abort=True, terms=terms)
                    carry_out(ending, Quiet(self.report), self._environ, Ends())
                    self.report.debug(f"upload {upload.upload_id} of {target}, left by a run that was killed")
            journal.uploading(entry.id, "")

    def run(self) -> None:
        """Until there is nothing to do. Raises Stopped, and Gof3rError for what is no object's fault; what
        was under way then is to do again."""
        journal = self._record.journal
        self._todo = journal.totals()[State.TODO].items
        self._head()
        while entries := journal.take(TOGETHER):
            left = {entry.id: entry for entry in entries}
            try:
                self._batch(entries, left)
            finally:
                self._record.settle()
                journal.release(left)

    def _batch(self, entries: Sequence[Entry], left: dict[int, Entry]) -> None:
        alone = [entry for entry in entries if self._is_alone(entry)]
        small = [entry for entry in entries if not self._is_alone(entry)]
        for entry in alone:
            self._alone(entry, left)
        for _, group in groupby(sorted(small, key=self._class), key=self._class):
            for entry in self._many(list(group), left):
                self._alone(entry, left)

    def _is_alone(self, entry: Entry) -> bool:
        """It needs a ring of its own: for its size, or since it will be uploaded in parts."""
        known = entry.item.known
        return (known.size or 0) > self._how.part_size or parts_of(known.etag) > 1

    def _class(self, entry: Entry) -> tuple[Kind, int]:
        """Those of one class go through one ring: of one kind, and in slots of one size. A size that is not
        known may be any that one slot holds."""
        size = entry.item.known.size
        slot = LEAST_SLOT
        while slot < (self._how.part_size if size is None else size):
            slot *= 4
        return _kind(entry.item), slot

    # --- one ring for many ------------------------------------------------------------------

    def _many(self, entries: list[Entry], left: dict[int, Entry]) -> list[Entry]:
        """All of them, but for those that need a ring of their own, which are returned."""
        kind, slot = self._class(entries[0])
        slot = min(slot, stride(self._how.part_size))
        asked: list[orders.Copy | orders.Filed] = []
        there: list[Entry] = []
        for entry in entries:
            try:
                order = self._orders.of(entry.item)
            except Gof3rError as error:
                self.failed(entry, error, left)
                continue
            asked.append(order if isinstance(order, orders.Copy) else orders.Filed(order))
            there.append(entry)
        if not asked:
            return []
        paths = [_path(entry.item) for entry in there]
        sources = Sources(paths) if kind == "put" else None
        targets = Targets(paths, self._how.root, self._how.own) if kind == "get" else None
        lanes = max(2, min(MOST_LANES, self._how.memory // stride(slot)))
        terms = asked[0].order.terms if isinstance(asked[0], orders.Filed) else asked[0].terms
        terms = replace(terms, concurrency=lanes, memory=None, part_size=slot)
        listener = _Arrivals(self, there, left, sources)
        try:
            ends = Ends(files=sources or targets)
            carry_out(orders.Many(tuple(asked), slot, terms), listener, self._environ, ends)
        finally:
            if targets is not None:
                targets.close()
        return listener.unfit

    # --- a ring for one ------------------------------------------------------------------

    def _alone(self, entry: Entry, left: dict[int, Entry]) -> None:
        began = time.monotonic()
        item = entry.item
        try:
            order = self._orders.of(item)
            if not isinstance(order, orders.Get):
                self._record.journal.uploading(entry.id, f"{time.time():.0f}")
            match order:
                case orders.Put():
                    result, known = self._put(replace(order, resume=True), _path(item))
                case orders.Get():
                    with prepared(_path(item), self._how.root, self._how.own) as destination:
                        result = self._carry_out(order, Ends(sink=destination.fd))
                        destination.commit()
                    known = item.known
                case orders.Copy():
                    result, known = self._carry_out(order, Ends()), item.known
        except Interrupted:
            raise
        except OSError as error:
            self.failed(entry, Gof3rError(f"{_path(item)}: {error.strerror}"), left)
        except Gof3rError as error:
            if isinstance(error, TransferError) and ends_all(error):
                raise
            if not error.kept:  # else it is gone on with, or ended, by the next run
                self._record.journal.uploading(entry.id, "")
            self.failed(entry, error, left)
        else:
            receipt = cast(events.Receipt, result.value)
            seconds = time.monotonic() - began
            self.arrived(entry, receipt, known, result.retries, seconds, left)

    def _put(self, order: orders.Put, path: str) -> tuple[orders.Result, Identity]:
        fd = readable(path)
        try:
            known = identity(fd)
            result = self._carry_out(order, Ends(source=fd))
            check_same(known, fd)
            return result, known
        finally:
            os.close(fd)

    def _carry_out(self, order: orders.Order, ends: Ends) -> orders.Result:
        return carry_out(order, Ticking(self), self._environ, ends)

    # --- what came of it ------------------------------------------------------------------

    def arrived(
        self,
        entry: Entry,
        receipt: events.Receipt,
        known: Identity,
        retries: Mapping[str, int],
        seconds: float,
        left: dict[int, Entry],
    ) -> None:
        """``entry`` is at its destination, verified."""
        if not receipt.proofs:
            self.failed(entry, Gof3rError(f"{entry.item.destination}: nothing proves it"), left)
            return
        source = entry.item.source
        if isinstance(source, S3Object):
            version = receipt.source_version_id or source.version_id
            source = S3Object(source.bucket, source.key, version)
        is_file = isinstance(entry.item.destination, LocalFile)
        written = Receipt(
            source=source,
            destination=entry.item.destination,
            size=receipt.size,
            source_etag=receipt.source_etag or (receipt.etag if is_file else ""),
            source_mtime_ns=known.mtime_ns if isinstance(source, LocalFile) else None,
            etag="" if is_file else receipt.etag,
            version_id="" if is_file else receipt.version_id,
            crc64nvme=text(receipt.digests.get("crc64nvme", b"")),
            md5=receipt.digests.get("md5", b"").hex(),
            verified=receipt.proofs,
            retries=retries,
            seconds=round(seconds, 6),
            when=time.time(),
        )
        if self._record.arrived(entry.id, written, time.monotonic()):
            self.carried += 1
            self.bytes += receipt.size
            self._head()
        left.pop(entry.id, None)
        self.tick()

    def failed(self, entry: Entry, error: BaseException, left: dict[int, Entry]) -> None:
        """``entry`` is not at its destination. Raises Stopped."""
        self._record.journal.failed([Failed(entry.id, cause(error), one_line(str(error)))])
        left.pop(entry.id, None)
        self.failures += 1
        if self._most is not None and self.failures > self._most:
            raise Stopped(f"migrate: stopped after {self.failures} failures (--max-errors={self._most})")

    def _head(self) -> None:
        failed = f", {self.failures} failed" if self.failures else ""
        self.report.heading = f"{self.carried} of {self._todo} objects{failed}: "

    def tick(self) -> None:
        """To be called often: what has arrived gets to the disk in its time."""
        due = self._record.due
        if due is not None and time.monotonic() >= due:
            self._record.settle()


class Ticking(Quiet):
    """Hears of a transfer, and lets the carrier see to its receipts meanwhile."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier.report)
        self._carrier = carrier

    def progress(self, progress: Progress) -> None:
        self._carrier.tick()
        self._carrier.report.progress(progress)


class _Uploads(Quiet):
    """Takes a listing of uploads."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.found: list[UploadListed] = []

    def show(self, value: object) -> None:
        assert isinstance(value, UploadListed)
        self.found.append(value)


class _Arrivals(Ticking):
    """Hears of many objects."""

    def __init__(
        self, carrier: Carrier, entries: list[Entry], left: dict[int, Entry], sources: Sources | None
    ) -> None:
        super().__init__(carrier)
        self._entries = entries
        self._left = left
        self._sources = sources
        self.unfit: list[Entry] = []

    def show(self, value: object) -> None:
        assert isinstance(value, Carried)
        entry = self._entries[value.number]
        if value.receipt is not None:
            known = entry.item.known
            if self._sources is not None:
                known = self._sources.found.pop(value.number)
            self._carrier.arrived(entry, value.receipt, known, value.retries, value.seconds, self._left)
        elif isinstance(value.error, Unfit):
            self.unfit.append(entry)
        elif not isinstance(value.error, Interrupted) and value.error is not None:
            if not (isinstance(value.error, TransferError) and ends_all(value.error)):
                self._carrier.failed(entry, value.error, self._left)


def ends_all(error: TransferError) -> bool:
    """It is no object's own fault."""
    return error.failure is not None and error.failure.kind in ("transport", "lost")


def cause(error: BaseException) -> str:
    """A few words, the same for all failures of a kind."""
    failure = getattr(error, "failure", None)
    if failure is None:
        return "not verified" if isinstance(error, TransferError) else "refused here"
    return failure.code or (str(failure.status) if failure.status else failure.kind)


def _kind(item: Item) -> Kind:
    if isinstance(item.source, LocalFile):
        return "put"
    return "get" if isinstance(item.destination, LocalFile) else "copy"


def _path(item: Item) -> str:
    """The file of ``item``; empty where there is none."""
    for place in (item.source, item.destination):
        if isinstance(place, LocalFile):
            return place.path
    return ""
