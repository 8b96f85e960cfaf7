"""Whatever goes wrong: one line that says so, the promised exit code, and nothing left behind.

That no process outlives a run is checked by every run's ``end``.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Uploads
from tests.e2e.live import PART, Live, Start, noise
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DATA = noise(300_000)
PIECES = ("-s", "100000", "-c", "2")

Failed = Callable[..., Live]


@pytest.fixture
def fails(start: Start, uploads: Uploads, tmp_path: Path) -> Failed:
    """Runs the program, which must exit with ``code``, say one line, and leave neither upload nor file."""

    def run(
        *arguments: str,
        code: int = 1,
        stdin: bytes = b"",
        env: dict[str, str | None] | None = None,
        shell: str = "",
    ) -> Live:
        before = sorted(tmp_path.iterdir())
        got, live = start.run(*arguments, stdin=stdin, env=env, shell=shell)
        assert got == code, live.said
        assert live.error
        assert uploads.pending() == []
        assert sorted(tmp_path.iterdir()) == before
        return live

    return run


# --- the md5 sidecar ------------------------------------------------------------------


def tamper(boto: S3Client, bucket: str, body: bytes) -> None:
    """Give the object's sidecar another ``body``, with all else as it was."""
    key = ".md5/k.md5"
    metadata = boto.head_object(Bucket=bucket, Key=key)["Metadata"]
    boto.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)


@pytest.mark.parametrize("size", [300_000, 1])
def test_bytes_that_the_sidecar_disproves_never_come_out_whole(
    start: Start, fails: Failed, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    assert start.run("put", "-b", bucket, "-k", "k", stdin=data)[0] == 0
    tamper(boto, bucket, b"0" * 32)
    live = fails("get", "-b", bucket, "-k", "k", *PIECES)
    assert "sidecar" in live.error
    assert f"s3://{bucket}/k" in live.error
    assert data.startswith(live.stdout)
    assert len(live.stdout) <= size - min(size, 100_000), "the last part was given out"


def test_a_file_that_the_sidecar_disproves_does_not_appear_and_an_older_one_stays(
    start: Start, fails: Failed, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=DATA)[0] == 0
    tamper(boto, bucket, b"0" * 32)
    fails("get", "-b", bucket, "-k", "k", "-p", "new", *PIECES)
    (tmp_path / "older").write_bytes(b"older")
    fails("get", "-b", bucket, "-k", "k", "-p", "older", *PIECES)
    assert (tmp_path / "older").read_bytes() == b"older"


def test_a_sidecar_that_is_no_md5_is_an_error(
    start: Start, fails: Failed, boto: S3Client, bucket: str
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=DATA)[0] == 0
    tamper(boto, bucket, b"not an md5")
    assert "--no-md5" in fails("get", "-b", bucket, "-k", "k").error


def test_a_sidecar_of_an_overwritten_object_is_ignored_with_a_warning(
    start: Start, boto: S3Client, bucket: str
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=b"older")[0] == 0
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    code, got = start.run("get", "-b", bucket, "-k", "k", *PIECES)
    assert (code, got.stdout) == (0, DATA), got.said
    assert any(line.startswith("gof3r warning: ") and "sidecar" in line for line in got.said)
    assert got.verified != "none (length, ETag pin)"


# --- what the server refuses ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
    ],
)
@pytest.mark.parametrize("size", [10, PART + 1])
def test_a_put_with_wrong_keys_names_the_servers_code(
    fails: Failed, bucket: str, env: dict[str, str | None], code: str, size: int
) -> None:
    live = fails("put", "-b", bucket, "-k", "k", "-s", "5MiB", stdin=noise(size), env=env)
    assert code in live.error
    assert next(iter(env)) in live.error  # what to do about it


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
    ],
)
def test_a_get_with_wrong_keys_names_the_servers_code(
    fails: Failed, boto: S3Client, bucket: str, env: dict[str, str | None], code: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    live = fails("get", "-b", bucket, "-k", "k", env=env)
    assert code in live.error
    assert live.stdout == b""


@pytest.mark.parametrize("size", [10, PART + 1])
def test_a_put_into_no_bucket_fails(fails: Failed, size: int) -> None:
    live = fails("put", "-b", "no-such-bucket-here", "-k", "k", "-s", "5MiB", stdin=noise(size))
    assert "NoSuchBucket" in live.error
    assert "s3://no-such-bucket-here/k" in live.error


def test_a_get_from_no_bucket_or_of_no_key_fails(fails: Failed, bucket: str) -> None:
    assert "NoSuchBucket" in fails("get", "-b", "no-such-bucket-here", "-k", "k").error
    live = fails("get", "-b", bucket, "-k", "nothing")
    assert "NoSuchKey" in live.error
    assert live.stdout == b""


# --- nobody there ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["put", "get"])
def test_a_closed_port_fails_after_the_attempts_that_were_asked_for(fails: Failed, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
    live = fails(command, "-b", "b", "-k", "k", "--retries", "2", env=endpoint)
    assert "after 2 attempts" in live.error
    assert "--endpoint" in live.error


@pytest.mark.parametrize("command", ["put", "get"])
def test_without_credentials_nothing_is_tried(fails: Failed, bucket: str, command: str) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    assert "credentials" in fails(command, "-b", bucket, "-k", "k", env=nothing).error


# --- destinations ------------------------------------------------------------------


@pytest.mark.parametrize("shell", ['exec "$@" >/dev/full', 'exec "$@" -p /dev/full'])
def test_a_full_disk_fails_a_get(fails: Failed, boto: S3Client, bucket: str, shell: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "No space left" in fails("get", "-b", bucket, "-k", "k", *PIECES, shell=shell).error


def test_a_file_that_grows_too_large_fails_and_leaves_the_older_one(
    fails: Failed, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=noise(PART))
    (tmp_path / "out").write_bytes(b"older")
    limited = 'ulimit -f 2048; exec "$@"'  # in units of 512 bytes
    live = fails("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=limited)
    assert "File too large" in live.error
    assert (tmp_path / "out").read_bytes() == b"older"


@pytest.mark.parametrize("path", ["missing/out", ".", "home/"])
def test_a_path_that_cannot_be_written_is_named(
    fails: Failed, boto: S3Client, bucket: str, path: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert path.rstrip("/") in fails("get", "-b", bucket, "-k", "k", "-p", path).error


@pytest.mark.parametrize("first", [0, 1, 1_500_000])
def test_a_reader_that_goes_away_ends_a_get_quietly(
    start: Start, boto: S3Client, bucket: str, first: int
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=noise(PART))
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=hashlib.md5(noise(PART)).hexdigest().encode())
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False)
    assert len(live.read(first)) == first
    assert live.process.stdout is not None
    live.process.stdout.close()
    assert live.end() == 141
    assert live.said == []


def test_streams_that_are_not_needed_may_be_closed(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(noise(PART + 1))
    closed = 'exec "$@" <&- >&- 2>&-'
    code, _ = start.run("put", "-b", bucket, "-k", "k", "-p", "in", "-s", "5MiB", shell=closed)
    assert code == 0
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == noise(PART + 1)
    code, _ = start.run("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=closed)
    assert code == 0
    assert (tmp_path / "out").read_bytes() == noise(PART + 1)


def test_an_error_output_that_fails_changes_no_exit_code(start: Start, bucket: str) -> None:
    full = 'exec "$@" 2>/dev/full'
    assert start.run("put", "-b", bucket, "-k", "k", stdin=DATA, shell=full)[0] == 0
    code, got = start.run("get", "-b", bucket, "-k", "k", shell=full)
    assert (code, got.stdout) == (0, DATA)
    assert start.run("get", "-b", bucket, "-k", "nothing", shell=full)[0] == 1


# --- sources ------------------------------------------------------------------


def keys(boto: S3Client, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_put_without_a_standard_input_fails_instead_of_storing_nothing(
    fails: Failed, boto: S3Client, bucket: str
) -> None:
    assert "standard input" in fails("put", "-b", bucket, "-k", "k", shell='exec "$@" <&-').error
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("path", [".", "missing"])
def test_a_source_that_cannot_be_read_fails(fails: Failed, boto: S3Client, bucket: str, path: str) -> None:
    reason = "Is a directory" if path == "." else "No such file"
    assert reason in fails("put", "-b", bucket, "-k", "k", "-p", path).error
    assert keys(boto, bucket) == []


def test_a_failed_put_leaves_the_older_object_and_its_sidecar(
    start: Start, fails: Failed, boto: S3Client, bucket: str
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=b"older")[0] == 0
    fails("put", "-b", bucket, "-k", "k", stdin=b"newer", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    code, got = start.run("get", "-b", bucket, "-k", "k")
    assert (code, got.stdout) == (0, b"older"), got.said


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
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == data


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
    data = noise(3_000_000)  # more than a pipe and two slots hold
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


# --- usage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("put", ["-b", "b"]),
        ("put", ["-b", "b", "-k", "k", "--what"]),
        ("put", ["-b", "b", "-k", "k", "-c", "0"]),
        ("get", ["-b", "b", "-k", "k", "--checksum", "sha512"]),
    ],
)
def test_wrong_usage_exits_2_and_says_where_help_is(start: Start, command: str, arguments: list[str]) -> None:
    code, live = start.run(command, *arguments)
    assert code == 2, live.said
    assert live.stdout == b""
    error, hint = live.said
    assert error.startswith("gof3r error: ")
    assert hint == f"run 'gof3r {command} --help' for usage."


def test_debug_explains_a_failure_and_still_ends_with_the_error_line(start: Start, bucket: str) -> None:
    code, live = start.run("get", "-b", bucket, "-k", "nothing", "--debug")
    assert code == 1
    assert live.said[-1].startswith("gof3r error: ")
    assert any(line.startswith("Traceback") for line in live.said)
