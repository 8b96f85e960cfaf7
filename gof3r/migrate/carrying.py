"""Items carried over: which order does what, small ones many at a time, and what came of each told.

Theory: objects that one slot holds go through one ring together, in lanes, and so do those of some parts
where there are as many as lanes: alone, each would wait for its first and last requests with all connections
idle. A larger one has a ring to itself, with all connections. Of each it is told when it has arrived,
verified, or why it has not; what is no object's fault (no server, Ctrl-C) is raised. Who is told may be this
process, or a run on another machine: nothing here knows of a journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os.path import commonprefix
from typing import Literal, NamedTuple, cast

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted, one_line
from gof3r.engine.flow import events
from gof3r.engine.flow.plan import MIN_PART
from gof3r.engine.flow.slots import stride
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.proc.source import Witness
from gof3r.engine.values import Target

from .estimate import parts_of
from .files import Sources, Targets, check_same, identity, prepared, readable
from .items import Identity, Item, LocalFile
from .ordered import How, Orders
from .states import Entry, Leftover
from .told import Arrivals, Begins, Ticking, Told, Uploads, arrived, cause, ends_all

MOST_LANES = 64
"""Small objects under way at a time."""

SKEW = 900.0
"""Seconds by which a store's clock may be behind ours: S3 answers nobody whose is further off."""

LEAST_SLOT = 1 << 16
"""Bytes: smaller objects are not told apart."""

PARTS = 64
"""Parts of an object that goes through a lane, one after another, where there are enough of such; a larger
one is worth the processes of a ring."""

Kind = Literal["put", "get", "copy"]


class Class(NamedTuple):
    """What goes through one ring together."""

    parts: bool
    """Each in several."""
    slot: int
    """Bytes."""
    kind: Kind


class Carrier:
    """Carries items over, as ``how`` says, and tells ``told``. ``witness`` is whoever can end it."""

    def __init__(
        self, how: How, told: Told, environ: Mapping[str, str], witness: Witness | None = None
    ) -> None:
        self._how = how
        self._told = told
        self._environ = environ
        self._witness = witness
        self._orders = Orders(how, environ)

    def end_uploads(self, leftovers: Sequence[Leftover]) -> None:
        """Those at their items' destinations; older ones are somebody else's. One listing for each bucket."""
        places: dict[Target, tuple[orders.Terms, dict[str, Leftover]]] = {}
        for each in leftovers:
            order = self._orders.of(each.item)
            terms = replace(order.terms, concurrency=1, memory=None)
            _, keys = places.setdefault(replace(order.target, key=""), (terms, {}))
            keys[order.target.key] = each
        for bucket, (terms, keys) in places.items():
            below, listed = replace(bucket, key=commonprefix(list(keys))), Uploads(self._told)
            carry_out(orders.Uploads(below, terms=terms), listed, self._environ, self._ends())
            for upload in listed.found:
                ours = keys.get(upload.key)
                if ours and upload.initiated >= ours.since - SKEW and upload.upload_id != ours.kept:
                    self._end(replace(bucket, key=upload.key), upload.upload_id, terms)

    def _end(self, target: Target, upload_id: str, terms: orders.Terms) -> None:
        ending = orders.Uploads(target, upload_id=upload_id, abort=True, terms=terms)
        carry_out(ending, Ticking(self._told), self._environ, self._ends())
        self._told.debug(f"upload {upload_id} of {target}, left by a run that was killed")

    def carry(self, entries: Sequence[Entry]) -> None:
        """Each of them. Raises Gof3rError for what is no object's fault: those that nothing was told of are
        to do again."""
        groups: dict[Class, list[Entry]] = {}
        alone: list[Entry] = []
        for entry in entries:
            if needs_ring(entry, self._how.part_size):
                alone.append(entry)
            else:
                groups.setdefault(self._class(entry), []).append(entry)
        for which in [which for which in groups if which.parts and len(groups[which]) < self._lanes(which)]:
            alone += groups.pop(which)  # a ring has all connections for one
        for entry in alone:
            self._alone(entry)
        for which in sorted(groups, reverse=True):
            for entry in self._many(which, groups[which]):
                self._alone(entry)

    def _class(self, entry: Entry) -> Class:
        """A size that is not known may be any that one slot holds."""
        size = entry.item.known.size
        slot = LEAST_SLOT
        while slot < (self._how.part_size if size is None else size):
            slot *= 4
        parts = in_parts(entry, self._how.part_size)
        slot = min(slot, stride(max(self._how.part_size, MIN_PART) if parts else self._how.part_size))
        return Class(parts, slot, kind(entry.item))

    def _lanes(self, which: Class) -> int:
        """Objects at a time."""
        return max(2, min(MOST_LANES, self._how.memory // stride(which.slot)))

    # --- one ring for many ------------------------------------------------------------------

    def _many(self, which: Class, entries: list[Entry]) -> list[Entry]:
        """All of them, but for those that need a ring of their own, which are returned."""
        asked: list[orders.Copy | orders.Filed] = []
        there: list[Entry] = []
        for entry in entries:
            try:
                order = self._orders.of(entry.item)
            except Gof3rError as error:
                self._failed(entry, error)
                continue
            match order:
                case orders.Copy() if which.parts:
                    asked.append(replace(order, resume=True, seen=None))
                case orders.Copy():
                    asked.append(order)
                case orders.Put() if which.parts:
                    asked.append(orders.Filed(replace(order, resume=True, anew=True)))
                case _:
                    asked.append(orders.Filed(order))
            there.append(entry)
        if not asked:
            return []
        paths = [_path(entry.item) for entry in there]
        sources = Sources(paths, which.parts) if which.kind == "put" else None
        targets = Targets(paths, self._how.root, self._how.own) if which.kind == "get" else None
        if which.parts and which.kind != "get":
            self._told.began(there)
        terms = asked[0].order.terms if isinstance(asked[0], orders.Filed) else asked[0].terms
        terms = replace(terms, concurrency=self._lanes(which), memory=None, part_size=which.slot)
        most = max(entry.item.known.size or 0 for entry in there) if which.parts else 0
        listener = Arrivals(self._told, there, sources, which.parts)
        try:
            ends = self._ends(files=sources or targets)
            carry_out(orders.Many(tuple(asked), which.slot, terms, most), listener, self._environ, ends)
        finally:
            if sources:
                sources.close()
            if targets:
                targets.close()
        return listener.unfit

    # --- a ring for one ------------------------------------------------------------------

    def _alone(self, entry: Entry) -> None:
        began = time.monotonic()
        item = entry.item
        try:
            order = self._orders.of(item)
            if not isinstance(order, orders.Get):
                self._told.began([entry])
            match order:
                case orders.Put():
                    result, known = self._put(replace(order, resume=True, anew=True), _path(item))
                case orders.Get():
                    order = replace(order, seen=None)
                    with prepared(_path(item), self._how.root, self._how.own) as destination:
                        result = self._carry_out(order, self._ends(sink=destination.fd))
                        destination.commit()
                    known = item.known
                case orders.Copy():
                    begun = entry.left.begun if entry.left else None
                    order = replace(order, resume=True, begun=begun, seen=None)
                    listener = Begins(self._told, entry)
                    result, known = carry_out(order, listener, self._environ, self._ends()), item.known
        except Interrupted:
            raise
        except OSError as error:
            self._failed(entry, Gof3rError(f"{_path(item)}: {error.strerror}"))
        except Gof3rError as error:
            if ends_all(error):
                raise
            self._failed(entry, error)
        else:
            receipt = cast(events.Receipt, result.value)
            seconds = time.monotonic() - began
            arrived(self._told, entry, receipt, known, result.retries, seconds)

    def _put(self, order: orders.Put, path: str) -> tuple[orders.Result, Identity]:
        fd = readable(path)
        try:
            known = identity(fd)
            result = self._carry_out(order, self._ends(source=fd))
            check_same(known, fd)
            return result, known
        finally:
            os.close(fd)

    def _carry_out(self, order: orders.Order, ends: Ends) -> orders.Result:
        return carry_out(order, Ticking(self._told), self._environ, ends)

    def _ends(
        self, source: int | None = None, sink: int | None = None, files: Sources | Targets | None = None
    ) -> Ends:
        return Ends(source=source, sink=sink, files=files, witness=self._witness)

    def _failed(self, entry: Entry, error: Gof3rError) -> None:
        self._told.failed(entry, cause(error), one_line(str(error)), bool(error.kept))


def kind(item: Item) -> Kind:
    if isinstance(item.source, LocalFile):
        return "put"
    return "get" if isinstance(item.destination, LocalFile) else "copy"


def in_parts(entry: Entry, part_size: int) -> bool:
    """It will be moved in parts, or was begun to be."""
    known = entry.item.known
    return (known.size or 0) > part_size or parts_of(known.etag) > 1 or entry.left is not None


def needs_ring(entry: Entry, part_size: int) -> bool:
    """No lane can have it: its upload is gone on with, it is too large, cut in its own way, or made of parts
    that may be larger than a slot."""
    known = entry.item.known
    size, parts = known.size or 0, parts_of(known.etag)
    if not in_parts(entry, part_size):
        return False
    large = size > PARTS * part_size or (parts > 1 and size // (parts - 1) > part_size)
    own = entry.item.options.part_size not in (None, part_size)
    left = entry.left is not None and kind(entry.item) == "copy"
    return large or own or left or entry.item.known.size is None


def _path(item: Item) -> str:
    """The file of ``item``; empty where there is none."""
    for place in (item.source, item.destination):
        if isinstance(place, LocalFile):
            return place.path
    return ""
