"""A copy's multipart upload that an earlier run has left: gone on with where it fits, else ended.

Theory: a copy knows its source, so nobody has to be asked. What the upload has is of use when it was begun
from the same object, with the same headers (they were fixed then), and its parts have the lengths that they
would have now. Else it is aborted, and another one is begun. Parts are compared, as in ``resuming``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from ..errors import Gof3rError, TransferError, UsageError
from ..s3 import checksums, operations
from ..values import Begun, Header, Target
from .inherited import refused
from .multipart import Multipart
from .resuming import There, is_over, parts_there
from .story import Instruction, Telling
from .verify import CRC


def begun(
    target: Target, upload_id: str, etag: str, headers: tuple[Header, ...], digests: tuple[str, ...]
) -> Begun:
    """Of the upload that was created with ``headers``, for parts that bring ``digests``, from the source that
    has ``etag``."""
    request = operations.create_multipart_upload(target, headers, CRC in digests)
    # Sorted: a server may tell the source's headers in another order each time.
    said = sorted(f"{name.lower()}:{value}" for name, value in request.headers)
    data = "\n".join(said).encode(errors="surrogateescape")
    return Begun(upload_id, etag, checksums.compute(("sha256",), memoryview(data))["sha256"].hex())


class Left:
    """What is left for a copy to ``target``; None for nothing. ``name`` begins its errors."""

    def __init__(self, name: str, target: Target, left: Begun | None) -> None:
        self._name = name
        self._target = target
        self._left = left
        self.id = left.upload_id if left else ""
        """"" for none, or none any more."""

    def fitting(
        self, etag: str, headers: tuple[Header, ...], digests: tuple[str, ...], size_of: Callable[[int], int]
    ) -> Generator[Instruction, object, tuple[There, tuple[str, ...]] | None]:
        """What the upload has, and which of ``digests`` its parts bring; None when it is none for these
        arguments (``size_of``: bytes of each part), and has been ended. Raises TransferError."""
        brings = self._brings(etag, headers, digests)
        if brings and size_of(1):  # no upload makes an object without bytes
            try:
                there = yield from parts_there(self._name, self._target, self.id, brings)
                if there.misfit(size_of) is None:
                    return there, brings
            except UsageError:
                pass  # of other checksums
            except TransferError as error:
                if not refused(error) and (error.failure is None or error.failure.code != "NoSuchUpload"):
                    raise
        yield from self.end()
        return None

    def _brings(self, etag: str, headers: tuple[Header, ...], digests: tuple[str, ...]) -> tuple[str, ...]:
        """Those without CRC64NVME where the store had rejected it; () for another object's, or other headers'
        upload."""
        without = tuple(name for name in digests if name != CRC)
        for names in filter(None, (digests, without)):
            if self._left == begun(self._target, self.id, etag, headers, names):
                return names
        return ()

    def taken(self) -> str:
        """The upload's id: from now on somebody else sees to it."""
        upload_id, self.id = self.id, ""
        return upload_id

    def keep(self, error: Gof3rError) -> Telling:
        """After ``error``, which names it then, for a later run; unless none can go on with it."""
        if is_over(error):
            yield from self.end()
        else:
            error.kept = self.id

    def end(self) -> Telling:
        """Abort it, if it is there. No part of it may be on its way."""
        if self.id:
            upload = Multipart(self._name, self._target, headers=(), digests=())
            upload.id = self.id
            yield from upload.abort()
            self.id = ""
