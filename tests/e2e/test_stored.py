"""What a put leaves in the bucket, and what a get makes of what others have left there."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import TYPE_CHECKING, Literal

import boto3
import pytest
from awscrt import checksums
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from tests.conftest import Server
from tests.e2e.conftest import etag, keys, md5
from tests.e2e.live import MIB, PART, SMALL, Start, noise

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def crc64nvme(data: bytes) -> str:
    return b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()


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
    assert keys(boto, bucket) == ["k"]

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
