"""One object carried over by several machines: which order follows which. Pure.

Theory: one order begins a multipart upload and says what its parts are; each span of parts is an order for
any machine, once or again; the last one holds all parts against the source and completes. So whoever is lost,
the upload stays, and there is one moment in which the object is made and proven. A later run goes on with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from gof3r.engine import orders
from gof3r.engine.spans import Split, StoredPart
from gof3r.migrate.states import Entry

WORTH = 64
"""Parts of an object that is split."""

LEAST = 16
"""Parts of a span: fewer are not worth an errand."""

MOST = 128
"""Parts of a span: as much is lost with a machine."""

A_PLACE = 4
"""Spans for each place of the fleet: they end together, more or less, whoever is slow."""


class Spread:
    """The object of ``entry``, as ``copy`` orders it."""

    def __init__(self, entry: Entry, copy: orders.Copy, since: float) -> None:
        """``since``: epoch second from which on an upload may be of this."""
        self.entry = entry
        self.copy = replace(copy, begun=entry.left.begun if entry.left else None)
        self.since = since
        self.split: Split | None = None
        self.whole = False
        """It has turned out that one machine has to copy it; nothing was begun."""
        self._stored: list[StoredPart] = []
        self.done = 0
        """Bytes of spans that are sent."""
        self.retries: Counter[str] = Counter()
        self._left = 0

    @property
    def upload_id(self) -> str:
        """An earlier run's while none has been begun; empty without."""
        begun = self.split.begun if self.split else self.copy.begun
        return begun.upload_id if begun else ""

    def begin(self) -> orders.Begin:
        return orders.Begin(self.copy)

    def spans(self, split: Split, places: int) -> list[orders.Span]:
        """Of the upload that has been begun."""
        self.split = split
        count = len(split.parts)
        each = max(LEAST, min(MOST, count // (A_PLACE * max(places, 1))))
        firsts = range(1, count + 1, each)
        self._left = len(firsts)
        return [orders.Span(self.copy, split, first, min(first + each - 1, count)) for first in firsts]

    def finish(self, stored: tuple[StoredPart, ...]) -> orders.Finish | None:
        """A span is there; what completes the object when that was the last."""
        assert self.split is not None
        self._stored += stored
        self.done += sum(each.part.length for each in stored)
        self._left -= 1
        return None if self._left else orders.Finish(self.copy, self.split, tuple(self._stored))

    def abort(self) -> orders.Uploads | None:
        """What ends the upload, if there is one."""
        if not self.upload_id:
            return None
        terms = replace(self.copy.terms, concurrency=1, memory=None)
        return orders.Uploads(self.copy.target, upload_id=self.upload_id, abort=True, terms=terms)
