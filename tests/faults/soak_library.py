"""The library in the hands of one long-lived user, whose memory and descriptors can be looked at.

``Library`` is its owner's end. ``python -m tests.faults.soak_library`` is the user: it makes one call after
the other, in one process, and tells of each as ``program`` tells of a run of the command: an error is a line
and the exit code 1. As there, waits are hurried.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from tests.faults.program import LIMIT, ROOT, Ended
from tests.faults.soak_kills import MARK, marked

M_MMAP_THRESHOLD = -3  # <malloc.h>

PIECE = 300_000
"""Bytes that an iterable gives at once: parts do not begin where pieces do."""


@dataclass(frozen=True)
class Call:
    """What to call. ``words`` are a way's; ``mark`` is for the environment of what is started."""

    words: tuple[str, ...]
    source: str
    """URL of the object to read."""
    target: str
    """URL of the object to make, or to remove."""
    file: str
    """Path of the bytes to put."""
    folder: str
    """Where a file is made."""
    mark: str
    config: Mapping[str, Any] = field(default_factory=dict)
    if_none_match: bool = False
    hurry: float = 1.0


class Library:
    """Calls, one at a time. A context manager."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._folder = folder
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.soak_library", str(self._folder / "said")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for its owner
        )
        self.pid = self._process.pid

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __call__(self, call: Call) -> Ended:
        assert self._process.stdin is not None
        pickle.dump(call, self._process.stdin)
        self._process.stdin.flush()
        ended = self._answer()
        if ended is not None:
            return ended
        for pid in marked(call.mark):  # it has hung; without its engine it can say so
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended = self._answer()
        if ended is None:
            self._process.kill()
            self.__exit__()
            self._start()
            return Ended(70, b"", "the library itself has hung", LIMIT, True, ())
        return replace(ended, hung=True)

    def engine(self) -> int | None:
        """The first process of the engine at work, once there is one."""
        return next((child.pid for child in psutil.Process(self.pid).children()), None)

    def _answer(self) -> Ended | None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], LIMIT)[0]:
            return None
        ended: Ended = pickle.load(self._process.stdout)
        return ended


# --- the user ------------------------------------------------------------------


def return_what_is_freed() -> None:
    """Have glibc give freed bodies back to the system. By itself it comes to keep those of up to 32 MiB, one
    for each thread that has had one (mallopt(3)), which would hide a leak of ours."""
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def main() -> None:
    return_what_is_freed()
    asks, tells = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    said = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)
    os.dup2(said, 2)
    _hurry_all()
    while True:
        try:
            call: Call = pickle.load(asks)
        except EOFError:
            return
        os.environ[MARK] = call.mark
        ended = _made(call)
        pickle.dump(replace(ended, stderr=ended.stderr + _rest_of(said)), tells)
        tells.flush()


_hurry = 1.0


def _hurry_all() -> None:
    """Every order that goes to an engine has ``_hurry`` in its terms."""
    from gof3r.engine import orders

    child: Any = importlib.import_module("gof3r.child")
    start = child.Start

    def hurried(order: Any, *args: Any, **named: Any) -> Any:
        if isinstance(order, orders.Read):
            order = replace(order, whole=replace(order.whole, terms=replace(order.terms, hurry=_hurry)))
        else:
            order = replace(order, terms=replace(order.terms, hurry=_hurry))
        return start(order, *args, **named)

    child.Start = hurried


def _rest_of(said: int) -> str:
    """What the engines have written to standard error."""
    os.lseek(said, 0, os.SEEK_SET)
    text = os.read(said, 1 << 20).decode(errors="replace")
    os.ftruncate(said, 0)
    return text


def _made(call: Call) -> Ended:
    global _hurry
    import gof3r

    _hurry = call.hurry
    lines: list[str] = []
    out = io.BytesIO()

    def hear(event: object) -> None:
        if isinstance(event, gof3r.Warned):
            lines.append(f"gof3r warning: {event.text}")

    code, began = 0, time.monotonic()
    try:
        _do(call, hear, out)
    except gof3r.Gof3rError as error:
        code = 1
        lines.append(f"gof3r error: {error}")
    except Exception as error:
        code = 70
        lines.append(f"{type(error).__name__}: {error}")
    text = "".join(f"{line}\n" for line in lines)
    return Ended(code, out.getvalue(), text, time.monotonic() - began, False, ())


def _do(call: Call, hear: Any, out: BinaryIO) -> None:
    import gof3r

    config, source, target = gof3r.Config(**call.config), call.source, call.target
    data = Path(call.file)
    once: dict[str, Any] = {"if_none_match": call.if_none_match, "config": config, "on_event": hear}
    match call.words:
        case ("put", "path"):
            gof3r.put(data, target, **once)
        case ("put", "bytes"):
            gof3r.put(data.read_bytes(), target, **once)
        case ("put", "pieces"):
            gof3r.put(_pieces(data), target, **once)
        case ("open", "wb"):
            with gof3r.open(target, "wb", **once) as writer:
                for piece in _pieces(data):
                    writer.write(piece)
        case ("copy",):
            gof3r.copy(source, target, **once)
        case ("get", "path"):
            gof3r.get(source, Path(call.folder, "out"), config=config, on_event=hear)
        case ("get", "stream"):
            gof3r.get(source, out, config=config, on_event=hear)
        case ("open", "rb"):
            with gof3r.open(source, config=config, on_event=hear) as reader:
                while piece := reader.read(PIECE):
                    out.write(piece)
        case ("verify",):
            gof3r.verify(source, config=config, on_event=hear)
        case ("remove",):
            gof3r.remove(target, config=config, on_event=hear)
        case _:
            raise AssertionError(call.words)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


if __name__ == "__main__":
    from tests.faults import soak_library  # what is pickled must be known by this name, not by __main__

    soak_library.main()
