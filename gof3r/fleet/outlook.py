"""The whole fleet in one line of progress: how much has moved, how fast, by how many machines."""

from __future__ import annotations

from collections import deque

from gof3r.engine.flow.events import Progress
from gof3r.migrate.tally import Tally

from .cluster import Cluster
from .jobs import Jobs

WINDOW = 6
"""Seconds over which a rate is told: what spans move comes in lumps."""

ALONE = 5.0
"""Seconds without any machine after which that is told."""


class Outlook:
    """Of one run that began at the monotonic second ``now``, of ``total`` bytes where that is known."""

    def __init__(self, cluster: Cluster, jobs: Jobs, tally: Tally, total: int | None, now: float) -> None:
        self._cluster = cluster
        self._jobs = jobs
        self._tally = tally
        self._total = total
        self._began = now
        self._told = 0.0
        self._moved: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._alone = 0.0

    def look(self, now: float, spread: int) -> None:
        """To be called often; tells about once a second. ``spread``: bytes of what is not a receipt's yet."""
        if now < self._told + 1.0:
            self._tally.tick()
            return
        self._told = now
        self._count(now)
        moved, in_flight = self._tally.bytes + spread, 0
        for key, job in self._jobs.out.items():
            news = self._cluster.news(key)
            moved += max(0, news.moved - job.counted)
            in_flight += news.in_flight
        then, before = self._moved[0] if self._moved else (self._began, 0)
        rate = max(0, moved - before) / max(now - then, 1e-9)
        self._moved.append((now, moved))
        progress = Progress(moved, self._total, in_flight, 0, rate=rate, seconds=now - self._began)
        self._tally.progress(progress)

    def _count(self, now: float) -> None:
        machines = self._cluster.machines
        self._tally.staffed(machines)
        if machines:
            self._alone = 0.0
        elif not self._alone:
            self._alone = now
        elif now > self._alone + ALONE:
            self._tally.warning(
                "the scheduler has no worker for this: start `dask worker ADDRESS --resources gof3r=1`"
            )
