"""The story of a listing: ListObjectsV2, page by page, each shown as it comes.

Memory holds one page, however many objects there are.
"""

from __future__ import annotations

from ..errors import TransferError
from ..s3 import listings, operations
from ..values import Target
from .events import Show
from .story import Story, ask


class Listing:
    """The objects of ``target``'s bucket whose keys begin with its key, in the server's order (S3: by the
    keys' bytes). A tuple of ``listings.Listed`` is shown for each page."""

    def __init__(self, target: Target) -> None:
        self.name = f"ls {target}"
        self._target = target

    def story(self) -> Story:
        """The whole listing, top to bottom; returns how many objects there are."""
        count, token = 0, ""
        while True:
            answer = yield from ask(operations.list_objects(self._target, token), listings.objects)
            page: listings.ListPage = answer.value
            yield Show(page.entries)
            count += len(page.entries)
            if not page.next_token:
                return count
            if page.next_token == token:
                raise TransferError(f"{self.name}: list_objects: the server gives the same page for ever")
            token = page.next_token
