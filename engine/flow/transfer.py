"""The only decider: events in, actions out.

A ``Transfer`` holds three things and lets them meet: a *story* (what this transfer is, from top to bottom), a
*feed* (which part gets the next slot), and *dispatch* (which request goes where, and again). ``handle`` is
the only entry: it takes one event, lets the story go on if what it waits for has come, and returns what the
shell has to do. It never waits, reads no clock and does no I/O, so a test can play any history through it.

What cannot be mended by trying again is thrown into the story at the line where it waits; the story's own
``except`` clauses clean up. When the story ends, ``Finish`` says how.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EPIPE

from ..books import Books
from ..errors import Gof3rError, Interrupted, ReaderGone, TransferError
from ..values import Verdict
from .account import Account
from .climb import Climb
from .dispatch import Done, Failed, Work
from .events import (
    Action,
    Beat,
    Cancelled,
    CollectorLost,
    Digested,
    Dismiss,
    Event,
    Finish,
    Hush,
    Lost,
    Note,
    NotRenewed,
    Refused,
    Renew,
    Renewed,
    Show,
    Signalled,
    Silent,
    SinkFailed,
    SourceFailed,
    Tell,
    Total,
    Warn,
)
from .feed import Feed
from .pulse import STILL, Pulse
from .requests import Requests
from .signers import Signers
from .story import (
    Answer,
    Ask,
    AskOn,
    Instruction,
    Pause,
    Quiet,
    Story,
    StreamDigests,
    Until,
)


class Transfer:
    """One transfer from its first event to ``Finish``. ``now`` is always the shell's monotonic second.
    ``climb`` finds out how many parts fly at once; without it dispatch's concurrency holds."""

    def __init__(
        self,
        name: str,
        story: Story,
        feed: Feed,
        dispatch: Requests,
        signers: Signers,
        climb: Climb | None = None,
    ) -> None:
        self.name = name
        self._story = story
        self._feed = feed
        self._dispatch = dispatch
        self._signers = signers
        self._actions: list[Action] = []
        # What the story waits for, and what has come of it.
        self._waits: Instruction | None = None
        self._asked: Work | None = None
        self._left: Work | None = None
        """What was asked when the story was told of an error."""
        self._answer: Answer | None = None
        self._resume_at: float | None = None
        self._digested: Digested | None = None
        self._silent = False
        # How it ends.
        self._flowing = True
        """Parts are read, sent and received: until the story hushes the workers."""
        self._broken = False
        """Something outside the requests has failed; only the first such thing is told."""
        self._finished = False
        # What is told of it.
        self._account = Account()
        self._pulse = Pulse(feed, dispatch, self._account, climb)
        self._handled_at = 0.0

    @property
    def books(self) -> Books:
        """How long each stage took so far."""
        return self._account.books()

    @property
    def found(self) -> int:
        """The concurrency that was found out; 0 where it was given."""
        return self._pulse.found

    @property
    def tried(self) -> bool:
        """It was found out: there was time enough to judge a concurrency."""
        return self._pulse.tried

    def start(self, now: float) -> list[Action]:
        """The first actions."""
        self._handled_at = now
        self._signers.begin(now)
        self._pulse.begin(now)
        self._next(None, now)
        return self._after(now)

    def handle(self, event: Event | None, now: float) -> list[Action]:
        """Take ``event`` (None: a deadline has passed) and say what is to be done."""
        self._handled_at = now
        try:
            if event is not None:
                self._take(event, now)
            for failed in self._dispatch.expire(now):
                self._failed(failed, now)
            return self._after(now)
        except TransferError as error:
            self._break(self._error(str(error)), now)
        except Exception as bug:
            if self._broken:
                raise
            broken = self._error(f"internal error: {type(bug).__name__}: {bug}")
            broken.__cause__ = bug  # for --debug; the story still cleans up
            self._break(broken, now)
        return self._after(now)

    def deadline(self) -> float | None:
        """When ``handle(None)`` has something to do at the latest; perhaps that has passed already."""
        moments = (self._dispatch.deadline(self._handled_at), self._resume_at, self._signers.deadline())
        return min((moment for moment in moments if moment is not None), default=None)

    # --- events ------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        self._account.take(event, now)
        match event:
            case Verdict():
                self._judged(event, now)
            case Digested():
                self._digested = event
            case Silent():
                self._silent = True
            case Lost():
                self._lost(event.worker, now)
            case Beat():
                self._beat(event, now)
            case Signalled():
                self._break(Interrupted(event.number), now)
            case CollectorLost():
                self._break(self._error("the collector process was lost; run again"), now)
            case SourceFailed():
                self._break(self._error(f"reading the source failed: {event.text}"), now)
            case Refused(text, job) if failed := self._dispatch.unsent(job, text):
                self._failed(failed, now)
            case Refused() | Cancelled():
                self._break(self._error(event.text), now)
            case Renewed() | NotRenewed():
                self._looked_up(event, now)
            case SinkFailed():
                gone = event.errno == EPIPE
                error = self._error(f"writing the destination failed: {event.text}")
                self._break(ReaderGone("the reader has gone") if gone else error, now)
            case _ if self._flowing:
                self._actions += self._feed.take(event)
            case _:
                pass  # news of parts that were given up

    def _judged(self, verdict: Verdict, now: float) -> None:
        result = self._dispatch.judged(verdict, now)
        if isinstance(result, Done):
            attempt = f"attempt {verdict.job.attempt}, process {verdict.worker}"
            self._actions.append(Note(f"{result.work.what}: done, {attempt}"))
        match result:
            case Done(work, _, value) if work is self._asked:
                assert verdict.response is not None
                self._answer = Answer(verdict.response, work.doubtful, value)
            case Done(work) if work.part is not None:
                self._feed.accepted(work.part, verdict)
            case Failed():
                self._failed(result, now)
            case Note():
                self._actions.append(result)
            case _:
                pass

    def _failed(self, failed: Failed, now: float) -> None:
        if failed.work is self._asked or not failed.work.control:
            self._throw(failed.error, now)

    def _lost(self, worker: int, now: float) -> None:
        results = self._dispatch.lost(worker, now)
        if self._dispatch.too_many_losses and not self._broken:
            self._break(self._error("4 worker processes were lost (killed, or out of memory)"), now)
            return
        self._actions.append(Warn(f"worker process {worker} was lost: another takes over"))
        for result in results:
            if isinstance(result, Failed):
                self._failed(result, now)
            else:
                self._actions.append(result)

    def _looked_up(self, event: Renewed | NotRenewed, now: float) -> None:
        said, missing = self._signers.heard(event, now)
        self._actions.append(Note(said))
        failed = self._dispatch.not_renewed(missing, now) if missing else None
        if failed is not None:
            self._failed(failed, now)

    def _beat(self, beat: Beat, now: float) -> None:
        self._actions += self._pulse.beat(beat, now)
        self._actions += self._feed.take(beat)
        if self._pulse.still(now):
            minutes = int(STILL // 60)
            self._break(self._error(f"no byte has moved for {minutes} minutes; run again"), now)

    # --- the story ------------------------------------------------------------------

    def _next(self, answer: object, now: float) -> None:
        """Send the story ``answer`` and carry out the instruction that it goes on with."""
        self._step(lambda: self._story.send(answer), now)

    def _throw(self, error: Gof3rError, now: float) -> None:
        self._step(lambda: self._story.throw(error), now)

    def _break(self, error: Gof3rError, now: float) -> None:
        """Something has failed that no request can mend; what fails in its wake is not told."""
        if not self._broken and not self._finished:
            self._broken = True
            self._throw(error, now)

    def _error(self, text: str) -> TransferError:
        return TransferError(f"{self.name}: {text}")

    def _step(self, advance: Callable[[], Instruction], now: float) -> None:
        self._left, self._asked = self._asked, None
        self._answer = self._resume_at = None
        try:
            self._waits = advance()
        except StopIteration as end:
            self._finish(Finish(end.value))
        except Gof3rError as error:
            self._finish(Finish(None, error))
        else:
            self._carry_out(self._waits, now)

    def _finish(self, finish: Finish) -> None:
        self._waits = None
        self._finished = True
        self._flowing = False
        self._dispatch.drop_all()
        self._actions.append(finish)

    def _carry_out(self, instruction: Instruction, now: float) -> None:
        match instruction:
            case Ask(request, reads, patient, within):
                expires = None if within is None else now + within
                what = request.operation
                self._asked = Work(request, what, reads=reads, patient=patient, expires=expires)
                self._dispatch.submit(self._asked)
            case AskOn(within):
                assert self._left is not None
                self._asked = self._left
                self._asked.expires = now + within
            case Tell() | Warn() | Show() | Dismiss():
                self._actions.append(instruction)
            case StreamDigests(parts):
                self._actions.append(Tell(Total(parts)))
            case Quiet():
                self._broken = True  # also by a part: a signal must not cut the cleaning up short
                self._flowing = False
                self._silent = False
                self._dispatch.drop_all()
                self._actions.append(Hush())
            case Pause(seconds):
                self._resume_at = now + seconds
            case _:
                pass

    def _come(self, now: float) -> tuple[bool, object]:
        """Whether what the story waits for is there, and what to send it."""
        match self._waits:
            case Ask() | AskOn():
                return self._answer is not None, self._answer
            case Until(condition):
                return condition(), None
            case StreamDigests():
                return self._digested is not None, self._digested and self._digested.digests
            case Quiet():
                return self._silent, None
            case Pause():
                return self._resume_at is not None and now >= self._resume_at, now
            case None:
                return False, None
            case _:
                return True, None

    # --- actions ------------------------------------------------------------------

    def _after(self, now: float) -> list[Action]:
        """Let the story go on as far as it can, grant what can be granted, send what is due."""
        while True:
            ready, answer = self._come(now)
            if not ready:
                break
            self._next(answer, now)
        if self._flowing:
            actions, works = self._feed.grant()
            self._actions += actions
            for work in works:
                self._dispatch.submit(work)
        dispatch = self._dispatch
        if not self._finished:
            self._actions += [Renew(role) for role in self._signers.due(now)]
            self._actions += dispatch.slow(now)
            self._actions += self._assign(now)
        self._account.look(
            now, dispatch.parts_on_wire, dispatch.limit, dispatch.concurrency, self._feed.starved
        )
        actions, self._actions = self._actions, []
        return actions

    def _assign(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for send in self._dispatch.assign(now):
            job = send.job
            what = f"part {job.part.number}" if job.part else job.request.operation
            to = f"{job.request.method} {job.request.url}"
            actions += [Note(f"{what}: attempt {job.attempt} by process {send.worker}: {to}"), send]
        return actions
