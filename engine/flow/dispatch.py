"""Which request goes to which worker, when, and what becomes of its verdict.

Every request of a transfer passes through here: parts, which share the workers, and control requests, which
have a worker of their own. ``retry.decide`` says whether an attempt is worth repeating; this module applies
it, so that one budget and one window serve the whole transfer.

A lost worker's jobs wait again, and a spare seat takes its place; more losses than spares fail the transfer.

Knows nothing of slots' states, of the order of parts, or of what a request means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ..errors import TransferError, advice, describe
from ..s3 import replies
from ..s3.request import relocated
from ..values import Digests, Direction, Failure, Job, Part, Request, Response, Slot, Verdict
from .events import Drop, Note, NotRenewed, Send
from .retry import EXPIRED_CODES, Budget, GiveUp, decide, is_throttling
from .seats import CONTROL, Seats
from .signers import Signers
from .tail import Tail
from .throttle import Pace, Window

Reader = Callable[[Response], object]
"""Takes from a good answer what was asked for; raises replies.Unreadable when that is not there."""


@dataclass(slots=True, eq=False)
class Work:
    """One request until it is done, over all its attempts."""

    request: Request
    what: str
    """For error lines: ``part 7`` or ``create_multipart_upload``."""
    part: Part | None = None
    slot: Slot | None = None
    direction: Direction = "none"
    digests: tuple[str, ...] = ()
    etag: str = ""
    object_size: int = 0
    local: bool = False
    patient: bool = False
    reads: Reader | None = None
    known: Digests = field(default_factory=dict)
    """Digests of the bytes to send, where they have been computed already."""
    whose: str = ""
    """The transfer's name, for error lines, where one dispatch serves several."""
    expires: float | None = None
    """Monotonic second after which no further attempt is made; None for the ordinary limits."""

    attempt: int = 0
    failed_checks: int = 0
    due: float = 0.0
    fresh: bool = False
    failure: Failure | None = None
    """The last attempt's."""
    doubtful: bool = False
    """An attempt failed after the server may have acted on it."""

    @property
    def control(self) -> bool:
        return self.part is None

    @property
    def moves(self) -> bool:
        """Bytes of a slot go over the network."""
        return self.slot is not None and self.asks

    @property
    def asks(self) -> bool:
        """A request goes out."""
        return self.direction != "digest" and not self.local


@dataclass(frozen=True, slots=True)
class Done:
    """``work`` has succeeded with ``verdict``, of whose answer its reader has made ``value``."""

    work: Work
    verdict: Verdict
    value: object = None


@dataclass(frozen=True, slots=True)
class Failed:
    """``work`` will not be tried again."""

    work: Work
    error: TransferError


class Dispatch:
    """The requests of one transfer: waiting, on the wire, done. ``workers`` from the start, up to
    ``most_workers`` (none: as many) when the concurrency grows."""

    def __init__(
        self,
        *,
        name: str,
        signers: Signers,
        workers: int,
        concurrency: int,
        attempts: int,
        random: Callable[[], float],
        rate: int = 0,
        hurry: float = 1.0,
        most_workers: int = 0,
    ) -> None:
        self._name = name
        self._hurry = hurry
        self._signers = signers
        self._rate = rate
        self._pace = Pace(rate)
        self._regions: dict[tuple[str, str], str] = {}
        """Of each bucket at each host: the region in which the server says that it is."""
        self._attempts = attempts
        self._random = random
        self._skew = 0.0
        self._resolved = False
        self._budget = Budget()
        self._window = Window(concurrency, concurrency)
        self._waiting: list[Work] = []
        self._on_wire: dict[int, tuple[Work, int]] = {}
        self._given_up: dict[int, int] = {}
        """Jobs of parts that nobody waits for, by whose seats they still are."""
        self._tails: dict[Direction, Tail] = {"send": Tail(), "receive": Tail()}
        self._seats = Seats(workers, max(workers, most_workers))
        self._jobs = 0
        self.retries: Counter[str] = Counter()
        """How often each error code has led to another attempt."""

    def __repr__(self) -> str:
        return f"Dispatch(waiting={[w.what for w in self._waiting]}, on_wire={sorted(self._on_wire)})"

    @property
    def parts_on_wire(self) -> int:
        return self._seats.parts

    @property
    def bytes_on_wire(self) -> bool:
        """Some part's bytes are on their way through here: not those that a server copies by itself."""
        return any(work.moves for work, _ in self._on_wire.values())

    @property
    def limit(self) -> int:
        """Parts that may be on the wire now."""
        return self._window.limit

    @property
    def concurrency(self) -> int:
        """Parts that may be on the wire while the server does not ask to slow down."""
        return self._window.ceiling

    @property
    def more_workers(self) -> bool:
        """More concurrency would bring more of them."""
        return self._seats.more

    def allow(self, concurrency: int) -> None:
        """From now on so many."""
        self._window = self._window.resized(concurrency)
        self._seats.widen(concurrency)

    def submit(self, work: Work) -> None:
        self._waiting.append(work)

    def drop_all(self) -> None:
        """Forget all requests, also those on the wire: the workers are being ended."""
        self._waiting.clear()
        self._on_wire.clear()
        self._given_up.clear()
        self._seats.clear()
        self._tails = {"send": Tail(), "receive": Tail()}

    def work_of(self, job: int) -> Work | None:
        """What the job with this id is an attempt of, while somebody waits for it."""
        return self._on_wire.get(job, (None, CONTROL))[0]

    def give_up(self, works: Collection[Work]) -> list[Drop]:
        """Forget ``works``, and tell the workers of those that are on the wire."""
        self._waiting = [work for work in self._waiting if work not in works]
        drops = []
        for job, (work, seat) in list(self._on_wire.items()):
            if work in works:
                del self._on_wire[job]
                self._over(job, 0.0, 0.0)
                if not work.control:
                    self._given_up[job] = seat
                drops.append(Drop(seat, job, begun=True))
        return drops

    # --- what to send now ------------------------------------------------------------------

    def assign(self, now: float) -> list[Send]:
        """Jobs that are due and have a place: control requests at once, parts within the window, the part
        with the lowest number first, to the worker with the fewest."""
        actions: list[Send] = []
        due = sorted((w for w in self._waiting if w.due <= now), key=lambda w: w.part.number if w.part else 0)
        for work in due:
            seat = self._seat_for(work, now)
            if seat is None:
                continue
            if work.moves and work.part is not None:
                self._pace = self._pace.spend(work.part.length, now)
            self._waiting.remove(work)
            send = Send(seat, self._job(work, seat))
            actions.append(send)
            if work.moves and work.part is not None:
                tail = self._tails[work.direction]
                tail.sent(send.job.id, work.attempt, work.direction, work.part.length, now)
        return actions

    def slow(self, now: float) -> list[Drop]:
        """Requests to give up now, since they are slower than the others were."""
        if self._rate:
            return []  # what is held back is no news of the server
        late = [each for tail in self._tails.values() for each in tail.slow(now)]
        return [Drop(self._on_wire[job][1], job, begun) for job, begun in late]

    def _seat_for(self, work: Work, now: float) -> int | None:
        if self._signers.blocked(work.request.role):
            return None
        if work.control:
            return CONTROL
        if work.moves and self._pace.ready > now:
            return None
        return self._seats.emptiest() if self._seats.parts < self._window.limit else None

    def _job(self, work: Work, seat: int) -> Job:
        work.attempt += 1
        self._jobs += 1
        region = self._regions.get(_bucket_of(work))
        self._on_wire[self._jobs] = work, seat
        if not work.control:
            self._seats.take(seat)
        return Job(
            id=self._jobs,
            attempt=work.attempt,
            request=relocated(work.request, region) if region else work.request,
            credentials=self._signers.credentials(work.request.role),
            skew=self._skew,
            part=work.part,
            slot=work.slot,
            direction=work.direction,
            digests=work.digests,
            known=work.known,
            etag=work.etag,
            object_size=work.object_size,
            local=work.local,
            fresh=work.fresh,
            patient=work.patient,
            rate=self._rate if work.slot is not None else 0,
        )

    def deadline(self, now: float) -> float | None:
        """The next moment at which ``assign`` or ``expire`` may have something to say."""
        moments = [w.due for w in self._waiting if w.due > now]
        moments += [w.expires for w in self._all() if w.expires is not None]
        if self._waiting and self._pace.ready > now:
            moments.append(self._pace.ready)
        if not self._rate:
            moments += [due for tail in self._tails.values() if (due := tail.deadline()) is not None]
        return min(moments, default=None)

    def _all(self) -> list[Work]:
        return self._waiting + [work for work, _ in self._on_wire.values()]

    # --- what came back ------------------------------------------------------------------

    def judged(self, verdict: Verdict, now: float) -> Done | Failed | Note | None:
        """Take a verdict: the work is done, has failed for good, or waits for its next attempt (Note). None
        for the verdict on a job that nobody waits for any more."""
        entry = self._on_wire.pop(verdict.job.id, None)
        if entry is None:
            if verdict.job.id in self._given_up:
                self._seats.give_back(self._given_up.pop(verdict.job.id))
            return None
        work, seat = entry
        self._over(verdict.job.id, 0.0 if verdict.failure else verdict.timing.waited, now)
        if not work.control:
            self._seats.give_back(seat)
        if verdict.response is not None:
            self._resolved = True
        if verdict.failure is not None:
            return self._failed(work, verdict.failure, now, verdict)
        try:
            value = work.reads(verdict.response) if work.reads and verdict.response else None
        except replies.Unreadable as unreadable:
            assert verdict.response is not None
            request_id = verdict.response.headers.get("x-amz-request-id", "")
            status = verdict.response.status
            failure = Failure("check", "the answer", str(unreadable), status, request_id=request_id)
            return self._failed(work, failure, now, verdict)
        if work.asks:
            self._budget = self._budget.earn(now)
            self._window = self._window.succeeded(now)
        return Done(work, verdict, value)

    def _failed(
        self, work: Work, failure: Failure, now: float, verdict: Verdict | None = None
    ) -> Failed | Note:
        bucket, role = _bucket_of(work), work.request.role
        job = verdict.job if verdict else None
        # What the server refused, it has not done; an error inside a 200 is no refusal.
        refused = 300 <= failure.status <= 499 or is_throttling(failure)
        if failure.connected and not refused:
            work.doubtful = True
        if failure.connected:
            self._resolved = True
        work.failed_checks += failure.kind == "check"
        answer = decide(
            failure,
            work.attempt,
            work.failed_checks,
            attempts=self._attempts,
            resolved=self._resolved,
            random=self._random(),
            region=job.request.region if job else "",
            moved_to=self._regions.get(bucket, ""),
            newer=self._signers.newer(role, job.credentials) if job else "none",
        )
        if isinstance(answer, GiveUp):
            return Failed(work, self._error(work, failure, answer.reason))
        self.retries[failure.code or str(failure.status)] += 1
        work.failure = failure
        self._budget, wait = self._budget.spend(now)
        work.due = now + (wait + answer.after) / self._hurry
        work.fresh = answer.fresh
        if work.expires is not None and work.due >= work.expires:
            return Failed(work, self._error(work, failure, "out of time"))
        if answer.throttled:
            self._window = self._window.throttled(now)
        if answer.correct_clock and failure.server_time is not None and verdict is not None:
            self._skew = failure.server_time - verdict.at
        if answer.region:
            self._regions[bucket] = answer.region
        if answer.renew:
            self._signers.refused(role, now)
        self._waiting.append(work)
        again = f"again in {work.due - now:.2f} s"
        return Note(f"{work.what}: attempt {work.attempt} failed: {describe(failure)}; {again}")

    def lost(self, seat: int, now: float) -> list[Failed | Note]:
        """A worker is gone. Its jobs wait for another; a spare takes its seat."""
        self._seats.lost(seat)
        self._given_up = {job: its for job, its in self._given_up.items() if its != seat}
        notes: list[Failed | Note] = []
        failure = Failure("lost", "worker", f"worker {seat} ended")
        for job, (work, its_seat) in list(self._on_wire.items()):
            if its_seat == seat:
                del self._on_wire[job]
                self._over(job, 0.0, now)
                notes.append(self._failed(work, failure, now))
        return notes

    def unsent(self, job: int, text: str) -> Failed | None:
        """``job`` has not gone out and will not: the machine refuses its process."""
        work, seat = self._on_wire.pop(job, (None, CONTROL))
        if work is None:
            return None
        self._seats.give_back(seat)
        self._over(job, 0.0, 0.0)
        failure = Failure("transport", "", text, connected=False)
        name = work.whose or self._name
        error = TransferError(f"{name}: {work.what}: {text}", failure, doubtful=work.doubtful)
        return Failed(work, error)

    def _over(self, job: int, waited: float, now: float) -> None:
        """``job`` is off the wire; its answer began after ``waited`` seconds, or never (0)."""
        for tail in self._tails.values():
            tail.answered(job, waited, now)

    @property
    def too_many_losses(self) -> bool:
        return self._seats.too_many_losses

    def not_renewed(self, event: NotRenewed, now: float) -> Failed | None:
        """There are no newer keys. Of the requests for which the server has refused the present ones, one
        fails and speaks for all; the others go out again, should anybody still wait for them."""
        refused = self._signers.blocked(event.role)
        self._signers.not_renewed(event, now)
        if not refused:
            return None
        for work in self._waiting:
            failure = work.failure
            if work.request.role == event.role and failure is not None and failure.code in EXPIRED_CODES:
                self._waiting.remove(work)
                return Failed(work, self._error(work, failure, f"no newer credentials: {event.text}"))
        return None

    def expire(self, now: float) -> list[Failed]:
        """Works whose time is up, wherever they are."""
        late = [w for w in self._all() if w.expires is not None and w.expires <= now]
        for work in late:
            work.doubtful = work.doubtful or work not in self._waiting  # on the wire: it may be acted on yet
            self._waiting = [w for w in self._waiting if w is not work]
            self._on_wire = {job: entry for job, entry in self._on_wire.items() if entry[0] is not work}
        silence = Failure("transport", "28", "no answer in time")
        return [Failed(work, self._error(work, silence, "out of time")) for work in late]

    def _error(self, work: Work, failure: Failure, reason: str) -> TransferError:
        hint = advice(failure)
        text = f"{work.whose or self._name}: {work.what}: {describe(failure)}; {reason}" + (
            f"; {hint}" if hint else ""
        )
        return TransferError(text, failure, doubtful=work.doubtful)


def _bucket_of(work: Work) -> tuple[str, str]:
    return work.request.authority, work.request.bucket
