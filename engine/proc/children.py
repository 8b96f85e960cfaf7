"""Processes of the ring: start, end, reap.

Children are forked, not executed: four are ready in 49 ms where exec takes 138, and share the parent's
imports (3.8 MB each instead of 12.5, measured). That is safe because the parent has no threads and no
library that starts any. A child owns only the descriptors it is given; every other one is closed in one
place, here, because a pipe's EOF, on which the ring relies, needs every copy of its writing end to go.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable

from .signals import ignore_in_child

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a child gets when its parent dies, however it dies."""

MADV_DONTNEED = 4
"""madvise(2): these pages need not be in memory; of a file's, the next touch brings them back."""

_libc = ctypes.CDLL(None)


def fork(main: Callable[[], None], keep: Iterable[int]) -> int:
    """Start a child that runs ``main`` and exits; it owns the descriptors ``keep`` and standard error, with
    /dev/null in place of standard input and output unless kept. Returns its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70  # EX_SOFTWARE: a bug of ours
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:  # else it died before we could ask to be told
            ignore_in_child()
            _own(set(keep))
            main()
            code = 0
    except BrokenPipeError:
        code = 0  # the ring has gone before us
    except BaseException as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", 0) == errno.ENOMEM:
            sys.stderr.write("gof3r warning: a process of the transfer got no more memory (ulimit -v?)\n")
        else:
            import traceback  # late: hardly ever

            traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _own(keep: set[int]) -> None:
    kept = sorted(keep | {2})
    for low, high in zip([-1, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)
    for standard in (0, 1):
        if standard not in keep:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one


def share_what_is_loaded() -> None:
    """Before the first fork: make what the children inherit as small as it can be, and keep it shared.

    A collection in a child would copy every page that holds an object, so what exists is exempt. Of the
    libraries, mostly what start-up needs was touched: those pages are given back (11 MB of code and 4 of
    tables in all processes, measured) and return by themselves, from the page cache, where they are
    still needed. Only what was never written, so that nothing can be lost: code, the tables ahead of it, and
    the constants behind it; what follows those was written by the loader (RELRO).
    """
    gc.collect()
    gc.freeze()
    with open("/proc/self/maps") as maps:
        mappings = [line.rstrip("\n").split(None, 5) for line in maps if "/" in line]
    for before, here, after in zip([[], *mappings], mappings, [*mappings[1:], []], strict=False):
        behind = before[1] if _adjoin(before, here) else ""
        ahead = after[1] if _adjoin(here, after) else ""
        constant = here[1] == "r--p" and (ahead == "r-xp" or (behind, ahead) == ("r-xp", "r--p"))
        if here[1] == "r-xp" or constant:
            start, end = (int(address, 16) for address in here[0].split("-"))
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _adjoin(low: list[str], high: list[str]) -> bool:
    """Whether two lines of proc(5)'s maps are of one file and of adjoining memory."""
    return bool(low and high) and low[5] == high[5] and low[0].split("-")[1] == high[0].split("-")[0]


def kill(pid: int) -> None:
    """End ``pid``, a child that has not been waited for. It stays a zombie, so the number stays its own."""
    os.kill(pid, signal.SIGKILL)


def end_family(pid: int, grace: float) -> None:
    """End ``pid``, a program that is our child, with all that it has started: politely, and after ``grace``
    seconds by force. What has made itself a session of its own is a service that others may use by now (an
    agent, a shared connection), and is left; so is what runs as another user (sudo), to end with its pipe."""
    fds: list[int] = []
    try:
        for each in _family(pid):
            with contextlib.suppress(ProcessLookupError):
                fds.append(os.pidfd_open(each))
        _signal(fds, signal.SIGTERM)
        deadline = time.monotonic() + grace
        left = list(fds)
        while left and (wait := deadline - time.monotonic()) > 0:
            gone = select.select(left, [], [], wait)[0]
            left = [fd for fd in left if fd not in gone]
    finally:  # also where somebody is in a hurry (a second signal)
        _signal(fds, signal.SIGKILL)
        with contextlib.suppress(PermissionError):
            end(pid)
        for fd in fds:
            os.close(fd)


def _family(pid: int) -> list[int]:
    """``pid``, and what it has started in our session, as far as the system shows it."""
    import psutil  # late: most transfers start no program

    try:
        started = [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except (OSError, psutil.Error):  # proc(5), hidepid=1
        started = []
    ours = os.getsid(0)
    return [pid, *(each for each in started if _session(each) == ours)]


def _session(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _signal(fds: list[int], number: int) -> None:
    for fd in fds:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(fd, number)


def end(pid: int) -> float:
    """Kill ``pid``, if it still runs, and wait until it is gone: it can do nothing any more. Only once.
    Returns the CPU seconds that it has used."""
    kill(pid)
    _, _, used = os.wait4(pid, 0)
    return used.ru_utime + used.ru_stime


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes hold together, shared pages counted once (PSS); 0 where the system
    does not say (proc(5), smaps_rollup). About 2 ms for each 200 MB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/smaps_rollup") as file:
            shares = (int(line.split()[1]) for line in file if line.startswith("Pss:"))
            total += next(shares, 0) * 1024  # a process that has just ended has an empty file
    return total


def cpu_seconds(pid: int) -> float:
    """CPU seconds that ``pid`` has used so far, to 10 ms; 0 where the system does not say (proc(5), stat)."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
