"""Sources and destinations that are closed, full, missing, or of the wrong kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Failed, keys, store, stored
from tests.e2e.live import DATA, LONG, PART, PIECES, SMALL, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


# --- destinations ------------------------------------------------------------------


@pytest.mark.parametrize("shell", ['exec "$@" >/dev/full', 'exec "$@" -p /dev/full'])
def test_a_full_disk_fails_a_get(fails: Failed, boto: S3Client, bucket: str, shell: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "No space left" in fails("get", "-b", bucket, "-k", "k", *PIECES, shell=shell).error


def test_a_file_that_grows_too_large_fails_and_leaves_the_older_one(
    fails: Failed, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=noise(PART))
    (tmp_path / "out").write_bytes(b"older")
    limited = 'ulimit -f 2048; exec "$@"'  # in units of 512 bytes
    live = fails("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=limited)
    assert "File too large" in live.error
    assert (tmp_path / "out").read_bytes() == b"older"


@pytest.mark.parametrize("path", ["missing/out", ".", "home/"])
def test_a_path_that_cannot_be_written_is_named(
    fails: Failed, boto: S3Client, bucket: str, path: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert f"{path}: " in fails("get", "-b", bucket, "-k", "k", "-p", path).error


@pytest.mark.parametrize("first", [0, 1, 1_500_000])
def test_a_reader_that_goes_away_ends_a_get_quietly(
    start: Start, boto: S3Client, bucket: str, first: int
) -> None:
    store(boto, bucket, PART)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False)
    assert len(live.read(first)) == first
    assert live.process.stdout is not None
    live.process.stdout.close()
    assert live.end() == 141
    assert live.said == []


def non_blocking(fd: int) -> str:
    """A shell line that runs the program with its standard stream ``fd`` made non-blocking, as ssh and
    Node.js leave pipes that they share with it."""
    code = f"import os, sys; os.set_blocking({fd}, False); os.execv(sys.argv[1], sys.argv[1:])"
    return f'exec {sys.executable} -c "{code}" "$@"'


def test_an_output_that_somebody_made_non_blocking_gets_every_byte(
    start: Start, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, LONG)
    live = start("get", "-b", bucket, "-k", "k", *PIECES, collect=False, shell=non_blocking(1))
    until(live.stuck, "the pipe is full")
    assert live.read(LONG) == data
    assert live.end() == 0, live.said


def test_an_input_that_somebody_made_non_blocking_is_read_to_its_end(
    start: Start, boto: S3Client, bucket: str
) -> None:
    live = start("put", "-b", bucket, "-k", "k", shell=non_blocking(0))
    live.feed(DATA[:1000])
    until(lambda: live.unread() == 0, "the first bytes are read")
    live.feed(DATA[1000:])
    live.end_input()
    assert live.wait() == 0, live.said
    assert stored(boto, bucket) == DATA


def test_streams_that_are_not_needed_may_be_closed(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(noise(PART + 1))
    closed = 'exec "$@" <&- >&- 2>&-'
    code, _ = start.run("put", "-b", bucket, "-k", "k", "-p", "in", "-s", "5MiB", shell=closed)
    assert code == 0
    assert stored(boto, bucket) == noise(PART + 1)
    code, _ = start.run("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=closed)
    assert code == 0
    assert (tmp_path / "out").read_bytes() == noise(PART + 1)


def test_an_error_output_that_fails_changes_no_exit_code(start: Start, bucket: str) -> None:
    full = 'exec "$@" 2>/dev/full'
    assert start.run("put", "-b", bucket, "-k", "k", stdin=DATA, shell=full)[0] == 0
    code, got = start.run("get", "-b", bucket, "-k", "k", shell=full)
    assert (code, got.stdout) == (0, DATA)
    assert start.run("get", "-b", bucket, "-k", "nothing", shell=full)[0] == 1


def test_a_get_without_a_standard_output_fails(fails: Failed, boto: S3Client, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "standard output" in fails("get", "-b", bucket, "-k", "k", shell='exec "$@" >&-').error


def test_a_path_that_ends_in_a_slash_is_no_file(fails: Failed, boto: S3Client, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert "missing/" in fails("get", "-b", bucket, "-k", "k", "-p", "missing/").error


def test_a_terminal_that_is_gone_ends_a_get_quietly(
    start: Start, relay: Relay, boto: S3Client, bucket: str
) -> None:
    store(boto, bucket, LONG)
    master, slave = os.openpty()
    terminal = os.ttyname(slave)
    os.close(slave)
    relay.before(r"HEAD ", lambda: os.close(master))
    got = start("get", "-b", bucket, "-k", "k", *PIECES, shell=f'exec "$@" >{terminal}')
    assert got.end() == 141
    assert got.said == []


def test_a_destination_that_breaks_fails_a_get(fails: Failed, boto: S3Client, bucket: str) -> None:
    store(boto, bucket, LONG)
    memory = f"/proc/{os.getpid()}/mem"  # of which nothing is mapped at 0: EIO
    if subprocess.run(["/bin/sh", "-c", f": >{memory}"], capture_output=True, check=False).returncode:
        pytest.skip("another process's memory cannot be opened here (ptrace_scope)")
    got = fails("get", "-b", bucket, "-k", "k", *PIECES, shell=f'exec "$@" >{memory}')
    assert "writing the destination failed: Input/output error" in got.error


# --- sources ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, PART + 1000], ids=["small", "parts"])
def test_a_source_that_breaks_in_the_middle_fails_a_put_and_aborts_it(
    fails: Failed, boto: S3Client, bucket: str, tmp_path: Path, size: int
) -> None:
    # A terminal's other side: what was written comes, and then, as its last writer has gone, EIO.
    script = tmp_path / "home" / "breaks.py"
    script.write_text(
        "import os, sys, tty\n"
        "master, slave = os.openpty()\n"
        "tty.setraw(slave)\n"
        "if not os.fork():\n"
        "    os.close(master)\n"
        f"    left = {size}\n"
        "    while left:\n"
        "        left -= os.write(slave, bytes(min(left, 4096)))\n"
        "    os._exit(0)\n"
        "os.close(slave)\n"
        "os.dup2(master, 0)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    breaks = f'exec {sys.executable} {script} "$@"'
    put = fails("put", "-b", bucket, "-k", "k", *SMALL, shell=breaks)
    assert "reading the source failed: Input/output error" in put.error
    assert keys(boto, bucket) == []


def test_a_file_that_cannot_be_read_at_all_fails_a_put(fails: Failed, boto: S3Client, bucket: str) -> None:
    put = fails("put", "-b", bucket, "-k", "k", "-p", "/proc/self/mem")  # nothing is mapped at 0: EIO
    assert "reading the source failed: Input/output error" in put.error
    assert keys(boto, bucket) == []


def test_a_directory_as_standard_input_stores_nothing(start: Start, boto: S3Client, bucket: str) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", shell='exec "$@" </')
    assert code not in (0, 141)
    assert "directory" in put.said[0]  # Python's own words
    assert keys(boto, bucket) == []


def test_a_put_without_a_standard_input_fails_instead_of_storing_nothing(
    fails: Failed, boto: S3Client, bucket: str
) -> None:
    assert "standard input" in fails("put", "-b", bucket, "-k", "k", shell='exec "$@" <&-').error
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("path", [".", "missing"])
def test_a_source_that_cannot_be_read_fails(fails: Failed, boto: S3Client, bucket: str, path: str) -> None:
    reason = "Is a directory" if path == "." else "No such file"
    assert reason in fails("put", "-b", bucket, "-k", "k", "-p", path).error
    assert keys(boto, bucket) == []


def test_a_destination_that_takes_no_byte_fails_a_get(fails: Failed, boto: S3Client, bucket: str) -> None:
    store(boto, bucket, len(DATA))
    # The memory of a program that is no more (the shell's): write(2) returns 0, always.
    got = fails("get", "-b", bucket, "-k", "k", *PIECES, shell='exec "$@" >/proc/self/mem')
    assert "writing the destination failed" in got.error
