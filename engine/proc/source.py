"""Where a stream comes from: a descriptor, read into slots; and who answers for its end.

The end of a pipe says that its writer has closed it, not that the writer was done: a killed producer's pipe
ends as well. Where somebody knows more (a command that we have started has an exit code, a caller of the
library says when it is done) the stream is whole only when this *witness* has said so.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from typing import Protocol

from ..flow.events import Asked, Cancelled, Fill, Filled, SourceFailed
from ..s3 import checksums
from .channel import widen
from .slab import Slab

READ = 1 << 20
"""Bytes of one read, and so the longest that the source can keep the loop from its other business."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The witness's word: what ends when the source ends is the whole stream."""


class Witness(Protocol):
    """Somebody outside of the ring with something to say about it, when ``fd`` is readable."""

    @property
    def fd(self) -> int: ...

    @property
    def ended(self) -> bool:
        """Nothing more will be said."""

    def hear(self) -> list[Committed | SourceFailed | Cancelled | Asked]: ...


class Source:
    """Fills slots from a descriptor: a pipe, a file or a terminal. ``crc`` runs the stream's CRC64NVME.
    ``trusted``: its end is the stream's end, whatever a witness may say."""

    def __init__(self, fd: int, slab: Slab, crc: bool, trusted: bool = True) -> None:
        self.fd = fd
        self._slab = slab
        self._crc = checksums.new("crc64nvme") if crc else None
        self._fill: Fill | None = None
        self._filled = 0
        self._began = self._left = self._waited = 0.0
        """Monotonic seconds of the slot's opening and of the last look's end; how long nothing was there."""
        self._ahead = b""
        self._file = _look_of(fd)
        self._trusted = trusted
        self.at_end = False
        """It has ended, and waits for its witness's word."""
        widen(fd)

    @property
    def filling(self) -> bool:
        return self._fill is not None

    def begin(self, fill: Fill) -> None:
        self._fill = fill
        self._began = self._left = time.monotonic()
        self._waited = 0.0
        data = self._slab.bytes_of(fill.slot, len(self._ahead))
        data[:] = self._ahead
        self._filled = len(data)
        if self._crc:
            self._crc.update(data)
        self._ahead = b""

    def stop(self) -> None:
        """Fill no more: the slot is somebody else's, and a witness's word that comes now is about nothing."""
        self._fill = None
        self.at_end = False

    def read(self) -> Filled | SourceFailed | None:
        """One read, after readiness: None while the slot is not full yet, or ``at_end``."""
        self._waited += time.monotonic() - self._left
        try:
            return self._read()
        finally:
            self._left = time.monotonic()

    def _read(self) -> Filled | SourceFailed | None:
        fill = self._fill
        assert fill is not None
        try:
            if self._filled == fill.length:  # full: has the source ended?
                self._ahead = os.read(self.fd, 1)
                return self._done(ended=not self._ahead)
            room = self._slab.bytes_of(fill.slot, fill.length)[self._filled : self._filled + READ]
            count = os.readv(self.fd, [room])
        except BlockingIOError:
            return None  # the producer, or who started us, has made the pipe non-blocking for all
        except OSError as error:
            self._fill = None
            return SourceFailed(error.strerror or str(error))
        if self._crc:
            self._crc.update(room[:count])
        self._filled += count
        if not count:
            return self._done(ended=True)
        if self._filled == fill.length and not fill.look_ahead:
            return self._done(ended=False)
        return None

    def commit(self) -> Filled | SourceFailed | None:
        """The witness has given its word: what was read last, when only that was missing."""
        self._trusted = True
        if not self.at_end:
            return None
        self.at_end = False
        return self._done(ended=True)

    def _done(self, ended: bool) -> Filled | SourceFailed | None:
        assert self._fill is not None
        if ended and not self._trusted:
            self.at_end = True
            return None
        slot, self._fill = self._fill.slot, None
        if ended and _look_of(self.fd) != self._file:
            return SourceFailed("the file changed while it was read")
        crc = self._crc.digest() if self._crc else b""
        return Filled(slot, self._filled, ended, crc, self._began, self._waited)


def _look_of(fd: int) -> tuple[int, int] | None:
    """Size and time of the last change, in ns, of a regular file; None for anything else. The inode's change
    time, which no program can set back; that it moves with chmod, too, may cost a transfer, but no byte."""
    status = os.fstat(fd)
    return (status.st_size, status.st_ctime_ns) if stat.S_ISREG(status.st_mode) else None
