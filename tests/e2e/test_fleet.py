"""migrate by a fleet: real schedulers, workers that come, go and are killed, two stores."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from boto3.s3.transfer import TransferConfig

from gof3r.fleet.spread import WORTH
from tests.e2e.conftest import Uploads, as_old
from tests.e2e.fleet import MARK, Fleet, marked
from tests.e2e.live import PART, SMALL, Live, Start, noise, until
from tests.e2e.test_migrate import check, fill, moved, receipts
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SLOW = "--limit-rate=1MiB"
"""So that a run is in the middle of something until it is stopped."""

Other = tuple[LocalS3, "S3Client"]
MakeFleet = Callable[..., Fleet]


@pytest.fixture
def fleet(environment: dict[str, str], start: Start, other: Other, tmp_path: Path) -> Iterator[MakeFleet]:
    """Starts a scheduler and ``count`` workers, who have both stores' keys; the command has them as well."""
    server, _ = other
    environment |= as_old(server, tmp_path)
    with ExitStack() as stack:

        def make(count: int = 1) -> Fleet:
            made = stack.enter_context(Fleet(environment, tmp_path))
            for _ in range(count):
                made.worker()
            return made

        yield make


def words(server: LocalS3, bucket: str, *more: str) -> list[str]:
    between = ["migrate", f"--from=s3://{server.bucket}/from", f"--to=s3://{bucket}/to", *SMALL]
    return [*between, f"--source-endpoint={server.endpoint}", "--source-profile=old", *more]


def by(fleet: Fleet) -> str:
    return f"--scheduler={fleet.address}"


def store_large(client: S3Client, bucket: str, key: str, path: Path) -> tuple[str, str]:
    """An object that is just worth to be split, all parts different; its md5, and its ETag."""
    digests = []
    whole = hashlib.md5()
    with path.open("wb") as file:
        for number in range(WORTH):
            part = number.to_bytes(8, "big") + noise(PART)[8:]
            file.write(part)
            whole.update(part)
            digests.append(hashlib.md5(part).digest())
    client.upload_file(
        str(path), bucket, key, Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    )
    path.unlink()
    return whole.hexdigest(), f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{WORTH}"'


def test_a_worker_is_killed_and_another_comes(
    start: Start,
    fleet: MakeFleet,
    other: Other,
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    server, their = other
    made = fill(their, server.bucket, 80)
    md5, etag = store_large(their, server.bucket, "from/large", tmp_path / "large")
    machines = fleet(0)
    first, _ = machines.worker(), machines.worker()
    live = start(*words(server, bucket, by(machines)))
    until(lambda: len(uploads.parts()) > 2 and machines.engines(first), "a worker is at the large object")
    first.kill()
    machines.worker()
    assert live.end(120) == 0, live.said
    assert moved(live) == 81
    found = hashlib.md5()
    for chunk in boto.get_object(Bucket=bucket, Key="to/large")["Body"].iter_chunks(1 << 20):
        found.update(chunk)
    assert found.hexdigest() == md5
    assert boto.head_object(Bucket=bucket, Key="to/large")["ETag"] == etag
    assert len(receipts(tmp_path)) == 81
    assert f'"{receipts(tmp_path)[f"s3://{bucket}/to/large"]["etag"]}"' == etag
    boto.delete_object(Bucket=bucket, Key="to/large")
    check(boto, bucket, made)
    assert uploads.pending() == []
    until(lambda: not machines.engines(), "no engine is left")


def stop(live: Live, fleet: Fleet, uploads: Uploads, number: int) -> int:
    """The run is ended in its middle, and all that it had under way ends by itself."""
    until(lambda: uploads.pending() and fleet.engines(), "an upload is there")
    live.signal(number)
    code = live.end()
    until(lambda: not fleet.engines(), "no engine is left")
    return code


def test_a_run_that_was_stopped_or_killed_is_gone_on_with(
    start: Start,
    fleet: MakeFleet,
    other: Other,
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    server, their = other
    made = fill(their, server.bucket, 20) | {"large": noise(4 * PART + 5)}
    their.put_object(Bucket=server.bucket, Key="from/large", Body=made["large"])
    machines = fleet(2)
    slow = words(server, bucket, by(machines), SLOW)
    live = start(*slow)
    assert stop(live, machines, uploads, signal.SIGTERM) == 128 + signal.SIGTERM
    assert "run it again to go on" in live.said[-1]
    live = start(*slow)
    assert stop(live, machines, uploads, signal.SIGKILL) == -signal.SIGKILL
    code, live = start.run(*words(server, bucket, by(machines)))
    assert code == 0, live.said
    check(boto, bucket, made)
    assert len(receipts(tmp_path)) == 21
    assert uploads.pending() == []


def test_a_scheduler_without_workers_and_a_scheduler_that_goes(
    start: Start,
    fleet: MakeFleet,
    other: Other,
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    server, their = other
    made = {"large": noise(4 * PART + 5)}
    their.put_object(Bucket=server.bucket, Key="from/large", Body=made["large"])
    machines = fleet(0)
    machines.worker(resources="")
    (tmp_path / "said").touch()
    live = start(*words(server, bucket, by(machines), SLOW), shell='exec "$@" 2>said')
    until(lambda: "has no worker for this" in (tmp_path / "said").read_text(), "that there is none is told")
    machines.worker()
    until(lambda: uploads.pending() and machines.engines(), "an upload is there")
    machines.scheduler.kill()
    assert live.end() == 1
    warning, error = (tmp_path / "said").read_text().splitlines()
    assert "start `dask worker ADDRESS --resources gof3r=1`" in warning
    assert error.startswith(f"gof3r error: migrate: the scheduler at {machines.address} is gone")
    until(lambda: not machines.engines(), "no engine is left")
    code, live = start.run(*words(server, bucket, by(machines)))
    assert code == 1
    assert f"no scheduler answers at {machines.address}" in live.error
    code, live = start.run(*words(server, bucket, by(fleet(1))))
    assert code == 0, live.said
    check(boto, bucket, made)
    assert uploads.pending() == []


@pytest.mark.parametrize("address", ["foo", "http://127.0.0.1:1", "tcp://127.0.0.1"])
def test_what_is_no_scheduler_is_a_usage_error(start: Start, bucket: str, address: str) -> None:
    code, live = start.run(
        "migrate", f"--from=s3://{bucket}/a", f"--to=s3://{bucket}/b", f"--scheduler={address}"
    )
    assert code == 2
    assert live.said[0] == (
        f"gof3r error: --scheduler: expected tcp://HOST:PORT or tls://HOST:PORT, got {address!r}"
    )


def test_what_a_worker_has_to_have(
    start: Start, fleet: MakeFleet, other: Other, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    """The same version, and keys, which the command itself has not."""
    server, their = other
    their.put_object(Bucket=server.bucket, Key="large", Body=noise(PART + 5))
    their.put_object(Bucket=server.bucket, Key="small", Body=b"1")
    lines = [f"s3://{server.bucket}/{name},s3://{bucket}/to/{name}" for name in ("large", "small")]
    (tmp_path / "manifest").write_text("\n".join(lines))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("import gof3r\ngof3r.__version__ = '0.0.1'\n")
    machines = fleet(0)
    run = ["migrate", "manifest", *SMALL, f"--source-endpoint={server.endpoint}", by(machines)]
    run.append("--source-profile=old")
    keyless: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    old = machines.worker({"PYTHONPATH": str(tmp_path / "other")})
    code, live = start.run(*run, env=keyless)
    assert (code, "it has gof3r 0.0.1, and the command is of" in live.error) == (1, True)
    old.kill()
    without = machines.worker({"AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": ""})
    code, live = start.run(*run, env=keyless)
    assert (code, "no credentials: none found" in live.error) == (1, True)
    without.kill()
    wrong = machines.worker({"AWS_SECRET_ACCESS_KEY": "wrong"})
    code, live = start.run(*run, env=keyless)
    assert (code, "SignatureDoesNotMatch" in live.error) == (1, True)
    machines.worker()
    code, live = start.run(*run, env={**keyless, "AWS_SHARED_CREDENTIALS_FILE": "/none"})
    assert code == 0, live.said
    assert wrong.poll() is None
    check(boto, bucket, {"large": noise(PART + 5), "small": b"1"})


def test_workers_of_its_own_end_with_it(
    start: Start, environment: dict[str, str], boto: S3Client, bucket: str, uploads: Uploads, tmp_path: Path
) -> None:
    environment |= {MARK: bucket, "DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT": "5s"}
    made = {f"a/{number}": noise(1000 + number) for number in range(60)} | {"big": noise(4 * PART)}
    for name, data in made.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    run = ("migrate", "--from=files", f"--to=s3://{bucket}/to", *SMALL, "--fleet=2")
    live = start(*run, SLOW)
    until(lambda: uploads.pending(), "an upload is there")
    live.signal(signal.SIGKILL)
    live.end()
    until(lambda: not list(marked(bucket)), "all have ended by themselves")
    code, live = start.run(*run)
    assert code == 0, live.said
    assert not list(marked(bucket))
    check(boto, bucket, made)
    assert len(receipts(tmp_path)) == 61
    assert uploads.pending() == []
    back = ("migrate", f"--from=s3://{bucket}/to", "--to=back", "--receipts=back.jsonl", *SMALL)
    code, live = start.run(*back, "--fleet=1")
    assert code == 0, live.said
    assert {name: (tmp_path / "back" / name).read_bytes() for name in made} == made
