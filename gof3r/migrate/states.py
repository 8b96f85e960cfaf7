"""The journal's words: an item's states, what is told of it, and what is asked back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal
from urllib.parse import quote, unquote

from gof3r.engine.values import Begun

from .items import Identity, Item

Side = Literal["source", "destination"]


class State(IntEnum):
    """As the file has them."""

    TODO = 0
    UNDER_WAY = 1
    DONE = 2
    FAILED = 3
    DELETED = 4
    """Done, and its source is deleted."""


@dataclass(frozen=True, slots=True)
class Left:
    """A multipart upload that may be under way for an item; ``str()`` is what the file has."""

    since: float
    """Epoch second, as a whole one: it was not begun before."""
    begun: Begun | None = None
    """A copy's, once it is known: it can be gone on with."""

    @property
    def upload_id(self) -> str:
        """Of the one to go on with; empty for none."""
        return self.begun.upload_id if self.begun else ""

    def __str__(self) -> str:
        known = (self.begun.upload_id, self.begun.etag, self.begun.headers) if self.begun else ()
        return " ".join((f"{self.since:.0f}", *(quote(word, safe="", errors=_RAW) for word in known)))


_RAW = "surrogateescape"


def left(text: str) -> Left:
    """The reverse of ``str()``."""
    since, *known = text.split(" ")
    return Left(float(since), Begun(*(unquote(word, errors=_RAW) for word in known)) if known else None)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as the journal has it."""

    id: int
    item: Item
    state: State
    attempts: int
    """That have failed, over all runs."""
    left: Left | None
    """Of an earlier run's."""
    receipt: int | None
    """Byte at which its last receipt begins: of a source that has changed since, what the next one
    supersedes."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Multipart uploads of an item that are to be ended: those begun at the epoch second ``since`` or
    later."""

    item: Item
    since: float
    kept: str
    """Id of the one that stays, to be gone on with; empty for none."""


@dataclass(frozen=True, slots=True)
class Done:
    id: int
    receipt: int
    """Byte at which it begins."""
    identity: Identity
    """Of the source, as it was read."""


@dataclass(frozen=True, slots=True)
class Failed:
    id: int
    cause: str
    """A few words, the same for all of a kind: they are grouped by it."""
    text: str
    """What was said."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two sources for one destination."""

    destination: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Total:
    """Of the items in one state."""

    items: int
    bytes: int
    """Of those whose size is known."""
    unknown: int
    """Items whose size is not."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures of a kind."""

    cause: str
    items: int
    bytes: int
    text: str
    """What was said of the first of them."""


TWICE = "two sources for one destination"
MOVED_OVER = "a destination that is another's source"
REFUSED = "refused"
