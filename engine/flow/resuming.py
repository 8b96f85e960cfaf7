"""Going on with an upload that an earlier run has left: what is there, and which of it is ours.

Theory: an upload under way keeps its parts until somebody ends it, and tells of each its number, size and
digest. So the stream is read again from its beginning, each part that is there is digested where it lies, and
goes out only where the digests differ: nothing is believed for its name. The parts' boundaries must be those
of then, since a part is compared as a whole.

Metadata, encryption and the kind of checksum were fixed when the upload was begun.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

from ..errors import UNMET, Gof3rError, TransferError, UsageError
from ..s3 import listings, operations
from ..s3.listings import PartListed
from ..values import Digests, Part, Target
from .plan import MAX_PARTS, UNIFORM
from .story import Instruction, ask
from .verify import CRC, text

PAGE = 1000
"""Parts that S3 lists at a time. SeaweedFS (4.48) loses 1,000 to 9,999 when there is a part 10,000 as well:
they are sent again."""


OVER = ("NoSuchUpload", UNMET, "PreconditionFailed", "NoSuchKey", "NoSuchVersion")
"""Error codes after which no later run can go on with an upload: it is gone, an object is in the way, or a
copy's source is another, or gone."""


def is_over(error: Gof3rError) -> bool:
    """No later run can go on with the upload that has failed by ``error``."""
    failure = error.failure if isinstance(error, TransferError) else None
    return error.disproved or (failure is not None and failure.code in OVER)


class There:
    """Parts that the server has. A number may be listed several times (SeaweedFS, after it was sent again):
    whichever is like ours counts, since Complete names the ETag that it means."""

    def __init__(self, listed: Iterable[PartListed]) -> None:
        self._listed: dict[int, list[PartListed]] = {}
        for part in listed:
            self._listed.setdefault(part.number, []).append(part)

    def to_compute(self, part: Part, digests: tuple[str, ...]) -> tuple[str, ...]:
        """What to know of ``part``, which will be sent with ``digests``, to compare it; () when nothing of
        its length is there."""
        same_length = self._like(part)
        if same_length and not (CRC in digests and all(each.crc64nvme for each in same_length)):
            return tuple(dict.fromkeys((*digests, "md5")))
        return digests if same_length else ()

    def same(self, part: Part, digests: Digests) -> PartListed | None:
        """What is there of ``part``, whose bytes have ``digests``; None when that is something else."""
        return next((each for each in self._like(part) if _same(each, digests)), None)

    def misfit(self, size_of: Callable[[int], int]) -> PartListed | None:
        """The first part that cannot be of a stream cut into parts of ``size_of`` bytes. The last one may be
        short: the stream may have ended with it."""
        last = max(self._listed, default=0)
        for number, parts in sorted(self._listed.items()):
            wanted = size_of(number)
            if all(each.size > wanted or (each.size < wanted and number < last) for each in parts):
                return parts[0]
        return None

    def _like(self, part: Part) -> list[PartListed]:
        return [each for each in self._listed.get(part.number, []) if each.size == part.length]


def _same(listed: PartListed, digests: Digests) -> bool:
    """By the CRC where both sides know it, else by the md5, which the ETag is unless it is opaque."""
    if listed.crc64nvme and CRC in digests:
        return listed.crc64nvme == text(digests[CRC])
    return "md5" in digests and listed.etag.lower() == digests["md5"].hex()


def newest(name: str, target: Target) -> Generator[Instruction, object, str]:
    """The id of the upload of exactly this key that was begun last; "" without one. Raises TransferError."""
    found: list[listings.UploadListed] = []
    key, upload_id = "", ""
    while True:
        request = operations.list_multipart_uploads(target, key, upload_id)
        page: listings.UploadsPage = (yield from ask(request, listings.uploads)).value
        found += [entry for entry in page.entries if entry.key == target.key]
        if not page.next_key:
            break
        if (page.next_key, page.next_id) == (key, upload_id):
            raise TransferError(f"{name}: list_multipart_uploads: the server gives the same page for ever")
        key, upload_id = page.next_key, page.next_id
    return max(found, key=lambda entry: entry.initiated).upload_id if found else ""


def parts_there(
    name: str, target: Target, upload_id: str, digests: tuple[str, ...], first: int = 1, last: int = MAX_PARTS
) -> Generator[Instruction, object, There]:
    """What upload ``upload_id`` has, of the parts ``first`` to ``last`` at least. Raises TransferError, and
    UsageError when it was begun for checksums other than ``digests`` hold."""
    found: list[PartListed] = []
    after = first - 1
    while True:
        request = operations.list_parts(target, upload_id, after, PAGE)
        page: listings.PartsPage = (yield from ask(request, listings.parts)).value
        kind = f"{page.algorithm} {page.kind}".strip().upper()
        # S3 may name this one of an upload that was begun without any.
        if kind not in ("", "CRC64NVME", "CRC64NVME FULL_OBJECT"):
            raise UsageError(
                f"upload {upload_id} was begun for checksums of another kind, {kind}; ours are of "
                f"{','.join(digests)}: end it with `gof3r uploads abort`, and run again"
            )
        found += page.entries
        if not page.after or page.after >= last:
            return There(found)
        if page.after <= after:
            raise TransferError(f"{name}: list_parts: the server gives the same page for ever")
        after = page.after


def refuse_misfit(there: There, upload_id: str, size_of: Callable[[int], int]) -> None:
    """Raises UsageError when its parts were cut otherwise than ours are."""
    part = there.misfit(size_of)
    if part is None:
        return
    ours = size_of(part.number)
    fits = "use the --partsize, --concurrency, --memory and --expected-size of then"
    if part.number <= UNIFORM:  # before any growth
        fits = f"use --partsize={part.size}, or the --expected-size of then"
    raise UsageError(
        f"part {part.number} of upload {upload_id} has {part.size} bytes, and would have {ours} now: {fits}; "
        "or end that upload with `gof3r uploads abort`"
    )
