"""An engine at work for this process: one clean child that is started, talked to, and ended.

Theory: nothing of the engine runs in the user's process, which may have threads, a notebook, no ``__main__``
guard, signal handlers of its own. There are only pipes: wishes go in, news come out, and bytes where the
stream is the user's. No thread is started and no signal is relied on; whoever waits, waits in the thread that
called.

The wishes' pipe is this process's life, as the engine sees it: its end, however it comes, cancels the order.
So every exception ends an engine by closing that pipe, and SIGKILL does the same by itself. A forked child
has copies of it, which would keep a dead parent alive: they are closed there at once. (A fork that Python
does not see, by a library in C that goes on without exec, is not covered.)
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl
from types import TracebackType
from typing import cast
from weakref import WeakSet

from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, told
from gof3r.engine.flow.events import Asked, Progress
from gof3r.engine.proc.caller import Commit, Debugged, Ended, Shown, Start, Warned
from gof3r.engine.proc.channel import Receiver, Sender, widen

Event = Progress | Warned | Debugged
OnEvent = Callable[[Event], None]

PIPE = -1
"""For a descriptor: the stream is a pipe, and its other end ``Engine.data``. As subprocess.PIPE."""

CANCEL = 5.0
"""Seconds that an engine has to abort and end; more than its own limits for that add up to."""

_CHILD = (
    # The child gets our own import path, as a look for credentials does: -c alone would import from the
    # current directory first.
    "import sys; wishes, news = map(int, sys.argv[1:3]); sys.path[:] = sys.argv[3:]; "
    "from {} import main; sys.exit(main(wishes, news))"
)


class EngineTrace(Exception):
    """Where in the engine's process an error came from: the ``__cause__`` of what is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Engine:
    """An engine that carries out ``order``, one of ``engine.orders``. As a context manager: cancelled unless
    it has ended.

    ``source`` and ``sink`` are descriptors, which stay the caller's, or PIPE. A source that is a PIPE is
    whole only after ``commit``. ``on_event`` is called by whoever waits for the engine, in its thread.
    """

    main = "gof3r.engine.__main__"
    """The module whose function of that name is the process."""

    def __init__(
        self,
        order: object,
        *,
        source: int | None = None,
        sink: int | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        """Raises Gof3rError when no process can be started."""
        self.lost = False
        """Its process has ended without a word."""
        self.warnings: list[str] = []
        self.data = -1
        """Our end of a PIPE, not blocking."""
        self._order = order
        self._on_event = on_event
        self._shown: deque[object] = deque()
        self._ended: Ended | None = None
        self._gone = False
        """The process has ended and been waited for, or is not ours."""
        vouched = source == PIPE
        _reap()
        with ExitStack() as ours, ExitStack() as theirs:
            try:
                wishes, wishing = _pipe(theirs, ours)
                telling, news = _pipe(ours, theirs)
                if source == PIPE:
                    source, self.data = _pipe(theirs, ours)
                if sink == PIPE:
                    self.data, sink = _pipe(ours, theirs)
                source, sink = (fd if fd is None else _above(fd, theirs) for fd in (source, sink))
                self._process = subprocess.Popen(
                    [*_interpreter(), "-c", _CHILD.format(self.main), str(wishes), str(news), *sys.path],
                    pass_fds=[fd for fd in (wishes, news, source, sink) if fd is not None],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=None if _is_open(2) else subprocess.DEVNULL,
                    start_new_session=True,  # a terminal's signals are ours to pass on
                )
            except OSError as error:
                raise Gof3rError(f"cannot start the engine, {sys.executable}: {error.strerror}") from None
            ours.pop_all()
        self._wishes = Sender(wishing)
        self._news = Receiver(telling)
        if self.data >= 0:
            os.set_blocking(self.data, False)
            widen(self.data)
        _alive.add(self)
        _children.add(self._process)
        try:
            self._wish(Start(order, source, sink, vouched, debug=on_event is not None))
        except BaseException:
            self.close()
            raise

    # --- what it is told ------------------------------------------------------------------

    def ask(self, first: int, length: int) -> None:
        """Of a ``Read``: these bytes are wanted next (``Asked``)."""
        self._wish(Asked(first, length))

    def write(self, data: memoryview) -> None:
        """All of ``data`` into the source. Raises what the engine has ended with."""
        while data:
            self._await(select.POLLOUT)
            if self._ended is not None:
                raise self._error(self._ended)
            try:
                data = data[os.write(self.data, data) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise self._error(self._last_word()) from None

    def commit(self) -> None:
        """The source is whole: its end follows."""
        self._wish(Commit())
        self._close_data()

    # --- what it tells ------------------------------------------------------------------

    def readinto(self, view: memoryview) -> int:
        """What is there of the sink, at least one byte; 0 at its end."""
        if self.data < 0:
            raise self._error(self._last_word())
        self._await(select.POLLIN)
        return os.readv(self.data, [view])

    def shown(self) -> Iterator[object]:
        """Every piece of the result, as it comes, until the engine ends. Raises what it has ended with."""
        while True:
            while self._shown:
                yield self._shown.popleft()
            if self._ended is not None:
                self.result()
                return
            self._listen(None)

    def result(self) -> orders.Result:
        """What came of the order, waited for. Raises what the engine has ended with."""
        ended = self._last_word()
        if ended.error:
            raise self._error(ended)
        return cast(orders.Result, ended.result)  # what carry_out returns

    # --- its end ------------------------------------------------------------------

    def close(self) -> None:
        """Cancel the order, if it has not ended, and return when the process has gone."""
        if self._gone:
            return
        self._gone = True
        self._on_event = None
        ends_at = time.monotonic() + CANCEL
        try:
            self._wishes.close()
            while not self._news.ended and (left := ends_at - time.monotonic()) > 0:
                self._listen(left)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(ends_at - time.monotonic(), 0.0))
            if self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            _children.discard(self._process)
        finally:  # also when the wait is interrupted: the engine goes on to abort by itself
            self._ended = self._ended or Ended(None, "Gof3rError", "cancelled: this process wants it no more")
            self._news.close()
            self._close_data()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def forget(self) -> None:
        """This process is a fork of the engine's owner: let go of everything, and end nothing."""
        if not self._gone:
            self._gone = True
            _children.discard(self._process)
            self._process.returncode = 0  # Popen is to wait for nobody: it is no child of ours
            self._wishes.close()
            self._news.close()
            self._close_data()
            self._ended = Ended(None, "Gof3rError", "it belongs to the process that this one was forked from")

    # --- inside ------------------------------------------------------------------

    def _wish(self, wish: Start | Commit | Asked) -> None:
        if not self._gone:
            with suppress(BrokenPipeError):  # it has ended: its news say why
                self._wishes.send(wish)

    def _await(self, mask: int) -> None:
        """Until ``data`` is ready, or broken, taking news meanwhile."""
        poll = select.poll()
        if self._ended is None or mask == select.POLLIN:
            poll.register(self.data, mask)
        if self._ended is None:
            poll.register(self._news.fd, select.POLLIN)
        while self._ended is None or mask == select.POLLIN:
            ready = [fd for fd, _ in poll.poll()]
            if self._ended is None and self._news.fd in ready:
                self._hear()
                if self._ended is not None:
                    poll.unregister(self._news.fd)
            if self.data in ready:
                return

    def _listen(self, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._news.fd, select.POLLIN)
        if poll.poll(None if timeout is None else timeout * 1000):
            self._hear()

    def _hear(self) -> None:
        for message in self._news.receive():
            match message:
                case Ended():
                    self._ended = message
                case Shown(value):
                    self._shown.append(value)
                case _:
                    if isinstance(message, Warned):
                        self.warnings.append(message.text)
                    if self._on_event is not None:
                        self._on_event(message)
        if self._news.ended and self._ended is None:
            self.lost = True
            lost = f"the engine's process was lost{self._how_it_ended()}"
            if isinstance(self._order, (orders.Put, orders.Copy, orders.Begin)):
                target = self._order.target
                lost = f"put {target}: {lost}; `gof3r uploads ls {target}` shows what it may have left"
            self._ended = Ended(None, "TransferError", lost)

    def _how_it_ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(CANCEL)
            return f": killed by signal {-code}" if code < 0 else f": it exited with {code}"
        return ""

    def _last_word(self) -> Ended:
        """How it ended, waited for; the process has gone then."""
        try:
            while self._ended is None:
                self._listen(None)
        finally:
            self.close()
        return self._ended

    def _error(self, ended: Ended) -> Gof3rError:
        error = told(ended.error, ended.text, ended.failure)
        error.kept = ended.kept
        if ended.trace:
            error.__cause__ = EngineTrace(ended.trace)
        return error

    def _close_data(self) -> None:
        if self.data >= 0:
            os.close(self.data)
            self.data = -1


def _interpreter() -> list[str]:
    """The command of an interpreter like this one, with its flags. Raises Gof3rError where there is none: in
    sys.executable of a frozen program stands that program, which would start itself again and again."""
    if getattr(sys, "frozen", False) or not sys.executable:
        raise Gof3rError("cannot start the engine: this program has no Python interpreter to run it with")
    # As multiprocessing does: isolation, warnings and optimisation are meant for all of the program.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *(flag for flag in flags if flag != "-i")]


def _reap() -> None:
    """Wait for engines that were given up in a hurry: their processes would stay zombies."""
    owned = {engine._process for engine in list(_alive) if not engine._gone}
    for process in _children - owned:
        if process.poll() is not None:
            _children.discard(process)


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe's two ends, each to be closed by its stack."""
    ends = os.pipe()
    above = []
    for fd, stack in zip(ends, (reader, writer), strict=True):
        high = _above(fd, stack)
        if high == fd:
            stack.callback(os.close, fd)
        else:
            os.close(fd)
        above.append(high)
    return above[0], above[1]


def _above(fd: int, stack: ExitStack) -> int:
    """``fd``, or a copy of it: 0 to 2 are the child's standard streams, and may be anything here."""
    if fd > 2:
        return fd
    high: int = fcntl(fd, F_DUPFD_CLOEXEC, 3)
    stack.callback(os.close, high)
    return high


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


_alive: WeakSet[Engine] = WeakSet()
_children: set[subprocess.Popen[bytes]] = set()
"""Their processes. Held here, or one that is collected together with its Engine would be given up, with a
warning, before that can end it."""


def _forget_all() -> None:
    for engine in list(_alive):
        engine.forget()


os.register_at_fork(after_in_child=_forget_all)
