"""What the tests share: one real S3 server, a bucket in it, an independent client, and the program itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import settings

from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Here, since the process that prints the end of a parallel run reads no other conftest.
pytest_plugins = ["tests.faults.summary"]

# A shell starts what it puts into the background with Ctrl-C ignored, and every run of the program with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure: no example has a deadline.
settings.register_profile("gof3r", deadline=None)
settings.load_profile("gof3r")

TIMEOUT = 60.0
"""Seconds after which a run of the program is killed, with every process it started."""


class Server(Protocol):
    """The part of LocalS3 that tests use."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str


class _Shared:
    """The server of pytest-xdist's controller, as a worker sees it."""

    def __init__(self, values: dict[str, str]) -> None:
        self.endpoint = values["endpoint"]
        self.access_key = values["access_key"]
        self.secret_key = values["secret_key"]
        self.bucket = values["bucket"]
        self.region = values["region"]


# With pytest-xdist its controller owns the one server, which so outlives every worker. A server for each of
# four workers would take 213 MB and 1.0 CPU seconds (one: 119 MB, 0.23 s).
_OWNED = pytest.StashKey[contextlib.ExitStack]()
_SERVER = pytest.StashKey[LocalS3]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Runs in the controller, before each worker starts."""
    config: pytest.Config = node.config
    if _SERVER not in config.stash:
        config.stash[_OWNED] = contextlib.ExitStack()
        config.stash[_SERVER] = config.stash[_OWNED].enter_context(LocalS3())
    server = config.stash[_SERVER]
    fields = ("endpoint", "access_key", "secret_key", "bucket", "region")
    node.workerinput["s3"] = {name: getattr(server, name) for name in fields}


def pytest_unconfigure(config: pytest.Config) -> None:
    if _OWNED in config.stash:
        config.stash[_OWNED].close()


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running S3 server, one for all tests."""
    shared = getattr(request.config, "workerinput", {}).get("s3")
    if shared:
        yield _Shared(shared)
    else:
        with LocalS3() as server:
            yield server


@pytest.fixture(scope="session")
def boto(s3: Server) -> S3Client:
    """An independent client of the same server."""
    import boto3  # Here: it takes 0.3 s, which tests of pure code need not wait for.
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="session")
def _worker_bucket(boto: S3Client, worker_id: str) -> str:
    # One for each worker and not for each test: the first write into a new bucket takes SeaweedFS 0.2 s.
    name = f"tests-{worker_id}"
    boto.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(boto: S3Client, _worker_bucket: str) -> Iterator[str]:
    """A bucket that is this test's alone, without objects and uploads before and after."""
    yield _worker_bucket
    for upload in boto.list_multipart_uploads(Bucket=_worker_bucket).get("Uploads", []):
        boto.abort_multipart_upload(Bucket=_worker_bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in boto.get_paginator("list_objects_v2").paginate(Bucket=_worker_bucket):
        for entry in page.get("Contents", []):
            boto.delete_object(Bucket=_worker_bucket, Key=entry["Key"])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What every run of the program gets: nothing of this machine's settings and keys."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
    }


class Gof3r(Protocol):
    """Runs the program with arguments; ``env`` adds to the environment, None removes from it."""

    def __call__(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str | None] | None = None,
        timeout: float = TIMEOUT,
    ) -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture
def gof3r(s3: Server, environment: dict[str, str], tmp_path: Path) -> Gof3r:
    """The program as a user runs it, against ``s3``, in the test's own directory."""
    environment |= {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "AWS_REGION": s3.region,
    }

    def run(
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str | None] | None = None,
        timeout: float = TIMEOUT,
    ) -> subprocess.CompletedProcess[bytes]:
        values = {name: value for name, value in {**environment, **(env or {})}.items() if value is not None}
        command = [sys.executable, "-m", "gof3r", *arguments]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=values,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            finally:
                # Its whole group, also after it ended: what it left behind must not disturb the next test.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    return run
