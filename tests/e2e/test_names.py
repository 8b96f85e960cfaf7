"""What an s3:// URL, a path, a stream and a file can be called, and be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import stored
from tests.e2e.live import PART, SMALL, Start, noise

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


# --- names ------------------------------------------------------------------


@pytest.mark.parametrize("key", ["dir/plain", "a b+c#d?e&f=%25"])
def test_an_s3_url_names_the_object_and_the_argument_after_it_the_file(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, key: str
) -> None:
    url = f"s3://{bucket}/{key}"
    (tmp_path / "in").write_bytes(b"from a file")
    code, put = start.run("put", url, "in")
    assert code == 0, put.said
    assert stored(boto, bucket, key) == b"from a file"

    code, put = start.run("put", url, stdin=b"from a pipe")
    assert code == 0, put.said
    assert stored(boto, bucket, key) == b"from a pipe"

    code, got = start.run("get", url, "out")
    assert (code, got.stdout) == (0, b""), got.said
    assert (tmp_path / "out").read_bytes() == b"from a pipe"

    code, got = start.run("get", url)
    assert (code, got.stdout) == (0, b"from a pipe"), got.said


# --- streams and files ------------------------------------------------------------------


@pytest.mark.parametrize(("source", "sink"), [("-", "-"), ("/dev/stdin", "/dev/stdout"), ("", "")])
def test_a_dash_the_streams_device_or_nothing_is_the_stream(
    start: Start, bucket: str, tmp_path: Path, source: str, sink: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", "-p", source, stdin=b"bytes")
    assert code == 0, put.said
    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", sink)
    assert (code, got.stdout) == (0, b"bytes"), got.said
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_standard_streams_may_be_files(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    data = noise(PART + 1)
    (tmp_path / "in").write_bytes(b"skipped" + data)
    behind = 'exec <in; head -c 7 >/dev/null; exec "$@"'  # it is read from where it stands
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, shell=behind)
    assert code == 0, put.said
    assert stored(boto, bucket) == data

    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL, shell='echo first >out; exec "$@" >>out')
    assert code == 0, got.said
    assert (tmp_path / "out").read_bytes() == b"first\n" + data


def test_named_pipes_and_devices_are_written_and_read_as_they_are(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    data = noise(PART + 1)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "in").write_bytes(data)
    code, put = start.run(
        "put", "-b", bucket, "-k", "k", "-p", "fifo", *SMALL, shell='cat in >fifo & exec "$@"'
    )
    assert code == 0, put.said
    assert stored(boto, bucket) == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "fifo", shell='cat fifo >out & "$@"; wait')
    assert code == 0, got.said
    assert (tmp_path / "out").read_bytes() == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "/dev/null")
    assert code == 0, got.said
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_a_get_replaces_an_older_file_and_keeps_its_mode(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"new")
    (tmp_path / "out").write_bytes(b"older, and longer")
    (tmp_path / "out").chmod(0o640)
    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "out")
    assert code == 0, got.said
    assert (tmp_path / "out").read_bytes() == b"new"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
