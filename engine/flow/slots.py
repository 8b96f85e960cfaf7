"""The ledger: who owns each slot of the slab.

Memory is bounded because a part can only exist in a slot, and a slot has one owner at a time. The life of a
slot is the table below; a look-up that fails is a transition that must not happen, and is a bug of ours, so
it raises at once rather than let two parts share the bytes.

The free list is last in, first out: the first touch of a page of shared memory costs ten times a later one
(measured: 0.9 against 0.11 CPU s/GiB), so a fast transfer should stay on few slots.

Knows nothing of S3, workers or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ..values import Slot


class State(Enum):
    FREE = "free"
    FILLING = "filling"  # put: the parent reads the source into it
    IN_FLIGHT = "in flight"  # a part owns it; a worker may send from it or receive into it
    HASHED = "hashed"  # put: in the stream's digest already, not yet accepted
    CHECKING = "checking"  # put: accepted already, not yet in the stream's digest
    DRAINING = "draining"  # get: checked; the collector hashes and writes it


S = State
TABLE: Mapping[tuple[State, str], State] = {
    (S.FREE, "fill"): S.FILLING,
    (S.FILLING, "filled"): S.IN_FLIGHT,
    (S.FILLING, "empty"): S.FREE,
    (S.FREE, "receive"): S.IN_FLIGHT,
    (S.IN_FLIGHT, "hashed"): S.HASHED,
    (S.IN_FLIGHT, "sent"): S.CHECKING,
    (S.HASHED, "sent"): S.FREE,
    (S.CHECKING, "hashed"): S.FREE,
    (S.IN_FLIGHT, "received"): S.DRAINING,
    (S.DRAINING, "written"): S.FREE,
}

PAGE = 65536
"""Slots start on multiples of this many bytes, since a worker maps each one by itself: the largest page that
Linux's kernels for 64-bit processors have."""


def stride(size: int) -> int:
    """Bytes of memory that a slot of ``size`` bytes takes."""
    return -(-size // PAGE) * PAGE


class IllegalTransition(Exception):
    """A slot was asked to do what its state does not allow: a bug, never the user's doing."""


class Ledger:
    """Slots of equal size cut from ``memory`` bytes, of which ``most`` may be used at a time (none: all);
    ``repr`` shows their states for a test or a log."""

    def __init__(self, memory: int, size: int, most: int | None = None, berth: int | None = None) -> None:
        """``berth``: of many such ledgers, each with memory of its own, this is the one with that number
        (from 0); it has one slot, which stays as it is cut."""
        self.memory = memory
        self._berth = berth
        self.most = most
        """May be changed at any time; what is used already stays until it is free."""
        self._cut(size)

    def __repr__(self) -> str:
        return f"Ledger({self.size} x {[s.value for s in self._states]})"

    def _cut(self, size: int) -> None:
        step = stride(size)
        if not 0 < step <= self.memory:
            raise ValueError(f"a slot of {size} bytes does not fit in {self.memory} bytes of memory")
        self.size = size
        count = range(self.memory // step) if self._berth is None else (self._berth,)
        self.slots = tuple(Slot(i, i * step, size) for i in count)
        self._states = [State.FREE] * len(self.slots)
        self._free = list(range(len(self.slots) - 1, -1, -1))

    @property
    def idle(self) -> bool:
        """Every slot is free."""
        return len(self._free) == len(self.slots)

    def state(self, slot: Slot) -> State:
        return self._states[slot.index - self.slots[0].index]

    def grant(self, event: str) -> Slot | None:
        """The free slot used last, moved on by ``event`` (``fill``, ``receive``); None when none is free, or
        enough are used."""
        used = len(self.slots) - len(self._free)
        if not self._free or (self.most is not None and used >= self.most):
            return None
        slot = self.slots[self._free[-1]]
        self.move(slot, event)
        return slot

    def move(self, slot: Slot, event: str) -> State:
        """Apply ``event`` to ``slot`` and return its new state. Raises IllegalTransition."""
        at = slot.index - self.slots[0].index
        before = self._states[at]
        try:
            after = TABLE[before, event]
        except KeyError:
            raise IllegalTransition(f"slot {slot.index} is {before.value}: cannot be {event}") from None
        self._states[at] = after
        if before is State.FREE:
            self._free.remove(at)
        if after is State.FREE:
            self._free.append(at)
        return after

    def recut(self, size: int) -> None:
        """Cut the memory into slots of ``size`` bytes instead; only when every slot is free."""
        if not self.idle:
            raise IllegalTransition("slots can be re-cut only when all are free")
        if self._berth is None:
            self._cut(size)
        elif size > self.memory:
            raise ValueError(f"a slot of {size} bytes does not fit in {self.memory} bytes of memory")
