"""The program as a real process, with hurried waits, and without paying for Python's start each time.

A *stable* is a process without threads that has imported everything; for every run it forks a child, gives it
a session, pipes for its streams, an environment and a folder of its own, and calls ``gof3r.cli.main`` there.
From then on it is what a shell would have started, but for the waits: ``orders.Terms.hurry`` divides them.

``Stable`` is its owner's end. ``python -m tests.faults.program`` is the stable itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[2]

LIMIT = 60.0
"""Seconds after which a run has hung: everything in it takes at most a few."""

LINGER = 2.0
"""Seconds in which the kernel has killed what died with its parent (PR_SET_PDEATHSIG)."""


@dataclass(frozen=True)
class Run:
    """What to run. ``stdin`` is a file whose bytes come through a pipe; "" for none."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    stdin: str = ""
    hurry: float = 1.0


@dataclass(frozen=True)
class Ended:
    """How a run went. ``left`` are processes of its session that had not ended with it."""

    code: int
    stdout: bytes = field(repr=False)
    stderr: str
    seconds: float
    hung: bool
    left: tuple[str, ...]
    peak: int = 0
    """Bytes of the largest process of it, what it shares with others included (``ru_maxrss``)."""

    @property
    def lines(self) -> list[str]:
        return self.stderr.splitlines()


class Stable:
    """Runs of the program, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C is for its owner
        )
        self.pid = self._process.pid

    def __enter__(self) -> Stable:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __call__(self, run: Run, began: Callable[[int], None] = lambda pid: None) -> Ended:
        """``began`` is told the run's first process, which is also its session."""
        assert self._process.stdin is not None and self._process.stdout is not None
        pickle.dump(run, self._process.stdin)
        self._process.stdin.flush()
        began(pickle.load(self._process.stdout))
        ended: Ended = pickle.load(self._process.stdout)
        return ended


# --- the stable ------------------------------------------------------------------


def main() -> None:
    asks, tells = _streams()
    _import_all()
    while True:
        try:
            run: Run = pickle.load(asks)
        except EOFError:
            return
        pickle.dump(_carry_out(run, (asks, tells)), tells)
        tells.flush()


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Our owner's pipes, under numbers that no run takes for its own streams."""
    asks, tells = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return asks, tells


def _import_all() -> None:
    import importlib
    import pkgutil

    import gof3r

    for module in pkgutil.walk_packages(gof3r.__path__, "gof3r."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _carry_out(run: Run, ours: tuple[BinaryIO, ...]) -> Ended:
    pipes = [os.pipe() for _ in range(3)]
    ctypes.CDLL(None).malloc_trim(0)  # what we have read for earlier runs is not to be this one's memory
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        _become(run, [pipes[0][0], pipes[1][1], pipes[2][1]], [each.fileno() for each in ours])
    for fd in (pipes[0][0], pipes[1][1], pipes[2][1]):
        os.close(fd)
    tells = ours[1]
    pickle.dump(pid, tells)
    tells.flush()
    data = Path(run.stdin).read_bytes() if run.stdin else b""
    said, hung = _attend(pid, pipes[0][1], (pipes[1][0], pipes[2][0]), data, began + LIMIT)
    if hung:
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - began
    left = _left(pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    code, peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
    return Ended(code, said[0], said[1].decode("utf-8", "replace"), seconds, hung, left, peak)


def _become(run: Run, streams: list[int], foreign: list[int]) -> None:
    """In the child: be the program."""
    code = 70
    try:
        os.setsid()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.closerange(3, max(*streams, *foreign, 64) + 1)
        os.chdir(run.folder)
        os.environ.clear()
        os.environ.update(run.environment)
        sys.argv = ["gof3r", *run.arguments]
        _hurry(run.hurry)
        from gof3r import cli

        code = cli.main()
        if sys.stdout is not None:
            sys.stdout.flush()
    finally:
        os._exit(code)


def _hurry(times: float) -> None:
    """Every order of this process is made with ``times`` in its terms."""
    from gof3r import resolve
    from gof3r.arguments import Command

    made = resolve.order

    def hurried(command: Command, environ: Mapping[str, str]) -> resolve.Resolved:
        resolved = made(command, environ)
        terms = replace(resolved.order.terms, hurry=times)
        order: Any = resolved.order  # mypy takes what all orders have in common for nothing
        return replace(resolved, order=replace(order, terms=terms))

    resolve.order = hurried


def _attend(
    pid: int, stdin: int, outputs: tuple[int, int], data: bytes, end: float
) -> tuple[tuple[bytes, bytes], bool]:
    """Feed and read the streams of ``pid`` until it and they have ended; whether it has not by ``end``."""
    said = {fd: bytearray() for fd in outputs}
    ending = os.pidfd_open(pid)
    rest = memoryview(data)
    os.set_blocking(stdin, False)
    with selectors.DefaultSelector() as selector:
        for fd in (*outputs, ending):
            selector.register(fd, selectors.EVENT_READ)
        selector.register(stdin, selectors.EVENT_WRITE)
        ended = False
        while (selector.get_map().keys() - {stdin}) and time.monotonic() < end:
            for key, _ in selector.select(0.5):
                fd = key.fd
                if fd == ending:
                    ended = True
                    end = min(end, time.monotonic() + LINGER)  # for what may still hold its output
                elif fd == stdin:
                    try:
                        rest = rest[os.write(fd, rest[: 1 << 20]) :] if rest else rest
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        rest = rest[:0]
                    if rest:
                        continue
                elif piece := os.read(fd, 1 << 18):
                    said[fd] += piece
                    continue
                selector.unregister(fd)
                os.close(fd)
        for key in list(selector.get_map().values()):
            os.close(key.fd)
    first, second = (bytes(said[fd]) for fd in outputs)
    return (first, second), not ended


def _left(session: int) -> tuple[str, ...]:
    """Processes of ``session`` that are there for longer than dying takes."""
    end = time.monotonic() + LINGER
    while left := tuple(_members(session)):
        if time.monotonic() > end:
            return left
        time.sleep(0.01)
    return ()


def _members(session: int) -> Iterator[str]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            line = Path("/proc", name, "stat").read_text(errors="replace")
            state, _, _, its = line.rpartition(")")[2].split()[:4]
            if int(its) == session and state not in "ZX":
                yield line[:60]


if __name__ == "__main__":
    from tests.faults import program  # what is pickled must be known by this name, not by __main__

    program.main()
