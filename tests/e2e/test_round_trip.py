"""Put and get as a user types them: what arrives is what was sent, and the program says how it knows."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from base64 import b64encode
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import boto3
import pytest
from awscrt import checksums
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from tests.conftest import Server
from tests.e2e.live import MIB, PART, Start, noise, until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SMALL = ("-s", "5MiB", "-c", "4")
SIZES = (0, 1, PART - 1, PART, PART + 1, 3 * PART + 12345)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def etag(data: bytes, part: int = PART) -> str:
    """The ETag that S3 gives ``data`` in parts of ``part`` bytes, or in one piece if it is no longer."""
    if len(data) <= part:
        return md5(data)
    digests = [hashlib.md5(data[at : at + part]).digest() for at in range(0, len(data), part)]
    return f"{md5(b''.join(digests))}-{len(digests)}"


def crc64nvme(data: bytes) -> str:
    return b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()


def stored(boto: S3Client, bucket: str, key: str) -> bytes:
    return boto.get_object(Bucket=bucket, Key=key)["Body"].read()


# --- sizes ------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_is_piped_in_comes_out_again(start: Start, boto: S3Client, bucket: str, size: int) -> None:
    data = noise(size)
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=data)
    assert code == 0, put.said
    assert put.stdout == b""
    assert put.verified == "md5+crc64nvme"
    assert put.said[-2].startswith("duration: ")
    assert stored(boto, bucket, "k") == data

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
    assert stored(boto, bucket, "k") == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "out", "-s", "1000000", "-c", "4")
    assert code == 0, got.said
    assert got.stdout == b""
    assert (tmp_path / "out").read_bytes() == data
    assert got.verified == "md5+crc64nvme"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in", "out"]


# --- what is stored ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1000, PART, 2 * PART + 1])
def test_the_object_has_the_digests_headers_and_sidecar_that_were_promised(
    start: Start, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    headers = ("-m", "x-amz-meta-by:me: and you", "-m", "Content-Type:text/x-test", "--header=x-amz-meta-n:2")
    code, put = start.run("put", "-b", bucket, "-k", "d/k", *SMALL, *headers, stdin=data)
    assert code == 0, put.said

    head = boto.head_object(Bucket=bucket, Key="d/k", ChecksumMode="ENABLED")
    assert head["ETag"] == f'"{etag(data)}"'
    assert head["ChecksumCRC64NVME"] == crc64nvme(data)
    assert head["Metadata"] == {"by": "me: and you", "n": "2"}
    assert head["ContentType"] == "text/x-test"

    sidecar = boto.get_object(Bucket=bucket, Key=".md5/d/k.md5")
    assert sidecar["Body"].read() == md5(data).encode()
    assert sidecar["Metadata"] == {"etag": etag(data)}


@pytest.mark.parametrize("option", ["--no-md5", "--md5Check-off"])
def test_without_md5_there_is_no_sidecar_and_none_is_missed(
    start: Start, boto: S3Client, bucket: str, option: str
) -> None:
    data = noise(PART + 1)
    code, put = start.run("put", "-b", bucket, "-k", "k", option, *SMALL, stdin=data)
    assert code == 0, put.said
    assert [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]

    code, got = start.run("get", "-b", bucket, "-k", "k", option)
    assert (code, got.stdout) == (0, data), got.said
    assert got.verified == "crc64nvme"


@pytest.mark.parametrize(
    ("checksum", "has_crc", "put_by", "got_by"),
    [
        ("md5", False, "md5", "md5"),
        ("crc64nvme", True, "crc64nvme", "crc64nvme"),
        ("md5,crc64nvme", True, "md5+crc64nvme", "crc64nvme"),
    ],
)
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_the_chosen_checksums_are_sent_and_proven_and_no_others(
    start: Start,
    boto: S3Client,
    bucket: str,
    size: int,
    checksum: str,
    has_crc: bool,
    put_by: str,
    got_by: str,
) -> None:
    data = noise(size)
    options = ("--no-md5", "--checksum", checksum)
    code, put = start.run("put", "-b", bucket, "-k", "k", *options, *SMALL, stdin=data)
    assert code == 0, put.said
    assert put.verified == put_by
    head = boto.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert ("ChecksumCRC64NVME" in head) == has_crc

    code, got = start.run("get", "-b", bucket, "-k", "k", *options, *SMALL)
    assert (code, got.stdout) == (0, data), got.said
    assert got.verified == got_by


# --- what others have stored ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1000, 20 * MIB + 7])
@pytest.mark.parametrize("calculation", ["when_supported", "when_required"])
def test_what_boto3_wrote_is_read_and_proven_without_a_sidecar(
    start: Start,
    s3: Server,
    bucket: str,
    size: int,
    calculation: Literal["when_supported", "when_required"],
) -> None:
    data = noise(size)
    writer = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation=calculation),
    )
    transfer = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=2)
    writer.upload_fileobj(io.BytesIO(data), bucket, "k", Config=transfer)

    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL)
    assert (code, got.stdout) == (0, data), got.said
    assert got.verified in ("md5", "crc32", "crc64nvme")
    (warning,) = (line for line in got.said if line.startswith("gof3r warning: "))
    assert "no md5 sidecar" in warning


def unprovable(boto: S3Client, bucket: str) -> bytes:
    """An object whose parts are of sizes that nobody can guess, without any checksum of the whole."""
    data = noise(11 * MIB + 500)
    cuts = (0, 5 * MIB + 1, 11 * MIB, len(data))
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = [
        boto.upload_part(
            Bucket=bucket,
            Key="k",
            UploadId=upload,
            PartNumber=number,
            Body=data[cuts[number - 1] : cuts[number]],
        )
        for number in (1, 2, 3)
    ]
    boto.complete_multipart_upload(
        Bucket=bucket,
        Key="k",
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(parts, 1)]
        },
    )
    return data


def test_what_nothing_proves_is_an_error(start: Start, boto: S3Client, bucket: str) -> None:
    data = unprovable(boto, bucket)
    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL)
    assert code == 1, got.said
    assert "--no-md5" in got.error
    assert len(got.stdout) < len(data)


def test_what_nothing_proves_is_given_out_with_a_warning_when_no_md5_is_asked_for(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = unprovable(boto, bucket)
    code, got = start.run("get", "-b", bucket, "-k", "k", "--no-md5", *SMALL)
    assert (code, got.stdout) == (0, data), got.said
    assert got.verified == "none (length, ETag pin)"
    assert got.said[0].startswith("gof3r warning: ")


# --- names ------------------------------------------------------------------

KEYS = (
    "two words",
    "plus+colon:at@is=amp&.txt",
    "hash#question?percent%41%2F",
    "a//b",
    "//a",
    "naïve/日本語/🪣",
    "quotes'\"brackets[]{}(*)others|\\^`~!,;$",
    "-dash and\ttab",
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_stored_as_it_was_given(start: Start, boto: S3Client, bucket: str, key: str) -> None:
    data = key.encode()
    code, put = start.run("put", "-b", bucket, "-k", key, stdin=data)
    assert code == 0, put.said
    assert stored(boto, bucket, key) == data
    assert stored(boto, bucket, f".md5/{key}.md5") == md5(data).encode()

    code, got = start.run("get", "-b", bucket, "-k", key)
    assert (code, got.stdout) == (0, data), got.said


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
    assert stored(boto, bucket, "k") == data

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
    assert stored(boto, bucket, "k") == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "fifo", shell='cat fifo >out & "$@"; wait')
    assert code == 0, got.said
    assert (tmp_path / "out").read_bytes() == data

    code, got = start.run("get", "-b", bucket, "-k", "k", "-p", "/dev/null")
    assert code == 0, got.said
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


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
