"""A file's bytes held against the receipt that is about them: the file is read once more."""

from __future__ import annotations

import os

from gof3r.engine.flow.verify import text
from gof3r.engine.s3 import checksums

from .files import identity
from .receipts import Receipt

PIECE = 1 << 20
"""Bytes that are read at a time."""

NO_DIGEST = "its receipt has no digest to check it by"


def file_differs(receipt: Receipt, fd: int) -> str:
    """In what the open file, which is at its beginning, is not that of ``receipt``; empty if it is. Raises
    OSError."""
    size = identity(fd).size or 0
    if receipt.size != size:
        return f"it has {size} bytes, and {receipt.size} by its receipt"
    if not receipt.crc64nvme and not receipt.md5:
        return NO_DIGEST
    read = 0
    crc, md5 = checksums.new("crc64nvme"), checksums.new("md5")
    used = [digest for digest, then in ((crc, receipt.crc64nvme), (md5, receipt.md5)) if then]
    while piece := os.read(fd, PIECE):
        read += len(piece)
        for digest in used:
            digest.update(memoryview(piece))
    if receipt.size != read:
        return f"it has {read} bytes, and {receipt.size} by its receipt"
    pairs = [("CRC64NVME", receipt.crc64nvme, text(crc.digest())), ("md5", receipt.md5, md5.digest().hex())]
    return differing(pairs)


def differing(pairs: list[tuple[str, str, str]]) -> str:
    """Names of digests, what they were and are: of those of which both are known, what differs."""
    return "; ".join(
        f"{name} {now}, its receipt has {then}" for name, then, now in pairs if then != now and then and now
    )
