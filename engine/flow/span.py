"""The stories of one copy that several machines share: begun once, its parts sent by spans, completed once.

Theory: a multipart upload belongs to whoever knows its id, and a part with the same number and bytes can be
sent twice without harm. So one ring looks at the source, chooses its proof and its parts, and creates the
upload (``Begin``); any ring sends any span of the parts (``Span``); and when all are there, one folds their
digests in part order, holds the whole against the source's claims, and completes (``Finish``). Only a proof
that is free of the stream's order can be had that way: CRCs that combine, digests of the parts' digests.

A span that fails leaves the upload, as does a Finish that was only stopped: each can be done again, anywhere.
What is disproved, or what the server will never complete, is aborted.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Gof3rError, TransferError, UsageError
from ..s3 import operations, replies
from ..spans import Split, StoredPart, Unsplit
from ..values import Digests, Part, Target, Verdict
from .dispatch import Work
from .download import range_work
from .events import Expect, Receipt, Tell
from .inherited import created_with
from .multipart import Multipart
from .original import Original
from .passing import Passing
from .plan import human
from .proof import Proof
from .resuming import is_over
from .slots import Ledger, stride
from .stored import stored_proofs
from .story import Quiet, Story
from .verify import CRC, Whole, text

UNFIT = ("BadDigest", "EntityTooSmall", "InvalidPart", "InvalidPartOrder")
"""Codes of a Complete whose parts make no object."""


class Begin:
    """All of a copy that comes before its first byte; returns a Split, or Unsplit where one machine has to
    copy all of it. ``server_side``: the target's server copies by itself."""

    def __init__(self, original: Original, *, server_side: bool) -> None:
        self.name = original.name
        self._original = original
        self._server_side = server_side

    def story(self) -> Story:
        original = self._original
        if self._server_side:
            return Unsplit("the server copies it by itself")
        head = yield from original.look()
        cut = yield from original.cut(head)
        if cut.stream:
            return Unsplit(f"it needs the {' and '.join(cut.stream)} of all its bytes in their order")
        if len(cut.parts) < 2:
            return Unsplit("it has one part")
        headers = yield from created_with(original.source, head, original.headers)
        upload = Multipart(self.name, original.target, headers=headers, digests=original.digests)
        yield from upload.create()
        return Split(
            upload.id,
            head.size,
            head.etag,
            head.version_id,
            cut.parts,
            cut.proof.claims,
            cut.digests,
            upload.digests,
        )


class SpanParts(Passing):
    """The parts of one span, on their way through."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.stored: dict[int, StoredPart] = {}
        self._arrived_with: dict[int, Digests] = {}

    def accepted(self, part: Part, verdict: Verdict) -> None:
        super().accepted(part, verdict)
        if verdict.job.direction == "receive":
            self._arrived_with[part.number] = verdict.digests
            return
        assert verdict.response is not None  # nothing is accepted without an answer
        self.stored[part.number] = StoredPart(
            part,
            replies.etag(verdict.response),
            text(verdict.digests.get(CRC, b"")),
            not replies.etag_is_md5(verdict.response.headers),
            self._arrived_with.pop(part.number),
        )


class Span:
    """The parts ``first`` to ``last`` of ``split``, received and sent; returns a tuple of StoredPart."""

    def __init__(
        self, source: Target, target: Target, split: Split, first: int, last: int, parts: SpanParts
    ) -> None:
        self.name = f"copy {source} to {target}"
        self._source = source
        self._target = target
        self._split = split
        self._parts = parts
        self._first, self._last = first, last

    def story(self) -> Story:
        split = self._split
        self._parts.cut(self._span())
        yield Tell(Expect(()))
        self._parts.receive(lambda part: range_work(self._source, split, part, split.digests), hashed=False)
        yield from self._parts.send(self._sent)
        return tuple(self._parts.stored[number] for number in sorted(self._parts.stored))

    def _span(self) -> Sequence[Part]:
        """Raises UsageError for parts that are not there, or that this machine cannot hold."""
        count, first, last = len(self._split.parts), self._first, self._last
        if not 1 <= first <= last <= count:
            raise UsageError(f"{self.name}: the parts are 1 to {count}, not {first} to {last}")
        span = self._split.parts[first - 1 : last]
        largest = max(part.length for part in span)
        if stride(largest) > self._parts.memory:
            raise UsageError(
                f"{self.name}: upload {self._split.upload_id} has parts of {human(largest)}, and all memory "
                f"for slots is {human(self._parts.memory)}: use a larger --memory"
            )
        return span

    def _sent(self, part: Part) -> Work:
        request = operations.upload_part(self._target, self._split.upload_id, part.number)
        return Work(request, f"part {part.number}", part, direction="send", digests=self._split.sent)


class Finish:
    """The object made of all parts of ``split`` as they were ``stored``; returns its Receipt. Carried out
    once more after it has succeeded it finds the object."""

    def __init__(self, original: Original, split: Split, stored: Sequence[StoredPart]) -> None:
        self.name = original.name
        self._original = original
        self._split = split
        self._stored = sorted(stored, key=lambda each: each.part.number)

    def story(self) -> Story:
        self._refuse_gaps()
        split, original = self._split, self._original
        whole = Whole()
        for each in self._stored:
            whole.add(each.part, each.digests)
        opaque = any(each.opaque for each in self._stored)
        crc = whole.crc(CRC) if CRC in split.sent else b""
        etag = "" if opaque or "md5" not in split.sent else whole.composite_etag
        proof = Proof(split.claims)
        upload = Multipart(
            self.name, original.target, headers=(), digests=split.sent, condition=original.condition
        )
        upload.id = split.upload_id
        disproved = True
        try:
            proofs = yield from original.prover.check(proof, whole, {})
            disproved = False
            completed = yield from upload.complete(
                [(each.part.number, each.etag, each.crc64nvme) for each in self._stored],
                split.size,
                crc=crc,
                expected_etag=etag,
                again=True,
            )
        except Gof3rError as error:
            if not (disproved or _is_final(error)):
                error.kept = split.upload_id
                raise
            yield Quiet()
            yield from upload.abort()
            raise
        yield from stored_proofs(
            self.name,
            original.target,
            size=split.size,
            digests=split.sent,
            crc=crc,
            completed=completed,
            expected_etag=etag,
        )
        return Receipt(
            split.size,
            completed.etag,
            proofs,
            completed.version_id,
            {**proof.digests(whole, {}), **({CRC: crc} if crc else {})},
            source_etag=split.etag,
            source_version_id=split.version_id,
        )

    def _refuse_gaps(self) -> None:
        """Raises UsageError unless every part is there once; the upload stays, since they may still come."""
        wanted, got = self._split.parts, tuple(each.part for each in self._stored)
        if got == wanted:
            return
        numbers = [part.number for part in got]
        missing = sorted({part.number for part in wanted} - set(numbers))
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        why = "are of another upload"
        if missing:
            why = f"lack part {missing[0]}"
        elif twice:
            why = f"have part {twice[0]} more than once"
        raise UsageError(
            f"{self.name}: the spans {why}: all of parts 1 to {len(wanted)} are needed, once each"
        )


def _is_final(error: Gof3rError) -> bool:
    """The object can never be made of this upload, whose parts nobody compares again."""
    failure = error.failure if isinstance(error, TransferError) else None
    return is_over(error) or (failure is not None and failure.code in UNFIT)
