"""Loads: what is made to be read has the pattern's bytes, and what is measured is what passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import TransferError
from gof3r.engine.flow import load, pattern
from gof3r.engine.flow.dispatch import Dispatch
from gof3r.engine.flow.events import Action, Beat, Event, Finish, Hush, Note, Send, Silent
from gof3r.engine.flow.load import Furnish, Load, Measured, measured
from gof3r.engine.flow.repeating import Mark, Repeating
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.flow.transfer import Transfer
from gof3r.engine.flow.verify import judge
from gof3r.engine.orders import Mode
from gof3r.engine.s3 import checksums, operations
from gof3r.engine.values import Job, Outcome, Response, Slot, Timing, Verdict
from tests.flow.store import TARGET, Store
from tests.flow.stream import Memory
from tests.flow.world import Told

BLOCK = 64
CRC = ("crc64nvme",)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block as small as the parts of these tests."""
    data = memoryview(bytes(range(BLOCK)))
    monkeypatch.setattr(pattern, "BLOCK", BLOCK)
    monkeypatch.setattr(pattern, "block", lambda: data)
    pattern.digests.cache_clear()


class Field:
    """Where a load is played: requests are answered one by one, each in a tenth of a second, whatever flies;
    a beat comes each second."""

    def __init__(self, tell: Callable[[Repeating], Told], part_size: int, slots: int = 3) -> None:
        ledger = Ledger(slots * stride(part_size), part_size)
        self.memory = Memory(ledger.memory)
        self.prepared: list[Slot] = []
        self.parts = Repeating(ledger, slots, self._prepare)
        self.store = Store()
        self.now = 100.0
        self.moved = 0
        self.flying: deque[tuple[int, Job, float]] = deque()
        """Of each when it began."""
        self.most = 0
        self.log: list[str] = []
        self.notes: list[str] = []
        self.finish: Finish | None = None
        self.spoil: Callable[[Job, bytes], bytes] = lambda job, data: data
        self._soon: deque[Event] = deque()
        story = tell(self.parts)
        signers = Signers({"main": Signer(None)})
        dispatch = Dispatch(
            name=story.name,
            signers=signers,
            workers=2,
            concurrency=slots,
            attempts=2,
            random=lambda: 0.5,
        )
        self.transfer = Transfer(story.name, story.story(), self.parts, dispatch, signers)

    def run(self) -> Field:
        self._do(self.transfer.start(self.now))
        beat = self.now
        for _ in range(10_000):
            if self.finish is not None:
                return self
            if self._soon:
                self._do(self.transfer.handle(self._soon.popleft(), self.now))
                continue
            self.now += 0.1
            if self.now >= beat:
                beat += 1.0
                cpu = {"parent": self.now - 100, "worker 1": 2 * (self.now - 100)}
                self._soon.append(Beat(self.moved, cpu, 2, self.now))
            if self.flying:
                self._answer(*self.flying.popleft())
            else:
                self._do(self.transfer.handle(None, self.now))
        raise AssertionError("the load does not come to an end")

    @property
    def result(self) -> object:
        assert self.finish is not None
        if self.finish.error:
            raise self.finish.error
        return self.finish.result

    def _prepare(self, slot: Slot) -> None:
        self.prepared.append(slot)
        data = bytearray(slot.size)
        pattern.fill(memoryview(data))
        self.memory.write(slot, bytes(data))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(worker, job):
                    self.flying.append((worker, job, self.now))
                    self.most = max(self.most, sum(job.slot is not None for _, job, _ in self.flying))
                case Hush():
                    self.flying.clear()
                    self._soon.append(Silent())
                case Note(text):
                    self.notes.append(text)
                case Finish():
                    self.finish = action

    def _answer(self, worker: int, job: Job, began: float) -> None:
        request, digests, received = job.request, {}, 0
        body = request.body
        if job.direction == "send":
            assert job.slot and job.part
            body = self.memory.read(job.slot, job.part.length)
            digests = checksums.compute(job.digests, memoryview(body))
        headers = {name.lower(): value for name, value in request.headers}
        headers |= {n.lower(): v for n, v in checksums.digest_headers(digests)}
        answer = self.store.answer(request, headers, body, len(body))
        if job.direction == "receive" and answer.status == 206:
            assert job.slot and job.part
            data = self.spoil(job, answer.body)
            self.memory.write(job.slot, data)
            received = len(data)
            digests = checksums.compute(job.digests, memoryview(data))
            answer = Response(answer.status, answer.headers)
        if job.slot and job.part:
            self.moved += job.part.length
        self.log.append(request.operation)
        timing = Timing(began, began, began, began, self.now, self.now, self.now)
        outcome = Outcome(job, worker, answer, digests=digests, received=received, timing=timing)
        self._soon.append(judge(outcome))


def furnished(size: int, count: int, part_size: int = BLOCK) -> Field:
    return Field(
        lambda parts: Furnish(TARGET, parts, size=size, count=count, part_size=part_size, digests=CRC),
        min(size, part_size),
    ).run()


def loading(
    mode: Mode, size: int, part_size: int, objects: int = 2, seconds: float = 3, foreign: bool = False
) -> Field:
    """A load of objects that have been made."""
    made = furnished(size, objects)
    found = made.result
    assert isinstance(found, tuple)
    field = Field(
        lambda parts: Load(
            TARGET,
            parts,
            mode=mode,
            size=size,
            part_size=part_size,
            objects=found,
            foreign=foreign,
            seconds=seconds,
            warmup=1,
            digests=CRC,
        ),
        min(size, part_size),
    )
    field.store = made.store
    return field


def content(size: int) -> bytes:
    return (bytes(range(BLOCK)) * (size // BLOCK + 1))[:size]


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_what_is_made_to_be_read_has_the_patterns_bytes(size: int) -> None:
    field = furnished(size, 3)
    assert isinstance(field.result, tuple)
    for made in field.result:
        stored = field.store.objects[f"/bucket/{made.key}"]
        assert (stored.data, stored.etag) == (content(size), made.etag)
    assert [made.key for made in field.result] == [f"keyobject-000{n}" for n in range(3)]


def test_parts_of_what_is_made_are_the_patterns_however_large_it_is() -> None:
    assert load.furnishing(1) == load.furnishing(10_000 * BLOCK) == BLOCK
    assert load.furnishing(10_000 * BLOCK + 1) == 2 * BLOCK


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_digests_of_any_range_are_known(offset: int, length: int) -> None:
    found = pattern.digests(("md5", "crc64nvme"), offset % BLOCK, length)
    data = content(offset + length)[offset:]
    assert found == checksums.compute(("md5", "crc64nvme"), memoryview(data))


@pytest.mark.parametrize("size", [0, 1, BLOCK, 2 * BLOCK + 3])
def test_a_slot_begins_as_an_object_does(size: int) -> None:
    data = bytearray(size)
    pattern.fill(memoryview(data))
    assert data == content(size)


@pytest.mark.parametrize(
    ("mode", "size", "operations"),
    [
        ("get", 4 * BLOCK, {"get_object"}),
        ("get", 16, {"get_object"}),
        ("put", 16, {"put_object"}),
        ("put", 4 * BLOCK, {"create_multipart_upload", "upload_part"}),
        ("mixed", 16, {"put_object", "get_object"}),
        ("mixed", 4 * BLOCK, {"create_multipart_upload", "upload_part", "get_object"}),
    ],
)
def test_a_load_makes_requests_for_as_long_as_it_is_told(mode: Mode, size: int, operations: set[str]) -> None:
    field = loading(mode, size, 32).run()
    seen = field.result
    assert isinstance(seen, Measured)
    assert set(field.log) - {"abort_multipart_upload", "list_parts"} == operations
    assert field.most == 3, "as many at a time as it may"
    assert 3.0 <= seen.seconds < 4.1 and len(seen.series) == round(seen.seconds)
    length = min(size, 32)
    assert seen.sent + seen.received == pytest.approx((seen.last - seen.first) * length)
    assert all(rate == pytest.approx(10 * length, rel=0.11) for rate in seen.series), "ten requests a second"
    assert seen.cpu == pytest.approx({"parent": seen.seconds, "worker 1": 2 * seen.seconds})
    assert (seen.sent == 0) == (mode == "get") and (seen.received == 0) == (mode == "put")
    assert not field.store.uploads, "the upload is gone"
    assert field.transfer.books.wire > 0.9, "a request that has just been sent counts as one on the wire"


def test_half_of_a_mixed_load_is_read() -> None:
    seen = loading("mixed", 16, 32).run().result
    assert isinstance(seen, Measured)
    assert seen.sent == pytest.approx(seen.received, rel=0.2)


def test_every_object_and_every_range_has_its_turn() -> None:
    field = loading("get", 3 * BLOCK, 40, objects=3, seconds=6)
    asked = []
    field.spoil = lambda job, data: asked.append((job.request.path, job.part)) or data  # type: ignore[func-returns-value]
    field.run()
    first = [(path, part.offset, part.length) for path, part in asked[:15] if part]
    assert {path for path, _, _ in first[:3]} == {f"/bucket/keyobject-000{n}" for n in range(3)}
    assert {(offset, length) for _, offset, length in first} == {
        (0, 40), (40, 40), (80, 40), (120, 40), (160, 32)
    }  # fmt: skip


def test_slots_are_filled_once_and_none_for_what_is_only_read() -> None:
    field = loading("put", 16, 32).run()
    assert len(field.prepared) == len(set(field.prepared)) == 3


def test_bytes_that_are_not_those_that_were_put_end_it() -> None:
    field = loading("get", 4 * BLOCK, 32)
    field.spoil = lambda job, data: bytes(len(data)) if job.part and job.part.offset == 64 else data
    field.run()
    with pytest.raises(
        TransferError, match="bytes 64-95 of /bucket/keyobject-0000 are not those that were put"
    ):
        assert field.result


def test_bytes_of_a_foreign_object_must_be_those_that_were_read_before() -> None:
    steady = loading("get", 4 * BLOCK, 32, objects=1, foreign=True)
    steady.spoil = lambda job, data: bytes(len(data))
    assert isinstance(steady.run().result, Measured)
    field = loading("get", 4 * BLOCK, 32, objects=1, foreign=True)
    field.spoil = lambda job, data: data if job.id < 12 else bytes(len(data))
    field.run()
    with pytest.raises(TransferError, match="not those that were read before: another crc64nvme"):
        assert field.result


def test_a_request_that_fails_for_good_ends_it_and_leaves_no_upload() -> None:
    field = loading("mixed", 4 * BLOCK, 32)
    del field.store.objects["/bucket/keyobject-0001"]
    field.run()
    with pytest.raises(TransferError, match="bytes 0-31 of keyobject-0001: .* 404"):
        assert field.result
    assert not field.store.uploads


def test_what_is_measured_lies_between_two_marks() -> None:
    marks = [
        Mark(10.0, 1000, 100, 300, 4, {"parent": 1.0}),
        Mark(11.0, 2000, 200, 600, 8, {"parent": 1.5}),
        Mark(12.5, 5000, 400, 1200, 16, {"parent": 2.0, "worker 2": 0.5}),
    ]
    assert measured(marks) == Measured(
        2.5, 1000, 3000, (1000.0, 2000.0), 4, 16, {"parent": 1.0, "worker 2": 0.5}
    )


def test_where_no_request_has_ended_all_bytes_count_as_received() -> None:
    marks = [Mark(0.0, 0, 0, 0, 0, {}), Mark(1.0, 77, 0, 0, 0, {})]
    assert measured(marks).received == 77


def test_repeating_gives_each_slot_a_request_and_no_more() -> None:
    parts = Repeating(Ledger(8 * stride(10), 10), 2, lambda slot: None)
    assert parts.grant() == ([], [])
    parts.begin(lambda number: load.sent(REQUEST, number, 10, CRC), lambda part, verdict: None, count=3)
    works = parts.grant()[1]
    assert [work.part.number for work in works if work.part] == [1, 2]
    for work in works:
        assert work.part
        job = Job(1, 1, REQUEST, None, part=work.part, slot=work.slot, direction="send")
        parts.accepted(work.part, Verdict(job, 1, Response(200, {}), None))
    assert (len(parts.grant()[1]), parts.done, parts.requests) == (1, 20, 2)
    parts.allow(8)
    assert len(parts.grant()[1]) == 0, "there have been enough"


REQUEST = operations.put_object(TARGET)
