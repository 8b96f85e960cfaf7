"""The slab: one piece of anonymous shared memory that holds every byte in transit.

Made with ``memfd_create``: nothing to leak in /dev/shm, and not bounded by a container's small mount there.
The parent makes it before the first fork; every process inherits the mapping. Its first page is the *board*,
where each process counts its turns and the bytes it has moved; the rest is cut into slots.

It knows where slots lie, not whose they are.
"""

from __future__ import annotations

import mmap
import os
import resource

from ..values import Slot

BOARD = mmap.PAGESIZE
"""Bytes ahead of the slots: two 8-byte counters for each process."""

SEATS = BOARD // 16
"""Processes that the board has room for."""


CGROUP = "/sys/fs/cgroup/memory."
"""Where a container sees its own limit (cgroup v2)."""


def available() -> int:
    """Bytes of memory that the machine could give without swapping, and the limits of a container and of this
    process allow."""
    import psutil  # late: few transfers ask

    free = psutil.virtual_memory().available
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY:
        free = max(0, min(free, most - psutil.Process().memory_info().vms))
    try:
        with open(f"{CGROUP}max") as limit, open(f"{CGROUP}current") as now:
            return max(0, min(free, int(limit.read()) - int(now.read())))
    except (OSError, ValueError):  # no container, another version, or "max"
        return free


class Slab:
    """``size`` bytes for slots, and the board. Raises OSError when there is no such memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._fd = os.memfd_create("gof3r", os.MFD_CLOEXEC)
        try:
            os.fchmod(self._fd, 0o600)  # it is made with 0777, and only /proc's own rules keep others out
            os.ftruncate(self._fd, BOARD + size)
            self._map = mmap.mmap(self._fd, BOARD + size)
        except BaseException:
            os.close(self._fd)
            raise
        self._view = memoryview(self._map)
        counters = self._view[:BOARD].cast("Q")
        self.ticks = counters[:SEATS]
        """Turns of each process's loop, by seat; a process that stops counting has stopped."""
        self.moved = counters[SEATS:]
        """Body bytes that each process has sent or received."""

    @property
    def fd(self) -> int:
        return self._fd

    def free(self) -> None:
        """Give the memory back, whoever still holds a view of it: nobody may look through one any more. For
        those who carry out one order after another: what was frozen before a fork is never collected."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def bytes_of(self, slot: Slot, length: int) -> memoryview:
        """The first ``length`` bytes of ``slot``, without a copy."""
        start = BOARD + slot.offset
        return self._view[start : start + min(length, slot.size)]

    def map_slot(self, slot: Slot) -> mmap.mmap:
        """A mapping of ``slot`` alone: its ``write`` is a function in C that cannot reach another slot."""
        return mmap.mmap(self._fd, slot.size, offset=BOARD + slot.offset)
