"""A command whose standard output is the stream: started, witnessed, and ended with the transfer.

``put -- CMD`` exists because a shell's pipe hides how its left side ended: a dump that died half way would
become a complete, verified and useless object. Here the stream is whole only when the command has exited
with 0.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Sequence

from ..errors import UsageError, one_line
from ..flow.events import Asked, Cancelled, SourceFailed
from .children import PR_SET_PDEATHSIG, end_family
from .source import Committed

TERM_WAIT = 2.0
"""Seconds that a command has to end after SIGTERM: the whole program should be gone within 5."""

_libc = ctypes.CDLL(None)


class Producer:
    """``command`` running, its output readable at ``output``. It has our standard input and error, and ends
    with us."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises UsageError when it cannot be started."""
        self._name = one_line(command[0], 80)
        self.output, writing = os.pipe2(os.O_CLOEXEC)
        # Open in the child until exec succeeds, which closes it: what comes through is why it did not.
        said, saying = os.pipe2(os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, its end could not be waited for
        parent = os.getpid()
        self._pid = os.fork()  # as the ring's processes; nobody has threads yet
        if not self._pid:
            _become(command, writing, saying, parent)
        os.close(writing)
        os.close(saying)
        with open(said, "rb") as answer:
            number = answer.read()
        if number:
            os.close(self.output)
            os.waitpid(self._pid, 0)
            raise UsageError(f"cannot run {self._name}: {os.strerror(int(number))}")
        self.fd = os.pidfd_open(self._pid)
        self.ended = False

    def hear(self) -> list[Committed | SourceFailed | Cancelled | Asked]:
        """It has exited."""
        self.ended = True
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return [Committed()]
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with {code}"
        return [SourceFailed(f"{self._name} {how}")]

    def close(self) -> None:
        """End it, with what it has started, if it has not ended."""
        os.close(self.output)
        if not self.ended:
            self.ended = True
            end_family(self._pid, TERM_WAIT)
        os.close(self.fd)


def _become(command: Sequence[str], output: int, saying: int, parent: int) -> None:
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        os.dup2(output, 1)
        # Python ignores these two for itself; a command expects the system's defaults.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(saying, str(error.errno).encode())
    except ValueError:  # an empty name, or one with a NUL
        os.write(saying, str(errno.ENOENT).encode())
    finally:
        os._exit(127)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
