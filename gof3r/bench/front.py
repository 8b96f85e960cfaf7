"""``gof3r bench``: what is asked is measured, and told as a table, JSON or CSV; drawn, and compared.

Standard output has the result and nothing else. What cannot work in the end (a picture without matplotlib, a
file to compare with that is none) is said before anything is measured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from gof3r.arguments import Command
from gof3r.commands import write_lines
from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.flow.plan import human
from gof3r.report import Report, duration, say

from . import plot, table
from .measured import Measured, Run, as_json, from_json
from .measuring import cleared, measure, prepared, to_furnish
from .sweep import Sweep, asked


def bench(command: Command, report: Report, environ: Mapping[str, str]) -> None:
    """Do what ``command`` asks for. Raises Gof3rError."""
    options, flags = command.options, command.flags
    if {"json", "csv"} <= flags:
        raise UsageError("--json and --csv: standard output has one of them")
    sweep = asked(command, environ, os.urandom(4).hex())
    old = _read(options["compare"]) if "compare" in options else None
    if "plot" in options:
        plot.check(options["plot"])
    for text in sweep.warnings:
        report.warning(text)
    sweep, there = prepared(sweep, report, environ)
    say(f"gof3r: {_planned(sweep)}")
    whole = "json" in flags or "csv" in flags
    told = [] if whole else [table.heading()]

    def tell(one: Measured) -> None:
        if not whole:
            write_lines([*told, table.row(one)])
            told.clear()

    with cleared(sweep, report, environ):
        run = measure(sweep, there, report, environ, tell)
        report.clear()
        _tell(run, old, flags)  # before anything is removed: that may fail, and the result is worth as much
        if "plot" in options:
            plot.plot(run, options["plot"])


def _planned(sweep: Sweep) -> str:
    seconds = len(sweep.settings) * (sweep.duration + sweep.warmup)
    many = f"{len(sweep.settings)} setting{'' if len(sweep.settings) == 1 else 's'}"
    made = to_furnish(sweep)
    first = f", after {human(made)} is uploaded to be read" if made else ""
    return f"{many}, about {duration(seconds)}{first}, {'of' if sweep.existing else 'below'} {sweep.target}"


def _tell(run: Run, old: Run | None, flags: frozenset[str]) -> None:
    if "json" in flags:
        write_lines([as_json(run).rstrip("\n")])
    elif "csv" in flags:
        write_lines([table.csv_text(run).rstrip("\n")])
    else:
        write_lines(list(table.footing(run)))
    if old is None:
        return
    lines = ["", *table.compare(old, run)]
    if not flags.isdisjoint(("json", "csv")):
        for line in lines:
            say(line)
    else:
        write_lines(lines)


def _read(path: str) -> Run:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return from_json(file.read(), path)
    except OSError as error:
        raise UsageError(one_line(f"--compare: cannot read {path}: {error.strerror}")) from None
