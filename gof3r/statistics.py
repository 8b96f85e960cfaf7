"""``--stats``: what a transfer was, where its time went, and what binds it; as JSON for programs, as text for
people.

Sizes are bytes, times seconds, digests as md5sum and S3 write them. Stages are told in the order in which a
part meets them: what each means is ``engine.books.StageName``'s to say.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence

from gof3r.engine.books import PERCENTS, Books, percentiles
from gof3r.engine.flow.events import Receipt
from gof3r.engine.orders import Result

GiB = 2**30

FACTS = ("bytes", "seconds", "bytes_per_second", "etag", "version_id", "verified", "digests", "retries")
"""Of JSON's, what text tells by the same name."""


def digest_text(name: str, value: bytes) -> str:
    """A digest as people know it: hex of an md5, as md5sum prints it; base64 of the others, as S3 does."""
    return value.hex() if name == "md5" else b64encode(value).decode("ascii")


def values(receipt: Receipt, result: Result, seconds: float) -> dict[str, object]:
    """What ``--stats json`` prints. ``seconds``: from the program's start to its end."""
    books = result.books
    return {
        "bytes": receipt.size,
        "seconds": round(seconds, 6),
        "bytes_per_second": round(receipt.size / max(seconds, 1e-9)),
        **_resumed(receipt),
        "etag": receipt.etag,
        "version_id": receipt.version_id,
        "verified": list(receipt.proofs),
        "digests": {name: digest_text(name, value) for name, value in receipt.digests.items()},
        "retries": dict(result.retries),
        "binds": result.binds.stage,
        "advice": result.binds.text,
        "stages": {
            stage.name: {"seconds": round(stage.seconds, 6), "bytes": stage.bytes}
            for stage in books.stages
            if stage.seconds or stage.bytes
        },
        "concurrency_found": result.concurrency if result.found else None,
        "parts": books.parts,
        "parts_seconds": round(books.seconds, 6),
        "connections": round(books.connections, 2),
        "latency_seconds": _percentiles(books.latency),
        "first_byte_seconds": _percentiles(books.first_byte),
        "cpu_seconds": {name: round(used, 3) for name, used in result.cpu.items()},
        "peak_memory_bytes": result.memory,
    }


def _resumed(receipt: Receipt) -> dict[str, object]:
    """Of a transfer that went on with an earlier one: how much was there, and how much came to it."""
    if receipt.there is None:
        return {}
    return {"bytes_there_before": receipt.there, "bytes_moved": receipt.size - receipt.there}


def _percentiles(found: Sequence[float]) -> dict[str, float]:
    names = [f"p{percent}" if percent < 100 else "max" for percent in PERCENTS]
    return {name: round(value, 6) for name, value in zip(names, percentiles(found), strict=False)}


def text(receipt: Receipt, result: Result, seconds: float) -> Iterator[str]:
    """What ``--stats text`` prints, line by line."""
    told = values(receipt, result, seconds)
    for name in FACTS:
        yield f"{name}: {_plain(told[name])}"
    books = result.books
    if books.parts:
        yield from _stages(books)
        for name, found in ("part latency", books.latency), ("first byte", books.first_byte):
            each = ", ".join(f"{key} {value * 1e3:.1f} ms" for key, value in _percentiles(found).items())
            yield f"{name}: {each}"
        yield f"connections: {books.connections:.1f} at a time, {books.parts} parts"
    used = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.cpu.items())
    total = sum(result.cpu.values())
    each = f", {total * GiB / receipt.size:.2f} a GiB" if receipt.size >= GiB // 16 else ""
    yield f"CPU seconds: {used}; {total:.2f} in all{each}"
    yield f"peak memory: {result.memory / 1e6:.1f} MB"
    yield f"bottleneck: {result.binds.text}"


def _stages(books: Books) -> Iterator[str]:
    """Each stage's seconds, its share of the transfer's time, and how fast one lane of it was."""
    yield f"{'stage':14}{'seconds':>10}{'share':>8}{'MB/s':>10}"
    for stage in books.stages:
        if stage.seconds:
            rate = f"{stage.bytes / stage.seconds / 1e6:,.0f}" if stage.bytes else ""
            yield f"{stage.name:14}{stage.seconds:10.3f}{books.share(stage.name):8.0%}{rate:>10}".rstrip()


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "none"
    return str(value)
