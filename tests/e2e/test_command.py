"""put -- CMD: what a command prints becomes an object if the command exits with 0, and never else."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import Failed, Uploads, keys, md5, stored
from tests.e2e.live import PART, PROMPT, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

TWO_PARTS = "head -c 12M /dev/urandom"
"""A shell's line: two parts and some of a third."""

SIZES = [0, 1000, PART, 2 * PART + 1]


# --- exit 0 ------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_a_command_prints_becomes_the_object_and_the_command_reads_our_input(
    start: Start, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, "--", "cat", stdin=data)
    assert code == 0, put.said
    assert put.verified == "md5+crc64nvme"
    assert put.stdout == b""
    assert stored(boto, bucket) == data
    assert stored(boto, bucket, ".md5/k.md5") == md5(data).encode()


def test_the_command_s_own_options_and_a_second_double_dash_are_left_to_it(
    start: Start, boto: S3Client, bucket: str
) -> None:
    command = ("printf", "%s|", "-b", "--", "-h", "--debug", "a b", "")
    code, put = start.run("put", f"s3://{bucket}/k", "-m", "x-amz-meta-by:me", "--", *command)
    assert code == 0, put.said
    assert stored(boto, bucket) == b"-b|--|-h|--debug|a b||"


def test_a_command_gets_the_standard_streams_alone_and_the_system_s_signals(
    start: Start, boto: S3Client, bucket: str
) -> None:
    # Python ignores SIGPIPE, and yes(1) would say that its pipe is broken.
    line = "ls /proc/self/fd; yes | head -n 1; echo to the terminal >&2"
    code, put = start.run("put", "-b", bucket, "-k", "k", "--", "sh", "-c", line)
    assert code == 0, put.said
    assert stored(boto, bucket) == b"0\n1\n2\n3\ny\n"  # 3 is how ls looks
    assert put.said[0] == "to the terminal"
    assert len(put.said) == 3


# --- any other end ------------------------------------------------------------------


def test_the_exit_code_is_told_and_nothing_is_left(fails: Failed, boto: S3Client, bucket: str) -> None:
    put = fails("put", "-b", bucket, "-k", "k", "-s", "5MiB", "--", "sh", "-c", f"{TWO_PARTS}; exit 3")
    assert f"put s3://{bucket}/k: " in put.error
    assert "sh exited with 3" in put.error
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("size", SIZES)
def test_however_much_has_come_a_failed_command_makes_no_object_and_replaces_none(
    fails: Failed, boto: S3Client, bucket: str, size: int
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"older")
    put = fails("put", "-b", bucket, "-k", "k", *SMALL, "--", "sh", "-c", "cat; exit 77", stdin=noise(size))
    assert "sh exited with 77" in put.error
    assert keys(boto, bucket) == ["k"]
    assert stored(boto, bucket) == b"older"


@pytest.mark.parametrize(("how", "told"), [("KILL", "SIGKILL"), ("TERM", "SIGTERM"), ("40", "signal 40")])
def test_a_command_that_a_signal_killed_has_failed(
    fails: Failed, boto: S3Client, bucket: str, how: str, told: str
) -> None:
    put = fails("put", "-b", bucket, "-k", "k", "--", "sh", "-c", f"echo begun; kill -{how} $$")
    assert f"sh was killed by {told}" in put.error
    assert keys(boto, bucket) == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("no-such-command", "No such file or directory"),
        ("", "No such file or directory"),
        ("/dev/null", "Permission denied"),
    ],
)
def test_a_command_that_cannot_be_run_is_told_before_anything_is_sent(
    start: Start, relay: Relay, bucket: str, command: str, why: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", "--", command, "and", "arguments")
    assert code == 2
    assert put.said == [f"gof3r error: cannot run {command}: {why}", "run 'gof3r put --help' for usage."]
    assert relay.connections == 0


# --- its output's end is not its own ------------------------------------------------------------------


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO: who reads it waits for the test."""
    path = tmp_path / "home" / "gate"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("end", [0, 4])
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_a_command_that_closes_its_output_and_goes_on_decides_when_it_ends(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, gate: Path, size: int, end: int
) -> None:
    line = f"cat; exec >&-; read go < {gate}; exit {end}"
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--", "sh", "-c", line, stdin=noise(size))
    with open(gate, "w") as go:  # opens when the command reads it: its output is closed by then
        if size > PART:
            until(lambda: uploads.parts() == {1, 2}, "what is sure to be sent is stored")
        assert keys(boto, bucket) == []
        go.write("on\n")
    if end:
        assert put.end() == 1
        assert f"sh exited with {end}" in put.error
        assert keys(boto, bucket) == []
    else:
        assert put.end() == 0, put.said
        assert stored(boto, bucket) == noise(size)
    assert uploads.pending() == []


# --- ended from outside ------------------------------------------------------------------


def running(start: Start, uploads: Uploads, bucket: str, before: str = "") -> tuple[Live, psutil.Process]:
    """A put whose command has printed two parts and now waits, for good; and the command."""
    line = f"{before} {TWO_PARTS}; exec sleep 1000"
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--", "sh", "-c", line)
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")

    def sleeps() -> list[psutil.Process]:
        return [process for process in put.children() if process.name() == "sleep"]

    until(sleeps, "the command waits")
    return put, sleeps()[0]


@pytest.mark.parametrize(
    ("before", "number", "code"),
    [("", signal.SIGINT, 130), ("", signal.SIGHUP, 129), ("trap '' TERM INT;", signal.SIGTERM, 143)],
)
def test_a_signal_ends_the_command_too_even_one_that_will_not_listen(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str, before: str, number: int, code: int
) -> None:
    put, _ = running(start, uploads, bucket, before)
    put.signal(number)
    assert put.wait(PROMPT) == code, put.said
    assert put.said == []
    assert uploads.pending() == []
    assert keys(boto, bucket) == []


def test_ctrl_c_ends_both_at_once_and_is_no_failure_of_the_command(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    put, _ = running(start, uploads, bucket)
    os.killpg(put.pid, signal.SIGINT)
    assert put.wait(PROMPT) == 130, put.said
    assert put.said == []
    assert uploads.pending() == []


def test_a_second_ctrl_c_waits_for_no_command(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put, _ = running(start, uploads, bucket, "trap '' TERM INT;")
    put.signal(signal.SIGINT)
    until(lambda: uploads.pending() == [], "the upload is aborted")
    put.signal(signal.SIGINT)
    assert put.wait(PROMPT) == 130  # and nobody is left
    assert put.said == []


def test_what_the_command_has_started_ends_with_it_but_a_service(
    start: Start, uploads: Uploads, bucket: str, tmp_path: Path
) -> None:
    service = tmp_path / "home" / "service"
    apart = f"setsid sh -c 'echo $$ > {service}; exec sleep 1000' >&- 2>&-"
    line = f"{apart} & {TWO_PARTS}; sleep 1000 & sleep 1001 | sleep 1002"
    put = start("put", "-b", bucket, "-k", "k", *SMALL, "--", "sh", "-c", line)
    until(lambda: uploads.parts() == {1, 2}, "two parts are stored")
    until(lambda: [each.name() for each in put.children()].count("sleep") == 3, "all of it runs")
    put.signal(signal.SIGTERM)
    assert put.wait(PROMPT) == 143, put.said  # which looks that nothing is left of this session
    psutil.Process(int(service.read_text())).kill()


def test_a_command_that_is_killed_in_its_sleep_fails_the_put(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put, command = running(start, uploads, bucket)
    command.kill()
    assert put.end(PROMPT) == 1
    assert "sh was killed by SIGKILL" in put.error
    assert uploads.pending() == []
    assert keys(boto, bucket) == []


def test_no_command_outlives_a_put_that_is_killed(start: Start, uploads: Uploads, bucket: str) -> None:
    put, _ = running(start, uploads, bucket)
    put.signal(signal.SIGKILL)
    assert put.process.wait() == -signal.SIGKILL
    until(lambda: put.family() == [], "all are gone")


def test_a_server_that_refuses_ends_the_command(start: Start, bucket: str) -> None:
    line = f"{TWO_PARTS}; exec sleep 1000"
    put = start("put", "-b", f"no-{bucket}", "-k", "k", *SMALL, "--", "sh", "-c", line)
    assert put.end() == 1  # which looks that nothing is left
    assert "NoSuchBucket" in put.error
