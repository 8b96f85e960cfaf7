"""One multipart upload: created, completed, or aborted with proof that it is gone.

Theory: an upload costs money until somebody ends it, and only its id can do that. So from the moment in which
S3 may have made one, every way out either completes it, aborts it until the server no longer knows it (it may
still be committing a part), or tells the user with which command to. Complete becomes visible at once and
answers late: when its answer is lost, a look decides.

It does not know where the parts' bytes come from.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from shlex import quote
from typing import Any

from ..errors import Gof3rError, TransferError
from ..s3 import operations, replies
from ..s3.request import needs_path_style
from ..values import Failure, Header, Target
from .condition import Condition, explained, is_unmet
from .events import Warn
from .stored import found
from .story import Instruction, Pause, Quiet, Telling, ask, ask_on
from .verify import CRC, text

ABORT_WITHIN = 3.0
"""Seconds for aborting, with checking that it took: a stopped program should be gone within 5."""

LOOK_WITHIN = 5.0
"""Seconds for seeing whether a Complete that nobody has confirmed has made the object all the same."""

ANSWER_WITHIN = 1.5
"""Seconds to wait for Create's answer when we are stopped meanwhile: its upload can then be aborted."""

REJECTIONS = ("InvalidArgument", "InvalidRequest")
"""What stores that do not know a checksum header answer, with 400 and its name in the message."""


def rejects_checksums(failure: Failure | None) -> bool:
    """The store does not know the headers of CRC64NVME."""
    if failure is None:
        return False
    return failure.status == 501 or (failure.code in REJECTIONS and "checksum" in failure.message.lower())


def _is_absent(unseen: TransferError) -> bool:
    """A look has shown that there is no object."""
    return unseen.failure is not None and unseen.failure.status == 404


def without_crc(
    digests: tuple[str, ...], error: TransferError
) -> Generator[Instruction, object, tuple[str, ...]]:
    """``digests`` without CRC64NVME when ``error`` says that the store does not know its headers; raises
    ``error`` when it says anything else, or when nothing would be left to prove the object by."""
    if not rejects_checksums(error.failure) or len(digests) == 1:
        raise error
    yield Warn("the store rejects CRC64NVME checksums: going on with md5 alone")
    return tuple(name for name in digests if name != CRC)


def aborted(
    name: str, target: Target, upload_id: str, within: float
) -> Generator[Instruction, Any, TransferError | None]:
    """Abort until the server no longer knows the upload: it may still be committing a part. What has kept it
    from going for ``within`` seconds; None when it is gone."""
    now = yield Pause(0)
    end = now + within
    done = False
    try:
        while now < end:
            yield from ask(operations.abort_multipart_upload(target, upload_id), within=end - now)
            done = True
            now = yield Pause(0)
            yield from ask(operations.list_parts(target, upload_id), within=end - now)
            now = yield Pause(0.2)
    except TransferError as error:
        failure = error.failure
        gone = failure is not None and failure.code == "NoSuchUpload"
        # Who may abort need not be allowed to list.
        return None if gone or (done and failure is not None and failure.status == 403) else error
    return TransferError(f"{name}: upload {upload_id} is still there after {within:.0f} s of aborting")


class Multipart:
    """The upload that makes ``target``, with the object's ``headers``, if ``condition`` holds in the end.
    ``name`` begins its errors; ``digests`` is what its parts bring."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        condition: Condition = (),
    ) -> None:
        self._name = name
        self._target = target
        self._headers = headers
        self._condition = condition
        self.digests = digests
        """Without CRC64NVME once the store has rejected it."""
        self.id = ""

    def create(self) -> Telling:
        """Begin. What is not known to have failed is told, or aborted when its id still comes. No part may be
        on its way meanwhile: its failure would be taken for Create's."""
        create = operations.create_multipart_upload
        try:
            try:
                request = create(self._target, self._headers, CRC in self.digests)
                answer = yield from ask(request, replies.upload_id)
            except TransferError as error:
                self.digests = yield from without_crc(self.digests, error)
                request = create(self._target, self._headers, False)
                answer = yield from ask(request, replies.upload_id)
            if answer.doubtful:
                yield Warn(f"an answer to create_multipart_upload was lost: {self._find}")
            self.id = answer.value
        except Gof3rError as error:
            failure = getattr(error, "failure", None)
            if failure is None:  # not the server's word on Create: something else has stopped us meanwhile
                yield from self._undo_create()
            elif getattr(error, "doubtful", False):
                yield Warn(f"an upload may have been left behind: {self._find}")
            raise

    def _undo_create(self) -> Telling:
        """Wait a little for the answer that is still to come, and abort what it names."""
        try:
            answer = yield from ask_on(ANSWER_WITHIN)
            if answer.doubtful:
                yield Warn(f"an answer to create_multipart_upload was lost: {self._find}")
            self.id = answer.value
        except TransferError as error:
            if error.doubtful:
                yield Warn(f"an upload may have been left behind: {self._find}")
            return
        yield Quiet()
        yield from self.abort()

    def complete(
        self,
        parts: Sequence[tuple[int, str, str]],
        size: int,
        *,
        crc: bytes,
        expected_etag: str,
        again: bool = False,
    ) -> Generator[Instruction, object, replies.Completed]:
        """Make the object. ``parts`` are number, ETag and base64 CRC64NVME or ""; ``crc`` (b"": unknown) and
        ``expected_etag`` ("": unknown) are the whole object's, by which it is known again after a lost
        answer. ``again``: another process may have made it before. Raises TransferError."""
        request = operations.complete_multipart_upload(
            self._target, self.id, parts, size, text(crc), self._condition
        )
        try:
            answer = yield from ask(request, replies.completed, patient=True)
            completed: replies.Completed = answer.value
            return completed
        except TransferError as error:
            # The reply to an earlier attempt was lost, and now the upload is gone or an object is in the way:
            # it may have become that object. Or no reply has come at all.
            gone = error.failure is not None and error.failure.code == "NoSuchUpload"
            over = gone or bool(self._condition and is_unmet(error))
            ours = None
            if error.doubtful or (again and over):
                try:
                    ours = yield from found(
                        self._name,
                        self._target,
                        size=size,
                        etag=expected_etag,
                        crc=crc,
                        within=None if over else LOOK_WITHIN,
                    )
                except TransferError as unseen:
                    if not over:
                        said = f"{error}; whether it has made the object is not known"
                        raise TransferError(said, error.failure, doubtful=True) from None
                    if not _is_absent(unseen):
                        raise
            if ours is None:
                raise (explained(self._name, error) if self._condition else error) from None
            if not (gone or (over and error.doubtful)):  # it may be another one of the same bytes
                yield Quiet()
                yield from self.abort()
            return ours

    def abort(self) -> Telling:
        """Leave nothing behind. What cannot be aborted is named, with the command that removes it."""
        kept = yield from aborted(self._name, self._target, self.id, ABORT_WITHIN)
        if kept is not None:
            command = f"{self._command('abort')} --upload-id {quote(self.id)}"
            yield Warn(f"upload {self.id} could not be aborted; remove it with `{command}`")

    @property
    def _find(self) -> str:
        return f"`{self._command('ls')}` shows such uploads"

    def _command(self, verb: str) -> str:
        """Our own command for such uploads, with what its user's environment may not say."""
        target = self._target
        command = f"gof3r uploads {verb} {quote(str(target))}"
        if target.endpoint.host != f"s3.{target.region}.amazonaws.com":
            command += f" --endpoint {target.endpoint}"
        if target.path_style and not needs_path_style(target.bucket, target.endpoint):
            command += " --path-style"
        return f"{command} --region {target.region}"
