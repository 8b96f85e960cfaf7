"""Files, as lanes read and write them: each by its number among those that are under way together."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Sequence

from gof3r.destination import Destination
from gof3r.engine.errors import Gof3rError

from .folder import obstacle
from .items import Identity


class Changed(OSError):
    """A file is not what it was."""


def identity(fd: int) -> Identity:
    """What is known of an open file without reading it. Raises OSError for what is no regular file."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
    return Identity(size=status.st_size, mtime_ns=status.st_mtime_ns)


def readable(path: str) -> int:
    """``path``, open for reading; a FIFO without waiting for its writer. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def check_same(before: Identity, fd: int) -> None:
    """Raises Changed when the file has been written to while it was read."""
    if identity(fd) != before:
        raise Changed(errno.ESTALE, "it was changed while it was read")


class Sources:
    """Files to be read; ``found`` says what they were, of each that was read to its end."""

    def __init__(self, paths: Sequence[str], parts: bool = False) -> None:
        """``parts``: they may be larger than what they are read into."""
        self._paths = paths
        self._parts = parts
        self._open: dict[int, tuple[int, Identity]] = {}
        """Those that are read part by part."""
        self.found: dict[int, Identity] = {}

    def load(self, task: int, room: memoryview) -> tuple[int, bool]:
        """Raises OSError, also for a file that is not what it was when it was opened."""
        fd, before = self._open.pop(task) if task in self._open else self._opened(task)
        ended = False
        try:
            left = (before.size or 0) - os.lseek(fd, 0, os.SEEK_CUR)
            if left > len(room) and not self._parts:
                raise Changed(errno.EFBIG, "it has grown since it was listed")
            wanted = min(left, len(room))
            length = 0
            while length < wanted and (count := os.readv(fd, [room[length:wanted]])):
                length += count
            ended = left == wanted
            if ended:
                check_same(before, fd)
            # Some files of the system have more than they say.
            if length < wanted or (ended and os.read(fd, 1)):
                raise Changed(errno.ESTALE, "it was changed while it was read")
        except BaseException:
            os.close(fd)
            raise
        if ended:
            os.close(fd)
            self.found[task] = before
        else:
            self._open[task] = fd, before
        return length, ended

    def _opened(self, task: int) -> tuple[int, Identity]:
        fd = readable(self._paths[task])
        try:
            return fd, identity(fd)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        for task in list(self._open):
            self.forget(task)

    def save(self, task: int, offset: int, data: memoryview, last: bool) -> None:
        raise AssertionError("sources are not written")

    def forget(self, task: int) -> None:
        fd, _ = self._open.pop(task, (-1, None))
        if fd >= 0:
            os.close(fd)


class Targets:
    """Files to be written, below the directory ``root`` if that is given, but for the run's ``own``; each
    appears when it is complete."""

    def __init__(self, paths: Sequence[str], root: str, own: Collection[str]) -> None:
        self._paths = paths
        self._root = root
        self._own = own
        self._open: dict[int, Destination] = {}

    def load(self, task: int, room: memoryview) -> tuple[int, bool]:
        raise AssertionError("targets are not read")

    def save(self, task: int, offset: int, data: memoryview, last: bool) -> None:
        """Raises OSError; then nothing of it is left."""
        try:
            if task not in self._open:
                self._open[task] = prepared(self._paths[task], self._root, self._own).__enter__()
            destination = self._open[task]
            while data:
                written = os.pwrite(destination.fd, data, offset)
                data, offset = data[written:], offset + written
            if last:
                destination.commit()
                self.forget(task)
        except Gof3rError as error:
            self.forget(task)
            raise OSError(errno.EIO, str(error)) from None

    def close(self) -> None:
        """Nothing is left of what is not complete."""
        for task in list(self._open):
            self.forget(task)

    def forget(self, task: int) -> None:
        destination = self._open.pop(task, None)
        if destination is not None:
            destination.__exit__(None, None, None)


def prepared(path: str, root: str, own: Collection[str]) -> Destination:
    """The file that is to be at ``path``, its directories made. Raises OSError, and Gof3rError where
    something is in its way."""
    if root and (why := obstacle(root, path)):
        raise Gof3rError(why)
    if os.path.realpath(path) in own:
        raise Gof3rError(f"{path}: this run keeps its receipts and its journal there")
    if os.path.exists(path) and not os.path.isfile(path):
        raise Gof3rError(f"{path} is there, and no regular file")
    os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
    return Destination(path)
