"""Told to stop, at every stage: the promised exit code, in time, without a word, and nothing left behind.

Where it matters what is on the wire, the relay holds a request back until the signal is sent.
"""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import Uploads, half_get, half_put, keys, rest, store, stored
from tests.e2e.live import BIG, LONG, PIECES, PROMPT, SMALL, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


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
    assert keys(boto, bucket) == []


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
    assert f"`gof3r uploads ls s3://{bucket}/k --endpoint " in line


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
    assert uploads.pending()[0] in line
    assert start(*shlex.split(line.split("`")[1])[1:]).end() == 0, "the command that the line names"
    assert uploads.pending() == []


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
    put = half_put(start, uploads, bucket, shell='trap "" HUP; exec "$@"')
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


def test_a_signal_that_comes_together_with_the_end_of_the_input_ends_a_put(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    put = half_put(start, uploads, bucket)
    parent = psutil.Process(put.pid)
    parent.suspend()
    until(lambda: parent.status() == psutil.STATUS_STOPPED, "it has stopped")
    put.end_input()
    put.signal(signal.SIGINT)
    parent.resume()  # and finds both in one look
    assert put.wait(PROMPT) == 130, put.said
    assert put.said == []
    assert uploads.pending() == []
