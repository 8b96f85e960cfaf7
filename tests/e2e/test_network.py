"""Nobody there, connections that break, and an object that changes on the way."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Failed, store, stored
from tests.e2e.live import DATA, LONG, PART, PIECES, SMALL, Start, noise
from tests.e2e.relay import Relay
from tests.e2e.test_secrets import Raw

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


# --- nobody there ------------------------------------------------------------------


@pytest.fixture
def closed_port() -> dict[str, str]:
    """The environment that leads where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.getsockname()[1]}"}


@pytest.mark.parametrize("command", ["put", "get"])
def test_a_closed_port_fails_after_the_attempts_that_were_asked_for(
    fails: Failed, closed_port: dict[str, str], command: str
) -> None:
    live = fails(command, "-b", "b", "-k", "k", "--retries", "2", env=closed_port)
    assert "after 2 attempts" in live.error
    assert "--endpoint" in live.error


def test_a_refused_connection_leaves_nothing_to_warn_of(fails: Failed, closed_port: dict[str, str]) -> None:
    options = ("-s", "5MiB", "--retries", "2")
    live = fails("put", "-b", "b", "-k", "k", *options, stdin=noise(PART + 1), env=closed_port)
    assert live.said == [live.error]


def test_a_name_that_does_not_resolve_is_not_tried_for_long(fails: Failed) -> None:
    endpoint = {"AWS_ENDPOINT_URL_S3": "http://gof3r.invalid"}
    live = fails("get", "-b", "bucket", "-k", "k", env=endpoint)
    assert "after 3 attempts" in live.error  # of 10
    assert "--endpoint" in live.error


# --- the network ------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_line",
    [
        r"POST \S*\?uploads",
        r"PUT \S*partNumber=1&",
        r"PUT \S*partNumber=2&",
        r"POST \S*\?uploadId",
        r"PUT \S*/\.md5/",
    ],
)
@pytest.mark.parametrize("how", ["refuse", "lose_answer"])
def test_a_connection_that_breaks_costs_a_put_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str, how: str
) -> None:
    data = noise(PART + 1)
    getattr(relay, how)(request_line)
    code, put = start.run("put", "-b", bucket, "-k", "k", "-s", "5MiB", stdin=data)
    assert code == 0, put.said
    assert not relay.waits
    assert put.verified == "md5+crc64nvme"
    assert stored(boto, bucket) == data


@pytest.mark.parametrize("request_line", [r"HEAD ", r"GET \S*/\.md5/", r"GET /\S*/k [^\0]*bytes=100000-"])
@pytest.mark.parametrize("how", ["refuse", "lose_answer"])
def test_a_connection_that_breaks_costs_a_get_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str, how: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    getattr(relay, how)(request_line)
    code, got = start.run("get", "-b", bucket, "-k", "k", *PIECES)
    assert (code, got.stdout) == (0, DATA), got.said
    assert not relay.waits


def test_an_object_that_changes_while_it_is_read_fails(start: Start, boto: S3Client, bucket: str) -> None:
    data = noise(LONG)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False)
    out = live.read(1)
    boto.put_object(Bucket=bucket, Key="k", Body=data[::-1])
    out += live.read()
    assert live.end() == 1
    assert "PreconditionFailed" in live.error
    assert "changed" in live.error
    assert data.startswith(out)
    assert len(out) < len(data)


@pytest.mark.parametrize("command", ["put", "get"])
def test_a_part_that_hangs_while_the_others_are_answered_is_asked_for_again(
    start: Start, relay: Relay, boto: S3Client, bucket: str, command: str
) -> None:
    """Long before a stalled connection would be given up, which takes 20 s."""
    if command == "put":
        data = noise(24 * PART)
        relay.hold(r"PUT \S*partNumber=23&")
        code, live = start.run("put", "-b", bucket, "-k", "k", *SMALL, "--debug", stdin=data)
    else:
        data = store(boto, bucket, LONG)
        relay.hold(rf"GET /{bucket}/k (?s:.)*Range: bytes=2800000-")
        code, live = start.run("get", "-b", bucket, "-k", "k", *PIECES, "--debug")
    assert code == 0, live.said
    assert (stored(boto, bucket) if command == "put" else live.stdout) == data
    assert not relay.waits
    assert sum("slower than the others" in line for line in live.said) == 1


def test_an_answer_that_is_cut_among_its_headers_is_a_lost_connection(
    start: Start, environment: dict[str, str]
) -> None:
    """libcurl takes it for the end of an answer without a body."""
    cut = [b"HTTP/1.1 206 Partial\r\nContent-Range: by"] * 3

    def reply(head: str, body: bytes) -> Iterable[bytes]:
        if head.startswith("HEAD"):
            return [b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 10\r\n\r\n"]
        if cut:
            return [cut.pop()]
        said = b"HTTP/1.1 206 Partial\r\nETag: x\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n"
        return [said, b"0123456789"]

    with Raw(reply) as server:
        environment["AWS_ENDPOINT_URL_S3"] = server.endpoint
        code, got = start.run("get", "s3://b/k", "--no-md5")
    assert code == 0, got.said
    assert got.stdout == b"0123456789"
    assert not cut
