"""The parent: it carries out what the transfer decides, and never blocks.

One poll over everything that can happen: the source (only while a slot is being filled), the collector's
pipe, the control worker's pipe, signals, and the next deadline. An idle producer delays neither a retry nor
Ctrl-C. It has no threads and no curl, so it can fork a worker at any time; workers start when their first job
comes (``crew``).
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..errors import Gof3rError
from ..flow.events import (
    Action,
    Beat,
    CollectorLost,
    Dismiss,
    Drop,
    Event,
    Fill,
    Filled,
    Finish,
    Forget,
    Hush,
    Load,
    Lost,
    Note,
    NotRenewed,
    Progress,
    Refused,
    Renew,
    Renewed,
    Save,
    Send,
    Show,
    Signalled,
    Silent,
    SinkFailed,
    SourceFailed,
    Tell,
    ToCollector,
    Warn,
    Written,
)
from ..flow.seats import CONTROL
from ..flow.transfer import Transfer
from ..flow.verify import CRC, judge
from ..flow.watch import Watch
from ..s3 import checksums
from ..values import Role
from . import children
from .credentials import Lookup, lasts
from .crew import Crew
from .signals import Signals
from .slab import Slab
from .source import Committed, Source, Witness
from .worker import Settings

if TYPE_CHECKING:
    from ..flow.lanes import Lanes

REMEDY = "use fewer --workers, or raise ulimit -n and -u"
"""For a machine that gives no more processes or descriptors."""

BEAT = 1.0
"""Seconds between two looks at the board."""

WEIGH = 10.0
"""Seconds between two looks at the memory: each takes 10 ms, and it only grows."""


class Listener(Protocol):
    """Who shows what a transfer says on its way."""

    def warning(self, text: str) -> None: ...
    def debug(self, text: str) -> None: ...
    def show(self, value: object) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def happened(self, event: Event) -> None: ...


class Files(Protocol):
    """Who reads and writes the files that an order of many objects is about, each by its number in it. What
    fails raises OSError with its words."""

    def load(self, task: int, room: memoryview) -> tuple[int, bool]:
        """Read the file's next bytes into ``room``, all that it holds; how many there were, and whether they
        are the last."""

    def save(self, task: int, offset: int, data: memoryview, last: bool) -> None:
        """Write ``data`` at ``offset``; with the ``last`` of it the file appears, and is on the disk."""

    def forget(self, task: int) -> None:
        """It has failed: nothing of it is to be left, or is read any more."""


class Ring:
    """The processes of one transfer, from the first fork to the last wait."""

    def __init__(
        self,
        transfer: Transfer | Lanes,
        slab: Slab,
        settings: Settings,
        *,
        workers: int,
        listener: Listener,
        source: Source | None = None,
        sink: int | None = None,
        witness: Witness | None = None,
        look_up: Callable[[Role], Lookup] | None = None,
        weighed: bool = False,
        files: Files | None = None,
    ) -> None:
        """``look_up`` begins to look for newer credentials; it may raise Gof3rError. ``weighed``: look at the
        memory of all processes now and then."""
        self._transfer = transfer
        self._slab = slab
        self._settings = settings
        self._source = source
        self._listener = listener
        self._witness = witness
        self._files = files
        self._crcs: dict[int, checksums.Digest] = {}
        """Of files that are read part by part, so far."""
        self._look_up = look_up
        self._lookups: dict[Role, Lookup] = {}
        self._cores = len(os.sched_getaffinity(0))
        self._weighed = weighed
        self._weigh_at = 0.0
        self.memory = 0
        """Bytes that all processes held together, at the most of all looks."""
        self._watch = Watch()
        self._poll = select.poll()
        self._crew = Crew(self._poll, slab, settings, workers, sink)
        self._finish: Finish | None = None
        self._events: deque[Event | None] = deque()
        self._handling = False

    def run(self) -> object:
        """The whole transfer; what its story returns. Raises the error that it ends with, and leaves no
        process behind in any case."""
        signals = Signals()
        children.share_what_is_loaded()
        try:
            self._poll.register(signals.fd, select.POLLIN)
            if self._witness is not None:
                self._poll.register(self._witness.fd, select.POLLIN)
            self._do(self._transfer.start(time.monotonic()))
            self._loop(signals)
        finally:
            self._crew.end()
            for look in self._lookups.values():
                look.result()
            signals.close()
        assert self._finish is not None
        if self._finish.error is not None:
            raise self._finish.error
        return self._finish.result

    @property
    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process, by its name."""
        return self._crew.cpu

    def _loop(self, signals: Signals) -> None:
        next_beat = time.monotonic()
        while self._finish is None:
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + BEAT
                self._look(now)
            self._crew.speak()
            wake = min(next_beat, self._transfer.deadline() or next_beat)
            events = self._poll.poll(max(wake - time.monotonic(), 0.0) * 1000)
            # First, also where poll has not seen it: Ctrl-C ends a producer too, and when that wakes us, the
            # signal is queued only as poll returns.
            for number in signals.receive():
                self._handle(Signalled(number))
            if not events:
                self._handle(None)
            for fd, _ in events:
                if fd != signals.fd:
                    self._react(fd)
                    self._crew.speak()

    # --- events ------------------------------------------------------------------

    def _react(self, fd: int) -> None:
        if self._source is not None and fd == self._source.fd:
            # Not filling: an event before this one, in the same look, has hushed the ring.
            if self._source.filling and not self._source.at_end:
                event = self._source.read()
                if event or self._source.at_end:
                    self._poll.unregister(fd)
                if event:
                    self._handle(event)
            return
        if self._witness is not None and fd == self._witness.fd:
            self._hear_witness(self._witness)
            return
        for role, look in list(self._lookups.items()):
            if fd == look.fd:
                look.read()
                if look.ended:
                    self._looked_up(role)
                return
        self._crew.flush(fd)
        heard = self._crew.hear(fd)
        if heard is None:
            return
        number, messages, ended = heard
        for message in messages:
            if number == CONTROL:
                self._handle(judge(message))
            elif isinstance(message, Lost):
                self._bury(message.worker)
            else:
                self._handle(message)
        if ended() and number == CONTROL:
            self._bury(CONTROL)
        elif ended():
            self._crew.remove(number)
            self._handle(CollectorLost())

    def _hear_witness(self, witness: Witness) -> None:
        for event in witness.hear():
            if not isinstance(event, Committed):
                self._handle(event)
            elif self._source is not None and (filled := self._source.commit()):
                self._handle(filled)
        if witness.ended:
            self._poll.unregister(witness.fd)
            self._witness = None

    def _looked_up(self, role: Role) -> None:
        look = self._lookups.pop(role)
        self._poll.unregister(look.fd)
        found = look.result()
        if isinstance(found, str):
            self._handle(NotRenewed(role, found))
        else:
            self._handle(Renewed(role, found, lasts(found)))

    def _bury(self, number: int) -> None:
        """A process has ended by itself: wait for it, and only then let its slots be used again."""
        if self._crew.remove(number):  # else we have ended it ourselves
            self._handle(Lost(number))

    def _weigh(self) -> None:
        if self._weighed:
            pids = [os.getpid(), *self._crew.pids.values()]
            self.memory = max(self.memory, children.memory(pids))

    def _look(self, now: float) -> None:
        if now >= self._weigh_at:
            self._weigh_at = now + WEIGH
            self._weigh()
        self._handle(Beat(sum(self._slab.moved), self._crew.cpu, self._cores, time.monotonic()))
        for role in [role for role, look in self._lookups.items() if look.ends_at <= now]:
            self._looked_up(role)
        for number in self._watch.look({n: self._slab.ticks[n] for n in self._crew.pids}, now):
            self._listener.debug(f"process {self._crew.pids[number]} is silent: ending it")
            children.kill(self._crew.pids[number])  # its pipe ends with it, heard like any other end

    def _handle(self, event: Event | None) -> None:
        """Events that carrying out an action brings up wait until all its actions are carried out."""
        self._events.append(event)
        if event is not None:
            self._listener.happened(event)
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
                case Load() | Save() | Forget():
                    self._file(action)
                case Send():
                    self._send(action)
                case Drop():
                    self._crew.drop(action)
                case Tell(message):
                    self._tell(message)
                case Hush():
                    self._hush()
                case Dismiss():
                    self._weigh()  # before they go: a transfer may be shorter than a beat
                    self._crew.dismiss()
                case Warn(text):
                    self._listener.warning(text)
                case Note(text):
                    self._listener.debug(text)
                case Renew(role):
                    self._renew(role)
                case Show(value):
                    self._listener.show(value)
                case Progress():
                    self._listener.progress(action)
                case Finish():
                    self._weigh()
                    self._finish = action

    def _file(self, action: Load | Save | Forget) -> None:
        """At once: what a lane carries is small."""
        assert self._files is not None
        began = time.monotonic()
        match action:
            case Load(task, slot, most):
                room = self._slab.bytes_of(slot, most)
                try:
                    length, ended = self._files.load(task, room)
                except OSError as error:
                    self._handle(SourceFailed(error.strerror or str(error), slot))
                    return
                crc = self._crcs.pop(task, None) or checksums.new(CRC)
                crc.update(room[:length])
                if not ended:
                    self._crcs[task] = crc
                self._handle(Filled(slot, length, ended, crc.digest(), began))
            case Save(task, part, slot, last):
                data = self._slab.bytes_of(slot, part.length)
                try:
                    self._files.save(task, part.offset, data, last)
                except OSError as error:
                    self._handle(SinkFailed(error.errno or 0, error.strerror or str(error), slot))
                    return
                self._handle(Written(part, slot, writing=time.monotonic() - began))
            case Forget(task):
                self._crcs.pop(task, None)
                self._files.forget(task)

    def _renew(self, role: Role) -> None:
        assert self._look_up is not None  # only what was looked up is renewable
        try:
            look = self._look_up(role)
        except Gof3rError as error:
            self._handle(NotRenewed(role, str(error)))
            return
        self._lookups[role] = look
        self._poll.register(look.fd, select.POLLIN)

    def _send(self, action: Send) -> None:
        try:
            self._crew.send(action.worker, action.job)
        except OSError as error:
            text = f"the system refuses a process: {error.strerror}; {REMEDY}"
            self._handle(Refused(text, action.job.id))

    def _tell(self, message: ToCollector) -> None:
        try:
            self._crew.tell_collector(message)
        except OSError as error:
            self._handle(Refused(f"the system refuses a process: {error.strerror}; {REMEDY}"))

    def _hush(self) -> None:
        self._weigh()
        self._crew.dismiss()
        self._crew.remove(CONTROL)
        if self._source is not None and self._source.filling:
            if not self._source.at_end:
                self._poll.unregister(self._source.fd)
            self._source.stop()
        self._handle(Silent())
