"""Where lanes are played: many small objects, workers and a store, and a die that says what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from gof3r.engine.flow.copy import Copy
from gof3r.engine.flow.dispatch import Dispatch
from gof3r.engine.flow.download import Download
from gof3r.engine.flow.events import (
    Action,
    Beat,
    Drop,
    Event,
    Filled,
    Finish,
    Forget,
    Hush,
    Load,
    Lost,
    Renew,
    Save,
    Send,
    Show,
    SinkFailed,
    SourceFailed,
    Warn,
    Written,
)
from gof3r.engine.flow.feed import Feed
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.lane import Carried, Said, Teller
from gof3r.engine.flow.lanes import Lanes, Task
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.passing import Passing
from gof3r.engine.flow.plan import UploadPlan
from gof3r.engine.flow.retry import SLOW
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.flow.upload import Upload
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Begun, Failure, Job, Outcome, Response, Seen
from tests.flow.scripts import Die, Hang, Script, honest
from tests.flow.store import SOURCE, TARGET, Store
from tests.flow.stream import Memory

STARTED = 1000.0
BOTH = ("md5", "crc64nvme")


def target_path(number: int) -> str:
    return f"/bucket/{number}"


def source_path(number: int) -> str:
    return f"/source/{number}"


class Harbour:
    """``count`` objects of ``store``, which keeps them at ``source_path``, to ``target_path``. ``on`` scripts
    what comes of single requests, by operation and path."""

    def __init__(
        self,
        store: Store,
        count: int,
        *,
        size: int = 64,
        lanes: int = 3,
        sidecar: bool = False,
        server_side: bool = False,
        if_none_match: bool = False,
        attempts: int = 4,
        seed: int = 0,
        kind: str = "copy",
        listed: Mapping[int, Seen] | None = None,
        version_id: str = "",
        most: int = 0,
        left: Begun | None = None,
    ) -> None:
        listed = listed or {}

        self.store = store
        self.memory = Memory(lanes * stride(size))
        self.random = Random(seed)
        self.now = STARTED
        self.signers = Signers({"main": Signer(None)})
        self.dispatch = Dispatch(
            name="",
            signers=self.signers,
            workers=2,
            concurrency=lanes,
            attempts=attempts,
            random=self.random.random,
        )

        def put(number: int, ledger: Ledger) -> tuple[Teller, Feed]:
            target = replace(TARGET, key=str(number))
            parts = Outgoing(plan=UploadPlan(size, ledger.memory), ledger=ledger, announce=sidecar)
            upload = Upload(target, parts, headers=(), digests=BOTH, sidecar=sidecar, resume=bool(most))
            return upload, parts

        def get(number: int, ledger: Ledger) -> tuple[Teller, Feed]:
            source, parts = replace(SOURCE, key=str(number), version_id=version_id), Incoming(ledger)
            story = Download(
                source,
                parts,
                part_size=size,
                digests=BOTH,
                sidecar=sidecar,
                unproven=False,
                seen=listed.get(number),
                serial=bool(most),
            )
            return story, parts

        def copy(number: int, ledger: Ledger) -> tuple[Teller, Feed]:
            parts = Passing(ledger)
            story = Copy(
                replace(SOURCE, key=str(number), version_id=version_id),
                replace(TARGET, key=str(number)),
                parts,
                headers=(),
                digests=BOTH,
                sidecar=sidecar,
                unproven=False,
                if_none_match=if_none_match,
                server_side=server_side,
                part_size=size,
                seen=listed.get(number),
                resume=bool(most),
                serial=bool(most),
                begun=left,
            )
            return story, parts

        begin = {"put": put, "get": get, "copy": copy}[kind]
        tasks = [Task(partial(begin, number), kind == "get") for number in range(count)]
        self.lanes = Lanes(
            "", tasks, lanes=lanes, size=size, dispatch=self.dispatch, signers=self.signers, most=most
        )
        self.scripts: dict[str, list[Script]] = {}
        self.before: Callable[[], Event | None] = lambda: None
        self.carried: dict[int, Carried] = {}
        self.said: list[Said] = []
        self.warnings: list[str] = []
        self.finish: Finish | None = None
        self.files: dict[int, bytes] = {}
        """Of puts and gets, by the object's number."""
        self.disk: Callable[[Load | Save], str] = lambda action: ""
        """Why an action fails."""
        self._written: dict[int, bytes] = {}
        self._read: dict[int, int] = {}
        self.forgotten: list[int] = []
        self.log: list[str] = []
        self.most = 0
        """Objects under way at a time, by their parts."""
        self._wire: dict[int, tuple[int, Job]] = {}
        self._heard: list[Event] = []
        self._hung: set[int] = set()
        self._dead: set[int] = set()

    def on(self, what: str, *scripts: Script) -> Harbour:
        self.scripts.setdefault(what, []).extend(scripts)
        return self

    def run(self) -> Harbour:
        self._do(self.lanes.start(self.now))
        beat = self.now
        for _ in range(100_000):
            if self.finish is not None:
                assert not self.lanes.deadline() or not self._heard
                return self
            self.now += 0.001
            event = self.before()
            if event is None:
                event = self._next()
            if event is None and self.now >= beat:
                beat = self.now + 1
                event = Beat(len(self.log))
            if event is None:
                deadline = self.lanes.deadline()
                self.now = max(self.now, min(beat, deadline or beat))
            self._do(self.lanes.handle(event, self.now))
        raise AssertionError("it does not come to an end")

    def errors(self) -> dict[int, str]:
        return {number: str(one.error) for number, one in self.carried.items() if one.error is not None}

    def _next(self) -> Event | None:
        """What happens next: something heard, or a request on the wire answered; the die says which."""
        if self._heard:
            return self._heard.pop(0)
        ready = [job for job in self._wire if job not in self._hung]
        if not ready:
            return None
        seat, job = self._wire.pop(self.random.choice(ready))
        return self._serve(seat, job)

    def _serve(self, seat: int, job: Job) -> Event | None:
        request = job.request
        what = f"{request.operation} {request.path}"
        scripts = self.scripts.get(what)
        script = scripts.pop(0) if scripts else honest
        body = request.body
        if job.direction == "send":
            assert job.slot and job.part
            body = self.memory.read(job.slot, job.part.length)
        digests = checksums.compute(job.digests, memoryview(body)) if job.direction == "send" else {}
        if job.direction == "send":
            assert all(digests[name] == known for name, known in job.known.items()), "another object's bytes"
        headers = {name.lower(): value for name, value in request.headers}
        headers |= {n.lower(): v for n, v in checksums.digest_headers(digests)}
        result = script(lambda: self.store.answer(request, headers, body, len(body)))
        match result:
            case Hang():
                self._wire[job.id] = seat, job
                self._hung.add(job.id)
                return None
            case Die():
                self._dead.add(seat)
                self._wire = {id: each for id, each in self._wire.items() if each[0] != seat}
                return Lost(seat)
            case Failure():
                return judge(Outcome(job, seat, failure=result))
            case Response():
                return self._outcome(seat, job, result, digests)

    def _file(self, action: Load | Save) -> Event:
        slot = action.slot
        if why := self.disk(action):
            return SourceFailed(why, slot) if isinstance(action, Load) else SinkFailed(28, why, slot)
        if isinstance(action, Load):
            whole, begin = self.files[action.task], self._read.pop(action.task, 0)
            end = min(begin + action.length, len(whole))
            self.memory.write(slot, whole[begin:end])
            crc = checksums.compute(("crc64nvme",), memoryview(whole[:end]))["crc64nvme"]
            if end < len(whole):
                self._read[action.task] = end
            return Filled(slot, end - begin, end == len(whole), crc)
        data = self._written.pop(action.task, b"")
        assert len(data) == action.part.offset
        data += self.memory.read(slot, action.part.length)
        (self.files if action.last else self._written)[action.task] = data
        return Written(action.part, slot)

    def _outcome(self, seat: int, job: Job, answer: Response, digests: dict[str, bytes]) -> Event:
        received = 0
        if job.request.method == "HEAD":
            answer = Response(answer.status, answer.headers)
        if job.direction == "receive" and answer.status in (200, 206):
            assert job.slot and job.part
            self.memory.write(job.slot, answer.body)
            received = len(answer.body)
            digests = checksums.compute(job.digests, memoryview(answer.body))
            answer = Response(answer.status, answer.headers)
        return judge(Outcome(job, seat, answer, digests=digests, received=received))

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            assert self.finish is None, "nothing follows the end"
            match action:
                case Send(worker, job):
                    assert worker not in self._dead
                    self.log.append(f"{job.request.operation} {job.request.path}")
                    self._wire[job.id] = worker, job
                    parts = [each.slot for _, each in self._wire.values() if each.slot]
                    assert len(parts) == len(set(parts)), "a slot has one request at a time"
                    self.most = max(self.most, len(parts))
                case Load() | Save():
                    self._heard.append(self._file(action))
                case Forget(task):
                    self._written.pop(task, None)
                    self.forgotten.append(task)
                case Drop(_, job):
                    entry = self._wire.pop(job, None)
                    if entry is not None:
                        self._heard.append(
                            judge(Outcome(entry[1], entry[0], failure=Failure("transport", SLOW)))
                        )
                case Show(Said() as said):
                    self.said.append(said)
                case Show(value):
                    assert isinstance(value, Carried) and value.number not in self.carried
                    self.carried[value.number] = value
                case Warn(text):
                    self.warnings.append(text)
                case Hush() | Renew():
                    raise AssertionError("not a lane's to ask for")
                case Finish():
                    self.finish = action
