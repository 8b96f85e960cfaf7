"""What there is to do, done by this process: items are taken from the journal and carried over, until none is
left."""

from __future__ import annotations

from .carrying import Carrier, kind
from .journal import Journal
from .states import State
from .tally import TOGETHER, Tally


def end_left(journal: Journal, carrier: Carrier) -> None:
    """End the multipart uploads of those objects that were under way when an earlier run was killed, but for
    those of files that are still to be uploaded: they will be gone on with."""
    for entry in journal.uploads():
        if kind(entry.item) == "put" and entry.state is State.TODO:
            continue
        carrier.end_uploads(entry.item, float(entry.upload_id))
        journal.uploading(entry.id, "")


def carry_all(tally: Tally, carrier: Carrier) -> None:
    """Until there is nothing to do. Raises Stopped, and Gof3rError for what is no object's fault; what was
    under way then is to do again."""
    while entries := tally.take(TOGETHER):
        try:
            carrier.carry(entries)
        finally:
            tally.release()
