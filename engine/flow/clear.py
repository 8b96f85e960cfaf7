"""The story of clearing a prefix: every object below it goes, with all its versions, and every upload.

For what we have made ourselves and have no receipt of (a run that was stopped). A page at a time is listed
and deleted until nothing is listed any more, so it does not matter what still came in between.
"""

from __future__ import annotations

from collections.abc import Generator

from ..errors import TransferError
from ..s3 import listings, operations
from ..values import Target
from .events import Warn
from .story import Instruction, Pause, Story, Telling, ask
from .uploads import Uploads

UNKNOWN = (400, 403, 404, 405, 501)
"""What a store that knows no such listing, or does not show it to us, answers when asked for it."""

LATE = 1.0
"""Seconds in which a request whose connection we have closed is carried out, if it ever is."""


def _unknown(error: TransferError) -> bool:
    """The store has said so, or has answered something else."""
    failure = error.failure
    return failure is not None and (failure.kind == "check" or failure.status in UNKNOWN)


def _is_missing(error: TransferError) -> bool:
    """There is no bucket, so there is nothing in it."""
    return error.failure is not None and error.failure.code == "NoSuchBucket"


class Clear:
    """Everything whose key begins with ``target``'s, which must not be empty. ``late``: what made it has
    ended just now, and may have had requests under way."""

    def __init__(self, target: Target, late: bool = False) -> None:
        assert target.key, "a whole bucket is nobody's to clear"
        self.name = f"clear {target}"
        self._target = target
        self._late = late
        self._versions = True

    def story(self) -> Story:
        """All of it; returns how many objects, versions and delete markers are gone."""
        count: int = yield from self._cleared()
        if self._late:
            yield Pause(LATE)
            count += yield from self._cleared()
        return count

    def _cleared(self) -> Telling:
        uploads = Uploads(self._target, older_than=0, upload_id="", abort=True, now=0)
        try:
            yield from uploads.story()
        except TransferError as error:
            if _is_missing(error):
                return 0
            if uploads.listed or not _unknown(error):
                raise
            yield Warn(f"unfinished uploads below {self._target} cannot be listed: {error}")
        count = 0
        before: tuple[tuple[str, str], ...] = ()
        while entries := (yield from self._page()):
            if entries == before:
                raise TransferError(f"{self.name}: delete_objects: {entries[0][0]} is there again and again")
            answer = yield from ask(operations.delete_objects(self._target, entries), listings.refusals)
            if answer.value:
                key, code, message = answer.value[0]
                raise TransferError(f"{self.name}: delete_objects: {key}: {code}: {message}")
            count, before = count + len(entries), entries
        return count

    def _page(self) -> Generator[Instruction, object, tuple[tuple[str, str], ...]]:
        """Keys and version ids."""
        if self._versions:
            try:
                answer = yield from ask(operations.list_object_versions(self._target), listings.versions)
                found: tuple[tuple[str, str], ...] = answer.value
                return found
            except TransferError as error:
                if not _unknown(error):
                    raise
                self._versions = False
                if error.failure is not None and error.failure.status == 403:
                    yield Warn(f"versions below {self._target} may not be listed: where kept, they remain")
        answer = yield from ask(operations.list_objects(self._target), listings.objects)
        page: listings.ListPage = answer.value
        return tuple((entry.key, "") for entry in page.entries)
