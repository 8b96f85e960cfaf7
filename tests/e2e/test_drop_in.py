"""Every command line of s3gof3r, old and new, does what it says: scripts written for it keep working.

The lines are those of its first README and of v0.5.0's help and README, with names of ours in the place of
``my_s3_bucket``. They run as users run them, by bash, with the program found on the PATH.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gof3r import __version__
from tests.conftest import TIMEOUT, Server
from tests.e2e.conftest import keys, md5, stored
from tests.e2e.live import noise

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DATA = noise(300_000)

Shell = Callable[[str], "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def shell(s3: Server, environment: dict[str, str], tmp_path: Path, bucket: str) -> Shell:
    """Runs a line in a directory with ``file`` (DATA) and ``my_dir`` (the same in it). ``$B`` is the bucket,
    ``$HOST`` the server. Any piece of a pipe may fail the line."""
    home = Path(environment["HOME"])
    program = home / "bin" / "gof3r"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gof3r "$@"\n')
    program.chmod(0o755)
    (tmp_path / "file").write_bytes(DATA)
    (tmp_path / "my_dir").mkdir()
    (tmp_path / "my_dir" / "file").write_bytes(DATA)
    environment |= {
        "PATH": f"{program.parent}:{environment['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "B": bucket,
        "HOST": s3.endpoint.partition("://")[2],
    }

    def run(line: str) -> subprocess.CompletedProcess[bytes]:
        command = ["bash", "-e", "-o", "pipefail", "-c", line]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    return run


def succeeds(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Lines of standard error of a line that has worked, duration and summary taken off."""
    said = done.stderr.decode().splitlines()
    assert done.returncode == 0, said
    assert said[-2].startswith("duration: "), said
    return said[:-2]


# --- up ------------------------------------------------------------------

UP = [
    # the README's
    "cat file | gof3r put -b $B -k k",
    "cat my_dir/file | cat | gof3r put -b $B -k k",
    "gof3r put --path=file --bucket=$B --key=k --header=x-amz-meta-a:1 --header=x-amz-meta-b:2",
    "cat file | gof3r put -b $B -k k -m x-amz-meta-a:1 -m x-amz-server-side-encryption:AES256",
    "gof3r cp file s3://$B/k",
    "gof3r cp file s3://$B/k -mx-amz-meta-a:1 -mx-amz-meta-b:2",
    # the help's options, in every form that go-flags takes
    "gof3r put -p file -k k -b $B",
    "gof3r put -pfile -kk -b$B",
    "gof3r put -p=file -k=k -b=$B -m=x-amz-meta-a:1",
    "gof3r put --path file --key k --bucket $B --header x-amz-meta-a:1",
    "gof3r put -p /dev/stdin -b $B -k k < file",
    "cat file | gof3r put --path=/dev/stdin --bucket=$B --key=k",
    'cat file | gof3r put -p "" -b $B -k k',
    "gof3r put -b $B -k k -p file -c 20 -s 20971520",
    "gof3r put -b $B -k k -p file --concurrency=20 --partsize=20971520",
    'gof3r put -b $B -k k -p file -c=5 -s "20 MB"',
    "gof3r put -b $B -k k -p file --endpoint=$HOST --no-ssl",
    "gof3r put -b $B -k k -p file --endpoint $HOST --no-ssl --debug",
    "gof3r put -b $B -k k -p file --acl=private",
    "gof3r put -b other -k other -p other -b $B -k k -p file",
    "gof3r copy file s3://$B/k --acl private -c 5 -s 20971520 --endpoint=$HOST --no-ssl --debug",
]

UP_WITHOUT_MD5 = [
    "gof3r put -b $B -k k -p file --no-md5",
    "cat file | gof3r put --md5Check-off -b $B -k k",
    "gof3r cp --no-md5 file s3://$B/k",
]


@pytest.mark.parametrize("line", [*UP, *UP_WITHOUT_MD5])
def test_a_line_that_puts_puts(shell: Shell, boto: S3Client, bucket: str, line: str) -> None:
    done = shell(line)
    said = succeeds(done)
    assert done.stdout == b""
    debugged = [each for each in said if each.startswith("gof3r debug: ")]
    assert said == debugged
    assert bool(debugged) == ("--debug" in line)

    assert stored(boto, bucket) == DATA
    if line in UP_WITHOUT_MD5:
        assert keys(boto, bucket) == ["k"]
    else:
        assert stored(boto, bucket, ".md5/k.md5") == md5(DATA).encode()
    head = boto.head_object(Bucket=bucket, Key="k")
    names = [name for name in ("a", "b") if f"x-amz-meta-{name}:" in line]
    assert head["Metadata"] == {name: str(number) for number, name in enumerate(names, 1)}
    assert head.get("ServerSideEncryption") == ("AES256" if "AES256" in line else None)


# --- down ------------------------------------------------------------------

DOWN = [
    "gof3r get -b $B -k k",
    "gof3r get -b $B -k k | cat",
    "gof3r get --bucket=$B --key=k",
    "gof3r get -b$B -kk -c20 -s20971520",
    "gof3r get -b=$B -k=k -c=20 -s=20971520",
    'gof3r get --bucket $B --key k --concurrency 20 --partsize "20 MB"',
    "gof3r get -b $B -k k -p /dev/stdout",
    "gof3r get -b $B -k k -p ''",
    "gof3r get -b $B -k k --endpoint=$HOST --no-ssl --debug",
    "gof3r get -b $B -k k --no-md5",
    "gof3r get -b $B -k k --md5Check-off",
    "gof3r get -b $B -k k -p out && cat out",
    "gof3r get --path=out --bucket=$B --key=k && cat out",
    "gof3r get -b $B -k k -p=out && cat out",
    "gof3r cp s3://$B/k out && cat out",
    "gof3r copy -c 5 -s 20971520 --no-md5 --endpoint=$HOST --no-ssl --debug s3://$B/k out && cat out",
]


@pytest.mark.parametrize("line", DOWN)
def test_a_line_that_gets_gets(shell: Shell, boto: S3Client, bucket: str, line: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(DATA).encode())
    done = shell(line)
    said = succeeds(done)
    assert done.stdout == DATA
    debugged = [each for each in said if each.startswith("gof3r debug: ")]
    assert said == debugged
    assert bool(debugged) == ("--debug" in line)


THERE_AND_BACK = [
    "tar -czf - my_dir/ | gof3r put -b $B -k bar_dir/s3_object",
    "gof3r get -b $B -k bar_dir/s3_object | tar -zxC back",
    "gof3r cp s3://$B/bar_dir/s3_object - | gof3r cp - s3://$B/again",
    "gof3r get -b $B -k again | tar -zxC again",
]


def test_a_directory_goes_there_and_back_through_pipes(shell: Shell, tmp_path: Path) -> None:
    for name in ("back", "again"):
        (tmp_path / name).mkdir()
    for line in THERE_AND_BACK:
        succeeds(shell(line))
    assert (tmp_path / "back" / "my_dir" / "file").read_bytes() == DATA
    assert (tmp_path / "again" / "my_dir" / "file").read_bytes() == DATA


# --- versions, and away ------------------------------------------------------------------


def test_v_chooses_a_version_to_get_and_to_remove(
    shell: Shell, environment: dict[str, str], boto: S3Client, versioned: str
) -> None:
    old, new = (
        boto.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"] for body in (b"old", b"new")
    )
    environment |= {"B": versioned, "OLD": old, "NEW": new}
    for line, body in [
        ("gof3r get -b $B -k k -v $OLD", b"old"),
        ("gof3r get -b $B -k k -v=$NEW", b"new"),
        ("gof3r get --bucket=$B --key=k --versionId=$OLD", b"old"),
        ("gof3r rm -v $NEW s3://$B/k", b""),
        ("gof3r get -b $B -k k", b"old"),
        ("gof3r rm s3://$B/k --versionId=$OLD", b""),
    ]:
        done = shell(line)
        assert (done.returncode, done.stdout) == (0, body), (line, done.stderr)
    left = boto.list_object_versions(Bucket=versioned)
    assert "Versions" not in left and "DeleteMarkers" not in left


@pytest.mark.parametrize(
    "line", ["gof3r rm s3://$B/k", "gof3r rm --endpoint=$HOST --no-ssl --debug s3://$B/k"]
)
def test_rm_takes_the_object_and_its_md5(shell: Shell, boto: S3Client, bucket: str, line: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(DATA).encode())
    done = shell(line)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert keys(boto, bucket) == []


# --- about itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ("gof3r -h", "Commands:\n  put "),
        ("gof3r --help", "Commands:\n  put "),
        ("gof3r put -h", "gof3r put [options]"),
        ("gof3r get --help", "gof3r get [options]"),
        ("gof3r cp --help", "gof3r cp [options]"),
        ("gof3r copy --help", "gof3r cp [options]"),
        ("gof3r rm -h", "gof3r rm [options]"),
        ("gof3r -v", __version__),
        ("gof3r --version", __version__),
        ("gof3r -m", ".SH NAME"),
        ("gof3r --manpage", ".SH NAME"),
    ],
)
def test_what_is_asked_about_itself_goes_to_standard_output(shell: Shell, line: str, shows: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (0, b"")
    assert shows in done.stdout.decode()


@pytest.mark.parametrize("line", ["gof3r -i", "gof3r --writeini"])
def test_an_ini_file_is_written_once(shell: Shell, environment: dict[str, str], line: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    file = Path(environment["HOME"]) / ".gof3r.ini"
    text = file.read_text()
    assert [each for each in text.splitlines() if each.startswith("[")] == ["[put]", "[get]", "[cp]", "[rm]"]
    file.write_text("mine")
    assert shell(line).returncode == 1
    assert file.read_text() == "mine"
