"""What each command does: its order is made, carried out, and what comes of it is shown.

Standard output carries an object's bytes, or the answer to a question, and nothing else. A question's answer
is printed as it comes: a listing of millions needs no memory.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, cast

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, ReaderGone, UsageError, one_line
from gof3r.engine.proc.signals import held

from . import resolve
from .arguments import Command
from .ordering import Presign
from .report import Report


def run(command: Command, environ: Mapping[str, str]) -> None:
    """Do what ``command`` asks for. Raises Gof3rError unless it is done and verified."""
    report = _report(command)
    try:
        if command.name == "presign":
            _presign(resolve.presign(command, environ), environ)
            return
        if command.name == "bench":
            with held():
                from .bench.front import bench  # late, as transfers

            bench(command, report, environ)
            return
        if command.name == "migrate":
            with held():
                from .migrate.front import migrate  # late, as transfers

            migrate(command, report, environ)
            return
        resolved = resolve.order(command, environ)
        with held():
            from . import transfers  # late: usage errors and help need no curl

        order = resolved.order
        not_ours = (orders.Read, orders.Shared)  # no command makes such
        if command.options.get("stats") and not isinstance(order, not_ours):
            order = replace(order, terms=replace(order.terms, weighed=True))
        if path := command.options.get("trace", ""):
            from .trace import Trace  # late: hardly ever asked for

            _check_trace(path, resolved.path)
            report.trace = Trace(path)
        match order:
            case orders.Put():
                transfers.put(order, resolved.path, command.run, report)
            case orders.Get():
                transfers.get(order, resolved.path, report)
            case orders.Verify():
                transfers.verify(order, report)
            case orders.Copy():
                transfers.copy(order, report)
            case _:
                _ask(command, order, report, environ)
    finally:
        report.close()


def _check_trace(path: str, moved: str) -> None:
    """Raises UsageError where the trace would be written over what is moved."""
    for other in (moved or 0, 1):
        with contextlib.suppress(OSError):  # one of them is not there
            if os.path.samestat(os.stat(path), os.stat(other)) and os.path.isfile(path):
                raise UsageError(one_line(f"--trace: {path} is what is read or written"))


def _report(command: Command) -> Report:
    flags = command.flags
    stats = command.options.get("stats", "")
    if stats not in ("", "text", "json"):
        raise UsageError(f"--stats: {stats!r} is neither text nor json")
    progress = True if "progress" in flags else False if "no-progress" in flags else None
    return Report(
        time.monotonic(),
        debug="debug" in flags,
        progress=progress,
        stats=cast(Literal["", "text", "json"], stats),
    )


class _Answers:
    """A listener that prints what is shown; the rest is the report's."""

    def __init__(self, report: Report, lines: Callable[[object], list[str]]) -> None:
        self.warning = report.warning
        self.debug = report.debug
        self.progress = report.progress
        self.happened = report.happened
        self._lines = lines

    def show(self, value: object) -> None:
        write_lines(self._lines(value))


def _ask(command: Command, order: orders.Order, report: Report, environ: Mapping[str, str]) -> None:
    from gof3r.engine.flow.info import ObjectInfo
    from gof3r.engine.proc.pieces import Ends
    from gof3r.engine.proc.session import carry_out

    result = carry_out(order, _Answers(report, _lines_of(command, order)), environ, Ends())
    if isinstance(result.value, ObjectInfo):
        from . import answers

        write_lines([answers.info(result.value, "json" in command.flags)])


def _lines_of(command: Command, order: orders.Order) -> Callable[[object], list[str]]:
    """How what an order shows becomes lines."""
    from gof3r.engine.flow.remove import Removed
    from gof3r.engine.flow.uploads import Aborted
    from gof3r.engine.s3.listings import UploadListed

    from . import answers

    as_json, long = "json" in command.flags, "long" in command.flags
    bucket = "" if isinstance(order, (orders.Remove, orders.Copy)) else order.target.bucket

    def lines(value: object) -> list[str]:
        match value:
            case tuple():
                return [answers.listed(bucket, entry, long, as_json) for entry in value]
            case UploadListed():
                return [answers.upload(bucket, value, as_json)]
            case Aborted():
                return [answers.aborted(bucket, value)]
            case Removed():
                return []  # as rm(1): what was asked for needs no saying
            case _:
                raise AssertionError(f"nobody prints a {type(value).__name__}")

    return lines


def _presign(asked: Presign, environ: Mapping[str, str]) -> None:
    from gof3r.engine.proc import credentials
    from gof3r.engine.s3 import operations, sigv4

    keys = credentials.resolve(asked.signer, environ).credentials
    assert keys is not None  # ordering refuses to leave a URL unsigned
    make = operations.get_object if asked.method == "GET" else operations.put_object
    write_lines([sigv4.presign(make(asked.target), keys, time.time(), asked.seconds)])


def write_lines(lines: list[str]) -> None:
    """Print to standard output. Raises ReaderGone when nobody reads it any more, and Gof3rError."""
    if sys.stdout is None:
        raise Gof3rError("cannot write to standard output: it is closed")
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # or the interpreter fails on its buffer again at exit
        if isinstance(error, BrokenPipeError):
            raise ReaderGone("standard output's reader has gone") from None
        raise Gof3rError(f"cannot write to standard output: {error.strerror}") from None
