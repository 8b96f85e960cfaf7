"""The stories of one copy that several machines share, each played in a world of its own over one store."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import Gof3rError, Interrupted, TransferError, UsageError
from gof3r.engine.flow import plan
from gof3r.engine.flow.events import Receipt, Signalled
from gof3r.engine.flow.original import Original
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.flow.span import Begin, Finish, Span, SpanParts
from gof3r.engine.s3 import checksums
from gof3r.engine.spans import Split, StoredPart, Unsplit
from gof3r.engine.values import Begun, Header, Target
from tests.flow.desk import Desk
from tests.flow.scripts import RESET, Act, Die, Result, Script, after, instead
from tests.flow.store import FROM, FROM_SIDECAR, OBJECT, SOURCE, TARGET, Store, Stored, composite, error
from tests.flow.stream import Memory
from tests.flow.transfers import BOTH
from tests.flow.world import World

DATA = bytes(range(60))
EQUAL = (8,) * 7 + (4,)
"""Its parts, where nothing asks for others."""
CUTS = (16, 16, 16, 12)
MD5, CRC = ("md5",), ("crc64nvme",)
CREATE, COMPLETE, ABORT = (
    f"{what} key"
    for what in ("create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload")
)
SLOTS = 2
DENIED = error(403, "AccessDenied", "Access Denied")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which S3 takes parts of 8 bytes."""
    monkeypatch.setattr(plan, "MIN_PART", 8)


def source(data: bytes = DATA, *, cuts: tuple[int, ...] = (), digests: tuple[str, ...] = ()) -> Store:
    store = Store()
    store.keep(data, path=FROM, cuts=cuts, digests=digests)
    return store


def original(
    *,
    digests: tuple[str, ...] = BOTH,
    headers: tuple[Header, ...] = (),
    sidecar: bool = False,
    unproven: bool = False,
    serial: bool = False,
    if_none_match: bool = False,
    source: Target = SOURCE,
    target: Target = TARGET,
) -> Original:
    return Original(
        source,
        target,
        headers=headers,
        digests=digests,
        sidecar=sidecar,
        unproven=unproven,
        serial=serial,
        if_none_match=if_none_match,
        part_size=8,
        memory=SLOTS * stride(8),
    )


def begin(
    store: Store, what: Original | None = None, *, server_side: bool = False, left: Begun | None = None
) -> Desk:
    return Desk(Begin(what or original(), server_side=server_side, left=left), store)


def split(store: Store, what: Original | None = None) -> Split:
    """As another machine gets it."""
    result = pickle.loads(pickle.dumps(begin(store, what).run().result))
    assert isinstance(result, Split)
    return result


def span(
    store: Store,
    of: Split,
    first: int,
    last: int,
    *,
    seed: int | None = None,
    slots: int = SLOTS,
    attempts: int = 10,
) -> World:
    parts = SpanParts(Ledger(slots * stride(8), 8))
    story = Span(SOURCE, TARGET, of, first, last, parts)
    memory = parts.memory
    world = World(story, parts, store, Memory(memory), capacity=memory, seed=seed, attempts=attempts)
    world.next_first = first
    return world


def sent(store: Store, of: Split, *spans: tuple[int, int]) -> tuple[StoredPart, ...]:
    """What the server has of the parts of ``spans``, all by default."""
    stored: list[StoredPart] = []
    for first, last in spans or ((1, len(of.parts)),):
        finish = span(store, of, first, last).run().finish
        assert finish is not None and finish.error is None, finish
        stored += pickle.loads(pickle.dumps(finish.result))
    return tuple(stored)


def finish(store: Store, of: Split, stored: Sequence[StoredPart], what: Original | None = None) -> Desk:
    return Desk(Finish(what or original(), of, stored), store)


def receipt(desk: Desk) -> Receipt:
    assert isinstance(desk.run().result, Receipt)
    return desk.result  # type: ignore[return-value]


def made(store: Store) -> Stored:
    return store.objects[OBJECT]


def pieces(cuts: Sequence[int]) -> list[bytes]:
    starts = [sum(cuts[:number]) for number in range(len(cuts))]
    return [DATA[start : start + length] for start, length in zip(starts, cuts, strict=True)]


# --- together ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored_as", "cuts", "digests", "parts", "proofs"),
    [
        (CRC, (), BOTH, EQUAL, CRC),
        (CRC, (), CRC, EQUAL, CRC),
        (CRC, CUTS, BOTH, CUTS, CRC),
        (("crc32",), (), CRC, EQUAL, ("crc32",)),
        (("crc32c",), CUTS, BOTH, CUTS, ("crc32c",)),
        ((), CUTS, BOTH, CUTS, MD5),
        (CRC, CUTS, MD5, CUTS, MD5),
    ],
)
@pytest.mark.parametrize("spans", [((1, -1),), ((2, -1), (1, 1)), ((3, 3), (1, 2), (4, -1))])
def test_spans_make_the_object_that_one_copy_would_have_made(
    stored_as: tuple[str, ...],
    cuts: tuple[int, ...],
    digests: tuple[str, ...],
    parts: tuple[int, ...],
    proofs: tuple[str, ...],
    spans: tuple[tuple[int, int], ...],
) -> None:
    store = source(cuts=cuts, digests=stored_as)
    what = original(digests=digests)
    of = split(store, what)
    stored = sent(store, of, *((first, last if last > 0 else len(parts)) for first, last in spans))
    got = receipt(finish(store, of, stored, what))
    assert (made(store).data, made(store).cuts) == (DATA, parts)
    assert (got.size, got.etag, got.proofs) == (60, composite(pieces(parts)), proofs)
    assert got.source_etag == store.objects[FROM].etag
    computed = {*proofs, *digests} - {"md5"}
    assert got.digests == checksums.compute(tuple(computed), memoryview(DATA))
    assert store.uploads == {}


@given(st.randoms(use_true_random=False), st.integers(0, 1000))
def test_however_the_parts_are_shared_out_and_sent_the_object_is_the_source(
    random: Random, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "MIN_PART", 8)
        store = source(digests=CRC)
        of = split(store)
        ends = sorted(random.sample(range(1, 8), random.randint(0, 7))) + [8]
        spans = [(first + 1, last) for first, last in zip([0, *ends], ends, strict=False)]
        random.shuffle(spans)
        stored: list[StoredPart] = []
        for first, last in [*random.sample(spans, random.randint(0, len(spans))), *spans]:  # some twice
            world = span(store, of, first, last, seed=seed).run()
            assert world.finish is not None and isinstance(world.finish.result, tuple)
            kept = [part for part in stored if not first <= part.part.number <= last]
            stored = [*kept, *world.finish.result]
        assert receipt(finish(store, of, stored)).etag == composite(pieces(EQUAL))
        assert made(store).data == DATA
        assert store.uploads == {}


def test_metadata_and_tags_go_along_but_for_what_is_given() -> None:
    store = source(digests=CRC)
    store.objects[FROM].headers |= {"content-type": "text/x-test", "x-amz-meta-colour": "blue"}
    store.objects[FROM].tags = "a=b"
    what = original(headers=(("x-amz-meta-colour", "red"),))
    of = split(store, what)
    receipt(finish(store, of, sent(store, of), what))
    kept = {name: value for name, value in made(store).headers.items() if "checksum" not in name}
    assert kept == {"content-type": "text/x-test", "x-amz-meta-colour": "red"}
    assert made(store).tags == "a=b"


def test_a_source_that_nothing_proves_is_copied_only_when_that_is_accepted() -> None:
    store = source()
    store.objects[FROM].headers["x-amz-server-side-encryption"] = "aws:kms"
    assert "nothing that is stored with it" in begin(store).run().error
    assert store.uploads == {}
    what = original(unproven=True)
    of = split(store, what)
    assert receipt(finish(store, of, sent(store, of), what)).proofs == ()
    assert made(store).data == DATA


def test_a_store_that_rejects_checksum_headers_gets_the_parts_without_and_the_source_is_proven_by_them() -> (
    None
):
    store = source(digests=CRC)
    rejected = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")
    desk = begin(store).on(CREATE, instead(rejected)).run()
    of = desk.result
    assert isinstance(of, Split)
    assert (of.sent, of.digests) == (MD5, BOTH)
    stored = sent(store, of)
    assert {each.crc64nvme for each in stored} == {""}
    got = receipt(finish(store, of, stored))
    assert (got.proofs, got.etag) == (CRC, composite(pieces(EQUAL)))
    assert "x-amz-checksum-crc64nvme" not in made(store).headers


def test_opaque_etags_of_the_destination_are_not_held_against_md5s() -> None:
    store = Store(encryption="aws:kms")
    store.keep(DATA, path=FROM, digests=CRC)
    of = split(store)
    stored = sent(store, of)
    assert all(each.opaque for each in stored)
    assert receipt(finish(store, of, stored)).proofs == CRC
    assert made(store).data == DATA


def test_a_destination_that_keeps_no_crc_is_not_trusted_for_its_answer_alone() -> None:
    store = Store(crc=False)
    store.keep(DATA, path=FROM, digests=CRC)
    what = original(digests=CRC)
    of = split(store, what)
    assert (
        "the store keeps no CRC64NVME to prove it by" in finish(store, of, sent(store, of), what).run().error
    )


# --- begin ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "what", "why"),
    [
        (source(), original(serial=True), "the md5 of all its bytes"),
        (source(digests=("sha256",)), original(digests=CRC), "the sha256 of all its bytes"),
        (source(digests=CRC), original(sidecar=True), "the md5 of all its bytes"),
        (source(DATA[:8], digests=CRC), original(digests=CRC), "it has one part"),
        (source(b"", digests=CRC), original(), "it has one part"),
    ],
)
def test_what_cannot_be_split_is_said_to_be_so_and_nothing_is_begun(
    store: Store, what: Original, why: str
) -> None:
    desk = begin(store, what).run()
    assert isinstance(desk.result, Unsplit)
    assert why in desk.result.why
    assert CREATE not in desk.log


def test_a_sidecar_of_the_source_asks_for_the_md5_of_the_stream() -> None:
    store = source(digests=CRC)
    store.keep_sidecar(DATA, path=FROM_SIDECAR)
    assert isinstance(begin(store, original(sidecar=True)).run().result, Unsplit)


def test_what_the_server_copies_by_itself_is_not_even_looked_at() -> None:
    desk = begin(source(digests=CRC), server_side=True).run()
    assert isinstance(desk.result, Unsplit)
    assert desk.log == []


def test_an_object_is_not_split_onto_itself() -> None:
    desk = begin(Store(), original(source=TARGET)).run()
    assert "the source is the destination" in desk.error
    assert desk.log == []


def test_with_if_none_match_an_object_that_is_there_ends_it_before_anything_is_begun() -> None:
    store = source(digests=CRC)
    store.keep(b"another's")
    desk = begin(store, original(if_none_match=True)).run()
    assert "there is an object already" in desk.error
    assert desk.log == ["head_object key"]


def test_stopped_while_it_creates_it_leaves_no_upload() -> None:
    store = source(digests=CRC)
    desk = begin(store)

    def stopped(act: Act) -> Result:
        desk.happens(Signalled(signal.SIGTERM))
        return act()

    desk.on(CREATE, stopped).run()
    assert desk.finish is not None and isinstance(desk.finish.error, Interrupted)
    assert store.uploads == {}


# --- span ------------------------------------------------------------------


def failed(world: World) -> Gof3rError:
    assert world.run().finish is not None
    return world.error


@pytest.mark.parametrize("what", ["range 4", "part 3"])
def test_a_span_that_fails_leaves_the_upload_and_is_done_again(what: str) -> None:
    store = source(digests=CRC)
    of = split(store)
    first = sent(store, of, (1, 2))
    world = span(store, of, 3, 5).on(what, instead(DENIED))
    error = failed(world)
    assert "server answered 403 AccessDenied" in str(error) and error.kept == of.upload_id
    assert not {"abort_multipart_upload", "complete_multipart_upload"} & set(world.log)
    assert list(store.uploads) == [of.upload_id]
    receipt(finish(store, of, [*first, *sent(store, of, (3, 5), (6, 8))]))
    assert made(store).data == DATA


def test_a_signal_at_any_step_of_a_span_leaves_the_upload_and_what_it_has() -> None:
    store = source(digests=CRC)
    of = split(store)
    step = 1
    while True:
        world = span(store, of, 2, 5)
        world.before = lambda: Signalled(signal.SIGINT) if world.steps == step else None  # noqa: B023
        world.run()
        assert world.finish is not None
        assert list(store.uploads) == [of.upload_id]
        if world.finish.error is None:
            break
        assert isinstance(world.error, Interrupted) and world.error.kept == of.upload_id
        step += 1
    assert step > 8


def test_a_source_that_changes_meanwhile_fails_the_span() -> None:
    store = source(digests=CRC)
    of = split(store)
    first = sent(store, of, (1, 4))
    store.keep(DATA[::-1], path=FROM, digests=CRC)
    error = failed(span(store, of, 5, 8))
    assert "PreconditionFailed" in str(error) and error.kept == "", "no later run can go on with it"
    assert len(first) == 4 and list(store.uploads) == [of.upload_id]


def test_an_upload_that_is_gone_fails_the_span() -> None:
    store = source(digests=CRC)
    of = split(store)
    store.uploads.clear()
    error = failed(span(store, of, 1, 2))
    assert "NoSuchUpload" in str(error) and error.kept == ""


def test_a_worker_that_dies_and_lost_answers_cost_retries() -> None:
    store = source(digests=CRC)
    of = split(store)
    world = span(store, of, 2, 8).on("range 2", instead(Die())).on("part 3", after(RESET), after(Die()))
    world.run()
    assert world.finish is not None and world.finish.error is None
    assert set(store.uploads[of.upload_id].parts) == set(range(2, 9))


@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 2), (8, 9), (9, 9), (-1, 8)])
def test_parts_that_are_not_there_are_a_mistake(first: int, last: int) -> None:
    store = source(digests=CRC)
    world = span(store, split(store), first, last)
    assert isinstance(failed(world), UsageError)
    assert f"the parts are 1 to 8, not {first} to {last}" in str(world.error)
    assert world.jobs == []


def test_a_machine_with_too_little_memory_for_the_parts_says_so() -> None:
    store = source(digests=CRC)
    of = split(store)
    of = replace(of, parts=tuple(replace(part, length=part.length + 65536) for part in of.parts))
    world = span(store, of, 1, 2, slots=1)
    assert isinstance(failed(world), UsageError)
    assert "has parts of 64.0 KiB, and all memory for slots is 64.0 KiB: use a larger --memory" in str(
        world.error
    )


def test_a_span_counts_its_own_bytes() -> None:
    store = source(digests=CRC)
    world = span(store, split(store), 7, 8)
    world.run()
    assert (world.feed.done, world.feed.total) == (12, 12)


# --- finish ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("take", "why"),
    [
        (slice(0, 7), "lack part 8"),
        (slice(1, 8), "lack part 1"),
        (slice(0, 0), "lack part 1"),
        ([0, 1, 2, 3, 4, 4, 5, 6, 7], "have part 5 more than once"),
        ([0, 1, 2, 4, 4, 5, 6, 7], "lack part 4"),
    ],
)
def test_without_each_part_once_nothing_is_completed_and_nothing_aborted(
    take: slice | list[int], why: str
) -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    desk = finish(store, of, stored[take] if isinstance(take, slice) else [stored[at] for at in take]).run()
    assert f"the spans {why}: all of parts 1 to 8 are needed, once each" in desk.error
    assert desk.log == []
    assert list(store.uploads) == [of.upload_id]
    receipt(finish(store, of, stored))


def test_parts_of_other_boundaries_are_of_another_upload() -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    moved = [*stored[:-1], replace(stored[-1], part=replace(stored[-1].part, length=3))]
    assert "the spans are of another upload" in finish(store, of, moved).run().error


@pytest.mark.parametrize("cuts", [(), CUTS])
def test_a_source_that_is_not_what_is_stored_about_it_never_becomes_an_object(cuts: tuple[int, ...]) -> None:
    store = source(cuts=cuts, digests=() if cuts else CRC)
    store.objects[FROM].data = b"x" + DATA[1:]
    of = split(store)
    desk = finish(store, of, sent(store, of)).run()
    assert "expected" in desk.error or "nothing that is stored with it proves it" in desk.error
    assert COMPLETE not in desk.log
    assert OBJECT not in store.objects
    assert store.uploads == {}


def test_a_part_that_another_has_overwritten_is_not_completed_but_compared_by_a_later_run() -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    store.uploads[of.upload_id].parts[3] = b"12345678", 8
    desk = finish(store, of, stored).run()
    assert "InvalidPart" in desk.error
    assert desk.finish is not None and isinstance(desk.finish.error, Gof3rError)
    assert desk.finish.error.kept == of.upload_id and list(store.uploads) == [of.upload_id]


@pytest.mark.parametrize("digests", [BOTH, MD5, CRC])
@pytest.mark.parametrize("if_none_match", [False, True])
@pytest.mark.parametrize("script", [after(RESET), after(error(500, "InternalError"))])
def test_a_lost_answer_to_complete_is_looked_after(
    digests: tuple[str, ...], if_none_match: bool, script: Script
) -> None:
    store = source(cuts=CUTS, digests=CRC)
    what = original(digests=digests, if_none_match=if_none_match)
    of = split(store, what)
    desk = finish(store, of, sent(store, of), what).on(COMPLETE, script)
    assert receipt(desk).etag == made(store).etag == composite(pieces(CUTS))
    assert desk.log.count(COMPLETE) == 2


@pytest.mark.parametrize("digests", [BOTH, MD5, CRC])
@pytest.mark.parametrize("if_none_match", [False, True])
def test_finished_twice_it_finds_the_object(digests: tuple[str, ...], if_none_match: bool) -> None:
    store = source(cuts=CUTS, digests=CRC)
    what = original(digests=digests, if_none_match=if_none_match)
    of = split(store, what)
    stored = sent(store, of)
    first = receipt(finish(store, of, stored, what))
    assert receipt(finish(store, of, stored, what)) == first


def test_finished_twice_over_the_object_that_another_has_put_there_meanwhile_fails() -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    receipt(finish(store, of, stored))
    store.keep(b"another's")
    desk = finish(store, of, stored).run()
    assert "NoSuchUpload" in desk.error
    assert made(store).data == b"another's"


def test_an_upload_that_was_aborted_and_has_made_nothing_is_told() -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    store.uploads.clear()
    desk = finish(store, of, stored).run()
    assert "complete_multipart_upload: server answered 404 NoSuchUpload" in desk.error
    assert desk.finish is not None and isinstance(desk.finish.error, TransferError)
    assert desk.finish.error.kept == ""


def test_an_object_in_the_way_ends_the_upload() -> None:
    store = source(digests=CRC)
    what = original(if_none_match=True)
    of = split(store, what)
    stored = sent(store, of)
    store.keep(b"another's")
    assert "there is an object already" in finish(store, of, stored, what).run().error
    assert made(store).data == b"another's"
    assert store.uploads == {}


def test_the_same_bytes_in_the_way_are_ours_and_the_upload_goes() -> None:
    store = source(cuts=CUTS)
    what = original(if_none_match=True)
    of = split(store, what)
    stored = sent(store, of)
    store.keep(DATA, cuts=CUTS)
    assert receipt(finish(store, of, stored, what)).etag == composite(pieces(CUTS))
    assert store.uploads == {}


@pytest.mark.parametrize("result", [DENIED, RESET, error(503, "SlowDown")])
def test_what_speaks_not_against_the_object_leaves_the_upload_to_be_finished(result: Result) -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    desk = finish(store, of, stored).on(COMPLETE, *[instead(result)] * 3).run()
    assert desk.finish is not None and isinstance(desk.finish.error, TransferError)
    assert desk.finish.error.kept == of.upload_id
    assert ABORT not in desk.log
    receipt(finish(store, of, stored))
    assert made(store).data == DATA


@pytest.mark.parametrize("acts", [True, False])
def test_stopped_it_can_be_finished_by_another(acts: bool) -> None:
    store = source(digests=CRC)
    of = split(store)
    stored = sent(store, of)
    desk = finish(store, of, stored)

    def stopped(act: Act) -> Result:
        desk.happens(Signalled(signal.SIGINT))
        return act() if acts else RESET

    desk.on(COMPLETE, stopped).run()
    assert desk.finish is not None and isinstance(desk.finish.error, Interrupted)
    assert desk.finish.error.kept == of.upload_id
    assert receipt(finish(store, of, stored)).digests["crc64nvme"]
    assert made(store).data == DATA
