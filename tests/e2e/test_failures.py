"""Wrong sidecars, refusals, wrong usage: one line that says so, the promised exit code, nothing left behind.

That no process outlives a run is checked by every run's ``end``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Failed, Uploads, keys
from tests.e2e.live import BIG, DATA, PART, PIECES, SMALL, Start, noise
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WRONG_KEYS = [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
]
"""What is wrong in the environment, and the server's code for it."""


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


def test_a_sidecar_of_any_size_takes_no_memory_and_is_an_error(
    fails: Failed, boto: S3Client, bucket: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=bytes(30_000_000))
    assert "the md5 sidecar holds" in fails("get", "-b", bucket, "-k", "k", *PIECES).error


def test_a_sidecar_of_an_overwritten_object_is_ignored_with_a_warning(
    start: Start, boto: S3Client, bucket: str
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=b"older")[0] == 0
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    code, got = start.run("get", "-b", bucket, "-k", "k", *PIECES)
    assert (code, got.stdout) == (0, DATA), got.said
    assert any(line.startswith("gof3r warning: ") and "sidecar" in line for line in got.said)
    assert got.verified != "none (length, ETag pin)"


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(("env", "code"), WRONG_KEYS)
@pytest.mark.parametrize("size", [10, PART + 1])
def test_a_put_with_wrong_keys_names_the_servers_code(
    fails: Failed, bucket: str, env: dict[str, str | None], code: str, size: int
) -> None:
    live = fails("put", "-b", bucket, "-k", "k", "-s", "5MiB", stdin=noise(size), env=env)
    assert code in live.error
    assert next(iter(env)) in live.error  # what to do about it


@pytest.mark.parametrize(("env", "code"), WRONG_KEYS)
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


def test_a_failed_put_leaves_the_older_object_and_its_sidecar(
    start: Start, fails: Failed, boto: S3Client, bucket: str
) -> None:
    assert start.run("put", "-b", bucket, "-k", "k", stdin=b"older")[0] == 0
    fails("put", "-b", bucket, "-k", "k", stdin=b"newer", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    code, got = start.run("get", "-b", bucket, "-k", "k")
    assert (code, got.stdout) == (0, b"older"), got.said


@pytest.mark.parametrize("command", ["put", "get"])
def test_without_credentials_nothing_is_tried(fails: Failed, bucket: str, command: str) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    assert "credentials" in fails(command, "-b", bucket, "-k", "k", env=nothing).error


def test_too_few_descriptors_are_no_internal_error(fails: Failed, bucket: str) -> None:
    few = 'ulimit -n 64; exec "$@"'
    live = fails("put", "-b", bucket, "-k", "k", "--workers", "64", stdin=DATA, shell=few)
    assert "Too many open files" in live.error
    assert "internal error" not in live.error


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


# --- what only looks like success ------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, PART + 1])
def test_a_store_that_keeps_nothing_under_such_a_key_is_found_out(
    fails: Failed, bucket: str, size: int
) -> None:
    live = fails("put", "-b", bucket, "-k", "folder/", *SMALL, stdin=noise(size))  # SeaweedFS's own way
    assert f"there are 0 bytes, expected {size}" in live.error


def test_a_version_that_the_store_does_not_know_is_not_replaced_by_another(
    fails: Failed, boto: S3Client, bucket: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    live = fails("get", "-b", bucket, "-k", "k", "-v", "no-such-version")
    assert "expected no-such-version" in live.error


def _grow(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.write_bytes(noise(BIG)[::-1]),
        _grow,
        lambda source: os.truncate(source, BIG - 1),
        lambda source: os.truncate(source, 2 * PART + 1),
        lambda source: os.truncate(source, 0),
    ],
    ids=["other bytes", "more", "one byte less", "less than is read", "nothing"],
)
def test_a_file_that_changes_while_it_is_read_fails_a_put_and_aborts_it(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    tmp_path: Path,
    change: Callable[[Path], object],
) -> None:
    source = tmp_path / "source"
    source.write_bytes(noise(BIG))
    relay.hold(r"PUT \S*partNumber=1&")
    one_at_a_time = ("-s", "5MiB", "-c", "1")  # so two parts of five are read while the first is held
    put = start("put", "-b", bucket, "-k", "k", *one_at_a_time, "-p", "source")
    worker = put.owner(relay.held())
    change(source)
    worker.kill()
    assert put.end() == 1
    assert "the file changed while it was read" in put.error
    assert uploads.pending() == []
    assert keys(boto, bucket) == []
