"""The story of an upload, played to its end against a server that keeps real bytes."""

from __future__ import annotations

import signal
from collections import Counter
from hashlib import md5

import pytest

from gof3r.engine.errors import Interrupted, TransferError
from gof3r.engine.flow.dispatch import Work
from gof3r.engine.flow.events import (
    CollectorLost,
    Event,
    Fill,
    Filled,
    Receipt,
    Signalled,
    SourceFailed,
    Total,
)
from gof3r.engine.flow.outgoing import Outgoing
from gof3r.engine.flow.plan import MAX_PARTS, UploadPlan
from gof3r.engine.flow.slots import Ledger, stride
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Endpoint, Failure, Job, Request, Response, Target, Verdict
from tests.flow.scripts import REFUSED, RESET, Act, Die, Hang, Result, Script, after, instead, saying
from tests.flow.store import OBJECT, SIDECAR, Store, base64_of, composite, error
from tests.flow.transfers import BOTH, put, put_lengths
from tests.flow.world import World

DATA = bytes(range(60))  # 8 parts of 8 bytes, the last one of 4
PIECES = [DATA[start : start + 8] for start in range(0, len(DATA), 8)]
CREATE, COMPLETE, ABORT = "create_multipart_upload", "complete_multipart_upload", "abort_multipart_upload"
PARTS = [f"part {number}" for number in range(1, 9)]
DENIED = error(403, "AccessDenied", "Access Denied")
REJECTED = error(400, "InvalidRequest", "header x-amz-checksum-algorithm is not supported")
NO_UPLOAD = error(404, "NoSuchUpload", "The specified upload does not exist")


def kept(world: World) -> bytes:
    return world.store.objects[OBJECT].data


def completed(etag: str, crc: str = "") -> bytes:
    checksum = f"<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>" if crc else ""
    return f"<CompletedResult><ETag>{etag}</ETag>{checksum}</CompletedResult>".encode()


def left_behind(world: World) -> list[str]:
    return sorted(world.store.uploads)


# --- when all goes well ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 7, 8])
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_what_fits_one_part_is_one_put_object(size: int, digests: tuple[str, ...]) -> None:
    data = DATA[:size]
    world = put(data, digests=digests).run()
    assert world.log == ["put_object", "head_object", "sidecar"]
    assert kept(world) == data
    computed = checksums.compute({"md5", *digests}, memoryview(data))
    assert world.receipt == Receipt(size, md5(data).hexdigest(), digests, digests=computed)
    assert world.store.objects[SIDECAR].data == md5(data).hexdigest().encode()
    assert world.warnings == []


@pytest.mark.parametrize("size", [9, 15, 16, 17, 24, 60])
@pytest.mark.parametrize("slots", [1, 2, 10])
def test_a_longer_stream_is_created_sent_in_parts_and_completed(size: int, slots: int) -> None:
    data = DATA[:size]
    world = put(data, slots=slots).run()
    pieces = [data[start : start + 8] for start in range(0, size, 8)]
    assert world.log == [CREATE, *PARTS[: len(pieces)], COMPLETE, "head_object", "sidecar"]
    assert kept(world) == data
    assert world.store.objects[OBJECT].cuts == tuple(len(piece) for piece in pieces)
    assert world.receipt.etag == composite(pieces)
    assert world.receipt.proofs == BOTH
    assert world.receipt.digests == checksums.compute(BOTH, memoryview(data))
    assert left_behind(world) == []


@pytest.mark.parametrize("size", [8, 60])
def test_the_sidecar_holds_the_streams_md5_and_names_the_objects_etag(size: int) -> None:
    world = put(DATA[:size]).run()
    sidecar = world.store.objects[SIDECAR]
    assert sidecar.data == md5(DATA[:size]).hexdigest().encode()
    assert sidecar.headers["x-amz-meta-etag"] == world.receipt.etag == world.store.objects[OBJECT].etag


@pytest.mark.parametrize("size", [8, 60])
def test_without_the_sidecar_nothing_is_hashed_serially_and_the_parts_still_prove_the_object(
    size: int,
) -> None:
    world = put(DATA[:size], sidecar=False).run()
    assert SIDECAR not in world.store.objects
    assert world.receipt.proofs == BOTH


def test_the_crc_of_the_whole_object_is_demanded_of_the_server() -> None:
    world = put(DATA).run()
    requests = {job.request.operation: job.request for job in world.jobs}
    create, complete = requests[CREATE], requests[COMPLETE]
    assert ("x-amz-checksum-type", "FULL_OBJECT") in create.headers
    assert ("x-amz-checksum-crc64nvme", base64_of("crc64nvme", DATA)) in complete.headers
    assert ("x-amz-mp-object-size", "60") in complete.headers


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize(
    ("digests", "proofs"), [(BOTH, BOTH), (("md5",), ("md5",)), (("crc64nvme",), ("crc64nvme",))]
)
def test_opaque_etags_neither_prove_nor_disprove(
    size: int, digests: tuple[str, ...], proofs: tuple[str, ...]
) -> None:
    world = put(DATA[:size], digests=digests, store=Store(encryption="aws:kms")).run()
    assert world.receipt.proofs == proofs
    assert kept(world) == DATA[:size]


# --- stores that know no checksums ------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize(
    "refusal",
    [
        REJECTED,
        error(400, "InvalidArgument", "Unsupported Checksum header"),
        error(501, "NotImplemented"),
        error(501),
    ],
)
def test_a_store_that_rejects_checksum_headers_is_used_with_md5_and_says_so_once(
    size: int, refusal: Response
) -> None:
    world = put(DATA[:size]).on(CREATE, instead(refusal)).on("put_object", instead(refusal)).run()
    assert kept(world) == DATA[:size]
    assert world.receipt.proofs == ("md5",)
    assert world.warnings == ["the store rejects CRC64NVME checksums: going on with md5 alone"]
    last = [job for job in world.jobs if job.request.operation in (CREATE, "put_object")][1]
    assert not any("checksum" in name for name, _ in last.request.headers)
    assert all(job.digests == ("md5",) for job in world.jobs if job.part and job.attempt > 1)


@pytest.mark.parametrize("size", [8, 60])
def test_a_store_that_rejects_checksum_headers_fails_when_they_are_the_only_proof(size: int) -> None:
    world = put(DATA[:size], digests=("crc64nvme",))
    world.on(CREATE, instead(REJECTED)).on("put_object", instead(REJECTED)).run()
    assert "server answered 400 InvalidRequest" in str(world.error)
    assert len(world.log) == 1


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize(
    "refusal", [DENIED, error(400, "InvalidRequest", "no such thing"), error(400, "MalformedXML", "checksum")]
)
def test_any_other_refusal_is_not_taken_for_a_rejected_checksum(size: int, refusal: Response) -> None:
    world = put(DATA[:size]).on(CREATE, instead(refusal)).on("put_object", instead(refusal)).run()
    assert isinstance(world.error, TransferError)
    assert len(world.log) == 1
    assert not any("CRC64NVME" in warning for warning in world.warnings)


def test_the_fallback_is_made_once() -> None:
    world = put(DATA).on(CREATE, instead(REJECTED), instead(REJECTED)).run()
    assert "InvalidRequest" in str(world.error)
    assert world.log == [CREATE, CREATE]


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentChecksumMismatch"])
def test_a_bad_digest_is_never_a_reason_to_fall_back(code: str) -> None:
    world = put(DATA[:8], attempts=2)
    world.on("put_object", *[instead(error(400, code, "the checksum did not match"))] * 2).run()
    assert code in str(world.error)
    assert world.warnings == []


def test_crc_alone_is_proven_by_a_head_when_complete_does_not_return_it() -> None:
    world = put(DATA, digests=("crc64nvme",)).on(COMPLETE, saying(completed(composite(PIECES))))
    assert world.run().receipt.proofs == ("crc64nvme",)
    assert world.log[-3:] == [COMPLETE, "head_object", "sidecar"]


@pytest.mark.parametrize("size", [8, 60])
def test_crc_alone_fails_on_a_store_that_keeps_none(size: int) -> None:
    world = put(DATA[:size], digests=("crc64nvme",), store=Store(crc=False)).run()
    assert "the store keeps no CRC64NVME to prove it by" in str(world.error)


# --- the end of an upload ------------------------------------------------------------------


@pytest.mark.parametrize("etag", [composite(PIECES[::-1]), composite([DATA]), md5(DATA).hexdigest()])
def test_a_wrong_composite_etag_in_completes_answer_fails(etag: str) -> None:
    world = put(DATA).on(COMPLETE, saying(completed(etag))).run()
    said = f"is not to be trusted: ETag {etag}, expected {composite(PIECES)}; put it again"
    assert said in str(world.error)
    assert SIDECAR not in world.store.objects


@pytest.mark.parametrize("digests", [BOTH, ("crc64nvme",)])
def test_a_wrong_crc_in_completes_answer_fails(digests: tuple[str, ...]) -> None:
    wrong = completed(composite(PIECES), "AAAAAAAAAAA=")
    world = put(DATA, digests=digests).on(COMPLETE, saying(wrong)).run()
    assert f"CRC64NVME AAAAAAAAAAA=, expected {base64_of('crc64nvme', DATA)}" in str(world.error)


def test_a_part_damaged_in_memory_between_reading_and_sending_never_completes() -> None:
    world = put(DATA)

    def damage() -> Event | None:
        if world.jobs and world.jobs[-1].part and world.jobs[-1].slot:
            world.memory.write(world.jobs[-1].slot, b"damaged!"[: world.jobs[-1].part.length])
        return None

    world.before = damage
    world.run()
    assert "the parts that were sent are not the stream that was read: CRC64NVME" in str(world.error)
    assert COMPLETE not in world.log
    assert left_behind(world) == []


@pytest.mark.parametrize(
    "lost", [RESET, error(500, "InternalError"), error(504), error(200, "InternalError")]
)
@pytest.mark.parametrize("digests", [BOTH, ("md5",), ("crc64nvme",)])
def test_a_lost_reply_to_complete_is_believed_when_head_shows_the_expected_object(
    lost: Failure | Response, digests: tuple[str, ...]
) -> None:
    world = put(DATA, digests=digests).on(COMPLETE, after(lost)).run()
    assert world.log[-5:] == [COMPLETE, COMPLETE, "head_object", "head_object", "sidecar"]
    assert world.receipt.proofs == digests
    assert world.receipt.etag == composite(PIECES)


@pytest.mark.parametrize(
    ("digests", "another"),
    [
        (BOTH, saying(etag="e", x_amz_checksum_crc64nvme="AAAAAAAAAAA=")),
        (("md5",), saying(etag=composite([DATA]))),
        (("crc64nvme",), saying(x_amz_checksum_crc64nvme="AAAAAAAAAAA=")),
        (("crc64nvme",), saying(x_amz_checksum_crc64nvme="")),
        (BOTH, saying(content_length="61")),
        (BOTH, instead(error(404))),
    ],
)
def test_a_lost_reply_to_complete_is_not_believed_when_head_shows_another_object(
    digests: tuple[str, ...], another: Script
) -> None:
    world = put(DATA, digests=digests).on(COMPLETE, after(RESET)).on("head_object", another).run()
    assert isinstance(world.error, TransferError)
    assert SIDECAR not in world.store.objects


@pytest.mark.parametrize("first", [instead(REFUSED), instead(error(429))])
def test_nosuchupload_is_believed_as_it_stands_when_no_earlier_attempt_can_have_completed(
    first: Script,
) -> None:
    world = put(DATA).on(COMPLETE, first, after(NO_UPLOAD)).run()
    assert "NoSuchUpload" in str(world.error)
    assert "head_object" not in world.log


def test_an_error_inside_completes_200_is_tried_again() -> None:
    world = put(DATA).on(COMPLETE, instead(error(200, "InternalError"))).run()
    assert kept(world) == DATA
    assert world.log.count(COMPLETE) == 2


@pytest.mark.parametrize("body", [b"", b"<Complete", completed("")])
def test_an_unreadable_answer_to_complete_is_looked_into_and_no_success_by_itself(body: bytes) -> None:
    world = put(DATA).on(COMPLETE, saying(body)).run()
    assert kept(world) == DATA
    assert world.log.count(COMPLETE) == 2
    world = put(DATA).on(COMPLETE, instead(Response(200, {}, body)), instead(Response(200, {}, body))).run()
    assert f"{COMPLETE}: check of the answer failed: the answer" in str(world.error)
    assert world.store.uploads == {}


@pytest.mark.parametrize("lost", [RESET, Response(200, {}, b"<html>"), error(500, "InternalError")])
def test_a_complete_that_nobody_confirms_is_looked_into_in_the_end(lost: Result) -> None:
    world = put(DATA, attempts=3).on(COMPLETE, after(lost), instead(lost), instead(lost)).run()
    assert kept(world) == DATA
    assert world.store.uploads == {}
    world = put(DATA, attempts=3).on(COMPLETE, *[instead(lost)] * 3).run()
    assert COMPLETE in str(world.error)
    assert world.store.uploads == {}
    world = put(DATA, attempts=3).on(COMPLETE, after(lost), *[instead(lost)] * 2)
    world.on("head_object", *[instead(DENIED)] * 3).run()
    assert "whether it has made the object is not known" in str(world.error)


@pytest.mark.parametrize("answer", [DENIED, RESET])
def test_a_look_that_fails_says_that_the_object_is_confirmed(answer: Result) -> None:
    world = put(DATA, attempts=2).on("head_object", *[instead(error(404)), instead(answer)]).run()
    assert "the server has confirmed the object" in str(world.error)
    assert "`gof3r verify s3://bucket/key`" in str(world.error)


def test_complete_is_given_its_time() -> None:
    assert [job.patient for job in put(DATA).run().jobs if job.request.operation == COMPLETE] == [True]


def test_an_unreadable_answer_to_create_is_a_lost_one() -> None:
    world = put(DATA).on(CREATE, saying(b"<html>")).run()
    assert kept(world) == DATA
    assert left_behind(world) == ["u1"]
    assert "an answer to create_multipart_upload was lost" in world.warnings[0]
    world = put(DATA).on(CREATE, *[saying(b"<html>")] * 2).run()
    assert f"{CREATE}: check of the answer failed: the answer has no UploadId" in str(world.error)
    assert "an upload may have been left behind" in world.warnings[0]


def test_a_lost_answer_to_create_is_reported_with_the_way_to_find_the_upload() -> None:
    world = put(DATA).on(CREATE, after(RESET)).run()
    assert kept(world) == DATA
    assert left_behind(world) == ["u1"]
    assert len(world.warnings) == 1
    command = "gof3r uploads ls s3://bucket/key --endpoint http://127.0.0.1:9000 --region us-east-1"
    assert f"`{command}`" in world.warnings[0]


def test_a_create_that_fails_after_a_lost_answer_says_what_may_be_left() -> None:
    world = put(DATA).on(CREATE, after(RESET), instead(DENIED)).run()
    assert "AccessDenied" in str(world.error)
    assert any("an upload may have been left behind" in warning for warning in world.warnings)


@pytest.mark.parametrize("event", [SourceFailed("EIO"), CollectorLost(), Signalled(signal.SIGTERM)])
def test_what_ends_an_upload_that_is_being_created_waits_for_its_name_and_aborts_it(event: Event) -> None:
    world = put(DATA)
    world.run(until=lambda: CREATE in world.log)
    world.handle(event)
    world.run()
    assert world.error
    assert ABORT in world.log
    assert left_behind(world) == []
    assert world.warnings == []


def test_an_upload_whose_id_was_lost_is_told_also_when_the_next_one_is_aborted() -> None:
    world = put(DATA).on(CREATE, after(RESET))
    world.run(until=lambda: world.log.count(CREATE) == 2)
    world.handle(Signalled(signal.SIGTERM))
    world.run()
    assert left_behind(world) == ["u1"]
    assert any("create_multipart_upload was lost" in warning for warning in world.warnings)


def test_a_create_that_is_not_answered_in_time_after_a_signal_says_what_may_be_left() -> None:
    world = put(DATA).on(CREATE, instead(Hang()))
    world.run(until=lambda: CREATE in world.log)
    began = world.now
    world.handle(Signalled(signal.SIGTERM))
    world.run()
    assert isinstance(world.error, Interrupted)
    assert world.now - began < 5
    assert "an upload may have been left behind" in world.warnings[0]


# --- what is there in the end ------------------------------------------------------------------


def test_an_object_that_is_not_there_in_full_fails_whatever_the_answers_were() -> None:
    shorter = Response(200, {"content-length": "0", "etag": f'"{composite(PIECES)}"'})
    world = put(DATA).on("head_object", instead(shorter)).run()
    assert f"is not to be trusted: there are 0 bytes, expected {len(DATA)}; put it again" in str(world.error)


def test_an_object_that_another_put_has_overwritten_fails() -> None:
    other = Response(200, {"content-length": str(len(DATA)), "etag": '"other"'})
    world = put(DATA).on("head_object", instead(other)).run()
    assert f"ETag other is there, expected {composite(PIECES)}" in str(world.error)


@pytest.mark.parametrize("refusal", [Response(403, {}), Response(400, {})])
@pytest.mark.parametrize("size", [8, 60])
def test_who_may_write_need_not_be_allowed_to_look(size: int, refusal: Response) -> None:
    world = put(DATA[:size]).on("head_object", instead(refusal)).run()
    assert world.receipt.proofs == BOTH
    assert world.warnings == []


def test_a_version_that_was_made_is_the_one_that_is_looked_at() -> None:
    made = Response(200, {"etag": f'"{md5(DATA[:8]).hexdigest()}"', "x-amz-version-id": "v7"})
    world = put(DATA[:8]).on("put_object", instead(made)).run()
    (look,) = [job.request for job in world.jobs if job.request.operation == "head_object"]
    assert look.query == "versionId=v7"


# --- the sidecar ------------------------------------------------------------------


@pytest.mark.parametrize(("size", "parts"), [(8, 1), (60, 8)])
def test_a_collector_lost_after_complete_fails_and_says_that_the_object_is_complete(
    size: int, parts: int
) -> None:
    world = put(DATA[:size])
    world.run(until=lambda: Total(parts) in world.collector.orders)
    world.handle(CollectorLost())
    world.run()
    assert "the object itself is complete and verified" in str(world.error)


@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize("refusal", [DENIED, error(501)])
def test_a_sidecar_that_cannot_be_written_fails_and_says_that_the_object_is_complete(
    size: int, refusal: Response
) -> None:
    world = put(DATA[:size]).on("sidecar", instead(refusal)).run()
    assert "the object itself is complete and verified, but not its md5 sidecar" in str(world.error)
    assert kept(world) == DATA[:size]
    assert ABORT not in world.log


def test_a_sidecar_that_is_answered_without_an_etag_is_not_believed() -> None:
    nothing = instead(Response(200, {}, b"<html>"))
    assert SIDECAR in put(DATA).on("sidecar", nothing).run().store.objects
    assert "has got no ETag" in str(put(DATA).on("sidecar", nothing, nothing).run().error)


def test_a_sidecar_that_is_stored_wrongly_twice_fails_and_says_that_the_object_is_complete() -> None:
    other = saying(etag=md5(b"other").hexdigest())
    assert kept(put(DATA).on("sidecar", other).run()) == DATA
    world = put(DATA).on("sidecar", other, other).run()
    assert "the md5 sidecar has ETag" in str(world.error)
    assert "the object itself is complete and verified" in str(world.error)


# --- failure and abort ------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 5, 8])
def test_a_part_that_fails_for_good_silences_the_workers_before_the_abort(number: int) -> None:
    world = put(DATA, seed=number).on(f"part {number}", instead(DENIED)).run()
    assert f"put s3://bucket/key: part {number}: server answered 403 AccessDenied" in str(world.error)
    assert "check that these credentials" in str(world.error)
    end = world.log[world.log.index("hush") :]
    assert end == ["hush", "silent", ABORT, "list_parts"]
    assert left_behind(world) == []
    assert OBJECT not in world.store.objects


def test_the_abort_is_repeated_until_list_parts_says_that_there_is_no_upload() -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on(ABORT, *[instead(Response(204, {}))] * 3).run()
    assert world.log[world.log.index("silent") + 1 :] == [ABORT, "list_parts"] * 4
    assert left_behind(world) == []
    assert world.warnings == []


def test_an_abort_that_finds_no_upload_is_done() -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on(ABORT, after(RESET)).run()
    assert world.log[-2:] == [ABORT, ABORT]
    assert world.warnings == []


@pytest.mark.parametrize(
    ("what", "result"),
    [(ABORT, DENIED), (ABORT, Hang()), ("list_parts", Hang())],
)
def test_an_upload_that_cannot_be_aborted_is_named_with_the_command_that_removes_it(
    what: str, result: Result
) -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on(what, instead(result)).run()
    assert "part 2" in str(world.error)
    assert len(world.warnings) == 1
    where = "--endpoint http://127.0.0.1:9000 --region us-east-1"
    assert f"`gof3r uploads abort s3://bucket/key {where} --upload-id u1`" in world.warnings[0]


@pytest.mark.parametrize(
    ("host", "path_style", "key", "command"),
    [
        ("s3.eu-west-1.amazonaws.com", False, "key", "s3://bucket/key --region eu-west-1"),
        ("s3.eu-west-1.amazonaws.com", True, "key", "s3://bucket/key --path-style --region eu-west-1"),
        ("s3.example.com", False, "a key", "'s3://bucket/a key' --endpoint https://s3.example.com --region"),
    ],
)
def test_the_command_for_what_is_left_behind_works_as_it_stands(
    host: str, path_style: bool, key: str, command: str
) -> None:
    target = Target(Endpoint("https", host), "eu-west-1", "bucket", key, path_style)
    world = put(DATA, target=target).on(CREATE, instead(error(500)), instead(DENIED)).run()
    assert f"`gof3r uploads ls {command}" in world.warnings[0]


def test_who_may_abort_need_not_be_allowed_to_list() -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on("list_parts", instead(DENIED)).run()
    assert "part 2" in str(world.error)
    assert left_behind(world) == []
    assert world.warnings == []


def test_a_throttled_create_leaves_nothing_to_warn_of() -> None:
    world = put(DATA).on(CREATE, instead(error(503, "SlowDown"))).run()
    assert kept(world) == DATA
    assert world.warnings == []


def test_a_server_that_never_forgets_the_upload_is_given_up_within_5_seconds() -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on(ABORT, *[instead(Response(204, {}))] * 100).run()
    began = world.times[next(i for i, job in enumerate(world.jobs) if job.request.operation == ABORT)]
    assert world.now - began < 5
    assert "u1 could not be aborted" in world.warnings[0]


@pytest.mark.parametrize("slow", [2.9, 2.0])
def test_a_slow_server_cannot_hold_up_the_end_for_more_than_5_seconds(slow: float) -> None:
    world = put(DATA).on("part 2", instead(DENIED))
    began = []

    def late(act: Act) -> Result:
        began.append(world.now)
        world.now += slow
        return act()

    world.on(ABORT, late).on("list_parts", instead(Hang())).run()
    assert world.now - began[0] < 5


def test_workers_that_die_during_the_abort_cannot_hang_it() -> None:
    world = put(DATA).on("part 2", *[instead(Die())] * 4)

    def late(act: Act) -> Result:
        world.now += 5
        world._next_beat = world.now + 60  # the loss is the first that is heard
        return Die()

    world.on(ABORT, instead(Die()), late).run()
    assert "4 worker processes were lost" in str(world.error)
    assert "u1 could not be aborted" in world.warnings[-1]


def test_a_busy_server_is_asked_again_to_abort() -> None:
    world = put(DATA).on("part 2", instead(DENIED)).on(ABORT, instead(error(500)), instead(error(500))).run()
    assert left_behind(world) == []
    assert world.warnings == []


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (SourceFailed("Input/output error"), "reading the source failed: Input/output error"),
        (CollectorLost(), "the collector process was lost; run again"),
    ],
)
def test_what_fails_beside_the_requests_aborts_as_well(event: Event, text: str) -> None:
    world = put(DATA)
    world.run(until=lambda: "part 3" in world.log)
    world.handle(event)
    world.run()
    assert str(world.error) == f"put s3://bucket/key: {text}"
    assert left_behind(world) == []


def interrupt_at(step: int, size: int, seed: int | None) -> World:
    world = put(DATA[:size], slots=2, seed=seed)
    world.before = lambda: Signalled(signal.SIGTERM) if world.steps == step else None
    return world.run()


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("size", [8, 26])
def test_a_signal_at_any_step_ends_in_interrupted_with_nothing_left_behind_or_what_is_left_named(
    size: int, seed: int | None
) -> None:
    ends: Counter[str] = Counter()
    step = 1
    while (world := interrupt_at(step, size, seed)).finish and world.finish.error:
        assert isinstance(world.error, Interrupted)
        assert world.error.exit_code == 128 + signal.SIGTERM
        assert left_behind(world) == []
        ends["aborted" if ABORT in world.log else "nothing to do"] += 1
        step += 1
    assert kept(world) == DATA[:size]
    assert step > 5
    assert set(ends) == ({"nothing to do"} if size == 8 else {"aborted", "nothing to do"})


def test_a_signal_during_the_abort_that_follows_a_failure_does_not_cut_it_short() -> None:
    world = put(DATA).on("part 2", instead(DENIED))
    world.run(until=lambda: ABORT in world.log)
    world.handle(Signalled(signal.SIGINT))
    world.run()
    assert "part 2: server answered 403" in str(world.error)
    assert left_behind(world) == []


def test_only_the_first_of_several_signals_counts_and_the_abort_goes_on() -> None:
    world = put(DATA)
    world.run(until=lambda: "part 3" in world.log)
    world.handle(Signalled(signal.SIGINT))
    world.handle(Signalled(signal.SIGTERM))
    world.run()
    assert world.error.exit_code == 130
    assert left_behind(world) == []


# --- slots and sizes ------------------------------------------------------------------


def test_a_part_in_backoff_does_not_hold_up_the_slots_of_the_others() -> None:
    slow = [instead(error(503, "SlowDown"))] * 3
    world = put(DATA, slots=3).on("part 2", *slow).run()
    assert kept(world) == DATA
    assert world.log.index("part 6") < [i for i, what in enumerate(world.log) if what == "part 2"][1]


def test_an_idle_producer_delays_no_part_that_is_there() -> None:
    world = put(DATA)
    world.run(until=lambda: "part 3" in world.log)
    world.source_idle = True
    world.on("part 3", instead(RESET))
    world.run(until=lambda: world.log.count("part 3") == 2 and world.now > 1010)
    assert world.finish is None
    world.source_idle = False
    assert kept(world.run()) == DATA


MiB = 2**20


@pytest.fixture(scope="module")
def endless() -> World:
    """A stream that never ends, into 3 slots of 5 MiB."""
    return put_lengths(10**15, 5 * MiB, 3).run()


def test_a_stream_that_outgrows_10_000_parts_fails_and_is_aborted(endless: World) -> None:
    reach = (4000 * 5 + 500 * 10 + 5500 * 15) * MiB
    longer = f"the stream is longer than {reach / 2**30:.1f} GiB, the most that 10,000 parts"
    assert longer in str(endless.error)
    assert "use a larger --partsize" in str(endless.error)
    assert endless.log[-4:] == ["hush", "silent", ABORT, "list_parts"]
    assert [what for what in endless.log if what.startswith("part ")][-1] == "part 10000"


def test_parts_grow_and_the_slots_are_cut_anew_without_more_memory(endless: World) -> None:
    # The world holds every Fill and Send against the memory and the other slots' owners.
    lengths = [job.part.length for job in endless.jobs if job.part]
    assert lengths == [5 * MiB] * 4000 + [10 * MiB] * 500 + [15 * MiB] * 5500
    sizes = {job.part.number: job.slot.size for job in endless.jobs if job.part and job.slot}
    assert (sizes[4000], sizes[4001], sizes[4501]) == (5 * MiB, 10 * MiB, 15 * MiB)
    assert endless.most_slots == 3


def test_the_user_is_warned_at_half_and_at_nine_tenths_of_what_fits(endless: World) -> None:
    assert [warning.split(" of the largest")[0] for warning in endless.warnings] == ["50%", "90%"]


def outgoing_of(parts: int) -> Outgoing:
    """A stream of exactly so many full parts, read to its end; every part accepted at once."""
    request = Request("upload_part", "PUT", "http", "h", "/")
    outgoing = Outgoing(plan=UploadPlan(1, stride(1)), ledger=Ledger(stride(1), 1), announce=False)
    telling = outgoing.send(lambda part: Work(request, "part", part))
    next(telling)
    while not outgoing.ended:
        (fill,) = [action for action in outgoing.grant()[0] if isinstance(action, Fill)]
        length = min(fill.length, parts - outgoing.size)
        outgoing.take(Filled(fill.slot, length, ended=length == 0))
        for work in outgoing.grant()[1]:
            assert work.part is not None
            job = Job(1, 1, request, None, part=work.part, slot=work.slot)
            outgoing.accepted(work.part, Verdict(job, 1, Response(200, {"etag": "e"}), None))
    return outgoing


def test_a_stream_of_exactly_what_10_000_parts_hold_is_sent() -> None:
    plan = UploadPlan(1, stride(1))
    sizes = [plan.size_of(number) for number in range(1, MAX_PARTS + 1)]
    assert outgoing_of(sum(sizes)).count == MAX_PARTS


def test_a_worker_that_dies_of_a_part_costs_a_retry_by_another() -> None:
    world = put(DATA).on("part 2", instead(Die()), after(Die())).run()
    assert kept(world) == DATA
    assert world.log.count("part 2") == 3
    sent = zip(world.seats, world.jobs, strict=True)
    seats = [seat for seat, job in sent if job.part and job.part.number == 2]
    assert len(set(seats)) == 3
