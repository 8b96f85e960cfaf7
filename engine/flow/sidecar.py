"""The md5 sidecar: a small object beside another one, with the md5 of its bytes.

Theory: s3gof3r keeps the md5 of ``KEY`` under ``.md5/KEY.md5`` in the same bucket, as 32 hex digits. Nothing
ties the two together, so a sidecar can outlive its object. Ours name the ETag that they were written for; one
without belongs to whatever is there now, but to no particular version.

Reading only; it is written at the end of an upload.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..errors import TransferError
from ..s3 import checksums, operations, replies
from ..s3.request import MAX_KEY
from ..values import Response, Target
from .events import Warn
from .story import Instruction, ask

ABSENT = (403, 404)
"""403 counts as absent: without leave to list a bucket, S3 answers it for a missing key."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    place: Target
    md5: str
    """32 lower-case hex digits."""
    etag: str
    """Of the object that it was written for; "" when it does not say (s3gof3r's do not)."""
    damaged: bool = False
    """Twice it came with an ETag that is not its own md5. Or the store has other ETags: then bytes that it
    proves are proven, but nothing should be made of it."""

    def belongs_to(self, target: Target, etag: str) -> bool:
        """Whether it is about ``target`` when that has ``etag``."""
        return self.etag == etag if self.etag or target.version_id else True


def places(target: Target) -> tuple[Target, ...]:
    """Where a sidecar of ``target`` may be, the usual place first; none where its key would be too long."""
    found = [operations.sidecar_target(target)]
    if "." in target.bucket:
        found.append(operations.old_sidecar_target(target))
    return tuple(place for place in found if len(place.key.encode(errors="surrogateescape")) <= MAX_KEY)


def read(place: Target) -> Generator[Instruction, object, Sidecar | None]:
    """What is kept at ``place``, or None. Raises TransferError, and replies.Unreadable for what is no md5."""
    try:
        answer = yield from ask(operations.get_object(place), replies.sidecar)
        if _is_damaged(answer.response):  # once is the network
            answer = yield from ask(operations.get_object(place), replies.sidecar)
    except TransferError as error:
        failure = error.failure
        if failure is not None and failure.kind == "check":
            raise replies.Unreadable(failure.message) from None
        if failure is None or failure.status not in ABSENT:
            raise
        return None
    md5, etag = answer.value
    return Sidecar(place, md5, etag, _is_damaged(answer.response))


def _is_damaged(response: Response) -> bool:
    """Not its bytes have come. One wrong digit still looks like an md5, and a copy would keep it for good."""
    if not replies.etag_is_md5(response.headers):
        return False
    md5 = checksums.compute(("md5",), memoryview(response.body))["md5"].hex()
    return replies.etag(response).lower() != md5


def find(target: Target, etag: str) -> Generator[Instruction, object, Sidecar | None]:
    """The sidecar that belongs to ``target`` with ``etag``. Raises as ``read``."""
    for place in places(target):
        sidecar = yield from read(place)
        if sidecar is not None:
            if sidecar.belongs_to(target, etag):
                return sidecar
            yield Warn(f"the md5 sidecar {place} belongs to another version of the object: ignored")
    return None
