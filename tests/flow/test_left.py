"""A copy that goes on with the upload of an earlier run, against a server that keeps real bytes."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gof3r.engine.errors import Interrupted
from gof3r.engine.flow import plan
from gof3r.engine.flow.events import Event, Signalled
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Begun, Header, Job, Response
from tests.flow.scripts import RESET, after, instead
from tests.flow.store import FROM, FROM_SIDECAR, OBJECT, TARGET, Store, error
from tests.flow.transfers import BOTH, copy
from tests.flow.world import World

DATA = bytes(range(60))  # 8 parts of 8 bytes, the last one of 4
PIECES = [DATA[start : start + 8] for start in range(0, len(DATA), 8)]
CREATE, COMPLETE, ABORT = "create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload"
LIST_PARTS = "list_parts"
DENIED = error(403, "AccessDenied", "Access Denied")
REJECTED = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which S3 takes parts of 8 bytes."""
    monkeypatch.setattr(plan, "MIN_PART", 8)


def source(data: bytes = DATA, store: Store | None = None) -> Store:
    store = store or Store()
    store.keep(data, path=FROM, digests=["crc64nvme"], x_amz_meta_colour="red", content_type="text/plain")
    return store


def begun(world: World) -> Begun:
    """The last upload that ``world`` has told of."""
    last = world.shown[-1]
    assert isinstance(last, Begun)
    return last


def left(
    parts: dict[int, bytes],
    store: Store | None = None,
    *,
    digests: tuple[str, ...] = BOTH,
    headers: tuple[Header, ...] = (),
    rejects: bool = False,
) -> tuple[Store, Begun]:
    """A store with the upload of a run that was killed when it had ``parts``."""
    store = store or source()
    world = copy(store, server_side=False, resume=True, sidecar=False, digests=digests, headers=headers)
    if rejects:
        world.on(CREATE, instead(REJECTED))
    world.run(lambda: bool(world.shown))
    one = begun(world)
    assert list(store.uploads) == [one.upload_id]
    store.uploads[one.upload_id].parts = {number: (body, len(body)) for number, body in parts.items()}
    return store, one


def again(store: Store, one: Begun, **how: object) -> World:
    asked = {"server_side": False, "resume": True, "sidecar": False, **how}
    return copy(store, begun=one, **asked)  # type: ignore[arg-type]


def there(*numbers: int) -> dict[int, bytes]:
    return {number: PIECES[number - 1] for number in numbers}


def sent(world: World) -> list[int]:
    """Numbers of the parts that went to the destination."""
    return sorted(int(what.split()[1]) for what in world.log if what.startswith("part "))


def right(world: World, data: bytes = DATA) -> bool:
    """The destination is the source, and nothing is left."""
    made = world.store.objects[OBJECT]
    assert world.receipt.size == len(data) and world.receipt.proofs
    return made.data == data and not world.store.uploads


# --- what is told of an upload ------------------------------------------------------------------


def test_an_upload_is_told_before_any_part_is_sent() -> None:
    world = copy(source(), server_side=False, resume=True)
    world.run(lambda: bool(world.shown))
    assert begun(world).upload_id == "u1" and begun(world).etag == world.store.objects[FROM].etag
    assert sent(world) == []
    world.run()
    assert right(world) and len(world.shown) == 1 and world.receipt.there is None


def test_without_resume_none_is_told_and_what_fails_is_aborted() -> None:
    world = copy(source(), server_side=False).on("part 6", instead(DENIED)).run()
    assert world.shown == [] and world.error.kept == "" and not world.store.uploads


def test_what_fits_one_part_needs_none() -> None:
    world = copy(source(DATA[:8]), server_side=False, resume=True).run()
    assert right(world, DATA[:8]) and world.shown == [] and CREATE not in world.log


# --- what is there is not sent ------------------------------------------------------------------


@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 5), (8,), tuple(range(1, 9))])
def test_parts_that_are_there_are_received_and_not_sent(
    numbers: tuple[int, ...], seed: int | None, slots: int, sidecar: bool
) -> None:
    store, one = left(there(*numbers))
    if sidecar:
        store.keep_sidecar(DATA, path=FROM_SIDECAR)
    world = again(store, one, seed=seed, slots=slots, sidecar=sidecar).run()
    assert right(world)
    assert sent(world) == [number for number in range(1, 9) if number not in numbers]
    assert world.receipt.there == sum(len(PIECES[number - 1]) for number in numbers)
    assert CREATE not in world.log and world.shown == []
    assert {int(what.split()[1]) for what in world.log if what.startswith("range ")} == set(range(1, 9))
    assert store.objects[OBJECT].headers["x-amz-meta-colour"] == "red"


@pytest.mark.parametrize("wrong", [b"\0" * 8, PIECES[0]])
def test_a_part_with_other_bytes_is_sent_again(wrong: bytes) -> None:
    store, one = left({**there(1, 2), 3: wrong})
    world = again(store, one).run()
    assert right(world) and sent(world) == [3, 4, 5, 6, 7, 8]


def test_a_number_that_is_listed_several_times_counts_by_whichever_is_like_ours() -> None:
    store, one = left(there(1, 2))
    store.uploads[one.upload_id].twins = {1: [b"\0" * 8], 2: [b"\1" * 8, PIECES[1]]}
    world = again(store, one).run()
    assert right(world) and sent(world) == [3, 4, 5, 6, 7, 8]


def test_a_source_of_parts_is_gone_on_with_on_its_own_boundaries() -> None:
    store = Store()
    store.keep(DATA, path=FROM, cuts=(16, 16, 16, 12))
    store, one = left({2: DATA[16:32]}, store)
    world = again(store, one).run()
    assert right(world) and sent(world) == [1, 3, 4]
    assert world.receipt.etag == store.objects[FROM].etag


# --- what parts are compared by ------------------------------------------------------------------


@pytest.mark.parametrize("lists_crc", [True, False])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_parts_are_compared_by_whatever_both_sides_know(digests: tuple[str, ...], lists_crc: bool) -> None:
    store = Store(lists_crc=lists_crc)
    store.keep(DATA, path=FROM, cuts=[8] * 7 + [4], digests=["crc64nvme"])
    store, one = left(there(1, 2, 3), store, digests=digests)
    world = again(store, one, digests=digests).run()
    assert right(world) and sent(world) == [4, 5, 6, 7, 8]
    assert set(world.receipt.proofs) <= set(digests)


def test_md5s_are_computed_only_of_parts_that_nothing_else_compares() -> None:
    store, one = left(there(1, 2), source(store=Store(lists_crc=False)), digests=("crc64nvme",))
    world = again(store, one, digests=("crc64nvme",)).run()
    ranges = {job.part.number: job.digests for job in world.jobs if job.direction == "receive" and job.part}
    assert [number for number, names in sorted(ranges.items()) if "md5" in names] == [1, 2]
    assert all(set(job.known) == {"crc64nvme"} for job in world.jobs if job.direction == "send")


def test_opaque_etags_are_compared_by_crc_alone_and_without_crcs_sent_again() -> None:
    for lists_crc, numbers in ((True, [3, 4, 5, 6, 7, 8]), (False, list(range(1, 9)))):
        store, one = left(there(1, 2), source(store=Store(encryption="aws:kms", lists_crc=lists_crc)))
        world = again(store, one).run()
        assert right(world) and sent(world) == numbers


def test_an_upload_whose_store_has_rejected_checksums_is_gone_on_with_without() -> None:
    store, one = left(there(1, 2), rejects=True)
    world = again(store, one).run()
    assert right(world) and sent(world) == [3, 4, 5, 6, 7, 8]
    assert all(set(job.known) == {"md5"} for job in world.jobs if job.direction == "send")
    (complete,) = (job.request.body for job in world.jobs if job.request.operation == COMPLETE)
    assert b"Checksum" not in complete


# --- what is begun anew ------------------------------------------------------------------


def anew(world: World, one: Begun, data: bytes = DATA) -> bool:
    """Another upload has made the object, and the old one is gone."""
    assert begun(world).upload_id not in ("", one.upload_id)
    assert world.receipt.there is None and sent(world) == list(range(1, 1 + -(-len(data) // 8)))
    return right(world, data)


def test_a_source_that_has_changed_is_copied_anew() -> None:
    store, one = left(there(1, 2, 3))
    other = DATA[:24] + DATA[24:][::-1]
    source(other, store)
    world = again(store, one).run()
    assert anew(world, one, other)
    assert world.log.index(ABORT) < world.log.index(CREATE)


def test_other_metadata_of_the_same_bytes_is_copied_anew() -> None:
    store, one = left(there(1, 2, 3))
    store.objects[FROM].headers["x-amz-meta-colour"] = "blue"
    world = again(store, one).run()
    assert anew(world, one) and store.objects[OBJECT].headers["x-amz-meta-colour"] == "blue"


@pytest.mark.parametrize("headers", [(("x-amz-acl", "private"),), (("x-amz-meta-colour", "blue"),)])
def test_other_headers_are_copied_anew(headers: tuple[Header, ...]) -> None:
    store, one = left(there(1, 2, 3))
    assert anew(again(store, one, headers=headers).run(), one)


def test_headers_in_another_order_are_the_same() -> None:
    store = source()
    store.objects[FROM].headers["x-amz-meta-size"] = "small"
    store, one = left(there(1, 2, 3), store)
    kept = store.objects[FROM].headers
    store.objects[FROM].headers = dict(reversed(kept.items()))
    assert sent(again(store, one).run()) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "parts", [{1: DATA[:16]}, {1: DATA[:4], 2: PIECES[1]}, {9: b"beyond"}, {8: DATA[56:] + b"more"}]
)
def test_parts_of_other_lengths_are_copied_anew(parts: dict[int, bytes]) -> None:
    store, one = left(parts)
    assert anew(again(store, one).run(), one)


def test_a_shorter_last_part_is_sent_again() -> None:
    store, one = left({1: PIECES[0], 2: DATA[8:11]})
    world = again(store, one).run()
    assert right(world) and sent(world) == [2, 3, 4, 5, 6, 7, 8]


def test_what_fits_one_part_now_is_put_at_once() -> None:
    store, one = left(there(1, 2, 3))
    world = again(store, one, part_size=64).run()
    assert right(world) and "put_object" in world.log and CREATE not in world.log


def test_an_upload_that_is_gone_is_begun_anew_without_a_word() -> None:
    store, one = left(there(1, 2, 3))
    store.uploads.clear()
    world = again(store, one).run()
    assert anew(world, one) and world.warnings == []


def test_checksums_of_another_kind_are_begun_anew() -> None:
    body = (
        b"<ListPartsResult><IsTruncated>false</IsTruncated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType></ListPartsResult>"
    )
    store, one = left(there(1, 2, 3))
    assert anew(again(store, one).on(LIST_PARTS, instead(Response(200, {}, body))).run(), one)


def test_digests_that_the_upload_was_not_begun_for_are_begun_anew() -> None:
    store, one = left(there(1, 2, 3), digests=("crc64nvme",))
    world = again(store, one, digests=("md5",), unproven=True).run()
    assert begun(world).upload_id != one.upload_id and sent(world) == list(range(1, 9))
    assert store.objects[OBJECT].data == DATA and not store.uploads


def test_who_may_not_list_parts_begins_anew() -> None:
    store, one = left(there(1, 2, 3))
    assert anew(again(store, one).on(LIST_PARTS, instead(DENIED)).run(), one)


def test_what_the_server_copies_leaves_no_upload_behind() -> None:
    store, one = left(there(1, 2, 3))
    world = again(store, one, server_side=True).run()
    assert right(world) and sent(world) == []


def test_what_the_server_cannot_copy_is_gone_on_with() -> None:
    store, one = left(there(1, 2, 3))
    world = again(store, one, server_side=True).on("copy_object", instead(DENIED)).run()
    assert right(world) and sent(world) == [4, 5, 6, 7, 8]


# --- what fails is kept ------------------------------------------------------------------


def test_an_upload_that_fails_is_kept_and_named_by_the_error_and_gone_on_with() -> None:
    world = copy(source(), server_side=False, resume=True).on("part 6", instead(DENIED)).run()
    assert world.error.kept == "u1" and list(world.store.uploads) == ["u1"] and ABORT not in world.log
    once_more = again(world.store, begun(world), sidecar=True).run()
    assert right(once_more) and 6 in sent(once_more) and len(sent(once_more)) < 8


@pytest.mark.parametrize("what", ["source head_object", LIST_PARTS, "range 1", "part 5", COMPLETE])
def test_whatever_fails_in_between_the_upload_is_kept(what: str) -> None:
    store, one = left(there(1, 2))
    busy = instead(error(503, "SlowDown"))
    world = again(store, one, attempts=1).on(what, busy).on("source get_object", busy).run()
    assert world.error.kept == one.upload_id and list(store.uploads) == [one.upload_id]
    assert right(again(store, one).run())


@pytest.mark.parametrize("when", ["source head_object", LIST_PARTS, "range 1", "part 3", COMPLETE])
def test_a_stopped_one_is_kept(when: str) -> None:
    store, one = left(there(1, 2))
    world = again(store, one)
    world.run(lambda: when in world.log)
    event: list[Event] = [Signalled(signal.SIGINT)]
    world.before = lambda: event.pop() if event else None
    world.run()
    assert isinstance(world.error, Interrupted) and world.error.kept == one.upload_id
    assert list(store.uploads) == [one.upload_id]


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        ("source head_object", error(404, "NoSuchKey")),
        ("range 3", error(412, "PreconditionFailed")),
        ("range 5", error(404, "NoSuchVersion")),
    ],
)
def test_what_no_later_run_can_go_on_with_is_aborted(what: str, refusal: Response) -> None:
    store, one = left(there(1, 2))
    world = again(store, one).on(what, instead(refusal)).on("source get_object", instead(refusal)).run()
    assert world.error.kept == "" and not store.uploads


@pytest.mark.parametrize(("code", "kept"), [("AccessDenied", True), ("PreconditionFailed", False)])
def test_what_the_server_fails_to_copy_in_parts_leaves_the_upload_as_a_failure_does(
    code: str, kept: bool
) -> None:
    store = Store()
    store.keep(DATA, path=FROM, cuts=(16, 16, 16, 12))
    store, one = left({1: DATA[:16]}, store)
    world = again(store, one, server_side=True, attempts=1)
    world.on("copy 3", instead(error(403 if kept else 412, code))).run()
    assert world.error.kept == (one.upload_id if kept else "")
    assert list(store.uploads) == ([one.upload_id] if kept else [])


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_stopped_at_any_step_it_is_kept_or_gone_and_the_next_run_makes_the_object(seed: int | None) -> None:
    step = 1
    while True:
        store, one = left(there(1, 2, 5))
        world = again(store, one, seed=seed)
        world.before = lambda: Signalled(signal.SIGTERM) if world.steps == step else None  # noqa: B023
        world.run()
        assert world.finish is not None
        if world.finish.error is None:
            break
        assert isinstance(world.error, Interrupted)
        made = OBJECT in store.objects  # by Complete, whose answer may not have been heard
        assert list(store.uploads) == ([] if made else [one.upload_id])
        assert world.error.kept == one.upload_id or made
        assert right(again(store, one, seed=seed).run())
        step += 1
    assert step > 20


def test_an_object_in_the_way_ends_the_upload() -> None:
    store, one = left(there(1, 2))
    store.keep(b"another's")
    world = again(store, one, if_none_match=True).run()
    assert "--if-none-match" in str(world.error) and world.error.kept == ""
    assert not store.uploads and store.objects[OBJECT].data == b"another's"


def test_an_upload_that_vanishes_meanwhile_is_an_error_and_is_not_kept() -> None:
    store, one = left(there(1, 2))
    world = again(store, one)
    world.run(lambda: "part 3" in world.log)
    store.uploads.clear()
    world.run()
    assert "NoSuchUpload" in str(world.error) and world.error.kept == ""


def test_a_source_that_is_not_what_is_stored_about_it_never_becomes_an_object() -> None:
    store, one = left(there(*range(1, 9)))
    kept = store.objects[FROM]
    store.objects[FROM] = replace(kept, data=b"x" + kept.data[1:])
    world = again(store, one).run()
    assert world.finish is not None and world.finish.error is not None
    assert OBJECT not in store.objects and COMPLETE not in world.log


def test_a_complete_whose_answer_was_lost_has_made_the_object() -> None:
    store, one = left(there(1, 2))
    assert right(again(store, one).on(COMPLETE, after(RESET)).run())


def test_another_key_of_sse_c_makes_another_upload() -> None:
    store, one = left(there(1))
    target = replace(TARGET, headers=(("x-amz-server-side-encryption-customer-key", "another"),))
    assert anew(again(store, one, target=target).run(), one)


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
    slots=st.integers(1, 4),
    changed=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_whatever_is_there_the_object_is_the_source(
    size: int,
    parts: dict[int, str],
    digests: tuple[str, ...],
    lists_crc: bool,
    encryption: str,
    slots: int,
    changed: bool,
    seed: int,
) -> None:
    data = DATA[:size]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "MIN_PART", 8)
        store = source(DATA, Store(encryption=encryption, lists_crc=lists_crc, page=3))
        world = copy(store, server_side=False, resume=True, sidecar=False, digests=digests, unproven=True)
        one = begun(world.run(lambda: bool(world.shown)))
        for number, kind in parts.items():
            whole = (DATA * 2)[(number - 1) * 8 : number * 8]
            body = {"short": whole[:3], "wrong": bytes(8)}.get(kind, whole)
            store.uploads[one.upload_id].parts[number] = body, len(body)
            if kind == "twin":
                store.uploads[one.upload_id].twins[number] = [bytes(8), whole[:3]]
        if not changed:  # the same ETag, whatever the bytes are: what is there is not believed
            one = replace(one, etag=source(data, store).objects[FROM].etag)
        else:
            source(data[::-1], store)
            data = data[::-1]
        world = again(store, one, digests=digests, slots=slots, seed=seed, unproven=True).run()
        assert world.receipt.size == size and store.objects[OBJECT].data == data
        assert not store.uploads
        crc = checksums.compute(("crc64nvme",), memoryview(data))["crc64nvme"]
        assert world.receipt.digests.get("crc64nvme", crc) == crc


def test_slow_answers_do_not_change_what_is_sent() -> None:
    def latency(job: Job) -> float:
        return 0.5 if job.part and job.part.number % 2 else 0.01

    store, one = left(there(1, 4, 5))
    world = again(store, one, sidecar=False)
    world.latency = latency
    assert right(world.run()) and sent(world) == [2, 3, 6, 7, 8]
