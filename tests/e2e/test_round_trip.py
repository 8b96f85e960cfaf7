"""Put and get as a user types them: what arrives is what was sent, however the bytes travel."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import etag, stored
from tests.e2e.live import PART, SMALL, Start, noise, until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SIZES = (0, 1, PART - 1, PART, PART + 1, 3 * PART + 12345)


# --- sizes ------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_is_piped_in_comes_out_again(start: Start, boto: S3Client, bucket: str, size: int) -> None:
    data = noise(size)
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=data)
    assert code == 0, put.said
    assert put.stdout == b""
    assert put.verified == "md5+crc64nvme"
    assert put.said[-2].startswith("duration: ")
    assert stored(boto, bucket) == data

    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL)
    assert code == 0, got.said
    assert got.stdout == data
    assert got.verified == "md5+crc64nvme"


@pytest.mark.parametrize("size", [0, PART, 3 * PART + 12345])
def test_a_file_comes_back_as_a_file(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, size: int
) -> None:
    data = noise(size)
    (tmp_path / "in").write_bytes(data)
    code, put = start.run("put", "-b", bucket, "-k", "k", "-p", "in", *SMALL)
    assert code == 0, put.said
    assert stored(boto, bucket) == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "out", "-s", "1000000", "-c", "4")
    assert code == 0, got.said
    assert got.stdout == b""
    assert (tmp_path / "out").read_bytes() == data
    assert got.verified == "md5+crc64nvme"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in", "out"]


# --- how it is done ------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [("-c", "1"), ("--workers", "1"), ("--workers", "4"), ("-c1", "--workers=4")]
)
def test_any_concurrency_gives_the_same_bytes(
    start: Start, boto: S3Client, bucket: str, options: tuple[str, ...]
) -> None:
    data = noise(3 * PART + 12345)
    code, put = start.run("put", "-b", bucket, "-k", "k", "-s", "5MiB", *options, stdin=data)
    assert code == 0, put.said
    assert boto.head_object(Bucket=bucket, Key="k")["ETag"] == f'"{etag(data)}"'

    code, got = start.run("get", "-b", bucket, "-k", "k", "-s", "100000", *options)
    assert (code, got.stdout) == (0, data), got.said


def test_a_producer_that_writes_odd_pieces_makes_the_same_parts(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = noise(2 * PART + 3)
    put = start("put", "-b", bucket, "-k", "k", *SMALL)
    sent = 0
    for size in cycle((1, 65537, 999_983, 4095)):
        put.feed(data[sent : sent + size])
        sent += size
        until(lambda: put.unread() == 0, "the piece is read")  # so that no two pieces become one read
        if sent >= len(data):
            break
    assert put.end() == 0, put.said
    assert boto.head_object(Bucket=bucket, Key="k")["ETag"] == f'"{etag(data)}"'


def test_a_reader_that_takes_odd_pieces_gets_every_byte(start: Start, boto: S3Client, bucket: str) -> None:
    data = noise(PART)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    got = start("get", "-b", bucket, "-k", "k", "-s", "70001", "-c", "3", collect=False)
    pieces = []
    for size in cycle((1, 65537, 333_333)):
        pieces.append(got.read(size))
        if not pieces[-1]:
            break
    assert b"".join(pieces) == data
    assert got.end() == 0, got.said


def test_a_part_size_below_the_minimum_is_raised_with_a_warning(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = noise(PART + 1)
    code, put = start.run("put", "-b", bucket, "-k", "k", "-s", "100000", stdin=data)
    assert code == 0, put.said
    assert put.said[0].startswith("gof3r warning: ")
    assert boto.head_object(Bucket=bucket, Key="k")["ETag"] == f'"{etag(data)}"'
