"""What a transfer asks of its parts: which of them gets the next slot, and what is known of all.

``Outgoing``, ``Incoming`` and ``Passing`` are feeds; a story without parts has ``NoParts``.
"""

from __future__ import annotations

from typing import Protocol

from ..values import Part, Verdict
from .dispatch import Work
from .events import Action, Event


class Feed(Protocol):
    """The parts of a transfer: ``Outgoing`` or ``Incoming``."""

    def take(self, event: Event) -> list[Action]:
        """Events that are about its parts; it ignores others."""

    def grant(self) -> tuple[list[Action], list[Work]]:
        """Slots given to parts, and the requests of parts that are ready."""

    def accepted(self, part: Part, verdict: Verdict) -> None: ...

    def allow(self, parts: int) -> None:
        """So many parts may own a slot at a time."""

    @property
    def count(self) -> int:
        """Parts, as far as they are known."""

    @property
    def done(self) -> int:
        """Bytes of the parts that are where they should be."""

    @property
    def total(self) -> int | None:
        """Bytes that will be there in the end, as far as that is known."""

    @property
    def starved(self) -> bool:
        """There is more to do, and no slot for it."""


class NoParts:
    """The feed of a story that moves no parts."""

    count, done, total, starved = 0, 0, None, False

    def take(self, event: Event) -> list[Action]:
        return []

    def grant(self) -> tuple[list[Action], list[Work]]:
        return [], []

    def accepted(self, part: Part, verdict: Verdict) -> None:
        raise AssertionError(f"part {part.number} of a story without parts")

    def allow(self, parts: int) -> None:
        pass
