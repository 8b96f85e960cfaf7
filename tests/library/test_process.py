"""The user's process: how it may be started, and every way in which it may end."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TIMEOUT
from tests.e2e.conftest import Uploads, keys, stored
from tests.e2e.live import PART, until
from tests.library.conftest import Script, engines, gone

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

HALF = f"""
import os, sys, time
import gof3r
file = gof3r.open({{url!r}}, "wb", config=gof3r.Config(part_size={PART}, concurrency=2))
file.write(bytes({2 * PART}))
file.flush()
"""
"""A file in its middle."""


def test_a_script_needs_no_guard(script: Script, url: str, bucket: str, boto: S3Client) -> None:
    done = script(f"import gof3r\nprint(gof3r.put(b'1', {url!r}).size)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert stored(boto, bucket) == b"1"


def test_the_users_process_stays_small(script: Script, url: str) -> None:
    done = script(
        "import sys\nimport gof3r\n"
        "print([name for name in sys.modules if name.startswith('gof3r.')])\n"
        "assert all(hasattr(gof3r, name) for name in gof3r.__all__)\n"
        f"gof3r.put(b'1', {url!r})\ngof3r.open({url!r}).close()\n"
        "print([name for name in ('pycurl', 'awscrt', 'botocore', 'multiprocessing') if name in sys.modules])"
    )
    assert done.stdout == "[]\n[]\n", done.stderr


def test_files_of_ours_in_the_current_directory_are_not_imported_by_the_engine(
    script: Script, url: str, surroundings: dict[str, str]
) -> None:
    done = script(
        "import os, pathlib, tempfile\nimport gof3r\n"
        "os.chdir(tempfile.mkdtemp(dir='.'))\n"
        "pathlib.Path('pickle.py').write_text('raise SystemExit(9)')\n"
        f"print(gof3r.put(b'1', {url!r}).size)"
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_standard_streams_may_be_closed(surroundings: dict[str, str], url: str, tmp_path: str) -> None:
    code = f"import gof3r; gof3r.put(b'1', {url!r}); gof3r.get({url!r}, 'got')"
    shell = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(shell, env=surroundings, cwd=tmp_path, timeout=TIMEOUT).returncode == 0


def test_a_caller_with_many_open_files_is_served(script: Script, url: str) -> None:
    done = script(
        "import os, resource\nimport gof3r\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))\n"
        "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(1100)]\n"
        f"print(gof3r.put(b'1', {url!r}).size)"
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    "end",
    ["sys.exit(0)", "raise RuntimeError", "os._exit(0)", "os.kill(os.getpid(), 9)", "pass", "del file"],
)
def test_a_process_that_ends_without_closing_leaves_nothing(
    end: str, script: Script, url: str, bucket: str, boto: S3Client, surroundings: dict[str, str]
) -> None:
    script(HALF.format(url=url) + end)
    gone(surroundings["MARK"])
    assert Uploads(boto, bucket).pending() == []
    assert keys(boto, bucket) == []


def test_a_forked_child_does_not_keep_a_killed_callers_upload_alive(
    script: Script, url: str, bucket: str, boto: S3Client, surroundings: dict[str, str]
) -> None:
    script(
        HALF.format(url=url)
        + f"""
if not os.fork():
    for fd in (0, 1, 2):
        os.close(fd)
    time.sleep({TIMEOUT})
    os._exit(0)
os.kill(os.getpid(), 9)
"""
    )
    gone(surroundings["MARK"])
    assert Uploads(boto, bucket).pending() == []
    assert keys(boto, bucket) == []


@pytest.mark.parametrize(
    "what", ["file.write(bytes(10 ** 9))", "gof3r.put(iter(lambda: bytes(10 ** 6), 0), {url!r})"]
)
def test_ctrl_c_cancels(
    what: str, url: str, bucket: str, boto: S3Client, surroundings: dict[str, str]
) -> None:
    code = HALF + "print(1, flush=True)\n" + what
    process = subprocess.Popen(
        [sys.executable, "-c", code.format(url=url)],
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"1"
        until(lambda: Uploads(boto, bucket).parts(), "a part is stored")
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.stderr.read()
    assert process.returncode == -signal.SIGINT
    gone(surroundings["MARK"])
    assert Uploads(boto, bucket).pending() == []
    assert keys(boto, bucket) == []


def test_a_reader_that_is_killed_leaves_no_process(
    script: Script, url: str, boto: S3Client, bucket: str, surroundings: dict[str, str]
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=bytes(3_000_000))
    script(
        f"import gof3r, os\nfile = gof3r.open({url!r}, config=gof3r.Config(part_size=100000))\n"
        "file.read(1)\nos.kill(os.getpid(), 9)"
    )
    gone(surroundings["MARK"])
    assert engines(surroundings["MARK"]) == []


def test_a_program_without_an_interpreter_does_not_start_itself(script: Script, url: str) -> None:
    done = script(f"import sys, gof3r\nsys.frozen = True\ngof3r.put(b'1', {url!r})")
    assert "no Python interpreter" in done.stderr.splitlines()[-1]


def test_isolation_is_the_engines_as_well(script: Script, url: str) -> None:
    """As -I has it: what PYTHONPATH names is not looked at."""
    put = f'import sys; sys.path[:] = sys.argv[1:]; import gof3r; gof3r.put(b"1", {url!r})'
    done = script(
        "import os, pathlib, sys, subprocess\n"
        "pathlib.Path('sitecustomize.py').write_text('raise SystemExit(9)')\n"
        "environ = {**os.environ, 'PYTHONPATH': os.getcwd()}\n"
        f"command = [sys.executable, '-I', '-c', {put!r}, *sys.path]\n"
        "print(subprocess.run(command, env=environ).returncode)\n"
    )
    assert done.stdout == "0\n", done.stderr
