"""A sweep measured: a ring for each setting, what is to be read made before, and everything removed after.

Whatever happens in between (an error, Ctrl-C), what was made is cleared in the end: nobody has a list of it,
but it is all below one key that nobody else has.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from gof3r import __version__
from gof3r.engine import orders
from gof3r.engine.books import percentiles
from gof3r.engine.errors import Gof3rError, Interrupted, UsageError
from gof3r.engine.flow import load
from gof3r.engine.flow.info import ObjectInfo
from gof3r.engine.proc.pieces import Ends
from gof3r.engine.proc.session import carry_out
from gof3r.engine.proc.slab import available
from gof3r.report import Quiet, Report

from .machine import machine
from .measured import GiB, Measured, Run, Setting
from .sweep import Sweep, fitted
from .table import setting_text, size_text

OBJECTS = 100
"""That are read at the most, of GiB bytes together unless one is larger: no request is for what another has
just asked for, as far as that can be had."""

FURNISHERS = 10
"""Parts at once while what is to be read is made."""


There = dict[int, tuple[orders.Made, ...]]
"""What is there to be read, by its size in bytes."""


def prepared(sweep: Sweep, report: Report, environ: Mapping[str, str]) -> tuple[Sweep, There]:
    """The sweep as it can be measured, and what is there for it: with --existing that object, whose size
    decides the settings. Raises Gof3rError where there is none, or not memory enough."""
    there: There = {}
    if sweep.existing:
        sweep, there = _found(sweep, report, environ)
    _check_memory(sweep)
    return sweep, there


def to_furnish(sweep: Sweep) -> int:
    """Bytes that ``sweep`` uploads to read them."""
    if sweep.existing or sweep.mode == "put":
        return 0
    return sum(_count(size) * size for size in {setting.object_size for setting in sweep.settings})


def measure(
    sweep: Sweep,
    there: There,
    report: Report,
    environ: Mapping[str, str],
    told: Callable[[Measured], None],
) -> Run:
    """Every setting of ``sweep``, as it was ``prepared``; each is ``told`` when it is measured. Raises
    Gof3rError."""
    began = time.time()
    results = []
    made = dict(there)
    for number, setting in enumerate(sweep.settings, 1):
        size = setting.object_size
        report.heading = f"{number} of {len(sweep.settings)}, {setting_text(setting)}: "
        if sweep.mode != "put" and size not in made:
            made[size] = _furnish(sweep, size, report, environ)
        results.append(_measured(sweep, setting, made.get(size, ()), report, environ))
        report.clear()
        told(results[-1])
    return Run(
        version=__version__,
        began=began,
        mode=sweep.mode,
        url=sweep.url,
        endpoint=str(sweep.target.endpoint),
        duration=sweep.duration,
        warmup=sweep.warmup,
        checksums=sweep.checksums,
        machine=machine(),
        results=tuple(results),
        given=sweep.given,
    )


def _found(sweep: Sweep, report: Report, environ: Mapping[str, str]) -> tuple[Sweep, There]:
    """The object that is there, and the settings for its size."""
    order = orders.Info(sweep.target, replace(sweep.terms, concurrency=1))
    head = cast(ObjectInfo, carry_out(order, report, environ, Ends()).value).head
    if not head.size:
        raise Gof3rError(f"bench {sweep.target}: there is nothing to read in an empty object")
    there = orders.Made(sweep.target.key, head.etag)
    return replace(sweep, settings=fitted(sweep.settings, head.size)), {head.size: (there,)}


def _check_memory(sweep: Sweep) -> None:
    """Raises UsageError where this machine cannot hold a setting's parts."""
    free = available()
    made = sweep.mode != "put" and not sweep.existing
    for setting in sweep.settings:
        furnishing = load.furnishing(setting.object_size) * FURNISHERS if made else 0
        needed = max(setting.part_size * (setting.concurrency or 0), furnishing)
        if needed > free:
            raise UsageError(
                f"{setting_text(setting)} needs {size_text(needed)} for parts, and {free >> 20} MiB are free"
            )


def _count(size: int) -> int:
    """Objects of ``size`` bytes to be made."""
    return min(OBJECTS, max(1, GiB // size))


def _furnish(sweep: Sweep, size: int, report: Report, environ: Mapping[str, str]) -> tuple[orders.Made, ...]:
    count = _count(size)
    report.debug(f"making {count} objects of {size} bytes below {sweep.target}")
    terms = replace(sweep.terms, part_size=load.furnishing(size), concurrency=FURNISHERS, memory=None)
    target = replace(sweep.target, key=f"{sweep.target.key}{size}-")
    order = orders.Furnish(target, size, count, sweep.checksums, terms)
    return cast(tuple[orders.Made, ...], carry_out(order, report, environ, Ends()).value)


def _measured(
    sweep: Sweep,
    setting: Setting,
    made: tuple[orders.Made, ...],
    report: Report,
    environ: Mapping[str, str],
) -> Measured:
    terms = replace(
        sweep.terms,
        part_size=setting.part_size,
        concurrency=setting.concurrency,
        workers=setting.workers,
        memory=sweep.terms.memory if setting.concurrency is None else None,
    )
    order = orders.Load(
        target=sweep.target,
        mode=sweep.mode,
        size=setting.object_size,
        objects=made,
        foreign=sweep.existing,
        seconds=sweep.duration,
        warmup=sweep.warmup,
        checksums=sweep.checksums,
        terms=terms,
    )
    result = carry_out(order, report, environ, Ends())
    seen = cast(load.Measured, result.value)
    between = slice(seen.first, seen.last)
    return Measured(
        setting=setting,
        concurrency=result.concurrency,
        workers=sum(name.startswith("worker") for name in seen.cpu),
        seconds=seen.seconds,
        sent=seen.sent,
        received=seen.received,
        requests=seen.last - seen.first,
        series=seen.series,
        first_byte=percentiles(result.books.first_byte[between]),
        latency=percentiles(result.books.latency[between]),
        retries=result.retries,
        cpu=seen.cpu,
        memory=result.memory,
        binds=result.binds.stage,
        advice=result.binds.text,
    )


@contextlib.contextmanager
def cleared(sweep: Sweep, report: Report, environ: Mapping[str, str]) -> Iterator[None]:
    """What is made within is removed in the end, however that comes. A first signal stops the measuring, not
    the clearing; a second one does. Raises Gof3rError when something is left."""
    ended: BaseException | None = None
    try:
        yield
    except (Exception, Interrupted) as error:
        ended = error
        _say_stopped(error, report)
    while not sweep.existing:
        terms = replace(sweep.terms, weighed=False, memory=None, concurrency=1)
        try:
            carry_out(
                orders.Clear(sweep.target, late=ended is not None, terms=terms),
                Quiet(report),
                environ,
                Ends(),
            )
            break
        except Interrupted as error:
            if isinstance(ended, Interrupted):
                report.warning(_hint(sweep))
                raise
            ended = error
            _say_stopped(error, report)
        except Gof3rError:
            if isinstance(ended, Gof3rError) and not isinstance(ended, Interrupted):
                report.warning(str(ended))  # else nobody would know why it ended
            report.warning(_hint(sweep))
            raise
    if ended is not None:
        raise ended


def _say_stopped(error: BaseException, report: Report) -> None:
    if isinstance(error, Interrupted):
        report.warning("stopped; what was made is being removed")


def _hint(sweep: Sweep) -> str:
    url = str(sweep.target)
    reach = [f"--endpoint={sweep.target.endpoint}", *sweep.given]
    remove = shlex.join(["gof3r", "ls", *reach, url])
    again = shlex.join(["xargs", "-rd", "\\n", "gof3r", "rm", *reach])
    abort = shlex.join(["gof3r", "uploads", "abort", *reach, "--older-than=0", url])
    return f"what was made is not all removed; do so by: {remove} | {again}; {abort}"
