"""How many part requests may be on the wire when the server asks for fewer, and how fast under a limit.

Theory: additive increase, multiplicative decrease (AIMD), as TCP does it (Chiu and Jain, 1989). Halving when
throttled and adding one at a time when not lets transfers that share a server, and know nothing of each
other, converge on fair shares. S3 throttles per prefix and scales it over minutes, so seconds are the right
pace.

Pure: the clock is an argument. It does not know requests, slots or why a request failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

PACE = 1.0
"""Seconds between two halvings, and between two steps up. All the requests on the wire when throttling begins
tell of the same event, which should halve once; their first retries are spread over as long."""


@dataclass(frozen=True, slots=True)
class Window:
    """``limit`` part requests at once, between 1 and ``ceiling`` (the concurrency asked for).

    ``now`` is seconds of any clock that does not go back.
    """

    limit: int
    ceiling: int
    halved: float = -inf
    """When ``limit`` last went down."""
    raised: float = -inf
    """When ``limit`` last went up."""

    def resized(self, ceiling: int) -> Window:
        """Another ``ceiling``; the limit follows it up at once, unless throttling holds it below the old."""
        limit = ceiling if self.limit >= self.ceiling else min(self.limit, ceiling)
        return replace(self, limit=limit, ceiling=ceiling)

    def throttled(self, now: float) -> Window:
        """A request was answered with throttling."""
        if now - self.halved < PACE:
            return self
        return replace(self, limit=max(1, self.limit // 2), halved=now)

    def succeeded(self, now: float) -> Window:
        """A part request has succeeded."""
        if self.limit >= self.ceiling or now - max(self.halved, self.raised) < PACE:
            return self
        return replace(self, limit=self.limit + 1, raised=now)


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate`` bytes a second (0: any), by spacing out the parts.

    A part is begun when the one before it is paid for. As each connection is held to ``rate`` as well, parts
    hardly overlap, and what passes in a second is never far above it.
    """

    rate: int
    ready: float = -inf
    """When the next part may begin."""

    def spend(self, size: int, now: float) -> Pace:
        """A part of ``size`` bytes begins."""
        return replace(self, ready=max(self.ready, now) + size / self.rate) if self.rate else self
