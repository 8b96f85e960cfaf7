"""The story of a download: HEAD, what can prove this object, all parts, the whole's checks.

The last part is held back until the checks of the whole have passed, so that a reader of our output never
sees the end of something wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ..errors import TransferError
from ..s3 import operations, replies
from ..values import Part, Seen, Target
from . import sight
from .dispatch import Work
from .events import Expect, Receipt, Release, Tell
from .incoming import Incoming
from .plan import MAX_OBJECT
from .proof import Prover
from .story import Story, stream_digests
from .verify import CRC


class Known(Protocol):
    """Which object the bytes must be of: a HEAD says it, and whoever has made one."""

    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...


def range_work(
    target: Target, head: Known, part: Part, digests: tuple[str, ...] = (), local: bool = False
) -> Work:
    """Bytes of ``part``, and only of the object that ``head`` is about, with ``digests`` of them; ``local``:
    from the destination, which has them."""
    last = part.offset + part.length - 1
    return Work(
        operations.get_object(target, part.offset, last, head.etag),
        f"part {part.number} (bytes {part.offset}-{last})",
        part,
        direction="receive",
        digests=digests,
        etag=head.etag,
        object_size=head.size,
        local=local,
    )


class Download:
    """One download into ``parts``, in ranges of ``part_size`` bytes unless the object's own parts are needed
    to prove it. ``digests``, ``sidecar`` and ``unproven`` are the ``Prover``'s; ``serial``: whatever
    the size, an md5 of the stream is worth it, and the receipt has a CRC64NVME. The destination has the first
    ``there`` bytes of the object with ``etag`` already (None: it is not resumed): they are read, and proven
    with the rest. ``seen``: it is asked for as it was listed, without a look before."""

    def __init__(
        self,
        target: Target,
        parts: Incoming,
        *,
        part_size: int,
        digests: tuple[str, ...],
        sidecar: bool,
        unproven: bool,
        serial: bool = False,
        every: bool = False,
        there: int | None = None,
        etag: str = "",
        seen: Seen | None = None,
    ) -> None:
        self._there = there
        self._etag = etag
        self.name = f"{'verify' if every else 'get'} {target}"
        self._target = target
        self._parts = parts
        self._part_size = part_size
        self._digests = digests
        looks = sidecar or every or there is not None
        most = min(part_size, parts.memory)
        self._seen = seen if seen and not looks and sight.can_be(seen, most) else None
        self._noted = (CRC,) if serial and CRC in digests else ()
        self._prover = Prover(
            self.name,
            target,
            digests=digests,
            sidecar=sidecar,
            unproven=unproven,
            every=every,
            memory=parts.memory,
            part_size=MAX_OBJECT if serial else part_size,
        )

    def story(self) -> Story:
        """The whole download, top to bottom."""
        if self._seen:
            return (yield from self._at_sight(self._seen))
        head = yield from self._prover.head()
        if self._etag not in ("", head.etag):
            raise TransferError(f"{self.name}: the object has just changed; run again")
        return (yield from self.whole(head))

    def whole(self, head: replies.ObjectHead) -> Story:
        """All bytes of the object that ``head`` is about, and its proof."""
        proof = yield from self._prover.choose(head)
        proof = replace(proof, noted=self._noted)
        self._parts.cut(head.size, self._part_size, proof.layout)
        there = self._there or 0 if proof.claims else 0  # what nothing proves comes from S3 alone
        yield Tell(Expect(proof.stream, held=self._parts.count, there=there))

        def work(part: Part) -> Work:
            local = part.offset + part.length <= there
            return range_work(self._target, head, part, proof.part_digests, local)

        yield from self._parts.receive(work)
        stream = (yield from stream_digests(self._parts.count)) if proof.stream else {}
        try:
            proofs = yield from self._prover.check(proof, self._parts.whole, stream)
            if self._parts.there and not proofs:
                raise TransferError(f"{self.name}: nothing proves it together with what was kept; run again")
        except TransferError as error:
            error.disproved = True
            raise
        yield Tell(Release())
        yield from self._parts.drain()
        digests = proof.digests(self._parts.whole, stream)
        there_before = None if self._there is None else self._parts.there
        return Receipt(head.size, head.etag, proofs, head.version_id, digests, there_before)

    def _at_sight(self, seen: Seen) -> Story:
        """By one request. Raises Unfit."""
        parts, digests = self._parts, sight.computed(self._digests)
        parts.cut(seen.size, self._part_size)
        yield Tell(Expect((), held=1))
        try:
            yield from parts.receive(lambda part: range_work(self._target, seen, part, digests))
        except TransferError as error:
            raise sight.changed(self.name, error) from None
        head, proof, proofs = yield from sight.proven(
            self.name, self._target, self._prover, parts.answer, parts.whole, parts.digests
        )
        yield Tell(Release())
        yield from parts.drain()
        proof = replace(proof, noted=self._noted)
        known = proof.digests(parts.whole, {name: parts.digests[name] for name in proof.stream})
        return Receipt(head.size, head.etag, proofs, head.version_id, known)


class Verify(Download):
    """A download that is held against everything stored about its object, and goes nowhere: the sink is for
    whoever runs it to choose."""

    def __init__(self, target: Target, parts: Incoming, *, part_size: int) -> None:
        digests = ("md5", "crc64nvme")
        super().__init__(
            target, parts, part_size=part_size, digests=digests, sidecar=True, unproven=False, every=True
        )
