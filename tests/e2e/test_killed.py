"""Processes that die or stop, at every stage: the transfer goes on, or ends cleanly.

Where it matters what is on the wire, the relay holds a request back until the deed is done.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import Uploads, half_get, half_put, rest, store, stored
from tests.e2e.live import BIG, LONG, PART, PIECES, PROMPT, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def lost(live: Live) -> list[str]:
    """What is told of lost workers."""
    return [line for line in live.said if line.endswith(" was lost: another takes over")]


# --- workers ------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_killed_while_it_sends_a_part_costs_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, workers: str
) -> None:
    relay.hold(r"PUT \S*partNumber=2&")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--workers", workers, "--debug", stdin=noise(BIG))
    put.owner(relay.held()).kill()
    assert put.end() == 0, put.said
    assert len(lost(put)) == 1
    assert stored(boto, bucket) == noise(BIG)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_killed_while_it_receives_a_part_costs_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, workers: str
) -> None:
    data = store(boto, bucket, LONG)
    relay.hold(r"GET /\S*/k [^\0]*bytes=1000000-")
    got = start("get", "-b", bucket, "-k", "k", *PIECES, "--workers", workers, "--debug")
    got.owner(relay.held()).kill()
    assert got.end() == 0, got.said
    assert len(lost(got)) == 1
    assert got.stdout == data


def test_a_worker_killed_between_parts_of_a_put_is_replaced(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put = half_put(start, uploads, bucket, "--workers", "1", "--debug")
    put.children()[-1].kill()
    rest(put)
    assert put.end() == 0, put.said
    assert lost(put)
    assert stored(boto, bucket) == noise(BIG)


def test_a_worker_killed_while_nobody_reads_a_get_is_replaced(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, LONG)
    got, first = half_get(start, bucket, "--workers", "1", "--debug")
    got.children()[-1].kill()
    assert first + got.read() == data
    assert got.end() == 0, got.said
    assert lost(got)


@pytest.mark.parametrize(
    ("request_line", "what"), [(r"POST \S*\?uploads", "create"), (r"POST \S*\?uploadId", "complete")]
)
def test_a_control_worker_killed_during_a_put_costs_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str, what: str
) -> None:
    relay.hold(request_line)
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--debug", stdin=noise(BIG))
    put.owner(relay.held()).kill()
    assert put.end() == 0, put.said
    assert len(lost(put)) == 1
    assert stored(boto, bucket) == noise(BIG)


@pytest.mark.parametrize("request_line", [r"HEAD \S*/k ", r"GET \S*\.md5/k\.md5 "])
def test_a_control_worker_killed_during_a_get_costs_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str
) -> None:
    data = store(boto, bucket, LONG)
    relay.hold(request_line)
    got = start("get", "-b", bucket, "-k", "k", *PIECES, "--debug")
    got.owner(relay.held()).kill()
    assert got.end() == 0, got.said
    assert len(lost(got)) == 1
    assert got.stdout == data


def test_a_fourth_lost_worker_fails_a_put_and_aborts_it(
    start: Start, relay: Relay, uploads: Uploads, bucket: str
) -> None:
    relay.hold(r"PUT \S*partNumber=")
    put = start("put", "-b", bucket, "-k", "k", "-s", "5MiB", "-c", "1", stdin=noise(BIG))
    for _ in range(4):
        worker = put.owner(relay.held())
        relay.hold(r"PUT \S*partNumber=")
        worker.kill()
    assert put.end() == 1
    assert f"s3://{bucket}/k" in put.error
    assert "worker" in put.error
    assert uploads.pending() == []


def test_a_fourth_lost_worker_fails_a_get(start: Start, relay: Relay, boto: S3Client, bucket: str) -> None:
    data = store(boto, bucket, LONG)
    relay.hold(r"GET /\S*/k ")
    got = start("get", "-b", bucket, "-k", "k", "-s", "100000", "-c", "1")
    for _ in range(4):
        worker = got.owner(relay.held())
        relay.hold(r"GET /\S*/k ")
        worker.kill()
    assert got.end() == 1
    assert "worker" in got.error
    assert data.startswith(got.stdout)
    assert len(got.stdout) < len(data)


def test_a_stopped_worker_is_found_by_its_silence(
    start: Start, relay: Relay, boto: S3Client, bucket: str
) -> None:
    relay.hold(r"PUT \S*partNumber=2&")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--debug", stdin=noise(BIG))
    put.owner(relay.held()).suspend()
    assert put.end() == 0, put.said
    assert len(lost(put)) == 1
    assert stored(boto, bucket) == noise(BIG)


# --- the collector ------------------------------------------------------------------


def test_a_killed_collector_fails_a_put_and_aborts_it(start: Start, uploads: Uploads, bucket: str) -> None:
    put = half_put(start, uploads, bucket)
    put.children()[0].kill()
    assert put.wait() == 1
    assert "collector" in put.error
    assert f"s3://{bucket}/k" in put.error
    assert uploads.pending() == []


def test_a_killed_collector_fails_a_get(start: Start, boto: S3Client, bucket: str) -> None:
    data = store(boto, bucket, LONG)
    got, first = half_get(start, bucket)
    got.children()[0].kill()
    assert got.wait() == 1
    assert "collector" in got.error
    out = first + got.read()
    assert data.startswith(out)
    assert len(out) < len(data)


# --- the parent ------------------------------------------------------------------


def test_nothing_survives_a_killed_put(start: Start, uploads: Uploads, bucket: str) -> None:
    put = half_put(start, uploads, bucket)
    assert put.children()
    put.signal(signal.SIGKILL)
    until(lambda: not put.family(), "all processes are gone", PROMPT)


def test_nothing_survives_a_killed_get_whose_reader_sleeps(start: Start, boto: S3Client, bucket: str) -> None:
    store(boto, bucket, LONG)
    got, _ = half_get(start, bucket)
    assert got.children()
    got.signal(signal.SIGKILL)
    until(lambda: not got.family(), "all processes are gone", PROMPT)


def test_a_file_that_a_killed_get_was_writing_is_gone_with_it(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    before = sorted(tmp_path.iterdir())
    relay.hold(rf"GET /{bucket}/k (?s:.)*Range: bytes=2000000-")
    got = start("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES)
    relay.held()
    got.signal(signal.SIGKILL)
    until(lambda: not got.family(), "all processes are gone", PROMPT)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("whole", [False, True])
def test_a_put_that_is_stopped_and_continued_goes_on(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, whole: bool
) -> None:
    put = half_put(start, uploads, bucket)
    stopped = put.family() if whole else [psutil.Process(put.pid)]
    for process in stopped:
        process.suspend()
    until(lambda: all(p.status() == psutil.STATUS_STOPPED for p in stopped), "it has stopped")
    put.feed(noise(BIG)[2 * PART + 1000 : 2 * PART + 2000])
    for process in stopped:
        process.resume()
    put.feed(noise(BIG)[2 * PART + 2000 :])
    assert put.end() == 0, put.said
    assert stored(boto, bucket) == noise(BIG)


def test_a_get_that_is_stopped_and_continued_goes_on(start: Start, boto: S3Client, bucket: str) -> None:
    data = store(boto, bucket, LONG)
    got, first = half_get(start, bucket)
    family = got.family()
    for process in family:
        process.suspend()
    until(lambda: all(p.status() == psutil.STATUS_STOPPED for p in family), "it has stopped")
    for process in family:
        process.resume()
    assert first + got.read() == data
    assert got.end() == 0, got.said
