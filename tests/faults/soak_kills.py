"""Signals to the processes of a running transfer, at the moments that its plan names.

Theory: the engine forks its processes, so they all bear one command line; a worker is known by its epoll
descriptor, the collector by having none. What was forked a moment ago still has its parent's descriptors and
counts as nobody yet. Of a process that is found and dies before the signal comes, nothing is reported.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from tests.faults.soak_plan import Kill, Victim

YOUNG = 0.05
"""Seconds in which a forked process becomes what it is to be; it takes some milliseconds."""
LOOK = 0.002
"""Seconds between two looks at what the server was asked, or for a victim."""
PATIENCE = 0.2
"""Seconds after the moment in which a victim may still appear."""

MARK = "GOF3R_SOAK"
"""The variable that every process started for a case has in its environment."""


class Killing:
    """Deals out ``kills`` beside a run, from ``begin`` to ``end``. ``asked``: requests that the server has
    seen of it so far."""

    def __init__(self, kills: Sequence[Kill], rng: random.Random, asked: Callable[[], int]) -> None:
        self.done: list[Kill] = []
        """Those that met their victim."""
        self._kills = kills
        self._rng = rng
        self._asked = asked
        self._over = threading.Event()
        self._hit: set[int] = set()
        self._thread: threading.Thread | None = None

    def begin(self, root: Callable[[], int | None]) -> None:
        """``root`` finds the run's first process, once there is one."""
        if self._kills:
            self._thread = threading.Thread(target=self._run, args=(root,), daemon=True)
            self._thread.start()

    def end(self) -> tuple[Kill, ...]:
        """The run has ended; what has been done."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        return tuple(self.done)

    def _run(self, root: Callable[[], int | None]) -> None:
        for kill in self._kills:
            while self._asked() < kill.after:
                if self._over.wait(LOOK):
                    return
            if self._over.wait(kill.delay):
                return
            end = time.monotonic() + PATIENCE
            while not self._strike(kill, root()) and time.monotonic() < end:
                if self._over.wait(LOOK):
                    return

    def _strike(self, kill: Kill, root: int | None) -> bool:
        if root is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            found = [each for each in _victims(kill.victim, root) if each.pid not in self._hit]
            if found:
                victim = self._rng.choice(found)
                self._hit.add(victim.pid)
                victim.send_signal(kill.signal)  # psutil makes sure that the number is still this process's
                self.done.append(kill)
                return True
        return False


def _victims(victim: Victim, root: int) -> list[psutil.Process]:
    first = psutil.Process(root)
    if victim == "parent":
        return [first] if _lives(first) else []
    return [child for child in first.children() if _lives(child) and _kind(child, first) == victim]


def _lives(process: psutil.Process) -> bool:
    return bool(process.status() != psutil.STATUS_ZOMBIE)


def _kind(process: psutil.Process, parent: psutil.Process) -> Victim | None:
    """What ``process`` is, if that can be seen yet."""
    with contextlib.suppress(psutil.NoSuchProcess, OSError):
        if process.cmdline() != parent.cmdline():
            return "command"
        open_now = [os.readlink(each) for each in Path(f"/proc/{process.pid}/fd").iterdir()]
        if "anon_inode:[eventpoll]" in open_now:
            return "worker"
        if time.time() - process.create_time() > YOUNG:
            return "collector"
    return None


def marked(mark: str) -> Iterator[int]:
    """Processes that were started for the case ``mark``, and live."""
    wanted = f"{MARK}={mark}".encode()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0") and _lives(process):
                yield process.pid


def strays(mark: str, linger: float) -> tuple[int, ...]:
    """Those of them that are there for longer than dying takes, ``linger`` seconds; they are killed."""
    end = time.monotonic() + linger
    while left := tuple(marked(mark)):
        if time.monotonic() > end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return left
        time.sleep(0.01)
    return ()
