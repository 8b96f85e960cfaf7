"""Which part's request is slower than it should be: it is given up, and sent again on a fresh connection.

Theory: of many servers some are slow just now, and who waits for all of a hundred parts waits for the slowest
("The Tail at Scale", Dean and Barroso, 2013; S3's performance guidelines advise to retry the slowest 5
percent). What is slow is learned from the transfer itself: the time until an answer begins, in seconds for a
received part, in seconds a byte for a sent one, whose answer begins when all of it is there.

Giving up has a price, the bytes sent so far and one more request, so it has a budget: one request in twenty,
and each part once. A store that is slow for everybody only moves the limit.

Pure: moments are seconds of any clock that does not go back.
"""

from __future__ import annotations

from bisect import insort
from collections import deque

from ..values import Direction

LEARN = 20
"""Answers before there is an opinion."""

REMEMBER = 200
"""Answers that the opinion rests on: about a minute of a fast transfer."""

TIMES_P95 = 2.0
TIMES_MEDIAN = 4.0
"""Slow is above both: a wide distribution is no reason to give up, nor is noise on a narrow one."""

FLOOR = 2.0
"""Seconds before which nothing is slow: a new connection with TLS and a lost packet take one."""

SHARE = 0.05
"""Of all part requests may be given up."""


class Tail:
    """What a transfer knows of its answers' times, and who is late. Parts go one way only."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=REMEMBER)
        self._sorted: list[float] = []
        self._unanswered: dict[int, tuple[float, float]] = {}
        """Of first attempts on the wire: when they went out, and the unit in which they are measured."""
        self._sent = 0
        self._given_up = 0

    def sent(self, job: int, attempt: int, direction: Direction, length: int, now: float) -> None:
        """A part of ``length`` bytes goes out."""
        self._sent += 1
        if attempt == 1:
            self._unanswered[job] = now, float(max(length, 1)) if direction == "send" else 1.0

    def answered(self, job: int, waited: float) -> None:
        """The request is over; its answer began after ``waited`` seconds, or never (0)."""
        _, unit = self._unanswered.pop(job, (0.0, 0.0))
        if not (unit and waited):
            return
        if len(self._recent) == REMEMBER:
            self._sorted.remove(self._recent[0])
        self._recent.append(waited / unit)
        insort(self._sorted, waited / unit)

    def slow(self, now: float) -> list[int]:
        """Jobs to give up now; each is named once."""
        late = [job for job, due in self._due() if due <= now]
        for job in late:
            del self._unanswered[job]
        late = late[: int(SHARE * self._sent) - self._given_up]
        self._given_up += len(late)
        return late

    def deadline(self) -> float | None:
        """When ``slow`` will name a job next."""
        return min((due for _, due in self._due()), default=None)

    def _due(self) -> list[tuple[int, float]]:
        count = len(self._sorted)
        if count < LEARN or self._given_up + 1 > SHARE * self._sent:
            return []
        p95, median = self._sorted[count * 95 // 100], self._sorted[count // 2]
        slow = max(TIMES_P95 * p95, TIMES_MEDIAN * median)
        return [(job, at + max(FLOOR, slow * unit)) for job, (at, unit) in self._unanswered.items()]
