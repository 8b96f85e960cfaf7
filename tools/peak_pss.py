"""How much memory a command takes: the highest PSS of it and all its descendants together.

    python tools/peak_pss.py -- CMD ARG...

CMD has our standard input and output, untouched; one line goes to standard error after its end; the exit code
is CMD's (128 + n when signal n ended it). PSS counts a page that k processes share as 1/k in each, so the sum
over the tree counts every page once, shared memory included. RSS would count the slab once per process.
(Of the pages of files that others map too, the interpreter's above all, it counts the tree's share only.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

INTERVAL = 0.05
"""Seconds between samples, at least."""

SHARE = 0.1
"""The most of our own time that sampling may take: PSS walks the page tables, 4 ms for each process that has
200 MB mapped, and holds a lock that the process needs for mapping more."""


def pss(pid: int) -> tuple[int, int]:
    """Proportional set size of one process in bytes, and how much of it is shared memory; 0 when gone."""
    found = {"Pss:": 0, "Pss_Shmem:": 0}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(" ")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return found["Pss:"], found["Pss_Shmem:"]


def memfds(pids: list[int]) -> int:
    """Bytes that all memfds open in ``pids`` have together, each counted once."""
    sizes = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(link).startswith("/memfd:"):
                        status = link.stat()
                        sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def tree_pss(root: psutil.Process) -> tuple[int, int]:
    """PSS in bytes of ``root`` and its descendants together, and how many processes these are."""
    try:
        pids = [root.pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0, 0
    readings = [pss(pid) for pid in pids]
    shared = sum(shmem for _, shmem in readings)
    # The processes are read one after the other: a page that one maps in between counts fully and by its
    # share (up to 55 MB too much were seen while a slab was first mapped). No more is shared than there is.
    if there := memfds(pids):
        shared = min(shared, there)
    return sum(total - shmem for total, shmem in readings) + shared, len(pids)


def main(arguments: list[str]) -> int:
    if arguments[:1] != ["--"] or len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    peak = processes = 0
    with subprocess.Popen(arguments[1:]) as command:
        # Ctrl-C reaches the command too: it decides.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: command.send_signal(number))
        root = psutil.Process(command.pid)
        while command.poll() is None:
            start = time.monotonic()
            now, count = tree_pss(root)
            if now > peak:
                peak, processes = now, count
            time.sleep(max(INTERVAL, (time.monotonic() - start) * (1 / SHARE - 1)))
    print(f"peak memory: {peak / 1e6:.1f} MB in {processes} processes (PSS)", file=sys.stderr)
    code = command.returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
