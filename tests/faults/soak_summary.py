"""What the soak has come to: counts, and whether memory and descriptors stayed as they were.

Theory: a leak is what grows with the number of transfers; what a single transfer takes goes up and down. So
the medians of the first and the last quarter are compared, of processes that live through all of it. A slab
that nobody frees must be held by one of them, or by a process that was left: the kernel has it back with the
last of its users. The machine's shared memory, which others use as well, is shown, and proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.faults.soak_judge import Seen, expected, met
from tests.faults.soak_plan import Plan

MIB = 1 << 20

MACHINE = "shared memory of the machine (MiB)"
GROWTH = {
    "open files": 2.0,  # a connection that is about to be closed, and another
    "threads": 2.0,
    "zombies": 0.0,
    "memory (MiB)": 8.0,  # an allocator's habit; a slab, or an object, is more
    "memory with the proxy (MiB)": 64.0,  # it holds whole bodies, in as many threads as there are connections
    "shared memory (MiB)": 0.0,  # no process that lives on has a slab
    MACHINE: float("inf"),
}
"""How much more the last quarter may have than the first."""
FEWEST = 40
"""Transfers by which growth can be told."""
WIDTH = 110

Sample = Mapping[str, float]
"""``who: what`` to its value; what is one of GROWTH."""


@dataclass
class Tally:
    """Everything that was seen."""

    ways: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    bytes: int = 0
    peak: int = 0
    """Bytes of the largest process."""
    uploads: int = 0
    """Left and told of, or left by a killed parent."""

    def add(self, plan: Plan, seen: Seen, broken: Sequence[str], sample: Sample) -> None:
        self.ways[plan.name] += 1
        self.samples.append(sample)
        if seen.ended.code == 0:
            self.bytes += len(seen.data)
        if plan.rain:
            self.faults.update({"rain": len(seen.struck)} if seen.struck else {})
        self.faults.update(case.kind.name for case in met(plan, seen))
        self.kills.update(f"{kill.victim} {kill.signal.name}" for kill in seen.killed)
        self.uploads += seen.uploads
        self.peak = max(self.peak, seen.ended.peak)
        self.ends[_end(plan, seen)] += 1
        self.broken.update(map(_promise, broken))

    @property
    def transfers(self) -> int:
        return self.ways.total()

    @property
    def line(self) -> str:
        """Where it stands."""
        met = f"{self.faults.total()} faults and {self.kills.total()} kills met"
        return f"{self.transfers} transfers, {self.bytes / 1e9:.2f} GB, {met}, {self._verdict()}"

    def _verdict(self) -> str:
        return f"{self.broken.total()} promises broken" if self.broken else "no promise broken"

    def growths(self) -> list[tuple[str, float, float, bool]]:
        """Of each thing that is watched: its first and its last quarter, and whether that is flat."""
        found = []
        quarter = len(self.samples) // 4
        for name in self.samples[0] if len(self.samples) >= FEWEST else ():
            values = [sample[name] for sample in self.samples if name in sample]
            first, last = median(values[:quarter]), median(values[-quarter:])
            found.append((name, first, last, last - first <= GROWTH[name.partition(": ")[2]]))
        return found

    @property
    def good(self) -> bool:
        return not self.broken and all(flat for *_, flat in self.growths())

    def text(self, seed: int, seconds: float) -> str:
        """The summary."""
        lines = [f"soak with SEED={seed}: {self.line}, in {seconds / 60:.1f} minutes"]
        for title, counts in (
            ("transfers", self.ways),
            ("faults that met a request", self.faults),
            ("signals that met a process", self.kills),
            ("ends", self.ends),
        ):
            lines += [f"{title}: {counts.total()}", *_columns(counts)]
        lines += ["promises:"]
        names = ("false successes", "hangs", "orphans", "not survived", "other")
        lines += [f"  {name}: {self.broken[name]}" for name in names]
        lines += [f"  uploads that were left and told of, or by SIGKILL of the program: {self.uploads}"]
        lines += [f"largest process, slots included: {self.peak / MIB:.0f} MiB"]
        lines += ["medians of the first and the last quarter:"]
        growths = self.growths()
        for name, first, last, flat in growths:
            verdict = "others' included" if MACHINE in name else "flat" if flat else "GROWS"
            lines.append(f"  {name}: {first:.1f}, {last:.1f}: {verdict}")
        if not growths:
            lines.append(f"  fewer than {FEWEST} transfers: nothing can be told")
        return "\n".join(lines)


def _end(plan: Plan, seen: Seen) -> str:
    trouble = "with trouble" if seen.struck or seen.killed else "without trouble"
    done = seen.ended.code == 0
    match expected(plan, seen):
        case "either":
            return f"{trouble}, either end right: {'success' if done else 'failure'}"
        case "survives":
            return f"{trouble}, to be survived: {'success' if done else 'FAILURE'}"
        case "fails":
            return f"{trouble}, to fail: {'SUCCESS' if done else 'failure'}"


def _promise(broken: str) -> str:
    names = {"false success": "false successes", "hung": "hangs", "did not survive": "not survived"}
    for beginning, name in names.items():
        if broken.startswith(beginning):
            return name
    return "orphans" if " left" in broken else "other"


def _columns(counts: Counter[str]) -> list[str]:
    lines, line = [], ""
    for name, count in sorted(counts.items()):
        piece = f"  {name}: {count}"
        if len(line) + len(piece) > WIDTH:
            lines.append(line)
            line = ""
        line += piece
    return [*lines, line] if line else lines
