"""What the library's tests share: a process that can reach the server, and the certainty that every engine it
started has gone, with nothing half done in the bucket."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import gof3r
from tests.conftest import TIMEOUT, Server
from tests.e2e.conftest import Uploads
from tests.e2e.live import PART, until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SMALL = gof3r.Config(part_size=PART, concurrency=2)
"""Two slots of the smallest part of a put."""
PIECES = gof3r.Config(part_size=100_000, concurrency=4)
"""Four small slots, for reading."""


@pytest.fixture
def surroundings(s3: Server, environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment in which a user's process reaches ``s3``; ``MARK`` is in no other test's."""
    return environment | {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "AWS_REGION": s3.region,
        "MARK": str(tmp_path),
    }


def engines(mark: str) -> list[psutil.Process]:
    """The processes of engines that were started, however far down, with ``mark`` in the environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            engine = any("gof3r.engine.__main__" in word for word in process.cmdline())
            if engine and process.environ().get("MARK") == mark:
                found.append(process)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch, boto: S3Client, bucket: str
) -> Iterator[None]:
    """Every test of the library runs in ``surroundings``, and leaves no process and no upload."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    yield
    assert engines(surroundings["MARK"]) == []
    assert Uploads(boto, bucket).pending() == []


@pytest.fixture
def url(bucket: str) -> str:
    """Of an object in the test's bucket."""
    return f"s3://{bucket}/k"


Script = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def script(surroundings: dict[str, str], tmp_path: Path) -> Script:
    """Runs a program of a user's in a process of its own, from a file."""

    def run(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(text)
        command = [sys.executable, "-X", "dev", str(path)]
        return subprocess.run(
            command, capture_output=True, text=True, env=surroundings, cwd=tmp_path, timeout=TIMEOUT
        )

    return run


def gone(mark: str) -> None:
    until(lambda: not engines(mark), "all engines are gone", 10.0)
