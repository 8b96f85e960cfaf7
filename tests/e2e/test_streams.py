"""Sources and destinations that are closed, full, missing, or of the wrong kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Failed, keys, store, stored
from tests.e2e.live import DATA, LONG, PART, PIECES, Start, noise, until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


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
    assert f"{path}: " in fails("get", "-b", bucket, "-k", "k", "-p", path).error


@pytest.mark.parametrize("first", [0, 1, 1_500_000])
def test_a_reader_that_goes_away_ends_a_get_quietly(
    start: Start, boto: S3Client, bucket: str, first: int
) -> None:
    store(boto, bucket, PART)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False)
    assert len(live.read(first)) == first
    assert live.process.stdout is not None
    live.process.stdout.close()
    assert live.end() == 141
    assert live.said == []


def non_blocking(fd: int) -> str:
    """A shell line that runs the program with its standard stream ``fd`` made non-blocking, as ssh and
    Node.js leave pipes that they share with it."""
    code = f"import os, sys; os.set_blocking({fd}, False); os.execv(sys.argv[1], sys.argv[1:])"
    return f'exec {sys.executable} -c "{code}" "$@"'


def test_an_output_that_somebody_made_non_blocking_gets_every_byte(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, LONG)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False, shell=non_blocking(1))
    until(live.stuck, "the pipe is full")
    assert live.read(LONG) == data
    assert live.end() == 0, live.said


def test_an_input_that_somebody_made_non_blocking_is_read_to_its_end(
    start: Start, boto: S3Client, bucket: str
) -> None:
    live = start("put", "-b", bucket, "-k", "k", shell=non_blocking(0))
    live.feed(DATA[:1000])
    until(lambda: live.unread() == 0, "the first bytes are read")
    live.feed(DATA[1000:])
    live.end_input()
    assert live.wait() == 0, live.said
    assert stored(boto, bucket) == DATA


def test_streams_that_are_not_needed_may_be_closed(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(noise(PART + 1))
    closed = 'exec "$@" <&- >&- 2>&-'
    code, _ = start.run("put", "-b", bucket, "-k", "k", "-p", "in", "-s", "5MiB", shell=closed)
    assert code == 0
    assert stored(boto, bucket) == noise(PART + 1)
    code, _ = start.run("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=closed)
    assert code == 0
    assert (tmp_path / "out").read_bytes() == noise(PART + 1)


def test_an_error_output_that_fails_changes_no_exit_code(start: Start, bucket: str) -> None:
    full = 'exec "$@" 2>/dev/full'
    assert start.run("put", "-b", bucket, "-k", "k", stdin=DATA, shell=full)[0] == 0
    code, got = start.run("get", "-b", bucket, "-k", "k", shell=full)
    assert (code, got.stdout) == (0, DATA)
    assert start.run("get", "-b", bucket, "-k", "nothing", shell=full)[0] == 1


def test_a_get_without_a_standard_output_fails(fails: Failed, boto: S3Client, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "standard output" in fails("get", "-b", bucket, "-k", "k", shell='exec "$@" >&-').error


def test_a_path_that_ends_in_a_slash_is_no_file(fails: Failed, boto: S3Client, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "missing/" in fails("get", "-b", bucket, "-k", "k", "-p", "missing/").error


# --- sources ------------------------------------------------------------------


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
