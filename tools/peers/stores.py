"""Where objects go and come from: SeaweedFS on this machine, or an endpoint that somebody else runs.

Theory: what one run leaves must not slow the next. On our own server each upload has a bucket of its own, and
SeaweedFS unlinks the files of a bucket that is deleted, before the kernel has written most of them to a disk.
In somebody's bucket everything is below one prefix, and is deleted as soon as it was measured.

A store answers with boto3 whether an upload is really there: a second opinion, of no peer's own.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "gof3r-compare"
LINK_SECONDS = 3600
"""How long a presigned URL works: longer than any run that is worth waiting for."""


class StoreError(Exception):
    """A store that cannot be used; the text is one line."""


@dataclass(frozen=True)
class Store:
    """``server`` is the process whose CPU time is the server's, where that is on this machine."""

    scheme: str
    url: str
    region: str
    keys: Mapping[str, str]
    ca_bundle: Path | None
    bucket: str
    server: psutil.Process | None
    own: bool
    """Whether it is ours alone, and buckets can be made."""
    discards: bool = False
    """Whether it throws uploads away."""

    @cached_property
    def client(self) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.keys.get("AWS_SESSION_TOKEN"),
            verify=str(self.ca_bundle) if self.ca_bundle else None,
            # A checksum in a presigned URL would have to be that of the bytes that come.
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
            ),
        )

    @cached_property
    def _numbers(self) -> count[int]:
        return count()

    @contextlib.contextmanager
    def room(self, key: str) -> Iterator[str]:
        """A bucket to put ``key`` into, from which it is gone afterwards. Raises StoreError."""
        with _told(self.url):
            bucket = self._new_bucket() if self.own else self.bucket
            try:
                yield bucket
            finally:
                if self.own:
                    self.client.delete_bucket(Bucket=bucket)  # SeaweedFS takes this for all that is in it.
                elif not self.discards:
                    self.remove(bucket, key)

    def _new_bucket(self) -> str:
        # With a dot: s3gof3r puts only such names into the path, and not into the name of the host.
        bucket = f"{PREFIX}.{next(self._numbers)}"
        self.client.create_bucket(Bucket=bucket)
        # The first object in a bucket makes SeaweedFS create its files: 0.2 s that are no peer's.
        self.client.put_object(Bucket=bucket, Key="first", Body=b"x")
        return bucket

    @contextlib.contextmanager
    def kept(self, key: str) -> Iterator[None]:
        """Removes ``key`` from the store's own bucket at the end of the context. Raises StoreError."""
        with _told(self.url):
            try:
                yield
            except BaseException:
                with contextlib.suppress(BotoCoreError, ClientError):  # what has failed before is told
                    self._remove_ours(key)
                raise
            self._remove_ours(key)

    def _remove_ours(self, key: str) -> None:
        if not self.own:
            self.remove(self.bucket, key)

    def size(self, bucket: str, key: str) -> int | None:
        """Bytes of an object; None when there is none."""
        try:
            return self.client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except (BotoCoreError, ClientError):
            return None

    def remove(self, bucket: str, key: str) -> None:
        """Deletes an object, the md5 object that gof3r writes beside it, and what a failed put has left."""
        for name in (key, f".md5/{key}.md5"):
            self.client.delete_object(Bucket=bucket, Key=name)
        for upload in self.client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", []):
            if upload["Key"] == key:
                self.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])

    def link(self, operation: str, bucket: str, key: str) -> str:
        """A presigned URL for ``put_object`` or ``get_object``."""
        parameters = {"Bucket": bucket, "Key": key}
        return self.client.generate_presigned_url(operation, Params=parameters, ExpiresIn=LINK_SECONDS)


@contextlib.contextmanager
def local_store(tls: bool, home: Path) -> Iterator[Store]:
    """SeaweedFS for as long as the context lasts. Raises StartError, and StoreError without openssl."""
    authority, certificate = _certificates(home) if tls else (None, None)
    before = set(psutil.Process().children())
    with LocalS3(f"{PREFIX}.get", certificate) as s3:
        servers = [process for process in psutil.Process().children() if process not in before]
        keys = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        yield Store(
            scheme="tls" if tls else "plain",
            url=s3.endpoint,
            region=s3.region,
            keys=keys,
            ca_bundle=authority,
            bucket=s3.bucket,
            server=next(process for process in servers if process.name() == "weed"),
            own=True,
        )


def _certificates(home: Path) -> tuple[Path, Path]:
    """An authority, and a certificate with its key for 127.0.0.1 that it has signed.

    Two, since some of the peers' TLS libraries take no authority's own certificate from a server.
    """
    authority, certificate = home / "authority.pem", home / "certificate.pem"
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    signed = [
        "-CA",
        str(authority),
        "-CAkey",
        f"{authority}.key",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]
    try:
        _openssl(*new, "-subj", "/CN=gof3r compare", "-keyout", f"{authority}.key", "-out", str(authority))
        server = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", *signed]
        _openssl(*new, *server, "-keyout", f"{certificate}.key", "-out", str(certificate))
    except (OSError, subprocess.CalledProcessError) as error:
        raise StoreError("a local server with TLS needs openssl 3 (without: --only ' plain ')") from error
    certificate.write_bytes(certificate.read_bytes() + Path(f"{certificate}.key").read_bytes())
    return authority, certificate


def _openssl(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turns boto3's errors into one line."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"{url}: {' '.join(str(error).split())}") from error
