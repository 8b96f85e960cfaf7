"""get --resume against a real server: what came in order is kept, read back, proven with the rest."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import store
from tests.e2e.live import LONG, Live, Start, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

GET = ("-k", "k", "-s", "100000", "-c", "4", "--workers", "1", "--resume", "-p", "file")


def partial(folder: Path) -> Path:
    (found,) = folder.glob(".file.gof3r-*.part")
    return found


def half_got(start: Start, relay: Relay, bucket: str, folder: Path) -> Live:
    """A get that has written what comes before byte 1,000,000, and waits for the rest."""
    relay.hold(r"GET /\S*/k [^\0]*bytes=1000000-")
    got = start("get", "-b", bucket, *GET)
    relay.held()
    until(lambda: partial(folder).stat().st_size == 1_000_000, "all before is written")
    return got


def resumed(live: Live) -> str:
    return next(line for line in live.said if line.startswith("resumed: "))


def test_after_sigkill_only_the_rest_is_received(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    data = store(boto, bucket, LONG)
    got = half_got(start, relay, bucket, tmp_path)
    got.process.kill()
    got.process.wait()
    until(lambda: not got.family(), "its processes follow it")
    assert partial(tmp_path).read_bytes() == data[:1_000_000]
    code, again = start.run("get", "-b", bucket, *GET)
    assert code == 0, again.said
    assert resumed(again) == "resumed: 976.6 KiB of 2.9 MiB were there, 1.9 MiB received"
    assert again.verified.startswith("md5")
    assert (tmp_path / "file").read_bytes() == data
    assert [path.name for path in tmp_path.glob(".*.part")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_get_says_what_is_kept_and_the_command_that_goes_on(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path, number: int
) -> None:
    data = store(boto, bucket, LONG)
    got = half_got(start, relay, bucket, tmp_path)
    got.signal(number)
    assert got.end() == 128 + number
    (line,) = got.said
    assert line.startswith(f"gof3r: kept 976.6 KiB in {partial(tmp_path)}; go on with: gof3r get -b ")
    code, again = start.run(*shlex.split(line.partition("go on with: gof3r ")[2]))
    assert code == 0, again.said
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("at", [0, 50_000, 999_999])
def test_what_was_damaged_on_the_disk_is_found_and_not_kept(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path, at: int
) -> None:
    data = store(boto, bucket, LONG)
    half_got(start, relay, bucket, tmp_path).destroy()
    with partial(tmp_path).open("r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    code, again = start.run("get", "-b", bucket, *GET)
    assert code == 1 and "expected" in again.error
    assert not (tmp_path / "file").exists() and not list(tmp_path.glob(".*.part"))
    code, third = start.run("get", "-b", bucket, *GET)
    assert code == 0 and (tmp_path / "file").read_bytes() == data, third.said


def test_what_is_kept_of_another_object_is_removed_and_said(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    half_got(start, relay, bucket, tmp_path).destroy()
    data = store(boto, bucket, LONG + 1)
    code, again = start.run("get", "-b", bucket, *GET)
    assert code == 0
    assert "removed" in again.said[0]
    assert not any(line.startswith("resumed") for line in again.said)
    assert (tmp_path / "file").read_bytes() == data and not list(tmp_path.glob(".*.part"))


def test_a_second_process_is_refused(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    got = half_got(start, relay, bucket, tmp_path)
    code, second = start.run("get", "-b", bucket, *GET)
    assert code == 1 and "another process" in second.error
    assert partial(tmp_path).stat().st_size == 1_000_000
    got.destroy()


def test_a_file_that_somebody_else_can_reach_is_not_written(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    half_got(start, relay, bucket, tmp_path).destroy()
    os.link(partial(tmp_path), tmp_path / "theirs")
    code, again = start.run("get", "-b", bucket, *GET)
    assert code == 1 and "not this user's own" in again.error


def test_without_anything_kept_it_is_an_ordinary_get_with_the_usual_mode(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    data = store(boto, bucket, LONG)
    code, got = start.run("get", "-b", bucket, *GET, shell='umask 027; exec "$@"')
    assert code == 0, got.said
    assert not any(line.startswith("resumed") for line in got.said)
    assert (tmp_path / "file").read_bytes() == data
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_an_empty_object_and_one_that_is_all_there(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, 0)
    code, got = start.run("get", "-b", bucket, *GET)
    assert code == 0 and (tmp_path / "file").read_bytes() == b"", got.said


@pytest.mark.parametrize("path", [(), ("-p", "-"), ("-p", "/dev/stdout")])
def test_standard_output_cannot_be_resumed(start: Start, bucket: str, path: tuple[str, ...]) -> None:
    code, got = start.run("get", "-b", bucket, "-k", "k", "--resume", *path)
    assert code == 2 and "-p FILE" in got.said[0]


def test_an_object_that_is_not_there_is_the_errors_of_a_get(start: Start, bucket: str) -> None:
    code, got = start.run("get", "-b", bucket, *GET)
    assert code == 1 and got.error.startswith(f"gof3r error: get s3://{bucket}/k: ")


def test_a_pipe_cannot_be_resumed(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    store(boto, bucket, 1000)
    os.mkfifo(tmp_path / "file")
    code, got = start.run("get", "-b", bucket, *GET)
    assert code == 1 and "regular file" in got.error


def test_a_name_of_255_bytes_can_be_kept_too(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    data = store(boto, bucket, LONG)
    code, got = start.run("get", "-b", bucket, *GET[:-1], "n" * 255)
    assert code == 0, got.said
    assert (tmp_path / ("n" * 255)).read_bytes() == data
