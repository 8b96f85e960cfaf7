"""A run for people and for spreadsheets: values in, lines out.

A table's lines fit WIDTH columns, as far as the numbers are those of today's machines. A run may come from a
file, so what is text in it reaches the terminal only with its control characters escaped.
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp, log

from gof3r.answers import shown, time_text
from gof3r.engine.books import percentiles

from . import machine
from .measured import PERCENT_NAMES, Measured, Run, Setting, best, command

WIDTH = 118

SIZE_UNITS = {
    **{"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10},
    **{"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1},
}


def size_text(size: int) -> str:
    """``size`` bytes, exactly, in the unit that makes it shortest: ``16 MiB``, ``20 MB``, ``20971521 B``."""
    exact = [f"{size // unit} {name}" for name, unit in SIZE_UNITS.items() if size % unit == 0]
    return min(exact, key=len) if size else "0 B"


def figure(value: float | None) -> str:
    """Three digits, and all of those before the point: ``0.52``, ``12.3``, ``4521``; ``-`` of none."""
    if value is None:
        return "-"
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}"


def setting_text(setting: Setting) -> str:
    """``put 1 GiB in parts of 16 MiB, -c auto, 2 workers``."""
    workers = "workers auto" if setting.workers is None else _count(setting.workers, "worker")
    parts = f"{setting.mode} {size_text(setting.object_size)} in parts of {size_text(setting.part_size)}"
    return f"{parts}, -c {_or_auto(setting.concurrency)}, {workers}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _or_auto(number: int | None) -> str:
    return "auto" if number is None else str(number)


# --- tables -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    group: str
    """What stands above it, and above its neighbours that have the same."""
    name: str
    width: int


def _headed(columns: Sequence[Column]) -> str:
    above = []
    for group, members in groupby(columns, lambda column: column.group):
        widths = [column.width for column in members]
        if group and len(widths) > 1:
            above.append(f" {group} ".center(sum(widths) + len(widths) - 1, "-"))
        else:
            above += [group.rjust(width) for width in widths]
    return f"{' '.join(above).rstrip()}\n{_aligned(columns, [column.name for column in columns])}"


def _aligned(columns: Sequence[Column], cells: Sequence[str]) -> str:
    """Each to the right, so that points stand below each other."""
    return " ".join(cell.rjust(column.width) for column, cell in zip(columns, cells, strict=True)).rstrip()


COLUMNS = (
    *(Column("", "size", 9), Column("", "part", 8), Column("", "-c", 5), Column("work-", "ers", 5)),
    *(Column("MB/s", "all", 5), Column("MB/s", "p50", 5), Column("MB/s", "lowest", 6)),
    *(Column("", "req/s", 6), Column("first byte ms", "p50", 6), Column("first byte ms", "p99", 6)),
    *(Column("latency ms", "p50", 5), Column("latency ms", "p99", 5), Column("latency ms", "max", 6)),
    *(Column("CPU", "s/GiB", 5), Column("peak", "MB", 5), Column("re-", "tries", 5), Column("", "binds", 10)),
)
"""p50 and lowest of MB/s: of seconds. A * behind a number: it was chosen, not set."""


def heading() -> str:
    """Two lines, to stand above rows."""
    return _headed(COLUMNS)


def row(one: Measured) -> str:
    """One line."""
    chosen = {True: "*", False: ""}
    return _aligned(
        COLUMNS,
        [
            size_text(one.setting.object_size),
            size_text(one.setting.part_size),
            f"{one.concurrency}{chosen[one.setting.concurrency is None]}",
            f"{one.workers}{chosen[one.setting.workers is None]}",
            figure(one.rate / 1e6),
            figure(percentiles(one.series)[0] / 1e6 if one.series else None),
            figure(min(one.series) / 1e6 if one.series else None),
            figure(one.requests / max(one.seconds, 1e-9)),
            *(_ms(one.first_byte, name) for name in ("p50", "p99")),
            *(_ms(one.latency, name) for name in ("p50", "p99", "max")),
            figure(one.cpu_per_gib),
            f"{one.memory / 1e6:.0f}",
            str(sum(one.retries.values())),
            one.binds or "-",
        ],
    )


def _ms(found: Sequence[float], name: str) -> str:
    return figure(_percentile(found, name, 1e3))


def _percentile(found: Sequence[float], name: str, scale: float = 1.0) -> float | None:
    return found[PERCENT_NAMES.index(name)] * scale if found else None


def lines(run: Run) -> Iterator[str]:
    """Everything for a terminal: the table, and what stands below it."""
    yield from heading().splitlines()
    yield from map(row, run.results)
    yield from footing(run)


def footing(run: Run) -> Iterator[str]:
    """On what it was measured, the best, what to type."""
    yield ""
    if any(None in (one.setting.concurrency, one.setting.workers) for one in run.results):
        yield "*: chosen by gof3r"
    yield from _wrapped(f"machine: {machine.text(run.machine)}")
    seconds = f"{run.duration:g} s each after {run.warmup:g} s"
    yield from _wrapped(f"measured: {_about(run)}, {seconds}, checksums {','.join(run.checksums)}")
    found = best(run.results)
    if found is None:
        yield "best: none, no byte was moved"
        return
    yield from _wrapped(f"best: {setting_text(found.setting)}: {figure(found.rate / 1e6)} MB/s")
    if found.advice:
        yield from _wrapped(f"there: {found.advice}")
    yield f"use: {shown(command(run, found))}"  # in one piece, to be copied


def _about(run: Run) -> str:
    return f"{run.mode} {run.url} at {run.endpoint}, {time_text(run.began)}, gof3r {run.version}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(shown(text), WIDTH, subsequent_indent="  ")


# --- for spreadsheets ---------------------------------------------------------------


def csv_text(run: Run) -> str:
    """A row for each setting, below their names. A number that gof3r chose is empty in the column
    ``set_...``; tables are JSON; a series is whole bytes a second, with spaces between them."""
    file = io.StringIO()
    rows = [_fields(one) for one in run.results]
    writer = csv.DictWriter(file, list(_fields(_NOTHING)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _fields(one: Measured) -> dict[str, object]:
    cost = one.cpu_per_gib
    return {
        "mode": one.setting.mode,
        "object_size_bytes": one.setting.object_size,
        "part_size_bytes": one.setting.part_size,
        "set_concurrency": one.setting.concurrency,
        "set_workers": one.setting.workers,
        "concurrency": one.concurrency,
        "workers": one.workers,
        "seconds": one.seconds,
        "sent_bytes": one.sent,
        "received_bytes": one.received,
        "bytes_per_second": round(one.rate),
        "requests": one.requests,
        **{f"first_byte_{name}_seconds": _percentile(one.first_byte, name) for name in PERCENT_NAMES},
        **{f"latency_{name}_seconds": _percentile(one.latency, name) for name in PERCENT_NAMES},
        "retries": json.dumps(dict(one.retries)),
        "cpu_seconds": json.dumps(dict(one.cpu)),
        "cpu_seconds_per_gib": None if cost is None else round(cost, 6),
        "peak_memory_bytes": one.memory,
        "binds": one.binds,
        "advice": shown(one.advice),
        "each_second_bytes": " ".join(str(round(each)) for each in one.series),
    }


_NOTHING = Measured(Setting("put", 0, 0, None, None), 0, 0, 0.0, 0, 0, 0, (), (), (), {}, {}, 0, "", "")
"""For the names of a file without rows."""


# --- two runs -----------------------------------------------------------------------

FIGURES: Mapping[str, Callable[[Measured], float | None]] = {
    "MB/s": lambda one: one.rate / 1e6,
    "first byte p50 ms": lambda one: _percentile(one.first_byte, "p50", 1e3),
    "latency p99 ms": lambda one: _percentile(one.latency, "p99", 1e3),
    "CPU s/GiB": lambda one: one.cpu_per_gib,
}
"""What is compared."""

BESIDE = (
    *(Column("", "mode", 5), Column("", "size", 9), Column("", "part", 8)),
    *(Column("", "-c", 5), Column("work-", "ers", 5)),
    *(
        Column(group, name, width)
        for group in FIGURES
        for name, width in (("old", 5), ("new", 5), ("change", 7))
    ),
)


def compare(old: Run, new: Run) -> Iterator[str]:
    """``new`` beside ``old``, setting by setting; of a setting that was measured twice, the last."""
    yield from _wrapped(f"old: {_about(old)}")
    yield from _wrapped(f"new: {_about(new)}")
    if differing := list(_differing(old, new)):
        yield from _wrapped(f"not the same: {', '.join(differing)}")
    before = {one.setting: one for one in old.results}
    after = {one.setting: one for one in new.results}
    both = [(before[setting], one) for setting, one in after.items() if setting in before]
    if both:
        yield ""
        yield from _headed(BESIDE).splitlines()
    for was, one in both:
        yield _beside(was, one)
    yield ""
    for name, these, those in (("old", before, after), ("new", after, before)):
        for setting in these:
            if setting not in those:
                yield f"only in {name}: {setting_text(setting)}"
    ratios = [one.rate / was.rate for was, one in both if one.rate > 0 and was.rate > 0]
    if ratios:
        mean = exp(sum(map(log, ratios)) / len(ratios))
        yield f"rate: {_change(1.0, mean)} over {_count(len(ratios), 'setting')} (geometric mean)"
    else:
        yield "rate: no setting was measured in both"


def _differing(old: Run, new: Run) -> Iterator[str]:
    """What else may explain a change. gof3r's version is no such thing: it is what one compares."""
    if old.endpoint != new.endpoint:
        yield f"endpoint {old.endpoint} (now {new.endpoint})"
    if old.checksums != new.checksums:
        yield f"checksums {','.join(old.checksums)} (now {','.join(new.checksums)})"
    for name in dict.fromkeys([*old.machine, *new.machine]):
        was, now = old.machine.get(name), new.machine.get(name)
        if was != now and name != "gof3r":
            before = machine.told(name, was) or f"{name} unknown"
            yield f"{before} (now {machine.told(name, now) or 'unknown'})"


def _beside(was: Measured, now: Measured) -> str:
    setting = now.setting
    cells = [setting.mode, size_text(setting.object_size), size_text(setting.part_size)]
    cells += [_or_auto(setting.concurrency), _or_auto(setting.workers)]
    for value in FIGURES.values():
        cells += [figure(value(was)), figure(value(now)), _change(value(was), value(now))]
    return _aligned(BESIDE, cells)


def _change(was: float | None, now: float | None) -> str:
    """In percent of what it was."""
    if not was or now is None:
        return "-"
    change = now / was - 1
    return f"{change:+.{1 if abs(change) < 10 else 0}%}"
