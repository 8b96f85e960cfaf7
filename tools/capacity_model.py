"""What a machine can reach: the ring as stages, each with what it costs, and the one that binds.

Theory: a transfer is a pipeline, so its rate is that of its slowest stage. A stage that one thread does (the
parent's reading, the collector's turns, its md5 of the stream) has one core at most; workers and their md5
threads have one each. Over all stands the sum: CPU seconds a GiB, the kernel's included, against the cores.
Costs are ``gib`` (grows with the bytes) and ``part`` (requests, messages, verdicts), so larger parts are
cheaper. A connection moves a part in its own time and is idle while the first byte is awaited and while the
worker digests the part, for which the part counts as being on the wire.

Costs are of one machine, against a server on the same machine: loopback charges the sender with the
receiver's TCP, and spares it the NIC's driver. Not modelled: memory bandwidth, NUMA, disks, the producer's
and the consumer's own CPU (but see ``beside``), S3's variance and throttling, and that two of a machine's
vCPUs may share a core (count them as one and a third). So it says what binds first and
about where; a run on the machine itself says the rest (``capacity.py --measure``, ``--validate``).

Pure: it knows no clock, no file, no process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import Literal

from gof3r.engine.flow.slots import stride
from gof3r.engine.orders import MAX_WORKERS

MiB, GiB = 2**20, 2**30

Direction = Literal["put", "get"]
End = Literal["pipe", "file", "null"]
"""What a put reads, or a get writes. As built, a file is read by the parent and written by the collector as a
pipe is, not by the workers; null (nothing to write to) is a get's only."""

PIPE = 3e9
"""Bytes a second through one pipe of 1 MiB, whatever its ends cost (measured with C at both ends)."""

PAYLOAD = 1448 / 1538
"""Of a line's bits, at an MTU of 1500: 1448 bytes of data in 1538 (Ethernet 38, IP 20, TCP 32)."""

SPARE_SLOTS = 3
"""Beyond one for each connection: a part being read, one ready to go, one being judged."""

HEADROOM = 1.25
"""Of the workers over what they are to move: a busy one lets its sockets wait."""

START = 0.25
"""Seconds from a program's start to its first part, and from its last word to its end (measured, 2 cores)."""

TOUCH = 1.0
"""CPU seconds a GiB for the first touch of a slot (measured: 0.9 to 1.1). A put reads its first parts one
after the other, so the last connection begins, and ends, so much later than the first."""

CONTROLS = {"put": 3, "get": 1}
"""Requests that parts wait for, or that wait for the parts: create, complete and HEAD; HEAD."""

PART_SIZES = tuple(size * MiB for size in (20, 32, 64, 128, 256))
"""To choose from. 20 MiB is the default."""

NEAR = 0.95
"""Of the best rate: what less memory must reach to be preferred."""

DIGEST_THREADS = 4
"""Of each worker, and no more than cores (``worker.THREADS``)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, user and system."""

    gib: float
    part: float = 0.0

    def of(self, part_size: int) -> float:
        """Seconds a byte, in parts of ``part_size`` bytes."""
        return self.gib / GiB + self.part / part_size


@dataclass(frozen=True, slots=True)
class Costs:
    """What each stage costs, with CRC64NVME where the ring computes it, without md5."""

    put_parent_pipe: Cost
    put_parent_file: Cost
    put_worker: Cost
    put_worker_tls: Cost
    put_collector: Cost
    get_parent: Cost
    get_worker: Cost
    get_worker_tls: Cost
    get_collector: Cost
    write_pipe: Cost
    write_file: Cost
    crc: Cost
    md5: Cost


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    nic: float
    """Bits a second; infinite for a server on the same machine."""
    beside: float = 0.0
    """CPU seconds a GiB of whatever else the transfer makes busy here: producer, consumer, a local server."""


@dataclass(frozen=True, slots=True)
class Link:
    """One connection to the store."""

    rate: float
    """Bytes a second."""
    latency: float
    """Seconds until the first byte of an answer, beyond the body's own time."""


@dataclass(frozen=True, slots=True)
class Work:
    direction: Direction
    end: End
    tls: bool = False
    md5: bool = False
    """The defaults; else --checksum crc64nvme --no-md5."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to give to gof3r."""

    concurrency: int
    part_size: int
    workers: int

    @property
    def memory(self) -> int:
        """Bytes for --memory."""
        return (self.concurrency + SPARE_SLOTS) * stride(self.part_size)


@dataclass(frozen=True, slots=True)
class Prediction:
    choice: Choice
    stages: tuple[tuple[str, float], ...]
    """Each stage and the bytes a second that it allows, the lowest first."""
    cores: float
    """In use at that rate, without what is beside."""

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.stages[0][1]

    @property
    def binds(self) -> str:
        return self.stages[0][0]


def connection_rate(link: Link, part_size: int, digest: float = 0.0) -> float:
    """Bytes a second of one connection; ``digest`` is seconds a byte in which its part is only digested."""
    return part_size / (part_size / link.rate + link.latency + digest * part_size)


def threads(work: Work, costs: Costs, machine: Machine, choice: Choice) -> Iterator[tuple[str, float, int]]:
    """Each stage that computes: its name, CPU seconds a byte, and how many threads share it."""
    size, workers = choice.part_size, choice.workers
    md5 = costs.md5.of(size)
    if work.direction == "put":
        read = costs.put_parent_pipe if work.end == "pipe" else costs.put_parent_file
        yield "parent: read", read.of(size), 1
        yield "workers", (costs.put_worker_tls if work.tls else costs.put_worker).of(size), workers
        if work.md5:
            yield "workers: md5", md5, workers * min(DIGEST_THREADS, machine.cores)
        yield "collector", costs.put_collector.of(size) + (md5 if work.md5 else 0), 1
        return
    yield "parent", costs.get_parent.of(size), 1
    yield "workers", (costs.get_worker_tls if work.tls else costs.get_worker).of(size), workers
    yield "collector", costs.get_collector.of(size) + (md5 if work.md5 else 0), 1
    if work.end != "null":
        write = costs.write_pipe if work.end == "pipe" else costs.write_file
        yield "collector: write", write.of(size), 1


def predict(machine: Machine, link: Link, work: Work, costs: Costs, choice: Choice) -> Prediction:
    """What ``choice`` reaches."""
    digest = costs.crc.of(choice.part_size)
    if work.md5 and work.direction == "put":
        digest += costs.md5.of(choice.part_size)  # in turn, in one thread
    stages = {
        "connections": choice.concurrency * connection_rate(link, choice.part_size, digest),
        "NIC": machine.nic / 8 * PAYLOAD,
    }
    if work.end == "pipe":
        stages["pipe"] = PIPE
    total = 0.0
    for name, seconds, lanes in threads(work, costs, machine, choice):
        stages[name] = lanes / seconds
        total += seconds
    stages["cores"] = machine.cores / (total + machine.beside / GiB)
    ranked = tuple(sorted(stages.items(), key=lambda stage: stage[1]))
    return Prediction(choice, ranked, ranked[0][1] * total)


def whole_rate(link: Link, work: Work, prediction: Prediction, size: int) -> float:
    """Bytes a second of ``size`` bytes from the program's start to its end."""
    choice = prediction.choice
    late = choice.concurrency * choice.part_size * TOUCH / GiB if work.direction == "put" else 0.0
    fixed = START + late + CONTROLS[work.direction] * link.latency
    return size / (fixed + size / prediction.rate)


def choose(
    machine: Machine, link: Link, work: Work, costs: Costs, part_sizes: Sequence[int] = PART_SIZES
) -> Prediction:
    """The least memory, then the fewest workers, that reach what the machine can."""
    found = [_chosen(machine, link, work, costs, size) for size in part_sizes]
    best = max(each.rate for each in found)
    return min((each for each in found if each.rate >= NEAR * best), key=lambda each: each.choice.memory)


def _chosen(machine: Machine, link: Link, work: Work, costs: Costs, size: int) -> Prediction:
    """For parts of ``size`` bytes: workers until something else binds, then connections until they do not."""
    most = min(machine.cores, MAX_WORKERS)

    def tried(workers: int, concurrency: int) -> Prediction:
        return predict(machine, link, work, costs, Choice(concurrency, size, workers))

    one = dict(tried(1, 1).stages)
    reach = min(rate for name, rate in tried(most, 1).stages if name != "connections")
    crowded = [name for name in one if name.startswith("workers")]
    workers = max(ceil(reach * HEADROOM / one[name] - 1e-9) for name in crowded)
    concurrency = ceil(reach / one["connections"] - 1e-9)
    return tried(max(1, min(workers, most)), max(1, concurrency))


def side_by_side(prediction: Prediction) -> int:
    """How many such transfers at once, each with its own object, fill the NIC or the cores."""
    stages = dict(prediction.stages)
    return max(1, ceil(min(stages["NIC"], stages["cores"]) / prediction.rate - 1e-9))


def lift(work: Work, binds: str) -> str:
    """In words: what goes beyond a transfer that the stage ``binds``."""
    several = "several gof3r at once, each with its own object"
    if binds == "NIC":
        return "nothing: the NIC is full"
    if binds == "connections":
        return "a larger -c"
    if binds == "cores":
        cheaper = ["--no-md5 --checksum crc64nvme"] * work.md5
        cheaper += ["http, where the network may be trusted"] * work.tls
        return ", or ".join(["more cores", *cheaper])
    if binds == "collector" and work.md5:
        return f"--no-md5: the stream's md5 is serial; or {several}"
    if binds.startswith("workers"):
        return f"more --workers ({MAX_WORKERS} at most), and a core for each"
    if binds in ("pipe", "parent: read", "collector: write"):
        return f"one stream has one reader and one writer: {several}"
    return f"larger parts (-s), or {several}"


def fields_of(costs: Costs) -> tuple[tuple[str, Cost], ...]:
    """The costs by name, to print."""
    return tuple((field.name, getattr(costs, field.name)) for field in fields(costs))


def fit(samples: Sequence[tuple[float, float, float]]) -> Cost:
    """``gib`` and ``part`` from two slopes: (GiB, parts, CPU seconds) of a short and a long run, each at two
    part sizes, in this order. What every run pays once (start, first touch of the slots) cancels."""
    (g0, n0, s0), (g1, n1, s1), (g2, n2, s2), (g3, n3, s3) = samples
    large, small = (s1 - s0) / (g1 - g0), (s3 - s2) / (g3 - g2)  # CPU seconds a GiB
    few, many = (n1 - n0) / (g1 - g0), (n3 - n2) / (g3 - g2)  # parts a GiB
    part = max(0.0, (small - large) / (many - few))
    return Cost(max(0.0, large - part * few), part)
