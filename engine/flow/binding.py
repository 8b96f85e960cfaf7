"""Which stage binds a transfer, in words, and what to do about it.

Theory. In a pipeline one stage is always busy and the others wait for it. A stage of one lane (the source,
the stream's digest, the sink, the parent's reading) binds when it was busy nearly all the time; a process
that used its core up binds before the network does, since it looks like a slow network from outside; and when
nearly all connections carried a part all the time and nothing else was busy, they bind. Where nothing was,
the transfer was too short to have a bottleneck.

Pure: books in, words out.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..books import Binding, Books, Bottleneck

BUSY = 0.65
"""The share of a transfer's time from which a stage of one lane is what the others wait for."""

FULL = 0.85
"""The share of a core, or of all, from which there is no more of it."""

WIRED = 0.6
"""The share of the connections that carry a part when they bind: some are always between two parts."""

SHORT = 0.5
"""Seconds below which start and end are most of a transfer."""

THROTTLED = 0.8
"""Of the concurrency asked for, on average: less, and the server's refusals bind."""


def binding(books: Books, *, cpu: Mapping[str, float], cores: int, auto: bool = False) -> Binding:
    """What binds, by the ``books`` and by the CPU seconds of each process (``worker 1``, ``collector``).
    ``auto``: the concurrency is being looked for, so there is no larger one to be advised."""
    if books.seconds < SHORT or not books.parts:
        return Binding("", "too short to have a bottleneck: start and end are most of it")
    lanes: dict[Bottleneck, float] = {
        "source": books.share("source wait"),
        "sink": books.share("sink"),
        "hashing": books.share("stream digest"),
        "reading": books.share("read"),
    }
    busiest = max(lanes, key=lambda stage: lanes[stage])
    if lanes[busiest] >= BUSY:
        return Binding(busiest, _lane(busiest, lanes[busiest], books))
    parts = books.stage("part digests").seconds
    if parts > books.stage("transfer").seconds + books.stage("first byte").seconds:
        return Binding(
            "hashing",
            "hashing binds: parts wait longer for their md5 than on the wire; --checksum crc64nvme --no-md5 "
            "still proves every byte, more --workers hash on more cores",
        )
    if sum(cpu.values()) >= FULL * cores * books.seconds:
        return Binding(
            "cores", f"all {cores} cores are busy; fewer digests (--no-md5), http, or a larger machine"
        )
    workers = [seconds for name, seconds in cpu.items() if name.startswith("worker")]
    full = max(workers, default=0.0) / books.seconds
    if full >= FULL:
        return Binding("worker", f"a worker used {full:.0%} of its core; more --workers")
    if 0 < books.limit < THROTTLED * books.concurrency:
        return Binding(
            "throttling",
            f"the server asks to slow down: {books.limit:.1f} of {books.concurrency:.0f} connections were "
            "allowed; spread keys over more prefixes, or use a smaller -c",
        )
    if books.wire >= WIRED:
        return Binding("network", _network(books) + ("" if auto else "; try a larger -c"))
    return Binding("", "no stage was busy for most of the time")


def _lane(stage: Bottleneck, share: float, books: Books) -> str:
    seen = f"{share:.0%} of the time"
    match stage:
        case "source":
            return f"the source binds: it was waited for {seen}; a faster producer or disk"
        case "sink":
            return f"the sink binds: it was being written to {seen}; a faster reader or disk"
        case "hashing":
            hashed = books.stage("stream digest")
            rate = hashed.bytes / hashed.seconds / 2**30
            return (
                f"hashing binds: md5 of one stream runs at {rate:.2f} GiB/s; --no-md5 keeps CRC64NVME "
                "verification"
            )
        case _:
            read = books.stage("read")
            rate = read.bytes / read.seconds / 2**30
            return f"reading binds: one stream is read at {rate:.1f} GiB/s; several gof3r, an object each"


def _network(books: Books) -> str:
    if not books.stage("transfer").bytes:
        return f"the server binds: it copies {books.connections:.0f} parts at a time"
    moved = books.stage("transfer")
    seconds = moved.seconds + books.stage("first byte").seconds
    rate = moved.bytes / seconds / 1e6 if seconds else 0.0
    return f"the network or the server binds: {books.connections:.0f} connections of {rate:.0f} MB/s each"
