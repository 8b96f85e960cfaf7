"""A download that a later run can go on with: the file beside its place that keeps what has come.

It has a name from the start, ``.NAME.gof3r-XXXXXXXX.part``, in which the X's stand for the object's ETag and
version: what is there of another object is of no use, and removed. One process at a time may write it. What
it holds is trusted by nobody; the engine reads it back and proves it with the rest.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from types import TracebackType

from gof3r.engine.errors import Gof3rError

from .destination import Destination
from .report import Report, size_text

_MARK = 8
"""Characters that stand for ETag and version."""


class Partial(Destination):
    """As a context manager: ``fd`` is open for reading and writing and holds ``there`` bytes; without
    ``commit`` they are kept, unless they are disproved."""

    def __init__(self, path: str, etag: str, version_id: str, report: Report) -> None:
        super().__init__(path)
        self._mark = hashlib.sha256(f"{etag}\0{version_id}".encode()).hexdigest()[:_MARK]
        self._report = report
        self.there = 0

    def __enter__(self) -> Partial:
        """Raises Gof3rError when the file cannot be made, or another process writes it."""
        if self._path.endswith("/") or os.path.isdir(self._path):
            raise Gof3rError(f"cannot write {self._path}: it names a directory")
        try:
            if self._is_special():
                raise Gof3rError(f"cannot write {self._path}: --resume needs a regular file")
            self._path = os.path.realpath(self._path)
            folder, name = os.path.split(self._path)
            short = os.fsdecode(os.fsencode(name)[:200])  # as Destination's own
            begins = f".{short}.gof3r-"
            partial = os.path.join(folder, f"{begins}{self._mark}.part")
            self._remove_others(folder, begins, partial)
            self.fd = _locked(partial, os.O_RDWR | os.O_CREAT)
            self._temporary = partial
            self.there = os.fstat(self.fd).st_size
        except OSError as error:
            raise Gof3rError(f"cannot write {self._path}: {error.strerror}") from None
        return self

    def _remove_others(self, folder: str, begins: str, partial: str) -> None:
        """What is there of other objects."""
        for entry in os.scandir(folder):
            ours = entry.name.startswith(begins) and entry.name.endswith(".part")
            if not ours or len(entry.name) != len(begins) + _MARK + len(".part") or entry.path == partial:
                continue
            fd = _locked(entry.path, os.O_RDWR)
            try:
                os.unlink(entry.path)
            finally:
                os.close(fd)
            self._report.warning(f"{entry.path} was of another object, or an older one: removed")

    def commit(self) -> None:
        """As Destination's; what came in is all that there is."""
        try:
            os.ftruncate(self.fd, os.lseek(self.fd, 0, os.SEEK_CUR))
        except OSError as error:
            raise Gof3rError(f"cannot write {self._path}: {error.strerror}") from None
        super().commit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = os.fstat(self.fd).st_size if self._temporary else 0
        if kept and not (isinstance(error, Gof3rError) and error.disproved):
            if isinstance(error, Gof3rError):
                error.kept_file = f"{size_text(kept)} in {self._temporary}"
            self._temporary = ""  # or it would be removed
        elif kept:
            size = size_text(kept)
            self._report.warning(f"what had come ({size}) is not the object, and is removed: run it again")
        super().__exit__(kind, error, trace)


def _locked(path: str, flags: int) -> int:
    """``path`` opened, and nobody else's meanwhile. Raises OSError, and Gof3rError when it is somebody's."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(fd), os.stat(path)
        if not os.path.samestat(mine, there):
            raise BlockingIOError
        if mine.st_uid != os.geteuid() or mine.st_nlink != 1 or not stat.S_ISREG(mine.st_mode):
            raise Gof3rError(f"{path} is not this user's own file: remove it")  # others could change it
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        raise Gof3rError(f"{path} is being written by another process: wait for it") from None
    except BaseException:
        os.close(fd)
        raise
    return fd
