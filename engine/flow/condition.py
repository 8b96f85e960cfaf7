"""Writing on a condition: never over an object that is there already.

Theory: S3 judges ``If-None-Match: *`` in the moment in which the object would become visible, so two writers
cannot both win: PutObject, CompleteMultipartUpload and CopyObject carry it ("How to prevent object overwrites
with conditional writes", S3 User Guide). A look beforehand costs one request, spares the bytes where there is
an object, and is all there is with stores that ignore the header.
"""

from __future__ import annotations

from ..errors import UNMET, TransferError
from ..values import Failure, Header, Target
from .story import Telling, head_of

Condition = tuple[Header, ...]
"""Headers of the request that makes the object; () for none."""

NEVER_OVERWRITE: Condition = (("If-None-Match", "*"),)

UNSEEN = (400, 403)
"""Statuses of a look that is not for us: no leave to read, or an object under a customer's key (SSE-C)."""


def only_over(etag: str) -> Condition:
    """Replace nothing but what we have put there ourselves."""
    return (("If-Match", f'"{etag}"'),)


def refuse_existing(name: str, target: Target) -> Telling:
    """Raises TransferError when a look shows an object at ``target``."""
    try:
        yield from head_of(name, target)
    except TransferError as error:
        if error.failure is None or error.failure.status not in (404, *UNSEEN):
            raise
    else:
        raise TransferError(f"{name}: {_EXISTS}", Failure("check", UNMET))


def is_unmet(error: TransferError) -> bool:
    """The server says that there is an object already: maybe ours, when an earlier answer was lost."""
    return error.failure is not None and error.failure.status == 412


def explained(name: str, error: TransferError) -> TransferError:
    """``error`` of a request with a condition, in words that say what to do."""
    status = error.failure.status if error.failure else 0
    if status == 412:
        return TransferError(f"{name}: {_EXISTS}", Failure("check", UNMET))
    if status == 409:
        text = f"{error}; another write to the same key was under way: run again"
        return TransferError(text, error.failure)
    return error


_EXISTS = "there is an object already, and --if-none-match leaves it as it is"
