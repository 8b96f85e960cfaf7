"""The story of reading: an object is opened, then spans of its bytes are fetched as its reader asks for them.

It ends when the reader cancels it. Spans are cut into ranges, and these go through the slots to the sink in
the order in which they were asked for; the reader counts what it has asked for, so spans have no marks
between them. Every range is pinned to the ETag that was there at the opening: all bytes are of one object.
Nothing of the whole is proven, since the whole may never be read; TLS and lengths guard the ranges. A reader
who wants everything from the start gets a download, which is proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import TransferError
from ..values import Part, Target
from . import plan as s3_plan
from .download import Download, range_work
from .events import Show
from .incoming import Incoming
from .proof import look
from .story import Story, Until


@dataclass(frozen=True, slots=True)
class Opened:
    """An object that can be read."""

    size: int
    etag: str
    version_id: str
    modified: float | None
    """Epoch seconds."""


class Reading:
    """Of ``target``, only with ``etag`` unless that is empty, in ranges of ``part_size`` bytes. ``Opened`` is
    shown first. ``download``: into the same ``parts``, if everything is asked for."""

    def __init__(
        self, target: Target, etag: str, parts: Incoming, *, part_size: int, download: Download
    ) -> None:
        self.name = f"read {target}"
        self._target = target
        self._etag = etag
        self._parts = parts
        self._part_size = part_size
        self._download = download

    def story(self) -> Story:
        """The whole reading, top to bottom."""
        head = yield from look(self.name, self._target)
        if self._etag not in ("", head.etag):
            raise TransferError(f"{self.name}: the object has changed: ETag {head.etag}, not {self._etag}")
        yield Show(Opened(head.size, head.etag, head.version_id, head.modified))
        yield Until(lambda: bool(self._parts.asked))
        if self._parts.asked[0].length < 0:
            return (yield from self._download.whole(head))
        self._parts.begin(lambda part: range_work(self._target, head, part))
        while True:
            yield Until(lambda: bool(self._parts.asked))
            span = self._parts.asked.popleft()
            length = max(0, min(span.length, head.size - span.first))
            ranges = self._ranges(self._parts.count, span.first, length)
            self._parts.extend(ranges, -(-length // self._part_size))

    def _ranges(self, before: int, first: int, length: int) -> Iterator[Part]:
        for span in s3_plan.ranges(length, self._part_size):
            yield Part(before + span.number, first + span.offset, span.length)
