"""What the fault sweep shares, once a pytest process: the proxy, the program's stable, sources to read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.faults import summary
from tests.faults.program import Stable
from tests.faults.proxy import Proxy
from tests.faults.sweep import Bench, Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def pytest_configure(config: pytest.Config) -> None:
    # Where pytest-xdist collects, its controller does not: the summary must be registered there, too.
    if not config.pluginmanager.has_plugin(summary.__name__):
        config.pluginmanager.register(summary, summary.__name__)


@pytest.fixture(scope="session")
def bench(
    s3: Server, boto: S3Client, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    bucket = f"faults-{worker_id}"
    boto.create_bucket(Bucket=bucket)
    folder = tmp_path_factory.mktemp("faults")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
    }
    with Proxy(s3.endpoint) as proxy, Stable() as stable:
        environment["AWS_ENDPOINT_URL_S3"] = proxy.endpoint
        yield Bench(proxy, stable, Store(boto, bucket), environment, Path(folder))
