"""Files that are to be deleted, or that make another deletion right: read once more, and held to what they
were then.

Theory: a size and a time do not tell that a file is what it was, and the last look must be right before it is
unlinked. So it is read, and held against its receipt; from then on its inode and its times must stay.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .digested import file_differs
from .files import readable
from .receipts import Receipt

CHANGED = "not as it was moved"


class Stays(Exception):
    """A source is not deleted: the cause, the same for all of a kind, and what is to be said."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(cause, text)
        self.cause = cause
        self.text = text


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it was when it was read once more."""

    path: str
    status: tuple[int, ...]
    """Device, inode, size, and the times of its contents and of its inode; empty where it is gone."""


class Holder:
    """Of the files of one run."""

    def __init__(self) -> None:
        self._loosened: set[tuple[int, ...]] = set()
        """Device and inode of files one of whose names is deleted by us, which changes the inode's time."""

    def read(self, path: str, receipt: Receipt) -> Held:
        """The source at ``path``, which is as ``receipt`` says, or is gone. Raises Stays."""
        try:
            return self._read(path, receipt, receipt.source_mtime_ns)
        except FileNotFoundError:
            return Held(path, ())  # a run that was killed has deleted it

    def read_copy(self, path: str, receipt: Receipt) -> None:
        """The destination at ``path``, which is as ``receipt`` says. Raises Stays."""
        try:
            self._read(path, receipt, None)
        except FileNotFoundError:
            raise Stays(CHANGED, f"{receipt.source}: its destination {path} is not there") from None

    def _read(self, path: str, receipt: Receipt, mtime_ns: int | None) -> Held:
        """Raises Stays, FileNotFoundError."""
        try:
            fd = readable(path)
            try:
                status = os.fstat(fd)
                if mtime_ns not in (None, status.st_mtime_ns):
                    raise Stays(CHANGED, f"{path}: it has been changed since it was moved")
                if differs := file_differs(receipt, fd):
                    raise Stays(CHANGED, f"{path}: {differs}")
                if _told(status) != _told(os.fstat(fd)):
                    raise Stays(CHANGED, f"{path}: it was changed while it was read")
                return Held(path, _told(status))
            finally:
                os.close(fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Stays(CHANGED, f"{path} cannot be read: {error.strerror}") from None

    def unlink(self, file: Held) -> None:
        """Delete it while it is what was held. Raises Stays."""
        path = file.path
        try:
            if os.path.exists(path):  # or it was gone before; or is a link to what has just gone
                status = os.stat(path)
                now, then = _told(status), file.status
                if now[:2] in self._loosened:
                    now, then = now[:-1], then[:-1]
                if now != then:
                    raise Stays(CHANGED, f"{path}: it was changed while it was looked at")
                if status.st_nlink > 1:
                    self._loosened.add(now[:2])
            if os.path.lexists(path):
                os.unlink(path)
        except OSError as error:
            raise Stays("cannot be deleted", f"{path}: {error.strerror}") from None


def _told(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
