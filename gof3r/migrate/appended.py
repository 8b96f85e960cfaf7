"""The file of receipts, from its writer's side: lines appended so that a crash takes none that was confirmed.

Theory: a line counts when an fsync after it has returned, and not before. One fsync serves all that came
within WINDOW (group commit): it costs milliseconds whatever it covers, and nobody waits for a single receipt.
A crash can leave part of a line at the end, and one of the machine also zeros, or lines of which some are
damaged, behind what was confirmed. So at the next start the file is read from there on, and cut before the
first line that is none: what is cut was never confirmed, and its object is carried over again. What was not
written by us is never cut.

Whoever confirms (``record``) tells how far. Times are monotonic seconds, from the caller.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from typing import NoReturn

from gof3r.engine.errors import Gof3rError, UsageError, one_line

from .receipts import BEGINNING, MAX_LINE, Receipt, as_line, from_line

WINDOW = 0.05
"""Seconds that a receipt waits for company: at most twenty fsyncs a second, which any disk bears."""


class Appended:
    """The receipts at ``path``, for one writer at a time. As a context manager: closed in the end, and what
    was not committed is not written."""

    def __init__(self, path: str) -> None:
        """Raises UsageError."""
        self._path = path
        self._waiting: list[bytes] = []
        self._since = 0.0
        self._broken = ""
        is_new = not os.path.exists(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, 0o666)
        except OSError as error:
            raise UsageError(one_line(f"{path}: cannot write receipts: {error.strerror}")) from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise UsageError(one_line(f"{path}: receipts need a regular file, which can be read again"))
        try:
            # A lock of the process, not of what it has forked: it ends with it, however that ends.
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise UsageError(one_line(f"{path}: another gof3r migrate is writing to it")) from None
        if is_new:
            self._sync_folder()
        self.end = os.fstat(self._fd).st_size
        """Bytes of the file that are lines of ours, on the disk once ``commit`` has returned."""

    def __enter__(self) -> Appended:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._fd)

    # --- after a crash ------------------------------------------------------------------

    def recover(self, confirmed: int) -> Iterator[tuple[int, Receipt]]:
        """The receipts behind byte ``confirmed``, each with the byte at which it begins; what follows the
        last good one is cut off. Then all that was given is on the disk. To be read to its end before
        anything is added. Raises UsageError for a file that cannot be what was confirmed."""
        if self.end < confirmed or (confirmed and os.pread(self._fd, 1, confirmed - 1) != b"\n"):
            why = (
                f"the journal knows receipts up to byte {confirmed}, and here they are others: put them back"
            )
            raise UsageError(one_line(f"{self._path}: {why}, or begin anew with other --receipts"))
        with self._reported():
            os.fsync(self._fd)  # a process that was killed may have written more than it has confirmed
        position = confirmed
        # Its own descriptor: to close any other one of this file would end the lock.
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(confirmed)
            while line := file.readline(MAX_LINE + 1):
                try:
                    receipt = from_line(line, self._path)
                except UsageError:
                    if not _is_damaged(line):
                        raise
                    receipt = None
                if receipt is None or not line.endswith(b"\n"):
                    self._cut(position)
                    break
                yield position, receipt
                position += len(line)
        self.end = position

    def _cut(self, position: int) -> None:
        with self._reported():
            os.ftruncate(self._fd, position)
            os.fsync(self._fd)

    def read(self, position: int) -> Receipt:
        """The receipt that begins at byte ``position`` and is on the disk. Raises UsageError."""
        try:
            found = os.pread(self._fd, MAX_LINE + 1, position)
        except OSError as error:
            raise UsageError(one_line(f"{self._path}: cannot be read: {error.strerror}")) from None
        line, end, _ = found.partition(b"\n")
        return from_line(line + end, f"{self._path}: byte {position}")

    # --- every day ------------------------------------------------------------------

    def add(self, receipt: Receipt, now: float) -> int:
        """Take ``receipt`` for the next ``commit``; the byte at which it will begin. Raises Gof3rError once
        writing has failed."""
        if self._broken:
            raise Gof3rError(self._broken)
        position = self.end
        line = as_line(receipt)
        if len(line) > MAX_LINE:
            raise Gof3rError(one_line(f"{self._path}: a receipt of {len(line)} bytes: {receipt.destination}"))
        if not self._waiting:
            self._since = now
        self._waiting.append(line)
        self.end += len(line)
        return position

    @property
    def due(self) -> float | None:
        """The second by which ``commit`` should be called; None when nothing waits."""
        return self._since + WINDOW if self._waiting else None

    def commit(self) -> None:
        """All that was added is on the disk. Raises Gof3rError when that is not sure; then nothing can be
        added any more, since what a failed fsync has lost the next one does not tell (fsync(2) on Linux)."""
        if self._broken:
            raise Gof3rError(self._broken)
        if not self._waiting:
            return
        data = memoryview(b"".join(self._waiting))
        # Until it is known to be whole: also what is no error may end it half way (KeyboardInterrupt).
        self._broken = f"{self._path}: writing receipts was interrupted"
        with self._reported():
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)
        self._waiting.clear()
        self._broken = ""

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> NoReturn:
        self._broken = one_line(f"{self._path}: cannot write receipts: {error.strerror}")
        raise Gof3rError(self._broken) from None

    def _sync_folder(self) -> None:
        """A file's name is on the disk when its directory is."""
        with contextlib.suppress(OSError):  # not every file system lets a directory be opened or synced
            fd = os.open(os.path.dirname(os.path.abspath(self._path)), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _is_damaged(line: bytes) -> bool:
    """Whether a crash can have made this of a receipt: what it has left begins as one, and is no JSON."""
    if not (line.startswith((BEGINNING, b"\0")) or BEGINNING.startswith(line)):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not line.endswith(b"\n")
