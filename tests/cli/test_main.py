"""The exit code and the lines on standard error, for what ends before a transfer begins."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from gof3r import arguments, cli, usage

NAMES = ", ".join(arguments.NAMES)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """The program in a process of its own; its streams as for ``subprocess``, or redirected by a shell."""

    def run(
        *arguments: str, stdout: int = PIPE, stderr: int = PIPE, redirect: str = ""
    ) -> subprocess.CompletedProcess[str]:
        shell = ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "gof3r", *arguments]
        environ = {**environment, "PYTHONPATH": ":".join(sys.path)}
        return subprocess.run(shell, env=environ, stdin=DEVNULL, stdout=stdout, stderr=stderr, text=True)

    return run


@pytest.fixture
def gone() -> Iterator[int]:
    """The writing end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--help"], usage.TOP),
        (["put", "-h"], usage.COMMANDS["put"]),
        (["get", "--help"], usage.COMMANDS["get"]),
    ],
)
def test_help_goes_to_standard_output(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr() == (text, "")


@pytest.mark.parametrize(
    ("words", "error", "where"),
    [
        ([], f"no command is given: {NAMES}", "gof3r --help"),
        (["frob"], f"unknown command 'frob': {NAMES}", "gof3r --help"),
        (["put", "--frob"], "unknown option --frob", "gof3r put --help"),
        (["put"], "no object is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY", "gof3r put --help"),
        (
            ["get", "s3://b/k", "-c", "0"],
            "concurrency: 0 is not a whole number from 1 to 10000",
            "gof3r get --help",
        ),
        (
            ["put", "s3://b/k", "-m", "a\nb"],
            "a header has no colon (expected NAME:VALUE)",
            "gof3r put --help",
        ),
        (["put", "--a\x1b[2J\nb"], "unknown option --a [2J b", "gof3r put --help"),
    ],
)
def test_a_usage_error_is_one_line_and_where_to_read_more(
    words: list[str], error: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert capsys.readouterr() == ("", f"gof3r error: {error}\nrun '{where}' for usage.\n")


def test_a_traceback_is_shown_with_debug_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["get"]) == cli.main(["--debug", "get"]) == cli.main(["get", "--debug"]) == 2
    assert capsys.readouterr().err.count("Traceback (most recent call last)") == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libcurl.so.4: failed to map segment from shared object"),
        SystemError(
            "error return without exception set"
        ),  # as Python says it, and one with its function's name
        SystemError("<built-in function open> returned NULL without setting an exception"),
    ],
)
def test_too_little_memory_is_told_as_such(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main(["get", "s3://bucket/key"]) == 1
    assert "the system gives no more memory: raise ulimit -v" in capsys.readouterr().err


def test_an_error_that_nobody_expected_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    not_text: list[str] = [None]  # type: ignore[list-item]
    assert cli.main(not_text) == 1
    err = capsys.readouterr().err
    assert err.startswith("gof3r error: internal error: AttributeError: ")
    assert err.endswith(" (run again with --debug)\n") and err.count("\n") == 1


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
def test_without_standard_error_the_exit_code_remains(run: Run, redirect: str) -> None:
    done = run("put", redirect=redirect)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_reader_of_standard_error_that_has_gone_changes_nothing(run: Run, gone: int) -> None:
    done = run("put", stderr=gone)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_reader_of_the_help_that_has_gone_is_no_error(run: Run, gone: int) -> None:
    done = run("--help", stdout=gone)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_into_a_closed_output_is_an_error(run: Run) -> None:
    done = run("--help", redirect=">&-")
    assert (done.returncode, done.stderr) == (
        1,
        "gof3r error: cannot write to standard output: it is closed\n",
    )


def test_help_that_cannot_be_written_is_an_error(run: Run) -> None:
    done = run("--help", redirect=">/dev/full")
    assert done.returncode == 1
    assert done.stderr == "gof3r error: cannot write to standard output: No space left on device\n"


def test_a_pipe_in_the_place_of_the_ini_file_is_an_error_and_no_wait(
    run: Run, environment: dict[str, str]
) -> None:
    path = Path(environment["HOME"]) / ".gof3r.ini"
    os.mkfifo(path)
    done = run("put", "s3://b/k")
    assert done.returncode == 2
    assert done.stderr == (f"gof3r error: {path}: it is no regular file\nrun 'gof3r put --help' for usage.\n")


def test_a_value_in_the_ini_file_that_cannot_be_used_is_told_with_its_line(
    run: Run, environment: dict[str, str]
) -> None:
    path = Path(environment["HOME"]) / ".gof3r.ini"
    path.write_text("[put]\n; a comment\npartsize = big\n")
    done = run("put", "s3://b/k")
    assert done.returncode == 2
    assert done.stderr.startswith(f"gof3r error: {path}:3: part size: not a size ")


def test_without_a_home_in_the_environment_nothing_is_looked_for_at_the_root(
    run: Run, environment: dict[str, str]
) -> None:
    environment["HOME"] = ""
    assert run("put").stderr.startswith("gof3r error: no object is named")  # as without any file
    environment["HOME"] = "/dev/null"
    assert run("put").stderr.startswith("gof3r error: no object is named")
