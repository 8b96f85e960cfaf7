"""What a driver has to do: errands that are ready to be handed out, and those that are out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gof3r.migrate.states import Entry

from .cluster import Cluster
from .errand import Outcome, What
from .spread import Spread


@dataclass(slots=True)
class Job:
    """An errand that is to be done, and who is told what came of it."""

    what: What
    then: Callable[[Outcome], None]
    """Told of an outcome that another machine would not better."""
    spread: Spread | None = None
    """Of which it is a stage."""
    entries: tuple[Entry, ...] = ()
    since: float = 0.0
    """Epoch second in which it was first handed out."""
    lost: int = 0
    tries: int = 0
    arrived: set[int] = field(default_factory=set)
    """Entries that are known to have arrived, while it is under way."""
    counted: int = 0
    """Their bytes."""


class Jobs:
    """Those of one run, on ``cluster``."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.ready: deque[Job] = deque()
        self.out: dict[str, Job] = {}
        """Under way, by the keys of their errands."""

    def __bool__(self) -> bool:
        return bool(self.ready or self.out)

    def drop(self, spread: Spread) -> None:
        """Its stages are wanted no more."""
        keys = [key for key, job in self.out.items() if job.spread is spread]
        self._cluster.cancel(keys)
        for key in keys:
            del self.out[key]
        self.ready = deque(job for job in self.ready if job.spread is not spread)

    def cancel_all(self) -> None:
        self._cluster.cancel(list(self.out))
