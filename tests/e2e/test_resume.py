"""put --resume against a real server: what broke off goes on, and only what is missing is sent."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Uploads, etag, half_put, stored
from tests.e2e.live import BIG, PART, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY = ("-k", "k", *SMALL, "--resume")


def killed(start: Start, uploads: Uploads, bucket: str, *options: str) -> str:
    """The id of what a put leaves that is killed when it has sent two of five parts."""
    put = half_put(start, uploads, bucket, "--resume", *options)
    put.process.kill()
    put.process.wait()
    until(lambda: not put.family(), "its processes follow it")
    (left,) = uploads.pending()
    return left


def resumed(live: Live) -> str:
    return next(line for line in live.said if line.startswith("resumed: "))


@pytest.mark.parametrize(
    "options", [(), ("--checksum", "crc64nvme", "--no-md5"), ("--checksum", "md5"), ("--limit-rate", "50MB")]
)
def test_after_sigkill_only_what_is_missing_goes_over_the_wire(
    start: Start, relay: Relay, uploads: Uploads, boto: S3Client, bucket: str, options: tuple[str, ...]
) -> None:
    killed(start, uploads, bucket, *options)
    before = relay.sent
    again = start("put", "-b", bucket, *KEY, *options, "--stats=json", stdin=noise(BIG))
    assert again.end() == 0, again.said
    assert BIG - 2 * PART < relay.sent - before < BIG - 2 * PART + 100_000
    assert resumed(again) == "resumed: 10.0 MiB of 20.0 MiB were there, 10.0 MiB sent"
    stats = json.loads(again.said[-1])
    assert (stats["bytes_there_before"], stats["bytes_moved"]) == (2 * PART, BIG - 2 * PART)
    assert stored(boto, bucket) == noise(BIG)
    assert boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"') == etag(noise(BIG))
    assert uploads.pending() == []


def test_a_file_and_a_command_that_runs_again_are_gone_on_with_too(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(noise(BIG))
    for source in (["-p", str(file)], ["--", "cat", str(file)]):
        left = killed(start, uploads, bucket)
        code, again = start.run("put", "-b", bucket, *KEY, f"--upload-id={left}", *source)
        assert code == 0, again.said
        assert "10.0 MiB of 20.0 MiB" in resumed(again)
        assert stored(boto, bucket) == noise(BIG)


def test_what_changed_since_is_sent_again(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    killed(start, uploads, bucket)
    data = bytearray(noise(BIG))
    data[PART + 5] ^= 1
    code, again = start.run("put", "-b", bucket, *KEY, stdin=bytes(data))
    assert code == 0, again.said
    assert resumed(again) == "resumed: 5.0 MiB of 20.0 MiB were there, 15.0 MiB sent"
    assert stored(boto, bucket) == bytes(data)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_put_keeps_its_upload_and_prints_the_command_that_goes_on(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, number: int
) -> None:
    put = half_put(start, uploads, bucket, "--resume", "--region", "us-east-1")
    put.signal(number)
    assert put.end() == 128 + number
    (left,) = uploads.pending()
    (line,) = put.said
    assert line.startswith(f"gof3r: upload {left} is kept; go on with: gof3r put --upload-id={left} -b ")
    assert "--region us-east-1" in line
    words = shlex.split(line.partition("go on with: gof3r ")[2])
    code, again = start.run(*words, stdin=noise(BIG))
    assert code == 0, again.said
    assert stored(boto, bucket) == noise(BIG)


def test_a_put_that_fails_says_so_in_one_line_and_keeps_its_upload_in_another(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    # More than the slots hold: when all of it is read, some of it has been sent.
    command = ("sh", "-c", f"head -c {6 * PART} /dev/zero; exit 3")
    code, put = start.run("put", "-b", bucket, *KEY, "--", *command)
    assert code == 1
    (left,) = uploads.pending()
    error, kept = put.said
    assert "exited with 3" in error
    assert re.fullmatch(rf"gof3r: upload {left} is kept; .* -- sh \.\.\.", kept)


def test_other_parts_than_then_are_refused_before_anything_is_sent(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    left = killed(start, uploads, bucket)
    code, again = start.run("put", "-b", bucket, "-k", "k", "-s", "6MiB", "--resume", stdin=noise(BIG))
    assert code == 2
    assert f"--partsize={PART}" in again.said[0] and left in again.said[0]
    assert uploads.pending() == [left] and uploads.parts() == {1, 2}


def test_without_an_upload_under_way_it_is_an_ordinary_put(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    for size in (1000, BIG):
        code, put = start.run("put", "-b", bucket, *KEY, stdin=noise(size))
        assert code == 0, put.said
        assert not any(line.startswith("resumed") for line in put.said)
        assert stored(boto, bucket) == noise(size)


def test_an_upload_that_is_gone_is_an_error_that_says_what_to_do(start: Start, bucket: str) -> None:
    code, put = start.run("put", "-b", bucket, *KEY, "--upload-id=gone", stdin=noise(BIG))
    assert code == 1
    assert "NoSuchUpload" in put.said[0] and "without --upload-id" in put.said[0]


def test_not_resumed_puts_are_aborted_as_ever(start: Start, uploads: Uploads, bucket: str) -> None:
    put = half_put(start, uploads, bucket)
    put.signal(signal.SIGTERM)
    assert put.end() == 143
    assert uploads.pending() == []
