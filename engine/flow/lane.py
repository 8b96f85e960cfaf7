"""A lane: one small object after another is carried over in it, each by a ``Transfer`` as any other has.

Theory: what an object's transfer would have of its own in a ring (workers, a window, a collector) it shares
here with those of other lanes, so the lane stands between. Requests go to the common dispatch, by a ``Share``
of it that remembers whose they are. What is asked of the collector, a stream's digests, the lane knows by
itself: of an object of one part they are that part's, and its worker has computed them. An object of several
parts that must be hashed as one stream does not fit (``Unfit``): it needs a ring.

A lane has one slot, whose number is the lane's; parts go through it one after another.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import Gof3rError, TransferError, Unfit
from ..s3 import checksums
from ..values import Digests, Part, Slot, Verdict
from .dispatch import Dispatch, Done, Failed, Work
from .events import (
    Action,
    Announce,
    Cancelled,
    Digested,
    Dismiss,
    Drop,
    Event,
    Expect,
    Fill,
    Finish,
    Forget,
    Hashed,
    Hush,
    Load,
    Note,
    NotRenewed,
    Receipt,
    Release,
    Save,
    Send,
    Show,
    Silent,
    SinkFailed,
    Tell,
    Total,
    Written,
)
from .feed import Feed, NoParts
from .signers import Signers
from .slots import Ledger, stride
from .story import Story
from .transfer import Transfer


class Teller(Protocol):
    """A story with its name, for error lines."""

    name: str

    def story(self) -> Story: ...


Begin = Callable[[Ledger], tuple[Teller, Feed]]
"""One object's story and feed, in a lane's memory."""

_NOTHING = Part(1, 0, 0)


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of one object."""

    number: int
    """Of those that were asked for, from 0."""
    receipt: Receipt | None
    """None where it failed, and of what moves nothing."""
    error: BaseException | None
    retries: Mapping[str, int]
    """How often each error code has led to another attempt."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """What the story of one object has shown."""

    number: int
    """As ``Carried``'s."""
    value: object


class Share:
    """A lane's share of ``dispatch``: requests that go out in the name of its object."""

    parts_on_wire, limit, concurrency = 0, 0, 0
    bytes_on_wire = more_workers = too_many_losses = False

    def __init__(self, dispatch: Dispatch, name: str, owned: Callable[[Work], None]) -> None:
        self._dispatch = dispatch
        self._name = name
        self._owned = owned
        self._works: set[Work] = set()
        self.failed: list[Failed] = []
        """Works that have failed by something else than a verdict."""
        self.drops: list[Drop] = []
        """Jobs that were given up on the wire."""
        self.retries: Counter[str] = Counter()

    def submit(self, work: Work) -> None:
        work.whose = self._name
        self._works.add(work)
        self._owned(work)
        self._dispatch.submit(work)

    def want(self, digests: tuple[str, ...]) -> None:
        """Of what is received, beside those that are asked for. It is not on the wire yet."""
        for work in self._works:
            if work.direction == "receive":
                work.digests = tuple(dict.fromkeys((*work.digests, *digests)))

    def judged(self, verdict: Verdict, now: float) -> Done | Failed | Note | None:
        before = self._dispatch.retries.copy()
        result = self._dispatch.judged(verdict, now)
        self.retries += self._dispatch.retries - before
        if isinstance(result, (Done, Failed)):
            self._works.discard(result.work)
        return result

    def expire(self, now: float) -> list[Failed]:
        failed, self.failed = self.failed, []
        self._works.difference_update(each.work for each in failed)
        return failed

    def drop_all(self) -> None:
        self.drops += self._dispatch.give_up(self._works)
        self._works.clear()

    # What concerns all lanes is settled by whoever has them.

    def allow(self, concurrency: int) -> None:
        pass

    def assign(self, now: float) -> list[Send]:
        return []

    def slow(self, now: float) -> list[Drop]:
        return []

    def deadline(self, now: float) -> float | None:
        return None

    def lost(self, seat: int, now: float) -> list[Failed | Note]:
        return []

    def unsent(self, job: int, text: str) -> Failed | None:
        return None

    def not_renewed(self, event: NotRenewed, now: float) -> Failed | None:
        return None


class Lane:
    """The lane ``number``, with a slot of ``size`` bytes, while it carries the object ``task`` that ``begin``
    begins. ``actions`` are to be taken from it after each call."""

    def __init__(
        self,
        number: int,
        size: int,
        task: int,
        begin: Begin,
        dispatch: Dispatch,
        owned: Callable[[Work, Lane], None],
        saves: bool = False,
        most: int = 0,
    ) -> None:
        """``saves``: what is received goes to a file. ``most``: bytes of the largest object, if that is more
        than a slot."""
        self.number = number
        self._task = task
        self._size = size
        ledger = Ledger(stride(size), stride(size), berth=number)
        teller, self.feed = begin(ledger)
        self._name = teller.name
        self._share = Share(dispatch, teller.name, lambda work: owned(work, self))
        self._transfer = Transfer(teller.name, teller.story(), self.feed, self._share, Signers({}))
        self._events: deque[Event | None] = deque()
        self.actions: list[Action] = []
        self._finish: Finish | None = None
        self._began = 0.0
        # In the collector's stead.
        self._expected: tuple[str, ...] = ()
        self._digests: Digests = {}
        self._parts = 0
        """Whose digests are known."""
        self._announced: Slot | None = None
        self._unfit = False
        self._saves = saves
        self._loads = False
        """A file is read."""
        self._most = max(most, size)
        self._held = 0
        """Number of the part that waits for the proof."""
        self._kept = _NOTHING, ledger.slots[0]
        self._ending: Finish | None = None
        """That waits for an empty file to be there."""
        # While it is hushed.
        self._left: dict[int, int] = {}
        """Jobs that were given up, and by whose seats they still are."""
        self._hushed = False

    def start(self, now: float) -> None:
        """The first actions."""
        self._began = now
        self._take(self._transfer.start(now))
        self._go_on(now)

    def handle(self, event: Event | None, now: float) -> None:
        """Take an event that is this lane's."""
        match event, self._ending:
            case Written(), Finish() as ending:
                self._finish = ending
                return
            case SinkFailed(text=text), Finish():
                failed = TransferError(f"{self._name}: writing the destination failed: {text}")
                self._finish = Finish(None, failed)
                return
        self._events.append(event)
        if isinstance(event, Verdict) and self._is_too_large(event):
            self._unfit = True
            self._events[-1] = Cancelled(f"larger than {self._most} bytes")
        if isinstance(event, Verdict) and event.failure is None:
            self._moved(event)
        self._go_on(now)

    def fail(self, failed: Failed, now: float) -> None:
        """A request of it has failed without a verdict."""
        self._share.failed.append(failed)
        self.handle(None, now)

    def gone(self, job: int, now: float) -> None:
        """``job``, which was given up, is off the wire."""
        self._left.pop(job, None)
        self._fall_silent()
        self._go_on(now)

    def lost(self, seat: int, now: float) -> None:
        """The worker on ``seat`` is gone, with what it was told to give up."""
        for job in [job for job, its in self._left.items() if its == seat]:
            self.gone(job, now)

    @property
    def left(self) -> list[int]:
        """Jobs that were given up and are on the wire still."""
        return list(self._left)

    def deadline(self) -> float | None:
        """When ``handle(None)`` has something to do at the latest."""
        return None if self._finish else self._transfer.deadline()

    def carried(self, now: float) -> Carried | None:
        """What came of the object, at its end."""
        if self._finish is None:
            return None
        receipt, error = self._finish.result, self._finish.error
        if self._unfit and isinstance(error, Gof3rError):
            error = Unfit(str(error))
        own = receipt if isinstance(receipt, Receipt) else None
        return Carried(self._task, own, error, dict(self._share.retries), now - self._began)

    def _go_on(self, now: float) -> None:
        while self._events and self._finish is None:
            self._take(self._transfer.handle(self._events.popleft(), now))

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(Expect(digests, held)):
                    self._expected, self._held = digests, held
                    if digests and self.feed.count > 1:
                        self._fits_not(self.feed.count)
                case Show(value):
                    self.actions.append(Show(Said(self._task, value)))
                case Tell(Announce(_, slot)):
                    self._announced = slot
                case Tell(Total(parts)):
                    self._hashed(parts)
                case Tell(Release()):
                    self._release()
                case Fill(slot, length):
                    self._loads = True
                    self.actions.append(Load(self._task, slot, length))
                case Hush():
                    self._hushed = True
                case Finish():
                    self._end(action)
                case Dismiss():
                    pass
                case _:
                    self.actions.append(action)
        self._share.want(self._expected)
        if self._share.drops:
            self._left |= {drop.job: drop.worker for drop in self._share.drops}
            self.actions += self._share.drops
            self._share.drops = []
        self._fall_silent()

    def _end(self, finish: Finish) -> None:
        if (self._saves or self._loads) and finish.error is not None:
            self.actions.append(Forget(self._task))
        if self._saves and finish.error is None and self._held == 0:
            self._ending = finish  # a story does not wait for the writing of nothing
        else:
            self._finish = finish

    def _fall_silent(self) -> None:
        if self._hushed and not self._left:
            self._hushed = False
            self._events.append(Silent())

    # --- the collector's part ------------------------------------------------------------------

    def _moved(self, verdict: Verdict) -> None:
        """A part has been received, or sent: its digests are known, and with them the stream's."""
        slot, part = verdict.job.slot, verdict.job.part
        if slot is None or part is None:
            return
        if self._saves and verdict.job.direction == "receive":
            self._received(part, slot)
        if not self._expected:
            return
        if verdict.job.direction == "receive" or slot == self._announced:
            self._announced = None
            self._parts += 1
            self._digests = dict(verdict.digests)
            if not self._saves:
                self._events.append(Hashed(slot))

    def _is_too_large(self, verdict: Verdict) -> bool:
        """A look has shown a source that does not fit."""
        if verdict.job.request.operation != "head_object" or verdict.response is None or self._parts:
            return False
        if isinstance(self.feed, NoParts):
            return False
        length = verdict.response.headers.get("content-length", "")
        return length.isascii() and length.isdigit() and int(length) > self._most

    def _received(self, part: Part, slot: Slot) -> None:
        """It is written in its turn, which it has: a lane has one slot. The last one waits for its word."""
        if part.number == self._held:
            self._kept = part, slot
        else:
            self.actions.append(Save(self._task, part, slot, last=False))

    def _release(self) -> None:
        """The whole is proven: let the file appear."""
        part, slot = self._kept
        self.actions.append(Save(self._task, part, slot, last=True))

    def _hashed(self, parts: int) -> None:
        """The stream's digests are wanted."""
        if parts == 0:
            self._events.append(Digested(checksums.compute(self._expected, memoryview(b""))))
        elif (parts, self._parts) == (1, 1) and self._digests.keys() >= set(self._expected):
            self._events.append(Digested({name: self._digests[name] for name in self._expected}))
        else:
            self._fits_not(parts)

    def _fits_not(self, parts: int) -> None:
        self._unfit = True
        self._events.append(Cancelled(f"{parts} parts cannot be hashed one by one"))
