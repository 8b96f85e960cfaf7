"""An object copied by its own server: no byte passes through this machine.

Theory. The copy is proven only by what the server says of both objects. CopyObject keeps an ETag that is the
md5 of all bytes, and makes another one of a multipart object's. So those are copied in parts, on the
boundaries that they were made of as far as these can be guessed, which makes the same ETag again; and a
CRC64NVME on both sides proves any copy. What a server cannot or will not copy may still be fetched and sent,
so that is no error here but ``Cannot``.
"""

from __future__ import annotations

from collections.abc import Generator

from ..errors import Gof3rError, TransferError
from ..s3 import operations, replies
from ..values import Header, Part, Target
from . import plan
from .boundaries import equal_parts, own_parts
from .condition import Condition, is_unmet, refuse_existing
from .dispatch import Work
from .inherited import REPLACED, TAGGING, created_with, described, is_named, refused
from .multipart import Multipart, rejects_checksums, without_crc
from .passing import Passing
from .stored import found, seen, untrusted
from .story import Answer, Instruction, Quiet, ask
from .verify import CRC, text

MAX_COPY = 5 * plan.GiB
"""Bytes that one CopyObject copies at most ("CopyObject", S3 API reference)."""


class Cannot(Exception):
    """The server does not copy this, or not provably; ``made`` is the ETag of what it made, ""
    for nothing."""

    def __init__(self, why: object, made: str = "") -> None:
        super().__init__(str(why))
        self.made = made


class ServerCopy:
    """``Copy``'s arguments; ``condition`` is that of the request that makes the object."""

    def __init__(
        self,
        name: str,
        source: Target,
        target: Target,
        parts: Passing,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        condition: Condition,
        part_size: int,
    ) -> None:
        self._name = name
        self._source = source
        self._target = target
        self._parts = parts
        self._given = headers
        self._digests = digests
        self._condition = condition
        self._part_size = part_size

    def copy(
        self, head: replies.ObjectHead
    ) -> Generator[Instruction, object, tuple[replies.Completed, tuple[str, ...]]]:
        """The new object, and the digests that prove it. Raises Cannot, also when nothing does, and
        TransferError."""
        if not (self._etag(head) or self._crc(head)):
            raise Cannot(f"{self._name}: nothing would prove what the server makes")
        if head.size and (replies.is_composite(head.etag) or head.size > MAX_COPY):
            completed = yield from self._in_parts(head)
        else:
            completed = yield from self._at_once(head)
        completed = yield from seen(self._name, self._target, head.size, completed)
        proofs = self._proofs(head, completed)
        if not proofs:
            raise Cannot(f"{self._name}: nothing proves what the server made", completed.etag)
        return completed, proofs

    # --- CopyObject ------------------------------------------------------------------

    def _at_once(self, head: replies.ObjectHead) -> Generator[Instruction, object, replies.Completed]:
        try:
            try:
                answer = yield from self._copy_object(head, CRC in self._digests)
            except TransferError as error:
                if refused(error) or not rejects_checksums(error.failure):
                    raise
                yield from without_crc(self._digests, error)
                answer = yield from self._copy_object(head, False)
            completed: replies.Completed = answer.value
            return completed
        except TransferError as error:
            if refused(error):
                raise Cannot(error) from None
            if not (self._condition and is_unmet(error)):
                raise
            ours = None
            if error.doubtful:
                etag, crc = self._etag(head), self._crc(head)
                ours = yield from found(self._name, self._target, size=head.size, etag=etag, crc=crc)
            if ours is None:
                yield from refuse_existing(self._name, self._target)
                raise  # there is nothing: it is the source that is another by now
            return ours

    def _copy_object(self, head: replies.ObjectHead, crc: bool) -> Generator[Instruction, object, Answer]:
        replaces = is_named(self._given, *REPLACED)
        inherited = described(head, self._given)
        if not replaces:  # only what the server does not take from the source by itself
            inherited = tuple(header for header in inherited if not is_named((header,), *REPLACED))
        request = operations.copy_object(
            self._target,
            self._source,
            head.etag,
            (*inherited, *self._given, *self._condition),
            replace_metadata=replaces,
            replace_tags=is_named(self._given, TAGGING),
            crc=crc,
        )
        return (yield from ask(request, replies.copied, patient=True))

    # --- UploadPartCopy ------------------------------------------------------------------

    def _in_parts(self, head: replies.ObjectHead) -> Generator[Instruction, object, replies.Completed]:
        parts = yield from own_parts(self._name, self._source, head)
        self._parts.cut(parts or equal_parts(self._name, head.size, self._part_size, plan.MAX_PART))
        headers = yield from created_with(self._source, head, self._given)
        upload = Multipart(
            self._name, self._target, headers=headers, digests=self._digests, condition=self._condition
        )

        def work(part: Part) -> Work:
            last = part.offset + part.length - 1
            request = operations.upload_part_copy(
                self._target, upload.id, part.number, self._source, part.offset, last, head.etag
            )
            return Work(request, f"part {part.number}", part, patient=True, reads=replies.copied)

        yield from upload.create()
        try:
            try:
                yield from self._parts.copy_first(work)
            except TransferError as error:
                if not refused(error):
                    raise
                yield from upload.abort()
                raise Cannot(error) from None
            yield from self._parts.copy(work)
            return (
                yield from upload.complete(
                    self._parts.sent.parts,
                    head.size,
                    crc=self._crc(head) if CRC in upload.digests else b"",
                    expected_etag=self._etag(head),
                )
            )
        except Gof3rError:
            yield Quiet()
            yield from upload.abort()
            raise

    # --- what proves it ------------------------------------------------------------------

    def _etag(self, head: replies.ObjectHead) -> str:
        """The ETag by which the copy is known to be the source; "" for none."""
        return "" if head.opaque_etag or "md5" not in self._digests else head.etag

    def _crc(self, head: replies.ObjectHead) -> bytes:
        return head.checksums.get(CRC, b"") if CRC in self._digests else b""

    def _proofs(self, head: replies.ObjectHead, completed: replies.Completed) -> tuple[str, ...]:
        """Another ETag disproves nothing: parts may have been guessed wrong, the destination encrypted."""
        crc = text(self._crc(head))
        if crc and completed.crc64nvme not in ("", crc):
            raise untrusted(self._name, f"CRC64NVME {completed.crc64nvme}, expected {crc}")
        same = {"md5": completed.etag == self._etag(head), CRC: completed.crc64nvme == crc != ""}
        return tuple(name for name in self._digests if same[name])
