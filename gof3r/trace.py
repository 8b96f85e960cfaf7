"""A transfer as a timeline: one JSON line for each thing that happened to a part, in Chrome's trace format.

Load the file at https://ui.perfetto.dev or chrome://tracing. Each slot of memory is a row: read, digested,
sent, answered; or received. What the collector does with the slots' bytes has rows of its own, since a put's
stream is hashed while its parts are sent. An attempt that failed is one span with its error. The file is an
array that is closed at the end; what a killed transfer leaves can be viewed as well.

Format: "Trace Event Format" (Google), complete events (``X``), microseconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.events import Event, Filled, Hashed, Written
from gof3r.engine.values import Verdict

SLOTS, COLLECTOR = 1, 2
"""The two groups of rows, which the format calls processes."""

Span = tuple[int, int, str, float, float, Mapping[str, object]]
"""Group, row, name, first and last monotonic second, and what else is to be said."""


def spans(event: Event, now: float) -> Iterator[Span]:
    """What ``event``, heard at ``now``, says of a part."""
    match event:
        case Filled(slot, length) if event.began:
            yield SLOTS, slot.index, "read", event.began, now, {"bytes": length, "waited": event.waited}
        case Verdict() if event.job.part and event.timing.taken:
            yield from _part(event)
        case Hashed(slot, length, seconds):
            yield COLLECTOR, slot.index, "stream digest", now - seconds, now, {"bytes": length}
        case Written(part, slot):
            began, row, about = now - event.writing, slot.index, {"part": part.number, "bytes": part.length}
            if event.turn:
                ready = began - event.hashing
                yield COLLECTOR, row, "reorder wait", ready - event.turn, ready, {"part": part.number}
            if event.hashing:
                yield COLLECTOR, row, "stream digest", began - event.hashing, began, about
            yield COLLECTOR, row, "sink", began, now, about


def _part(verdict: Verdict) -> Iterator[Span]:
    job, times = verdict.job, verdict.timing
    assert job.part is not None
    row = job.slot.index if job.slot else job.part.number
    about = {"part": job.part.number, "bytes": job.part.length, "attempt": job.attempt}
    about["worker"] = verdict.worker
    if verdict.failure is not None:
        failed = {**about, "error": verdict.failure.code, "status": verdict.failure.status}
        yield SLOTS, row, "failed", times.taken, times.reported, failed
        return
    answer = times.answered
    steps = [("part digests", times.taken, times.started), ("connect", times.started, times.connected)]
    if job.direction == "send":
        steps += [("send", times.connected, times.sent), ("first byte", times.sent, answer)]
    elif job.direction == "receive":
        steps += [("first byte", times.sent, answer), ("receive", answer, times.ended)]
        steps += [("part digests", times.ended, times.reported)]
    else:
        steps += [("copied by the server", times.sent, times.ended)]
    for name, began, ended in steps:
        if ended > began:
            yield SLOTS, row, name, began, ended, about


def _named(group: int) -> dict[str, Any]:
    name = {SLOTS: "slots", COLLECTOR: "collector"}[group]
    return {"ph": "M", "name": "process_name", "pid": group, "args": {"name": name}}


class Trace:
    """Writes spans to the file ``path``. Raises Gof3rError when it cannot be made; later trouble with it ends
    the trace, never the transfer; ``lost`` says so."""

    def __init__(self, path: str) -> None:
        self._began = time.monotonic()
        self._path = path
        self.lost = ""
        """Why the file is not complete."""
        try:
            self._file = open(path, "w", encoding="utf-8")
        except OSError as error:
            raise Gof3rError(f"cannot write {path}: {error.strerror}") from None
        self._write("[")
        self._line(_named(SLOTS))
        self._line(_named(COLLECTOR))

    def happened(self, event: Event) -> None:
        for group, row, name, began, ended, about in spans(event, time.monotonic()):
            since = round((began - self._began) * 1e6, 1)
            lasted = round(max(0.0, ended - began) * 1e6, 1)
            self._line(
                {"ph": "X", "name": name, "pid": group, "tid": row, "ts": since, "dur": lasted, "args": about}
            )

    def _line(self, value: dict[str, Any]) -> None:
        self._write(json.dumps(value) + ",")

    def _write(self, text: str) -> None:
        try:
            self._file.write(text + "\n")
        except (OSError, ValueError) as error:  # ValueError: closed, since it was full before
            self.drop(error)

    def drop(self, error: Exception | None = None) -> None:
        """Write no more of it, because of ``error``."""
        try:
            self._file.close()
        except OSError as late:  # a full disk, or one that has gone
            error = error or late
        if error is not None and not self.lost:
            self.lost = f"--trace: {self._path} is not complete: {getattr(error, 'strerror', error)}"

    def close(self) -> None:
        """The end of the array: a last event has no comma behind it."""
        self._write(json.dumps(_named(SLOTS)) + "\n]")
        self.drop()
