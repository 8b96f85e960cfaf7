"""What was measured, and what may be said of it: runs in, medians and ranges out.

Theory: the first round of all samples memory and fills caches; its times do not count. Of the others the
median counts, of those alone in which nobody else used the processor, as long as there is one. A run whose
bytes are not all accounted for has failed, whatever its exit code says, and a program that fails has no
figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gof3r.report import size_text

from .measure import Measured

GIB = 1 << 30
MEMORY_ROUND = 0

OTHER_SECONDS, OTHER_SHARE = 0.3, 0.08
"""CPU seconds of somebody else's, and their share of a run's time, that leave it undisturbed. Idle servers
and the kernel's own threads stay below; a build or a test beside the comparison does not."""


@dataclass(frozen=True)
class Row:
    """What is measured again and again. ``way`` is put, get-pipe or get-null, ``scheme`` plain or tls."""

    peer: str
    way: str
    scheme: str
    size: int

    def __str__(self) -> str:
        size = size_text(self.size, 2).replace(".00", "").replace(" ", "")
        return f"{self.peer} {self.way} {self.scheme} {size}"


@dataclass(frozen=True)
class Run:
    """``fault`` says what was wrong with it, and is empty when nothing was."""

    row: Row
    round: int
    measured: Measured
    fault: str

    @property
    def disturbed(self) -> bool:
        return self.measured.other > max(OTHER_SECONDS, OTHER_SHARE * self.measured.wall)


@dataclass(frozen=True)
class Spread:
    """Of some runs: the median, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))


@dataclass(frozen=True)
class Summary:
    """A row's figures: CPU seconds of the program and of the server per GiB, 10^6 bytes a second, and bytes.

    ``peak`` is 0 and ``server`` None where nobody looked. ``runs`` count, of which ``disturbed`` were.
    """

    row: Row
    cpu: Spread
    rate: Spread
    server: float
    peak: int
    runs: int
    disturbed: int


def fault(measured: Measured, size: int, stored: int | None) -> str:
    """What is wrong with a run for ``size`` bytes after which ``stored`` were there; empty: nothing."""
    if measured.code:
        ended = f"exit {measured.code}" if measured.code > 0 else f"killed by signal {-measured.code}"
        return f"{ended}: {measured.said}" if measured.said else ended
    if measured.piped not in (None, size):
        return f"exit 0, but {measured.piped} of {size} bytes came out"
    if stored is None:
        return "exit 0, but there is no object"
    if stored != size:
        return f"exit 0, but the object has {stored} of {size} bytes"
    if measured.moved < size:
        return f"exit 0, but {measured.moved} of {size} bytes crossed the network"
    return ""


def summaries(runs: Sequence[Run]) -> list[Summary]:
    """One for each row without a failure, the cheapest in CPU time first within each kind of row."""
    found = []
    for row in dict.fromkeys(run.row for run in runs):
        of_row = [run for run in runs if run.row == row]
        timed = [run for run in of_row if run.round != MEMORY_ROUND]
        if any(run.fault for run in of_row) or not timed:
            continue
        clean = [run for run in timed if not run.disturbed]
        counted = [run.measured for run in clean or timed]
        found.append(
            Summary(
                row,
                cpu=Spread.of(one.cpu * GIB / row.size for one in counted),
                rate=Spread.of(row.size / one.wall / 1e6 for one in counted),
                server=statistics.median(one.server * GIB / row.size for one in counted),
                peak=max(run.measured.peak for run in of_row),
                runs=len(counted),
                disturbed=0 if clean else len(timed),
            )
        )
    return sorted(found, key=lambda summary: summary.cpu.median)


def failures(runs: Sequence[Run]) -> dict[Row, str]:
    """The first fault of each row that has one."""
    return {run.row: run.fault for run in reversed(runs) if run.fault}
