"""Parts in any order in, runs in order out.

The whole of reordering: what came early waits under its number until its turn. It can hold no more items
than there are slots, because an item stands for a slot that its part owns.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Reorder(Generic[Item]):
    """A run that starts at ``next`` (1 at first) and grows by whatever is contiguous."""

    def __init__(self) -> None:
        self.next = 1
        self._early: dict[int, Item] = {}

    def __repr__(self) -> str:
        return f"Reorder(next={self.next}, early={sorted(self._early)})"

    def put(self, number: int, item: Item) -> list[Item]:
        """Take item ``number``; return those whose turn has come, in order (often none)."""
        if number < self.next or number in self._early:
            raise ValueError(f"part {number} came twice")
        self._early[number] = item
        run = []
        while self.next in self._early:
            run.append(self._early.pop(self.next))
            self.next += 1
        return run
