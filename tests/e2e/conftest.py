"""What the end-to-end tests share: runs of the program that end on their own or by the test's hand, and what
an independent client sees of them in the bucket."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.front import Front
from tests.e2e.live import BIG, LONG, PART, PIECES, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


# --- runs ------------------------------------------------------------------


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
def front(s3: Server, environment: dict[str, str], start: Start) -> Iterator[Front]:
    """The way to ``s3`` for every run of this test."""
    with Front(s3.endpoint) as front:
        environment["AWS_ENDPOINT_URL_S3"] = front.endpoint
        yield front


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


def half_put(start: Start, uploads: Uploads, bucket: str, *options: str, shell: str = "") -> Live:
    """A put in its middle: two parts of BIG are stored, some of the third is read, the producer is idle."""
    live = start("put", "-b", bucket, "-k", "k", *SMALL, *options, shell=shell)
    live.feed(noise(BIG)[: 2 * PART + 1000])
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")
    return live


def rest(live: Live) -> None:
    """What a half put still lacks."""
    live.feed(noise(BIG)[2 * PART + 1000 :])
    live.end_input()


def half_get(start: Start, bucket: str, *options: str) -> tuple[Live, bytes]:
    """A get in its middle, and what it has written; the rest of LONG cannot be out before we read on."""
    live = start("get", "-b", bucket, "-k", "k", *PIECES, *options, collect=False)
    return live, live.read(LONG // 2)


@pytest.fixture
def other() -> Iterator[tuple[LocalS3, S3Client]]:
    """A second server with keys of its own, and a client of it."""
    import boto3

    with LocalS3() as server:
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name=server.region,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
        )
        yield server, client
        client.close()


def as_old(server: LocalS3, folder: Path) -> dict[str, str]:
    """The environment in which the profile ``old`` has the keys of ``server``."""
    profile = f"[old]\naws_access_key_id={server.access_key}\naws_secret_access_key={server.secret_key}\n"
    (folder / "credentials").write_text(profile)
    return {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}


# --- the bucket ------------------------------------------------------------------


@pytest.fixture
def versioned(boto: S3Client, bucket: str) -> Iterator[str]:
    """Another bucket, which keeps versions."""
    name = f"{bucket}-versions"
    boto.create_bucket(Bucket=name)
    boto.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    answer = boto.list_object_versions(Bucket=name)
    for entry in (*answer.get("Versions", []), *answer.get("DeleteMarkers", [])):
        boto.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
    boto.delete_bucket(Bucket=name)


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


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def etag(data: bytes, part: int = PART) -> str:
    """The ETag that S3 gives ``data`` in parts of ``part`` bytes, or in one piece if it is no longer."""
    if len(data) <= part:
        return md5(data)
    digests = [hashlib.md5(data[at : at + part]).digest() for at in range(0, len(data), part)]
    return f"{md5(b''.join(digests))}-{len(digests)}"


def store(boto: S3Client, bucket: str, size: int) -> bytes:
    """An object with its sidecar, so that a get has nothing to warn of."""
    data = noise(size)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(data).encode())
    return data


def stored(boto: S3Client, bucket: str, key: str = "k") -> bytes:
    return boto.get_object(Bucket=bucket, Key=key)["Body"].read()


def keys(boto: S3Client, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket).get("Contents", [])]
