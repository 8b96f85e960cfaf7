"""One run of one command: its time, processor, memory, and what really moved.

Theory: wait4 tells the processor time of a command and of all descendants that it has waited for. Whatever
the kernel says was used beyond that, by the server, by the pipe's other end and by us, somebody else used:
the run was disturbed. An exit code of 0 proves nothing: the bytes that crossed the network interfaces and the
bytes that came out of the pipe are counted too. Memory is sampled only on request, since that takes time from
the command.

It must not know what the commands are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from tools.peak_pss import INTERVAL, SHARE, tree_pss

ENDS = Path(__file__).with_name("ends.py")
PIPE = 1 << 20
"""Bytes of the pipe that a get writes to: the most that Linux gives to everybody. That of a put stays as a
shell makes it: to enlarge it is the reader's business."""

SETTLE = 0.2
"""Seconds before each run, for what the one before has left to the kernel and the server."""

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """Seconds, and bytes. ``server`` and ``other`` are CPU time of the server and of everybody else.

    ``peak`` is 0 unless memory was sampled, ``piped`` None unless a get wrote to a pipe; ``said`` is the last
    line that the command wrote to standard error.
    """

    code: int
    wall: float
    user: float
    system: float
    server: float
    other: float
    peak: int
    moved: int
    piped: int | None
    said: str

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass(frozen=True)
class _Meters:
    """Readings of counters that only grow."""

    busy: float
    """CPU seconds that the whole machine spent on programs, or lost to other machines on the same host."""
    server: float
    ours: float
    sent: int
    received: int

    @classmethod
    def read(cls, server: psutil.Process | None) -> _Meters:
        # user nice system idle iowait irq softirq steal, in ticks. Interrupts are charged to nobody.
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        lines = Path("/proc/net/dev").read_text().splitlines()[2:]
        columns = [line.partition(":")[2].split() for line in lines]
        return cls(
            busy=(sum(ticks[:3]) + ticks[7]) / TICK,
            server=_tree_cpu(server) if server else 0.0,
            ours=time.process_time(),
            sent=sum(int(words[8]) for words in columns),
            received=sum(int(words[0]) for words in columns),
        )


def measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    way: str,
    size: int,
    server: psutil.Process | None,
    *,
    source: Path | None,
    sample: bool,
    limit: float,
) -> Measured:
    """Runs ``command`` for an object of ``size`` bytes; kills it after ``limit`` seconds.

    ``way`` is put (from a pipe: noise, or what ``source`` repeats), get-pipe or get-null. Raises OSError when
    the command cannot be started.
    """
    time.sleep(SETTLE)
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        end = stack.enter_context(_end(way, size, source)) if way != "get-null" else None
        stdin = end.stdout if end and way == "put" else None
        stdout = end.stdin if end and way != "put" else None
        before, start = _Meters.read(server), time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=errors,
            env=dict(environment),
            cwd=environment["HOME"],
            start_new_session=True,
        )
        try:
            for pipe in (stdin, stdout):
                if pipe:
                    pipe.close()  # Its end comes when the command ends, not when we do.
            peak, in_time = _wait(process.pid, limit, sample)
            wall = time.monotonic() - start
        finally:  # Also when we are told to stop. With it goes what it has left behind.
            os.killpg(process.pid, signal.SIGKILL)
            code, user, system = _reap(process)
        piped, spent = None, 0.0
        if end:
            piped = int(end.stdout.read() or 0) if way == "get-pipe" and end.stdout else None
            _, *times = _reap(end)
            spent = sum(times)
        after = _Meters.read(server)
        served = after.server - before.server
        accounted = user + system + served + spent + after.ours - before.ours
        return Measured(
            code=code,
            wall=wall,
            user=user,
            system=system,
            server=served,
            other=max(0.0, after.busy - before.busy - accounted),
            peak=peak,
            moved=after.sent - before.sent if way == "put" else after.received - before.received,
            piped=piped,
            said=_last_line(errors) if in_time else f"no end within {limit:.0f} s",
        )


@contextlib.contextmanager
def _end(way: str, size: int, source: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """The other end of the command's pipe, at work: a source with bytes in the pipe, or a sink that reads."""
    # Isolated, and without site-packages: it starts in a third of the time.
    python = [sys.executable, "-I", "-S", str(ENDS)]
    if way == "put":
        command = [*python, "source", str(size), *([str(source)] if source else [])]
        end = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    else:
        end = subprocess.Popen([*python, "sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert end.stdout is not None
        if end.stdin:
            fcntl.fcntl(end.stdin, fcntl.F_SETPIPE_SZ, PIPE)  # type: ignore[attr-defined, unused-ignore]
            end.stdout.readline()
        else:
            select.select([end.stdout], [], [])
        yield end
    finally:
        if end.returncode is None:
            end.kill()
        end.__exit__(None, None, None)


def _wait(pid: int, limit: float, sample: bool) -> tuple[int, bool]:
    """Waits for a child's end without reaping it: its peak PSS in bytes, and whether it kept the limit."""
    deadline = time.monotonic() + limit
    descriptor = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        root, peak, pause = psutil.Process(pid), 0, INTERVAL if sample else limit
        while not ended.poll(max(0.0, min(pause, deadline - time.monotonic())) * 1000):
            start = time.monotonic()
            if start >= deadline:
                return peak, False
            if sample:
                peak = max(peak, tree_pss(root)[0])
                pause = max(INTERVAL, (time.monotonic() - start) * (1 / SHARE - 1))
        return peak, True
    finally:
        os.close(descriptor)


def _reap(process: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    """Exit code (negative: the signal), user and system seconds of a child and those it has waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # Popen need not wait for it any more.
    return process.returncode, usage.ru_utime, usage.ru_stime


def _tree_cpu(root: psutil.Process) -> float:
    """CPU seconds of a process and its descendants so far."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return "".join(letter for letter in lines[-1] if letter.isprintable())[:300] if lines else ""
