"""The story of an upload: one PutObject, or create, parts, complete; then the md5 sidecar.

Whatever goes wrong after S3 has named a multipart upload ends in its abort, unless a later run is to go on
with it. Success is claimed only for what the server's own ETag or checksum of the whole object proves.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from ..errors import Gof3rError, TransferError, UsageError
from ..s3 import checksums, operations, replies
from ..values import Begun, Direction, Header, Part, Response, Target
from .condition import NEVER_OVERWRITE, Condition, explained, is_unmet, refuse_existing
from .dispatch import Work
from .events import Dismiss, Expect, Receipt, Show, Tell
from .multipart import Multipart, without_crc
from .outgoing import Outgoing
from .passing import Passing
from .resuming import is_over, newest, parts_there, refuse_misfit
from .stored import found, stored_proofs
from .story import Instruction, Quiet, Story, Telling, Until, ask, stream_digests
from .verify import CRC


class Upload:
    """One upload of ``parts``. ``digests`` are the parts' (md5, crc64nvme or both); ``sidecar`` asks for the
    md5 of the whole stream and the object that keeps it; ``if_none_match`` never replaces an object.
    ``resume`` goes on with the upload of this key that is under way, ``upload_id`` or the newest, and leaves
    one that fails as it is; with ``anew`` one that does not fit is ended, and another begun. Of what passes
    through, ``upload_id`` is one that ``parts`` were compared with, and ``note`` makes of a new one's id, and
    of what its parts bring, what is shown. ``name`` begins its errors."""

    def __init__(
        self,
        target: Target,
        parts: Outgoing | Passing,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        sidecar: bool,
        if_none_match: bool = False,
        resume: bool = False,
        upload_id: str = "",
        anew: bool = False,
        note: Callable[[str, tuple[str, ...]], Begun] | None = None,
        name: str = "",
    ) -> None:
        self.name = name or f"put {target}"
        self._target = target
        self._parts = parts
        self._headers = headers
        self._digests = digests
        self._sidecar = sidecar
        self._condition: Condition = NEVER_OVERWRITE if if_none_match else ()
        self._resume = resume
        self._upload_id = upload_id
        self._named = bool(upload_id)
        self._anew = anew
        self._note = note

    def story(self) -> Story:
        """The whole upload, top to bottom."""
        yield Tell(Expect(("md5",) if self._sidecar else ()))
        if self._condition:
            yield from refuse_existing(self.name, self._target)
        if self._resume and not self._upload_id:
            self._upload_id = yield from newest(self.name, self._target)
        yield Until(lambda: self._parts.count > 0)
        receipt = yield from self.store(self._condition)
        if self._sidecar:
            try:
                md5 = yield from self._stream_md5()
            except TransferError as error:
                raise sidecar_missing(error) from None
            yield from write_sidecar(self._target, receipt.etag, md5, self._headers)
            receipt = replace(receipt, digests={"md5": md5, **receipt.digests})
        return receipt

    def store(
        self, condition: Condition, check: Callable[[], Telling] | None = None
    ) -> Generator[Instruction, object, Receipt]:
        """The object alone, of all parts there will be. ``check`` comes right before the request that makes
        it, and raises what must prevent that."""
        if self._parts.single and not (self._upload_id and (self._parts.size or self._anew)):
            if check:
                yield from check()
            return (yield from self._put_object(condition))
        return (yield from self._multipart(condition, check))

    def _put_object(self, condition: Condition) -> Generator[Instruction, object, Receipt]:
        request = operations.put_object(self._target, (*self._headers, *condition))

        def work(part: Part) -> Work:
            return Work(request, "put_object", part, direction="send", digests=self._digests)

        try:
            try:
                yield from self._parts.send(work)
            except TransferError as error:
                self._digests = yield from without_crc(self._digests, error)
                yield from self._parts.send(work)
        except TransferError as error:
            if not condition:
                raise
            return (yield from self._is_ours(error))
        answer = self._parts.sent.answer
        assert answer is not None
        stored = replies.Completed(
            replies.etag(answer),
            answer.headers.get("x-amz-checksum-crc64nvme", ""),
            answer.headers.get("x-amz-version-id", ""),
        )
        self._check_crc()
        return (yield from self._receipt(stored))  # the ETag was checked as the part's

    def _is_ours(self, error: TransferError) -> Generator[Instruction, object, Receipt]:
        """The server has refused PutObject on its condition: an earlier attempt whose answer was lost may
        have made the object that is in the way. Raises TransferError when not."""
        stored = None
        crc = self._parts.stream_crc if CRC in self._digests else b""
        md5 = b""
        if error.doubtful and is_unmet(error):
            md5 = (yield from self._stream_md5()) if self._sidecar else b""
            size, etag = self._parts.size, md5.hex()
            stored = yield from found(self.name, self._target, size=size, etag=etag, crc=crc)
        if stored is None:
            raise explained(self.name, error) from None
        same = {"md5": stored.etag == md5.hex(), CRC: bool(stored.crc64nvme)}
        proofs = tuple(name for name in self._digests if same[name])
        digests = {CRC: crc} if crc else {}
        return Receipt(self._parts.size, stored.etag, proofs, stored.version_id, digests)

    def _multipart(
        self, condition: Condition, check: Callable[[], Telling] | None
    ) -> Generator[Instruction, object, Receipt]:
        upload = Multipart(
            self.name, self._target, headers=self._headers, digests=self._digests, condition=condition
        )
        upload.id = self._upload_id
        if upload.id and self._anew:
            yield from self._end_misfit(upload)
            if not upload.id and self._parts.single:
                return (yield from self._put_object(condition))
        if not upload.id:
            yield from upload.create()
            self._digests = upload.digests
        try:
            if self._note and not self._upload_id:
                yield Show(self._note(upload.id, self._digests))
            if self._upload_id and isinstance(self._parts, Outgoing):
                yield from self._compare(self._parts, upload.id)
            yield from self._parts.send(lambda part: self._part(upload.id, part, "send", self._digests))
            yield Dismiss()
            self._check_crc()
            if check:
                yield from check()
            completed = yield from upload.complete(
                self._parts.sent.parts, self._parts.size, crc=self._crc, expected_etag=self._expected_etag
            )
        except Gof3rError as error:
            if isinstance(error, UsageError):  # about the upload: nothing of ours has come to it
                raise
            if self._resume and not is_over(error):
                error.kept = upload.id
                raise
            yield Quiet()
            yield from upload.abort()
            raise
        receipt = yield from self._receipt(completed, self._expected_etag)
        return replace(receipt, there=self._parts.there if self._upload_id else None)

    def _end_misfit(self, upload: Multipart) -> Telling:
        """What cannot be gone on with is ended: another is begun."""
        try:
            there = yield from parts_there(self.name, self._target, upload.id, self._digests)
            assert isinstance(self._parts, Outgoing)  # a copy's Left has seen to that
            if self._parts.size and there.misfit(self._parts.planned) is None:
                return
        except UsageError:
            pass  # of other checksums
        except TransferError as error:
            if error.failure is None or error.failure.code != "NoSuchUpload":
                error.kept = upload.id
                raise
        yield from upload.abort()
        self._upload_id = upload.id = ""

    def _part(self, upload_id: str, part: Part, direction: Direction, digests: tuple[str, ...]) -> Work:
        request = operations.upload_part(self._target, upload_id, part.number)
        return Work(request, f"part {part.number}", part, direction=direction, digests=digests)

    def _compare(self, parts: Outgoing, upload_id: str) -> Telling:
        """Send nothing that upload ``upload_id`` has already. Raises UsageError when it cannot be ours."""
        try:
            there = yield from parts_there(self.name, self._target, upload_id, self._digests)
        except TransferError as error:
            if not (self._named and is_over(error)):
                raise
            raise TransferError(f"{error} without --upload-id", error.failure) from None
        refuse_misfit(there, upload_id, parts.planned)

        def look(part: Part) -> Work | None:
            names = there.to_compute(part, self._digests)
            return self._part(upload_id, part, "digest", names) if names else None

        parts.compare(there, look)

    def _receipt(
        self, stored: replies.Completed, expected_etag: str = ""
    ) -> Generator[Instruction, object, Receipt]:
        proofs = yield from stored_proofs(
            self.name,
            self._target,
            size=self._parts.size,
            digests=tuple(name for name in self._digests if name != "md5" or not self._parts.sent.unchecked),
            crc=self._crc,
            completed=stored,
            expected_etag=expected_etag,
        )
        digests = {CRC: self._crc} if self._crc else {}
        return Receipt(self._parts.size, stored.etag, proofs, stored.version_id, digests)

    def _check_crc(self) -> None:
        """The CRC combined from what the workers sent must be that of the stream as it was read."""
        if self._crc != (self._parts.stream_crc if CRC in self._digests else b""):
            raise TransferError(
                f"{self.name}: the parts that were sent are not the stream that was read: CRC64NVME "
                f"{self._crc.hex()}, expected {self._parts.stream_crc.hex()}; memory of this machine may be "
                "faulty"
            )

    @property
    def _crc(self) -> bytes:
        """The whole object's, combined from its parts'; b"" where none is computed."""
        return self._parts.whole.crc(CRC) if CRC in self._digests else b""

    @property
    def _expected_etag(self) -> str:
        """The composite ETag that the parts' md5s make; "" when the store's ETags are no md5s."""
        return (
            "" if self._parts.sent.opaque or "md5" not in self._digests else self._parts.whole.composite_etag
        )

    def _stream_md5(self) -> Generator[Instruction, object, bytes]:
        return (yield from stream_digests(self._parts.count))["md5"]


def sidecar_missing(error: TransferError) -> TransferError:
    text = f"{error}; the object itself is complete and verified, but not its md5 sidecar"
    return TransferError(text, error.failure)


GUARDS = ("x-amz-acl", "x-amz-grant-", "x-amz-server-side-encryption")
"""Beginnings of headers that say who may read an object and how it is encrypted."""


def write_sidecar(target: Target, etag: str, md5: bytes, headers: tuple[Header, ...]) -> Telling:
    """Keep ``md5`` of the object's bytes beside it, with the object's ``etag`` ("" to name none), guarded as
    the object is by its ``headers``: a bucket's policy may demand it of everything. Raises TransferError."""
    guards = tuple(header for header in headers if header[0].lower().startswith(GUARDS))
    named = (("x-amz-meta-etag", etag),) if etag else ()
    headers = (("Content-Type", "text/plain"), *named, *guards)
    body = md5.hex().encode("ascii")
    wanted = checksums.compute(("md5",), memoryview(body))["md5"].hex()

    def check(response: Response) -> None:
        stored = replies.etag(response)
        if not stored:
            raise replies.Unreadable("the md5 sidecar has got no ETag")
        if replies.etag_is_md5(response.headers) and stored != wanted:
            raise replies.Unreadable(f"the md5 sidecar has ETag {stored}, expected {wanted}")

    try:
        yield from ask(operations.put_object(operations.sidecar_target(target), headers, body), check)
    except TransferError as error:
        raise sidecar_missing(error) from None
