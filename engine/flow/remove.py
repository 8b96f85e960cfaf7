"""The story of a removal: each object, then its md5 sidecars.

DeleteObject says yes whether or not there was anything, so removing twice is no error. Of a version, the
sidecar goes only if it names that version's ETag: the one beside the object may be about another version.
What the server refuses for one object does not keep the others.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..errors import TransferError
from ..s3 import operations, replies
from ..values import Response, Target
from . import sidecar
from .events import Show, Warn
from .proof import look
from .several import is_single, raise_any
from .story import Instruction, Story, ask

GONE = 404
REFUSED = 403
UNKNOWN = (400, 403, 404, 405)
"""Statuses of a HEAD that leave a version's ETag unknown and may be followed by its removal: it is under a
customer's key, not for us to read, not there, or a delete marker."""


@dataclass(frozen=True, slots=True)
class Removed:
    """One object that is gone."""

    target: Target
    version_id: str
    """Of the version that was removed, or of the delete marker that was set; "" without versioning."""
    delete_marker: bool
    """That version is a delete marker."""
    sidecars: tuple[str, ...]
    """Keys of md5 sidecars that are gone as well, if they were there."""


def check_deleted(response: Response) -> None:
    """S3 answers 204 ("DeleteObject", S3 API reference). Anything else good is somebody else's answer, and
    the object may be there still. Raises Unreadable."""
    if response.status != 204:
        raise replies.Unreadable(f"status {response.status}, expected 204: it may be there still")


class Remove:
    """Removes ``targets`` in order; each is shown as ``Removed``."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.name = f"rm {targets[0]}" if len(targets) == 1 else "rm"
        self._targets = targets

    def story(self) -> Story:
        """The whole removal, top to bottom; returns how many objects are gone."""
        failed = []
        for target in self._targets:
            try:
                yield from self._remove(target)
            except TransferError as error:
                said = str(error).removeprefix(f"{self.name}: ")
                failed.append(TransferError(f"rm {target}: {said}", error.failure, doubtful=error.doubtful))
                if not is_single(error):
                    break
        yield from raise_any(failed, f"rm: {len(failed)} of {len(self._targets)} objects were not removed")
        return len(self._targets)

    def _remove(self, target: Target) -> Generator[Instruction, object, None]:
        beside = yield from self._sidecars(target)
        answer = yield from ask(operations.delete_object(target), check_deleted)
        headers = answer.response.headers
        gone = []
        for place in beside:
            try:
                yield from ask(operations.delete_object(place), check_deleted)
            except TransferError as error:
                status = error.failure.status if error.failure else 0
                if status not in (GONE, REFUSED):
                    text = f"{error}; the object itself is removed, but its md5 sidecar {place} is not"
                    raise TransferError(text, error.failure) from None
                if status == REFUSED:
                    yield Warn(f"the md5 sidecar {place} may not be removed: {error}")
            else:
                gone.append(place.key)
        version_id = headers.get("x-amz-version-id", "")
        delete_marker = headers.get("x-amz-delete-marker", "") == "true"
        yield Show(Removed(target, version_id, delete_marker, tuple(gone)))

    def _sidecars(self, target: Target) -> Generator[Instruction, object, tuple[Target, ...]]:
        """Places of the sidecars to remove with ``target``."""
        places = sidecar.places(target)
        if not target.version_id:
            return places
        try:
            head = yield from look(self.name, target)
        except TransferError as error:
            if error.failure is None or error.failure.status not in UNKNOWN:
                raise
            return ()
        named = []
        for place in places:
            try:
                found = yield from sidecar.read(place)
            except replies.Unreadable:
                continue
            if found is not None and found.etag == head.etag:
                named.append(place)
        return tuple(named)
