"""Headers that a user gives: stored with the object, sent with every request, or refused; and keys that stay
unseen."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import keys
from tests.e2e.front import Front
from tests.e2e.live import DATA, PART, SMALL, Start, noise
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CREATE, PART_PUT = r"POST \S+\?uploads", r"PUT \S+partNumber="


# --- headers: stored ------------------------------------------------------------------

GIVEN = (
    *("-m", "x-amz-meta-by:me: and you", "--header=Cache-Control:no-cache, max-age=5"),
    *("-m", "Content-Type: text/x-test", "-m", "x-amz-storage-class:STANDARD_IA"),
    *("-m=x-amz-tagging:a=1&b=%C3%A4", "-m", "x-amz-server-side-encryption:AES256", "--acl=private"),
)
SENT = {
    "x-amz-meta-by": "me: and you",
    "cache-control": "no-cache, max-age=5",
    "content-type": "text/x-test",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-tagging": "a=1&b=%C3%A4",
    "x-amz-server-side-encryption": "AES256",
    "x-amz-acl": "private",
}


@pytest.mark.parametrize("size", [1000, PART + 1])
@pytest.mark.parametrize("command", ["put", "cp"])
def test_headers_go_out_once_with_the_request_that_makes_the_object(
    start: Start, front: Front, boto: S3Client, bucket: str, command: str, size: int
) -> None:
    names = ("put", f"s3://{bucket}/k") if command == "put" else ("cp", "-", f"s3://{bucket}/k")
    code, put = start.run(*names, *SMALL, *GIVEN, stdin=noise(size))
    assert code == 0, put.said
    (makes,) = front.of(CREATE if size > PART else r"PUT \S+/k$")
    assert {name: makes.headers[name] for name in SENT} == SENT
    (beside,) = front.of(r"PUT \S+/\.md5/k\.md5$")
    guards = {"x-amz-server-side-encryption", "x-amz-acl"}
    assert {name: beside.headers[name] for name in guards} == {name: SENT[name] for name in guards}
    others = {name for seen in front.seen if seen not in (makes, beside) for name in seen.headers}
    assert not (others | (beside.headers.keys() - guards)) & (SENT.keys() - {"content-type"})
    for seen in front.of(PART_PUT):
        assert "content-type" not in seen.headers

    head = boto.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"by": "me: and you"}
    assert head["CacheControl"] == "no-cache, max-age=5"
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "AES256"
    tags = boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "ä"}


@pytest.mark.parametrize(
    "header",
    [
        *("Host:elsewhere", "authorization:AWS4", "Content-MD5:x", "range:bytes=0-1", "If-None-Match:*"),
        *("x-amz-meta-a:one\r\nx-amz-meta-b:two", "x-amz-meta-a:\x1b[2J", "no colon"),
    ],
)
def test_headers_that_are_not_the_user_s_to_set_are_refused_in_one_line(
    start: Start, relay: Relay, bucket: str, header: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", "-m", header, stdin=DATA)
    assert code == 2
    error, hint = put.said
    assert error.startswith("gof3r error: ")
    assert error.isprintable()
    assert hint == "run 'gof3r put --help' for usage."
    assert relay.connections == 0


def test_a_header_of_an_object_is_refused_where_nothing_is_stored(start: Start, bucket: str) -> None:
    code, got = start.run("get", "-b", bucket, "-k", "k", "-m", "x-amz-meta-a:1")
    assert code == 2
    assert "nothing is stored here" in got.said[0]


# --- headers: of every request ------------------------------------------------------------------


def test_who_pays_is_said_with_every_request(start: Start, front: Front, boto: S3Client, bucket: str) -> None:
    pays = ("-m", "x-amz-request-payer:requester")
    url = f"s3://{bucket}/k"
    for words in (
        ["put", url, *SMALL],
        ["get", url],
        ["info", url],
        ["verify", url],
        ["ls", f"s3://{bucket}"],
        ["cp", url, f"{url}2", "--source-header", pays[1]],
        ["uploads", "ls", f"s3://{bucket}"],
        ["rm", url, f"{url}2"],
    ):
        code, live = start.run(*words, *pays, stdin=noise(PART + 1))
        assert code == 0, live.said
    assert len(front.seen) > 20
    assert [seen.line for seen in front.seen if seen.headers.get("x-amz-request-payer") != "requester"] == []
    assert keys(boto, bucket) == []


KEY = b64encode(bytes(range(200, 232))).decode()
SSE_C = "x-amz-server-side-encryption-customer-"
ENCRYPTED = {
    f"{SSE_C}algorithm": "AES256",
    f"{SSE_C}key": KEY,
    f"{SSE_C}key-md5": b64encode(hashlib.md5(bytes(range(200, 232))).digest()).decode(),
}


@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_an_object_under_the_user_s_own_key_is_put_read_and_copied_and_the_key_is_never_shown(
    start: Start, front: Front, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    url = f"s3://{bucket}/k"
    own = ("-m", f"{SSE_C}key:{KEY}", "--debug")
    shown = b""
    for words in (
        ["put", url, *SMALL],
        ["get", url, *SMALL],
        ["info", url],
        ["verify", url, *SMALL],
        ["cp", url, f"{url}2", *SMALL, "--source-header", f"{SSE_C}key:{KEY}"],
    ):
        code, live = start.run(*words, *own, stdin=data)
        assert code == 0, live.said
        assert words[0] != "get" or live.stdout == data
        shown += live.stderr + (b"" if words[0] == "get" else live.stdout)
    assert KEY.encode() not in shown
    assert bytes(range(200, 232)) not in shown

    # The S3 API reference names these headers for each of these operations.
    about = [seen for seen in front.seen if re.match(rf"(GET|HEAD|PUT|POST) /{bucket}/k2?\b", seen.line)]
    assert [seen.line for seen in about if ENCRYPTED.items() - seen.headers.items()] == []
    assert len(about) > 8
    with pytest.raises(boto.exceptions.ClientError):
        boto.get_object(Bucket=bucket, Key="k")
    theirs = boto.get_object(
        Bucket=bucket, Key="k2", SSECustomerAlgorithm="AES256", SSECustomerKey=bytes(range(200, 232))
    )
    assert theirs["Body"].read() == data


@pytest.mark.parametrize("key", ["c2hvcnQ=", KEY[:-1], KEY + "\n", f"{KEY}:{KEY}"])
def test_a_key_that_is_none_is_refused_without_being_shown(
    start: Start, relay: Relay, bucket: str, key: str
) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", "-m", f"{SSE_C}key:{key}", "--debug", stdin=DATA)
    assert code == 2
    assert key.strip() not in put.stderr.decode()
    assert relay.connections == 0


# --- --debug ------------------------------------------------------------------


def test_debug_tells_each_request_in_a_line_and_no_secret(
    start: Start, front: Front, s3: Server, bucket: str
) -> None:
    secret = "x-amz-server-side-encryption-customer-key"
    options = (*SMALL, "--debug", "-m", f"{secret}:{KEY}")
    code, put = start.run("put", f"s3://{bucket}/k", *options, stdin=noise(PART + 1))
    assert code == 0
    assert all(line.startswith("gof3r debug: ") for line in put.said[:-2])
    for what in ("create_multipart_upload: attempt 1", "part 2: attempt 1", "part 2: done"):
        assert any(what in line for line in put.said), put.said

    front.answer("PUT ", 403, {}, "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>", 0)
    token = "the-token-of-the-session"
    code, refused = start.run(
        "put", f"s3://{bucket}/k", *options, stdin=DATA, env={"AWS_SESSION_TOKEN": token}
    )
    assert code == 1
    assert front.seen[-1].headers["x-amz-security-token"] == token
    signature = front.seen[-1].headers["authorization"].rpartition("Signature=")[2]
    for live in (put, refused):
        said = live.stderr.decode()
        for never in (s3.secret_key, token, KEY, signature, "Authorization", "Signature=", "X-Amz-Signature"):
            assert never not in said


def test_debug_shows_where_an_error_came_from(start: Start, bucket: str) -> None:
    code, got = start.run("get", f"s3://{bucket}/k", "--debug")
    assert code == 1
    assert "Traceback" in got.stderr.decode()
    assert got.said[-1].startswith("gof3r error: ")
