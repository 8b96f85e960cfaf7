"""Processes that crash or stop at any moment, and users who pause: what is silent is told from what is gone.

Moments are chosen by how many bytes or parts have passed, never by time. The program looks at its board ten
times a second and takes two seconds without a turn for silence, so that no test waits for the real ten.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import Uploads, keys, store, stored
from tests.e2e.live import BIG, LONG, PART, PIECES, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay
from tests.e2e.test_killed import lost
from tests.e2e.test_memory import PROCESSES, SLOTS
from tests.e2e.test_surroundings import after
from tools.peak_pss import tree_pss

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_QUICK = (
    "from gof3r.engine.flow import watch; from gof3r.engine.proc import collector, parent, worker; "
    "watch.SILENCE = 2.0; parent.BEAT = worker.TURN = collector.TURN = 0.1"
)
ALERT = after(_QUICK)
"""How a shell runs a program that minds silence after two seconds."""

HURRY = 90
"""Where a user pauses, waits for the network are divided by this: a second stands for a minute and a half."""
HURRIED = after(
    f"{_QUICK}; sys.path.insert(0, '{Path(__file__).parents[2]}'); "
    f"from tests.faults import program; program._hurry({HURRY})"
)
PAUSE = 3 * 60 / HURRY
"""Seconds that a user pauses."""

ENDS = [signal.SIGKILL, signal.SIGSEGV]
DEEDS = [*ENDS, signal.SIGSTOP]
SEEDS = range(2)


def put_up_to(
    start: Start, uploads: Uploads, bucket: str, moment: int, shell: str = ALERT
) -> tuple[Live, list[psutil.Process]]:
    """A put that has been fed ``moment`` bytes, more than a part; its collector and its only part worker,
    which has stored one part and maybe sends others."""
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--workers", "1", "--debug", shell=shell)
    put.feed(noise(BIG)[: PART + 1])
    until(lambda: uploads.parts() == {1}, "the first part is stored")
    put.feed(noise(BIG)[PART + 1 : moment])
    processes = put.children()
    assert len(processes) == 2, "the control worker has ended with the first part"
    return put, processes


def get_up_to(start: Start, bucket: str, moment: int) -> tuple[Live, bytes, list[psutil.Process]]:
    """A get of LONG of which ``moment`` bytes have been read; also these, its collector and its worker."""
    options = (*PIECES, "--workers", "1", "--debug")
    got = start("get", "-b", bucket, "-k", "k", *options, collect=False, shell=ALERT)
    first = got.read(moment)
    processes = got.children()
    assert len(processes) == 2, "the control worker has ended with the first part"
    return got, first, processes


# --- part workers ------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_worker_that_crashes_or_stops_after_any_byte_of_a_put_costs_a_retry(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, deed: signal.Signals, seed: int
) -> None:
    moment = random.Random(seed).randrange(PART + 1, BIG)
    put, (_, worker) = put_up_to(start, uploads, bucket, moment)
    worker.send_signal(deed)
    put.feed_and_end(noise(BIG)[moment:])
    assert put.end() == 0, put.said
    assert len(lost(put)) == 1
    assert stored(boto, bucket) == noise(BIG)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_worker_that_crashes_or_stops_after_any_byte_of_a_get_costs_a_retry(
    start: Start, boto: S3Client, bucket: str, deed: signal.Signals, seed: int
) -> None:
    data = store(boto, bucket, LONG)
    got, first, (_, worker) = get_up_to(start, bucket, random.Random(seed).randrange(1, LONG // 2))
    worker.send_signal(deed)
    assert first + got.read() == data
    assert got.end() == 0, got.said
    assert len(lost(got)) == 1


def test_a_stopped_worker_is_gone_before_another_sends_its_part(
    start: Start, relay: Relay, boto: S3Client, bucket: str
) -> None:
    """So nothing of it can reach the server late, whoever continues it."""
    part = r"PUT \S*partNumber=2&"
    relay.hold(part)
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--debug", shell=ALERT)
    put.feed_and_end(noise(BIG))
    stopped = put.owner(relay.held())
    stopped.suspend()
    relay.hold(part)
    another = put.owner(relay.held())
    assert another != stopped
    assert not psutil.pid_exists(stopped.pid), "it is not even waited for any more"
    another.kill()  # else its request, which is held, would wait for the limit on stalls
    assert put.end() == 0, put.said
    assert len(lost(put)) == 2
    assert stored(boto, bucket) == noise(BIG)


# --- the control worker ------------------------------------------------------------------


@pytest.mark.parametrize("deed", [signal.SIGSEGV, signal.SIGSTOP])
@pytest.mark.parametrize(
    "request_line",
    [r"POST \S*\?uploads", r"POST \S*\?uploadId", r"HEAD ", r"PUT \S*/\.md5/"],
    ids=["create", "complete", "look back", "sidecar"],
)
def test_a_control_worker_that_crashes_or_stops_costs_a_put_a_retry(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    request_line: str,
    deed: signal.Signals,
) -> None:
    data = noise(PART + 1)
    relay.hold(request_line)
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--debug", stdin=data, shell=ALERT)
    put.owner(relay.held()).send_signal(deed)
    assert put.end() == 0, put.said
    assert len(lost(put)) == 1
    assert stored(boto, bucket) == data
    assert keys(boto, bucket) == [".md5/k.md5", "k"]
    assert uploads.pending() == []


@pytest.mark.parametrize("deed", [signal.SIGSEGV, signal.SIGSTOP])
@pytest.mark.parametrize("request_line", [r"HEAD ", r"GET \S*/\.md5/"], ids=["HEAD", "sidecar"])
def test_a_control_worker_that_crashes_or_stops_costs_a_get_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str, deed: signal.Signals
) -> None:
    data = store(boto, bucket, 300_000)
    relay.hold(request_line)
    got = start("get", "-b", bucket, "-k", "k", *PIECES, "--debug", shell=ALERT)
    got.owner(relay.held()).send_signal(deed)
    assert got.end() == 0, got.said
    assert len(lost(got)) == 1
    assert got.stdout == data


# --- the collector ------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_collector_that_crashes_or_stops_after_any_byte_fails_a_put_and_aborts_it(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, deed: signal.Signals, seed: int
) -> None:
    moment = random.Random(seed).randrange(PART + 1, BIG)
    put, (collector, _) = put_up_to(start, uploads, bucket, moment)
    collector.send_signal(deed)
    put.feed_and_end(noise(BIG)[moment:])
    assert put.end() == 1
    assert "the collector process was lost" in put.said[-1]
    assert uploads.pending() == []
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_collector_that_crashes_or_stops_after_any_byte_fails_a_get(
    start: Start, boto: S3Client, bucket: str, deed: signal.Signals, seed: int
) -> None:
    data = store(boto, bucket, LONG)
    got, out, (collector, _) = get_up_to(start, bucket, random.Random(seed).randrange(1, LONG // 2))
    collector.send_signal(deed)
    out += got.read()
    assert got.end() == 1
    assert "the collector process was lost" in got.said[-1]
    assert data.startswith(out)
    assert len(out) < len(data)


# --- users who pause ------------------------------------------------------------------


def peak_while_waiting(live: Live) -> int:
    """Bytes that its processes have together at most, in a pause that is minutes to the program."""
    end = time.monotonic() + PAUSE
    peak = 0
    while time.monotonic() < end:
        peak = max(peak, tree_pss(psutil.Process(live.pid))[0])
        time.sleep(0.1)
    return peak


def test_a_reader_that_pauses_is_no_failure_and_takes_no_memory(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, 3 * SLOTS)
    got = start("get", "-b", bucket, "-k", "k", *SMALL, "--debug", collect=False, shell=HURRIED)
    first = got.read(PART)
    until(got.stuck, "its output is full")
    assert peak_while_waiting(got) < SLOTS + PROCESSES
    assert first + got.read() == data
    assert got.end() == 0, got.said
    assert lost(got) == []


def test_a_producer_that_pauses_is_no_failure_and_takes_no_memory(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put, _ = put_up_to(start, uploads, bucket, 3 * PART, shell=HURRIED)
    assert peak_while_waiting(put) < SLOTS + PROCESSES
    put.feed_and_end(noise(BIG)[3 * PART :])
    assert put.end() == 0, put.said
    assert lost(put) == []
    assert stored(boto, bucket) == noise(BIG)
