"""Whether sources and destinations are two: asked before a source is deleted, since a store has many names.

Theory: texts tell that two places are one, and never that they are two. So for each pair of a bucket that is
read and another that is written a *probe* is put where things were written, and looked for where they were
read (``engine.flow.apart``): if it is there, or the store does not say, nothing in that bucket is deleted.
Within one bucket two keys are two objects, but for stores that keep them as files: keys that such a store may
take for one are taken for one here.

Files are told apart by device and inode.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from gof3r.engine import orders
from gof3r.engine.errors import TransferError
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.values import Target
from gof3r.report import Quiet, Report

from .items import Item, LocalFile, S3Object
from .journal import Journal
from .ordered import Orders
from .states import Entry, Side, State

MAX_KEY = 1024
"""Bytes of a key: S3 User Guide, "Naming Amazon S3 objects"."""

UNDONE = (State.TODO, State.UNDER_WAY, State.FAILED)

Inode = tuple[int, int]
"""Device, and number in it."""


class Buckets:
    """What is known of the buckets that ``journal`` reads and writes."""

    def __init__(
        self, journal: Journal, orders_: Orders, one_store: bool, report: Report, environ: Mapping[str, str]
    ) -> None:
        """``one_store``: sources and destinations have one endpoint. Raises Gof3rError where it cannot be
        found out at all."""
        self._journal = journal
        self._orders = orders_
        self._report = report
        self._environ = environ
        self._doubts: dict[str, str] = {}
        """By the bucket of sources: why none of them is to be deleted."""
        self._shared: set[str] = set()
        """Buckets that are written as well."""
        written = [
            entry
            for entry in journal.buckets("destination", State.DONE, State.DELETED)
            if isinstance(entry.item.destination, S3Object)
        ]
        for read in journal.buckets("source", State.DONE):
            source = read.item.source
            if not isinstance(source, S3Object):
                continue
            for wrote in written:
                to = wrote.item.destination
                assert isinstance(to, S3Object)
                if one_store and to.bucket == source.bucket:
                    self._shared.add(source.bucket)
                elif doubt := self._doubt(read, wrote):
                    self._doubts[source.bucket] = doubt

    def _doubt(self, read: Entry, wrote: Entry) -> str:
        """Why the bucket that ``read`` comes from may be the one that ``wrote`` has gone to; "" if it is
        not."""
        options = replace(wrote.item.options, source_headers=read.item.options.source_headers)
        copy = self._orders.of(Item(read.item.source, wrote.item.destination, options))
        assert isinstance(copy, orders.Copy)
        name = probe_name()
        probe = beside(copy.target, name)
        there = replace(copy.source, key=probe.key, version_id="")
        places = tuple(dict.fromkeys((there, beside(copy.source, name))))
        terms = replace(copy.terms, concurrency=1, memory=None)
        order = orders.Apart(probe, places, copy.headers, terms)
        names = (
            f"s3://{copy.source.bucket} at {copy.source.endpoint} and s3://{probe.bucket} at {probe.endpoint}"
        )
        try:
            found = carry_out(order, Quiet(self._report), self._environ, Ends()).value
        except TransferError as error:
            if ends_all(error):
                raise
            return f"whether {names} are two cannot be found out: {error}"
        assert isinstance(found, tuple)
        if True in found:
            return f"{names} are one: name it once"
        if None in found:
            return f"{names} may be one: a HEAD of what is not there was not answered by 404 (s3:ListBucket)"
        return ""

    def objection(self, source: S3Object, copies: Collection[S3Object]) -> str:
        """Why ``source`` may be an object that has been written; "" if it is none."""
        if source.bucket in self._doubts:
            return self._doubts[source.bucket]
        if source.bucket not in self._shared:
            return ""
        if self._journal.entry(str(source)) is not None:
            return f"{source} is the destination of another"
        if not is_plain(source.key):
            return f"{source}: some stores take such a key for another one"
        for copy in copies:
            if copy.bucket == source.bucket and as_file(copy.key) == as_file(source.key):
                return f"{source} and {copy}: some stores take both keys for one"
        return ""


def probe_name() -> str:
    """That nobody has used."""
    return f"gof3r-probe-{secrets.token_hex(16)}"


def beside(target: Target, name: str) -> Target:
    """The object ``name`` in the folder of ``target``, or where that would be too long in its bucket."""
    folder, slash, _ = target.key.rpartition("/")
    key = f"{folder}{slash}{name}"
    key = key if len(key.encode(errors="surrogateescape")) <= MAX_KEY else name
    return replace(target, key=key, version_id="")


def ends_all(error: TransferError) -> bool:
    """It is no object's own fault."""
    return error.failure is not None and error.failure.kind in ("transport", "lost")


def is_plain(key: str) -> bool:
    """Whether it is a path's only spelling."""
    return not {"", ".", ".."} & set(key.split("/"))


def as_file(key: str) -> str:
    """The same for all keys that some file system takes for one."""
    pieces: list[str] = []
    for piece in unicodedata.normalize("NFC", key).casefold().split("/"):
        if piece == "..":
            pieces = pieces[:-1]
        elif piece not in ("", "."):
            pieces.append(piece)
    return "/".join(pieces)


# --- files ------------------------------------------------------------------


def files_not_to_delete(journal: Journal, others: Collection[str]) -> frozenset[Inode]:
    """Files that are destinations, or sources of what is not done; ``others``: further paths of such. Kept in
    memory, where there are any."""
    found = {inode for path in others if (inode := inode_of(path)) is not None}
    sources = journal.buckets("source", State.DONE)
    if any(isinstance(entry.item.source, LocalFile) for entry in sources):
        found.update(_inodes(journal, UNDONE, "source"))
        found.update(_inodes(journal, tuple(State), "destination"))
    return frozenset(found)


def _inodes(journal: Journal, states: tuple[State, ...], side: Side) -> Iterator[Inode]:
    if not any(isinstance(getattr(entry.item, side), LocalFile) for entry in journal.buckets(side, *states)):
        return
    for state in states:
        after = 0
        while entries := journal.entries(state, after=after):
            after = entries[-1].id
            for entry in entries:
                place = getattr(entry.item, side)
                if isinstance(place, LocalFile) and (inode := inode_of(place.path)) is not None:
                    yield inode


def inode_of(path: str) -> Inode | None:
    """Of the file that ``path`` leads to; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
