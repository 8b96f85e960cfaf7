"""What a copy has from its source beside the bytes: content headers, metadata, tags.

ACL, storage class and encryption are the destination's own, as they are with S3's own copies.
"""

from __future__ import annotations

from collections.abc import Generator

from ..errors import TransferError
from ..s3 import listings, operations, replies
from ..values import Header, Target
from .events import Warn
from .story import Instruction, ask

TAGGING = "x-amz-tagging"

REPLACED = ("content-", "cache-control", "expires", "x-amz-meta-")
"""Beginnings of the headers that CopyObject takes from its source, or from the request: all or none."""

DENIED = (403, 405, 501)
"""Statuses of a request that is not for us, or that the server does not know."""


def refused(error: TransferError) -> bool:
    """The server does not do this for us, whatever it might do for others."""
    return error.failure is not None and error.failure.status in DENIED


def is_named(headers: tuple[Header, ...], *beginnings: str) -> bool:
    """Whether one of ``headers`` begins with one of these names (in lower case)."""
    return any(name.lower().startswith(beginnings) for name, _ in headers)


def described(head: replies.ObjectHead, given: tuple[Header, ...]) -> tuple[Header, ...]:
    """The source's content headers and metadata, but for those of the same names as ``given``."""
    names = {name.lower() for name, _ in given}
    own = (*head.content_headers, *((f"x-amz-meta-{name}", value) for name, value in head.metadata.items()))
    return tuple(header for header in own if header[0].lower() not in names)


def created_with(
    source: Target, head: replies.ObjectHead, given: tuple[Header, ...]
) -> Generator[Instruction, object, tuple[Header, ...]]:
    """Headers that make a new object one like ``source``, ``given`` ones first of all."""
    tags: tuple[Header, ...] = ()
    if head.tag_count and not is_named(given, TAGGING):
        try:
            answer = yield from ask(operations.get_object_tagging(source), listings.tags)
            tags = (operations.tagging_header(answer.value),)
        except TransferError as error:
            if not refused(error):
                raise
            yield Warn(f"{error}: copied without its {head.tag_count} tags")
    return (*described(head, given), *tags, *given)
