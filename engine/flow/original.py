"""The original of a copy that passes through us: whether it may be copied there, what it is, what will prove
it, and in which parts it goes.

All of that comes before the first byte, and is the same whether one ring then moves all parts or several
machines share them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..errors import TransferError
from ..s3 import replies
from ..values import Header, Part, Target
from . import plan
from .boundaries import are_allowed, equal_parts, largest, own_parts
from .condition import NEVER_OVERWRITE, Condition, refuse_existing
from .plan import MAX_OBJECT
from .proof import Proof, Prover
from .story import Instruction, Telling


@dataclass(frozen=True, slots=True)
class Cut:
    """How an object is read: in which parts, and with which digests."""

    parts: tuple[Part, ...]
    proof: Proof
    digests: tuple[str, ...]
    """Of every part."""
    stream: tuple[str, ...]
    """Of the whole, run over all parts in their order."""

    def planned(self, number: int) -> int:
        """Bytes of part ``number``; 0 where there is none."""
        return self.parts[number - 1].length if number <= len(self.parts) else 0


class Original:
    """What is copied from ``source`` to ``target``; the arguments are as for ``Copy``. ``memory``: bytes of
    the largest part that can be held."""

    def __init__(
        self,
        source: Target,
        target: Target,
        *,
        headers: tuple[Header, ...],
        digests: tuple[str, ...],
        sidecar: bool,
        unproven: bool,
        serial: bool,
        if_none_match: bool,
        part_size: int,
        memory: int,
    ) -> None:
        self.name = f"copy {source} to {target}"
        self.source = source
        self.target = target
        self.headers = headers
        self.digests = digests
        """What parts are sent with."""
        self.condition: Condition = NEVER_OVERWRITE if if_none_match else ()
        self._sidecar = sidecar
        self._part_size = part_size
        self._memory = memory
        self.prover = Prover(
            self.name,
            source,
            digests=digests,
            sidecar=sidecar,
            unproven=unproven,
            memory=memory,
            part_size=MAX_OBJECT if serial else part_size,
        )

    def look(self) -> Generator[Instruction, object, replies.ObjectHead]:
        """What is there. Raises TransferError, also when it may not be copied."""
        yield from self.refuse()
        return (yield from self.prover.head())

    def refuse(self) -> Telling:
        """Raises TransferError when it may not be copied."""
        self._refuse_itself()
        if self.condition:
            yield from refuse_existing(self.name, self.target)

    def _refuse_itself(self) -> None:
        source, target = self.source, self.target
        same = (source.endpoint, source.bucket, source.key) == (target.endpoint, target.bucket, target.key)
        if same and not source.version_id and not self.headers:
            raise TransferError(f"{self.name}: the source is the destination, and no header would change")

    def cut(self, head: replies.ObjectHead) -> Generator[Instruction, object, Cut]:
        """On the source's own boundaries where they can be. Raises TransferError when nothing proves it, or
        no parts hold it."""
        proof = yield from self.prover.choose(head)
        parts = proof.layout or (yield from own_parts(self.name, self.source, head))
        if largest(parts) > self._memory or not are_allowed(parts):
            parts = ()
        if proof.layout and not parts:
            proof = Proof(tuple(claim for claim in proof.claims if claim.way != "composite"))
            if not proof.claims:
                yield from self.prover.refuse("the parts that could prove it are none that S3 takes")
        most = min(self._memory, plan.MAX_PART)
        return Cut(
            parts or equal_parts(self.name, head.size, self._part_size, most),
            proof,
            tuple(dict.fromkeys((*self.digests, *proof.part_digests))),
            tuple(dict.fromkeys((*proof.stream, *(("md5",) if self._sidecar else ())))),
        )
