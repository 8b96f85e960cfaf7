"""Keys that expire, are revoked and rotate in the middle of a transfer, whoever hands them out.

Nobody waits for a clock here but one test: a transfer is brought to a point, there the keys change, and what
came to the gate says whether every process took the new ones.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Failed, Uploads, half_get, half_put, md5, rest, store, stored
from tests.e2e.gate import Gate
from tests.e2e.live import BIG, LONG, PART, PIECES, Live, Start, noise, until
from tests.e2e.metadata import HOUR, Metadata, Mint

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STATIC = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path / "home" / "keys.json")


@pytest.fixture
def metadata(mint: Mint, tmp_path: Path) -> Iterator[Metadata]:
    with Metadata(mint, tmp_path / "home") as metadata:
        yield metadata


@pytest.fixture
def gate(s3: Server, mint: Mint, start: Start, environment: dict[str, str]) -> Iterator[Gate]:
    """The only way to ``s3`` for every run of this test, whose keys have to come from somewhere."""
    for name in STATIC:
        del environment[name]
    with Gate(s3, mint) as gate:
        environment["AWS_ENDPOINT_URL_S3"] = gate.endpoint
        yield gate
        assert gate.wrong == []


@pytest.fixture
def imds(gate: Gate, metadata: Metadata, environment: dict[str, str]) -> Metadata:
    """Every run of this test is on an instance with a role."""
    _use(environment, metadata.imds())
    return metadata


def _use(environment: dict[str, str], changes: dict[str, str | None]) -> None:
    environment |= {name: value for name, value in changes.items() if value is not None}
    for name in [name for name, value in changes.items() if value is None]:
        del environment[name]


def ended_well(live: Live) -> None:
    assert live.wait() == 0, live.said
    assert not [line for line in live.said if line.startswith("gof3r warning")]


# --- rotation ------------------------------------------------------------------


def test_keys_whose_end_is_announced_are_renewed_before_it_and_nothing_is_refused(
    start: Start,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    gate: Gate,
    metadata: Metadata,
    environment: dict[str, str],
) -> None:
    _use(environment, metadata.ecs())
    metadata.fresh = 14.0
    live = half_put(start, uploads, bucket)
    old, told = gate.used, len(metadata.told)
    metadata.fresh = HOUR
    until(lambda: len(metadata.told) > told, "the keys are looked up again")
    until(lambda: all(keys.expires <= time.time() for keys in old), "the first keys have expired")
    rest(live)
    ended_well(live)
    assert stored(boto, bucket) == noise(BIG)
    assert gate.refused == []
    assert len(gate.used) > len(old)


@pytest.mark.parametrize("source", ["imds", "ecs", "web_identity", "assumed_role", "process"])
def test_a_put_goes_on_with_new_keys_when_its_own_are_revoked(
    source: str,
    start: Start,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    gate: Gate,
    mint: Mint,
    metadata: Metadata,
    environment: dict[str, str],
) -> None:
    _use(environment, getattr(metadata, source)())
    live = half_put(start, uploads, bucket)
    mint.rotate()
    rest(live)
    ended_well(live)
    assert stored(boto, bucket) == noise(BIG)
    assert stored(boto, bucket, ".md5/k.md5") == md5(noise(BIG)).encode()
    assert gate.used == mint.all
    assert 1 <= len(gate.refused) <= 4, "all that was on the wire, and nothing after"
    if source != "process":
        assert metadata.told == mint.all, "looked up once for all processes"


def test_a_put_survives_two_rotations_also_at_the_requests_without_parts(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    gate.before(r"POST \S*uploads", mint.rotate)
    live = half_put(start, uploads, bucket)
    mint.rotate()
    gate.before(r"POST \S*uploadId", mint.rotate)
    gate.before(r"PUT \S*/\.md5/", mint.rotate)
    rest(live)
    ended_well(live)
    assert gate.waits == 0
    assert stored(boto, bucket) == noise(BIG)
    assert stored(boto, bucket, ".md5/k.md5") == md5(noise(BIG)).encode()
    assert imds.told == mint.all
    assert gate.used == mint.all[1:]
    assert len(mint.all) == 5


def test_a_small_put_is_signed_anew(
    start: Start, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    gate.before("PUT", mint.rotate)
    code, live = start.run("put", "-b", bucket, "-k", "k", stdin=b"small")
    assert code == 0, live.said
    assert stored(boto, bucket) == b"small"
    assert imds.told == mint.all


def test_a_get_goes_on_with_new_keys_when_its_own_are_revoked(
    start: Start, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    data = store(boto, bucket, LONG)
    live, first = half_get(start, bucket)
    mint.rotate()
    assert first + live.read() == data
    ended_well(live)
    assert imds.told == gate.used == mint.all
    assert 1 <= len(gate.refused) <= 4


def test_a_get_survives_rotations_before_its_first_byte(
    start: Start, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    data = store(boto, bucket, LONG)
    for request in ("HEAD", r"GET \S*/\.md5/", rf"GET /{bucket}/k"):
        gate.before(request, mint.rotate)
    code, live = start.run("get", "-b", bucket, "-k", "k", *PIECES)
    assert code == 0, live.said
    assert live.stdout == data
    assert gate.waits == 0
    assert imds.told == mint.all


def test_the_source_of_a_copy_has_keys_of_its_own_that_are_renewed_alone(
    start: Start, s3: Server, boto: S3Client, bucket: str, gate: Gate, mint: Mint, metadata: Metadata
) -> None:
    data = store(boto, bucket, LONG)
    gate.before(rf"GET /{bucket}/k", mint.rotate)
    environment = {
        **metadata.process(),
        "AWS_PROFILE": None,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
    }
    ends = (f"s3://{bucket}/k", f"s3://{bucket}/copy")
    source = ("--source-profile", "p", "--source-endpoint", gate.endpoint)
    code, live = start.run("cp", *ends, *source, env=environment)
    assert code == 0, live.said
    assert stored(boto, bucket, "copy") == data
    assert gate.used == mint.all
    assert not [passing for passing in gate.seen if passing.line.startswith(("PUT", "POST"))]


# --- no newer keys ------------------------------------------------------------------


def test_keys_that_are_refused_and_stay_the_same_end_a_put_with_the_command_that_cleans_up(
    start: Start, s3: Server, uploads: Uploads, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    live = half_put(start, uploads, bucket)
    mint.revoke()
    rest(live)
    assert live.wait() == 1
    assert "server answered 400 ExpiredToken" in live.error
    assert "no newer credentials: the same keys were found again" in live.error
    assert live.error.endswith("renew the credentials and run again")
    (warning,) = [line for line in live.said if line != live.error]
    assert "could not be aborted; remove it with `gof3r uploads abort s3://" in warning
    command = shlex.split(warning.split("`")[1])
    good = dict(zip(STATIC, (s3.access_key, s3.secret_key), strict=True))
    here = [s3.endpoint if word == gate.endpoint else word for word in command[1:]]
    code, again = start.run(*here, env={**good, "AWS_EC2_METADATA_DISABLED": "true"})
    assert code == 0, again.said
    assert uploads.pending() == []


def test_an_upload_is_aborted_with_the_refused_keys_where_the_server_takes_them_again(
    start: Start, uploads: Uploads, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    live = half_put(start, uploads, bucket)
    mint.revoke()
    gate.before("DELETE", mint.reinstate)
    rest(live)
    assert live.wait() == 1
    assert live.said == [live.error]
    assert uploads.pending() == []


def test_an_upload_is_aborted_when_newer_keys_come_after_all(
    start: Start, uploads: Uploads, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    live = half_put(start, uploads, bucket)
    mint.revoke()
    gate.before("DELETE", mint.issue)
    rest(live)
    assert live.wait() == 1
    assert live.said == [live.error]
    assert uploads.pending() == []


def test_a_metadata_service_that_has_gone_ends_a_get_with_one_line_and_no_file(
    fails: Failed, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    store(boto, bucket, LONG)

    def gone() -> None:
        mint.rotate()
        imds.gone = True

    gate.before(rf"GET /{bucket}/k", gone)
    live = fails("get", "-b", bucket, "-k", "k", "-p", "file", *PIECES)
    assert "server answered 400 ExpiredToken" in live.error
    assert "no newer credentials: no credentials: none found. Looked in" in live.error


def test_the_first_of_several_objects_to_remove_does_not_hang_the_rest(
    fails: Failed, boto: S3Client, bucket: str, gate: Gate, mint: Mint, imds: Metadata
) -> None:
    store(boto, bucket, 10)
    mint.revoke()
    live = fails("rm", f"s3://{bucket}/k", f"s3://{bucket}/other")
    assert "2 of 2 objects were not removed" in live.error
    warnings = [line for line in live.said if line != live.error]
    assert len(warnings) == 2
    assert all("no newer credentials: the same keys were found again" in line for line in warnings)
    assert stored(boto, bucket) == noise(10)


# --- keys that cannot be renewed ------------------------------------------------------------------


def test_a_session_token_in_the_environment_signs_everything_and_its_end_is_said(
    start: Start, uploads: Uploads, bucket: str, gate: Gate, mint: Mint, environment: dict[str, str]
) -> None:
    keys = mint.current
    environment |= dict(zip(STATIC, (keys.access_key, keys.secret_key), strict=True))
    environment["AWS_SESSION_TOKEN"] = keys.token
    live = half_put(start, uploads, bucket)
    assert gate.used == [keys]
    mint.revoke()
    gate.before("DELETE", mint.reinstate)
    rest(live)
    assert live.wait() == 1
    assert live.said == [live.error]
    assert "400 ExpiredToken" in live.error
    assert live.error.endswith("renew the credentials and run again")
    assert uploads.pending() == []


def test_without_any_keys_one_line_lists_where_they_were_looked_for(
    fails: Failed, bucket: str, gate: Gate
) -> None:
    live = fails("put", "-b", bucket, "-k", "k", stdin=b"data")
    assert live.said == [live.error]
    for place in ("AWS_ACCESS_KEY_ID", "profile 'default'", "the container", "the instance metadata"):
        assert place in live.error
    assert "--no-sign-request" in live.error
    assert gate.seen == []


# --- secrets ------------------------------------------------------------------


@pytest.mark.parametrize("source", ["ecs", "assumed_role"])
def test_secrets_are_in_no_command_line_and_in_no_line_of_debug_or_traceback(
    source: str,
    start: Start,
    uploads: Uploads,
    bucket: str,
    gate: Gate,
    mint: Mint,
    metadata: Metadata,
    environment: dict[str, str],
) -> None:
    _use(environment, getattr(metadata, source)())
    lines: list[str] = []

    def look() -> None:
        lines.extend(word for process in live.family() for word in process.cmdline())

    live = half_put(start, uploads, bucket, "--debug")
    metadata.asked = look  # the processes that look for keys are there now
    mint.rotate()
    live.feed(noise(BIG)[2 * PART + 1000 : 4 * PART])
    until(lambda: uploads.parts() == {1, 2, 3, 4}, "the new keys are used")
    look()
    mint.revoke()
    rest(live)
    assert live.wait() == 1
    said = live.stderr.decode()
    assert "Traceback" in said and "credentials of main renewed" in said
    assert any("answer()" in line for line in lines), "the look itself was seen"
    for secret in metadata.secrets:
        assert secret not in said
        assert not [line for line in lines if secret in line]
