"""A machine's errand in a process of its own, which may fork: entries are carried over, and told of.

Started by ``Member`` as an engine is by a library, with the same two pipes: what it is to do comes in, what
comes of it goes out. The end of the first pipe ends it, however that comes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gof3r.child import Engine
from gof3r.engine.flow.events import Event, Progress
from gof3r.engine.proc.caller import Caller, Start, serve
from gof3r.engine.values import Begun
from gof3r.migrate.carrying import Carrier
from gof3r.migrate.receipts import Receipt
from gof3r.migrate.states import Entry, Leftover

from .errand import Arrived, Carry, EndUploads, Refused, Uploading


class Member(Engine):
    """One at work for this process."""

    main = "gof3r.fleet.member"


class Teller:
    """Tells ``caller`` what comes of items."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def began(self, entries: Sequence[Entry]) -> None:
        """Who sent it has noted when."""

    def uploading(self, entry: Entry, begun: Begun) -> None:
        self._caller.show(Uploading(entry.id, begun))

    def arrived(self, entry: Entry, receipt: Receipt) -> None:
        self._caller.show(Arrived(entry.id, receipt))

    def failed(self, entry: Entry, cause: str, text: str, kept: bool) -> None:
        self._caller.show(Refused(entry.id, cause, text, kept))

    def progress(self, progress: Progress) -> None:
        self._caller.progress(progress)

    def warning(self, text: str) -> None:
        self._caller.warning(text)

    def debug(self, text: str) -> None:
        self._caller.debug(text)

    def happened(self, event: Event) -> None:
        """A machine's every step is nobody's news."""


def main(wishes: int, news: int) -> int:
    """Do what comes, and say how it went; the exit code."""
    return serve(wishes, news, _carry)


def _carry(start: Start, caller: Caller) -> None:
    what = start.order
    assert isinstance(what, Carry | EndUploads)
    carrier = Carrier(what.how, Teller(caller), os.environ, caller)
    if isinstance(what, EndUploads):
        carrier.end_uploads(what.leftovers)
        return
    carrier.end_uploads(
        [
            Leftover(entry.item, entry.left.since, entry.left.upload_id)
            for entry in what.entries
            if entry.id in what.again and entry.left
        ]
    )
    carrier.carry(what.entries)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
