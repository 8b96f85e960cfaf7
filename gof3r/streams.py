"""What a user's source or sink is to an engine: a descriptor that it can use itself, or pieces of bytes.

Theory: a descriptor is the fast way, and only right where the bytes behind it are the object's bytes. A
``gzip`` file has the ``fileno`` of what is compressed; a buffered reader has taken bytes out of its
descriptor already. So a descriptor is taken from Python's own files alone; everything else is asked for its
bytes, or given them, in the thread that called: generators and connections may belong to it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, cast

from gof3r.engine.errors import UsageError

from .destination import Destination

Path = str | os.PathLike[str]
Bytes = bytes | bytearray | memoryview
Source = Path | Bytes | IO[bytes] | Iterable[Bytes]
Sink = Path | IO[bytes]

READ = 1 << 20
"""Bytes asked of a file object at once: what a pipe holds."""


@dataclass(frozen=True, slots=True)
class Given:
    """A source: ``fd``, or else ``pieces``."""

    fd: int | None = None
    pieces: Iterator[memoryview] = iter(())
    size: int | None = None
    """Bytes in all, where the engine cannot see it by itself."""
    finish: Callable[[], None] = lambda: None
    """To be called when all of it is stored."""


@dataclass(frozen=True, slots=True)
class Taker:
    """A sink: ``fd``, or else ``write`` for all bytes of a piece; ``finish`` when all of them are there."""

    fd: int | None
    write: Callable[[memoryview], None]
    finish: Callable[[], None]


def source(given: Source, stack: ExitStack) -> Given:
    """``given`` opened, until ``stack`` is closed. Raises OSError for a path that is no use, TypeError."""
    if isinstance(given, (str, os.PathLike)):
        fd = os.open(given, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        return Given(fd)
    view = _view(given)
    if view is not None:
        return Given(pieces=iter((view,)), size=view.nbytes)
    if hasattr(given, "read"):
        return _file(cast(IO[bytes], given), stack)
    if isinstance(given, Iterable):
        return Given(pieces=_pieces(given))
    raise TypeError(f"a source is a path, bytes, a binary file or an iterable of bytes, not {_kind(given)}")


def sink(given: Sink, stack: ExitStack) -> Taker:
    """``given`` opened, until ``stack`` is closed. Raises Gof3rError for a path that is no use, TypeError."""
    if isinstance(given, (str, os.PathLike)):
        path = os.fspath(given)
        if not path:
            raise UsageError("the file's name is empty")
        destination = stack.enter_context(Destination(path))
        return Taker(destination.fd, _nobody, destination.commit)
    if not hasattr(given, "write"):
        raise TypeError(f"a sink is a path or a binary file, not {_kind(given)}")
    raw = _raw(given)
    if raw is None or not raw.writable():
        return Taker(None, lambda piece: _write(given, piece), lambda: None)
    given.flush()
    return Taker(raw.fileno(), _nobody, lambda: _find_place(given, raw))


def _file(file: IO[bytes], stack: ExitStack) -> Given:
    raw = _raw(file)
    if raw is not None and raw.readable():
        if raw.seekable():
            if raw.writable():
                file.flush()  # what was written and is still in the buffer is part of the file
            position = file.tell()
            try:
                # Opened once more, so that neither the engine nor the file moves the other's position.
                fd = os.open(f"/proc/self/fd/{raw.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # no /proc, or no leave to open it again
                pass
            else:
                stack.callback(os.close, fd)
                os.lseek(fd, position, os.SEEK_SET)
                return Given(fd, finish=lambda: _seek_end(file))
        elif file is raw:  # nobody has read ahead of us
            return Given(raw.fileno())
    _restore(file, stack)
    return Given(pieces=_pieces(iter(lambda: file.read(READ), b"")))


def _seek_end(file: IO[bytes]) -> None:
    """Where whoever has read it all ends up."""
    file.seek(0, os.SEEK_END)


def _restore(file: IO[bytes], stack: ExitStack) -> None:
    """Put ``file`` back to where it is now if the transfer fails: it may be tried again."""
    try:
        position = file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return

    def back(kind: object, error: object, trace: object) -> bool:
        if kind is not None and position is not None:
            file.seek(position)
        return False

    stack.push(back)


def _raw(file: object) -> io.FileIO | None:
    """The file of the system behind Python's own, and only those: others may make other bytes of it."""
    if type(file) in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom):
        file = file.raw  # type: ignore[attr-defined]  # all three have one
    return file if type(file) is io.FileIO else None


def _pieces(given: Iterable[Any]) -> Iterator[memoryview]:
    for piece in given:
        view = _view(piece)
        if view is None:
            raise TypeError(f"bytes were expected of the source, and it gave {_kind(piece)}")
        yield view


def _view(given: object) -> memoryview | None:
    try:
        return memoryview(given).cast("B")  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None


def _write(file: Any, piece: memoryview) -> None:
    """All of it: a raw file may take less at once, others say nothing. ``file`` gets bytes of its own: it may
    keep them, and ours are soon others."""
    data = bytes(piece)
    while data:
        count = file.write(data)
        if count is None and not isinstance(file, io.RawIOBase):
            return
        if count is None:
            raise BlockingIOError("the sink takes nothing now: it must not be non-blocking")
        if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= len(data):
            raise OSError(f"the sink's write says {count!r}, of {len(data)} bytes")
        data = data[count:]


def _find_place(file: IO[bytes], raw: io.FileIO) -> None:
    """The engine has moved the descriptor that ``file`` writes to."""
    if raw.seekable():
        file.seek(os.lseek(raw.fileno(), 0, os.SEEK_CUR))


def _nobody(piece: memoryview) -> None:
    raise AssertionError("the engine writes by itself")


def _kind(given: object) -> str:
    return type(given).__name__
