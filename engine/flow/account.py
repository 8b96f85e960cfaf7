"""The books of a transfer: how long each stage took.

Theory. A transfer is a pipeline whose slots go round: read, sent, hashed; or received, hashed, written. Each
stage's seconds, summed over its parts, say how busy it was; where slots had to be waited for, something
behind held them. What that means is ``binding``'s to say.

Every event that is booked comes anyway, with the moments that its process has written down: two clock
readings for each MiB read, hashed or written, seven for each part. All moments are seconds of the machine's
one monotonic clock.

Pure, and without opinions.
"""

from __future__ import annotations

from array import array

from ..books import STAGES, Books, Stage, StageName
from ..values import Verdict
from .events import Event, Filled, Hashed, Written


class Account:
    """Books the events of one transfer."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._bytes = dict.fromkeys(STAGES, 0)
        self._latency = array("d")
        self._first_byte = array("d")
        self._began: float | None = None
        self._ended = 0.0
        # Areas under curves, from one look to the next.
        self._looked = self._watched = self._wired = self._limited = self._asked = 0.0
        self._told = 0.0, 0.0
        """The areas when somebody last asked how busy the connections were."""
        self._on_wire = self._limit = self._concurrency = 0
        self._starved = False

    def take(self, event: Event, now: float) -> None:
        """Book what ``event`` tells; others are about something else."""
        match event:
            case Filled():
                self._span(event.began, now)
                self._add("source wait", event.waited)
                self._add("read", now - event.began - event.waited, event.length)
            case Verdict() if event.job.part is not None and event.timing.taken:
                self._part(event, event.job.part.length)
            case Hashed():
                self._add("stream digest", event.seconds, event.length)
            case Written():
                self._ended = max(self._ended, now)
                self._add("reorder wait", event.turn)
                self._add("stream digest", event.hashing, event.part.length if event.hashing else 0)
                self._add("sink", event.writing, event.part.length)
            case _:
                pass

    def _part(self, verdict: Verdict, length: int) -> None:
        times, direction = verdict.timing, verdict.job.direction
        self._span(times.taken, times.reported)
        if verdict.failure is not None:
            return
        if verdict.response is None:  # no request has gone out
            self._add("part digests", times.digesting, length)
            return
        self._latency.append(times.reported - times.taken)
        self._add("part digests", times.digesting, length if verdict.digests else 0)
        self._add("connect", times.connected - times.started)
        moving = times.sent - times.connected if direction == "send" else times.ended - times.answered
        self._add("transfer", moving, length if direction != "none" else 0)
        self._add("first byte", times.answered - times.sent)
        self._first_byte.append(times.answered - times.sent)

    def look(self, now: float, on_wire: int, limit: int, concurrency: int, starved: bool) -> None:
        """From ``now`` on so many parts are on the wire, of ``limit`` that may be, of ``concurrency`` that
        were asked for; ``starved``: there is more to do, and no slot for it."""
        passed = now - self._looked
        if self._on_wire:
            self._wired += self._on_wire * passed
            self._limited += self._limit * passed
            self._asked += self._concurrency * passed
            self._watched += passed
        if self._starved:
            self._add("slot wait", passed)
        self._looked, self._on_wire, self._starved = now, on_wire, starved
        self._limit, self._concurrency = limit, concurrency

    def busy(self) -> float:
        """The share of the connections that carried a part since this was asked last; 0 without any."""
        wired, limited = self._wired - self._told[0], self._limited - self._told[1]
        self._told = self._wired, self._limited
        return wired / limited if limited else 0.0

    def books(self) -> Books:
        """As they are now; the latencies go on to grow."""
        seconds = max(0.0, self._ended - self._began) if self._began is not None else 0.0
        return Books(
            seconds=seconds,
            stages=tuple(Stage(name, self._seconds[name], self._bytes[name]) for name in STAGES),
            connections=self._wired / seconds if seconds else 0.0,
            limit=self._limited / self._watched if self._watched else 0.0,
            concurrency=self._asked / self._watched if self._watched else 0.0,
            parts=len(self._latency),
            latency=self._latency,
            first_byte=self._first_byte,
        )

    def _span(self, began: float, ended: float) -> None:
        self._began = began if self._began is None else min(self._began, began)
        self._ended = max(self._ended, ended)

    def _add(self, name: StageName, seconds: float, size: int = 0) -> None:
        self._seconds[name] += max(0.0, seconds)
        self._bytes[name] += size
