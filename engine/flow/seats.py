"""The seats of the part workers: how many parts each has, and who takes over when one is lost.

A worker is known by its seat. A seat's number is used once: a lost worker's place is taken by the next, so
that what is still heard of the old one is nobody else's. More losses than spares are no accident.

It knows no requests; whether a seat has a process yet is the shell's business.
"""

from __future__ import annotations

CONTROL = 0
"""The seat of the control worker. Its replacements count as losses like any other, but keep the seat."""

SPARES = 3
"""Workers that may be lost in one transfer; a fourth loss is no accident."""

JOBS_A_WORKER = 128
"""Bounds the messages that wait for one worker."""

CONNECTIONS_A_WORKER = 10
"""S3 gives a connection about 90 MB/s; one worker moves 2.0 GB/s over TLS, 2.7 in the clear (measured)."""


class Seats:
    """``count`` part workers from the start, and up to ``most`` when there is work for more."""

    def __init__(self, count: int, most: int) -> None:
        self._loads = dict.fromkeys(range(1, count + 1), 0)
        self._next = count + 1
        self._most = most
        self._losses = 0

    @property
    def loads(self) -> dict[int, int]:
        """Parts on the wire, by seat."""
        return self._loads

    @property
    def parts(self) -> int:
        """Parts on the wire."""
        return sum(self._loads.values())

    @property
    def more(self) -> bool:
        """Not all seats are open yet."""
        return len(self._loads) < self._most

    def widen(self, connections: int) -> None:
        """So many parts will fly at once: open the seats that they need."""
        while len(self._loads) < min(self._most, -(-connections // CONNECTIONS_A_WORKER)):
            self._add()

    def emptiest(self) -> int | None:
        """The seat for the next part; None when all are full, or none is left."""
        seat = min(self._loads, key=lambda s: (self._loads[s], s), default=None)
        return seat if seat is not None and self._loads[seat] < JOBS_A_WORKER else None

    def take(self, seat: int) -> None:
        """One more part is with ``seat``."""
        self._loads[seat] += 1

    def give_back(self, seat: int) -> None:
        """One less, unless the seat is lost by now."""
        if seat in self._loads:
            self._loads[seat] -= 1

    def lost(self, seat: int) -> None:
        """Its worker is gone; with a part worker go its parts, and another takes its place."""
        self._losses += 1
        if self._loads.pop(seat, None) is not None:
            self._add()

    def clear(self) -> None:
        """The workers are being ended."""
        self._loads.clear()

    @property
    def too_many_losses(self) -> bool:
        return self._losses > SPARES

    def _add(self) -> None:
        self._loads[self._next] = 0
        self._next += 1
