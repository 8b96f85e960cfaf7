"""What one attempt proves or disproves, as a table, and the whole out of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.flow.verify import CRC, CRCS, Whole, judge, text
from gof3r.engine.s3 import checksums
from gof3r.engine.values import Digests, Failure, Job, Outcome, Part, Request, Response, Slot
from tests.flow.store import composite, error

BYTES = b"the bytes of part 2"
MD5 = md5(BYTES).hexdigest()
REQUEST = Request("upload_part", "PUT", "http", "host", "/b/k")
PART = Part(2, 100, len(BYTES))
OTHER = md5(b"other").hexdigest()


def digests(*names: str) -> Digests:
    return checksums.compute(names, memoryview(BYTES))


CRC_TEXT = text(digests(CRC)[CRC])
SENT = Job(1, 1, REQUEST, None, part=PART, slot=Slot(0, 0, 64), direction="send")
RECEIVED = replace(SENT, direction="receive", etag="abc-3", object_size=1000)
CONTROL = Job(2, 1, REQUEST, None)


def sent(names: Sequence[str] = ("md5", CRC), **headers: str) -> Outcome:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return Outcome(SENT, 1, Response(200, said), digests=digests(*names))


@pytest.mark.parametrize(
    "outcome",
    [
        sent(etag=f'"{MD5}"'),
        sent(etag=f'"{MD5.upper()}"'),
        sent(etag=MD5, x_amz_checksum_crc64nvme=CRC_TEXT),
        sent(etag=MD5, x_amz_server_side_encryption="AES256"),
        sent(etag=OTHER, x_amz_server_side_encryption="aws:kms"),
        sent(etag=OTHER, x_amz_server_side_encryption_customer_algorithm="AES256"),
        sent(etag="no-md5-at-all"),
        sent([CRC], etag=OTHER),
        sent(["md5"], etag=MD5, x_amz_checksum_crc64nvme="AAAAAAAAAAA="),
    ],
)
def test_a_sent_part_is_accepted_on_an_etag_that_does_not_contradict_its_bytes(outcome: Outcome) -> None:
    verdict = judge(outcome)
    assert verdict.failure is None
    assert (verdict.job, verdict.response) == (outcome.job, outcome.response)


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (sent(), "ETag", "the answer has none"),
        (sent(etag='""'), "ETag", "the answer has none"),
        (sent(etag=OTHER), "md5", f"ETag {OTHER}, expected {MD5}"),
        (sent(etag=OTHER, x_amz_server_side_encryption="AES256"), "md5", f"ETag {OTHER}, expected {MD5}"),
        (
            sent(etag=MD5, x_amz_checksum_crc64nvme="AAAAAAAAAAA="),
            "CRC64NVME",
            f"the server has AAAAAAAAAAA=, expected {CRC_TEXT}",
        ),
        (
            sent(etag="k", x_amz_server_side_encryption="aws:kms", x_amz_checksum_crc64nvme="AAAAAAAAAAA="),
            "CRC64NVME",
            f"the server has AAAAAAAAAAA=, expected {CRC_TEXT}",
        ),
    ],
)
def test_a_sent_part_whose_answer_contradicts_its_bytes_fails_its_check(
    outcome: Outcome, code: str, message: str
) -> None:
    verdict = judge(outcome)
    assert verdict.failure == Failure("check", code, message, 200)


GOOD = {"etag": '"abc-3"', "content-range": f"bytes 100-{99 + len(BYTES)}/1000"}


def test_a_range_of_the_right_status_place_etag_and_length_is_accepted() -> None:
    assert judge(Outcome(RECEIVED, 1, Response(206, GOOD), received=len(BYTES))).failure is None


@pytest.mark.parametrize(
    ("status", "headers", "received", "code"),
    [
        (200, {}, len(BYTES), "status"),
        (204, {}, 0, "status"),
        (206, {"content-range": f"bytes 99-{98 + len(BYTES)}/1000"}, len(BYTES), "Content-Range"),
        (206, {"content-range": f"bytes 100-{100 + len(BYTES)}/1000"}, len(BYTES), "Content-Range"),
        (206, {"content-range": f"bytes 100-{99 + len(BYTES)}/1001"}, len(BYTES), "Content-Range"),
        (206, {"content-range": f"bytes 100-{99 + len(BYTES)}/*"}, len(BYTES), "Content-Range"),
        (206, {"content-range": ""}, len(BYTES), "Content-Range"),
        (206, {"etag": '"abc-4"'}, len(BYTES), "ETag"),
        (206, {"etag": '"ABC-3"'}, len(BYTES), "ETag"),
        (206, {"etag": ""}, len(BYTES), "ETag"),
        (206, {}, len(BYTES) - 1, "length"),
        (206, {}, len(BYTES) + 1, "length"),
        (206, {}, 0, "length"),
    ],
)
def test_a_range_that_is_not_exactly_what_was_asked_fails_its_check(
    status: int, headers: dict[str, str], received: int, code: str
) -> None:
    answer = Response(status, {**GOOD, **headers, "x-amz-request-id": "R1"})
    failure = judge(Outcome(RECEIVED, 1, answer, received=received)).failure
    assert failure is not None
    assert (failure.kind, failure.code, failure.status, failure.request_id) == ("check", code, status, "R1")


@pytest.mark.parametrize("job", [SENT, RECEIVED, CONTROL])
def test_what_the_server_refuses_is_its_failure_and_no_check(job: Job) -> None:
    verdict = judge(Outcome(job, 1, error(503, "SlowDown"), received=len(BYTES)))
    assert verdict.failure is not None
    assert (verdict.failure.kind, verdict.failure.code) == ("server", "SlowDown")


@pytest.mark.parametrize("job", [SENT, RECEIVED, CONTROL])
def test_an_error_inside_a_200_is_an_error(job: Job) -> None:
    verdict = judge(Outcome(job, 1, error(200, "InternalError"), received=len(BYTES)))
    assert verdict.failure is not None
    assert (verdict.failure.kind, verdict.failure.code) == ("server", "InternalError")


def test_a_transport_failure_is_passed_on_as_it_came() -> None:
    failure = Failure("transport", "56", "reset")
    assert judge(Outcome(RECEIVED, 1, None, failure, received=3)).failure is failure


def test_a_control_request_is_judged_by_its_answers_status_alone() -> None:
    verdict = judge(Outcome(CONTROL, 0, Response(204, {})))
    assert verdict.failure is None


# --- the whole object ------------------------------------------------------------------


@given(st.lists(st.binary(max_size=20), max_size=12), st.randoms(use_true_random=False))
def test_the_whole_follows_from_its_parts_in_whatever_order_they_come(
    pieces: list[bytes], random: Random
) -> None:
    names = ("md5", *CRCS)
    parts, offset = [], 0
    for number, piece in enumerate(pieces, 1):
        parts.append((Part(number, offset, len(piece)), checksums.compute(names, memoryview(piece))))
        offset += len(piece)
    random.shuffle(parts)
    whole = Whole()
    for part, its in parts:
        whole.add(part, its)
    expected = checksums.compute(CRCS, memoryview(b"".join(pieces)))
    assert {name: whole.crc(name) for name in CRCS} == expected
    assert whole.composite_etag == composite(pieces)
    for name in names:
        joined = b"".join(checksums.compute((name,), memoryview(piece))[name] for piece in pieces)
        assert whole.composite(name) == checksums.compute((name,), memoryview(joined))[name]


def test_the_composite_etag_is_the_md5_of_the_parts_md5s_and_their_count() -> None:
    whole = Whole()
    for number, data in enumerate((b"a", b"b"), 1):
        whole.add(Part(number, number - 1, 1), {"md5": md5(data).digest()})
    # (printf a | openssl md5 -binary; printf b | openssl md5 -binary) | md5sum
    assert whole.composite_etag == "96e024ba2074fe77e8e965ba43a704be-2"
