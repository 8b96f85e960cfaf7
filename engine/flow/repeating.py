"""Requests over and over: one for each free slot, until there have been enough.

What comes back is not kept, and what goes out lies in its slot from the first time on. So a load costs this
machine what the wire and the digests cost, and nothing else.

It knows no requests; ``begin`` is told how to make one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..values import Part, Slot, Verdict
from .dispatch import Work
from .events import Action, Beat, Event
from .slots import Ledger
from .story import Telling, Until


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a load was at one beat."""

    at: float
    """Monotonic second."""
    moved: int
    """Bytes, both ways, as they passed."""
    sent: int
    """Bytes of the requests that have succeeded; ``received`` likewise."""
    received: int
    requests: int
    cpu: Mapping[str, float]
    """Seconds of each process."""


class Repeating:
    """Up to ``most`` requests at a time (None: as many as there are slots). ``prepare`` puts into a slot what
    may be sent from it, before its first use."""

    def __init__(self, ledger: Ledger, most: int | None, prepare: Callable[[Slot], None]) -> None:
        self._ledger = ledger
        ledger.most = most
        self._prepare = prepare
        self._prepared: set[Slot] = set()
        self._make: Callable[[int], Work] | None = None
        self._check: Callable[[Part, Verdict], None] = lambda part, verdict: None
        self._made = 0
        self._until: int | None = None
        self._held: dict[int, Slot] = {}
        self._sent = self._received = 0
        self.requests = 0
        """That have succeeded."""
        self.marks: list[Mark] = []
        """One for each beat since the last ``begin``."""
        self.total: int | None = None
        self.count = 0
        """No part is of anything."""

    def begin(
        self,
        make: Callable[[int], Work],
        check: Callable[[Part, Verdict], None],
        count: int | None = None,
    ) -> None:
        """Make requests: ``make`` is given 0, 1, 2 ... and returns a work whose part has a number that it
        never had before. ``check`` sees each that succeeded, and may raise TransferError. ``count``: so many,
        not one after another for ever."""
        self._make, self._check = make, check
        self._until = None if count is None else self._made + count
        self.marks = []

    def all_of(
        self, make: Callable[[int], Work], check: Callable[[Part, Verdict], None], count: int
    ) -> Telling:
        """``count`` requests, until all have succeeded."""
        before = self._made
        self.begin(lambda number: make(number - before), check, count)
        yield Until(lambda: self.requests == self._until)

    def stop(self) -> None:
        """Make no more."""
        self._make = None

    @property
    def done(self) -> int:
        """Bytes."""
        return self._sent + self._received

    @property
    def starved(self) -> bool:
        """There is always more to do, and a slot for each request that may fly."""
        return False

    def allow(self, parts: int) -> None:
        """So many at a time."""
        self._ledger.most = parts

    def take(self, event: Event) -> list[Action]:
        """A second has passed."""
        if isinstance(event, Beat):
            mark = Mark(event.at, event.moved, self._sent, self._received, self.requests, event.cpu)
            self.marks.append(mark)
        return []

    def grant(self) -> tuple[list[Action], list[Work]]:
        """A request for each free slot."""
        works: list[Work] = []
        while self._make is not None and self._made != self._until:
            slot = self._ledger.grant("receive")
            if slot is None:
                break
            if slot not in self._prepared:
                self._prepared.add(slot)
                self._prepare(slot)
            work = self._make(self._made)
            self._made += 1
            assert work.part is not None
            work.slot = self._held[work.part.number] = slot
            works.append(work)
        return [], works

    def accepted(self, part: Part, verdict: Verdict) -> None:
        slot = self._held.pop(part.number)
        self._ledger.move(slot, "received")
        self._ledger.move(slot, "written")
        self.requests += 1
        if verdict.job.direction == "send":
            self._sent += part.length
        else:
            self._received += part.length
        self._check(part, verdict)
