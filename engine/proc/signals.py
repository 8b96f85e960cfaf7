"""Signals that only queue: the handler's whole work is the byte that Python writes to a pipe.

The parent polls that pipe beside its others, so that a signal is one more event, in order with the rest, and
nothing is ever done inside a handler. Children ignore what a terminal sends to the whole group: the parent
tells them.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _queue_only(number: int, frame: FrameType | None) -> None:
    """The number is in the wakeup pipe already."""


class Signals:
    """While open, the stopping signals arrive in ``fd``; ``close`` restores the handlers that were there."""

    def __init__(self) -> None:
        # Ignored by who started us, a child's end could not be waited for, and its pid would be free at once.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # A signal that was ignored from outside (nohup) stays ignored.
        self._handlers = {
            number: signal.signal(number, _queue_only)
            for number in STOPPING
            if signal.getsignal(number) is not signal.SIG_IGN
        }

    def receive(self) -> list[int]:
        """Numbers of the stopping signals that have come."""
        try:
            return [number for number in os.read(self.fd, 256) if number in self._handlers]
        except BlockingIOError:
            return []

    def close(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals wait meanwhile. For imports: what a handler raises amid one can be lost (PyCapsule_Import makes
    an ImportError of it, which ElementTree takes for a missing accelerator)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_in_child() -> None:
    """A child of the ring ends when its pipe does, or by SIGKILL; the terminal's signals are the parent's."""
    signal.set_wakeup_fd(-1)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
