"""The story of a source that has been moved: its copies are looked at, then the source itself, and only while
all of them are what they were is it deleted.

The looks come right before the deletion, copies first. Between the last look and DeleteObject somebody may
still write: S3's If-Match on a deletion is not known by every bucket and store, so nothing is built on it.
Nothing beside the object goes with it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..errors import TransferError
from ..s3 import operations
from ..values import Stored
from .proof import look
from .remove import GONE, check_deleted
from .story import Instruction, Story, ask
from .verify import CRC, text

NO_BUCKET = "NoSuchBucket"
"""A source that is not there has been deleted before; one whose bucket is not there is somewhere else."""


class Discard:
    """Deletes ``source`` if it and its ``copies`` are as they were; None: it is no object, and whoever has it
    deletes it when the copies have been seen."""

    def __init__(self, source: Stored | None, copies: Sequence[Stored]) -> None:
        self.name = f"delete {source.target}" if source else f"look at {copies[0].target}"
        self._source = source
        self._copies = copies

    def story(self) -> Story:
        """All of it, top to bottom. Raises TransferError when something is not as it was."""
        for copy in self._copies:
            yield from self._check(copy, "its destination")
        if self._source is None:
            return None
        try:
            yield from self._check(self._source, "it")
        except TransferError as error:
            failure = error.failure
            if failure is None or failure.status != GONE or failure.code == NO_BUCKET:
                raise
            return None  # by a run that was killed before it could note it
        yield from ask(operations.delete_object(self._source.target), check_deleted)
        return None

    def _check(self, then: Stored, what: str) -> Generator[Instruction, object, None]:
        try:
            head = yield from look(self.name, then.target)
        except TransferError as error:
            said = str(error).removeprefix(f"{self.name}: ")
            raise TransferError(f"{self.name}: {what} ({then.target}): {said}", error.failure) from None
        crc = head.checksums.get(CRC, b"")
        pairs = (
            ("size", str(then.size), str(head.size)),
            ("ETag", then.etag, head.etag),
            ("version", then.version_id, head.version_id),
            ("CRC64NVME", then.crc64nvme, text(crc)),
        )
        for name, was, now in pairs:
            if was != now and was and (now or name == "ETag"):
                raise TransferError(
                    f"{self.name}: {what} ({then.target}) is not what was moved: {name} {now or 'none'}, "
                    f"expected {was}"
                )
