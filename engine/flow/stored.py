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
from .condition import UNSEEN
from .story import Instruction, head_of
from .verify import CRC, text


def untrusted(name: str, what: str) -> TransferError:
    return TransferError(f"{name}: the object is not to be trusted: {what}; put it again")


def seen(
    name: str, target: Target, size: int, completed: replies.Completed
) -> Generator[Instruction, object, replies.Completed]:
    """``completed`` with the CRC64NVME that a look shows, where the answer had none. Raises TransferError
    when something else is there."""
    try:
        head = yield from head_of(name, replace(target, version_id=completed.version_id))
    except TransferError as error:
        if error.failure is None or error.failure.status not in UNSEEN:
            said = f"{error}; the server has confirmed the object, and it could not be seen since"
            raise TransferError(f"{said}: check it with `gof3r verify {target}`", error.failure) from None
        return completed
    if head.size != size:
        raise untrusted(name, f"there are {head.size} bytes, expected {size}")
    if head.etag != completed.etag:
        said = f"ETag {head.etag} is there, expected {completed.etag} (overwritten by another put?)"
        raise untrusted(name, said)
    crc = text(head.checksums.get(CRC, b""))
    if crc and completed.crc64nvme not in ("", crc):
        raise untrusted(name, f"CRC64NVME {crc} is there, {completed.crc64nvme} was answered")
    return replace(completed, crc64nvme=completed.crc64nvme or crc)


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
    if expected_etag and completed.etag != expected_etag:
        raise untrusted(name, f"ETag {completed.etag}, expected {expected_etag}")
    if crc and completed.crc64nvme not in ("", text(crc)):
        raise untrusted(name, f"CRC64NVME {completed.crc64nvme}, expected {text(crc)}")
    completed = yield from seen(name, target, size, completed)
    proofs = []
    if "md5" in digests:
        proofs.append("md5")  # by the ETags; where they are opaque, by the server's check of Content-MD5
    if crc and completed.crc64nvme:
        if completed.crc64nvme != text(crc):
            raise untrusted(name, f"CRC64NVME {completed.crc64nvme}, expected {text(crc)}")
        proofs.append(CRC)
    if not proofs:
        raise untrusted(name, "the store keeps no CRC64NVME to prove it by: use --checksum md5,crc64nvme")
    return tuple(proofs)


def found(
    name: str, target: Target, *, size: int, etag: str, crc: bytes, within: float | None = None
) -> Generator[Instruction, object, replies.Completed | None]:
    """After a lost reply: the object, when it is there with ``etag`` or ``crc`` ("", b"": not known); None
    when another one is there. Raises TransferError when it cannot be seen."""
    head = yield from head_of(name, target, within=within)
    same_crc = bool(crc) and head.checksums.get(CRC) == crc
    if head.size != size or not (same_crc or (etag and head.etag == etag)):
        return None
    return replies.Completed(head.etag, text(crc) if same_crc else "", head.version_id)
