"""What the end-to-end tests share: runs of the program that end on their own or by the test's hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.live import Start
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture
def start(s3: Server, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts the program against ``s3``; whatever the test leaves running is killed after it."""
    environment |= {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "AWS_REGION": s3.region,
    }
    with contextlib.ExitStack() as stack:
        yield Start(environment, tmp_path, stack)


@pytest.fixture
def relay(s3: Server, environment: dict[str, str], start: Start) -> Iterator[Relay]:
    """The way to ``s3`` for every run of this test."""
    with Relay(s3.endpoint) as relay:
        environment["AWS_ENDPOINT_URL_S3"] = relay.endpoint
        yield relay


@pytest.fixture
def uploads(boto: S3Client, bucket: str) -> Uploads:
    return Uploads(boto, bucket)


class Uploads:
    """The unfinished uploads in the test's bucket, as boto3 sees them."""

    def __init__(self, boto: S3Client, bucket: str) -> None:
        self._boto = boto
        self._bucket = bucket

    def pending(self) -> list[str]:
        """Their ids."""
        answer = self._boto.list_multipart_uploads(Bucket=self._bucket)
        return [upload["UploadId"] for upload in answer.get("Uploads", [])]

    def parts(self) -> set[int]:
        """Numbers of the parts that the bucket's only upload has; none without an upload."""
        for upload in self._boto.list_multipart_uploads(Bucket=self._bucket).get("Uploads", []):
            with contextlib.suppress(self._boto.exceptions.NoSuchUpload):
                answer = self._boto.list_parts(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                return {part["PartNumber"] for part in answer.get("Parts", [])}
        return set()
