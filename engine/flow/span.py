"""The stories of one copy that several machines share: begun once, its parts sent by spans, completed once.

Theory: a multipart upload belongs to whoever knows its id, and a part with the same number and bytes can be
sent twice without harm. So one ring looks at the source, chooses its proof and its parts, and creates the
upload (``Begin``); any ring sends any span of the parts (``Span``); and when all are there, one folds their
digests in part order, holds the whole against the source's claims, and completes (``Finish``). Only a proof
that is free of the stream's order can be had that way: CRCs that combine, digests of the parts' digests.

A span that fails leaves the upload, as does a Finish that was only stopped: each can be done again, anywhere,
and a later Begin goes on with it, as a copy does (``left``): each span then compares what there is of its own
parts. What is disproved is aborted.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..errors import Gof3rError, UsageError
from ..s3 import operations
from ..spans import Split, StoredPart, Unsplit
from ..values import Begun, Digests, Part, Target, Verdict
from .dispatch import Work
from .download import range_work
from .events import Expect, Receipt, Tell
from .inherited import created_with
from .left import Left, begun
from .multipart import Multipart
from .original import Original
from .passing import Passing
from .plan import human
from .proof import Proof
from .resuming import is_over, parts_there
from .slots import Ledger, stride
from .stored import stored_proofs
from .story import Instruction, Quiet, Story
from .verify import CRC, Whole


class Begin:
    """All of a copy that comes before its first byte; returns a Split, or Unsplit where one machine has to
    copy all of it. ``server_side``: the target's server copies by itself. ``left`` is an upload of an earlier
    run to go on with, as one machine would; where that fits no more, it is ended."""

    def __init__(self, original: Original, *, server_side: bool, left: Begun | None = None) -> None:
        self.name = original.name
        self._original = original
        self._server_side = server_side
        self._left = Left(self.name, original.target, left)

    def story(self) -> Story:
        try:
            return (yield from self._begin())
        except Gof3rError as error:
            if self._left.id:
                yield from self._left.keep(error)
            raise

    def _begin(self) -> Generator[Instruction, object, Split | Unsplit]:
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
        going_on = yield from self._left.fitting(head.etag, headers, original.digests, cut.planned)
        if going_on:
            upload_id, (_, sent) = self._left.taken(), going_on
        else:
            upload = Multipart(self.name, original.target, headers=headers, digests=original.digests)
            yield from upload.create()
            upload_id, sent = upload.id, upload.digests
        return Split(
            begun(original.target, upload_id, head.etag, headers, sent),
            head.size,
            head.version_id,
            cut.parts,
            cut.proof.claims,
            cut.digests,
            sent,
            resumed=going_on is not None,
        )


class SpanParts(Passing):
    """The parts of one span, on their way through."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._arrived_with: dict[int, tuple[Part, Digests]] = {}

    def accepted(self, part: Part, verdict: Verdict) -> None:
        super().accepted(part, verdict)
        if verdict.job.direction == "receive":
            self._arrived_with[part.number] = part, verdict.digests

    @property
    def stored(self) -> tuple[StoredPart, ...]:
        """What the server has, in part order; every part must be there."""
        return tuple(
            StoredPart(part, its.etag, its.crc, its.opaque, its.listed, digests)
            for part, digests in map(self._arrived_with.__getitem__, sorted(self._arrived_with))
            for its in [self.sent.each[part.number]]
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
        try:
            return (yield from self._carry())
        except Gof3rError as error:
            if not is_over(error):
                error.kept = self._split.upload_id
            raise

    def _carry(self) -> Generator[Instruction, object, tuple[StoredPart, ...]]:
        split, target = self._split, self._target
        self._parts.cut(self._span())
        if split.resumed:
            there = yield from parts_there(
                self.name, target, split.upload_id, split.sent, self._first, self._last
            )
            self._parts.compare(there, split.sent)
        yield Tell(Expect(()))
        self._parts.receive(lambda part: range_work(self._source, split, part, split.digests), hashed=False)
        yield from self._parts.send(self._sent)
        return self._parts.stored

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
        unchecked = any(each.opaque and each.listed for each in self._stored)  # as Sent has it
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
            if not (disproved or is_over(error)):
                error.kept = split.upload_id
                raise
            yield Quiet()
            yield from upload.abort()
            raise
        yield from stored_proofs(
            self.name,
            original.target,
            size=split.size,
            digests=tuple(name for name in split.sent if name != "md5" or not unchecked),
            crc=crc,
            completed=completed,
            expected_etag=etag,
        )
        there = sum(each.part.length for each in self._stored if each.listed)
        return Receipt(
            split.size,
            completed.etag,
            proofs,
            completed.version_id,
            {**proof.digests(whole, {}), **({CRC: crc} if crc else {})},
            source_etag=split.etag,
            source_version_id=split.version_id,
            there=there if split.resumed else None,
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
