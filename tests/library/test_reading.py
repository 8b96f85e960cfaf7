"""``gof3r.open`` for reading: verified from start to end, and pieces of an object in any order."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import gof3r
from tests.e2e.conftest import md5
from tests.e2e.live import DATA, MIB, noise
from tests.library.conftest import PIECES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SIZE = 6_000_000
"""Bytes: more than a reader asks for ahead at first, on both sides of a middle."""


@pytest.fixture
def data(boto: S3Client, bucket: str) -> bytes:
    data = noise(SIZE)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(data).encode())
    return data


class Requests:
    """The requests of a file's engines for bytes, as they tell of them."""

    def __init__(self) -> None:
        self.ranges: list[str] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, gof3r.Debugged) and event.text.startswith("part ") and ": GET " in event.text:
            self.ranges.append(event.text)


# --- from start to end ------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file.read(),
        lambda file: b"".join(iter(lambda: file.read(99_999), b"")),
        lambda file: file.read(SIZE),
        lambda file: file.read(4) + file.read(),
        lambda file: file.seek(0, 2) and b"" or file.seek(0) and b"" or file.read(),
        lambda file: file.peek(1) and file.read(),
        lambda file: file.read1(10) + file.read(),
    ],
    ids=["all", "by and by", "its size", "a little first", "its size asked", "peeked", "read1"],
)
def test_an_object_read_from_start_to_end_is_verified(
    read: Callable[[gof3r.ObjectReader], bytes], url: str, data: bytes
) -> None:
    with gof3r.open(url, config=PIECES) as file:
        assert file.result is None
        assert read(file) == data
        assert file.result is not None
        assert file.result.digests["md5"] == md5(data)
        assert file.read() == b""


def test_skipping_a_little_ahead_stays_on_the_verified_way(url: str, data: bytes) -> None:
    with gof3r.open(url, config=PIECES) as file:
        assert file.read(10) == data[:10]
        file.seek(500_000)
        assert file.read() == data[500_000:]
        assert file.result is not None


def test_an_empty_object_is_verified(url: str) -> None:
    gof3r.put(b"", url)
    with gof3r.open(url) as file:
        assert file.read() == b""
        assert file.result is not None


def test_bytes_that_are_not_what_was_stored_are_an_error_before_the_end(
    url: str, bucket: str, boto: S3Client, data: bytes
) -> None:
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(b"other").encode())
    got = io.BytesIO()
    with gof3r.open(url, config=PIECES) as file:
        with pytest.raises(gof3r.TransferError, match=md5(b"other")):
            while piece := file.read(65_536):
                got.write(piece)
        assert len(got.getvalue()) < SIZE
        assert file.result is None
        with pytest.raises(gof3r.TransferError, match="broken off"):
            file.read()


def test_an_object_that_changes_between_its_opening_and_its_end_is_an_error(
    url: str, bucket: str, boto: S3Client, data: bytes
) -> None:
    for other in (noise(SIZE + 1)[1:], noise(SIZE + 1), noise(SIZE - 1)):
        with gof3r.open(url, config=PIECES) as file:
            boto.put_object(Bucket=bucket, Key="k", Body=other)
            boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(other).encode())
            with pytest.raises(gof3r.TransferError, match="changed"):
                file.read()
            assert file.result is None


# --- pieces ------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_any_reads_and_seeks_give_what_a_file_in_memory_gives(seed: int, url: str, data: bytes) -> None:
    chance = random.Random(seed)
    memory = io.BytesIO(data)
    with gof3r.open(url, config=PIECES) as file:
        file.seek(1)
        memory.seek(1)
        for _ in range(60):
            size = chance.choice([0, 1, 100, 70_000, 200_000, 2 * MIB])
            place = chance.choice(
                [
                    (chance.randrange(SIZE + 100), io.SEEK_SET),
                    (-chance.randrange(min(memory.tell(), 200_000) + 1), io.SEEK_CUR),
                    (chance.randrange(100_000), io.SEEK_CUR),
                    (-chance.randrange(100_000), io.SEEK_END),
                    (0, io.SEEK_CUR),
                ]
            )
            assert file.seek(*place) == memory.seek(*place)
            assert file.read(size) == memory.read(size)
            assert file.tell() == memory.tell()
        assert file.result is None


@pytest.mark.parametrize("first", [1, SIZE - 10, SIZE, SIZE + 10])
def test_the_rest_from_anywhere_is_read_at_once(first: int, url: str, data: bytes) -> None:
    with gof3r.open(url, config=PIECES) as file:
        assert file.seek(first) == first
        assert file.read() == data[first:]


def test_going_back_from_the_verified_way_gives_the_same_bytes(url: str, data: bytes) -> None:
    with gof3r.open(url, config=PIECES) as file:
        assert file.read(1_000_000) == data[:1_000_000]
        file.seek(10)
        assert file.read(100) == data[10:110]
        file.seek(0)
        assert file.read() == data
        assert file.result is None


def test_going_back_after_the_end_gives_the_same_bytes(url: str, data: bytes) -> None:
    with gof3r.open(url, config=PIECES) as file:
        assert file.read() == data
        file.seek(-10, io.SEEK_END)
        assert file.read(5) == data[-10:-5]
        assert file.result is not None


def test_pieces_are_of_one_object_or_an_error(url: str, bucket: str, boto: S3Client, data: bytes) -> None:
    with gof3r.open(url, config=PIECES) as file:
        file.seek(10)
        file.read(10)
        boto.put_object(Bucket=bucket, Key="k", Body=noise(SIZE + 1)[1:])
        file.seek(3_000_000)
        with pytest.raises(gof3r.TransferError):
            file.read(10)
        with pytest.raises(gof3r.TransferError, match="broken off"):
            file.read(10)


def test_the_contents_at_an_objects_end_and_one_piece_take_two_requests(url: str, data: bytes) -> None:
    requests = Requests()
    with gof3r.open(url, config=gof3r.Config(concurrency=2), on_event=requests) as file:
        file.seek(-8, io.SEEK_END)
        assert file.read(8) == data[-8:]
        file.seek(-50_000, io.SEEK_END)
        assert file.read(40_000) == data[-50_000:-10_000]
        file.seek(1_000_000)
        assert file.read(300_000) == data[1_000_000:1_300_000]
        assert len(requests.ranges) == 2, requests.ranges


def test_members_of_a_zip_archive_take_a_request_each(url: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in "abc":
            archive.writestr(name, noise(3_000_000))
    gof3r.put(packed.getvalue(), url)
    requests = Requests()
    with gof3r.open(url, on_event=requests) as file, zipfile.ZipFile(file) as archive:
        assert archive.open("c").read(10) == noise(3_000_000)[:10]
        assert archive.open("a").read(10) == noise(3_000_000)[:10]
    assert len(requests.ranges) == 3, requests.ranges


def test_reading_on_asks_for_more_each_time(url: str, data: bytes) -> None:
    requests = Requests()
    with gof3r.open(url, config=gof3r.Config(concurrency=2), on_event=requests) as file:
        file.seek(1)
        while file.read(10_000):
            pass
    assert len(requests.ranges) <= 3, requests.ranges


def test_a_small_object_takes_one_request_whatever_is_read(url: str) -> None:
    gof3r.put(DATA, url)
    requests = Requests()
    with gof3r.open(url, on_event=requests) as file:
        for first in (200_000, 100, 150_000, 299_999):
            file.seek(first)
            assert file.read(10) == DATA[first : first + 10]
    assert len(requests.ranges) == 1, requests.ranges
