"""Objects read through an engine: from start to end, or in pieces.

Theory: whoever reads from the start, without seeking, gets a verified download; the error comes from the read
at the end. Whoever seeks gets spans of bytes, pinned to the ETag that was there at the opening:
these are checked by length and ETag only, since what proves the whole cannot prove a piece. Spans are asked
for with some bytes ahead, twice as many each time reading goes on where it was; what is skipped within them
is dropped, which costs less than another request. The end of an object is kept: many formats (zip, Parquet)
have their table of contents there.

An exception in the middle of a read ends the engine, and the file: nobody knows how much has gone through.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from gof3r.engine import orders
from gof3r.engine.errors import TransferError

from .api import transferred
from .child import PIPE, Engine, OnEvent
from .raw import Raw, check_open
from .results import Result

if TYPE_CHECKING:
    from gof3r.engine.flow.reading import Opened

AHEAD = 1 << 20
"""Bytes asked for beyond what is wanted: S3 takes as long for its first byte as for the next MiB or two."""

EVERYTHING = -1
"""A length (``Asked``)."""

MOST_AHEAD = 1 << 25
"""The most that is asked for ahead, and so thrown away by a seek: as much as comes in the time in which an
engine could be started anew."""


def opened(order: orders.Read, on_event: OnEvent | None) -> tuple[Engine, Opened]:
    """An engine for the object, and what it has found."""
    engine = Engine(order, sink=PIPE, on_event=on_event)
    try:
        return engine, cast("Opened", next(engine.shown()))
    except BaseException:
        engine.close()
        raise


class Reading(Raw):
    """An object that was ``opened``; ``result`` when it has been read from start to end."""

    mode = "rb"

    def __init__(
        self, url: str, order: orders.Read, on_event: OnEvent | None, engine: Engine, opened: Opened
    ) -> None:
        super().__init__(url)
        self.opened = opened
        self._engine = engine
        self._order = replace(order, etag=opened.etag)
        self._on_event = on_event
        self._failed: BaseException | None = None
        self._at = 0
        """Where the next byte is to be read."""
        # The engine under way, and its pipe.
        self._way: Literal["none yet", "whole", "spans"] = "none yet"
        self._next = 0
        """Position of the next byte out of the pipe."""
        self._owed = 0
        """Bytes of spans that were asked for and have not been taken."""
        self._ahead = AHEAD
        self._tail = b""
        """The object's last bytes, once they have been wanted."""
        self.result: Result | None = None

    # --- what io asks for ------------------------------------------------------------------

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        check_open(self)
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        check_open(self)
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.opened.size}.get(whence)
        if start is None:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
        if start + offset < 0:
            raise ValueError(f"position {start + offset} is before the start")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        check_open(self)
        view = memoryview(buffer).cast("B")
        if self._failed is not None:
            raise TransferError(f"{self.name}: an earlier read was broken off: {self._failed!r}")
        try:
            count = self._take(view) if view else 0
        except BaseException as error:
            self._failed = error
            self._engine.close()
            raise
        self._at += count
        return count

    def readall(self) -> bytes:
        rest = io.BytesIO()
        room = memoryview(bytearray(min(AHEAD, max(self.opened.size - self._at, 1))))
        while count := self.readinto(room):
            rest.write(room[:count])
        return rest.getvalue()

    def close(self) -> None:
        if not self.closed:
            try:
                self._engine.close()
            finally:
                super().close()

    def abandon(self) -> None:
        self._engine.close()

    # --- which way ------------------------------------------------------------------

    def _take(self, view: memoryview) -> int:
        at, size = self._at, self.opened.size
        if self._way == "none yet":
            if at == 0:
                self._begin_whole()
            else:
                self._way = "spans"
        if self._way == "whole":
            if self.result is None and 0 <= at - self._next <= AHEAD:
                self._drop(at - self._next, self._take_whole)
                return self._take_whole(view)
            if at < size:
                self._begin_spans()
        return self._take_spans(view) if at < size else 0

    def _drop(self, count: int, take: Callable[[memoryview], int]) -> None:
        room = memoryview(bytearray(min(count, AHEAD)))
        while count and (dropped := take(room[:count])):
            count -= dropped

    # --- the whole ------------------------------------------------------------------

    def _begin_whole(self) -> None:
        self._engine.ask(0, EVERYTHING)
        self._way = "whole"

    def _take_whole(self, view: memoryview) -> int:
        if self.result is not None:
            return 0
        count = self._engine.readinto(view)
        self._next += count
        if not count or self._next == self.opened.size:
            self.result = transferred(self._engine)
        return count

    # --- spans ------------------------------------------------------------------

    def _begin_spans(self) -> None:
        self._engine.close()
        self._engine, self.opened = opened(self._order, self._on_event)
        self._way = "spans"
        self._next = self._owed = 0

    def _take_spans(self, view: memoryview) -> int:
        at, size = self._at, self.opened.size
        if not 0 <= at - self._next < self._owed:
            if at >= size - len(self._tail):
                piece = self._tail[at - size :][: len(view)]
                view[: len(piece)] = piece
                return len(piece)
            self._drop(self._owed, self._take_span)
            if at == self._next:
                self._ahead = min(2 * self._ahead, MOST_AHEAD)
            elif size - at <= AHEAD:
                self._take_tail()
                return self._take_spans(view)
            else:
                self._ahead = AHEAD
            self._ask(at, len(view) + self._ahead)
        self._drop(at - self._next, self._take_span)
        return self._take_span(view)

    def _take_tail(self) -> None:
        length = min(self.opened.size, AHEAD)
        self._ask(self.opened.size - length, length)
        tail = io.BytesIO()
        self._drop(length, lambda room: tail.write(room[: self._take_span(room)]))
        self._tail = tail.getvalue()

    def _ask(self, first: int, length: int) -> None:
        length = min(length, self.opened.size - first)
        self._engine.ask(first, length)
        self._next, self._owed = first, length

    def _take_span(self, view: memoryview) -> int:
        count = self._engine.readinto(view[: self._owed])
        if not count:
            self._engine.result()  # raises why
            raise TransferError(f"read {self.name}: the engine has ended")
        self._next += count
        self._owed -= count
        return count
