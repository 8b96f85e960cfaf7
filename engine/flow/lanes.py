"""Many small objects in one ring, several at a time: lanes, which share one dispatch.

Theory: a small object costs what its requests wait for, so many must be under way, and a ring for each would
cost its processes. Shared are the window, the budget of retries, the keys and the workers; how an object is
carried over, and what proves it, is its own ``Transfer``'s, as with any other (``lane``).

What fails for one object keeps no other. What is no object's fault ends all: a signal, a lost collector, a
server that cannot be reached any more. Then nothing new is begun, and what is under way ends as it would
alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ..books import Books
from ..errors import TransferError
from ..values import Slot, Verdict
from .account import Account
from .dispatch import Dispatch, Failed, Work
from .events import (
    Action,
    Beat,
    Cancelled,
    Event,
    Filled,
    Finish,
    Lost,
    Note,
    NotRenewed,
    Refused,
    Renew,
    Renewed,
    Show,
    SinkFailed,
    SourceFailed,
    Warn,
    Written,
)
from .lane import Begin, Lane
from .pulse import STILL, Pulse
from .signers import Signers

UNREACHABLE = ("transport", "lost")
"""Kinds of failure that are no object's own."""


@dataclass(frozen=True, slots=True)
class Task:
    """An object to be carried over. ``saves``: what is received goes to a file."""

    begin: Begin
    saves: bool = False


class Lanes:
    """``tasks``, in this order, up to ``lanes`` at a time, with ``size`` bytes for each, none larger
    than ``most`` bytes (0: than a slot). To its ring as a ``Transfer``; of each object its ``Carried`` is
    shown, and what its story shows as ``Said``. Finishes with how many have succeeded."""

    found, tried = 0, False

    def __init__(
        self,
        name: str,
        tasks: Sequence[Task],
        *,
        lanes: int,
        size: int,
        dispatch: Dispatch,
        signers: Signers,
        total: int | None = None,
        most: int = 0,
    ) -> None:
        self.name = name
        self._tasks = deque(enumerate(tasks))
        self._size = size
        self._most = most
        self._dispatch = dispatch
        self._signers = signers
        self._free = list(range(lanes - 1, -1, -1))
        self._lanes: dict[int, Lane] = {}
        """Those under way, by their numbers."""
        self._owners: dict[Work, Lane] = {}
        self._waking: dict[Lane, float] = {}
        self._actions: list[Action] = []
        self._error: BaseException | None = None
        """What ends all."""
        self._carried = 0
        self._finished = False
        self._account = Account()
        self._pulse = Pulse(self, dispatch, self._account, None)
        self._handled_at = 0.0
        self._done = 0
        self.total = total
        """Bytes of all objects, as far as they are known."""

    @property
    def books(self) -> Books:
        """How long each stage took so far."""
        return self._account.books()

    def start(self, now: float) -> list[Action]:
        """The first actions."""
        self._signers.begin(now)
        self._pulse.begin(now)
        return self._after(now)

    def handle(self, event: Event | None, now: float) -> list[Action]:
        """Take ``event`` (None: a deadline has passed) and say what is to be done."""
        if event is not None:
            self._take(event, now)
        for failed in self._dispatch.expire(now):
            self._fail(failed, now)
        for lane in [lane for lane, due in self._waking.items() if due <= now]:
            self._tell(lane, None, now)
        if not isinstance(event, Verdict):  # of which there are thousands a second
            self._actions += self._dispatch.slow(now)
        return self._after(now)

    def deadline(self) -> float | None:
        """When ``handle(None)`` has something to do at the latest; perhaps that has passed already."""
        moments = [
            self._dispatch.deadline(self._handled_at),
            self._signers.deadline(),
            *self._waking.values(),
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    # --- as a feed, to the pulse ------------------------------------------------------------------

    @property
    def done(self) -> int:
        """Bytes of what was carried over, or is where it should be."""
        return self._done + sum(lane.feed.done for lane in self._lanes.values())

    def allow(self, parts: int) -> None:
        """How many there are is settled."""

    # --- events ------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        self._account.take(event, now)
        match event:
            case Verdict():
                self._judged(event, now)
            case Lost():
                self._lost(event.worker, now)
            case Beat():
                self._actions += self._pulse.beat(event, now)
                if self._pulse.still(now):
                    self._break(
                        Cancelled(f"no byte has moved for {int(STILL // 60)} minutes; run again"), now
                    )
            case Renewed() | NotRenewed():
                self._looked_up(event, now)
            case Refused(text, job) if failed := self._dispatch.unsent(job, text):
                self._fail(failed, now)
            case Filled(slot) | Written(slot=slot):
                self._tell(self._lanes[slot.index], event, now)
            case SourceFailed(slot=Slot() as slot) | SinkFailed(slot=Slot() as slot):
                self._tell(self._lanes[slot.index], event, now)
            case _:
                self._break(event, now)

    def _judged(self, verdict: Verdict, now: float) -> None:
        job = verdict.job.id
        work = self._dispatch.work_of(job)
        if work is not None and work in self._owners:
            self._tell(self._owners[work], verdict, now)
            return
        self._dispatch.judged(verdict, now)
        for lane in [lane for lane in self._lanes.values() if job in lane.left]:
            lane.gone(job, now)
            self._look(lane, now)

    def _lost(self, worker: int, now: float) -> None:
        results = self._dispatch.lost(worker, now)
        if self._dispatch.too_many_losses:
            self._break(Cancelled("4 worker processes were lost (killed, or out of memory)"), now)
            return
        self._actions.append(Warn(f"worker process {worker} was lost: another takes over"))
        for result in results:
            if isinstance(result, Failed):
                self._fail(result, now)
            else:
                self._actions.append(result)
        for lane in list(self._lanes.values()):
            lane.lost(worker, now)
            self._look(lane, now)

    def _looked_up(self, event: Renewed | NotRenewed, now: float) -> None:
        said, missing = self._signers.heard(event, now)
        self._actions.append(Note(said))
        failed = self._dispatch.not_renewed(missing, now) if missing else None
        if failed is not None:
            self._fail(failed, now)

    def _fail(self, failed: Failed, now: float) -> None:
        lane = self._owners.get(failed.work)
        if lane is not None:
            lane.fail(failed, now)
            self._look(lane, now)

    def _break(self, event: Event, now: float) -> None:
        """Something that ends all."""
        self._tasks.clear()
        for lane in list(self._lanes.values()):
            self._tell(lane, event, now)

    # --- lanes ------------------------------------------------------------------

    def _tell(self, lane: Lane, event: Event | None, now: float) -> None:
        lane.handle(event, now)
        self._look(lane, now)

    def _look(self, lane: Lane, now: float) -> None:
        """What has become of ``lane``."""
        self._actions += lane.actions
        lane.actions = []
        self._waking.pop(lane, None)
        carried = lane.carried(now)
        if carried is None:
            due = lane.deadline()
            if due is not None:
                self._waking[lane] = due
            return
        if self._lanes.pop(lane.number, None) is None:
            return
        self._free.append(lane.number)
        self._owners = {work: owner for work, owner in self._owners.items() if owner is not lane}
        self._done += carried.receipt.size if carried.receipt else 0
        self._carried += carried.error is None
        self._actions.append(Show(carried))
        if carried.error is not None and self._ends_all(carried.error):
            self._error = self._error or carried.error
            self._tasks.clear()

    @staticmethod
    def _ends_all(error: BaseException) -> bool:
        if not isinstance(error, TransferError):
            return True
        return error.failure is not None and error.failure.kind in UNREACHABLE

    def _begin(self, now: float) -> None:
        while self._tasks and self._free:
            at, task = self._tasks.popleft()
            number = self._free.pop()
            lane = Lane(number, self._size, at, task.begin, self._dispatch, self._own, task.saves, self._most)
            self._lanes[number] = lane
            lane.start(now)
            self._look(lane, now)

    def _own(self, work: Work, lane: Lane) -> None:
        self._owners[work] = lane

    # --- actions ------------------------------------------------------------------

    def _after(self, now: float) -> list[Action]:
        self._handled_at = now
        dispatch = self._dispatch
        self._begin(now)
        if not self._lanes and not self._tasks and not self._finished:
            self._finished = True
            self._actions.append(Finish(self._carried, self._error))
        if not self._finished:
            self._actions += [Renew(role) for role in self._signers.due(now)]
            self._actions += dispatch.assign(now)
        self._account.look(now, dispatch.parts_on_wire, dispatch.limit, dispatch.concurrency, False)
        actions, self._actions = self._actions, []
        return actions
