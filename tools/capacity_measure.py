"""What the ring costs on this machine: the real program, run for its own numbers.

Theory: every role of the ring is a process, and the kernel counts the CPU of each (/proc/PID/schedstat, ns).
Runs of two lengths and two part sizes give a cost a GiB and a cost a part; what every run pays once cancels.
Ends are cheap and not counted: this process splices a memfd into the program's pipe, and what comes out of it
to /dev/null.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gof3r.engine.flow.events import Fill
from gof3r.engine.flow.slots import Ledger
from gof3r.engine.proc.collector import STEP
from gof3r.engine.proc.slab import Slab
from gof3r.engine.proc.source import Source
from gof3r.engine.s3 import checksums
from tools.capacity_model import Cost, GiB, MiB, fit

ROOT = Path(__file__).parent.parent
SAMPLE = 0.02
"""Seconds between two looks at the processes' clocks: what the last look misses is the same in short and long
runs, and cancels."""
BLOCK = 64 * MiB
"""Bytes of the memfd that is sent again and again."""
FIT = ((1 * GiB, 20 * MiB), (3 * GiB, 20 * MiB), (1 * GiB, 5 * MiB), (3 * GiB, 5 * MiB))
"""Object and part sizes of the runs that ``fit`` takes: the default part, and S3's smallest."""
CONNECTIONS = 8


class MeasureError(Exception):
    """A run failed; the text is what the program said."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where to measure: an S3 that may be written to, with keys in the environment."""

    endpoint: str
    bucket: str
    key: str = "capacity"
    pattern: str = ""
    """Of a null server, which claims one content whatever it is given: with a size behind it, the key of an
    object of so many bytes. Else zeros are put, and got back."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the program."""

    seconds: float
    """From its start to its end."""
    cpu: float
    """Seconds, all its processes."""
    beside: float
    """CPU seconds of everybody else on this machine meanwhile."""
    roles: Mapping[str, float]
    """CPU seconds by role: parent, worker, collector."""


def cpu_of(pid: int) -> float:
    """CPU seconds of one process, all its threads; 0 when it has gone."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_worker(pid: int) -> bool:
    """Workers wait in an epoll, the collector in a poll."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "eventpoll" in os.readlink(link):
                    return True
    return False


def busy_seconds() -> float:
    """CPU seconds of this machine since it started, all processes'."""
    user, nice, system, _, _, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split(None, 8)[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


class Gof3r:
    """The program against one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._block = os.memfd_create("capacity")
        os.ftruncate(self._block, BLOCK)
        if store.pattern:
            self._run(["get", "-k", f"{store.pattern}{BLOCK}", "--no-md5"], None, self._block)

    def close(self) -> None:
        os.close(self._block)

    def warm(self, size: int) -> None:
        """Have a null server work out beforehand what it will claim of ``size`` bytes: 2 s a GiB."""
        if self._store.pattern:
            url = f"{self._store.endpoint}/{self._store.bucket}/{self._store.pattern}{size}"
            headers = {"x-amz-checksum-mode": "ENABLED"}  # without, it works out nothing
            urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="HEAD")).close()

    def put(self, size: int, concurrency: int, part_size: int, *options: str) -> Run:
        """``size`` bytes from a pipe."""
        reading, writing = os.pipe()
        source = threading.Thread(target=self._produce, args=(writing, size))
        source.start()
        try:
            pace = _pace(concurrency, part_size)
            return self._run(["put", "-k", self._store.key, *pace, *options], reading)
        finally:
            os.close(reading)  # should the program have failed, the producer's end has no reader now
            source.join()

    def get(self, size: int, concurrency: int, part_size: int, *options: str, pipe: bool = False) -> Run:
        """The ``size`` bytes that were put last, to /dev/null or into a ``pipe``."""
        key = f"{self._store.pattern}{size}" if self._store.pattern else self._store.key
        arguments = ["get", "-k", key, *_pace(concurrency, part_size), *options]
        with open(os.devnull, "wb") as null:
            if not pipe:
                return self._run(arguments, None, null.fileno())
            reading, writing = os.pipe()
            sink = threading.Thread(target=_consume, args=(reading, null.fileno()))
            sink.start()
            try:
                return self._run(arguments, None, writing)
            finally:
                os.close(writing)
                sink.join()
                os.close(reading)

    def _produce(self, pipe: int, size: int) -> None:
        length = os.fstat(self._block).st_size
        sent = 0
        with contextlib.suppress(BrokenPipeError):
            while sent < size:
                at = sent % length
                sent += os.splice(self._block, pipe, min(length - at, size - sent), offset_src=at)
        os.close(pipe)

    def _run(self, arguments: list[str], stdin: int | None, stdout: int | None = None) -> Run:
        store = self._store
        command = [sys.executable, "-m", "gof3r", *arguments]
        command += ["-b", store.bucket, "--endpoint", store.endpoint, "--checksum", "crc64nvme"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        busy, started = busy_seconds(), time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.DEVNULL if stdout is None else stdout,
                stderr=said,
                env=environ,
            )
            clocks: dict[int, float] = {}
            workers: set[int] = set()
            while True:
                for pid in (process.pid, *children_of(process.pid)):
                    clocks[pid] = max(cpu_of(pid), clocks.get(pid, 0.0))
                    if pid != process.pid and pid not in workers and is_worker(pid):
                        workers.add(pid)
                done, status, usage = os.wait4(process.pid, os.WNOHANG)
                if done:
                    break
                time.sleep(SAMPLE)
            seconds = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            if process.returncode:
                raise MeasureError(said.read().decode(errors="replace").strip())
        roles = {"parent": clocks.pop(process.pid), "worker": 0.0, "collector": 0.0}
        for pid, clock in clocks.items():
            roles["worker" if pid in workers else "collector"] += clock
        cpu = usage.ru_utime + usage.ru_stime
        return Run(seconds, cpu, busy_seconds() - busy - cpu, roles)


def _pace(concurrency: int, part_size: int) -> list[str]:
    return ["-c", str(concurrency), "-s", str(part_size), "--no-md5"]


def _consume(pipe: int, null: int) -> None:
    while os.splice(pipe, null, MiB):
        pass


def digest_cost(name: str) -> Cost:
    """Of a digest over a slot's bytes, with the engine's own function."""
    data = memoryview(bytearray(20 * MiB))
    repeats = 4 if name == "md5" else 100
    checksums.compute((name,), data)
    began = time.thread_time()
    for _ in range(repeats):
        checksums.compute((name,), data)
    return Cost((time.thread_time() - began) / (repeats * len(data)) * GiB)


def piece_costs() -> Iterator[tuple[str, Cost]]:
    """Costs that need no store, by their name in ``Costs``."""
    yield "put_parent_file", _read_cost()
    yield "write_file", _write_cost()
    yield "crc", digest_cost("crc64nvme")
    yield "md5", digest_cost("md5")


def _read_cost() -> Cost:
    """Of the parent's source, over a file that is in memory."""
    slab = Slab(20 * MiB)
    (slot,) = Ledger(20 * MiB, 20 * MiB).slots
    file = os.memfd_create("capacity")
    os.ftruncate(file, BLOCK)
    source = Source(file, slab, crc=True)
    began = 0.0
    read = 0
    for turn in range(40):
        os.lseek(file, turn % 3 * slot.size, os.SEEK_SET)
        source.begin(Fill(slot, slot.size, look_ahead=False))
        while source.read() is None:
            pass
        if turn == 2:  # until now everything was touched for the first time
            began = time.thread_time()
        read += slot.size if turn > 2 else 0
    os.close(file)
    return Cost((time.thread_time() - began) / read * GiB)


def _write_cost() -> Cost:
    """Of writing to a new file in the collector's steps: what the kernel does at once, not the disk."""
    data = memoryview(bytearray(STEP))
    with tempfile.TemporaryFile() as file:
        began = time.thread_time()
        for _ in range(GiB // 2 // STEP):
            os.write(file.fileno(), data)
        return Cost((time.thread_time() - began) * 2)


def ring_costs(gof3r: Gof3r, tls: bool) -> Iterator[tuple[str, Cost]]:
    """Costs of the ring's roles by their name in ``Costs``."""
    suffix = "_tls" if tls else ""
    puts, gets, pipes = [], [], []
    for size, part_size in FIT:
        gof3r.warm(size)
        # The same memory for all: the first touch of a slot costs ten times a later one.
        options = ("--workers", "1", "--memory", f"{(CONNECTIONS + 3) * 20}MiB")
        puts.append(gof3r.put(size, CONNECTIONS, part_size, *options))
        gets.append(gof3r.get(size, CONNECTIONS, part_size, *options))
        pipes.append(gof3r.get(size, CONNECTIONS, part_size, *options, pipe=True))
    role = _fitter(puts)
    yield "put_parent_pipe", role("parent")
    yield f"put_worker{suffix}", role("worker")
    yield "put_collector", role("collector")
    role = _fitter(gets)
    yield "get_parent", role("parent")
    yield f"get_worker{suffix}", role("worker")
    yield "get_collector", role("collector")
    yield "write_pipe", Cost(max(0.0, _fitter(pipes)("collector").gib - role("collector").gib))


def _fitter(runs: list[Run]) -> Callable[[str], Cost]:
    def of(role: str) -> Cost:
        samples = [
            (size / GiB, size / part_size, run.roles[role])
            for (size, part_size), run in zip(FIT, runs, strict=True)
        ]
        return fit(samples)

    return of
