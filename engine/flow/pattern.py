"""The bytes of a load: made, not read, and known wherever they come back from.

Theory: an object made for measuring is one block of random bytes over and over, so that nobody can compress
it and anybody can say what the bytes of any range must be. The block is the same on every machine: what one
made, another can check.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_128

from ..s3 import checksums
from ..values import Digests

BLOCK = 8 << 20
"""Bytes: more than a compressor's window, and few enough to have."""


@lru_cache(maxsize=1)
def block() -> memoryview:
    """BLOCK bytes without a pattern of their own."""
    return memoryview(shake_128(b"gof3r").digest(BLOCK))


def fill(into: memoryview) -> None:
    """Make ``into`` the beginning of an object."""
    for start in range(0, len(into), BLOCK):
        piece = into[start : start + BLOCK]
        piece[:] = block()[: len(piece)]


@lru_cache(maxsize=4096)
def digests(names: tuple[str, ...], offset: int, length: int) -> Digests:
    """What ``length`` bytes from ``offset % BLOCK`` on must have."""
    found = {name: checksums.new(name) for name in names}
    while length > 0:
        start = offset % BLOCK
        piece = block()[start : start + length]
        for digest in found.values():
            digest.update(piece)
        offset, length = offset + len(piece), length - len(piece)
    return {name: digest.digest() for name, digest in found.items()}
