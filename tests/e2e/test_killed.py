"""Processes that die, stop or are told to stop, at every stage: the transfer goes on, or ends cleanly.

Where it matters what is on the wire, the relay holds a request back until the deed is done.
"""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import Uploads
from tests.e2e.live import PART, Live, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SMALL = ("-s", "5MiB", "-c", "4")
PIECES = ("-s", "100000", "-c", "4")
BIG = 4 * PART + 12345
"""Bytes of an object of five parts."""
LONG = 3_000_000
"""Bytes of an object that neither a pipe (1 MiB) nor four slots of 100,000 bytes can hold."""

PROMPT = 5.0
"""Seconds in which a stopped program is gone: CLI's promise."""

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def stored(boto: S3Client, bucket: str, key: str = "k") -> bytes:
    return boto.get_object(Bucket=bucket, Key=key)["Body"].read()


def store(boto: S3Client, bucket: str, size: int) -> bytes:
    """An object with its sidecar, so that a get has nothing to warn of."""
    data = noise(size)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=hashlib.md5(data).hexdigest().encode())
    return data


def half_put(start: Start, uploads: Uploads, bucket: str, *options: str) -> Live:
    """A put in its middle: two parts of BIG are stored, some of the third is read, the producer is idle."""
    live = start("put", "-b", bucket, "-k", "k", *SMALL, *options)
    live.feed(noise(BIG)[: 2 * PART + 1000])
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")
    return live


def rest(live: Live) -> None:
    live.feed(noise(BIG)[2 * PART + 1000 :])
    live.end_input()


def half_get(start: Start, bucket: str, *options: str) -> tuple[Live, bytes]:
    """A get in its middle, and what it has written; the rest of LONG cannot be out before we read on."""
    live = start("get", "-b", bucket, "-k", "k", *PIECES, *options, collect=False)
    return live, live.read(LONG // 2)


def lost(live: Live) -> list[str]:
    """What --debug tells of lost workers."""
    return [line for line in live.said if line.endswith(" was lost")]


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


# --- signals ------------------------------------------------------------------


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_before_the_first_byte_ends_a_put(
    start: Start, uploads: Uploads, bucket: str, number: signal.Signals
) -> None:
    put = start("put", "-b", bucket, "-k", "k")
    put.await_children(1)
    put.signal(number)
    assert put.wait(PROMPT) == STOPS[number], put.said
    assert put.said == []
    assert uploads.pending() == []


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_the_producer_is_idle_ends_a_put_and_aborts_it(
    start: Start, uploads: Uploads, bucket: str, number: signal.Signals
) -> None:
    put = half_put(start, uploads, bucket)
    put.signal(number)
    assert put.wait(PROMPT) == STOPS[number], put.said
    assert put.said == []
    assert uploads.pending() == []


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_a_part_is_on_the_wire_ends_a_put_and_aborts_it(
    start: Start, relay: Relay, uploads: Uploads, boto: S3Client, bucket: str, number: signal.Signals
) -> None:
    relay.hold(r"PUT \S*partNumber=2&")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    relay.held()
    put.signal(number)
    assert put.wait(PROMPT) == STOPS[number], put.said
    assert put.said == []
    assert uploads.pending() == []
    assert boto.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_signal_to_a_stopped_worker_s_put_does_not_wait_for_the_worker(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    put = half_put(start, uploads, bucket)
    for child in put.children():
        child.suspend()
    put.signal(signal.SIGTERM)
    assert put.wait(PROMPT) == 143
    assert uploads.pending() == []


def test_a_signal_while_create_is_unanswered_says_what_may_be_left(
    start: Start, relay: Relay, bucket: str
) -> None:
    relay.hold(r"POST \S*\?uploads")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    relay.held()
    put.signal(signal.SIGINT)
    assert put.wait(PROMPT) == 130
    (line,) = put.said
    assert "list-multipart-uploads" in line


def test_an_abort_that_is_not_answered_ends_in_time_and_says_how_to_make_up_for_it(
    start: Start, relay: Relay, uploads: Uploads, bucket: str
) -> None:
    relay.hold(r"PUT \S*partNumber=2&")
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    relay.held()
    relay.hold(r"DELETE ")
    put.signal(signal.SIGINT)
    assert put.wait(PROMPT) == 130, put.said
    (line,) = put.said
    assert "aws s3api abort-multipart-upload" in line
    assert uploads.pending()[0] in line


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_nobody_reads_ends_a_get(
    start: Start, boto: S3Client, bucket: str, number: signal.Signals
) -> None:
    data = store(boto, bucket, LONG)
    got, first = half_get(start, bucket)
    got.signal(number)
    assert got.wait(PROMPT) == STOPS[number], got.said
    assert got.said == []
    out = first + got.read()
    assert data.startswith(out)
    assert len(out) < len(data)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_before_the_first_answer_ends_a_get_without_output(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path, number: signal.Signals
) -> None:
    store(boto, bucket, LONG)
    relay.hold(r"HEAD ")
    got = start("get", "-b", bucket, "-k", "k", "-p", "out")
    relay.held()
    got.signal(number)
    assert got.wait(PROMPT) == STOPS[number], got.said
    assert (got.stdout, got.said) == (b"", [])
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_signal_in_the_middle_of_a_file_leaves_the_older_one(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    (tmp_path / "out").write_bytes(b"older")
    relay.hold(r"GET /\S*/k [^\0]*bytes=1000000-")
    got = start("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES)
    relay.held()
    got.signal(signal.SIGTERM)
    assert got.wait(PROMPT) == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]
    assert (tmp_path / "out").read_bytes() == b"older"


def test_signals_that_were_ignored_from_outside_stay_ignored(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put = start("put", "-b", bucket, "-k", "k", *SMALL, shell='trap "" HUP; exec "$@"')
    put.feed(noise(BIG)[: 2 * PART + 1000])
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")
    put.signal(signal.SIGHUP)
    rest(put)
    assert put.end() == 0, put.said
    assert stored(boto, bucket) == noise(BIG)


def test_ctrl_c_reaches_the_whole_group_and_still_ends_in_one_abort(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    put = half_put(start, uploads, bucket)
    os.killpg(put.pid, signal.SIGINT)
    assert put.wait(PROMPT) == 130
    assert put.said == []
    assert uploads.pending() == []


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
