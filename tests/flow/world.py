"""A transfer's whole world, simulated: everything that the processes, the pipes and S3 do around a Transfer.

It plays a ``Transfer`` to its end without a process, a socket or a clock. What can happen next (the source
gives bytes, a request is answered, the collector hashes, writes or is heard) is a list; one of it is chosen,
the first or by a seeded die, so that one number is one history; or a test chooses (``moves``, ``serve``).
Requests may take their time (``latency``): the clock then goes on to the next one that is due. Bytes are real
and lie in real slots, so two owners of one slot would show; besides, every action is held against the
promises that must hold at any time:

- a slot has one owner, who may hand it on (a copy's part is received, then sent); a part's first attempts go
  out in part order; no more part requests than allowed;
- no worker is used after its loss has been told, nothing is sent between Hush and Silent;
- an upload that has got parts is aborted only after silence; nothing follows Finish;
- after every event, the ledger's word on each slot is what is known here of its owners (``audit``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random
from typing import Protocol
from urllib.parse import parse_qs

from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.climb import Climb
from gof3r.engine.flow.dispatch import Dispatch
from gof3r.engine.flow.events import (
    Action,
    Announce,
    Beat,
    Drop,
    Event,
    Fill,
    Finish,
    Hush,
    Lost,
    Note,
    NotRenewed,
    Progress,
    Receipt,
    Renew,
    Renewed,
    Send,
    Show,
    Silent,
    Tell,
    Warn,
)
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.passing import Passing
from gof3r.engine.flow.retry import SLOW
from gof3r.engine.flow.seats import CONTROL, JOBS_A_WORKER, SPARES
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.flow.story import Story
from gof3r.engine.flow.transfer import Transfer
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3 import checksums
from gof3r.engine.values import (
    Credentials,
    Failure,
    Job,
    Outcome,
    Response,
    Role,
    Slot,
    Timing,
    Verdict,
)
from tests.flow.audit import check
from tests.flow.collector import Collector
from tests.flow.scripts import Die, Hang, Script, honest
from tests.flow.store import Store
from tests.flow.stream import Memory, Source

STARTED = 1000.0
"""The monotonic second at which every world begins: a machine has long been up."""
EPOCH = 1_700_000_000.0
"""The wall clock then."""


class Told(Protocol):
    name: str

    def story(self) -> Story: ...


MOST_WORKERS = 4
"""Of a transfer that finds out how many parts fly at once."""


class World:
    """``on`` scripts what comes of single requests, ``default`` of all others; ``before`` runs before each
    step (None to go on, or an event that happens now). ``seed``: the die of this history; None for the order
    in which things are listed."""

    def __init__(
        self,
        story: Told,
        feed: Outgoing | Incoming | Passing,
        store: Store,
        memory: Memory,
        *,
        source: Source | None = None,
        capacity: int,
        workers: int = 2,
        concurrency: int = 3,
        attempts: int = 10,
        seed: int | None = None,
        credentials: Credentials | None = None,
        climb: Climb | None = None,
    ) -> None:
        self.store = store
        self.random = Random(seed or 0)  # one history, also where nothing is shuffled
        self.shuffled = seed is not None
        self.memory = memory
        self.now = STARTED
        main = Signer(credentials, renewable=credentials is not None)
        self.signers = Signers({"main": main, "source": Signer(None)})
        self.dispatch = Dispatch(
            name=story.name,
            signers=self.signers,
            workers=workers,
            concurrency=concurrency,
            attempts=attempts,
            random=self.random.random,
            most_workers=MOST_WORKERS if climb else 0,
        )
        self.feed = feed
        self.transfer = Transfer(story.name, story.story(), feed, self.dispatch, self.signers, climb)
        self.capacity = capacity
        self._workers, self._concurrency = workers, concurrency
        if climb:
            self._workers, self._concurrency = MOST_WORKERS, climb.most
        # What a test may set.
        self.scripts: dict[str, list[Script]] = {}
        self.default: Callable[[Job], Script] = lambda job: honest
        self.latency: Callable[[Job], float] = lambda job: 0.0
        """Seconds until a request is answered."""
        self.tick = 0.001
        """Seconds that anything else takes."""
        self.late: Callable[[Job], Script | None] = self._maybe_late
        """What comes of a request on the wire when the workers are ended, if it still comes: its answer is in
        the collector's pipe."""
        self.before: Callable[[], Event | None] = lambda: None
        self.look_up: Callable[[Role], Renewed | NotRenewed] = lambda role: NotRenewed(role, "nothing there")
        self.source = source
        self.source_idle = False
        self.reader_slow = False
        # What a test may read.
        self.jobs: list[Job] = []
        self.seats: list[int] = []
        self.times: list[float] = []
        self.log: list[str] = []
        """Requests in the order of their sending, and ``hush`` and ``silent``."""
        self.warnings: list[str] = []
        self.shown: list[object] = []
        self.notes: list[str] = []
        self.progress: list[tuple[float, Progress]] = []
        self.verdicts: list[tuple[float, Verdict]] = []
        """As they were heard."""
        self.finish: Finish | None = None
        self.steps = 0
        self.moved = 0
        self.most_slots = 0
        # The shell's; `audit` reads them.
        self.fill: Fill | None = None
        self.wire: dict[int, tuple[int, Job]] = {}
        self.control: deque[Event] = deque()
        self.dead: set[int] = set()
        self.told_lost: set[int] = set()
        self.next_first = 1
        self.uses: dict[Slot, set[str]] = {}
        self._started = False
        self._due: dict[int, float] = {}
        self._filled = 0
        self._hung: set[int] = set()
        self._looks: deque[Role] = deque()
        self._hushing = False
        self._next_beat = STARTED
        self.passes = isinstance(feed, Passing)
        self._with_parts: set[str] = set()
        self.partial = b""
        """What an earlier run has left of a download."""
        self._looked: set[int] = set()
        """Parts that were compared with what is there."""
        self.collector = Collector(memory, writes=source is None and not self.passes)

    def on(self, what: str, *scripts: Script) -> World:
        """The next requests named ``what`` (as in ``log``) go as ``scripts`` say, those after them well."""
        self.scripts.setdefault(what, []).extend(scripts)
        return self

    def run(self, until: Callable[[], bool] = lambda: False) -> World:
        """Play to the end, or until ``until`` holds."""
        if not self._started:
            self.start()
        while self.finish is None and not until():
            self.steps += 1
            assert self.steps < 200_000, "the transfer does not come to an end"
            self._step()
        return self

    def start(self) -> None:
        """``run`` does it, unless a test leads this world event by event."""
        self._started = True
        self._do(self.transfer.start(self.now))

    @property
    def delivered(self) -> bytes:
        return bytes(self.collector.delivered)

    @property
    def receipt(self) -> Receipt:
        assert self.finish is not None
        if self.finish.error is not None:
            raise self.finish.error
        assert isinstance(self.finish.result, Receipt)
        return self.finish.result

    @property
    def error(self) -> Gof3rError:
        assert self.finish is not None and isinstance(self.finish.error, Gof3rError), self.finish
        return self.finish.error

    # --- what can happen ------------------------------------------------------------------

    def _step(self) -> None:
        event = self.before()
        if event is not None:
            self.handle(event)
            return
        enabled = list(self.moves().values()) + [partial(self.serve, number) for number in self._answerable()]
        if enabled:
            self.now += self.tick
            (self.random.choice(enabled) if self.shuffled else enabled[0])()
        else:
            self.wait()
        if self.now >= self._next_beat:
            self._next_beat = self.now + 1.0
            self.beat()

    def wait(self) -> None:
        """Until the next deadline, answer or beat. What fell due since the last event is seen then."""
        moment = self._next_moment()
        self.now = max(self.now, min(moment, self._next_beat))
        self.handle(None)
        idle = self.fill and self.source_idle
        slow = self.collector.can_write and self.reader_slow
        goes_on = self.finish or self.moves() or self.wire or min(moment, self._next_moment()) < inf
        assert goes_on or idle or slow, f"nothing can happen: {self.dispatch}"

    def _next_moment(self) -> float:
        return min(self.transfer.deadline() or inf, *self._due.values(), inf)

    def beat(self) -> None:
        self.handle(Beat(self.moved))

    def moves(self) -> dict[str, Callable[[], None]]:
        """What can happen next, by its name, besides the answers."""
        moves: dict[str, Callable[[], None]] = {}
        if self.control:
            moves["control is heard"] = lambda: self.handle(self.control.popleft())
        if self.collector.messages:
            moves["the collector is heard"] = lambda: self.handle(self.collector.messages.popleft())
        if self._looks:
            moves["keys are looked up"] = lambda: self.handle(self.look_up(self._looks.popleft()))
        if self._hushing:
            moves["silence"] = self._silent
        if self.collector.orders:
            moves["the collector obeys"] = self.collector.obey
        if self.collector.to_hash:
            moves["the collector hashes"] = self._hash
        if self.collector.can_write and not self.reader_slow:
            moves["the collector writes"] = self._write
        if self.fill and not self.source_idle:
            moves["the source gives"] = self._read
        return moves

    def _answerable(self) -> list[int]:
        return [number for number in self.wire if number not in self._hung and self._due[number] <= self.now]

    def handle(self, event: Event | None) -> None:
        if self.finish is not None:
            return
        if isinstance(event, Verdict):
            self.verdicts.append((self.now, event))
        if isinstance(event, Lost):
            if event.worker in self.told_lost:  # the shell ended it itself
                return
            if event.worker == CONTROL:
                self.dead.discard(CONTROL)  # the next job starts another
            else:
                self.told_lost.add(event.worker)
        self._do(self.transfer.handle(event, self.now))
        check(self)

    def _read(self) -> None:
        assert self.fill is not None and self.source is not None
        fill, self.fill = self.fill, None
        data, filled = self.source.fill(fill)
        self.uses[fill.slot].discard("fill")
        if filled.length or not self._filled:
            self.memory.write(fill.slot, data)
            self.uses[fill.slot].add("send")
        self._filled += 1
        self.handle(filled)

    def serve(self, number: int, script: Script | None = None) -> None:
        """What comes of request ``number``: as ``script`` says, or as it is scripted."""
        seat, job = self.wire.pop(number)
        due = self._due.pop(number)
        if job.local:
            self._read_back(seat, job)
            return
        if job.direction == "digest":  # no request goes out
            assert job.part and job.slot
            there = self.memory.read(job.slot, job.part.length)
            done = checksums.compute(job.digests, memoryview(there))
            self._judge(seat, Outcome(job, seat, digests=done, at=self.wall))
            return
        script = script or self._script(job)
        body, length, digests = job.request.body, 0, {}
        if job.direction == "send":
            assert job.part and job.slot
            body, length = self.memory.read(job.slot, job.part.length), job.part.length
            digests = dict(job.known) or checksums.compute(job.digests, memoryview(body))
        said = job.request.headers + checksums.digest_headers(digests)
        headers = {name.lower(): value for name, value in said}
        result = script(lambda: self.store.answer(job.request, headers, body, length))
        if isinstance(result, Hang):
            self.wire[number], self._due[number] = (seat, job), inf
            self._hung.add(number)
        elif isinstance(result, Die):
            self.die(seat)
        elif isinstance(result, Failure):
            self._judge(seat, Outcome(job, seat, failure=result, digests=digests, at=self.wall))
        else:
            sent = self.times[number - 1]
            self._answered(seat, job, result, digests, self.now - sent if due > sent else 1.0)

    def _read_back(self, seat: int, job: Job) -> None:
        """What is there of the destination; no request goes out."""
        assert job.part and job.slot
        data = self.partial[job.part.offset : job.part.offset + job.part.length]
        assert len(data) == job.part.length, "it is there"
        self.memory.write(job.slot, data)
        self.uses[job.slot].add("receive")
        digests = checksums.compute(job.digests, memoryview(data))
        self._judge(seat, Outcome(job, seat, digests=digests, at=self.wall))

    @property
    def wall(self) -> float:
        """Epoch seconds on this machine's clock."""
        return EPOCH + self.now - STARTED

    def _script(self, job: Job) -> Script:
        operation = job.request.operation if job.part else ""
        scripts = self.scripts.get(self._named(job)) or self.scripts.get(operation)
        return scripts.pop(0) if scripts else self.default(job)

    def _answered(
        self, seat: int, job: Job, answer: Response, digests: dict[str, bytes], waited: float
    ) -> None:
        received = 0
        if job.request.method == "HEAD":
            answer = Response(answer.status, answer.headers)
        if job.direction == "receive" and answer.status == 206:
            assert job.part and job.slot
            data = answer.body[: job.slot.size]
            self.memory.write(job.slot, data)
            received = len(data)
            if received == job.part.length:
                digests = checksums.compute(job.digests, memoryview(data))
            answer = Response(answer.status, answer.headers)
        self.moved += received or (job.part.length if job.part and job.slot else 0)
        began, now = self.now - waited, self.now
        timing = Timing(began, began, began, began, now, now, now)
        self._judge(
            seat, Outcome(job, seat, answer, digests=digests, received=received, at=self.wall, timing=timing)
        )

    def die(self, seat: int) -> None:
        """The worker of ``seat`` ends, with everything that it had on the wire."""
        if seat in self.dead:
            return
        self.dead.add(seat)
        for number in [number for number, entry in self.wire.items() if entry[0] == seat]:
            self._gone(number)
        (self.collector.messages if seat != CONTROL else self.control).append(Lost(seat))

    def _gone(self, number: int) -> Job:
        self._hung.discard(number)
        del self._due[number]
        return self.wire.pop(number)[1]

    def _silent(self) -> None:
        self._hushing = False
        self.log.append("silent")
        self.handle(Silent())

    def _judge(self, seat: int, outcome: Outcome) -> None:
        if seat == CONTROL:
            self.control.append(judge(outcome))
            return
        while self.collector.orders:  # what was ordered before a job is heard before its outcome
            self.collector.obey()
        verdict = self.collector.judge(outcome)
        slot = verdict.job.slot
        if verdict.failure is not None or slot is None:
            return
        if verdict.job.direction == "digest":
            assert isinstance(self.feed, Outgoing) and verdict.job.part
            if self.feed._there.same(verdict.job.part, verdict.digests) is None:
                return  # it will be sent
        self.uses[slot].discard("send")
        if verdict.job.direction == "receive":
            self.uses[slot].remove("receive")
            onward = {"send", "hash"} if self.collector.hashes else {"send"}
            self.uses[slot] |= onward if self.passes else {"write"}
            part = verdict.job.part
            if isinstance(self.feed, Passing) and part and self.feed._there.same(part, verdict.digests):
                self.uses[slot].discard("send")  # it needs not to be sent

    def _hash(self) -> None:
        slot = self.collector.hash()
        self.uses[slot].discard("hash")

    def _write(self) -> None:
        slot = self.collector.write()
        self.uses[slot].remove("write")

    # --- actions, each held against the promises ------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.finish is None, f"{action} after the end"
            match action:
                case Fill(slot):
                    assert self.fill is None and "hush" not in self.log, "one part is read at a time"
                    self.fill = action
                    self._own(slot, "fill")
                case Send(seat, job):
                    self._send(seat, job)
                case Drop(seat, job_id):
                    self._drop(seat, job_id)
                case Tell(message):
                    self.collector.orders.append(message)
                    if isinstance(message, Announce):
                        self.uses[message.slot].add("hash")
                case Hush():
                    self._hush()
                case Warn(text):
                    self.warnings.append(text)
                case Show(value):
                    self.shown.append(value)
                case Note(text):
                    self.notes.append(text)
                case Renew(role):
                    assert role not in self._looks, "one look at a time"
                    self._looks.append(role)
                case Progress():
                    self.progress.append((self.now, action))
                case Finish():
                    assert "internal error" not in str(action.error)
                    self.finish = action

    def _drop(self, seat: int, number: int) -> None:
        """A request whose answer has begun goes on."""
        if number in self.wire and self._due[number] > self.now:
            job = self._gone(number)
            self._judge(seat, Outcome(job, seat, failure=Failure("transport", SLOW), at=self.wall))

    def _named(self, job: Job) -> str:
        if job.direction == "digest" and job.part:
            return f"look {job.part.number}"
        if job.part and job.local:
            return f"kept {job.part.number}"
        if job.part and job.direction == "receive":
            return f"range {job.part.number}"
        if job.part and job.request.operation == "upload_part":
            return f"part {job.part.number}"
        if job.part and job.request.operation == "upload_part_copy":
            return f"copy {job.part.number}"
        if "/.md5/" in job.request.path:
            return "sidecar"
        return f"source {job.request.operation}" if job.request.bucket == "source" else job.request.operation

    def _send(self, seat: int, job: Job) -> None:
        assert not self._hushing, "nothing is sent before the workers are silent"
        assert all(job.id != other.id for other in self.jobs[-1:]) and job.id == len(self.jobs) + 1
        if seat not in self.dead:  # else it goes into a pipe that nobody reads
            self.wire[job.id], self._due[job.id] = (seat, job), self.now + self.latency(job)
        self.jobs.append(job)
        self.seats.append(seat)
        self.times.append(self.now)
        self.log.append(self._named(job))
        upload_id = parse_qs(job.request.query).get("uploadId", [""])[0]
        if job.part is None:
            assert seat == CONTROL
            if job.request.operation in ("abort_multipart_upload", "list_parts"):
                quiet = "silent" in self.log or upload_id not in self._with_parts
                assert quiet, "aborted while a part may still be on its way"
            return
        self._with_parts.add(upload_id)
        assert 1 <= seat <= self._workers + SPARES and seat not in self.told_lost
        parts = [other for other, its in self.wire.values() if its.part]
        assert len(parts) <= self._concurrency and parts.count(seat) <= JOBS_A_WORKER
        assert [its.part for _, its in self.wire.values()].count(job.part) <= 1, "one attempt at a time"
        if job.direction != "none":
            assert job.slot and job.part.length <= job.slot.size
            if job.attempt == 1 and (job.direction == "receive" or (self.passes and not job.part.length)):
                self._own(job.slot, job.direction)
            use = "send" if job.direction == "digest" else job.direction
            assert use in self.uses[job.slot], "its bytes are there"
        onward = job.direction == "send" and (self.passes or job.part.number in self._looked)
        if job.direction == "digest":
            self._looked.add(job.part.number)
        if job.attempt == 1 and job.slot and job.request.operation != "put_object" and not onward:
            assert job.part.number == self.next_first, "the first attempts go out in part order"
            self.next_first += 1

    def _hush(self) -> None:
        for number in list(self.wire):
            on_its_way = number in self.wire and number not in self._hung
            script = self.late(self.wire[number][1]) if on_its_way else None
            if script is not None:
                self.serve(number, script)
        self.told_lost.update(range(1, self._workers + SPARES + 1))
        self.wire.clear()
        self._due.clear()
        self._hung.clear()
        self.control.clear()
        self.dead.discard(CONTROL)
        self.fill = None
        self._hushing = True
        self.log.append("hush")

    def _maybe_late(self, job: Job) -> Script | None:
        return self._script(job) if self.shuffled and self.random.random() < 0.5 else None

    def _own(self, slot: Slot, use: str) -> None:
        """``slot`` gets a new owner: nobody may have any of its bytes."""
        self.uses = {s: uses for s, uses in self.uses.items() if uses}
        assert slot.offset + slot.size <= self.capacity, "memory is bounded"
        for other, uses in self.uses.items():
            apart = other.offset + other.size <= slot.offset or slot.offset + slot.size <= other.offset
            assert apart, f"{slot} is given for {use} while {other} is used for {uses}"
        self.uses[slot] = {use}
        self.most_slots = max(self.most_slots, len(self.uses))
