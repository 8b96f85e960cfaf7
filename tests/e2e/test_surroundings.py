"""What whoever started the program, or the machine, has arranged otherwise than usual."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.e2e.conftest import Uploads, store, stored
from tests.e2e.live import BIG, SMALL, Start, noise

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def after(code: str) -> str:
    """A shell line that runs the program in an interpreter that has run ``code``, which is one line without
    double quotes."""
    run = f"import sys; {code}; from gof3r.cli import main; sys.exit(main(sys.argv[1:]))"
    return f'shift 3; exec {sys.executable} -c "{run}" "$@"'  # 3: the interpreter, -m, gof3r


def test_children_whose_end_the_starter_ignores_are_waited_for(
    start: Start, boto: S3Client, bucket: str
) -> None:
    ignoring = after("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG), shell=ignoring)
    assert code == 0, put.said
    assert stored(boto, bucket) == noise(BIG)


def test_a_machine_that_refuses_a_process_fails_a_put_and_aborts_it(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    # The third child is the part worker; the fourth, which aborts, is granted again.
    third = (
        "import os; real = os.fork; turns = iter([1, 1, 0]); "
        "os.fork = lambda: real() if next(turns, 1) else open('/dev/full', 'wb', 0).write(b'x')"
    )
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG), shell=after(third))
    assert code == 1
    assert "the system refuses a process" in put.error
    assert uploads.pending() == []


def test_pipes_that_hold_next_to_nothing_stop_nobody(start: Start, boto: S3Client, bucket: str) -> None:
    data = store(boto, bucket, 20_000_000)
    tiny = (
        "import fcntl; real, widen = fcntl.fcntl, fcntl.F_SETPIPE_SZ; "
        "fcntl.fcntl = lambda fd, what, *size: real(fd, what, *([4096] if what == widen else size))"
    )
    options = ("--no-md5", "-c", "100", "-s", "20000")
    code, got = start.run("get", "-b", bucket, "-k", "k", *options, shell=after(tiny))
    assert code == 0, got.said
    assert got.stdout == data
