"""On which boundaries an object is copied in parts: its own, so that its ETag stays, or equal ones.

S3 does not list an object's parts (``proof.likely_parts``); only those that S3 takes from an upload count.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..errors import TransferError
from ..s3 import replies
from ..values import Part, Target
from . import plan
from .proof import likely_parts
from .story import Instruction


def own_parts(
    name: str, source: Target, head: replies.ObjectHead
) -> Generator[Instruction, object, tuple[Part, ...]]:
    """The parts that ``source`` was most likely made of; () when it has none that an upload can have."""
    if not replies.is_composite(head.etag):
        return ()
    layout = yield from likely_parts(name, source, head)
    return layout if are_allowed(layout) else ()


def are_allowed(parts: Sequence[Part]) -> bool:
    """Whether S3 takes parts of these lengths."""
    small = any(part.length < plan.MIN_PART for part in parts[:-1])
    return not small and all(part.length <= plan.MAX_PART for part in parts)


def largest(parts: Sequence[Part]) -> int:
    """Bytes."""
    return max((part.length for part in parts), default=0)


def equal_parts(name: str, size: int, part_size: int, most: int) -> tuple[Part, ...]:
    """``size`` bytes in parts of ``part_size`` bytes, or as many as S3's limits ask for; one part without
    bytes for an empty object. Raises TransferError when parts of at most ``most`` bytes cannot hold it."""
    length = max(part_size, plan.MIN_PART, -(-size // plan.MAX_PARTS))
    if min(size, length) > most:
        raise TransferError(
            f"{name}: {plan.human(size)} need parts of {plan.human(min(size, length))}, and the largest that "
            f"one can be is {plan.human(most)}: use a larger --memory"
        )
    return tuple(plan.ranges(size, length)) or (Part(1, 0, 0),)
