"""The collector: outcomes in, verdicts out, and the stream in order.

put: it judges what the workers report, and runs the stream's md5 over the slots in part order while the
parts upload. get: it judges, waits for a part's turn, hashes, writes, frees. Nothing reaches the destination
before its part has been checked; the last part waits for the parent's word.

Its loop never blocks: hashing goes in steps of a MiB, writing is a thread's (the destination may be a pipe
whose reader sleeps, and O_NONBLOCK would be its reader's too), so outcomes are drained whatever happens. A
worker's end of file is its last message, and is passed on only after everything that came before it.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue

from ..flow.events import (
    Announce,
    Digested,
    Expect,
    Hashed,
    Lost,
    Release,
    SinkFailed,
    Total,
    Written,
)
from ..flow.reorder import Reorder
from ..flow.verify import judge
from ..s3 import checksums
from ..values import Outcome, Part, Slot
from .channel import Receiver, Sender, widen
from .slab import Slab

STEP = 1 << 20
"""Bytes to hash or write before looking around: about 1.5 ms of md5."""

TURN = 1.0
"""Seconds that the loop waits at most, so that its tick is never long silent."""


@dataclass(slots=True)
class Piece:
    """A part's bytes on their way through the collector, and when: monotonic seconds."""

    part: Part
    slot: Slot
    arrived: float
    turn: float = 0.0
    """Seconds until its turn came."""
    hashing: float = 0.0
    """Seconds in which it was hashed."""


class Writer:
    """A thread that writes slots to ``fd``, in the order they are given; only started by the first one."""

    def __init__(self, fd: int, slab: Slab) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._sink = fd
        self._slab = slab
        self._todo: SimpleQueue[Piece] = SimpleQueue()
        self._done: deque[Written | SinkFailed] = deque()
        self._thread: threading.Thread | None = None
        self.there = 0
        """Bytes of the destination that need not be written; those of whole parts."""

    def give(self, piece: Piece) -> None:
        if self._thread is None:
            widen(self._sink)
            self._thread = threading.Thread(target=self._run, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._say(SinkFailed(errno.EAGAIN, "the system gives no thread; raise ulimit -u or -v"))
        self._todo.put(piece)

    def _run(self) -> None:
        while True:
            piece = self._todo.get()
            data = self._slab.bytes_of(piece.slot, piece.part.length)
            began = time.monotonic()
            try:
                if piece.part.offset + piece.part.length <= self.there:
                    os.lseek(self._sink, len(data), os.SEEK_CUR)
                    data = data[:0]
                while data:
                    data = data[self._write(data[:STEP]) :]
            except OSError as error:
                self._say(SinkFailed(error.errno or 0, error.strerror or str(error)))
                return
            wrote = time.monotonic() - began
            self._say(Written(piece.part, piece.slot, piece.turn, piece.hashing, wrote))

    def _write(self, data: memoryview) -> int:
        try:
            count = os.write(self._sink, data)
            if not count:  # for ever: seen with the memory of a process that has ended
                raise OSError(errno.EIO, "it takes no more bytes")
            return count
        except BlockingIOError:  # the reader, or who started us, has made the pipe non-blocking for all
            ready = select.poll()
            ready.register(self._sink, select.POLLOUT)
            ready.poll()
            return 0

    def _say(self, event: Written | SinkFailed) -> None:
        self._done.append(event)
        os.eventfd_write(self.fd, 1)

    def done(self) -> list[Written | SinkFailed]:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass
        return [self._done.popleft() for _ in range(len(self._done))]


class Collector:
    """One process's loop; ``run`` returns when the parent closes its pipe. ``sink``: where a download goes;
    None for an upload or a copy, whose received parts it hashes."""

    def __init__(
        self,
        seat: int,
        orders: Receiver,
        outcomes: Mapping[int, Receiver],
        verdicts: Sender,
        slab: Slab,
        sink: int | None,
    ) -> None:
        self._seat = seat
        self._orders = orders
        self._outcomes = {receiver.fd: (worker, receiver) for worker, receiver in outcomes.items()}
        self._verdicts = verdicts
        self._slab = slab
        self._sink = sink
        self._writer = Writer(sink, slab) if sink is not None else None
        self._poll = select.poll()
        self._turns: Reorder[Piece] = Reorder()
        self._digests: dict[str, checksums.Digest] = {}
        self._held = 0
        self._kept: Piece | None = None
        self._released = False
        self._to_hash: deque[Piece] = deque()
        self._offset = 0
        """Bytes of the first of ``_to_hash`` that are hashed."""
        self._hashed = 0
        self._total: int | None = None

    def run(self) -> None:
        self._poll.register(self._orders.fd, select.POLLIN)
        for fd in self._outcomes:
            self._poll.register(fd, select.POLLIN)
        if self._writer is not None and self._sink is not None:
            self._poll.register(self._writer.fd, select.POLLIN)
            self._poll.register(self._sink, 0)  # tells when the reader has gone, also between writes
        while not self._orders.ended:
            events = self._poll.poll(0 if self._to_hash else TURN * 1000)
            self._slab.ticks[self._seat] += 1
            for fd, mask in events:
                self._react(fd, mask)
            self._hash_a_step()

    def _react(self, fd: int, mask: int) -> None:
        # Whatever is ready, orders first: an outcome follows from a job that was sent after them.
        for message in self._orders.receive():
            self._obey(message)
        if fd == self._orders.fd:
            return
        if self._writer is not None and fd == self._writer.fd:
            for event in self._writer.done():
                self._verdicts.send(event)
        elif fd == self._sink:
            self._poll.unregister(fd)
            if mask & select.POLLERR:
                self._verdicts.send(SinkFailed(errno.EPIPE, "the reader has closed it"))
        else:
            worker, receiver = self._outcomes[fd]
            for outcome in receiver.receive():
                self._judge(outcome)
            if receiver.ended:
                self._poll.unregister(fd)
                self._verdicts.send(Lost(worker))

    def _obey(self, message: object) -> None:
        match message:
            case Expect(digests, held, there):
                self._digests = {name: checksums.new(name) for name in digests}
                self._held = held
                if self._writer is not None:
                    self._writer.there = there
            case Announce(part, slot):
                self._to_hash.append(Piece(part, slot, time.monotonic()))
            case Total(parts):
                self._total = parts
                self._say_digests()
            case Release():
                self._released = True
                if self._kept is not None:
                    self._write(self._kept)

    def _judge(self, outcome: Outcome) -> None:
        verdict = judge(outcome)
        self._verdicts.send(verdict)
        job = verdict.job
        wanted = bool(self._digests) or self._writer is not None
        if wanted and verdict.failure is None and job.direction == "receive" and job.part and job.slot:
            now = time.monotonic()
            for piece in self._turns.put(job.part.number, Piece(job.part, job.slot, now)):
                piece.turn = now - piece.arrived
                if self._digests:
                    self._to_hash.append(piece)
                elif self._writer is not None:
                    self._write(piece)

    def _hash_a_step(self) -> None:
        if not self._to_hash:
            return
        piece = self._to_hash[0]
        data = self._slab.bytes_of(piece.slot, piece.part.length)[self._offset : self._offset + STEP]
        began = time.monotonic()
        for digest in self._digests.values():
            digest.update(data)
        piece.hashing += time.monotonic() - began
        self._offset += len(data)
        if self._offset < piece.part.length:
            return
        self._to_hash.popleft()
        self._offset = 0
        self._hashed += 1
        if self._writer is not None:
            self._write(piece)
        else:
            self._verdicts.send(Hashed(piece.slot, piece.part.length, piece.hashing))
        self._say_digests()

    def _say_digests(self) -> None:
        if self._hashed == self._total:
            self._verdicts.send(Digested({name: digest.digest() for name, digest in self._digests.items()}))

    def _write(self, piece: Piece) -> None:
        assert self._writer is not None
        if piece.part.number == self._held and not self._released:
            self._kept = piece
        else:
            self._writer.give(piece)
