"""The parent: it carries out what the transfer decides, and never blocks.

One poll over everything that can happen: the source (only while a slot is being filled), the collector's
pipe, the control worker's pipe, signals, and the next deadline. An idle producer delays neither a retry nor
Ctrl-C. It has no threads and no curl, so it can fork a worker at any time; workers start when their first job
comes, and a lost one's place is taken by a seat whose pipes were made before the first fork.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from ..flow.dispatch import CONTROL, SPARES
from ..flow.events import (
    Action,
    Beat,
    CollectorLost,
    Dismiss,
    Event,
    Fill,
    Filled,
    Finish,
    Hush,
    Lost,
    Note,
    Receipt,
    Refused,
    Send,
    Signalled,
    Silent,
    SourceFailed,
    Tell,
    Warn,
)
from ..flow.transfer import Transfer
from ..flow.verify import judge
from ..flow.watch import Watch
from ..s3 import checksums
from ..values import Job
from . import children
from .channel import Receiver, Sender, pipe, widen
from .collector import Collector
from .signals import Signals
from .slab import SEATS, Slab
from .worker import Settings, Worker

READ = 1 << 20
"""Bytes of one read, and so the longest that the source can keep the loop from its other business."""

BEAT = 1.0
"""Seconds between two looks at the board."""


class Listener(Protocol):
    """Who shows what a transfer says on its way."""

    def warning(self, text: str) -> None: ...
    def debug(self, text: str) -> None: ...


@dataclass(slots=True)
class Seat:
    """A process of the ring and the parent's ends of its pipes."""

    pid: int
    orders: Sender
    answers: Receiver | None = None
    """Of the control worker and of the collector; part workers answer to the collector."""
    owed: int = 0
    """Of the control worker: answers that it has not given yet."""


class Source:
    """Fills slots from a descriptor: a pipe, a file or a terminal. ``crc`` runs the stream's CRC64NVME."""

    def __init__(self, fd: int, slab: Slab, crc: bool) -> None:
        self.fd = fd
        self._slab = slab
        self._crc = checksums.new("crc64nvme") if crc else None
        self._fill: Fill | None = None
        self._filled = 0
        self._ahead = b""
        self._file = _look_of(fd)
        widen(fd)

    @property
    def filling(self) -> bool:
        return self._fill is not None

    def begin(self, fill: Fill) -> None:
        self._fill = fill
        data = self._slab.bytes_of(fill.slot, len(self._ahead))
        data[:] = self._ahead
        self._filled = len(data)
        if self._crc:
            self._crc.update(data)
        self._ahead = b""

    def stop(self) -> None:
        """Fill no more: the slot is somebody else's."""
        self._fill = None

    def read(self) -> Filled | SourceFailed | None:
        """One read, after readiness: None while the slot is not full yet."""
        fill = self._fill
        assert fill is not None
        try:
            if self._filled == fill.length:  # full: has the source ended?
                self._ahead = os.read(self.fd, 1)
                return self._done(ended=not self._ahead)
            room = self._slab.bytes_of(fill.slot, fill.length)[self._filled : self._filled + READ]
            count = os.readv(self.fd, [room])
        except BlockingIOError:
            return None  # the producer, or who started us, has made the pipe non-blocking for all
        except OSError as error:
            self._fill = None
            return SourceFailed(error.strerror or str(error))
        if self._crc:
            self._crc.update(room[:count])
        self._filled += count
        if not count:
            return self._done(ended=True)
        if self._filled == fill.length and not fill.look_ahead:
            return self._done(ended=False)
        return None

    def _done(self, ended: bool) -> Filled | SourceFailed:
        assert self._fill is not None
        slot, self._fill = self._fill.slot, None
        if ended and _look_of(self.fd) != self._file:
            return SourceFailed("the file changed while it was read")
        return Filled(slot, self._filled, ended, self._crc.digest() if self._crc else b"")


def _look_of(fd: int) -> tuple[int, int] | None:
    """Size and time of the last change, in ns, of a regular file; None for anything else."""
    status = os.fstat(fd)
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


class Ring:
    """The processes of one transfer, from the first fork to the last wait."""

    def __init__(
        self,
        transfer: Transfer,
        slab: Slab,
        settings: Settings,
        *,
        workers: int,
        source: Source | None,
        sink: int | None,
        listener: Listener,
    ) -> None:
        self._transfer = transfer
        self._slab = slab
        self._settings = settings
        self._source = source
        self._sink = sink
        self._listener = listener
        self._watch = Watch()
        self._poll = select.poll()
        self._seats: dict[int, Seat] = {}
        self._finish: Finish | None = None
        self._events: deque[Event | None] = deque()
        self._handling = False
        self._unsent: dict[int, Sender] = {}
        """Senders whose pipe is full, by descriptor."""
        self._collector_seat = SEATS - 1
        # Made before the first fork, spares included, so that the collector holds every reading end.
        self._pipes = {seat: pipe() for seat in range(1, workers + SPARES + 1)}

    def run(self) -> Receipt:
        """The whole transfer. Raises the error that it ends with; leaves no process behind in any case."""
        signals = Signals()
        children.share_what_is_loaded()
        try:
            self._poll.register(signals.fd, select.POLLIN)
            self._start_collector()
            self._do(self._transfer.start(time.monotonic()))
            self._loop(signals)
        finally:
            for seat in self._seats.values():
                children.end(seat.pid)
            signals.close()
        assert self._finish is not None
        if self._finish.error is not None:
            raise self._finish.error
        assert self._finish.receipt is not None
        return self._finish.receipt

    def _loop(self, signals: Signals) -> None:
        next_beat = time.monotonic()
        while self._finish is None:
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + BEAT
                self._look(now)
            wake = min(next_beat, self._transfer.deadline(now) or next_beat)
            events = self._poll.poll(max(wake - time.monotonic(), 0.0) * 1000)
            if not events:
                self._handle(None)
            for fd, _ in events:
                if fd == signals.fd:
                    for number in signals.receive():
                        self._handle(Signalled(number))
                else:
                    self._react(fd)

    # --- events ------------------------------------------------------------------

    def _react(self, fd: int) -> None:
        if self._source is not None and fd == self._source.fd:
            # Not filling: an event before this one, in the same look, has hushed the ring.
            if self._source.filling and (event := self._source.read()):
                self._poll.unregister(fd)
                self._handle(event)
            return
        if fd in self._unsent:
            self._flush(self._unsent[fd])
        for number, seat in list(self._seats.items()):
            if seat.answers is not None and seat.answers.fd == fd:
                self._hear(number, seat, seat.answers)

    def _hear(self, number: int, seat: Seat, answers: Receiver) -> None:
        for message in answers.receive():
            if number == CONTROL:
                seat.owed -= 1
                self._handle(judge(message))
            elif isinstance(message, Lost):
                self._bury(message.worker)
            else:
                self._handle(message)
        if answers.ended and self._seats.get(number) is seat:  # else it was ended, or replaced, meanwhile
            if number == CONTROL:
                self._bury(CONTROL)
            else:
                self._remove(number)
                self._handle(CollectorLost())

    def _bury(self, number: int) -> None:
        """A process has ended by itself: wait for it, and only then let its slots be used again."""
        if number in self._seats:  # else we have ended it ourselves
            self._remove(number)
            self._handle(Lost(number))

    def _look(self, now: float) -> None:
        self._handle(Beat(sum(self._slab.moved)))
        for number in self._watch.look({n: self._slab.ticks[n] for n in self._seats}, now):
            self._listener.debug(f"process {self._seats[number].pid} is silent: ending it")
            children.kill(self._seats[number].pid)  # its pipe ends with it, which is heard like any other end

    def _handle(self, event: Event | None) -> None:
        """Events that carrying out an action brings up wait until all its actions are carried out."""
        self._events.append(event)
        if self._handling:
            return
        self._handling = True
        while self._events and self._finish is None:
            self._do(self._transfer.handle(self._events.popleft(), time.monotonic()))
        self._handling = False

    # --- actions ------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Fill():
                    assert self._source is not None
                    self._source.begin(action)
                    self._poll.register(self._source.fd, select.POLLIN)
                case Send(seat, job):
                    self._send(seat, job)
                case Tell(message):
                    self._tell(self._collector_seat, message)
                case Hush():
                    self._hush()
                case Dismiss():
                    self._dismiss()
                case Warn(text):
                    self._listener.warning(text)
                case Note(text):
                    self._listener.debug(text)
                case Finish():
                    self._finish = action

    def _send(self, number: int, job: Job) -> None:
        if number not in self._seats:
            try:
                self._seats[number] = self._start_worker(number)
            except OSError as error:
                self._handle(Refused(f"the system refuses a process: {error.strerror}"))
                return
        self._tell(number, job)
        if number == CONTROL:
            self._seats[number].owed += 1
        elif CONTROL in self._seats and not self._seats[CONTROL].owed:
            self._remove(CONTROL)  # 9 MB that nobody needs before the parts are done

    def _tell(self, number: int, message: object) -> None:
        if number not in self._seats:
            return  # it has died, and that is known already
        orders = self._seats[number].orders
        try:
            orders.send(message)
        except BrokenPipeError:
            return  # it has died: its own pipe's end says so, in order with what it sent before
        if orders.unsent and orders.fd not in self._unsent:
            self._unsent[orders.fd] = orders
            self._poll.register(orders.fd, select.POLLOUT)

    def _flush(self, orders: Sender) -> None:
        try:
            orders.flush()
        except BrokenPipeError:
            pass  # as in _tell
        else:
            if orders.unsent:
                return
        self._give_up(orders)

    def _give_up(self, orders: Sender) -> None:
        """There is nothing more to write to this pipe, or nobody to read it."""
        if self._unsent.pop(orders.fd, None) is not None:
            self._poll.unregister(orders.fd)

    def _dismiss(self) -> None:
        for number in list(self._seats):
            if number not in (CONTROL, self._collector_seat):
                self._remove(number)

    def _hush(self) -> None:
        self._dismiss()
        if CONTROL in self._seats:
            self._remove(CONTROL)
        if self._source is not None and self._source.filling:
            self._source.stop()
            self._poll.unregister(self._source.fd)
        self._handle(Silent())

    # --- processes ------------------------------------------------------------------

    def _start_collector(self) -> None:
        orders, to_collector = pipe()
        answers, verdicts = pipe()
        outcomes = {number: receiver for number, (receiver, _) in self._pipes.items()}
        keep = [orders.fd, verdicts.fd, self._slab.fd, *(receiver.fd for receiver in outcomes.values())]
        if self._sink is not None:
            keep.append(self._sink)

        def main() -> None:
            Collector(self._collector_seat, orders, outcomes, verdicts, self._slab, self._sink).run()

        pid = children.fork(main, keep)
        to_collector.never_block()
        self._seats[self._collector_seat] = Seat(pid, to_collector, answers)
        self._poll.register(answers.fd, select.POLLIN)
        orders.close()
        verdicts.close()  # so that the collector's end is the pipe's
        for receiver in outcomes.values():
            receiver.close()

    def _start_worker(self, number: int) -> Seat:
        jobs, to_worker = pipe()
        answers, outcomes = pipe() if number == CONTROL else (None, self._pipes[number][1])

        def main() -> None:
            Worker(number, jobs, outcomes, self._slab, self._settings).run()

        try:
            pid = children.fork(main, [jobs.fd, outcomes.fd, self._slab.fd])
        except OSError:
            for end in (jobs, to_worker):
                end.close()
            if answers is not None:
                answers.close()
                outcomes.close()
            raise
        self._pipes.pop(number, None)
        to_worker.never_block()
        if answers is not None:
            self._poll.register(answers.fd, select.POLLIN)
        jobs.close()
        outcomes.close()  # so that the worker's end is the pipe's
        return Seat(pid, to_worker, answers)

    def _remove(self, number: int) -> None:
        seat = self._seats.pop(number)
        children.end(seat.pid)
        self._give_up(seat.orders)
        seat.orders.close()
        if seat.answers is not None:
            self._poll.unregister(seat.answers.fd)
            seat.answers.close()
