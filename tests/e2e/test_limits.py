"""Machines that give too little: descriptors, address space, memory, processes, room for files.

Each limit is set by the kernel's own means, from next to nothing to enough. Whatever it leaves room for, a
run succeeds or says in one line what is short, and leaves neither upload nor file nor process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Failed, Uploads, keys, store, stored
from tests.e2e.live import BIG, DATA, LONG, PART, PIECES, SMALL, Start, noise, until
from tests.e2e.relay import Relay
from tests.e2e.test_killed import lost
from tests.e2e.test_surroundings import after

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONTROLLER = Path("/sys/fs/cgroup/memory")
"""Of cgroup v1; v2 has its files elsewhere and moves processes only between leaves."""

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, another user's limits, cgroups")

Ways = Callable[[str], int]


@pytest.fixture
def ways(start: Start, uploads: Uploads, boto: S3Client, bucket: str, tmp_path: Path) -> Ways:
    """Runs a put and gets under what a shell line sets before it; how many of them have succeeded."""
    store(boto, bucket, len(DATA))

    def run(shell: str) -> int:
        put = start.run("put", "-b", bucket, "-k", "new", *SMALL, stdin=noise(PART + 1), shell=shell)
        got = start.run("get", "-b", bucket, "-k", "k", *PIECES, shell=shell)
        filed = start.run("get", "-b", bucket, "-k", "k", "-p", "out", *PIECES, shell=shell)
        for code, live in (put, got, filed):
            assert code in (0, 1), (shell, live.said)
            assert code == 0 or live.error, shell
            assert "internal error" not in live.said[-1], shell
        assert uploads.pending() == [], shell
        assert (stored(boto, bucket, "new") == noise(PART + 1)) if put[0] == 0 else keys(boto, bucket) == OLD
        assert got[1].stdout == DATA if got[0] == 0 else DATA.startswith(got[1].stdout)
        out = tmp_path / "out"
        assert out.read_bytes() == DATA if filed[0] == 0 else not out.exists()
        assert [path.name for path in tmp_path.iterdir() if path != out] == ["home"]
        for key in set(keys(boto, bucket)) - set(OLD):
            boto.delete_object(Bucket=bucket, Key=key)
        out.unlink(missing_ok=True)
        return [put[0], got[0], filed[0]].count(0)

    return run


OLD = [".md5/k.md5", "k"]
"""Keys that are there before a put."""


# --- ulimit ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptors", "succeed"), [(8, 0), (16, 0), (18, 0), (20, None), (21, None), (40, 3)]
)
def test_too_few_descriptors_are_one_line(ways: Ways, descriptors: int, succeed: int | None) -> None:
    done = ways(f'ulimit -n {descriptors}; exec "$@"')
    assert succeed in (None, done)


@pytest.mark.parametrize("megabytes", [100, 200, 500, 1000, 2000])
def test_address_space_of_a_hundred_megabytes_is_enough(ways: Ways, megabytes: int) -> None:
    assert ways(f'ulimit -v {megabytes * 1000}; exec "$@"') == 3


def other_user(processes: int) -> str:
    """A shell line: as somebody who may have so many processes, and is not root, whom no such limit binds."""
    return (
        f"exec prlimit --nproc={processes} "
        f'setpriv --ruid {100_000 + os.getpid()} --bounding-set -sys_resource,-sys_admin "$@"'
    )


@root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="there is no setpriv(1)")
@pytest.mark.parametrize(("processes", "succeed"), [(1, 0), (3, 0), (12, 3)])
def test_too_few_processes_are_one_line(ways: Ways, processes: int, succeed: int) -> None:
    assert ways(other_user(processes)) == succeed


def test_slots_that_do_not_fit_into_the_address_space_are_told_with_the_remedy(
    start: Start, uploads: Uploads, bucket: str
) -> None:
    sizes = ("-s", "1GiB", "--memory", "4GiB")
    code, put = start.run("put", "-b", bucket, "-k", "k", *sizes, shell='ulimit -v 1000000; exec "$@"')
    assert code == 1
    assert "no memory for slots, 4294967296 bytes: " in put.error
    assert "--memory" in put.error
    assert uploads.pending() == []


def test_slots_larger_than_any_memory_cost_only_what_is_used(
    start: Start, boto: S3Client, bucket: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", "--memory", "1TiB", stdin=DATA)
    assert code in (0, 1), put.said
    if code == 0:  # where the system promises more than it has
        assert stored(boto, bucket) == DATA
    else:
        assert "no memory for slots" in put.error


@pytest.mark.parametrize("size", ["1", "1000"])
def test_a_limit_on_files_that_slots_exceed_is_told_with_the_remedy(
    start: Start, boto: S3Client, bucket: str, size: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", shell=f'ulimit -f {size}; exec "$@"', stdin=DATA)
    assert code == 1
    assert "raise ulimit -f" in put.error
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("refused", ["os.memfd_create", "os.ftruncate", "mmap.mmap"])
def test_a_system_that_refuses_shared_memory_is_one_line(start: Start, bucket: str, refused: str) -> None:
    refusal = "(_ for _ in ()).throw(PermissionError(1, 'Operation not permitted'))"
    shell = after(f"import mmap, os; {refused} = lambda *_: {refusal}")
    code, put = start.run("put", "-b", bucket, "-k", "k", stdin=DATA, shell=shell)
    assert code == 1
    assert "no memory for slots" in put.error
    assert "Operation not permitted" in put.error


# --- memory that runs out on the way ------------------------------------------------------------------


class Cage:
    """A cgroup with so many bytes of memory; who is put into it is killed by the kernel for more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def limit(self, size: int) -> None:
        (self._folder / "memory.limit_in_bytes").write_text(str(size))

    def add(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        lines = (self._folder / "memory.oom_control").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def close(self) -> None:
        def emptied() -> bool:
            with contextlib.suppress(OSError):  # busy: somebody in it is still dying
                self._folder.rmdir()
            return not self._folder.exists()

        until(emptied, "the cgroup is empty")


@pytest.fixture
def cage() -> Iterator[Cage]:
    folder = CONTROLLER / f"gof3r-tests-{os.getpid()}"
    try:
        cage = Cage(folder)
    except OSError as error:
        pytest.skip(f"no cgroup (v1) of memory can be made here: {error}")
    with contextlib.closing(cage):
        yield cage


def test_a_worker_that_the_kernel_kills_for_its_memory_costs_a_get_a_retry(
    start: Start, relay: Relay, cage: Cage, boto: S3Client, bucket: str
) -> None:
    data = store(boto, bucket, BIG)
    cage.limit(PART // 5)  # of the slot that it is about to touch
    relay.before(rf"GET /{bucket}/k (?s:.)*Range: bytes=0-", lambda: cage.add(got.children()[-1].pid))
    got = start("get", "-b", bucket, "-k", "k", *SMALL, "--workers", "1", "--debug")
    assert got.end() == 0, got.said
    assert len(lost(got)) == cage.kills == 1
    assert got.stdout == data


# --- room for files ------------------------------------------------------------------


Mounted = Callable[..., str]


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Makes a shell line: in a mount namespace of its own, with a file system of a megabyte at ``folder``, do
    what the lines ``then`` say."""

    def line(folder: str, then: str = 'exec "$@"') -> str:
        script = tmp_path / "home" / "mounted.sh"
        script.write_text(f"mount -t tmpfs -o size=1m none {folder} || exit 99\n{then}\n")
        return f'exec unshare --mount sh {script} "$@"'

    tried = subprocess.run(
        ["/bin/sh", "-c", line("/mnt"), "sh", "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
    return line


def test_a_file_system_that_fills_up_fails_a_get_and_keeps_the_older_file(
    start: Start, mounted: Mounted, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    store(boto, bucket, LONG)
    (tmp_path / "small").mkdir()
    look = 'echo older >small/out; "$@"; echo code $?; cat small/out; ls -A small'
    got = start("get", "-b", bucket, "-k", "k", "-p", "small/out", *PIECES, shell=mounted("small", look))
    assert got.end() == 0
    assert "No space left" in got.error
    assert got.stdout == b"code 1\nolder\nout\n"


def test_a_small_dev_shm_does_not_matter(start: Start, mounted: Mounted, boto: S3Client, bucket: str) -> None:
    small = mounted("/dev/shm")  # containers have 64 MB; this has no room for a single slot
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(BIG), shell=small)
    assert code == 0, put.said
    assert stored(boto, bucket) == noise(BIG)
    code, got = start.run("get", "-b", bucket, "-k", "k", *SMALL, shell=small)
    assert (code, got.stdout) == (0, noise(BIG)), got.said


@pytest.mark.parametrize("descriptors", [5, 6, 7])
def test_next_to_no_descriptors_are_one_line(ways: Ways, descriptors: int) -> None:
    assert ways(f'ulimit -n {descriptors}; exec "$@"') == 0


@pytest.mark.parametrize("descriptors", [5, 6, 7])
def test_next_to_no_descriptors_for_a_command_are_one_line(
    fails: Failed, bucket: str, descriptors: int
) -> None:
    put = fails("put", "-b", bucket, "-k", "k", "--", "echo", shell=f'ulimit -n {descriptors}; exec "$@"')
    assert "internal error" not in put.error
    assert "Too many open files" in put.error


@pytest.mark.parametrize("megabytes", [20, 35, 45, 52, 56, 63, 70, 75, 80, 90])
def test_too_little_address_space_is_one_line(ways: Ways, megabytes: int) -> None:
    ways(f'ulimit -v {megabytes * 1000}; exec "$@"')


@root
@pytest.mark.parametrize("processes", [2, 4, 5])
def test_too_few_processes_for_threads_are_slower_or_one_line(ways: Ways, processes: int) -> None:
    ways(other_user(processes))


@root
def test_an_upload_that_could_not_be_asked_for_is_not_said_to_be_left(start: Start, bucket: str) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, stdin=noise(PART + 1), shell=other_user(2))
    assert code == 1
    assert put.said == [put.error]
