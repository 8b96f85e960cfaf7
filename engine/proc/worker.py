"""A worker: jobs in, HTTP, outcomes out.

It signs what it is given, moves bytes between sockets and slots, and computes digests in a thread beside the
sockets (hashlib releases the GIL, and md5 of a part takes longer than sending it). It has no opinions: what
an answer means and what comes next is decided elsewhere.

The control worker runs the same loop, for requests without parts.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from mmap import mmap
from queue import SimpleQueue

from ..s3 import checksums, sigv4
from ..values import Digests, Failure, Job, Outcome, Slot, Timing
from .channel import Receiver, Sender
from .curl import Ended, Exchange, Wire
from .slab import Slab

TURN = 1.0
"""Seconds that the loop waits at most, so that its tick is never long silent."""

MANY = 8
LITTLE = 1 << 20
NAP = 0.002
"""With MANY exchanges or more, a turn that moved less than LITTLE bytes is followed by so many seconds of
sleep: slow connections then wake the loop for more bytes at a time. 64 connections of 16 MB/s: a get costs
0.58 instead of 0.70 CPU s/GiB, a put 0.95 instead of 1.1, at the same rate (5 ms save no more). A socket's
buffer, megabytes, holds what one connection brings meanwhile."""

THREADS = min(4, len(os.sched_getaffinity(0)))
"""For digests: md5 runs at 0.7 GiB/s, so two keep up with ten of S3's connections at 90 MB/s."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all workers of a transfer need to know."""

    ca_bundle: str
    hurry: float = 1.0
    """As the order's terms have it."""
    kept: int | None = None
    """The destination of a download that has bytes of it already: they are read from it."""


CHEAP = frozenset({"crc64nvme", "crc32", "crc32c"})
"""Digests that take a part less than a millisecond (26 GiB/s): not worth a thread and its memory."""


SMALL = 1 << 16
"""Bytes of which any digest takes 0.1 ms: less than to wake a thread."""


class Digester:
    """Computes the digests of slots, in threads where they take long, begun in the order they are given."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._todo: SimpleQueue[tuple[object, tuple[str, ...], memoryview]] = SimpleQueue()
        self._done: deque[tuple[object, Digests]] = deque()
        self._threads = 0

    def compute(self, what: object, names: tuple[str, ...], data: memoryview) -> None:
        """Compute ``names`` over ``data``; ``done`` gives the result together with ``what``."""
        if len(data) <= SMALL or CHEAP.issuperset(names):
            self._done.append((what, checksums.compute(names, data)))
            os.eventfd_write(self.fd, 1)
            return
        self._todo.put((what, names, data))
        if self._threads < THREADS and self._todo.qsize() > 0:
            try:
                threading.Thread(target=self._run, daemon=True).start()
                self._threads += 1
            except RuntimeError:  # the system gives no more (ulimit -u, -v): slower, not wrong
                if not self._threads:
                    self._compute_next()

    def _run(self) -> None:
        while True:
            self._compute_next()

    def _compute_next(self) -> None:
        what, names, data = self._todo.get()
        self._done.append((what, checksums.compute(names, data)))
        os.eventfd_write(self.fd, 1)

    def done(self) -> list[tuple[object, Digests]]:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass
        return [self._done.popleft() for _ in range(len(self._done))]


class Worker:
    """One process's loop; ``run`` returns when the parent closes the job pipe."""

    def __init__(self, seat: int, jobs: Receiver, outcomes: Sender, slab: Slab, settings: Settings) -> None:
        self._seat = seat
        self._jobs = jobs
        self._outcomes = outcomes
        self._slab = slab
        self._settings = settings
        self._epoll = select.epoll()
        self._wire = Wire(self._epoll, settings.ca_bundle, settings.hurry)
        self._digester = Digester()
        self._maps: dict[Slot, mmap] = {}
        self._moved = 0

    def run(self) -> None:
        self._epoll.register(self._jobs.fd, select.EPOLLIN)
        self._epoll.register(self._digester.fd, select.EPOLLIN)
        while not self._jobs.ended:
            events = self._epoll.poll(self._wire.timeout(TURN))
            self._slab.ticks[self._seat] += 1
            for fd, mask in events:
                if fd == self._jobs.fd:
                    for order in self._jobs.receive():
                        if isinstance(order, Job):
                            self._take(order)
                        else:
                            self._wire.give_up(order.job, order.begun)
                elif fd == self._digester.fd:
                    for what, digests in self._digester.done():
                        self._digested(what, digests)
                else:
                    self._wire.act(fd, mask)
            self._wire.act_on_time()
            for ended in self._wire.ended():
                self._ended(ended)
            exchanges = self._wire.exchanges
            moved = self._moved + sum(exchange.moved for exchange in exchanges)
            little = 0 < moved - self._slab.moved[self._seat] < LITTLE
            self._slab.moved[self._seat] = moved
            if little and len(exchanges) >= MANY:
                time.sleep(NAP)

    def _take(self, job: Job) -> None:
        taken = time.monotonic()
        if job.local:
            self._read_back(job, taken)
        elif job.known:
            self._start(job, taken, job.known)
        elif job.direction in ("send", "digest"):
            assert job.part is not None and job.slot is not None
            data = self._slab.bytes_of(job.slot, job.part.length)
            self._digester.compute((job, taken), job.digests, data)
        else:
            self._start(job, taken, {})

    def _read_back(self, job: Job, taken: float) -> None:
        """What an earlier run has left of a part, into its slot. Disks are quick beside networks: the loop
        waits for it."""
        assert job.part is not None and job.slot is not None and self._settings.kept is not None
        data = self._slab.bytes_of(job.slot, job.part.length)
        done, said = 0, "the file is shorter now"
        try:
            while done < len(data):
                count = os.preadv(self._settings.kept, [data[done:]], job.part.offset + done)
                if not count:
                    break
                done += count
        except OSError as error:
            said = error.strerror or str(error)
        if done < len(data):
            self._say_local(job, taken, {}, Failure("check", "what was kept", said))
        elif job.digests:
            self._digester.compute((job, taken), job.digests, data)
        else:
            self._say_local(job, taken, {})

    def _say_local(self, job: Job, taken: float, digests: Digests, failure: Failure | None = None) -> None:
        """The outcome of a job that makes no request."""
        now = time.monotonic()
        timing = Timing(taken=taken, started=now, ended=now, reported=now)
        self._outcomes.send(
            Outcome(job, self._seat, failure=failure, digests=digests, at=time.time(), timing=timing)
        )

    def _digested(self, what: object, digests: Digests) -> None:
        match what:
            case (Job() as job, float(taken)) if job.local or job.direction == "digest":
                self._say_local(job, taken, digests)
            case (Job() as job, float(taken)):
                self._start(job, taken, digests)
            case Ended():
                self._report(what, digests)

    def _start(self, job: Job, taken: float, digests: Digests) -> None:
        exchange = Exchange(job, taken, time.monotonic(), digests)
        if job.slot is not None and job.part is not None:
            if job.direction == "send":
                exchange.body = self._slab.bytes_of(job.slot, job.part.length)
            else:
                exchange.into = self._map(job.slot)
        headers = job.request.headers + checksums.digest_headers(digests)
        if job.credentials is not None:
            request = job.request.with_headers(headers)
            headers = sigv4.sign(request, job.credentials, time.time() + job.skew)
        self._wire.start(exchange, headers)

    def _map(self, slot: Slot) -> mmap:
        if slot not in self._maps:
            self._maps[slot] = self._slab.map_slot(slot)
        return self._maps[slot]

    def _ended(self, ended: Ended) -> None:
        exchange = ended.exchange
        job = exchange.job
        self._moved += exchange.moved
        complete = job.part is not None and exchange.received == job.part.length
        if job.direction == "receive" and job.digests and complete and job.slot and job.part:
            self._digester.compute(ended, job.digests, self._slab.bytes_of(job.slot, job.part.length))
        else:
            self._report(ended, exchange.digests)

    def _report(self, ended: Ended, digests: Digests) -> None:
        exchange = ended.exchange
        self._outcomes.send(
            Outcome(
                job=exchange.job,
                worker=self._seat,
                response=ended.response,
                failure=ended.failure,
                digests=digests,
                received=exchange.received,
                at=time.time(),
                timing=exchange.timing(time.monotonic()),
            )
        )
