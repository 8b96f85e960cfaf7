"""The cheap ends of a measured pipe, each a process of its own: where bytes come from, and where they go.

    python ends.py source SIZE [FILE]   writes SIZE bytes, noise or what FILE repeats, to standard output
    python ends.py sink                 swallows standard input; prints "ready" first, and last how many bytes

Theory: the ends share the processor with what is measured, so they must cost next to nothing. Both splice:
a file's pages in memory become the pipe's own, and the sink's go to /dev/null, without a copy. The noise
repeats every PERIOD bytes; no two parts of an upload are the same as long as their size is no multiple of it.
"""

from __future__ import annotations

import contextlib
import os
import sys

PERIOD = (8 << 20) + os.sysconf("SC_PAGESIZE")
"""Bytes after which the source repeats: one page more than parts are multiples of."""

ONCE = 1 << 20
"""Bytes of one splice: the largest pipe that Linux gives to everybody (fs.pipe-max-size)."""


def source(size: int, path: str | None = None) -> None:
    """Writes ``size`` bytes to standard output, or until its reader has gone."""
    if path is None:
        content = os.memfd_create("noise")
        os.pwrite(content, os.urandom(PERIOD), 0)  # Which no program can compress.
    else:
        content = os.open(path, os.O_RDONLY)
    period, sent = os.fstat(content).st_size, 0
    with contextlib.suppress(BrokenPipeError):
        while sent < size:
            offset = sent % period
            sent += os.splice(content, 1, min(size - sent, period - offset), offset_src=offset)


def sink() -> None:
    """Reads standard input to its end."""
    print("ready", flush=True)
    received = 0
    with open(os.devnull, "wb") as nowhere:
        while count := os.splice(0, nowhere.fileno(), ONCE):
            received += count
    print(received)


if __name__ == "__main__":
    if sys.argv[1] == "source":
        source(int(sys.argv[2]), *sys.argv[3:])
    else:
        sink()
