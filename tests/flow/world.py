"""A transfer's whole world, simulated: everything that the processes, the pipes and S3 do around a Transfer.

It plays a ``Transfer`` to its end without a process, a socket or a clock. What can happen next (the source
gives bytes, a request is answered, the collector hashes, writes or is heard) is a list; one of it is chosen,
the first or by a seeded die, so that one number is one history. Bytes are real and lie in real slots, so two
owners of one slot would show; besides, every action is held against the promises that must hold at any time:

- a slot has one owner, who may hand it on (a copy's part is received, then sent); a part's first attempts go
  out in part order; no more part requests than allowed;
- no worker is used after its loss has been told, nothing is sent between Hush and Silent;
- an upload that has got parts is aborted only after silence; nothing follows Finish.
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
from gof3r.engine.flow.dispatch import CONTROL, JOBS_A_WORKER, SPARES, Dispatch
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
    Receipt,
    Renew,
    Renewed,
    Send,
    Silent,
    Tell,
    Warn,
)
from gof3r.engine.flow.passing import Passing
from gof3r.engine.flow.retry import SLOW
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.flow.story import Story
from gof3r.engine.flow.transfer import Feed, Transfer
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Credentials, Failure, Job, Outcome, Response, Role, Slot
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


class World:
    """``on`` scripts what comes of single requests, ``default`` of all others; ``before`` runs before each
    step (None to go on, or an event that happens now). ``seed``: the die of this history; None for the order
    in which things are listed."""

    def __init__(
        self,
        story: Told,
        feed: Feed,
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
        )
        self.transfer = Transfer(story.name, story.story(), feed, self.dispatch, self.signers)
        self._capacity = capacity
        self._workers, self._concurrency = workers, concurrency
        # What a test may set.
        self.scripts: dict[str, list[Script]] = {}
        self.default: Callable[[Job], Script] = lambda job: honest
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
        self.notes: list[str] = []
        self.finish: Finish | None = None
        self.steps = 0
        self.moved = 0
        self.most_slots = 0
        # The shell's.
        self._fill: Fill | None = None
        self._wire: dict[int, tuple[int, Job]] = {}
        self._hung: set[int] = set()
        self._looks: deque[Role] = deque()
        self._hushing = False
        self._control: deque[Event] = deque()
        self._dead: set[int] = set()
        self._told_lost: set[int] = set()
        self._next_first = 1
        self._uses: dict[Slot, set[str]] = {}
        self._next_beat = STARTED
        self._passes = isinstance(feed, Passing)
        self._with_parts: set[str] = set()
        self.collector = Collector(memory, writes=source is None and not self._passes)

    def on(self, what: str, *scripts: Script) -> World:
        """The next requests named ``what`` (as in ``log``) go as ``scripts`` say, those after them well."""
        self.scripts.setdefault(what, []).extend(scripts)
        return self

    def run(self, until: Callable[[], bool] = lambda: False) -> World:
        """Play to the end, or until ``until`` holds."""
        if self.steps == 0:
            self._do(self.transfer.start(self.now))
        while self.finish is None and not until():
            self.steps += 1
            assert self.steps < 200_000, "the transfer does not come to an end"
            self._step()
        return self

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
        enabled = self._enabled()
        if enabled:
            self.now += 0.001
            (self.random.choice(enabled) if self.shuffled else enabled[0])()
        else:
            deadline = self.transfer.deadline(self.now) or inf
            idle = self._fill and self.source_idle
            slow = self.collector.can_write and self.reader_slow
            assert deadline < inf or self._hung or idle or slow, f"nothing can happen: {self.dispatch}"
            self.now = max(self.now, min(deadline, self._next_beat))
            self.handle(None)
        if self.now >= self._next_beat:
            self._next_beat = self.now + 1.0
            self.beat()

    def beat(self) -> None:
        self.handle(Beat(self.moved))

    def _enabled(self) -> list[Callable[[], None]]:
        enabled: list[Callable[[], None]] = []
        if self._control:
            enabled.append(lambda: self.handle(self._control.popleft()))
        if self.collector.messages:
            enabled.append(lambda: self.handle(self.collector.messages.popleft()))
        if self._looks:
            enabled.append(lambda: self.handle(self.look_up(self._looks.popleft())))
        if self._hushing:
            enabled.append(self._silent)
        if self.collector.orders:
            enabled.append(self.collector.obey)
        if self.collector.to_hash:
            enabled.append(self._hash)
        if self.collector.can_write and not self.reader_slow:
            enabled.append(self._write)
        if self._fill and not self.source_idle:
            enabled.append(self._read)
        enabled += [partial(self._serve, number) for number in self._wire if number not in self._hung]
        return enabled

    def handle(self, event: Event | None) -> None:
        if self.finish is not None:
            return
        if isinstance(event, Lost):
            if event.worker in self._told_lost:  # the shell ended it itself
                return
            if event.worker == CONTROL:
                self._dead.discard(CONTROL)  # the next job starts another
            else:
                self._told_lost.add(event.worker)
        self._do(self.transfer.handle(event, self.now))

    def _read(self) -> None:
        assert self._fill is not None and self.source is not None
        fill, self._fill = self._fill, None
        data, filled = self.source.fill(fill)
        self._uses[fill.slot].discard("fill")
        if filled.length or self._next_first == 1:
            self.memory.write(fill.slot, data)
            self._uses[fill.slot].add("send")
        self.handle(filled)

    def _serve(self, number: int) -> None:
        seat, job = self._wire.pop(number)
        script = self._script(job)
        body, length, digests = job.request.body, 0, {}
        if job.direction == "send":
            assert job.part and job.slot
            body, length = self.memory.read(job.slot, job.part.length), job.part.length
            digests = dict(job.known) or checksums.compute(job.digests, memoryview(body))
        said = job.request.headers + checksums.digest_headers(digests)
        headers = {name.lower(): value for name, value in said}
        result = script(lambda: self.store.answer(job.request, headers, body, length))
        if isinstance(result, Hang):
            self._wire[number] = seat, job
            self._hung.add(number)
        elif isinstance(result, Die):
            self.die(seat)
            self._wire.pop(number, None)
        elif isinstance(result, Failure):
            self._judge(seat, Outcome(job, seat, failure=result, digests=digests, at=self.wall))
        else:
            self._answered(seat, job, result, digests)

    @property
    def wall(self) -> float:
        """Epoch seconds on this machine's clock."""
        return EPOCH + self.now - STARTED

    def _script(self, job: Job) -> Script:
        operation = job.request.operation if job.part else ""
        scripts = self.scripts.get(self._named(job)) or self.scripts.get(operation)
        return scripts.pop(0) if scripts else self.default(job)

    def _answered(self, seat: int, job: Job, answer: Response, digests: dict[str, bytes]) -> None:
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
        self.moved += received or (job.part.length if job.part else 0)
        self._judge(
            seat, Outcome(job, seat, answer, digests=digests, received=received, at=self.wall, waited=1.0)
        )

    def die(self, seat: int) -> None:
        """The worker of ``seat`` ends, with everything that it had on the wire."""
        if seat in self._dead:
            return
        self._dead.add(seat)
        self._wire = {number: entry for number, entry in self._wire.items() if entry[0] != seat}
        (self.collector.messages if seat != CONTROL else self._control).append(Lost(seat))

    def _silent(self) -> None:
        self._hushing = False
        self.log.append("silent")
        self.handle(Silent())

    def _judge(self, seat: int, outcome: Outcome) -> None:
        if seat == CONTROL:
            self._control.append(judge(outcome))
            return
        while self.collector.orders:  # what was ordered before a job is heard before its outcome
            self.collector.obey()
        verdict = self.collector.judge(outcome)
        slot = verdict.job.slot
        if verdict.failure is not None or slot is None:
            return
        self._uses[slot].discard("send")
        if self._passes and verdict.job.direction == "receive":
            self._uses[slot].remove("receive")
            self._uses[slot] |= {"send", "hash"} if self.collector.hashes else {"send"}

    def _hash(self) -> None:
        slot = self.collector.hash()
        self._uses[slot].discard("hash")

    def _write(self) -> None:
        slot = self.collector.write()
        self._uses[slot].discard("receive")

    # --- actions, each held against the promises ------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.finish is None, f"{action} after the end"
            match action:
                case Fill(slot):
                    assert self._fill is None and "hush" not in self.log, "one part is read at a time"
                    self._fill = action
                    self._own(slot, "fill")
                case Send(seat, job):
                    self._send(seat, job)
                case Drop(seat, job_id):
                    self._drop(seat, job_id)
                case Tell(message):
                    self.collector.orders.append(message)
                    if isinstance(message, Announce):
                        self._uses[message.slot].add("hash")
                case Hush():
                    self._hush()
                case Warn(text):
                    self.warnings.append(text)
                case Note(text):
                    self.notes.append(text)
                case Renew(role):
                    assert role not in self._looks, "one look at a time"
                    self._looks.append(role)
                case Finish():
                    assert "internal error" not in str(action.error)
                    self.finish = action

    def _drop(self, seat: int, number: int) -> None:
        """A request whose answer has begun goes on."""
        if number in self._hung:
            self._hung.remove(number)
            _, job = self._wire.pop(number)
            self._judge(seat, Outcome(job, seat, failure=Failure("transport", SLOW), at=self.wall))

    def _named(self, job: Job) -> str:
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
        if seat not in self._dead:  # else it goes into a pipe that nobody reads
            self._wire[job.id] = seat, job
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
        assert 1 <= seat <= self._workers + SPARES and seat not in self._told_lost
        parts = [other for other, its in self._wire.values() if its.part]
        assert len(parts) <= self._concurrency and parts.count(seat) <= JOBS_A_WORKER
        assert [its.part for _, its in self._wire.values()].count(job.part) <= 1, "one attempt at a time"
        if job.direction != "none":
            assert job.slot and job.part.length <= job.slot.size
            if job.attempt == 1 and (job.direction == "receive" or (self._passes and not job.part.length)):
                self._own(job.slot, job.direction)
            assert job.direction in self._uses[job.slot], "its bytes are there"
        onward = self._passes and job.direction == "send"
        if job.attempt == 1 and job.slot and job.request.operation != "put_object" and not onward:
            assert job.part.number == self._next_first, "the first attempts go out in part order"
            self._next_first += 1

    def _hush(self) -> None:
        for number in list(self._wire):
            on_its_way = number in self._wire and number not in self._hung
            if on_its_way and self.shuffled and self.random.random() < 0.5:
                self._serve(number)  # its answer may still be in the collector's pipe
        self._told_lost.update(range(1, self._workers + SPARES + 1))
        self._wire.clear()
        self._control.clear()
        self._dead.discard(CONTROL)
        self._fill = None
        self._hushing = True
        self.log.append("hush")

    def _own(self, slot: Slot, use: str) -> None:
        """``slot`` gets a new owner: nobody may have any of its bytes."""
        self._uses = {s: uses for s, uses in self._uses.items() if uses}
        assert slot.offset + slot.size <= self._capacity, "memory is bounded"
        for other, uses in self._uses.items():
            apart = other.offset + other.size <= slot.offset or slot.offset + slot.size <= other.offset
            assert apart, f"{slot} is given for {use} while {other} is used for {uses}"
        self._uses[slot] = {use}
        self.most_slots = max(self.most_slots, len(self._uses))
