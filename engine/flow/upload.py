"""The story of an upload: one PutObject, or create, parts, complete; then the md5 sidecar.

Whatever goes wrong after S3 has named a multipart upload ends in its abort. Success is claimed only for what
the server's own ETag or checksum of the whole object proves.
"""

from __future__ import annotations

from collections.abc import Generator
from shlex import quote

from ..errors import Gof3rError, TransferError
from ..s3 import checksums, operations, replies
from ..values import Header, Part, Target
from .dispatch import Work
from .events import Dismiss, Expect, Receipt, Tell, Warn
from .outgoing import Outgoing
from .stored import stored_proofs
from .story import Instruction, Pause, Quiet, Story, Telling, Until, ask, ask_on, head_of, stream_digests
from .verify import CRC, text

ABORT_WITHIN = 3.0
"""Seconds for aborting, with checking that it took: a stopped program should be gone within 5."""

ANSWER_WITHIN = 1.5
"""Seconds to wait for Create's answer when we are stopped meanwhile: its upload can then be aborted."""

REJECTIONS = ("InvalidArgument", "InvalidRequest")
"""What stores that do not know a checksum header answer, with 400 and its name in the message."""


class Upload:
    """One upload of ``parts``. ``digests`` are the parts' (md5, crc64nvme or both); ``sidecar`` asks for the
    md5 of the whole stream and the object that keeps it."""

    def __init__(
        self,
        target: Target,
        parts: Outgoing,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        sidecar: bool,
    ) -> None:
        self.name = f"put {target}"
        self._target = target
        self._parts = parts
        self._headers = headers
        self._digests = digests
        self._sidecar = sidecar

    def story(self) -> Story:
        """The whole upload, top to bottom."""
        yield Tell(Expect(("md5",) if self._sidecar else ()))
        yield Until(lambda: self._parts.count > 0)
        if self._parts.ended:
            receipt = yield from self._put_object()
        else:
            receipt = yield from self._multipart()
        if self._sidecar:
            yield from self._write_sidecar(receipt.etag)
        return receipt

    def _put_object(self) -> Story:
        request = operations.put_object(self._target, self._headers)

        def work(part: Part) -> Work:
            return Work(request, "put_object", part, direction="send", digests=self._digests)

        try:
            yield from self._parts.send(work)
        except TransferError as error:
            yield from self._without_checksums(error)
            yield from self._parts.send(work)
        assert self._parts.answer is not None
        headers = self._parts.answer.headers
        stored = replies.Completed(
            replies.etag(self._parts.answer),
            headers.get("x-amz-checksum-crc64nvme", ""),
            headers.get("x-amz-version-id", ""),
        )
        proofs = yield from self._proofs(stored, self._checked_crc())  # the ETag was checked as the part's
        return Receipt(self._parts.size, stored.etag, proofs, stored.version_id)

    def _multipart(self) -> Story:
        upload_id = yield from self._create()
        try:
            yield from self._parts.send(
                lambda part: Work(
                    operations.upload_part(self._target, upload_id, part.number),
                    f"part {part.number}",
                    part,
                    direction="send",
                    digests=self._digests,
                )
            )
            yield Dismiss()
            crc = self._checked_crc()
            completed = yield from self._complete(upload_id, crc)
        except Gof3rError:
            yield Quiet()
            yield from self._abort(upload_id)
            raise
        proofs = yield from self._proofs(completed, crc, self._expected_etag)
        return Receipt(self._parts.size, completed.etag, proofs, completed.version_id)

    def _proofs(
        self, completed: replies.Completed, crc: bytes, expected_etag: str = ""
    ) -> Generator[Instruction, object, tuple[str, ...]]:
        return stored_proofs(
            self.name,
            self._target,
            size=self._parts.size,
            digests=self._digests,
            crc=crc,
            completed=completed,
            expected_etag=expected_etag,
        )

    def _create(self) -> Generator[Instruction, object, str]:
        create = operations.create_multipart_upload
        try:
            try:
                answer = yield from ask(create(self._target, self._headers, CRC in self._digests))
            except TransferError as error:
                yield from self._without_checksums(error)
                answer = yield from ask(create(self._target, self._headers, False))
            if answer.doubtful:
                yield Warn(f"an answer to create_multipart_upload was lost: {self._find_uploads()}")
            return replies.upload_id(answer.response)
        except replies.Unreadable as unreadable:
            yield Warn(f"an upload may have been left behind: {self._find_uploads()}")
            raise TransferError(f"{self.name}: create_multipart_upload: {unreadable}") from None
        except Gof3rError as error:
            failure = getattr(error, "failure", None)
            if failure is None:  # not the server's word on Create: something else has stopped us meanwhile
                yield from self._undo_create()
            elif getattr(error, "doubtful", False):
                yield Warn(f"an upload may have been left behind: {self._find_uploads()}")
            raise

    def _undo_create(self) -> Telling:
        """Wait a little for the answer that is still to come, and abort what it names."""
        try:
            answer = yield from ask_on(ANSWER_WITHIN)
            upload_id = replies.upload_id(answer.response)
        except (TransferError, replies.Unreadable) as error:
            if getattr(error, "doubtful", True):
                yield Warn(f"an upload may have been left behind: {self._find_uploads()}")
            return
        yield Quiet()
        yield from self._abort(upload_id)

    def _find_uploads(self) -> str:
        listing = f"{self._aws('list-multipart-uploads')} --prefix {quote(self._target.key)}"
        return f"`{listing}` shows such uploads"

    def _aws(self, command: str) -> str:
        """The beginning of a command of AWS's own tool, for this endpoint and bucket."""
        where = f"--endpoint-url {self._target.endpoint} --region {self._target.region}"
        return f"aws {where} s3api {command} --bucket {self._target.bucket}"

    def _without_checksums(self, error: TransferError) -> Telling:
        """Go on without CRC64NVME when ``error`` says that the store does not know its headers; raise
        ``error`` when it says anything else, or when nothing would be left to prove the upload by."""
        failure = error.failure
        if failure is None:
            raise error
        named = failure.code in REJECTIONS and "checksum" in failure.message.lower()
        rejected = failure.status == 501 or named
        if not rejected or len(self._digests) == 1:
            raise error
        self._digests = tuple(name for name in self._digests if name != CRC)
        yield Warn("the store rejects CRC64NVME checksums: going on with md5 alone")

    def _checked_crc(self) -> bytes:
        """The CRC combined from what the workers sent; it must be that of the stream as it was read."""
        if CRC not in self._digests:
            return b""
        crc = self._parts.whole.crc(CRC)
        if crc != self._parts.stream_crc:
            raise TransferError(
                f"{self.name}: the parts that were sent are not the stream that was read: CRC64NVME "
                f"{crc.hex()}, expected {self._parts.stream_crc.hex()}; memory of this machine may be faulty"
            )
        return crc

    @property
    def _expected_etag(self) -> str:
        """The composite ETag that the parts' md5s make; "" when the store's ETags are no md5s."""
        return "" if self._parts.opaque or "md5" not in self._digests else self._parts.whole.composite_etag

    def _complete(self, upload_id: str, crc: bytes) -> Generator[Instruction, object, replies.Completed]:
        request = operations.complete_multipart_upload(
            self._target,
            upload_id,
            [(number, *self._parts.etags[number]) for number in range(1, self._parts.count + 1)],
            self._parts.size,
            text(crc),
        )
        try:
            answer = yield from ask(request, patient=True)
            return replies.completed(answer.response)
        except replies.Unreadable as unreadable:
            raise TransferError(f"{self.name}: complete_multipart_upload: {unreadable}") from None
        except TransferError as error:
            # The reply to an earlier attempt was lost and the upload is gone: it may have become the object.
            if not (error.doubtful and error.failure and error.failure.code == "NoSuchUpload"):
                raise
            head = yield from head_of(self.name, self._target)
            expected = self._expected_etag
            same_crc = bool(crc) and head.checksums.get(CRC) == crc
            if head.size != self._parts.size or not (same_crc or (expected and head.etag == expected)):
                raise
            return replies.Completed(head.etag, text(crc) if same_crc else "", head.version_id)

    def _write_sidecar(self, etag: str) -> Telling:
        headers = (("Content-Type", "text/plain"), ("x-amz-meta-etag", etag))
        try:
            digests = yield from stream_digests(self._parts.count)
            md5 = digests["md5"].hex()
            answer = yield from ask(
                operations.put_object(operations.sidecar_target(self._target), headers, md5.encode("ascii"))
            )
        except TransferError as error:
            text = f"{error}; the object itself is complete and verified, but its md5 sidecar is missing"
            raise TransferError(text, error.failure) from None
        stored = replies.etag(answer.response)
        wanted = checksums.compute(("md5",), memoryview(md5.encode("ascii")))["md5"].hex()
        if replies.etag_is_md5(answer.response.headers) and stored != wanted:
            raise TransferError(
                f"{self.name}: the md5 sidecar was stored wrongly: ETag {stored}, expected {wanted}; "
                "the object itself is complete and verified"
            )

    def _abort(self, upload_id: str) -> Telling:
        """Abort until the server no longer knows the upload: it may still be committing a part. What cannot
        be aborted is named, with the command that removes it."""
        now = yield Pause(0)
        end = now + ABORT_WITHIN
        aborted = False
        try:
            while now < end:
                yield from ask(operations.abort_multipart_upload(self._target, upload_id), within=end - now)
                aborted = True
                now = yield Pause(0)
                yield from ask(operations.list_parts(self._target, upload_id), within=end - now)
                now = yield Pause(0.2)
        except TransferError as error:
            failure = error.failure
            if failure is not None and failure.code == "NoSuchUpload":
                return
            if failure is not None and failure.status == 403 and aborted:
                return  # who may abort need not be allowed to list
        yield Warn(
            f"upload {upload_id} could not be aborted; remove it with `{self._aws('abort-multipart-upload')} "
            f"--key {quote(self._target.key)} --upload-id {quote(upload_id)}`"
        )

