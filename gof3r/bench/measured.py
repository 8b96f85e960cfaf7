"""What was measured: the values, which of them is the best, and the file that keeps them.

Theory: a run is a value, and its file holds all of it: what is printed, drawn or compared can be so again
from the file alone. A file may come from anybody: what is read is checked field by field, so whoever works
with a ``Run`` need not think of where it came from, but for the characters in its texts.

Sizes are bytes, times seconds, rates bytes a second.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gof3r import fields
from gof3r.config import CHECKSUMS, CONCURRENCY, PART_SIZE
from gof3r.engine.books import PERCENTS, Bottleneck
from gof3r.fields import field

Mode = Literal["put", "get", "mixed"]

GiB = 2**30
MiB = 2**20
KiB = 2**10

NEAR = 0.97
"""Of the best rate: what needs less of this machine must reach to be preferred. What two seconds of one
setting differ by is more."""

PERCENT_NAMES = tuple(f"p{percent}" if percent < 100 else "max" for percent in PERCENTS)

FORMAT = 1
"""Of the file: another number for another meaning of a field."""

_AWS = re.compile(r"(?:.*\.)?amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the sweep."""

    mode: Mode
    object_size: int
    part_size: int
    concurrency: int | None
    """Parts in flight; None where gof3r chose."""
    workers: int | None
    """None where the machine decided."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one setting gave."""

    setting: Setting
    concurrency: int
    """In the end: what was chosen, where gof3r chose."""
    workers: int
    """That were used."""
    seconds: float
    """That were measured, without the warm-up."""
    sent: int
    """Bytes of bodies in those seconds; ``received`` likewise."""
    received: int
    requests: int
    """That succeeded in them."""
    series: tuple[float, ...]
    """Bytes a second, of each second."""
    first_byte: tuple[float, ...]
    """At PERCENTS; empty of none. ``latency`` likewise: of requests, from start to end."""
    latency: tuple[float, ...]
    retries: Mapping[str, int]
    """By the error's code."""
    cpu: Mapping[str, float]
    """Seconds of each process: ``parent``, ``collector``, ``worker 1``."""
    memory: int
    """The peak of all processes."""
    binds: Bottleneck
    advice: str
    """One line."""

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.sent + self.received

    @property
    def rate(self) -> float:
        """Bytes a second, both ways."""
        return self.bytes / max(self.seconds, 1e-9)

    @property
    def cpu_per_gib(self) -> float | None:
        """CPU seconds of all processes for each GiB; None where no byte was moved."""
        return sum(self.cpu.values()) * GiB / self.bytes if self.bytes else None


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep."""

    version: str
    """gof3r's."""
    began: float
    """Seconds since the epoch."""
    mode: Mode
    url: str
    """``s3://BUCKET/PREFIX``."""
    endpoint: str
    duration: float
    """Seconds of each setting that were to be measured, after ``warmup`` seconds that were not."""
    warmup: float
    checksums: tuple[str, ...]
    machine: Mapping[str, object]
    """What ``machine.machine`` says of it."""
    results: tuple[Measured, ...]
    given: tuple[str, ...] = ()
    """Options without which the endpoint is not reached as it was."""


def best(results: Sequence[Measured]) -> Measured | None:
    """The highest rate; of those NEAR to it the one with the least memory for parts, then the fewest workers.
    None where nothing was moved."""
    highest = max((one.rate for one in results), default=0.0)
    near = [one for one in results if one.rate > 0 and one.rate >= NEAR * highest]
    return min(
        near,
        key=lambda one: (one.setting.part_size * one.concurrency, one.workers, -one.rate),
        default=None,
    )


def command(run: Run, best: Measured) -> str:
    """The command line that moves bytes as ``best`` did, for a shell; of a mixed run two. Defaults are left
    out, but for the stream's md5: none was computed, and it would bind (ARCHITECTURE, "Speed")."""
    bucket = run.url.removeprefix("s3://").partition("/")[0]
    options = []
    if best.concurrency != CONCURRENCY:
        options += ["-c", str(best.concurrency)]
    whole = best.setting.part_size == best.setting.object_size  # in one piece, whatever the part size
    if best.setting.part_size != PART_SIZE and not whole:
        options += ["-s", _size(best.setting.part_size)]
    if best.setting.workers is not None:
        options += ["--workers", str(best.setting.workers)]
    if run.checksums != CHECKSUMS:
        options += ["--checksum", ",".join(run.checksums)]
    if not _AWS.fullmatch(_host(run.endpoint)):
        options += [f"--endpoint={run.endpoint}"]
    options += run.given
    verbs = ("put", "get") if run.mode == "mixed" else (run.mode,)
    lines = [shlex.join(["gof3r", verb, f"s3://{bucket}/KEY", *options, "--no-md5"]) for verb in verbs]
    return "; ".join(lines)


def _size(size: int) -> str:
    return str(size) if size % MiB else f"{size // MiB}MiB"


def _host(endpoint: str) -> str:
    """Of a host or a URL; enough of one to know AWS's."""
    return endpoint.rpartition("://")[2].partition("/")[0].partition(":")[0].lower()


# --- to the file --------------------------------------------------------------------


def as_json(run: Run) -> str:
    """The file: one JSON document. What can be worked out of the rest (``best``, ``command``,
    ``bytes_per_second``) is in it for other programs, and is not read again."""
    found = best(run.results)
    document = {
        "gof3r_bench": FORMAT,
        "version": run.version,
        "began_epoch_seconds": run.began,
        "mode": run.mode,
        "url": run.url,
        "endpoint": run.endpoint,
        "duration_seconds": run.duration,
        "warmup_seconds": run.warmup,
        "checksums": run.checksums,
        "given": run.given,
        "machine": dict(run.machine),
        "best": found and {"bytes_per_second": round(found.rate), **_told(found.setting)},
        "command": found and command(run, found),
        "results": [_result(one) for one in run.results],
    }
    return json.dumps(document, indent=1) + "\n"


def _told(setting: Setting) -> dict[str, object]:
    return {
        "mode": setting.mode,
        "object_size_bytes": setting.object_size,
        "part_size_bytes": setting.part_size,
        "concurrency": setting.concurrency,
        "workers": setting.workers,
    }


def _result(one: Measured) -> dict[str, object]:
    return {
        "setting": _told(one.setting),
        "concurrency": one.concurrency,
        "workers": one.workers,
        "seconds": one.seconds,
        "sent_bytes": one.sent,
        "received_bytes": one.received,
        "bytes_per_second": round(one.rate),
        "requests": one.requests,
        "each_second_bytes": one.series,
        "first_byte_seconds": dict(zip(PERCENT_NAMES, one.first_byte, strict=False)),
        "latency_seconds": dict(zip(PERCENT_NAMES, one.latency, strict=False)),
        "retries": dict(one.retries),
        "cpu_seconds": dict(one.cpu),
        "peak_memory_bytes": one.memory,
        "binds": one.binds,
        "advice": one.advice,
    }


# --- from the file ------------------------------------------------------------------


def from_json(text: str, name: str) -> Run:
    """The run that ``as_json`` made ``text`` of. Raises UsageError, one line that begins with the file's
    ``name``, for any other text."""
    return fields.document(text, _run, f"{name} is no result of gof3r bench")


def _run(found: object) -> Run:
    if not isinstance(found, dict) or "gof3r_bench" not in found:
        raise ValueError("it does not say gof3r_bench")
    if found["gof3r_bench"] != FORMAT:
        raise ValueError(f"its format is {found['gof3r_bench']!r}, and this version reads {FORMAT}")
    return Run(
        version=field(found, "version", fields.text),
        began=field(found, "began_epoch_seconds", fields.time),
        mode=field(found, "mode", _mode),
        url=field(found, "url", fields.text),
        endpoint=field(found, "endpoint", fields.text),
        duration=field(found, "duration_seconds", fields.number),
        warmup=field(found, "warmup_seconds", fields.number),
        checksums=field(found, "checksums", fields.list_of(fields.text)),
        machine=field(found, "machine", fields.table_of(fields.fact)),
        results=field(found, "results", fields.list_of(_measured)),
        given=field(found, "given", fields.list_of(fields.text)),
    )


def _measured(found: object) -> Measured:
    return Measured(
        setting=field(found, "setting", _setting),
        concurrency=field(found, "concurrency", fields.whole),
        workers=field(found, "workers", fields.whole),
        seconds=field(found, "seconds", fields.number),
        sent=field(found, "sent_bytes", fields.whole),
        received=field(found, "received_bytes", fields.whole),
        requests=field(found, "requests", fields.whole),
        series=field(found, "each_second_bytes", fields.list_of(fields.number)),
        first_byte=field(found, "first_byte_seconds", _percentiles),
        latency=field(found, "latency_seconds", _percentiles),
        retries=field(found, "retries", fields.table_of(fields.whole)),
        cpu=field(found, "cpu_seconds", fields.table_of(fields.number)),
        memory=field(found, "peak_memory_bytes", fields.whole),
        binds=field(found, "binds", _bottleneck),
        advice=field(found, "advice", fields.text),
    )


def _setting(found: object) -> Setting:
    return Setting(
        mode=field(found, "mode", _mode),
        object_size=field(found, "object_size_bytes", fields.whole),
        part_size=field(found, "part_size_bytes", fields.whole),
        concurrency=field(found, "concurrency", fields.whole_or_none),
        workers=field(found, "workers", fields.whole_or_none),
    )


def _mode(value: object) -> Mode:
    return fields.one_of(get_args(Mode), value)


def _bottleneck(value: object) -> Bottleneck:
    return fields.one_of(get_args(Bottleneck), value)


def _percentiles(value: object) -> tuple[float, ...]:
    if value == {}:
        return ()
    return tuple(field(value, name, fields.number) for name in PERCENT_NAMES)
