"""Told to stop, at every stage: the promised exit code, in time, without a word, and nothing left behind.

Where it matters what is on the wire, the relay holds a request back until the signal is sent.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
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


# --- each stage, by the request that is under way ---------------------------------------


CREATE, PART_1, PART_2 = r"POST \S*\?uploads", r"PUT \S*partNumber=1&", r"PUT \S*partNumber=2&"
COMPLETE, LOOK_BACK, SIDECAR = r"POST \S*\?uploadId", r"HEAD ", r"PUT \S*/\.md5/"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("request_line", [PART_1, COMPLETE], ids=["first part", "complete"])
def test_a_signal_before_an_upload_is_complete_leaves_neither_object_nor_upload(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    request_line: str,
    number: signal.Signals,
) -> None:
    relay.hold(request_line)
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    relay.held()
    put.signal(number)
    assert put.wait(PROMPT) == STOPS[number], put.said
    assert put.said == []
    assert uploads.pending() == []
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("request_line", [LOOK_BACK, SIDECAR], ids=["look back", "sidecar"])
def test_a_signal_after_an_upload_is_complete_ends_a_put_as_not_done(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    request_line: str,
    number: signal.Signals,
) -> None:
    relay.hold(request_line)
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    relay.held()
    put.signal(number)
    assert put.wait(PROMPT) == STOPS[number], put.said
    assert put.said == []
    assert uploads.pending() == []
    assert stored(boto, bucket) == noise(BIG)
    assert keys(boto, bucket) == ["k"]


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("command", ["put", "get", "rm"])
def test_a_signal_while_credentials_are_looked_up_ends_before_anything_is_sent(
    start: Start, relay: Relay, bucket: str, command: str, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None,
            "AWS_EC2_METADATA_DISABLED": None,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        arguments = ["rm", f"s3://{bucket}/k"] if command == "rm" else [command, "-b", bucket, "-k", "k"]
        live = start(*arguments, env=env)
        asked, _ = silent.accept()
        with asked:
            live.signal(number)
            assert live.wait(PROMPT) == STOPS[number], live.said
    assert (live.stdout, live.said) == (b"", [])
    assert relay.connections == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "request_line",
    [r"GET \S*/\.md5/k\.md5", r"GET /\S*/k [^\0]*bytes=0-", r"GET /\S*/k [^\0]*bytes=2900000-"],
    ids=["sidecar", "first part", "last part"],
)
def test_a_signal_at_any_request_of_a_get_leaves_no_file(
    start: Start,
    relay: Relay,
    boto: S3Client,
    bucket: str,
    tmp_path: Path,
    request_line: str,
    number: signal.Signals,
) -> None:
    store(boto, bucket, LONG)
    relay.hold(request_line)
    got = start("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES)
    relay.held()
    got.signal(number)
    assert got.wait(PROMPT) == STOPS[number], got.said
    assert got.said == []
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("request_line", "left"),
    [
        (r"HEAD \S*/k ", [".md5/k.md5", "k"]),
        (r"PUT \S*/to ", [".md5/k.md5", "k"]),
        (r"PUT \S*/\.md5/to\.md5 ", [".md5/k.md5", "k", "to"]),
    ],
    ids=["source", "copy", "sidecar"],
)
def test_a_signal_at_any_request_of_a_copy_by_the_server_ends_it(
    start: Start,
    relay: Relay,
    boto: S3Client,
    bucket: str,
    request_line: str,
    left: list[str],
    number: signal.Signals,
) -> None:
    store(boto, bucket, LONG)
    relay.hold(request_line)
    copy = start("cp", f"s3://{bucket}/k", f"s3://{bucket}/to")
    relay.held()
    copy.signal(number)
    assert copy.wait(PROMPT) == STOPS[number], copy.said
    assert copy.said == []
    assert keys(boto, bucket) == left


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("request_line", [r"DELETE \S*/k ", r"DELETE \S*/\.md5/"], ids=["object", "sidecar"])
def test_a_signal_at_any_request_of_a_removal_ends_it(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str, number: signal.Signals
) -> None:
    store(boto, bucket, 10)
    relay.hold(request_line)
    removal = start("rm", f"s3://{bucket}/k")
    relay.held()
    removal.signal(number)
    assert removal.wait(PROMPT) == STOPS[number], removal.said
    assert removal.said == []


# --- SIGPIPE ------------------------------------------------------------------


@pytest.mark.parametrize("request_line", [CREATE, PART_2, COMPLETE, LOOK_BACK, SIDECAR])
def test_a_broken_pipe_of_somebody_else_s_changes_nothing_in_a_put(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str
) -> None:
    relay.before(request_line, lambda: os.killpg(put.pid, signal.SIGPIPE))
    put = start("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG))
    assert put.end() == 0, put.said
    assert not relay.waits
    assert stored(boto, bucket) == noise(BIG)


@pytest.mark.parametrize("request_line", [r"HEAD ", r"GET \S*/\.md5/", r"GET /\S*/k [^\0]*bytes=1000000-"])
def test_a_broken_pipe_of_somebody_else_s_changes_nothing_in_a_get(
    start: Start, relay: Relay, boto: S3Client, bucket: str, request_line: str
) -> None:
    data = store(boto, bucket, LONG)
    relay.before(request_line, lambda: os.killpg(got.pid, signal.SIGPIPE))
    got = start("get", "-b", bucket, "-k", "k", *PIECES)
    assert got.end() == 0, got.said
    assert not relay.waits
    assert got.stdout == data


# --- while it is loaded ------------------------------------------------------------------


INTERRUPTING = """
import os, runpy, signal, sys
ours, moment = False, sys.argv[1]
left = int(moment) if moment.isdigit() else 0
def count(event, arguments):
    global ours, left, moment
    if event == "exec" and arguments[0].co_filename.endswith("gof3r/__main__.py"):
        ours = True
    if ours and event in ("import", "open", "exec"):
        left -= 1
        if left == 0 or event == "import" and arguments[0] == moment:
            moment = ""
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(count)
sys.argv[1:] = sys.argv[2:]
sys.argv[0] = "gof3r"
runpy.run_module("gof3r", run_name="__main__", alter_sys=True)
"""
"""A program that runs ours and gets a Ctrl-C as its n-th import or file, counted from our first line, or the
import of a module, begins."""


@pytest.mark.parametrize("moment", [*map(str, range(12, 900, 74)), "pyexpat"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_word(
    start: Start, bucket: str, tmp_path: Path, moment: str
) -> None:
    """pyexpat is imported by a C function that makes an ImportError of every exception, which its caller
    takes for a missing accelerator: what a signal's handler raises there is lost."""
    script = tmp_path / "home" / "interrupting.py"
    script.write_text(INTERRUPTING)
    shell = f'python=$1; shift 3; exec "$python" {script} {moment} "$@"'
    put = start("put", "-b", bucket, "-k", "k", shell=shell)
    assert put.wait(PROMPT) in (130, -signal.SIGINT), "both are 130 to a shell"
    assert put.said == []


@pytest.mark.parametrize("moment", range(1_100_000, 2_600_000, 300_000))
def test_ctrl_c_from_outside_while_the_program_is_loaded_ends_it_without_a_word(
    start: Start, bucket: str, moment: int
) -> None:
    """The moment is how many bytes it has read; the first half is Python's own start."""
    put = start("put", "-b", bucket, "-k", "k")

    def read() -> int:
        lines = Path(f"/proc/{put.pid}/io").read_text().splitlines()
        return int(lines[0].split()[1])

    until(lambda: read() >= moment, "it has read so much")
    put.signal(signal.SIGINT)
    assert put.wait(PROMPT) in (130, -signal.SIGINT), put.said
    assert put.said == []
