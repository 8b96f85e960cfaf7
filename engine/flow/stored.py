"""What proves an object that has been put: the server's answers about the whole, and one look at the key.

The look (HEAD) costs one request, and is why exit 0 can say that the bytes are there: a store has been met
that answers an upload with the right ETag and then keeps nothing (SeaweedFS, for keys that end in a slash).
Who may write need not be allowed to read, so a refused look is no failure.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from ..errors import TransferError
from ..s3 import replies
from ..values import Target
from .story import Instruction, head_of
from .verify import CRC, text

UNSEEN = (400, 403)
"""Statuses of a look that is not for us: no leave to read, or an object under a customer's key (SSE-C)."""


def stored_proofs(
    name: str,
    target: Target,
    *,
    size: int,
    digests: tuple[str, ...],
    crc: bytes,
    completed: replies.Completed,
    expected_etag: str,
) -> Generator[Instruction, object, tuple[str, ...]]:
    """Which of ``digests`` are proven of the whole object. ``crc`` is its CRC64NVME (b"": none),
    ``expected_etag`` the ETag that it must have ("" when the store's ETags are no md5s, or it was checked as
    the part's). Raises TransferError when anything disproves the object, or nothing proves it."""

    def wrong(what: str) -> TransferError:
        return TransferError(f"{name}: the object is not to be trusted: {what}; put it again")

    if expected_etag and completed.etag != expected_etag:
        raise wrong(f"ETag {completed.etag}, expected {expected_etag}")
    stored_crc = completed.crc64nvme
    try:
        head = yield from head_of(name, replace(target, version_id=completed.version_id))
    except TransferError as error:
        if error.failure is None or error.failure.status not in UNSEEN:
            raise
    else:
        if head.size != size:
            raise wrong(f"there are {head.size} bytes, expected {size}")
        if head.etag != completed.etag:
            raise wrong(f"ETag {head.etag} is there, expected {completed.etag} (overwritten by another put?)")
        stored_crc = stored_crc or text(head.checksums.get(CRC, b""))
    proofs = []
    if "md5" in digests:
        proofs.append("md5")  # by the ETags; where they are opaque, by the server's check of Content-MD5
    if crc and stored_crc:
        if stored_crc != text(crc):
            raise wrong(f"CRC64NVME {stored_crc}, expected {text(crc)}")
        proofs.append(CRC)
    if not proofs:
        raise wrong("the store keeps no CRC64NVME to prove it by: use --checksum md5,crc64nvme")
    return tuple(proofs)
