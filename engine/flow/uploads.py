"""The story of multipart uploads under way: listed page by page, or ended.

S3 keeps the parts of an upload, and charges for them, until somebody completes or aborts it; one that was
killed leaves it to this. An upload that is being written just now looks the same: ``older_than`` tells them
apart.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from ..errors import TransferError
from ..s3 import listings, operations
from ..values import Target
from .events import Show
from .multipart import aborted
from .several import is_single, raise_any
from .story import Instruction, Story, Telling, ask

ABORT_WITHIN = 60.0
"""Seconds for aborting one upload, with checking that it took: nobody waits for us to be gone."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """An upload that the server no longer knows."""

    key: str
    upload_id: str


class Uploads:
    """Those of ``target``'s bucket whose keys begin with its key and that began ``older_than`` seconds before
    ``now`` (epoch seconds) or earlier; 0: all. ``upload_id`` leaves only that one. Each is shown: a
    ``listings.UploadListed``, or with ``abort`` an ``Aborted``. With both, the upload of exactly the target's
    key is aborted, whatever its age, and nothing needs to be listed."""

    def __init__(self, target: Target, *, older_than: float, upload_id: str, abort: bool, now: float) -> None:
        self.name = f"uploads {'abort' if abort else 'ls'} {target}"
        self._target = target
        self._before = now - older_than if older_than else None
        self._upload_id = upload_id
        self._abort = abort
        self.listed = False
        """The server has shown them."""

    def story(self) -> Story:
        """All of it, top to bottom; returns how many were shown."""
        if self._abort and self._upload_id:
            yield from self._check_known()
            yield from self._end(self._target, self._upload_id)
            return 1
        count, key, upload_id = 0, "", ""
        failed: list[TransferError] = []
        while True:
            page = yield from self._page(key, upload_id)
            for entry in filter(self._meant, page.entries):
                count += 1
                if not self._abort:
                    yield Show(entry)
                    continue
                try:
                    yield from self._end(replace(self._target, key=entry.key), entry.upload_id)
                except TransferError as error:
                    failed.append(error)
                    if not is_single(error):
                        yield from self._raise_any(failed, count)
            if not page.next_key:
                break
            if (page.next_key, page.next_id) == (key, upload_id):
                text = f"{self.name}: list_multipart_uploads: the server gives the same page for ever"
                raise TransferError(text)
            key, upload_id = page.next_key, page.next_id
        yield from self._raise_any(failed, count)
        return count

    def _raise_any(self, failed: list[TransferError], count: int) -> Telling:
        yield from raise_any(failed, f"{self.name}: {len(failed)} of {count} uploads were not aborted")

    def _page(self, key: str, upload_id: str) -> Generator[Instruction, object, listings.UploadsPage]:
        request = operations.list_multipart_uploads(self._target, key, upload_id)
        page: listings.UploadsPage = (yield from ask(request, listings.uploads)).value
        self.listed = True
        return page

    def _meant(self, entry: listings.UploadListed) -> bool:
        old_enough = self._before is None or entry.initiated <= self._before
        return old_enough and self._upload_id in ("", entry.upload_id)

    def _check_known(self) -> Generator[Instruction, object, None]:
        """To abort what is not there is no error for S3, and a mistyped id would be one for the user."""
        try:
            yield from ask(operations.list_parts(self._target, self._upload_id))
        except TransferError as error:
            if error.failure is None or error.failure.status != 403:
                raise

    def _end(self, target: Target, upload_id: str) -> Generator[Instruction, object, None]:
        kept = yield from aborted(self.name, target, upload_id, ABORT_WITHIN)
        if kept is not None:
            said = str(kept).removeprefix(f"{self.name}: ")
            text = f"uploads abort {target}: upload {upload_id}: {said}"
            raise TransferError(text, kept.failure, doubtful=kept.doubtful)
        yield Show(Aborted(target.key, upload_id))
