"""A copy that several machines share, gone on with after whoever ordered it was killed."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gof3r.engine.errors import Gof3rError, Interrupted
from gof3r.engine.flow import plan
from gof3r.engine.flow.events import Signalled
from gof3r.engine.flow.original import Original
from gof3r.engine.s3 import checksums
from gof3r.engine.spans import Split, StoredPart, Unsplit
from gof3r.engine.values import Begun, Header, Response
from tests.flow.desk import Desk
from tests.flow.scripts import instead
from tests.flow.store import FROM, OBJECT, Store, error
from tests.flow.test_span import (
    ABORT,
    CRC,
    CREATE,
    CUTS,
    DATA,
    DENIED,
    EQUAL,
    MD5,
    begin,
    finish,
    made,
    original,
    pieces,
    receipt,
    sent,
    source,
    span,
    split,
)
from tests.flow.transfers import BOTH, copy

LIST_PARTS = "list_parts key"
PIECES = pieces(EQUAL)
REJECTED = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which S3 takes parts of 8 bytes."""
    monkeypatch.setattr(plan, "MIN_PART", 8)


def left(
    parts: dict[int, bytes], store: Store | None = None, what: Original | None = None
) -> tuple[Store, Split]:
    """A store with the upload of a run that was killed when it had ``parts``."""
    store = store or source(digests=CRC)
    of = split(store, what)
    assert not of.resumed
    store.uploads[of.upload_id].parts = {number: (body, len(body)) for number, body in parts.items()}
    return store, of


def there(*numbers: int) -> dict[int, bytes]:
    return {number: PIECES[number - 1] for number in numbers}


def again(store: Store, one: Begun, what: Original | None = None) -> Split:
    """Begun once more by a later run, as its machines get it."""
    result = pickle.loads(pickle.dumps(begin(store, what, left=one).run().result))
    assert isinstance(result, Split)
    return result


def carried(
    store: Store, of: Split, *spans: tuple[int, int], seed: int | None = None
) -> tuple[list[StoredPart], list[int]]:
    """What the server has of ``spans``, all by default, and which numbers were sent."""
    stored: list[StoredPart] = []
    numbers: list[int] = []
    for first, last in spans or ((1, len(of.parts)),):
        world = span(store, of, first, last, seed=seed).run()
        assert world.finish is not None and isinstance(world.finish.result, tuple), world.finish
        stored += world.finish.result
        numbers += [int(what.split()[1]) for what in world.log if what.startswith("part ")]
        received = [int(what.split()[1]) for what in world.log if what.startswith("range ")]
        assert sorted(received) == list(range(first, last + 1))
    return stored, sorted(numbers)


# --- what fits is gone on with ------------------------------------------------------------------


@pytest.mark.parametrize("spans", [((1, 8),), ((5, 8), (1, 4)), ((3, 3), (1, 2), (4, 8))])
@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 5), (8,), tuple(range(1, 9))])
def test_parts_that_are_there_are_received_and_not_sent(
    numbers: tuple[int, ...], spans: Sequence[tuple[int, int]]
) -> None:
    store, of = left(there(*numbers))
    desk = begin(store, left=of.begun).run()
    assert desk.result == replace(of, resumed=True) and CREATE not in desk.log and ABORT not in desk.log
    resumed = again(store, of.begun)
    stored, went = carried(store, resumed, *spans)
    assert went == [number for number in range(1, 9) if number not in numbers]
    assert sorted(each.part.number for each in stored if each.listed) == list(numbers)
    got = receipt(finish(store, resumed, stored))
    assert (got.there, got.proofs) == (sum(EQUAL[number - 1] for number in numbers), CRC)
    assert made(store).data == DATA and store.uploads == {}


def test_what_is_told_of_a_part_that_was_there_is_what_was_told_when_it_was_sent() -> None:
    store, of = left({})
    before = sent(store, of, (1, 4))
    stored, went = carried(store, again(store, of.begun))
    assert went == [5, 6, 7, 8]
    assert [replace(each, listed=False) for each in stored[:4]] == list(before)
    assert receipt(finish(store, of, stored)).there is None, "as the first run's Finish tells it"


@pytest.mark.parametrize("lists_crc", [True, False])
@pytest.mark.parametrize("digests", [BOTH, MD5, CRC])
def test_parts_are_compared_by_whatever_both_sides_know(digests: tuple[str, ...], lists_crc: bool) -> None:
    store = Store(lists_crc=lists_crc)
    store.keep(DATA, path=FROM, cuts=EQUAL, digests=CRC)
    what = original(digests=digests)
    store, of = left(there(1, 2, 5), store, what)
    of = again(store, of.begun, what)
    stored, went = carried(store, of, (1, 3), (4, 8))
    assert went == [3, 4, 6, 7, 8]
    md5s = [each.part.number for each in stored if "md5" in each.digests]
    assert md5s == (list(range(1, 9)) if "md5" in of.digests else [] if lists_crc else [1, 2, 5])
    got = receipt(finish(store, of, stored, what))
    assert set(got.proofs) <= set(digests) and made(store).data == DATA


@pytest.mark.parametrize(("lists_crc", "numbers"), [(True, [3, 4, 5, 6, 7, 8]), (False, list(range(1, 9)))])
def test_opaque_etags_are_compared_by_crc_alone_and_no_md5_is_claimed(
    lists_crc: bool, numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(encryption="aws:kms", lists_crc=lists_crc)
    store.keep(DATA, path=FROM, digests=CRC)
    store, of = left(there(1, 2), store)
    of = again(store, of.begun)
    stored, went = carried(store, of)
    assert went == numbers and all(each.opaque for each in stored)
    claimed: list[tuple[str, ...]] = []

    def spied(*_: object, digests: tuple[str, ...], **__: object) -> Sequence[object]:
        claimed.append(digests)
        return ()

    monkeypatch.setattr("gof3r.engine.flow.span.stored_proofs", spied)
    receipt(finish(store, of, stored))
    assert claimed == [CRC if lists_crc else BOTH]
    assert made(store).data == DATA


def test_each_span_asks_for_its_own_parts() -> None:
    store, of = left(there(1, 2, 5, 6, 7), source(digests=CRC))
    store.page = 2
    world = span(store, again(store, of.begun), 4, 6).run()
    lists = [job.request.query for job in world.jobs if job.request.operation == "list_parts"]
    assert len(lists) == 1 and "part-number-marker=3" in lists[0]
    assert sorted(what for what in world.log if what.startswith("part ")) == ["part 4"]


def test_nobody_lists_the_parts_of_an_upload_that_was_just_begun() -> None:
    store = source(digests=CRC)
    assert "list_parts" not in span(store, split(store), 1, 2).run().log


@pytest.mark.parametrize("wrong", [b"\0" * 8, PIECES[0]])
def test_a_part_with_other_bytes_is_sent_again(wrong: bytes) -> None:
    store, of = left({**there(1, 2), 3: wrong})
    of = again(store, of.begun)
    stored, went = carried(store, of)
    assert went == [3, 4, 5, 6, 7, 8]
    assert receipt(finish(store, of, stored)).size == 60 and made(store).data == DATA


def test_a_part_that_could_not_be_completed_is_sent_again() -> None:
    store, of = left({})
    stored = sent(store, of)
    store.uploads[of.upload_id].parts[3] = bytes(8), 8
    assert "InvalidPart" in finish(store, of, stored).run().error
    of = again(store, of.begun)
    once_more, went = carried(store, of, (1, 4), (5, 8))
    assert went == [3]
    receipt(finish(store, of, once_more))
    assert made(store).data == DATA


def test_an_upload_whose_store_has_rejected_checksums_is_gone_on_with_without() -> None:
    store = source(digests=CRC)
    of = begin(store).on(CREATE, instead(REJECTED)).run().result
    assert isinstance(of, Split) and of.sent == MD5
    sent(store, of, (1, 3))
    resumed = again(store, of.begun)
    assert resumed == replace(of, resumed=True)
    stored, went = carried(store, resumed)
    assert went == [4, 5, 6, 7, 8] and {each.crc64nvme for each in stored} == {""}
    assert receipt(finish(store, resumed, stored)).proofs == CRC


# --- one machine, and many ------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(), CUTS])
def test_what_many_have_begun_one_goes_on_with(cuts: tuple[int, ...]) -> None:
    store = source(cuts=cuts, digests=CRC)
    store.objects[FROM].headers |= {"content-type": "text/x-test", "x-amz-meta-colour": "blue"}
    of = split(store)
    sent(store, of, (2, 3))
    world = copy(store, server_side=False, resume=True, sidecar=False, begun=of.begun).run()
    assert CREATE.split()[0] not in world.log and made(store).data == DATA
    assert not {"part 2", "part 3"} & set(world.log) and store.uploads == {}


@pytest.mark.parametrize("cuts", [(), CUTS])
def test_what_one_has_begun_many_go_on_with(cuts: tuple[int, ...]) -> None:
    store = source(cuts=cuts, digests=CRC)
    world = copy(store, server_side=False, resume=True, sidecar=False).on("part 4", instead(DENIED)).run()
    (one,) = world.shown
    assert isinstance(one, Begun) and world.error.kept == one.upload_id
    numbers = sorted(store.uploads[one.upload_id].parts)
    of = again(store, one)
    assert of.resumed and of.begun == one
    stored, went = carried(store, of, (2, len(of.parts)), (1, 1))
    assert went == [number for number in range(1, len(of.parts) + 1) if number not in numbers]
    receipt(finish(store, of, stored))
    assert made(store).data == DATA and store.uploads == {}


@pytest.mark.parametrize("server_side", [True, False])
def test_what_one_machine_has_to_copy_is_left_for_it(server_side: bool) -> None:
    store, of = left(there(1, 2, 5))
    what = original(serial=True)
    store.objects[FROM] = replace(store.objects[FROM], headers={})
    desk = begin(store, what, server_side=server_side, left=of.begun).run()
    assert isinstance(desk.result, Unsplit) and list(store.uploads) == [of.upload_id]


# --- what does not fit is begun anew ------------------------------------------------------------------


def anew(desk: Desk, one: Begun) -> bool:
    """Another upload is begun, and the old one is gone."""
    of = desk.run().result
    assert isinstance(of, Split) and not of.resumed and of.upload_id != one.upload_id
    assert list(desk.store.uploads) == [of.upload_id]
    return True


def test_a_source_that_has_changed_is_begun_anew() -> None:
    store, of = left(there(1, 2, 3))
    store.keep(DATA[::-1], path=FROM, digests=CRC)
    desk = begin(store, left=of.begun)
    assert anew(desk, of.begun) and desk.log.index(ABORT) < desk.log.index(CREATE)


@pytest.mark.parametrize("headers", [(("x-amz-acl", "private"),), (("x-amz-meta-colour", "blue"),)])
def test_other_headers_are_begun_anew(headers: tuple[Header, ...]) -> None:
    store, of = left(there(1, 2, 3))
    assert anew(begin(store, original(headers=headers), left=of.begun), of.begun)


@pytest.mark.parametrize(
    "parts", [{1: DATA[:16]}, {1: DATA[:4], 2: PIECES[1]}, {9: b"beyond"}, {8: DATA[56:] + b"more"}]
)
def test_parts_of_other_lengths_are_begun_anew(parts: dict[int, bytes]) -> None:
    store, of = left(parts)
    assert anew(begin(store, left=of.begun), of.begun)


def test_an_upload_that_is_gone_is_begun_anew_without_a_word() -> None:
    store, of = left(there(1, 2, 3))
    store.uploads.clear()
    desk = begin(store, left=of.begun)
    assert anew(desk, of.begun) and desk.warnings == []


@pytest.mark.parametrize(
    "listed",
    [
        DENIED,
        Response(
            200,
            {},
            b"<ListPartsResult><IsTruncated>false</IsTruncated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
            b"<ChecksumType>COMPOSITE</ChecksumType></ListPartsResult>",
        ),
    ],
)
def test_parts_that_nobody_can_compare_are_begun_anew(listed: Response) -> None:
    store, of = left(there(1, 2, 3))
    assert anew(begin(store, left=of.begun).on(LIST_PARTS, instead(listed)), of.begun)


# --- what fails is kept ------------------------------------------------------------------


@pytest.mark.parametrize("what", ["head_object /source/its%20key", LIST_PARTS])
def test_what_may_be_got_over_keeps_the_upload(what: str) -> None:
    store, of = left(there(1, 2, 3))
    busy = [instead(error(503, "SlowDown"))] * 3
    desk = begin(store, left=of.begun).on(what, *busy).on("get_object /source/its%20key", *busy).run()
    assert desk.finish is not None and isinstance(desk.finish.error, Gof3rError)
    assert desk.finish.error.kept == of.upload_id and list(store.uploads) == [of.upload_id]
    assert again(store, of.begun).resumed


def test_what_no_later_run_can_go_on_with_is_ended() -> None:
    store, of = left(there(1, 2, 3))
    del store.objects[FROM]
    desk = begin(store, left=of.begun).run()
    assert desk.finish is not None and isinstance(desk.finish.error, Gof3rError)
    assert desk.finish.error.kept == "" and store.uploads == {}


def test_an_object_in_the_way_ends_it() -> None:
    store, of = left(there(1, 2, 3))
    store.keep(b"another's")
    desk = begin(store, original(if_none_match=True), left=of.begun).run()
    assert "there is an object already" in desk.error and store.uploads == {}


@pytest.mark.parametrize("changed", [False, True])
def test_stopped_at_any_request_of_begin_there_is_one_upload_at_most(changed: bool) -> None:
    step = 0
    while True:
        store, of = left(there(1, 2, 3))
        if changed:
            store.keep(DATA[::-1], path=FROM, digests=CRC)
        desk = begin(store, left=of.begun)
        _stop_at(desk, step)
        desk.run()
        assert desk.finish is not None
        if desk.finish.error is None:
            break
        assert isinstance(desk.finish.error, Interrupted)
        assert list(store.uploads) in ([], [of.upload_id])
        assert bool(desk.finish.error.kept) >= bool(store.uploads)
        step += 1
    assert step >= 2


def _stop_at(desk: Desk, step: int) -> None:
    """Stopped while the answer to this request, counted from 0, is on its way."""
    serve = desk._serve

    def served(job: object) -> None:
        serve(job)  # type: ignore[arg-type]
        if len(desk.log) == step + 1:
            desk.happens(Signalled(signal.SIGTERM))

    desk._serve = served  # type: ignore[method-assign]


# --- any history ------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    random=st.randoms(use_true_random=False),
    parts=st.dictionaries(
        st.integers(1, 8), st.sampled_from(["right", "wrong", "short", "twin"]), max_size=8
    ),
    digests=st.sampled_from([BOTH, MD5, CRC]),
    lists_crc=st.booleans(),
    encryption=st.sampled_from(["", "aws:kms"]),
    changed=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_whatever_is_there_and_whoever_goes_on_the_object_is_the_source(
    random: Random,
    parts: dict[int, str],
    digests: tuple[str, ...],
    lists_crc: bool,
    encryption: str,
    changed: bool,
    seed: int,
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "MIN_PART", 8)
        store = Store(encryption=encryption, lists_crc=lists_crc, page=3)
        store.keep(DATA, path=FROM, digests=CRC)
        what = original(digests=digests, unproven=True)
        store, of = left({}, store, what)
        for number, kind in parts.items():
            whole = PIECES[number - 1]
            body = {"short": whole[:3], "wrong": bytes(8)}.get(kind, whole)
            store.uploads[of.upload_id].parts[number] = body, len(body)
            if kind == "twin":
                store.uploads[of.upload_id].twins[number] = [bytes(8), whole[:3]]
        data, one = DATA, of.begun
        if changed:  # but not its ETag: what is there is not believed
            data = DATA[::-1]
            store.keep(data, path=FROM, digests=CRC)
            one = replace(one, etag=store.objects[FROM].etag)
        of = again(store, one, what)
        ends = sorted(random.sample(range(1, 8), random.randint(0, 7))) + [8]
        spans = [(first + 1, last) for first, last in zip([0, *ends], ends, strict=False)]
        random.shuffle(spans)
        stored, went = carried(store, of, *spans, seed=seed)
        got = receipt(finish(store, of, stored, what))
        assert got.size == 60 and store.objects[OBJECT].data == data and not store.uploads
        assert len(went) == len([each for each in stored if not each.listed])
        crc = checksums.compute(CRC, memoryview(data))["crc64nvme"]
        assert got.digests.get("crc64nvme", crc) == crc
