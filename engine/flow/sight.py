"""An object taken at sight: of what a listing has said, by one GET, which says what a HEAD would.

Theory: a small object costs requests, not bytes. Which digests prove it is known only when its bytes are
there, so all are computed that are cheap beside a request. Where those do not prove it, or it is another
object by now, it is ``Unfit``: it has to be looked at first.
"""

from __future__ import annotations

from collections.abc import Generator

from ..errors import TransferError, Unfit
from ..s3 import replies
from ..values import Digests, Response, Seen, Target
from .proof import Proof, Prover
from .story import Instruction
from .verify import CRCS, Whole


def can_be(seen: Seen, most: int) -> bool:
    """Whether one part of ``most`` bytes holds it. S3 has no range without bytes."""
    return 0 < seen.size <= most and not replies.is_composite(seen.etag)


def computed(digests: tuple[str, ...]) -> tuple[str, ...]:
    """Of the bytes that come, where ``digests`` may prove them."""
    return tuple(dict.fromkeys((*digests, *CRCS)))


def changed(name: str, error: TransferError) -> TransferError:
    """``error`` of the GET, where it says something else."""
    if error.failure is not None and error.failure.status in (412, 416):
        return Unfit(f"{name}: it has changed since it was listed")
    return error


def proven(
    name: str, target: Target, prover: Prover, answer: Response | None, whole: Whole, got: Digests
) -> Generator[Instruction, object, tuple[replies.ObjectHead, Proof, tuple[str, ...]]]:
    """What the ``answer`` to the GET says of ``target``, whose bytes, one part, have the digests ``got``;
    what there is to prove it, and which of that has. Raises TransferError, and Unfit."""
    assert answer is not None
    head = replies.object_head(answer)
    if target.version_id not in ("", head.version_id):
        raise Unfit(f"{name}: version {head.version_id or 'none'} came, expected {target.version_id}")
    proof = yield from prover.choose(head)
    if not {claim.digest for claim in proof.claims} <= got.keys():
        raise Unfit(f"{name}: what proves it was not computed")
    return head, proof, (yield from prover.check(proof, whole, got))
