"""What there is to do, done by this process: items are taken from the journal and carried over, until none is
left."""

from __future__ import annotations

from collections.abc import Iterator

from .carrying import Carrier, kind
from .journal import Journal
from .states import Leftover, State
from .tally import TOGETHER, Tally


def end_left(journal: Journal, carrier: Carrier) -> None:
    """End the multipart uploads of those objects that were under way when an earlier run ended, but for those
    that will be gone on with: of what is still to do, a file's, and a copy's that is known."""
    found = dict(left_over(journal))
    carrier.end_uploads(list(found.values()))
    journal.uploading([(number, None) for number, each in found.items() if not each.kept])


def left_over(journal: Journal) -> Iterator[tuple[int, Leftover]]:
    """Of each item that may have left an upload, by its number, which are to be ended."""
    for entry in journal.uploads():
        assert entry.left is not None
        to_do = entry.state is State.TODO
        if to_do and kind(entry.item) == "put":
            continue
        yield entry.id, Leftover(entry.item, entry.left.since, entry.left.upload_id if to_do else "")


def carry_all(tally: Tally, carrier: Carrier) -> None:
    """Until there is nothing to do. Raises Stopped, and Gof3rError for what is no object's fault; what was
    under way then is to do again."""
    while entries := tally.take(TOGETHER):
        try:
            carrier.carry(entries)
        finally:
            tally.release()
