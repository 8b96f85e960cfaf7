"""Where a transfer's time went: values for those who keep the books and those who read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

StageName = Literal[
    "source wait",
    "read",
    "slot wait",
    "part digests",
    "connect",
    "transfer",
    "first byte",
    "reorder wait",
    "stream digest",
    "sink",
]
"""In the order in which a part meets them. ``source wait``: a slot was open for the source, which had
nothing. ``slot wait``: there was more to do, and no slot. ``first byte``: from the request's last byte, which
a socket has taken, to the answer's first. ``sink``: writing, with the reader's time."""

STAGES: tuple[StageName, ...] = get_args(StageName)

PERCENTS = (50, 90, 99, 100)
"""Of latencies; the last is the longest."""


def percentiles(values: Sequence[float]) -> tuple[float, ...]:
    """At PERCENTS, by nearest rank; empty of none."""
    ranked = sorted(values)
    return tuple(ranked[max(0, -(-len(ranked) * percent // 100) - 1)] for percent in PERCENTS if ranked)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage did in all."""

    name: StageName
    seconds: float
    """Summed over all parts, so that a stage of many lanes may have more than the transfer took."""
    bytes: int
    """That went through it; 0 for a stage that only waits."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of a transfer when somebody asks."""

    seconds: float = 0.0
    """From the first part's beginning to the last one's end."""
    stages: tuple[Stage, ...] = ()
    connections: float = 0.0
    """Parts on the wire, on average."""
    limit: float = 0.0
    """Parts that might have been, on average: the concurrency, less what throttling took."""
    concurrency: float = 0.0
    """Asked for, on average."""
    parts: int = 0
    """Attempts that succeeded."""
    latency: Sequence[float] = ()
    """Of each attempt that succeeded: seconds from a worker's taking the part to its outcome."""
    first_byte: Sequence[float] = ()
    """Of each: seconds of that stage."""

    def stage(self, name: StageName) -> Stage:
        """That stage; one of nothing where it has not been met."""
        return next((stage for stage in self.stages if stage.name == name), Stage(name, 0.0, 0))

    def share(self, name: StageName) -> float:
        """The stage's seconds for each second of the transfer: up to 1 for a stage of one lane."""
        return self.stage(name).seconds / self.seconds if self.seconds > 0 else 0.0

    @property
    def wire(self) -> float:
        """The share of the connections that carried a part, on average."""
        return self.connections / self.limit if self.limit > 0 else 0.0


Bottleneck = Literal["source", "sink", "hashing", "reading", "worker", "cores", "throttling", "network", ""]


@dataclass(frozen=True, slots=True)
class Binding:
    stage: Bottleneck
    """In a word; empty where none can be named."""
    text: str
    """What was seen, and what helps: one line."""
