"""Small files, as lanes read and write them: each by its number among those that are under way together."""

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
    """Files to be read whole; ``found`` says what they were."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self.found: dict[int, Identity] = {}

    def load(self, task: int, room: memoryview) -> int:
        """Read all of it. Raises OSError, also for a file that has grown out of ``room``."""
        fd = readable(self._paths[task])
        try:
            before = identity(fd)
            size = before.size or 0
            if size > len(room):
                raise Changed(errno.EFBIG, "it has grown since it was listed")
            length = 0
            while length < size and (count := os.readv(fd, [room[length:size]])):
                length += count
            check_same(before, fd)
            if length < size or os.read(fd, 1):  # some files of the system have more than they say
                raise Changed(errno.ESTALE, "it was changed while it was read")
            self.found[task] = before
            return length
        finally:
            os.close(fd)

    def save(self, task: int, offset: int, data: memoryview, last: bool) -> None:
        raise AssertionError("sources are not written")

    def forget(self, task: int) -> None:
        raise AssertionError("sources are not written")


class Targets:
    """Files to be written, below the directory ``root`` if that is given, but for the run's ``own``; each
    appears when it is complete."""

    def __init__(self, paths: Sequence[str], root: str, own: Collection[str]) -> None:
        self._paths = paths
        self._root = root
        self._own = own
        self._open: dict[int, Destination] = {}

    def load(self, task: int, room: memoryview) -> int:
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
