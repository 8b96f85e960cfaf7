"""The processes of a ring: started when they are first needed, spoken to, and ended.

A seat is a number under which the transfer knows a worker. Part workers answer to the collector, over pipes
that are made before it starts, spares included, so that it holds every reading end; a lost worker's place is
taken by the next seat. The control worker and the collector answer to the parent. What a full pipe does not
take waits here until it does: the parent must not.

It knows who there is, not what for.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..flow.events import Drop
from ..flow.seats import CONTROL, SPARES
from ..values import Job
from . import children
from .channel import Receiver, Sender, pipe
from .collector import Collector
from .slab import SEATS, Slab
from .worker import Settings, Worker

COLLECTOR = SEATS - 1
"""The collector's seat: no worker has as high a number."""


def _name(number: int) -> str:
    return {CONTROL: "control", COLLECTOR: "collector"}.get(number, f"worker {number}")


@dataclass(slots=True)
class Seat:
    """A process of the ring and the parent's ends of its pipes."""

    pid: int
    orders: Sender
    answers: Receiver | None = None
    """Of the control worker and of the collector; part workers answer to the collector."""
    owed: int = 0
    """Of the control worker: answers that it has not given yet."""


class Crew:
    """The processes of one ring; its pipes to and from them are in ``poll`` whenever there is something to
    wait for. ``sink``: where the collector writes. Methods raise OSError when the system gives no process."""

    def __init__(
        self, poll: select.poll, slab: Slab, settings: Settings, workers: int, sink: int | None
    ) -> None:
        self._poll = poll
        self._slab = slab
        self._settings = settings
        self._sink = sink
        self._seats: dict[int, Seat] = {}
        self._spared = False
        """The control worker was ended for as long as there are parts."""
        self._collected = False
        """The collector has been started."""
        self._unsent: dict[int, Sender] = {}
        """Senders whose pipe is full, by descriptor."""
        self._said: dict[int, Sender] = {}
        """Those to whom something was said that has not been written yet, by seat."""
        self._cpu: dict[str, float] = {}
        """CPU seconds of the processes that have ended."""
        self._pipes = {seat: pipe() for seat in range(1, workers + SPARES + 1)}

    @property
    def pids(self) -> dict[int, int]:
        """Seat to process."""
        return {number: seat.pid for number, seat in self._seats.items()}

    # --- speaking ------------------------------------------------------------------

    def send(self, number: int, job: Job) -> None:
        """Give ``job`` to the worker ``number``, which starts with its first."""
        if number not in self._seats:
            if number != CONTROL:
                self._need_collector()
            self._seats[number] = self._start_worker(number)
        self._say(number, job)
        if number == CONTROL:
            self._seats[number].owed += 1
        elif CONTROL in self._seats and not self._seats[CONTROL].owed and not self._spared:
            self.remove(CONTROL)  # 9 MB that nobody needs before the parts are done
            self._spared = True  # once: if it was needed before that, it will be again

    def drop(self, drop: Drop) -> None:
        """Have its worker give up a job."""
        self._say(drop.worker, drop)

    def tell_collector(self, message: object) -> None:
        """It starts with the first word to it, or with the first worker: what moves no parts has none."""
        self._need_collector()
        self._say(COLLECTOR, message)

    def _say(self, number: int, message: object) -> None:
        if number not in self._seats:
            return  # it has died, and that is known already
        orders = self._seats[number].orders
        orders.put(message)
        if orders.fd not in self._unsent:
            self._said[number] = orders

    def speak(self) -> None:
        """What was said since the last time goes out: to each process in one piece. To be called before
        waiting, and now and then between."""
        for orders in self._said.values():
            try:
                orders.flush()
            except BrokenPipeError:
                continue  # it has died: its own pipe's end says so, in order with what it sent before
            if orders.unsent:
                self._unsent[orders.fd] = orders
                self._poll.register(orders.fd, select.POLLOUT)
        self._said.clear()

    def flush(self, fd: int) -> None:
        """``fd`` is ready: when it is a pipe that was full, write on."""
        orders = self._unsent.get(fd)
        if orders is None:
            return
        try:
            orders.flush()
        except BrokenPipeError:
            pass  # as in _say
        else:
            if orders.unsent:
                return
        self._give_up(orders)

    def _give_up(self, orders: Sender) -> None:
        """There is nothing more to write to this pipe, or nobody to read it."""
        if self._unsent.pop(orders.fd, None) is not None:
            self._poll.unregister(orders.fd)

    # --- hearing ------------------------------------------------------------------

    def hear(self, fd: int) -> tuple[int, list[Any], Callable[[], bool]] | None:
        """Of whom ``fd`` is the pipe: the seat, its messages, and whether it has ended by itself. To be asked
        when the messages are dealt with: one of them may be why it was ended, or replaced."""
        for number, seat in self._seats.items():
            if seat.answers is not None and seat.answers.fd == fd:
                return number, *self._hear(number, seat, seat.answers)
        return None

    def _hear(self, number: int, seat: Seat, answers: Receiver) -> tuple[list[Any], Callable[[], bool]]:
        messages = answers.receive()
        seat.owed -= len(messages)
        return messages, lambda: answers.ended and self._seats.get(number) is seat

    # --- coming and going ------------------------------------------------------------------

    def _need_collector(self) -> None:
        if not self._collected:
            self._start_collector()
            self._collected = True

    def _start_collector(self) -> None:
        orders, to_collector = pipe()
        answers, verdicts = pipe()
        outcomes = {number: receiver for number, (receiver, _) in self._pipes.items()}
        keep = [orders.fd, verdicts.fd, self._slab.fd, *(receiver.fd for receiver in outcomes.values())]
        if self._sink is not None:
            keep.append(self._sink)

        def main() -> None:
            Collector(COLLECTOR, orders, outcomes, verdicts, self._slab, self._sink).run()

        pid = children.fork(main, keep)
        to_collector.never_block()
        self._seats[COLLECTOR] = Seat(pid, to_collector, answers)
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

        keep = [jobs.fd, outcomes.fd, self._slab.fd]
        if self._settings.kept is not None:
            keep.append(self._settings.kept)
        try:
            pid = children.fork(main, keep)
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

    def remove(self, number: int) -> bool:
        """End ``number`` and wait until it is gone. False when it was not there."""
        seat = self._seats.pop(number, None)
        if seat is None:
            return False
        self._end(number, seat.pid)
        self._said.pop(number, None)
        self._give_up(seat.orders)
        seat.orders.close()
        if seat.answers is not None:
            self._poll.unregister(seat.answers.fd)
            seat.answers.close()
        return True

    def dismiss(self) -> None:
        """End all part workers."""
        for number in list(self._seats):
            if number not in (CONTROL, COLLECTOR):
                self.remove(number)

    def end(self) -> None:
        """End everybody, and leave no descriptor open: another ring may follow."""
        for number in list(self._seats):
            self.remove(number)
        for receiver, sender in self._pipes.values():
            sender.close()
            if not self._collected:
                receiver.close()
        self._pipes.clear()

    def _end(self, number: int, pid: int) -> None:
        name = _name(number)
        self._cpu[name] = self._cpu.get(name, 0.0) + children.end(pid)

    @property
    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process so far, also of those that have ended, by its name; the control
        worker's replacements count as one."""
        used = dict(self._cpu)
        for number, pid in self.pids.items():
            name = _name(number)
            used[name] = used.get(name, 0.0) + children.cpu_seconds(pid)
        return {"parent": time.process_time(), **used}
