"""Objects that all machines share: their stages made jobs, and what comes of each.

Theory: the upload is written down before a span of it is handed out, so whatever ends this process, a later
run goes on with it. Where one stage has failed for good the others are wanted no more, and the upload stays
only where a later run may get over that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import cast

from gof3r.engine.flow import events
from gof3r.engine.spans import Split, StoredPart
from gof3r.migrate.states import Entry
from gof3r.migrate.tally import Tally
from gof3r.migrate.told import arrived

from .cluster import Cluster
from .errand import Outcome
from .jobs import Job, Jobs
from .spread import Spread

Whole = Callable[[tuple[Entry, ...], float], None]
"""One machine carries these over; the epoch second from which on an upload may be of them."""


class Spreading:
    """Of one run. ``whole`` takes what cannot be split."""

    def __init__(self, jobs: Jobs, cluster: Cluster, tally: Tally, whole: Whole) -> None:
        self._jobs = jobs
        self._cluster = cluster
        self._tally = tally
        self._whole = whole
        self._spreads: list[Spread] = []

    @property
    def done(self) -> int:
        """Bytes of spans that are sent, of objects that are not complete."""
        return sum(spread.done for spread in self._spreads)

    def begin(self, spread: Spread) -> None:
        self._spreads.append(spread)
        self._tally.began([spread.entry])
        then = partial(self._begun, spread)
        self._jobs.ready.append(Job(spread.begin(), then, spread=spread, since=spread.since))

    def _begun(self, spread: Spread, outcome: Outcome) -> None:
        if outcome.error:
            self._fail(spread, outcome)
            return
        value = _value(outcome)
        if not isinstance(value, Split):
            self._spreads.remove(spread)
            spread.whole = True
            self._tally.debug(f"{spread.entry.item.source}: {value}")
            self._whole((spread.entry,), spread.since)
            return
        self._tally.uploading(spread.entry, value.begun)
        for order in spread.spans(value, self._cluster.places):
            self._jobs.ready.append(Job(order, partial(self._sent, spread), spread=spread))

    def _sent(self, spread: Spread, outcome: Outcome) -> None:
        if outcome.error:
            self._fail(spread, outcome)
            return
        finish = spread.finish(cast(tuple[StoredPart, ...], _value(outcome)))
        if finish is not None:
            self._jobs.ready.appendleft(Job(finish, partial(self._finished, spread), spread=spread))

    def _finished(self, spread: Spread, outcome: Outcome) -> None:
        if outcome.error:
            self._fail(spread, outcome)
            return
        self._spreads.remove(spread)
        receipt = cast(events.Receipt, _value(outcome))
        seconds = time.time() - spread.since
        arrived(self._tally, spread.entry, receipt, spread.entry.item.known, spread.retries, seconds)

    def _fail(self, spread: Spread, outcome: Outcome) -> None:
        """It has failed: nothing of it is left to be done, and behind only what a later run goes on with."""
        self._jobs.drop(spread)
        self._spreads.remove(spread)
        ending = None if outcome.kept else spread.abort()
        if ending is None:
            self._tally.failed(spread.entry, outcome.cause, outcome.error, outcome.kept)
            return

        def then(ended: Outcome) -> None:
            self._tally.failed(spread.entry, outcome.cause, outcome.error, bool(ended.error))

        self._jobs.ready.append(Job(ending, then))


def _value(outcome: Outcome) -> object:
    assert outcome.result is not None
    return outcome.result.value
