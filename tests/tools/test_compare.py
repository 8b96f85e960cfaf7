"""The comparison: what counts as done, what counts in a median, and one small comparison for real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tools.peers.ends import PERIOD
from tools.peers.measure import ENDS, Measured
from tools.peers.options import parse
from tools.peers.programs import MIB, Errand, peers
from tools.peers.results import GIB, Row, Run, fault, summaries
from tools.peers.tables import text

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
FINE = Measured(
    code=0, wall=2.0, user=1.0, system=0.5, server=3.0, other=0.0, peak=0, moved=GIB, piped=None, said=""
)
ROW = Row("gof3r", "put", "plain", GIB)

Compare = Callable[..., subprocess.CompletedProcess[str]]


# --- one run ----------------------------------------------------------------------------------------


def test_a_run_whose_bytes_are_all_accounted_for_has_no_fault() -> None:
    assert fault(FINE, GIB, GIB) == ""
    assert fault(replace(FINE, piped=GIB), GIB, GIB) == ""


@pytest.mark.parametrize(
    ("measured", "stored", "said"),
    [
        (replace(FINE, code=1, said="no such bucket"), GIB, "exit 1: no such bucket"),
        (replace(FINE, code=-9, said="no end within 60 s"), GIB, "killed by signal 9: no end within 60 s"),
        (FINE, None, "there is no object"),
        (FINE, 5, "the object has 5 of"),
        (FINE, 0, "the object has 0 of"),
        (replace(FINE, piped=5), GIB, "5 of 1073741824 bytes came out"),
        (replace(FINE, piped=0), GIB, "0 of 1073741824 bytes came out"),
        (replace(FINE, moved=GIB - 1), GIB, "1073741823 of 1073741824 bytes crossed the network"),
    ],
)
def test_an_exit_code_of_0_does_not_make_up_for_missing_bytes(
    measured: Measured, stored: int | None, said: str
) -> None:
    assert said in fault(measured, GIB, stored)


def test_a_run_is_disturbed_by_a_share_of_its_own_time() -> None:
    assert not Run(ROW, 1, replace(FINE, other=0.29), "").disturbed
    assert Run(ROW, 1, replace(FINE, other=0.31), "").disturbed
    assert not Run(ROW, 1, replace(FINE, wall=20.0, other=1.5), "").disturbed
    assert Run(ROW, 1, replace(FINE, wall=20.0, other=1.7), "").disturbed


# --- many runs --------------------------------------------------------------------------------------


def runs(*measured: Measured, row: Row = ROW) -> list[Run]:
    """The first is the round that samples memory."""
    return [Run(row, number, one, "") for number, one in enumerate(measured)]


def test_the_first_round_gives_the_memory_and_none_of_the_times() -> None:
    (summary,) = summaries(runs(replace(FINE, peak=7_000_000, wall=99.0, user=99.0), FINE))
    assert (summary.peak, summary.runs) == (7_000_000, 1)
    assert summary.cpu.median == summary.cpu.most == 1.5
    assert summary.rate.median == GIB / 2.0 / 1e6
    assert summary.server == 3.0


def test_the_median_is_of_undisturbed_runs_where_there_is_one() -> None:
    disturbed = replace(FINE, user=9.0, other=5.0)
    (summary,) = summaries(runs(FINE, disturbed, FINE, disturbed))
    assert (summary.cpu.median, summary.runs, summary.disturbed) == (1.5, 1, 0)
    (summary,) = summaries(runs(FINE, disturbed, disturbed))
    assert (summary.cpu.median, summary.runs, summary.disturbed) == (9.5, 2, 2)


def test_the_least_cpu_time_comes_first_and_a_program_that_failed_has_no_figures() -> None:
    dear, cheap, broken = (Row(name, "put", "plain", GIB) for name in ("dear", "cheap", "broken"))
    found = runs(FINE, replace(FINE, user=2.0), row=dear) + runs(FINE, FINE, row=cheap)
    found += [*runs(FINE, FINE, row=broken), Run(broken, 2, FINE, "exit 1: out of luck")]
    assert [summary.row for summary in summaries(found)] == [cheap, dear]
    for markdown in (False, True):
        table = text(found, [], {}, markdown)
        assert table.index("cheap") < table.index("dear") < table.index("broken failed: exit 1: out of luck")


# --- the programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_each_program_is_told_the_endpoint_the_object_and_as_far_as_it_listens_parts_and_connections(
    tls: bool,
) -> None:
    host = "127.0.0.1:8333"
    errand = Errand(
        url=f"http{'s' * tls}://{host}",
        bucket="a.bucket",
        key="a/key",
        size=GIB,
        region="us-east-1",
        ca_bundle=None,
        concurrency=7,
        part_size=24 * MIB,
        presigned=lambda: f"{host}/a.bucket/a/key",
    )
    by_settings = {"aws", "curl"}  # aws reads a file; curl has one connection.
    for peer in peers("/bin/s3gof3r"):
        for way, command in (("put", peer.put(errand)), ("get", peer.get(errand))):
            line = " ".join(command)
            assert host in line and "a.bucket" in line and "a/key" in line, line
            if peer.name not in by_settings and (peer.name, way) != ("rclone", "get"):
                assert " 7" in line and (" 24" in line or str(24 * MIB) in line), line


# --- for real ---------------------------------------------------------------------------------------


def ends(*arguments: str, stdin: bytes = b"") -> bytes:
    command = [sys.executable, "-I", "-S", str(ENDS), *arguments]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def test_the_ends_of_a_pipe_give_and_count_every_byte(tmp_path: Path) -> None:
    noise = ends("source", str(PERIOD + 5))
    assert len(noise) == PERIOD + 5
    assert noise[:5] == noise[-5:] != noise[5:10]
    assert ends("sink", stdin=noise) == b"ready\n%d\n" % (PERIOD + 5)
    (tmp_path / "file").write_bytes(b"abc")
    assert ends("source", "7", str(tmp_path / "file")) == b"abcabca"


@pytest.fixture
def compare(s3: Server, environment: dict[str, str]) -> Compare:
    """A comparison as a user runs it, against ``s3``."""
    environment |= {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.compare", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def test_a_comparison_verifies_each_run_and_leaves_nothing_and_a_liar_is_shown_as_failed(
    compare: Compare, s3: Server, bucket: str, boto: S3Client, tmp_path: Path
) -> None:
    files = tmp_path / "all.json", tmp_path / "table.md"
    done = compare(
        *("--endpoint", s3.endpoint, "--bucket", bucket, "--sizes", "6MiB", "--part-size", "5MiB"),
        *(
            "--reps",
            "1",
            "--repeats",
            "0",
            "--only",
            "^gof3r crc64nvme (put|get-pipe)|^s3gof3r put|^boto3 put",
        ),
        *("--original", "/bin/true", "--json", str(files[0]), "--markdown", str(files[1])),
    )
    assert done.returncode == 1, "a row has failed"
    document = json.loads(files[0].read_text())
    summary = {f"{one['row']['peer']} {one['row']['way']}": one for one in document["summaries"]}
    assert set(summary) == {"gof3r crc64nvme put", "gof3r crc64nvme get-pipe", "boto3 put"}
    assert all(one["cpu"]["median"] > 0 and one["peak"] > 1e6 for one in summary.values())
    # Twice each, but for what has failed at once: the program that does nothing, and does it well.
    assert len(document["runs"]) == 2 * 3 + 1
    for shown in (done.stdout, files[1].read_text()):
        assert "s3gof3r failed: exit 0, but there is no object" in shown
    assert document["machine"]["commit"] and document["versions"]["boto3"]
    assert boto.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sizes", "much"), "not a size"),
        (("--sizes", "1GiB,0"), "no rate"),
        (("--endpoint", "s3.test", "--bucket", "b"), "is a URL"),
        (("--endpoint", "http://a", "--endpoint", "http://b", "--bucket", "b"), "one is http and one https"),
        (("--json", "/"), "not the name of a file"),
        (("--markdown", ""), "not the name of a file"),
        (("--part-size", "5MB"), "whole MiB"),
        (("--part-size", "4MiB"), "at least 5"),
        (("--reps", "0"), "at least 1"),
        (("--endpoint", "http://127.0.0.1:1"), "needs --bucket"),
        (("--get-key", "key"), "belong to an --endpoint"),
        (("--json", "/no/where/all.json"), "no directory"),
        (("--only", "["), "not a regular expression"),
        (("--unheard-of",), "unrecognized"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, "")
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("compare: ") and said in line


def test_what_cannot_be_compared_is_told_in_one_line(compare: Compare) -> None:
    done = compare("--only", "no such row")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "compare: nothing to compare: no row is named like 'no such row'\n"
