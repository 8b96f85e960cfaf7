"""The story of a copy, played to its end against a server that keeps real bytes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5

import pytest

from gof3r.engine.errors import Interrupted, TransferError
from gof3r.engine.flow import passing, plan, server_copy
from gof3r.engine.flow.events import CollectorLost, Signalled
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Failure, Header, Response
from tests.flow.scripts import RESET, Act, Die, Hang, Result, after, honest, instead, saying
from tests.flow.store import (
    FROM,
    FROM_SIDECAR,
    OBJECT,
    SIDECAR,
    SOURCE,
    TARGET,
    Store,
    Stored,
    composite,
    error,
)
from tests.flow.transfers import BOTH, copy
from tests.flow.world import World

DATA = bytes(range(60))
CREATE, COMPLETE, ABORT = "create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload"
CUTS = (16, 16, 16, 12)
"""Of a source that was put in parts; they fit the slots."""
DENIED = error(403, "AccessDenied", "Access Denied")
UNKNOWN = error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which S3 takes parts of 8 bytes."""
    monkeypatch.setattr(plan, "MIN_PART", 8)


def pieces(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    starts = [sum(cuts[:number]) for number in range(len(cuts))]
    return [data[start : start + length] for start, length in zip(starts, cuts, strict=True)]


def source(data: bytes = DATA, *, cuts: tuple[int, ...] = (), digests: tuple[str, ...] = ()) -> Store:
    store = Store()
    store.keep(data, path=FROM, cuts=cuts, digests=digests)
    return store


def encrypted(store: Store) -> Store:
    """The same under a key of KMS: its ETag says nothing of its bytes."""
    store.objects[FROM].headers["x-amz-server-side-encryption"] = "aws:kms"
    return store


def made(world: World) -> Stored:
    return world.store.objects[OBJECT]


def operations(world: World) -> set[str]:
    return {job.request.operation for job in world.jobs}


# --- by the server ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 60])
@pytest.mark.parametrize(("digests", "proofs"), [(("crc64nvme",), BOTH), ((), ("md5",))])
def test_an_object_of_one_piece_is_copied_by_one_request(
    size: int, digests: tuple[str, ...], proofs: tuple[str, ...]
) -> None:
    world = copy(source(DATA[:size], digests=digests)).run()
    assert world.log == ["source head_object", "copy_object", "head_object", "sidecar"]
    assert made(world).data == DATA[:size]
    assert (world.receipt.size, world.receipt.etag, world.receipt.proofs) == (size, made(world).etag, proofs)
    assert world.receipt.digests["md5"] == md5(DATA[:size]).digest()
    assert world.warnings == []


def test_a_copy_by_the_server_is_given_its_time_and_pinned_to_what_was_seen() -> None:
    world = copy(source(cuts=CUTS)).run()
    copies = [job for job in world.jobs if job.request.operation == "upload_part_copy"]
    assert len(copies) == 4
    assert all(job.patient and job.slot is None for job in copies)
    etag = world.store.objects[FROM].etag
    assert all(("x-amz-copy-source-if-match", f'"{etag}"') in job.request.headers for job in copies)


@pytest.mark.parametrize("cuts", [CUTS, (8,) * 7 + (4,), (40, 20)])
@pytest.mark.parametrize(("digests", "proofs"), [(("crc64nvme",), BOTH), ((), ("md5",))])
def test_an_object_of_parts_is_copied_on_its_own_boundaries_and_keeps_its_etag(
    cuts: tuple[int, ...], digests: tuple[str, ...], proofs: tuple[str, ...]
) -> None:
    world = copy(source(cuts=cuts, digests=digests), sidecar=False).run()
    assert "get_object" not in operations(world)
    assert made(world).data == DATA
    assert made(world).cuts == cuts
    assert world.receipt.etag == made(world).etag == composite(pieces(DATA, cuts))
    assert world.receipt.proofs == proofs
    assert world.warnings == []


def test_the_first_part_is_copied_alone_and_the_others_at_once() -> None:
    world = copy(source(cuts=CUTS), sidecar=False).on("copy 2", instead(Hang()))
    world.run(until=lambda: "copy 4" in world.log)
    first = world.log.index("upload_part_copy")
    assert world.log[first + 1 : first + 4] == ["copy 2", "copy 3", "copy 4"]


def test_many_parts_are_copied_without_a_queue_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "AHEAD", 2)
    world = copy(source(cuts=(8,) * 7 + (4,)), sidecar=False).run()
    assert made(world).data == DATA


def test_an_object_too_large_for_one_request_is_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_copy, "MAX_COPY", len(DATA) - 1)
    world = copy(source(digests=("crc64nvme",))).run()
    assert made(world).cuts == (8,) * 7 + (4,)
    assert world.receipt.proofs == ("crc64nvme",)
    assert world.store.objects[SIDECAR].data == md5(DATA).hexdigest().encode()


def test_an_empty_object_of_one_part_has_no_range_to_copy() -> None:
    world = copy(source(b"", cuts=(0,), digests=("crc64nvme",)), sidecar=False).run()
    assert world.log == ["source head_object", "copy_object", "head_object"]
    assert world.receipt.proofs == ("crc64nvme",)


def test_a_store_that_rejects_checksum_headers_gets_the_copied_parts_without() -> None:
    rejected = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")
    world = copy(source(cuts=CUTS, digests=("crc64nvme",))).on(CREATE, instead(rejected)).run()
    (complete,) = [job.request for job in world.jobs if job.request.operation == COMPLETE]
    assert not any("checksum" in name for name, _ in complete.headers)
    assert world.receipt.proofs == ("md5",)


def test_a_look_at_the_parts_that_the_network_prevents_fails() -> None:
    untrusted = Failure("transport", "60", connected=False)
    world = copy(source(cuts=CUTS)).on("source head_object", honest, instead(untrusted)).run()
    assert "network error (curl 60)" in str(world.error)


def test_a_store_that_tells_nothing_of_parts_gets_equal_ones() -> None:
    store = source(cuts=CUTS, digests=("crc64nvme",))
    world = copy(store, sidecar=False).on("source head_object", honest, *[instead(error(400))] * 2)
    assert world.run().receipt.proofs == ("crc64nvme",)
    assert made(world).cuts == (8,) * 7 + (4,)


def test_unequal_parts_that_no_habit_explains_are_copied_as_they_are() -> None:
    world = copy(source(cuts=(24, 8, 16, 12), digests=("crc64nvme",)), sidecar=False).run()
    assert made(world).cuts == (24, 8, 16, 12)
    assert world.receipt.proofs == ("md5", "crc64nvme")
    assert "get_object" not in operations(world)


def test_a_layout_that_was_guessed_wrong_makes_another_etag_and_is_copied_again_through_the_slots() -> None:
    cuts = (16, 8, 20, 16)  # 4 parts of which the first has 16 bytes: taken for 16, 16, 16, 12
    world = copy(source(cuts=cuts))
    world.store.keep_sidecar(DATA, path=FROM_SIDECAR)
    world.run()
    assert any("nothing proves what the server made" in warning for warning in world.warnings)
    assert made(world).data == DATA
    assert "range 1" in world.log
    assert world.receipt.proofs == ("md5",)
    assert world.store.uploads == {}


def test_opaque_etags_prove_no_copy_and_crcs_do() -> None:
    world = copy(encrypted(source(digests=("crc64nvme",))), sidecar=False).run()
    assert "get_object" not in operations(world)
    assert world.receipt.proofs == ("crc64nvme",)


def test_an_opaque_etag_is_no_md5_for_a_sidecar() -> None:
    world = copy(encrypted(source(digests=("crc64nvme",)))).run()
    assert world.receipt.proofs == ("crc64nvme",)
    assert SIDECAR not in world.store.objects


def test_a_copy_whose_crc_is_another_is_not_to_be_trusted() -> None:
    wrong = b"<Result><ETag>e</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></Result>"
    world = copy(source(digests=("crc64nvme",))).on("copy_object", saying(wrong))
    world.on("head_object", saying(etag="e")).run()
    assert "is not to be trusted: CRC64NVME " in str(world.error)
    assert "AAAAAAAAAAA= was answered" in str(world.error)
    assert SIDECAR not in world.store.objects


@pytest.mark.parametrize("refusal", [UNKNOWN, DENIED, error(405, "MethodNotAllowed")])
@pytest.mark.parametrize("cuts", [(), CUTS])
def test_what_the_server_does_not_copy_passes_through_and_says_so(
    cuts: tuple[int, ...], refusal: Response
) -> None:
    world = copy(source(cuts=cuts, digests=("crc64nvme",)))
    world.on("copy_object", instead(refusal)).on("upload_part_copy", instead(refusal)).run()
    assert made(world).data == DATA
    assert world.receipt.proofs
    assert any("copying through this machine instead" in warning for warning in world.warnings)
    assert world.store.uploads == {}


@pytest.mark.parametrize("lost", [RESET, error(500, "InternalError"), error(200, "InternalError")])
@pytest.mark.parametrize("cuts", [(), CUTS])
def test_a_lost_answer_to_a_copy_costs_a_retry(cuts: tuple[int, ...], lost: Result) -> None:
    world = copy(source(cuts=cuts)).on("copy_object", after(lost)).on("upload_part_copy", *[after(lost)] * 3)
    world.run()
    assert made(world).data == DATA
    assert "range 1" not in world.log
    assert world.store.uploads == {}


def test_a_store_that_rejects_checksum_headers_copies_without_them() -> None:
    rejected = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")
    world = copy(source()).on("copy_object", instead(rejected)).run()
    assert world.receipt.proofs == ("md5",)
    assert world.log.count("copy_object") == 2


@pytest.mark.parametrize("what", ["copy 3", COMPLETE])
def test_a_copy_in_parts_that_fails_is_aborted_and_is_no_reason_to_begin_again(what: str) -> None:
    world = copy(source(cuts=CUTS)).on(what, instead(DENIED)).run()
    assert "server answered 403 AccessDenied" in str(world.error)
    assert world.log[-4:] == ["hush", "silent", ABORT, "list_parts"]
    assert world.store.uploads == {}
    assert OBJECT not in world.store.objects


@pytest.mark.parametrize("what", ["copy_object", "upload_part_copy", "copy 2"])
@pytest.mark.parametrize("body", [b"<html>", b"<CopyPartResult><ETag></ETag></CopyPartResult>"])
def test_an_unreadable_answer_to_a_copy_is_asked_for_once_more(what: str, body: bytes) -> None:
    cuts = () if what == "copy_object" else CUTS
    once = copy(source(cuts=cuts)).on(what, saying(body)).run()
    assert once.store.objects[OBJECT].data == DATA
    twice = copy(source(cuts=cuts))
    twice.default = lambda job: saying(body) if "copy" in job.request.operation else honest
    world = twice.run()
    assert str(world.error).startswith("copy s3://")
    assert "check of the answer failed: the answer" in str(world.error)
    assert "ETag" in str(world.error)
    assert world.store.uploads == {}


# --- what goes along ------------------------------------------------------------------

SAID = {"content-type": "text/x-test", "cache-control": "no-store", "x-amz-meta-colour": "blue"}


@pytest.mark.parametrize("cuts", [(), CUTS])
@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), SAID),
        (
            (("Content-Type", "a/b"), ("X-Amz-Meta-Shape", "round"), ("x-amz-storage-class", "GLACIER_IR")),
            SAID | {"content-type": "a/b", "x-amz-meta-shape": "round"},
        ),
        ((("x-amz-acl", "private"),), SAID),
    ],
)
def test_metadata_goes_along_but_for_what_is_given(
    cuts: tuple[int, ...], server_side: bool, headers: tuple[Header, ...], expected: dict[str, str]
) -> None:
    store = source(cuts=cuts, digests=("crc64nvme",))
    store.objects[FROM].headers |= SAID
    world = copy(store, server_side=server_side, headers=headers).run()
    kept = {name: value for name, value in made(world).headers.items() if "checksum" not in name}
    assert kept == expected
    makers = [job for job in world.jobs if job.request.operation in ("copy_object", CREATE, "put_object")]
    assert all(header in makers[0].request.headers for header in headers)


@pytest.mark.parametrize("cuts", [(), CUTS])
@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize(("headers", "tags"), [((), "a=b&c=d%20e"), ((("x-amz-tagging", "f=g"),), "f=g")])
def test_tags_go_along_unless_others_are_given(
    cuts: tuple[int, ...], server_side: bool, headers: tuple[Header, ...], tags: str
) -> None:
    store = source(cuts=cuts)
    store.objects[FROM].tags = "a=b&c=d%20e"
    world = copy(store, server_side=server_side, headers=headers).run()
    assert made(world).tags == tags
    assert not (headers and "get_object_tagging" in operations(world))


def test_tags_that_cannot_be_read_for_once_are_not_left_behind() -> None:
    store = source()
    store.objects[FROM].tags = "a=b"
    world = copy(store, server_side=False, attempts=1).on("source get_object_tagging", instead(error(500)))
    assert "get_object_tagging: server answered 500" in str(world.run().error)


def test_tags_that_may_not_be_read_stay_behind_and_that_is_told() -> None:
    store = source()
    store.objects[FROM].tags = "a=b"
    world = copy(store, server_side=False).on("source get_object_tagging", instead(DENIED)).run()
    assert made(world).tags == ""
    assert any("copied without its 1 tags" in warning for warning in world.warnings)


# --- the sidecar ------------------------------------------------------------------


@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize("cuts", [(), CUTS])
def test_the_copys_sidecar_holds_the_sources_md5_and_names_the_copys_etag(
    cuts: tuple[int, ...], server_side: bool
) -> None:
    store = source(cuts=cuts)
    store.keep_sidecar(DATA, store.objects[FROM].etag, path=FROM_SIDECAR)
    world = copy(store, server_side=server_side).run()
    assert store.objects[SIDECAR].data == md5(DATA).hexdigest().encode()
    assert store.objects[SIDECAR].headers["x-amz-meta-etag"] == world.receipt.etag
    assert world.receipt.digests["md5"] == md5(DATA).digest()


def test_a_sidecar_that_is_damaged_on_its_way_is_read_again() -> None:
    store = source(cuts=CUTS)
    store.keep_sidecar(DATA, store.objects[FROM].etag, path=FROM_SIDECAR)
    world = copy(store).on("sidecar", saying(b"0" * 32)).run()
    assert store.objects[SIDECAR].data == md5(DATA).hexdigest().encode()
    assert world.warnings == []


def test_a_sidecar_that_is_damaged_again_is_not_copied() -> None:
    store = source(cuts=CUTS)
    store.keep_sidecar(DATA, store.objects[FROM].etag, path=FROM_SIDECAR)
    world = copy(store).on("sidecar", saying(b"0" * 32), saying(b"0" * 32)).run()
    assert "is damaged: its ETag is not its own md5: not copied" in world.warnings[0]
    assert SIDECAR not in store.objects
    assert world.receipt.proofs == ("md5",)


@pytest.mark.parametrize("etag", [None, "stale"])
def test_a_md5_that_nobody_has_told_makes_no_sidecar_beside_a_servers_copy(etag: str | None) -> None:
    store = source(cuts=CUTS)
    if etag:
        store.keep_sidecar(DATA, etag, path=FROM_SIDECAR)
    world = copy(store).run()
    assert world.receipt.proofs == ("md5",)
    assert SIDECAR not in store.objects


@pytest.mark.parametrize("server_side", [True, False])
def test_without_the_sidecar_none_is_read_nor_written(server_side: bool) -> None:
    world = copy(source(), server_side=server_side, sidecar=False).run()
    assert not any("/.md5/" in job.request.path for job in world.jobs)


# --- through the slots ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 7, 8])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
@pytest.mark.parametrize("sidecar", [True, False])
def test_what_fits_one_part_is_received_proven_and_put(
    size: int, digests: tuple[str, ...], sidecar: bool
) -> None:
    store = source(DATA[:size], digests=("crc64nvme",))
    world = copy(store, server_side=False, digests=digests, sidecar=sidecar).run()
    assert made(world).data == DATA[:size]
    assert made(world).etag == world.receipt.etag == md5(DATA[:size]).hexdigest()
    assert world.receipt.proofs
    assert (SIDECAR in store.objects) == sidecar


@pytest.mark.parametrize("slots", [1, 2, 10])
@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_longer_object_passes_in_parts(slots: int, sidecar: bool, seed: int | None) -> None:
    world = copy(source(digests=("crc64nvme",)), server_side=False, slots=slots, sidecar=sidecar, seed=seed)
    world.run()
    assert made(world).data == DATA
    assert made(world).cuts == (8,) * 7 + (4,)
    assert "crc64nvme" in world.receipt.proofs
    assert world.receipt.digests["crc64nvme"] == checksums.compute(BOTH, memoryview(DATA))["crc64nvme"]
    assert (SIDECAR in world.store.objects) == sidecar
    assert world.most_slots <= slots


def test_no_range_is_on_its_way_while_the_upload_is_created() -> None:
    world = copy(source(), server_side=False).on("range 1", instead(DENIED)).run()
    assert world.log.index(CREATE) < world.log.index("range 1")
    assert world.store.uploads == {}


def test_parts_keep_their_boundaries_where_they_fit_the_memory() -> None:
    world = copy(source(cuts=CUTS), server_side=False, sidecar=False).run()
    assert made(world).cuts == CUTS
    assert world.receipt.etag == world.store.objects[FROM].etag
    assert world.receipt.proofs == ("md5",)


def test_parts_that_do_not_fit_the_memory_are_cut_anew() -> None:
    big = bytes(200_000)
    cuts = (100_000, 100_000)
    store = source(big, cuts=cuts, digests=("crc64nvme",))
    world = copy(store, server_side=False, sidecar=False, slots=1, part_size=60_000).run()
    assert made(world).data == big
    assert made(world).cuts == (60_000, 60_000, 60_000, 20_000)


def test_an_object_that_no_parts_within_memory_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    big = bytes(range(256)) * 400
    world = copy(source(big), server_side=False, slots=1, part_size=8)
    monkeypatch.setattr(plan, "MAX_PARTS", 1)
    assert "use a larger --memory" in str(world.run().error)


def test_the_digests_of_what_was_received_are_what_is_sent() -> None:
    world = copy(source(), server_side=False).run()
    sent = [job for job in world.jobs if job.request.operation == "upload_part"]
    assert len(sent) == 8
    for job in sent:
        assert job.part is not None
        data = DATA[job.part.offset : job.part.offset + job.part.length]
        assert dict(job.known) == checksums.compute(BOTH, memoryview(data))


def test_a_part_damaged_in_memory_between_its_arrival_and_its_sending_is_never_kept() -> None:
    world = copy(source(), server_side=False, attempts=2)

    def damage() -> None:
        for job in world.jobs[-1:]:
            if job.request.operation == "upload_part" and job.slot and job.part:
                world.memory.write(job.slot, b"damaged!"[: job.part.length])

    world.before = damage
    world.run()
    assert "BadDigest" in str(world.error)
    assert OBJECT not in world.store.objects
    assert world.store.uploads == {}


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize("claim", ["crc64nvme", "sidecar"])
def test_a_source_that_is_not_what_is_stored_about_it_never_becomes_an_object(size: int, claim: str) -> None:
    store = source(DATA[:size], digests=("crc64nvme",) if claim == "crc64nvme" else ())
    if claim == "sidecar":
        store.keep_sidecar(b"other", path=FROM_SIDECAR)
    kept = store.objects[FROM]
    store.objects[FROM] = replace(kept, data=b"x" + kept.data[1:])
    world = copy(store, server_side=False).run()
    assert isinstance(world.error, TransferError)
    assert OBJECT not in store.objects
    assert store.uploads == {}
    assert COMPLETE not in world.log and "put_object" not in world.log


def test_a_source_that_nothing_proves_is_copied_only_when_that_is_accepted() -> None:
    refused = copy(encrypted(source()), server_side=False).run()
    assert "nothing that is stored with it" in str(refused.error)
    world = copy(encrypted(source()), server_side=False, sidecar=False, unproven=True).run()
    assert made(world).data == DATA
    assert world.receipt.proofs == ()


def test_what_nothing_would_prove_is_not_copied_by_the_server() -> None:
    store = encrypted(source())
    store.keep(b"older")
    world = copy(store).run()
    assert "nothing that is stored with it" in str(world.error)
    assert store.objects[OBJECT].data == b"older"


def test_parts_smaller_than_s3_takes_are_no_boundaries_and_prove_nothing() -> None:
    small = (4,) * 15
    world = copy(source(cuts=small, digests=("crc64nvme",)), sidecar=False).run()
    assert made(world).cuts == (8,) * 7 + (4,)
    refused = copy(source(cuts=small), server_side=False).run()
    assert "the parts that could prove it are none that S3 takes" in str(refused.error)
    taken = copy(source(cuts=small), server_side=False, sidecar=False, unproven=True).run()
    assert (made(taken).data, taken.receipt.proofs) == (DATA, ())


@pytest.mark.parametrize("number", [1, 5, 8])
@pytest.mark.parametrize("what", ["range", "part"])
def test_a_failure_on_either_side_aborts_the_destination(what: str, number: int) -> None:
    world = copy(source(), server_side=False, seed=number).on(f"{what} {number}", instead(DENIED)).run()
    assert "server answered 403 AccessDenied" in str(world.error)
    assert world.store.uploads == {}
    assert OBJECT not in world.store.objects


def test_a_source_that_changes_meanwhile_fails_and_is_aborted() -> None:
    world = copy(source(), server_side=False)

    def change(act: Act) -> Result:
        world.store.keep(DATA[::-1], path=FROM)
        return act()

    world.on("range 4", change).run()
    assert "PreconditionFailed" in str(world.error)
    assert world.store.uploads == {}


def test_a_store_that_rejects_checksum_headers_gets_the_parts_without() -> None:
    rejected = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")
    for size in (8, 60):
        world = copy(source(DATA[:size]), server_side=False)
        world.on(CREATE, instead(rejected)).on("put_object", instead(rejected)).run()
        assert made(world).data == DATA[:size]
        assert all(set(job.known) == {"md5"} for job in world.jobs if job.known and job.attempt > 1)


def test_a_worker_that_dies_costs_a_retry() -> None:
    world = copy(source(), server_side=False)
    world.on("range 2", instead(Die())).on("part 3", after(Die())).run()
    assert made(world).data == DATA


def test_the_source_is_read_by_its_own_keys() -> None:
    world = copy(source(), source=replace(SOURCE, role="source"), server_side=False).run()
    assert {job.request.role for job in world.jobs if job.request.bucket == "source"} == {"source"}
    assert {job.request.role for job in world.jobs if job.request.bucket == "bucket"} == {"main"}


# --- where to ------------------------------------------------------------------


def test_an_object_is_not_copied_onto_itself_unless_a_header_changes() -> None:
    world = copy(source(), source=TARGET)
    world.store.keep(DATA)
    world.run()
    assert "the source is the destination" in str(world.error)
    assert world.jobs == []
    world = copy(world.store, source=TARGET, headers=(("x-amz-meta-colour", "red"),), sidecar=False).run()
    assert made(world).headers["x-amz-meta-colour"] == "red"
    assert made(world).data == DATA


def test_an_older_version_may_be_copied_onto_its_own_key() -> None:
    store = Store()
    store.keep(DATA, x_amz_version_id="v1")
    world = copy(store, source=replace(TARGET, version_id="v1"), server_side=False).run()
    assert world.receipt.size == len(DATA)


@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize("cuts", [(), CUTS])
def test_with_if_none_match_an_object_that_is_there_stays(cuts: tuple[int, ...], server_side: bool) -> None:
    for looks in (True, False):
        store = source(cuts=cuts, digests=("crc64nvme",))
        store.keep(b"another's")
        world = copy(store, server_side=server_side, if_none_match=True)
        if not looks:
            world.on("head_object", instead(Response(403, {})))
        world.run()
        assert "there is an object already" in str(world.error)
        assert made(world).data == b"another's"
        assert store.uploads == {}


def test_a_copy_that_a_lost_answer_had_made_is_ours() -> None:
    world = copy(source(), if_none_match=True).on("copy_object", after(RESET)).run()
    assert world.receipt.proofs == ("md5",)
    assert made(world).data == DATA


def test_a_source_that_changes_before_a_conditional_copy_is_not_taken_for_an_object_in_the_way() -> None:
    world = copy(source(), if_none_match=True).on("copy_object", instead(error(412, "PreconditionFailed")))
    world.run()
    assert "copy_object: server answered 412" in str(world.error)


def test_what_the_server_made_unproven_is_replaced_and_nothing_else() -> None:
    def overwritten(act: Act) -> Result:
        world.store.keep(b"another's")
        return act()

    cuts = (16, 8, 20, 16)
    for script, data in ((None, DATA), (overwritten, b"another's")):
        store = source(cuts=cuts)
        store.keep_sidecar(DATA, path=FROM_SIDECAR)
        world = copy(store, if_none_match=True)
        if script:
            world.on("range 1", script)
        world.run()
        assert made(world).data == data
        assert (world.finish is not None and world.finish.error is None) == (data == DATA)
        assert store.uploads == {}


# --- interruption ------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize("make", [lambda: source(cuts=CUTS), lambda: source(DATA[:8])])
def test_a_signal_at_any_step_leaves_no_upload_behind(
    make: Callable[[], Store], server_side: bool, seed: int | None
) -> None:
    step = 1
    while True:
        world = copy(make(), server_side=server_side, seed=seed)
        world.before = lambda: Signalled(signal.SIGTERM) if world.steps == step else None  # noqa: B023
        world.run()
        assert world.finish is not None
        if world.finish.error is None:
            break
        assert isinstance(world.error, Interrupted)
        assert world.store.uploads == {}
        step += 1
    assert step > 5
    assert made(world).data == world.store.objects[FROM].data


def test_a_lost_collector_aborts() -> None:
    world = copy(source(), server_side=False)
    world.run(until=lambda: "part 3" in world.log)
    world.handle(CollectorLost())
    world.run()
    assert "the collector process was lost" in str(world.error)
    assert world.store.uploads == {}
