"""Silence is seen: which processes have stopped, judged by the turns that they count.

A process that hangs, or was stopped, holds slots that nobody may touch. Each counts its turns on a shared
page, at least one a second; the parent compares. Only time in which the parent itself ran counts: after
Ctrl-Z and ``fg``, or a night with the lid closed, everybody starts afresh.
"""

from __future__ import annotations

from collections.abc import Mapping

SILENCE = 10.0
"""Seconds without a turn after which a process is given up; ten times the longest wait in its loop."""

GAP = 3.0
"""Seconds between two looks that mean that we were stopped ourselves; looks are a second apart."""


class Watch:
    """Compares the counts of one look with those of earlier ones. ``now`` is a monotonic second."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}
        self._looked = 0.0

    def look(self, ticks: Mapping[int, int], now: float) -> list[int]:
        """Seats whose count in ``ticks`` has not changed for ``SILENCE`` seconds of our own time."""
        stopped = now - self._looked > GAP
        self._looked = now
        if stopped:
            self._seen.clear()
        for seat in list(self._seen):
            if seat not in ticks:
                del self._seen[seat]
        for seat, count in ticks.items():
            if self._seen.get(seat, (-1, 0.0))[0] != count:
                self._seen[seat] = count, now
        return [seat for seat, (_, since) in self._seen.items() if now - since >= SILENCE]
