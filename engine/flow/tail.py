"""Which part's request is slower than it should be: it is given up, and sent again on a fresh connection.

Theory: of many servers some are slow just now, and who waits for all of a hundred parts waits for the slowest
("The Tail at Scale", Dean and Barroso, 2013; S3's performance guidelines advise to retry the slowest 5
percent). What is slow is learned from the transfer itself, twice: the time until an answer begins, in seconds
for a received part, in seconds a byte for a sent one, whose answer begins when all of it is there; and the
time for all of it, in seconds a byte. The first finds who does not answer; the second, later, who answers and
then drips, which would hold up everything behind it.

Giving up has a price, the bytes so far and one more request, so it has a budget: one request in twenty, and
each part once. A store that is slow for everybody only moves the limit.

Pure: moments are seconds of any clock that does not go back.
"""

from __future__ import annotations

from bisect import insort
from collections import deque

from ..values import Direction

LEARN = 20
"""Answers before there is an opinion."""

LEARN_WHOLE = 3
"""The same of whole parts: who drips stops the others, and no more may come."""

REMEMBER = 200
"""Times that the opinion rests on: about a minute of a fast transfer."""

TIMES_P95 = 2.0
TIMES_MEDIAN = 4.0
"""Slow is above both: a wide distribution is no reason to give up, nor is noise on a narrow one."""

FLOOR = 2.0
"""Seconds before which nothing is slow: a new connection with TLS and a lost packet take one."""

FLOOR_WHOLE = 15.0
"""The same of whole parts: bytes are moving, so there is no hurry."""

SHARE = 0.05
"""Of all part requests may be given up."""

LEAST = 1 << 20
"""Bytes that a whole part counts for at least: of a short last one the answer's beginning is all there is."""

FEW_WHOLE = 2
"""For dripping, however few requests there were."""


class _Times:
    """The last of them, and what is far beyond; ``learn`` are needed for an opinion."""

    def __init__(self, learn: int) -> None:
        self._learn = learn
        self._recent: deque[float] = deque(maxlen=REMEMBER)
        self._sorted: list[float] = []

    def add(self, time: float) -> None:
        if len(self._recent) == REMEMBER:
            self._sorted.remove(self._recent[0])
        self._recent.append(time)
        insort(self._sorted, time)

    @property
    def slow(self) -> float | None:
        count = len(self._sorted)
        if count < self._learn:
            return None
        p95, median = self._sorted[count * 95 // 100], self._sorted[count // 2]
        return max(TIMES_P95 * p95, TIMES_MEDIAN * median)


class Tail:
    """What a transfer knows of its answers' times, and who is late. Parts go one way only."""

    def __init__(self) -> None:
        self._waits = _Times(LEARN)
        self._wholes = _Times(LEARN_WHOLE)
        self._unanswered: dict[int, tuple[float, float]] = {}
        """Of first attempts on the wire: when they went out, and the unit in which they are measured."""
        self._unfinished: dict[int, tuple[float, float]] = {}
        """The same of whole parts."""
        self._sent = 0
        self._given_up = 0
        self._given_up_whole = 0

    def sent(self, job: int, attempt: int, direction: Direction, length: int, now: float) -> None:
        """A part of ``length`` bytes goes out."""
        self._sent += 1
        if attempt == 1:
            size = float(max(length, 1))
            self._unanswered[job] = now, size if direction == "send" else 1.0
            self._unfinished[job] = now, max(size, LEAST)

    def answered(self, job: int, waited: float, now: float) -> None:
        """The request is over; its answer began after ``waited`` seconds, or never (0)."""
        _, unit = self._unanswered.pop(job, (0.0, 0.0))
        at, size = self._unfinished.pop(job, (0.0, 0.0))
        if unit and waited:
            self._waits.add(waited / unit)
        if size and waited:
            self._wholes.add((now - at) / size)

    def slow(self, now: float) -> list[tuple[int, bool]]:
        """Jobs to give up now, each named once; true: also if the answer has begun."""
        silent = [job for job, due in self._silent() if due <= now]
        for job in silent:
            del self._unanswered[job]
        silent = silent[: int(SHARE * self._sent) - self._given_up]
        self._given_up += len(silent)
        dripping = [job for job, due in self._dripping() if due <= now]
        for job in dripping:
            del self._unfinished[job]
        dripping = dripping[: self._share_of_wholes - self._given_up_whole]
        self._given_up_whole += len(dripping)
        return [*((job, False) for job in silent if job not in dripping), *((job, True) for job in dripping)]

    def deadline(self) -> float | None:
        """When ``slow`` will name a job next."""
        return min((due for _, due in (*self._silent(), *self._dripping())), default=None)

    @property
    def _share_of_wholes(self) -> int:
        return max(FEW_WHOLE, int(SHARE * self._sent))

    def _silent(self) -> list[tuple[int, float]]:
        slow = self._waits.slow
        if slow is None or self._given_up + 1 > SHARE * self._sent:
            return []
        return [(job, at + max(FLOOR, slow * unit)) for job, (at, unit) in self._unanswered.items()]

    def _dripping(self) -> list[tuple[int, float]]:
        slow = self._wholes.slow
        if slow is None or self._given_up_whole >= self._share_of_wholes:
            return []
        return [(job, at + max(FLOOR_WHOLE, slow * size)) for job, (at, size) in self._unfinished.items()]
