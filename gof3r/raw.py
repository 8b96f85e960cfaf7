"""What lies below ``io``'s buffers, for reading and writing alike: a name, and an end by neglect.

Theory: ``io`` finishes a file that nobody has closed by closing it, which would make an object of whatever
had been written. But first it says so, to ``_dealloc_warn``, as ``FileIO`` has it; also when it is a wrapper
(``TextIOWrapper``) that is collected.
"""

from __future__ import annotations

import io
import warnings


class Raw(io.RawIOBase):
    """A file that its engine outlives in no case. ``name`` is its URL."""

    def __init__(self, url: str) -> None:
        self.name = url

    def abandon(self) -> None:
        """End the engine: what was under way is not wanted."""
        raise NotImplementedError

    def _dealloc_warn(self, source: object) -> None:
        # io's word that ``source``, this file or a wrapper of it, is collected without having been closed.
        self.abandon()
        warnings.warn(f"{self.name} was not closed: {source!r}", ResourceWarning, stacklevel=2, source=source)

    def __del__(self) -> None:
        if not self.closed:
            self._dealloc_warn(self)
            self.close()


def check_open(file: io.IOBase) -> None:
    if file.closed:
        raise ValueError("I/O operation on closed file")
