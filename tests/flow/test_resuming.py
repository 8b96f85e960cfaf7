"""A put that goes on with an upload of its key, played to its end against a server that keeps real bytes."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gof3r.engine.errors import Interrupted, UsageError
from gof3r.engine.flow.events import Event, Signalled
from gof3r.engine.values import Response
from tests.flow.scripts import instead
from tests.flow.store import OBJECT, Store, Upload, composite, error
from tests.flow.transfers import BOTH, get, put
from tests.flow.world import World

DATA = bytes(range(60))  # 8 parts of 8 bytes, the last one of 4
PIECES = [DATA[start : start + 8] for start in range(0, len(DATA), 8)]
DENIED = error(403, "AccessDenied", "Access Denied")
LIST_UPLOADS, LIST_PARTS = "list_multipart_uploads", "list_parts"
CREATE, COMPLETE, ABORT = "create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload"


def begun(
    parts: dict[int, bytes], store: Store | None = None, *, crc: bool = True, name: str = "old"
) -> Store:
    """A store with an upload under way that has ``parts``."""
    store = store or Store()
    store.uploads[name] = Upload(crc, {}, {number: (body, len(body)) for number, body in parts.items()})
    return store


def there(*numbers: int) -> dict[int, bytes]:
    return {number: PIECES[number - 1] for number in numbers}


def sent(world: World) -> list[int]:
    """Numbers of the parts that went over the network."""
    return sorted(int(what.split()[1]) for what in world.log if what.startswith("part "))


def complete(world: World, data: bytes = DATA) -> bool:
    pieces = [data[start : start + 8] for start in range(0, len(data), 8)]
    right = world.store.objects[OBJECT].data == data and world.receipt.etag == composite(pieces)
    return right and world.receipt.proofs == BOTH and not world.store.uploads


# --- what is there is not sent ------------------------------------------------------------------


def test_parts_that_are_there_are_not_sent_again() -> None:
    world = put(DATA, store=begun(there(1, 2, 5)), resume=True).run()
    assert complete(world)
    assert sent(world) == [3, 4, 6, 7, 8]
    assert world.receipt.there == 24
    assert CREATE not in world.log


def test_an_upload_that_has_everything_is_completed_without_a_byte() -> None:
    world = put(DATA, store=begun(there(*range(1, 9))), resume=True).run()
    assert complete(world) and sent(world) == []
    assert world.receipt.there == 60


def test_without_an_upload_under_way_it_is_an_ordinary_put() -> None:
    world = put(DATA, resume=True).run()
    assert complete(world)
    assert world.log[:2] == [LIST_UPLOADS, CREATE]
    assert world.receipt.there is None


@pytest.mark.parametrize("size", [0, 1, 8])
def test_what_fits_one_part_is_one_put_object_where_nothing_is_under_way(size: int) -> None:
    world = put(DATA[:size], resume=True).run()
    assert world.log == [LIST_UPLOADS, "put_object", "head_object", "sidecar"]


def test_an_upload_under_way_is_gone_on_with_even_for_a_single_part() -> None:
    world = put(DATA[:8], store=begun(there(1)), resume=True).run()
    assert complete(world, DATA[:8]) and sent(world) == []


@pytest.mark.parametrize("wrong", [b"\0" * 8, b"", b"\0" * 3])
def test_a_part_with_other_bytes_is_sent_again(wrong: bytes) -> None:
    world = put(DATA, store=begun({**there(1, 2), 3: wrong}), resume=True).run()
    assert complete(world)
    assert sent(world) == [3, 4, 5, 6, 7, 8]


def test_a_part_beyond_the_streams_end_is_left_out() -> None:
    world = put(DATA[:40], store=begun(there(1, 2, 7)), resume=True).run()
    assert complete(world, DATA[:40])


def test_a_stream_that_has_grown_since_has_its_last_part_sent_again() -> None:
    old = begun({1: DATA[:8], 2: DATA[8:12]})
    world = put(DATA, store=old, resume=True).run()
    assert complete(world) and sent(world) == [2, 3, 4, 5, 6, 7, 8]


def test_a_number_that_is_listed_several_times_counts_by_whichever_is_like_ours() -> None:
    store = begun(there(1, 2))
    store.uploads["old"].twins = {1: [b"\0" * 8], 2: [b"\1" * 8, PIECES[1]]}
    world = put(DATA, store=store, resume=True).run()
    assert complete(world) and sent(world) == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("page", [1, 2, 3])
def test_all_pages_of_parts_and_of_uploads_are_read(page: int) -> None:
    store = begun(there(1, 2, 3, 4, 5, 6), Store(page=page))
    for number in range(4):
        store.uploads[f"other {number}"] = Upload(True, {}, key=f"key{number}")
    world = put(DATA, store=store, resume=True).run()
    assert sent(world) == [7, 8]


# --- which upload ------------------------------------------------------------------


def test_the_newest_upload_of_exactly_the_key_is_gone_on_with() -> None:
    store = begun(there(1))
    begun(there(1, 2, 3), store, name="newer").uploads["newer"].began = "2024-05-07T00:00:00.000Z"
    begun(there(*range(1, 9)), store, name="another key's").uploads["another key's"].key = "key2"
    world = put(DATA, store=store, resume=True).run()
    assert sent(world) == [4, 5, 6, 7, 8]
    assert sorted(store.uploads) == ["another key's", "old"]


def test_an_upload_can_be_named_and_then_none_is_looked_for() -> None:
    store = begun(there(1, 2, 3, 4, 5, 6))
    begun(there(1), store, name="newer").uploads["newer"].began = "2024-05-07T00:00:00.000Z"
    world = put(DATA, store=store, resume=True, upload_id="old").run()
    assert sent(world) == [7, 8]
    assert LIST_UPLOADS not in world.log


def test_a_named_upload_that_is_gone_is_an_error_and_nothing_is_begun() -> None:
    world = put(DATA, resume=True, upload_id="gone").run()
    assert "NoSuchUpload" in str(world.error) and CREATE not in world.log
    assert world.error.kept == ""


def test_an_upload_that_vanishes_meanwhile_is_an_error_and_no_other_is_begun() -> None:
    store = begun(there(1, 2))
    world = put(DATA, store=store, resume=True)
    world.run(lambda: "part 3" in world.log)
    store.uploads.clear()
    world.run()
    assert "NoSuchUpload" in str(world.error) and "run again" in str(world.error)
    assert CREATE not in world.log and world.error.kept == ""


# --- what does not fit is begun anew ------------------------------------------------------------------


def test_what_fits_is_gone_on_with_all_the_same() -> None:
    world = put(DATA, store=begun(there(1, 2, 5)), resume=True, anew=True).run()
    assert complete(world) and sent(world) == [3, 4, 6, 7, 8] and CREATE not in world.log


@pytest.mark.parametrize("parts", [{1: DATA[:9]}, {1: DATA[:8], 2: DATA[8:12], 3: DATA[12:20]}])
def test_an_upload_of_other_parts_is_ended_and_another_begun(parts: dict[int, bytes]) -> None:
    world = put(DATA, store=begun(parts), resume=True, anew=True).run()
    assert complete(world) and sent(world) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert world.log.count(CREATE) == 1 and world.receipt.there is None


def test_an_upload_of_other_checksums_is_ended_and_another_begun() -> None:
    listed = b"<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><IsTruncated>false</IsTruncated>"
    body = b"<ListPartsResult>" + listed + b"</ListPartsResult>"
    world = put(DATA, store=begun(there(1)), resume=True, anew=True)
    world.on(LIST_PARTS, instead(Response(200, {}, body))).run()
    assert complete(world) and CREATE in world.log


@pytest.mark.parametrize("data", [b"", DATA[:5]])
def test_what_has_become_small_leaves_no_upload(data: bytes) -> None:
    world = put(data, store=begun({1: DATA[:8], 2: DATA[8:16]}), resume=True, anew=True).run()
    assert world.store.objects[OBJECT].data == data and not world.store.uploads


def test_an_upload_that_was_ended_in_between_is_no_error() -> None:
    store = begun(there(1))
    world = put(DATA, store=store, resume=True, anew=True)
    world.run(lambda: LIST_UPLOADS in world.log)
    store.uploads.clear()
    world.run()
    assert complete(world) and sent(world) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_upload_that_cannot_be_looked_at_stays() -> None:
    world = put(DATA, store=begun(there(1)), resume=True, anew=True).on(LIST_PARTS, instead(DENIED)).run()
    assert world.error.kept == "old" and "old" in world.store.uploads


# --- what cannot be gone on with ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        ({1: DATA[:16]}, "--partsize=16"),
        ({1: DATA[:4], 2: DATA[4:8]}, "--partsize=4"),
        ({2: DATA[16:32], 3: DATA[32:48]}, "--partsize=16"),
    ],
)
def test_parts_of_another_size_are_told_with_the_size_that_fits_and_nothing_is_sent(
    parts: dict[int, bytes], fits: str
) -> None:
    world = put(DATA, store=begun(parts), resume=True).run()
    assert isinstance(world.error, UsageError)
    assert fits in str(world.error) and "old" in str(world.error)
    assert sent(world) == [] and list(world.store.uploads) == ["old"]


def test_an_upload_for_checksums_of_another_kind_is_refused() -> None:
    body = (
        b"<ListPartsResult><IsTruncated>false</IsTruncated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType></ListPartsResult>"
    )
    world = (
        put(DATA, store=begun(there(1)), resume=True).on(LIST_PARTS, instead(Response(200, {}, body))).run()
    )
    assert isinstance(world.error, UsageError) and "CRC32 COMPOSITE" in str(world.error)
    assert list(world.store.uploads) == ["old"]


# --- what parts are compared by ------------------------------------------------------------------


@pytest.mark.parametrize("lists_crc", [True, False])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_parts_are_compared_by_whatever_both_sides_know(digests: tuple[str, ...], lists_crc: bool) -> None:
    store = begun(there(1, 2, 3), Store(lists_crc=lists_crc), crc="crc64nvme" in digests)
    world = put(DATA, store=store, resume=True, digests=digests).run()
    assert sent(world) == [4, 5, 6, 7, 8]
    assert world.receipt.proofs == digests
    assert store.objects[OBJECT].data == DATA


def test_opaque_etags_are_compared_by_crc_alone_and_no_md5_is_claimed() -> None:
    world = put(DATA, store=begun(there(1, 2), Store(encryption="aws:kms")), resume=True).run()
    assert sent(world) == [3, 4, 5, 6, 7, 8]
    assert world.receipt.proofs == ("crc64nvme",)


def test_opaque_etags_without_crcs_are_sent_again() -> None:
    world = put(
        DATA, store=begun(there(1, 2), Store(encryption="aws:kms", lists_crc=False)), resume=True
    ).run()
    assert sent(world) == list(range(1, 9))
    assert world.receipt.proofs == BOTH


# --- what fails is kept ------------------------------------------------------------------


def test_an_upload_that_fails_is_kept_and_named_by_the_error_and_gone_on_with() -> None:
    world = put(DATA, resume=True).on("part 6", instead(DENIED)).run()
    assert world.error.kept == "u1" and ABORT not in world.log
    assert list(world.store.uploads) == ["u1"]
    again = put(DATA, store=world.store, resume=True).run()
    assert complete(again) and 6 in sent(again) and len(sent(again)) < 8


@pytest.mark.parametrize("when", ["part 3", "look 2"])
def test_a_stopped_one_is_kept(when: str) -> None:
    world = put(DATA, store=begun(there(1, 2)), resume=True)
    world.run(lambda: when in world.log)
    event: list[Event] = [Signalled(signal.SIGINT)]
    world.before = lambda: event.pop() if event else None
    world.run()
    assert isinstance(world.error, Interrupted) and world.error.kept == "old"
    assert list(world.store.uploads) == ["old"]


def test_without_resume_what_fails_is_aborted_as_ever() -> None:
    world = put(DATA).on("part 6", instead(DENIED)).run()
    assert world.error.kept == "" and not world.store.uploads


def test_where_an_object_has_come_in_the_way_the_upload_is_aborted() -> None:
    world = put(DATA, store=begun(there(1)), resume=True, if_none_match=True)
    world.run(lambda: "part 2" in world.log)
    world.store.keep(b"another's")
    world.run()
    assert "--if-none-match" in str(world.error) and world.error.kept == ""
    assert world.store.objects[OBJECT].data == b"another's" and not world.store.uploads


def test_an_object_that_is_there_already_leaves_the_upload_alone() -> None:
    store = begun(there(1))
    store.keep(b"another's")
    world = put(DATA, store=store, resume=True, if_none_match=True).run()
    assert "--if-none-match" in str(world.error)
    assert list(store.uploads) == ["old"] and store.objects[OBJECT].data == b"another's"


def test_a_worker_that_dies_while_it_compares_costs_nothing() -> None:
    world = put(DATA, store=begun(there(1, 2, 3)), resume=True)
    world.run(lambda: "look 1" in world.log)
    world.die(world.seats[-1])
    assert complete(world.run()) and sent(world) == [4, 5, 6, 7, 8]


# --- any history ------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 60),
    parts=st.dictionaries(
        st.integers(1, 9), st.sampled_from(["right", "wrong", "short", "twin"]), max_size=9
    ),
    digests=st.sampled_from([BOTH, ("md5",), ("crc64nvme",)]),
    lists_crc=st.booleans(),
    encryption=st.sampled_from(["", "aws:kms"]),
    page=st.integers(1, 5),
    seed=st.integers(0, 10_000),
)
def test_whatever_is_there_the_object_is_the_stream(
    size: int,
    parts: dict[int, str],
    digests: tuple[str, ...],
    lists_crc: bool,
    encryption: str,
    page: int,
    seed: int,
) -> None:
    data = DATA[:size]
    store = Store(encryption=encryption, lists_crc=lists_crc, page=page)
    bodies, twins = {}, {}
    for number, kind in parts.items():
        right = (DATA * 2)[(number - 1) * 8 : number * 8]
        bodies[number] = right[:3] if kind == "short" else bytes(8) if kind == "wrong" else right
        twins[number] = [bytes(8), right[:3]] if kind == "twin" else []
    begun(bodies, store, crc="crc64nvme" in digests)
    store.uploads["old"].twins = twins
    world = put(data, store=store, resume=True, digests=digests, seed=seed).run()
    assert world.finish is not None
    if isinstance(world.finish.error, UsageError):
        assert any(kind == "short" and number < max(parts) for number, kind in parts.items())
        return
    assert world.receipt.size == size and store.objects[OBJECT].data == data
    assert set(world.receipt.proofs) <= set(digests) and world.receipt.proofs


# --- downloads ------------------------------------------------------------------


def received(world: World) -> list[int]:
    return sorted(int(what.split()[1]) for what in world.log if what.startswith("range "))


@pytest.mark.parametrize(
    ("kept", "fetched"),
    [(0, list(range(1, 9))), (7, list(range(1, 9))), (8, list(range(2, 9))), (27, [4, 5, 6, 7, 8]), (60, [])],
)
def test_whole_parts_that_are_kept_are_read_back_and_the_rest_is_fetched(
    kept: int, fetched: list[int]
) -> None:
    store = Store()
    store.keep(DATA, digests=["crc64nvme"])
    world = get(store, there=DATA[:kept], sidecar=False).run()
    assert received(world) == fetched
    assert world.delivered == DATA
    assert world.receipt.there == 60 - sum(len(PIECES[number - 1]) for number in fetched)
    assert world.receipt.proofs == ("crc64nvme",)


@pytest.mark.parametrize("proof", ["crc64nvme", "sidecar", "composite"])
def test_what_is_kept_and_damaged_is_found_by_whatever_proves_the_object(proof: str) -> None:
    store = Store()
    cuts = [8] * 7 + [4] if proof == "composite" else []
    store.keep(DATA, digests=["crc64nvme"] if proof == "crc64nvme" else [], cuts=cuts)
    if proof == "sidecar":
        store.keep_sidecar(DATA)
    wrong = b"\xff" + DATA[1:30]
    world = get(store, there=wrong, sidecar=proof == "sidecar", unproven=False).run()
    assert world.error.disproved
    assert not world.collector.released


def test_what_nothing_proves_comes_from_the_server_alone() -> None:
    store = Store(encryption="aws:kms", crc=False)
    stored = store.keep(DATA)
    stored.headers["x-amz-server-side-encryption"] = "aws:kms"
    world = get(store, there=bytes(30), sidecar=False, unproven=True).run()
    assert world.delivered == DATA and received(world) == list(range(1, 9))
    assert world.receipt.there == 0


def test_an_object_that_has_changed_since_it_was_looked_at_is_refused() -> None:
    store = Store()
    store.keep(DATA)
    world = get(store, there=DATA[:30], etag="another").run()
    assert "changed" in str(world.error) and not world.error.disproved


@settings(max_examples=100, deadline=None)
@given(kept=st.integers(0, 60), damaged=st.integers(-1, 59), seed=st.integers(0, 10_000))
def test_whatever_is_kept_what_is_given_out_is_the_object(kept: int, damaged: int, seed: int) -> None:
    store = Store()
    store.keep(DATA, digests=["crc64nvme"])
    there = bytearray(DATA[:kept])
    if 0 <= damaged < kept:
        there[damaged] ^= 1
    world = get(store, there=bytes(there), sidecar=False, seed=seed).run()
    read = kept if kept == 60 else kept // 8 * 8
    if 0 <= damaged < read:
        assert world.error.disproved and not world.collector.released
    else:
        assert world.delivered == DATA and world.receipt.there == read
