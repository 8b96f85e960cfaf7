"""The story of a download: whatever is stored with an object proves it, and nothing wrong gets through."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5

import pytest

from gof3r.engine.errors import Interrupted, ReaderGone, TransferError
from gof3r.engine.flow.events import CollectorLost, Event, Receipt, Signalled, SinkFailed
from gof3r.engine.values import Response
from tests.flow.scripts import RESET, Act, Result, instead, saying
from tests.flow.store import OBJECT, SIDECAR, TARGET, Store, error
from tests.flow.transfers import get
from tests.flow.world import World

DATA = bytes(range(60))
OTHER = bytes(60)
RANGES = [f"range {number}" for number in range(1, 9)]
EQUAL = (16, 16, 16, 12)
UNEQUAL = (16, 8, 24, 12)
NONE = "nothing that could prove it is stored with it"


def with_crc(store: Store, data: bytes) -> None:
    store.keep(data, cuts=EQUAL, digests=["crc64nvme"])


def with_crc32c(store: Store, data: bytes) -> None:
    store.keep(data, cuts=EQUAL, digests=["crc32c", "crc32"])


def with_crc32(store: Store, data: bytes) -> None:
    store.keep(data, cuts=EQUAL, digests=["crc32"])


def with_sidecar(store: Store, data: bytes) -> None:
    stored = store.keep(data, cuts=UNEQUAL)
    store.keep_sidecar(data, stored.etag)


def with_old_sidecar(store: Store, data: bytes) -> None:
    store.keep(data, cuts=UNEQUAL)
    store.keep_sidecar(data)


def with_sidecar_and_crc(store: Store, data: bytes) -> None:
    stored = store.keep(data, cuts=EQUAL, digests=["crc64nvme"])
    store.keep_sidecar(data, stored.etag)


def with_md5(store: Store, data: bytes) -> None:
    store.keep(data)


def with_composite(store: Store, data: bytes) -> None:
    store.keep(data, cuts=EQUAL)


def with_sha256(store: Store, data: bytes) -> None:
    store.keep(data, digests=["sha256"], x_amz_server_side_encryption="aws:kms")


PROOFS = [
    (with_crc, ("crc64nvme",), "verifying by crc64nvme instead"),
    (with_crc32c, ("crc32c",), "verifying by crc32c instead"),
    (with_crc32, ("crc32",), "verifying by crc32 instead"),
    (with_sidecar, ("md5",), ""),
    (with_old_sidecar, ("md5",), ""),
    (with_sidecar_and_crc, ("md5", "crc64nvme"), ""),
    (with_md5, ("md5",), "verifying by its ETag instead"),
    (with_composite, ("md5",), "verifying by its ETag instead"),
    (with_sha256, ("sha256",), "verifying by sha256 instead"),
]
Keep = Callable[[Store, bytes], None]
WITHOUT_SIDECAR = {with_crc, with_crc32c, with_crc32, with_composite, with_sha256}


def stored(keep: Keep, data: bytes = DATA) -> Store:
    store = Store()
    keep(store, data)
    return store


@pytest.mark.parametrize(("keep", "proofs", "warning"), PROOFS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_whatever_is_stored_proves_the_object(
    keep: Keep, proofs: tuple[str, ...], warning: str, seed: int | None
) -> None:
    world = get(stored(keep), seed=seed).run()
    assert world.receipt.proofs == proofs
    assert (world.receipt.size, world.receipt.etag) == (60, world.store.objects[OBJECT].etag)
    assert world.delivered == DATA
    assert len(world.warnings) == bool(warning)
    assert all(warning in text for text in world.warnings)


@pytest.mark.parametrize(("keep", "proofs", "_"), PROOFS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_wrong_bytes_are_refused_by_every_kind_of_proof_and_their_end_is_never_delivered(
    keep: Keep, proofs: tuple[str, ...], _: str, seed: int | None
) -> None:
    store = stored(keep)
    store.objects[OBJECT].data = DATA[:30] + b"X" + DATA[31:]
    world = get(store, seed=seed).run()
    assert isinstance(world.error, TransferError)
    assert len(world.delivered) <= 60 - 4  # all but the last range
    if keep is not with_composite:
        assert "do not use what was received" in str(world.error)


@pytest.mark.parametrize(("keep", "proofs", "_"), PROOFS)
def test_a_tampered_last_range_is_never_delivered(keep: Keep, proofs: tuple[str, ...], _: str) -> None:
    length = 12 if keep is with_composite else 4
    last = "range 4" if keep is with_composite else "range 8"
    world = get(stored(keep)).on(last, saying(b"X" * length)).run()
    assert isinstance(world.error, TransferError)
    assert b"X" not in world.delivered


@pytest.mark.parametrize(
    ("name", "keep"),
    [("crc64nvme", with_crc), ("crc32c", with_crc32c), ("crc32", with_crc32), ("sha256", with_sha256)],
)
def test_a_wrong_stored_checksum_fails(name: str, keep: Keep) -> None:
    store = stored(keep)
    wrong = Store().keep(OTHER, digests=[name]).headers[f"x-amz-checksum-{name}"]
    store.objects[OBJECT].headers[f"x-amz-checksum-{name}"] = wrong
    world = get(store).run()
    assert f"{name} of the bytes is " in str(world.error)
    assert "from its checksum; do not use what was received" in str(world.error)


def test_a_wrong_sidecar_fails_even_when_a_crc_agrees() -> None:
    store = stored(with_crc)
    store.keep_sidecar(OTHER, store.objects[OBJECT].etag)
    error_line = str(get(store).run().error)
    assert f"md5 of the bytes is {md5(DATA).hexdigest()}, expected {md5(OTHER).hexdigest()}" in error_line
    assert "from its sidecar" in error_line


def test_a_wrong_md5_etag_fails() -> None:
    store = stored(with_md5)
    store.objects[OBJECT].etag = md5(OTHER).hexdigest()
    assert f"expected {md5(OTHER).hexdigest()} from its ETag" in str(get(store).run().error)


# --- without the sidecar ------------------------------------------------------------------


@pytest.mark.parametrize(("keep", "proofs", "_"), [row for row in PROOFS if row[0] in WITHOUT_SIDECAR])
def test_no_md5_reads_no_sidecar_and_uses_every_other_proof(
    keep: Keep, proofs: tuple[str, ...], _: str
) -> None:
    world = get(stored(keep), sidecar=False).run()
    assert world.receipt.proofs == proofs
    assert world.warnings == []
    assert "sidecar" not in world.log


@pytest.mark.parametrize(("part_size", "proofs"), [(60, ("md5",)), (59, ())])
def test_no_md5_computes_no_serial_md5_of_a_long_stream(part_size: int, proofs: tuple[str, ...]) -> None:
    world = get(stored(with_md5), sidecar=False, part_size=part_size).run()
    assert world.receipt.proofs == proofs
    assert world.delivered == DATA


def encrypted(store: Store, data: bytes) -> None:
    store.keep(data, x_amz_server_side_encryption="aws:kms")


def composite_checksum(store: Store, data: bytes) -> None:
    store.keep(data, cuts=UNEQUAL, x_amz_checksum_crc32="AAAAAA==-4", x_amz_checksum_type="COMPOSITE")


@pytest.mark.parametrize("keep", [encrypted, composite_checksum])
def test_an_object_that_nothing_proves_fails_and_names_no_md5(keep: Keep) -> None:
    world = get(stored(keep)).run()
    assert "use --no-md5 to accept it on its length and ETag alone" in str(world.error)
    assert len(world.delivered) <= 56


@pytest.mark.parametrize("keep", [encrypted, composite_checksum])
def test_with_no_md5_an_object_that_nothing_proves_is_taken_with_a_warning(keep: Keep) -> None:
    world = get(stored(keep), sidecar=False).run()
    assert world.receipt.proofs == ()
    assert world.delivered == DATA
    assert len(world.warnings) == 1
    assert "taken on its length and ETag alone" in world.warnings[0]


def test_nothing_is_fetched_of_an_object_that_cannot_be_proven() -> None:
    assert get(stored(encrypted)).run().log == ["head_object", "sidecar"]


@pytest.mark.parametrize(
    ("digests", "proofs", "warnings"), [(("md5",), ("md5",), 0), (("crc64nvme",), ("crc64nvme",), 0)]
)
def test_only_the_digests_that_were_asked_for_are_computed(
    digests: tuple[str, ...], proofs: tuple[str, ...], warnings: int
) -> None:
    world = get(stored(with_crc), digests=digests, sidecar=False).run()
    assert world.receipt.proofs == proofs
    assert len(world.warnings) == warnings
    assert all(job.digests == proofs for job in world.jobs if job.part)


# --- the layout is a guess ------------------------------------------------------------------


def test_a_composite_etag_is_recomputed_on_the_objects_own_parts() -> None:
    world = get(stored(with_composite)).run()
    assert [(job.part.offset, job.part.length) for job in world.jobs if job.part] == [
        (0, 16),
        (16, 16),
        (32, 16),
        (48, 12),
    ]


@pytest.mark.parametrize("cuts", [UNEQUAL, (16, 20, 12, 12)])
def test_a_composite_etag_on_a_wrong_guess_is_not_proven_and_never_corrupt(cuts: tuple[int, ...]) -> None:
    store = Store()
    store.keep(DATA, cuts=cuts)
    failed = get(store).run()
    assert "use --no-md5" in str(failed.error)
    assert "do not use" not in str(failed.error) and "expected" not in str(failed.error)
    taken = get(store, sidecar=False).run()
    assert taken.receipt.proofs == ()
    assert taken.delivered == DATA


def test_parts_that_do_not_fit_the_memory_are_not_recomputed() -> None:
    data = bytes(range(250)) * 1600
    store = Store()
    store.keep(data, cuts=(201_000, 199_000))
    world = get(store, part_size=65_536, slots=3, sidecar=False).run()
    assert world.receipt.proofs == ()
    assert world.delivered == data


# --- the sidecar ------------------------------------------------------------------


def test_a_stale_sidecar_that_names_another_etag_is_ignored_with_a_warning() -> None:
    store = stored(with_crc)
    store.keep_sidecar(OTHER, "an-older-etag")
    world = get(store).run()
    assert world.receipt.proofs == ("crc64nvme",)
    assert "the md5 sidecar s3://bucket/.md5/key.md5 belongs to another version" in world.warnings[0]


def test_a_stale_sidecar_is_no_proof_for_an_object_without_another() -> None:
    store = stored(encrypted)
    store.keep_sidecar(DATA, "an-older-etag")
    assert "use --no-md5" in str(get(store).run().error)


def test_a_version_uses_only_a_sidecar_that_names_its_etag() -> None:
    store = stored(with_old_sidecar)
    store.objects[OBJECT].headers["x-amz-version-id"] = "v1"
    world = get(store, target=replace(TARGET, version_id="v1")).run()
    assert "belongs to another version" in world.warnings[0]
    assert world.error


@pytest.mark.parametrize("text", [b"", b"not an md5", b"0" * 31, b"0" * 200])
def test_an_unreadable_sidecar_fails_and_names_no_md5(text: bytes) -> None:
    store = stored(with_crc)
    store.keep_sidecar(DATA, store.objects[OBJECT].etag)
    store.keep(text, path=SIDECAR)
    world = get(store).run()
    assert "the md5 sidecar holds" in str(world.error)
    assert "use --no-md5 to do without it" in str(world.error)
    assert world.delivered == b""


def test_a_sidecar_proves_also_where_a_stores_etags_are_other_digests() -> None:
    store = stored(with_sidecar_and_crc)
    store.objects[SIDECAR].headers["etag"] = f'"{"0" * 32}"'
    world = get(store).run()
    assert world.receipt.proofs == ("md5", "crc64nvme")
    assert world.log.count("sidecar") == 2
    store.objects[SIDECAR].data = b"0" * 32
    assert "md5 of the bytes is" in str(get(store).run().error)


@pytest.mark.parametrize("refusal", [error(403, "AccessDenied"), error(404, "NoSuchKey")])
def test_a_sidecar_that_may_not_be_read_counts_as_absent(refusal: Response) -> None:
    world = get(stored(with_sidecar_and_crc)).on("sidecar", instead(refusal)).run()
    assert world.receipt.proofs == ("crc64nvme",)
    assert world.warnings == ["s3://bucket/key has no md5 sidecar of its own: verifying by crc64nvme instead"]


@pytest.mark.parametrize("refusal", [error(400, "InvalidArgument"), error(301)])
def test_any_other_failure_to_read_the_sidecar_fails(refusal: Response) -> None:
    assert get(stored(with_sidecar_and_crc)).on("sidecar", instead(refusal)).run().error


def test_for_a_bucket_with_a_dot_the_old_place_of_the_sidecar_is_read_as_well() -> None:
    store = stored(with_md5)
    store.objects = {"/my.bucket/key": store.objects[OBJECT]}
    store.keep_sidecar(OTHER, path="/my.bucket/.md5/my.bucket/key.md5")
    world = get(store, target=replace(TARGET, bucket="my.bucket")).run()
    assert world.log[:3] == ["head_object", "sidecar", "sidecar"]
    assert f"expected {md5(OTHER).hexdigest()} from its sidecar" in str(world.error)


# --- requests ------------------------------------------------------------------


def test_every_range_is_pinned_to_the_etag_and_asked_in_part_order() -> None:
    world = get(stored(with_crc)).run()
    assert world.log == ["head_object", "sidecar", *RANGES]
    etag = world.store.objects[OBJECT].etag
    for number, job in enumerate(world.jobs[2:]):
        first, last = number * 8, min(number * 8 + 7, 59)
        assert job.request.headers == (("Range", f"bytes={first}-{last}"), ("If-Match", f'"{etag}"'))
        assert (job.etag, job.object_size) == (etag, 60)


@pytest.mark.parametrize("keep", [with_crc, with_md5, with_sha256, with_old_sidecar])
def test_an_empty_object_is_delivered_and_proven_without_a_range(keep: Keep) -> None:
    store = Store()
    if keep is with_old_sidecar:
        store.keep(b"", x_amz_server_side_encryption="aws:kms")
        store.keep_sidecar(b"")
    elif keep is with_crc:
        store.keep(b"", digests=["crc64nvme"])
    else:
        keep(store, b"")
    world = get(store).run()
    assert world.log == ["head_object", "sidecar"]
    assert world.receipt.size == 0
    assert len(world.receipt.proofs) == 1


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17])
def test_an_object_of_any_size_comes_whole(size: int) -> None:
    world = get(stored(with_md5, DATA[:size])).run()
    assert world.delivered == DATA[:size]
    its = md5(DATA[:size])
    assert world.receipt == Receipt(size, its.hexdigest(), ("md5",), digests={"md5": its.digest()})


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken")]
)
def test_a_refused_heads_missing_code_is_learnt_by_a_get_of_one_byte(status: int, code: str) -> None:
    world = get(stored(with_crc)).on("head_object", instead(error(status)))
    world.on("get_object", instead(error(status, code, "said by the body"))).run()
    assert world.log == ["head_object", "get_object"]
    assert ("Range", "bytes=0-0") in world.jobs[1].request.headers
    assert f"server answered {status} {code}: said by the body" in str(world.error)


def test_a_head_that_stays_refused_when_the_get_of_one_byte_succeeds_fails() -> None:
    refusal = instead(error(403))
    world = get(stored(with_crc)).on("head_object", refusal, refusal).run()
    assert world.log == ["head_object", "get_object", "head_object"]
    assert "head_object: server answered 403" in str(world.error)


def test_a_head_is_asked_again_when_the_get_of_one_byte_succeeds() -> None:
    world = get(stored(with_crc)).on("head_object", instead(error(403))).run()
    assert world.log[:3] == ["head_object", "get_object", "head_object"]
    assert world.delivered == DATA


def test_a_refused_head_of_an_empty_object_is_asked_again() -> None:
    world = get(stored(with_md5, b"")).on("head_object", instead(error(403))).run()
    assert world.receipt.size == 0


def test_an_object_that_is_not_there_is_named() -> None:
    world = get(Store()).run()
    assert "get s3://bucket/key: get_object: server answered 404 NoSuchKey" in str(world.error)


def test_an_object_that_changes_while_it_is_read_fails_with_412() -> None:
    world = get(stored(with_crc), slots=2)
    world.run(until=lambda: "range 4" in world.log)
    world.store.keep(OTHER, digests=["crc64nvme"])
    world.run()
    assert "412 PreconditionFailed" in str(world.error)
    assert "the object changed while it was read; run again" in str(world.error)
    assert DATA.startswith(world.delivered) and len(world.delivered) < 56


@pytest.mark.parametrize(
    "wrong",
    [
        saying(status=200),
        saying(content_range="bytes 0-7/61"),
        saying(content_range="bytes 8-15/60"),
        saying(etag="another"),
        saying(b"1234567"),
        saying(b""),
    ],
)
def test_a_wrong_answer_to_a_range_is_asked_once_more_on_a_fresh_connection(
    wrong: Callable[[Act], Result],
) -> None:
    world = get(stored(with_crc)).on("range 1", wrong).run()
    assert world.delivered == DATA
    assert [job.fresh for job in world.jobs if job.part and job.part.number == 1] == [False, True]
    again = get(stored(with_crc)).on("range 1", wrong, wrong).run()
    assert "part 1 (bytes 0-7): check of " in str(again.error)
    assert "again, on a fresh connection" in str(again.error)
    assert again.delivered == b""


# --- the reader ------------------------------------------------------------------


def test_a_slow_reader_stops_the_fetching_at_the_slots_and_loses_nothing() -> None:
    world = get(stored(with_crc), slots=3)
    world.reader_slow = True
    world.run(until=lambda: world.now > 2000)
    assert world.log[-1] == "range 3"
    world.reader_slow = False
    assert world.run().receipt and world.delivered == DATA


@pytest.mark.parametrize(
    ("number", "kind", "code"), [(errno.EPIPE, ReaderGone, 141), (errno.ENOSPC, TransferError, 1)]
)
def test_a_destination_that_fails_ends_the_download(number: int, kind: type[Exception], code: int) -> None:
    world = get(stored(with_crc))
    world.run(until=lambda: "range 4" in world.log)
    world.handle(SinkFailed(number, "what the system said"))
    assert type(world.error) is kind
    assert world.error.exit_code == code
    assert ("what the system said" in str(world.error)) == (kind is TransferError)


def test_a_lost_collector_ends_the_download() -> None:
    world = get(stored(with_crc))
    world.run(until=lambda: "range 4" in world.log)
    world.handle(CollectorLost())
    assert "the collector process was lost" in str(world.error)


@pytest.mark.parametrize("keep", [with_crc, with_sidecar, with_composite])
def test_a_signal_at_any_step_ends_the_download_at_once(keep: Keep) -> None:
    step = 1
    while True:
        world: World = get(stored(keep), seed=step)

        def strike(world: World = world, step: int = step) -> Event | None:
            return Signalled(signal.SIGINT) if world.steps == step else None

        world.before = strike
        world.run()
        if world.finish and world.finish.error is None:
            break
        assert isinstance(world.error, Interrupted)
        assert world.steps == step
        assert DATA.startswith(world.delivered)
        step += 1
    assert step > 20
    assert world.delivered == DATA


def test_a_reset_connection_costs_a_retry() -> None:
    world = get(stored(with_crc)).on("range 2", instead(RESET), instead(RESET)).run()
    assert world.delivered == DATA
    assert world.log.count("range 2") == 3


def test_a_choice_of_checksums_is_no_leave_to_go_without_proof() -> None:
    store = Store()
    store.keep(DATA, cuts=(17, 5, 38))
    world = get(store, digests=("crc64nvme",), sidecar=False, unproven=False).run()
    assert "nothing that is stored with it could prove it within --checksum crc64nvme" in str(world.error)
    assert world.delivered == b""


@pytest.mark.parametrize("said", ["", "v2"])
def test_another_version_than_the_one_asked_for_is_an_error(said: str) -> None:
    store = stored(with_crc)
    if said:
        store.objects[OBJECT].headers["x-amz-version-id"] = said
    world = get(store, target=replace(TARGET, version_id="v1")).run()
    assert f"version {said or 'none'} came, expected v1" in str(world.error)
    assert world.delivered == b""


def test_parts_too_large_for_the_slots_say_which_option_would_prove_the_object() -> None:
    store = Store()
    store.keep(DATA * 4000, cuts=(140_000, 100_000))
    world = get(store, slots=2).run()  # a slot is a page at least
    assert "136.7 KiB do not fit the slots' memory of 128.0 KiB" in str(world.error)
    assert "use a larger --memory" in str(world.error)
