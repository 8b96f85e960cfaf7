"""How many parts at once, where nobody has said: more, while more brings more.

Theory. A connection to S3 gives what it gives (about 90 MB/s), so the rate grows with their number until
something else binds: the network, the cores, the digests, the source. From then on more connections only cost
memory. So the number is doubled for as long as the rate follows; the first doubling that brings nothing is
taken back, and the place where it was good is held. Since a second's rate may mislead and a network changes,
a quarter more is tried again later, after ever longer rests. No step goes beyond the room that the machine
has: a worker that uses most of its core cannot do twice as much. When connections stand idle another stage
binds, and they are given up; while the server asks to slow down, nothing is tried.

A step's first seconds tell nothing: new connections begin slowly, or with what a server's rate limit had
saved up for them, and the memory of their parts is touched for the first time, which takes ten times as long
as later. So a step is judged by the second after each connection has moved a part.

Pure: one call a second, with what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

START = 10
"""Parts at first, and the fewest unless the server asks for less: the default without ``auto``."""

MOST = 512
"""Parts at once, should memory hold them: 46 GB/s at S3's 90 MB/s a connection, twice the fastest NICs."""

FULL = 0.95
"""Share of a core, or of all, that can be used in practice."""

LEAST = 1.1
"""Times the level: a smaller step is not worth the trouble."""

SETTLED = 3
"""Seconds after which a level is judged even if its connections are too slow to have moved a part each."""

WORTH = 1.05
"""Times the rate before: what a step must bring to be kept."""

BUSY = 0.6
"""Share of the connections that carry a part when they bind: some are always between two parts."""

IDLE = 0.4
"""Share below which something else binds."""

REST = 10
"""Seconds between the first failure and the next try; doubled by each further one."""

LONGEST_REST = 160


def room(used: Mapping[str, float], seconds: float, cores: int, more_workers: bool) -> float:
    """How many times as much the machine could do: by the CPU seconds that each process (``worker 1``, ...)
    has used of the last ``seconds``. ``more_workers``: others can still take part of the work."""
    each = [share for name, share in used.items() if name.startswith("worker")]
    fullest = 0.0 if more_workers else max(each, default=0.0)
    share = max(fullest, sum(used.values()) / cores) / seconds
    return FULL / share if share > 0 else 2.0


@dataclass(frozen=True, slots=True)
class Climb:
    """``level`` parts at once, up to ``most``."""

    level: int
    most: int
    part_size: int
    """Bytes."""
    below: int = 0
    """The level that a step was taken from, while it is not decided; 0: none is under way."""
    rate: float = 0.0
    """Bytes a second, at ``below`` or else here."""
    seconds: int = 0
    """At this level."""
    moved: float = 0.0
    """Bytes, at this level."""
    rest: int = 0
    """Seconds until another step is tried."""
    failed: int = 0
    """Steps that brought nothing."""

    @property
    def found(self) -> int:
        """The level that is known to be good."""
        return self.below or self.level

    @property
    def tried(self) -> bool:
        """A level was judged."""
        return bool(self.rate or self.failed)

    def after(self, rate: float, busy: float, limit: int, room: float) -> Climb:
        """A second has passed, with ``rate`` bytes moved; ``busy`` is the share of the connections that
        carried a part, ``limit`` what throttling has left of ``level``, ``room`` the machine's."""
        if limit < self.level:  # by throttling, which has its own way back up: dispatch's window
            return replace(self._to(self.found, rest=REST), failed=max(1, self.failed))
        if not rate and not self.below:
            return self  # nothing has begun
        here = replace(self, seconds=self.seconds + 1, moved=self.moved + rate, rest=max(0, self.rest - 1))
        if self.seconds < SETTLED and self.moved < self.level * self.part_size:
            return here
        if here.below:
            return here._tried(rate, busy, room)
        if busy < IDLE and here.level > START:
            return here._to(max(START, ceil(here.level * busy / BUSY)), rest=REST)
        if here.rest or busy < BUSY or here.level >= here.most:
            return replace(here, rate=(here.rate + rate) / 2 if here.rate else rate)
        return here._up(rate, room)

    def _tried(self, rate: float, busy: float, room: float) -> Climb:
        if rate < WORTH * self.rate:
            rest = min(REST << self.failed, LONGEST_REST)
            return replace(self._to(self.below, rest=rest, rate=self.rate), failed=self.failed + 1)
        if busy < BUSY or self.level >= self.most:
            return replace(self, below=0, rate=rate)
        return self._up(rate, room)

    def _up(self, rate: float, room: float) -> Climb:
        step = min(1.25 if self.failed else 2.0, room)
        if step < LEAST:
            return replace(self, below=0, rate=rate, rest=REST)
        return self._to(min(self.most, ceil(self.level * step)), below=self.level, rate=rate)

    def _to(self, level: int, *, below: int = 0, rate: float = 0.0, rest: int = 0) -> Climb:
        return replace(self, level=level, below=below, rate=rate, rest=rest, seconds=0, moved=0.0)
