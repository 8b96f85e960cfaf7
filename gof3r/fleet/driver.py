"""What there is to do, done by a fleet: items are taken from the journal, handed out as errands, and what
comes back is written down, here and nowhere else.

Theory: as many errands are out as the fleet has places, so that nothing is in line where it could be lost
with somebody else's machine. Each outcome counts once, whoever it comes from: receipts are written by this
process, for items that have none. An errand whose machine was lost is handed out again under another name;
after ``LOST`` losses it is what kills them, and fails. One whose machine could not reach the store, or has
no keys for it, goes to another, and after ``TRIES`` ends the run, as it would here.

A large object that passes through is split into spans of one upload (``spread``), which is known here, and
written down to be gone on with, before the first part is sent. Of what else may have left an upload behind,
the second in which it was handed out is known, and what was begun since is ended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from gof3r import __version__
from gof3r.config import MIN_RATE, parse_size
from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError, Interrupted
from gof3r.engine.proc.signals import Signals
from gof3r.migrate.carrying import in_parts, kind
from gof3r.migrate.here import left_over
from gof3r.migrate.journal import Journal
from gof3r.migrate.ordered import How, Orders
from gof3r.migrate.states import Entry, Leftover, State
from gof3r.migrate.tally import Tally

from .cluster import Cluster, Lost
from .errand import Carry, EndUploads, Errand, Outcome, What
from .jobs import Job, Jobs
from .outlook import Outlook
from .spread import WORTH, Spread
from .spreading import Spreading

TOGETHER = 500
FEWEST = 50
"""Small objects of one errand: fewer towards the end, so that all end together. Fewer still are not worth the
process that each costs."""

UNKNOWN = 32
"""Objects of one errand whose sizes are not known: any may be large."""

BYTES = 4 << 30
LEAST = 512 << 20
"""Bytes of one errand, unless it is a single object; the least likewise."""

AT_ONCE = 1000
"""Objects whose uploads are looked for by one errand."""

LOST = 4
"""Losses of machines at one errand after which it is not tried again."""

TRIES = 3
"""Machines that may fail to reach the store."""

WAIT = 0.2
"""Seconds between two looks at signals and progress."""


class Driver:
    """Carries out what the journal has to do on ``cluster``."""

    def __init__(
        self, cluster: Cluster, how: How, tally: Tally, journal: Journal, environ: Mapping[str, str], run: str
    ) -> None:
        """``how`` is settled; ``run`` names this run among all of the cluster, and is the topic of events."""
        self._cluster = cluster
        self._how = how
        self._tally = tally
        self._journal = journal
        self._orders = Orders(how, environ)
        self._run = run
        self._number = 0
        self._jobs = Jobs(cluster)
        self._spreading = Spreading(
            self._jobs, cluster, tally, lambda entries, since: self._carry(entries, since=since)
        )
        todo = journal.totals()[State.TODO]
        total = None if todo.unknown else todo.bytes
        self._outlook = Outlook(cluster, self._jobs, tally, total, time.monotonic())
        self._signals: Signals | None = None

    def run(self) -> None:
        """Until there is nothing to do. Raises Stopped, Interrupted, and Gof3rError for what is no object's
        fault; what was under way then is to do again."""
        self._signals = Signals()
        try:
            self._end_left()
            while self._turn():
                pass
        finally:
            self._signals.close()
            self._jobs.cancel_all()
            self._tally.release()

    # --- handing out ------------------------------------------------------------------

    def _end_left(self) -> None:
        """As ``here.end_left``, by the fleet; nothing else is begun meanwhile."""
        found = list(left_over(self._journal))
        for at in range(0, len(found), AT_ONCE):
            some = found[at : at + AT_ONCE]
            ending = EndUploads(tuple(each for _, each in some), self._how)
            self._jobs.ready.append(Job(ending, partial(self._swept, some)))
        while self._jobs:
            self._turn(more=False)

    def _swept(self, found: Sequence[tuple[int, Leftover]], outcome: Outcome) -> None:
        if not outcome.error:
            self._journal.uploading([(number, None) for number, each in found if not each.kept])
            return
        for _, each in found:
            self._tally.warning(f"{each.item.destination}: an upload may still be there: {outcome.error}")

    def _turn(self, more: bool = True) -> bool:
        """Hand out what there are places for, and hear what has ended; False where there is nothing any more.
        ``more``: new items are taken."""
        places = self._cluster.places
        while len(self._jobs.out) < places and (self._jobs.ready or (more and self._take(places))):
            self._submit(self._jobs.ready.popleft())
        todo = self._jobs or (more and self._journal.totals()[State.TODO].items)
        if not todo:
            return False
        ended = self._cluster.ended(WAIT)
        over = {key for key, _ in ended}
        for key, job in list(self._jobs.out.items()):
            self._hear(key, job)
            if key not in over and isinstance(job.what, Carry) and self._cluster.news(key).runs > 1:
                self._begun_again(key, job)
        for key, outcome in ended:
            if key in self._jobs.out:  # else it is of an object that has failed just now
                self._ended(key, outcome)
        assert self._signals is not None
        for number in self._signals.receive():
            raise Interrupted(number)
        self._outlook.look(time.monotonic(), self._spreading.done)
        return True

    def _take(self, places: int) -> bool:
        """Something more from the journal, if there is."""
        todo = self._journal.totals()[State.TODO]
        count = max(FEWEST, min(TOGETHER, todo.items // (2 * places)))
        most = max(LEAST, min(BYTES, todo.bytes // (2 * places)))
        most = min(most, WORTH * self._how.part_size - 1)
        entries = self._tally.take(count, most=most)  # what is split comes alone
        unknown = [number for number, entry in enumerate(entries) if entry.item.known.size is None]
        if len(unknown) > UNKNOWN:
            self._tally.release(entries[unknown[UNKNOWN] :])
            entries = entries[: unknown[UNKNOWN]]
        if not entries:
            return False
        if len(entries) == 1 and (spread := self._spread(entries[0])):
            self._spreading.begin(spread)
        else:
            self._carry(tuple(entries))
        return True

    def _spread(self, entry: Entry) -> Spread | None:
        size = entry.item.known.size or 0
        if kind(entry.item) != "copy" or size < WORTH * self._how.part_size:
            return None
        try:
            order = self._orders.of(entry.item)
        except Gof3rError:
            return None  # as it will be told of it as a whole
        assert isinstance(order, orders.Copy)
        return None if order.server_side else Spread(entry, order, time.time())

    def _carry(self, entries: tuple[Entry, ...], lost: int = 0, tries: int = 0, since: float = 0.0) -> None:
        then = partial(self._carried, entries)
        self._jobs.ready.append(Job(Carry(entries, self._how), then, None, entries, since, lost, tries))

    def _submit(self, job: Job) -> None:
        if isinstance(job.what, Carry):
            large = [entry for entry in job.entries if self._leaves_upload(entry)]
            if not job.since:
                job.since = time.time()
                self._tally.began(large)
            elif job.lost or job.tries:
                entries = self._now(job.entries)
                again = frozenset(
                    entry.id for entry in entries if kind(entry.item) == "copy" and self._leaves_upload(entry)
                )
                job.what = Carry(entries, self._how, again)
        what = self._shared(job.what)
        self._number += 1
        key = f"{self._run}-{self._number}"
        self._jobs.out[key] = job
        self._cluster.submit(Errand(key, self._run, __version__, what))

    def _shared(self, what: What) -> What:
        """``what``, with its share of the rate that all together may have."""
        limit = self._how.config.limit_rate
        if limit is None:
            return what
        rate = max(MIN_RATE, parse_size(limit) // max(self._cluster.places, 1))
        if isinstance(what, Carry | EndUploads):
            return replace(what, how=replace(what.how, config=replace(what.how.config, limit_rate=rate)))
        if isinstance(what, orders.Span):
            return replace(what, copy=replace(what.copy, terms=replace(what.terms, rate=rate)))
        return what

    def _now(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """As the journal has them by now: their uploads may have become known."""
        found = (self._journal.by_number(entry.id) for entry in entries)
        return tuple(entry for entry in found if entry is not None)

    def _leaves_upload(self, entry: Entry) -> bool:
        return kind(entry.item) != "get" and in_parts(entry, self._how.part_size)

    # --- what comes back ------------------------------------------------------------------

    def _ended(self, key: str, outcome: Outcome | Lost) -> None:
        job = self._jobs.out.pop(key)
        runs = self._cluster.news(key).runs
        self._cluster.cancel([key])
        if isinstance(outcome, Lost):
            self._lost(job, outcome)
            return
        if outcome.unusable:
            raise Gof3rError(f"migrate: a machine of the fleet cannot work: {outcome.error}")
        if job.spread and outcome.result:
            job.spread.retries.update(outcome.result.retries)
        for text in outcome.warnings:
            self._tally.warning(text)
        if outcome.error and outcome.ours:
            self._unreached(job, outcome)
            return
        again = runs > 1 or job.lost or (job.tries and job.spread)
        if again and isinstance(job.what, Carry | orders.Begin):  # known until it is swept
            refused = tuple(replace(each, kept=True) for each in outcome.refused)
            outcome = replace(outcome, refused=refused, kept=True)
        job.then(outcome)
        if again:
            self._sweep(job)

    def _lost(self, job: Job, lost: Lost) -> None:
        job.lost += 1
        if job.lost < LOST:
            self._tally.warning("a machine of the fleet was lost: others take over")
            if not job.entries:
                self._jobs.ready.appendleft(job)
            left = tuple(entry for entry in job.entries if entry.id not in job.arrived)
            middle = len(left) // 2
            for half in filter(None, (left[:middle], left[middle:])):  # maybe it is one of them that kills it
                self._carry(half, job.lost, job.tries, job.since)
            return
        said = f"{job.lost} times the machine that was at it was lost: {lost.text}"
        job.then(Outcome(error=said, cause="lost", kept=True))

    def _unreached(self, job: Job, outcome: Outcome) -> None:
        """It was no object's fault."""
        job.tries += 1
        self._note(job.entries, outcome)
        self._cluster.leave_out(outcome.machine)
        if job.tries >= TRIES or not self._cluster.places:
            raise Gof3rError(outcome.error)
        self._tally.warning(f"a machine of the fleet gets nothing for a while: {outcome.error}")
        left = {entry.id for entry in job.entries}
        left -= outcome.told
        if isinstance(job.what, Carry):
            entries = tuple(entry for entry in job.entries if entry.id in left)
            if entries:
                self._carry(entries, job.lost, job.tries, job.since)
        else:
            self._jobs.ready.appendleft(job)

    def _sweep(self, job: Job) -> None:
        """It was begun more than once: the machine that was lost may have left uploads."""
        entries, kept = job.entries, ""
        if job.spread and isinstance(job.what, orders.Begin) and not job.spread.whole:
            entries, kept = (job.spread.entry,), job.spread.upload_id
        found = [
            (entry.id, Leftover(entry.item, job.since, kept))
            for entry in entries
            if kind(entry.item) == "copy" and (entry.item.known.size is None or self._leaves_upload(entry))
        ]
        if found:
            ending = EndUploads(tuple(each for _, each in found), self._how)
            self._jobs.ready.append(Job(ending, partial(self._swept, found)))

    def _hear(self, key: str, job: Job) -> None:
        """What has become known of it: what has arrived is written down, and uploads, to be gone on with."""
        news = self._cluster.news(key)
        known = {entry.id: entry for entry in job.entries} if news.uploads or news.arrived else {}
        while news.uploads:
            number, begun = news.uploads.popleft()
            if number in known and number not in job.arrived:
                self._tally.uploading(known[number], begun, job.since)
        while news.arrived:
            arrival = news.arrived.popleft()
            if arrival.id in known and arrival.id not in job.arrived:
                self._tally.arrived(known[arrival.id], arrival.receipt)
                job.arrived.add(arrival.id)
                job.counted += arrival.receipt.size

    def _begun_again(self, key: str, job: Job) -> None:
        """Its machine was lost, and the scheduler has begun all of it again: another errand has the rest."""
        del self._jobs.out[key]
        self._cluster.cancel([key])
        self._lost(job, Lost("the scheduler has begun it again"))

    def _note(self, entries: tuple[Entry, ...], outcome: Outcome) -> None:
        """What has arrived, and what has failed."""
        known = {entry.id: entry for entry in entries}
        for arrival in outcome.arrived:
            self._tally.arrived(known[arrival.id], arrival.receipt)
        for each in outcome.refused:
            self._tally.failed(known[each.id], each.cause, each.text, each.kept)

    def _carried(self, entries: tuple[Entry, ...], outcome: Outcome) -> None:
        self._note(entries, outcome)
        if outcome.error:
            for entry in entries:
                if entry.id not in outcome.told:
                    said = f"{entry.item.destination}: {outcome.error}"
                    self._tally.failed(entry, outcome.cause, said, outcome.kept)
