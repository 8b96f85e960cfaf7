"""The story of a question: what is stored about an object, without fetching it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import groupby

from ..s3 import replies
from ..values import Target
from . import plan as s3_plan
from . import sidecar
from .events import Warn
from .proof import look, one_part
from .sidecar import Sidecar
from .story import Instruction, Story
from .verify import text


@dataclass(frozen=True, slots=True)
class Parts:
    """Of what an object was made."""

    count: int
    first: int
    """Bytes of the first part."""
    layout: tuple[tuple[int, int], ...]
    """Runs of equal parts, as they most likely are: how many, and the bytes of each; () when it cannot be
    guessed."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Everything that S3 says about an object, and its sidecar."""

    target: Target
    head: replies.ObjectHead
    parts: Parts | None
    """None for an object that was not uploaded in parts, and from a store that does not tell."""
    sidecar: Sidecar | None

    @property
    def sidecar_is_current(self) -> bool:
        """The sidecar is about these bytes, as far as it says."""
        return self.sidecar is not None and self.sidecar.belongs_to(self.target, self.head.etag)

    @property
    def checksums(self) -> Mapping[str, tuple[str, str]]:
        """Name to base64 digest and its type: FULL_OBJECT, or COMPOSITE (of the parts' digests)."""
        full = {name: (text(digest), "FULL_OBJECT") for name, digest in self.head.checksums.items()}
        return full | {name: (value, "COMPOSITE") for name, value in self.head.composite_checksums.items()}


class Info:
    """Asks for everything about ``target``; returns an ``ObjectInfo``."""

    def __init__(self, target: Target) -> None:
        self.name = f"info {target}"
        self._target = target

    def story(self) -> Story:
        """The whole question, top to bottom."""
        head = yield from look(self.name, self._target)
        parts = yield from self._parts(head)
        beside = yield from self._beside(head.etag)
        return ObjectInfo(self._target, head, parts, beside)

    def _parts(self, head: replies.ObjectHead) -> Generator[Instruction, object, Parts | None]:
        if not head.part_count:
            return None
        first = yield from one_part(self.name, self._target, 1)
        if first is None:
            return None
        layout = s3_plan.layout(first.part_length, first.part_count, head.size) or ()
        runs = tuple((len(list(run)), length) for length, run in groupby(part.length for part in layout))
        return Parts(first.part_count, first.part_length, runs)

    def _beside(self, etag: str) -> Generator[Instruction, object, Sidecar | None]:
        """The sidecar for ``etag``; else any that is there."""
        found: list[Sidecar] = []
        for place in sidecar.places(self._target):
            try:
                here = yield from sidecar.read(place)
            except replies.Unreadable as unreadable:
                yield Warn(f"{place}: {unreadable}")
            else:
                found += [here] if here else []
        return next((one for one in found if one.belongs_to(self._target, etag)), found[0] if found else None)
