"""Several things to do, of which some fail: what stops the others, and the one error in the end."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import TransferError
from .events import Warn
from .story import Telling


def is_single(error: TransferError) -> bool:
    """The server has refused this one thing; the others may fare better."""
    return error.failure is not None and error.failure.kind == "server"


def raise_any(failed: Sequence[TransferError], summary: str) -> Telling:
    """Nothing without failures; one is raised as it is; more are told, and ``summary`` is raised."""
    if len(failed) == 1:
        raise failed[0]
    for error in failed:
        yield Warn(str(error))
    if failed:
        raise TransferError(summary)
