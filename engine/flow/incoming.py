"""Parts on their way in: which range gets the next slot.

Slots are granted in part order, so that the lowest part not yet written always owns one and reordering cannot
deadlock. A slot is free again when its bytes have reached the destination.

It knows no requests; ``receive`` is told how to make one of a range.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..values import Digests, Part, Response, Slot, Verdict
from . import plan
from .dispatch import Work
from .events import Action, Asked, Event, Written
from .slots import Ledger
from .story import Telling, Until
from .verify import Whole


class Incoming:
    """The ranges of one download, or those that a reader asks for as it goes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parts: deque[Iterator[Part]] = deque()
        self._next: Part | None = None
        self._make: Callable[[Part], Work] | None = None
        self._granted: dict[int, Slot] = {}
        self._accepted = 0
        self._written = 0
        self.count = 0
        self.done = 0
        self.there = 0
        """Bytes of the ranges that were in the destination already."""
        self.total: int | None = None
        """Bytes of all ranges, when the story has said so."""
        self.whole = Whole()
        self.answer: Response | None = None
        self.digests: Digests = {}
        """What brought the last range, and those of its bytes."""
        self.asked: deque[Asked] = deque()
        """What the reader wants and nobody has turned into ranges yet."""

    @property
    def memory(self) -> int:
        """Bytes of all slots together: the most that one range can have."""
        return self._ledger.memory

    def allow(self, parts: int) -> None:
        """So many parts may own a slot at a time."""
        self._ledger.most = parts

    @property
    def starved(self) -> bool:
        """There is a range to fetch, and no slot for it."""
        return self._next is not None

    def cut(self, size: int, length: int, layout: Sequence[Part] = ()) -> None:
        """Fetch ``size`` bytes: on ``layout``, the object's own parts, or else in ranges of ``length``."""
        self._ledger.recut(max((part.length for part in layout), default=length))
        self._parts = deque([iter(layout) if layout else plan.ranges(size, length)])
        self.count = len(layout) or -(-size // length)
        self.total = size

    def extend(self, parts: Iterable[Part], count: int) -> None:
        """Fetch ``count`` more ranges, numbered on from those before, none above the slots' size."""
        self._parts.append(iter(parts))
        self.count += count

    def begin(self, make: Callable[[Part], Work]) -> None:
        """Fetch ranges as ``make`` says, as they come."""
        self._make = make

    def receive(self, make: Callable[[Part], Work]) -> Telling:
        """Fetch every range, as ``make`` says, until all are accepted."""
        self.begin(make)
        yield Until(lambda: self._accepted == self.count)

    def drain(self) -> Telling:
        """Wait until every range has been written."""
        yield Until(lambda: self._written == self.count)

    def take(self, event: Event) -> list[Action]:
        """A part has reached the destination, or the reader wants more."""
        match event:
            case Written():
                self._ledger.move(event.slot, "written")
                self._written += 1
            case Asked():
                self.asked.append(event)
        return []

    def grant(self) -> tuple[list[Action], list[Work]]:
        """Give free slots to the next ranges, in part order."""
        works: list[Work] = []
        while self._make is not None:
            self._next = self._next or self._following()
            slot = self._ledger.grant("receive") if self._next else None
            if self._next is None or slot is None:
                break
            work = self._make(self._next)
            work.slot = self._granted[self._next.number] = slot
            works.append(work)
            self._next = None
        return [], works

    def _following(self) -> Part | None:
        while self._parts:
            part = next(self._parts[0], None)
            if part is not None:
                return part
            self._parts.popleft()
        return None

    def accepted(self, part: Part, verdict: Verdict) -> None:
        self._ledger.move(self._granted.pop(part.number), "received")
        self.whole.add(part, verdict.digests)
        self.answer, self.digests = verdict.response, verdict.digests
        self._accepted += 1
        self.done += part.length
        self.there += part.length if verdict.job.local else 0
