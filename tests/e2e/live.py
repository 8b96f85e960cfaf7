"""One run of the program as a real process, seen and steered from outside.

A run has a session of its own, so that every process it ever started can be found, also when its parent has
died. Waiting is polling for a condition with a generous end; no result depends on how long anything takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import IO

import psutil

MIB = 1 << 20
PART = 5 * MIB
"""Bytes: the smallest part that S3 takes."""

BIG = 4 * PART + 12345
"""Bytes of an object of five parts."""
LONG = 3_000_000
"""Bytes of an object that neither a pipe (1 MiB) nor four slots of 100,000 bytes can hold."""

SMALL = ("-s", "5MiB", "-c", "4")
PIECES = ("-s", "100000", "-c", "4")
"""Options: four slots of the smallest part of a put; four small ones of a get."""

PATIENCE = 45.0
"""Seconds after which something that should come about is taken not to."""
PROMPT = 5.0
"""Seconds in which a stopped program is gone: CLI's promise."""


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as ``condition`` holds; fail, saying ``what`` was awaited, when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"in {seconds} s it did not happen: {what}"
        time.sleep(0.02)


@cache
def noise(size: int) -> bytes:
    """``size`` bytes that no two parts have in common; the same in every run."""
    return random.Random(size).randbytes(size)


DATA = noise(300_000)
"""An object of three PIECES."""


def bytes_in(pipe: IO[bytes] | None) -> int:
    """Bytes that wait in ``pipe`` to be read."""
    assert pipe is not None
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(count)


class Live:
    """A process of the program. Output is collected beside the test unless it asked to read it itself."""

    def __init__(self, process: subprocess.Popen[bytes], collect: bool) -> None:
        self.process = process
        self.stdout = b""
        self.stderr = b""
        self._feeding = False
        self._threads = [threading.Thread(target=self._collect_stderr, daemon=True)]
        if collect and process.stdout is not None:
            self._threads.append(threading.Thread(target=self._collect_stdout, daemon=True))
        for thread in self._threads:
            thread.start()

    def _collect_stdout(self) -> None:
        assert self.process.stdout is not None
        self.stdout = self.process.stdout.read()

    def _collect_stderr(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read()

    # --- its streams ------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Write ``data`` to its standard input, all of it. A program that has ended does not mind."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def end_input(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def feed_and_end(self, data: bytes) -> None:
        """As ``feed`` and ``end_input``, beside the test: it may stop the program from reading on."""

        def run() -> None:
            self.feed(data)
            self.end_input()

        self._feeding = True
        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def unread(self) -> int:
        """Bytes of its standard input that it has not read yet."""
        return bytes_in(self.process.stdin)

    def stuck(self) -> bool:
        """Its standard output does not take another page."""
        assert self.process.stdout is not None
        room = fcntl.fcntl(self.process.stdout, fcntl.F_GETPIPE_SZ) - bytes_in(self.process.stdout)
        return room < mmap.PAGESIZE

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes of its standard output, or the rest of it."""
        assert self.process.stdout is not None
        return self.process.stdout.read(size)

    # --- its processes ------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self.process.pid

    def family(self) -> list[psutil.Process]:
        """The processes of its session that have not ended, in the order of their birth."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((process.create_time(), process.pid, process))
        return [process for *_, process in sorted(found)]

    def children(self) -> list[psutil.Process]:
        """Its processes but the first: the collector, the control worker, the part workers, as they come."""
        return [process for process in self.family() if process.pid != self.pid]

    def await_children(self, count: int) -> list[psutil.Process]:
        until(lambda: len(self.children()) >= count, f"{count} children")
        return self.children()

    def owner(self, port: int) -> psutil.Process:
        """The process of it whose connection has the local ``port``."""
        for process in self.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(each.laddr.port == port for each in process.net_connections("tcp") if each.laddr):
                    return process
        raise AssertionError(f"no process has a connection from port {port}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    # --- its end ------------------------------------------------------------------

    def end(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; its exit code. Nothing of it may be left: neither process nor silence."""
        if not self._feeding:
            self.end_input()
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE) -> int:
        """As ``end``, with standard input left open."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.said[-20:]}") from None
        left = self.family()
        assert not left, f"processes are left: {left}"
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "somebody still holds its output"
        return code

    @property
    def said(self) -> list[str]:
        """Lines of standard error; only after its end."""
        return self.stderr.decode().splitlines()

    @property
    def error(self) -> str:
        """Its error line: the only line that it may have printed, warnings aside."""
        lines = [line for line in self.said if not line.startswith("gof3r warning: ")]
        assert len(lines) == 1, self.said
        assert lines[0].startswith("gof3r error: "), self.said
        return lines[0]

    @property
    def verified(self) -> str:
        """What its last line says was verified."""
        last = self.said[-1]
        assert ", verified: " in last, self.said
        return last.rpartition(", verified: ")[2]

    def destroy(self) -> None:
        """Kill what is left of it and close our ends."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)
        streams: list[IO[bytes] | None] = [self.process.stdin, self.process.stdout, self.process.stderr]
        for stream in streams:
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


class Start:
    """Starts runs. Called with the program's arguments; ``stdin``: its whole input, or None to feed it by
    hand; ``collect`` false: the test reads standard output itself; ``env`` adds to the environment, None
    removes; ``shell``: how a shell runs it (``exec "$@" >&-``)."""

    def __init__(self, environment: dict[str, str], folder: Path, stack: contextlib.ExitStack) -> None:
        self._environment = environment
        self._folder = folder
        self._stack = stack

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        collect: bool = True,
        env: Mapping[str, str | None] | None = None,
        shell: str = "",
    ) -> Live:
        values = {**self._environment, **(env or {})}
        command = [sys.executable, "-m", "gof3r", *arguments]
        if shell:
            command = ["/bin/sh", "-c", shell, "sh", *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            env={name: value for name, value in values.items() if value is not None},
            start_new_session=True,
        )
        live = Live(process, collect)
        self._stack.callback(live.destroy)
        if stdin is not None:
            live.feed_and_end(stdin)
        return live

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str | None] | None = None,
        shell: str = "",
    ) -> tuple[int, Live]:
        """A run from start to end: its exit code, and what it said."""
        live = self(*arguments, stdin=stdin, env=env, shell=shell)
        return live.end(), live
