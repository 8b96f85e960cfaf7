"""The story of reading: what is asked for comes, in the order in which it was asked for, of one object."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import TransferError
from gof3r.engine.flow.download import Download, range_work
from gof3r.engine.flow.events import Asked, Cancelled, Event
from gof3r.engine.flow.incoming import Incoming
from gof3r.engine.flow.reading import Opened, Reading
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.s3 import replies
from gof3r.engine.values import Part, Response, Slot
from tests.flow.collector import Collector
from tests.flow.scripts import RESET, instead
from tests.flow.store import OBJECT, TARGET, Store, error
from tests.flow.stream import Memory
from tests.flow.world import World

DATA = bytes(range(200))
PART = 8


class Spans(Collector):
    """A collector whose pieces follow each other by number, wherever they are from."""

    def write(self) -> Slot:
        part, slot = self._to_write[0]
        kept, self.delivered = self.delivered, bytearray(part.offset)
        super().write()
        self.delivered = kept + self.delivered[part.offset :]
        return slot


class Reader(World):
    """Asks for ``spans`` one by one, each when everything before it has come, or all of them at once; cancels
    in the end."""

    def __init__(
        self,
        spans: Sequence[tuple[int, int]],
        *,
        etag: str = "",
        at_once: bool = False,
        seed: int | None = None,
    ) -> None:
        store = Store()
        store.keep(DATA, last_modified="Mon, 06 May 2024 07:08:09 GMT", x_amz_version_id="v1")
        memory = Memory(3 * stride(PART))
        parts = Incoming(Ledger(3 * stride(PART), PART))
        digests = ("md5", "crc64nvme")
        download = Download(TARGET, parts, part_size=PART, digests=digests, sidecar=False, unproven=True)
        story = Reading(TARGET, etag, parts, part_size=PART, download=download)
        super().__init__(story, parts, store, memory, capacity=3 * stride(PART), seed=seed)
        self.collector = Spans(memory, writes=True)
        self._spans = list(spans)
        self._at_once = at_once
        self.expected = b""
        self.before = self._ask

    def _ask(self) -> Event | None:
        if not self.shown or not (self._at_once or self.delivered == self.expected):
            return None
        if self._spans:
            first, length = self._spans.pop(0)
            self.expected += DATA[first : first + length]
            return Asked(first, length)
        return Cancelled("the reader has closed it") if self.delivered == self.expected else None


def test_the_object_is_shown_first() -> None:
    reader = Reader([])
    reader.run()
    assert reader.shown == [Opened(200, reader.store.objects[OBJECT].etag, "v1", 1714979289.0)]
    assert reader.log == ["head_object"]
    assert str(reader.error) == "read s3://bucket/key: the reader has closed it"


@given(
    st.lists(st.tuples(st.integers(0, 210), st.integers(0, 100)), max_size=6),
    st.booleans(),
    st.none() | st.integers(0, 9),
)
def test_spans_come_as_they_were_asked_for_and_end_where_the_object_ends(
    spans: list[tuple[int, int]], at_once: bool, seed: int | None
) -> None:
    reader = Reader(spans, at_once=at_once, seed=seed).run()
    assert reader.delivered == b"".join(DATA[first : first + length] for first, length in spans)


def test_a_small_span_is_one_small_request_pinned_to_the_etag() -> None:
    reader = Reader([(100, 3)]).run()
    (job,) = [job for job in reader.jobs if job.part]
    etag = reader.store.objects[OBJECT].etag
    assert job.request.headers == (("Range", "bytes=100-102"), ("If-Match", f'"{etag}"'))
    assert (job.part.number if job.part else 0, job.etag, job.object_size) == (1, etag, 200)


def test_a_span_does_not_wait_for_the_one_before_it_to_be_written() -> None:
    reader = Reader([(0, 8), (100, 8)], at_once=True)
    reader.reader_slow = True
    reader.run(until=lambda: reader.log[-1:] == ["range 2"])
    assert reader.delivered == b""
    reader.reader_slow = False
    assert reader.run().delivered == DATA[:8] + DATA[100:108]


def test_free_slots_go_to_the_next_spans_at_once() -> None:
    parts = Incoming(Ledger(3 * stride(PART), PART))
    for spans in ([Part(1, 0, 8)], [], [Part(2, 100, 8)]):
        parts.extend(spans, len(spans))
    head = replies.object_head(Response(200, {"etag": '"e"', "content-length": "200"}))
    parts.begin(lambda part: range_work(TARGET, head, part))
    _, works = parts.grant()
    assert [work.part for work in works] == [Part(1, 0, 8), Part(2, 100, 8)]


def test_many_spans_are_as_good_as_few() -> None:
    spans = [(number % 200, 1) for number in range(3000)]
    assert Reader(spans, at_once=True).run().delivered == (DATA * 15)[:3000]


def test_a_reset_connection_costs_a_retry() -> None:
    reader = Reader([(0, 16)]).on("range 2", instead(RESET)).run()
    assert reader.delivered == DATA[:16]


def test_only_the_object_that_was_meant_is_opened() -> None:
    etag = Reader([]).store.objects[OBJECT].etag
    assert Reader([(0, 5)], etag=etag).run().delivered == DATA[:5]
    other = Reader([(0, 5)], etag="another")
    other.run()
    assert str(other.error) == f"read s3://bucket/key: the object has changed: ETag {etag}, not another"
    assert other.shown == []


def test_an_object_that_changes_while_it_is_read_fails_with_412() -> None:
    reader = Reader([(0, 8), (8, 8)])
    reader.run(until=lambda: reader.delivered == DATA[:8])
    reader.store.keep(bytes(200))
    reader.run()
    assert "412 PreconditionFailed" in str(reader.error)
    assert reader.delivered == DATA[:8]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchKey")])
def test_an_object_that_cannot_be_opened_says_why(status: int, code: str) -> None:
    reader = (
        Reader([]).on("head_object", instead(error(status))).on("get_object", instead(error(status, code)))
    )
    reader.run()
    assert isinstance(reader.error, TransferError)
    assert code in str(reader.error)


def test_everything_is_a_download_of_what_was_opened_and_proven() -> None:
    reader = Reader([])
    reader.store.keep(DATA, digests=("crc64nvme",))
    asks = iter([Asked(0, -1)])
    reader.before = lambda: next(asks, None) if reader.shown else None
    receipt = reader.run().receipt
    assert reader.delivered == DATA
    assert reader.log.count("head_object") == 1
    assert (receipt.size, receipt.proofs) == (len(DATA), ("crc64nvme",))
