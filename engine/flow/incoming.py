"""Parts on their way in: which range gets the next slot.

Slots are granted in part order, so that the lowest part not yet written always owns one and reordering cannot
deadlock. A slot is free again when its bytes have reached the destination.

It knows no requests; ``receive`` is told how to make one of a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..values import Part, Slot, Verdict
from .dispatch import Work
from .events import Action, Event, Written
from .slots import Ledger
from .story import Telling, Until
from .verify import Whole


class Incoming:
    """The ranges of one download."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parts: Iterator[Part] = iter(())
        self._next: Part | None = None
        self._make: Callable[[Part], Work] | None = None
        self._granted: dict[int, Slot] = {}
        self._accepted = 0
        self._written = 0
        self.count = 0
        self.whole = Whole()

    @property
    def memory(self) -> int:
        """Bytes of all slots together: the most that one range can have."""
        return self._ledger.memory

    def cut(self, parts: Iterable[Part], count: int, largest: int) -> None:
        """What to fetch: ``count`` ranges in part order, none above ``largest`` bytes."""
        self._ledger.recut(largest)
        self._parts = iter(parts)
        self.count = count

    def receive(self, make: Callable[[Part], Work]) -> Telling:
        """Fetch every range, as ``make`` says, until all are accepted."""
        self._make = make
        yield Until(lambda: self._accepted == self.count)

    def drain(self) -> Telling:
        """Wait until every range has been written."""
        yield Until(lambda: self._written == self.count)

    def take(self, event: Event) -> list[Action]:
        """A part has reached the destination."""
        if isinstance(event, Written):
            self._ledger.move(event.slot, "written")
            self._written += 1
        return []

    def grant(self) -> tuple[list[Action], list[Work]]:
        """Give free slots to the next ranges, in part order."""
        works: list[Work] = []
        while self._make is not None:
            self._next = self._next or next(self._parts, None)
            slot = self._ledger.grant("receive") if self._next else None
            if self._next is None or slot is None:
                break
            work = self._make(self._next)
            work.slot = self._granted[self._next.number] = slot
            works.append(work)
            self._next = None
        return [], works

    def accepted(self, part: Part, verdict: Verdict) -> None:
        self._ledger.move(self._granted.pop(part.number), "received")
        self.whole.add(part, verdict.digests)
        self._accepted += 1
