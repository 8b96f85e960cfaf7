"""What each option promises, and each header: seen in the bucket, or by a server in between where what counts
is what was sent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from awscrt import checksums

from gof3r.usage import COMMANDS
from tests.e2e.conftest import Failed, Uploads, half_put, keys, md5, rest, stored
from tests.e2e.front import Front
from tests.e2e.live import BIG, DATA, MIB, PART, PATIENCE, SMALL, Start, noise, until
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CREATE, PART_PUT, COMPLETE = r"POST \S+\?uploads", r"PUT \S+partNumber=", r"POST \S+\?uploadId="


# --- --if-none-match ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, PART + 1])
def test_never_overwrite_writes_what_is_new_and_lets_the_server_judge(
    start: Start, front: Front, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, "--if-none-match", stdin=data)
    assert code == 0, put.said
    assert stored(boto, bucket) == data
    made_by = COMPLETE if size > PART else r"PUT \S+/k$"
    conditional = [seen.line for seen in front.seen if seen.headers.get("if-none-match") == "*"]
    assert [seen.line for seen in front.of(made_by)] == conditional


@pytest.mark.parametrize(("command", "size"), [("put", 1000), ("put", PART + 1), ("cp", 1000)])
def test_never_overwrite_fails_at_once_where_there_is_an_object(
    fails: Failed, front: Front, boto: S3Client, bucket: str, command: str, size: int
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"older")
    names = ("put", f"s3://{bucket}/k") if command == "put" else ("cp", "-", f"s3://{bucket}/k")
    put = fails(*names, *SMALL, "--if-none-match", stdin=noise(size))
    assert "there is an object already" in put.error
    assert stored(boto, bucket) == b"older"
    assert [seen.line for seen in front.seen if not seen.line.startswith("HEAD ")] == []


def test_never_overwrite_holds_when_another_has_written_a_small_object_meanwhile(
    start: Start, front: Front, boto: S3Client, bucket: str
) -> None:
    put = start("put", "-b", bucket, "-k", "k", "--if-none-match")
    until(lambda: front.of("HEAD "), "it has looked")
    boto.put_object(Bucket=bucket, Key="k", Body=b"another's")
    put.feed(b"ours")
    assert put.end() == 1
    assert "there is an object already" in put.error
    assert stored(boto, bucket) == b"another's"
    assert keys(boto, bucket) == ["k"]


def test_never_overwrite_holds_when_another_has_written_during_an_upload(
    start: Start, uploads: Uploads, boto: S3Client, bucket: str
) -> None:
    put = half_put(start, uploads, bucket, "--if-none-match")
    boto.put_object(Bucket=bucket, Key="k", Body=b"another's")
    rest(put)
    assert put.end() == 1
    assert "there is an object already" in put.error
    assert stored(boto, bucket) == b"another's"
    assert keys(boto, bucket) == ["k"]
    assert uploads.pending() == []


# --- how much, how fast ------------------------------------------------------------------


def test_an_expected_size_chooses_parts_that_reach_so_far(start: Start, boto: S3Client, bucket: str) -> None:
    data = noise(2 * PART + 3 * MIB)
    # 56 GB in 9,000 parts are 6,222,222 bytes each, which is 6 MiB; 1,000 more leave room for more.
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, "--expected-size", "56 GB", stdin=data)
    assert code == 0, put.said
    assert boto.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == 6 * MIB
    assert stored(boto, bucket) == data


def test_an_expected_size_that_cannot_fit_names_the_memory_it_needs(
    start: Start, relay: Relay, bucket: str
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "k", *SMALL, "--expected-size=3TB", stdin=b"x")
    assert code == 2
    (needs,) = re.findall(r"--memory (\d+MiB)", put.said[0])
    assert put.said[0].startswith("gof3r error: ")
    assert relay.connections == 0

    code, put = start.run(
        "put", "-b", bucket, "-k", "k", *SMALL, "--expected-size=3TB", f"--memory={needs}", stdin=b"x"
    )
    assert code == 0, put.said


def test_the_memory_given_is_what_parts_get(start: Start, front: Front, boto: S3Client, bucket: str) -> None:
    data = noise(BIG)
    options = ("-b", bucket, "-k", "k", "-s", "5MiB")
    code, put = start.run("put", *options, "--memory", "12MB", stdin=data)
    assert code == 0, put.said
    assert stored(boto, bucket) == data
    code, got = start.run("get", *options, "--memory", "12MB")
    assert (code, got.stdout) == (0, data), got.said

    code, put = start.run("put", *options, "--memory", "9MB", stdin=data)
    assert code == 2
    assert "--memory 8.6 MiB holds fewer than two parts" in put.said[0]


def test_a_rate_changes_no_byte(start: Start, boto: S3Client, bucket: str) -> None:
    data = noise(2 * PART + 1)
    options = ("-b", bucket, "-k", "k", *SMALL, "--limit-rate", "40MB")
    code, put = start.run("put", *options, stdin=data)
    assert code == 0, put.said
    assert stored(boto, bucket) == data
    code, got = start.run("get", *options)
    assert (code, got.stdout) == (0, data), got.said


@pytest.mark.parametrize(("memory", "most"), [((), None), (("--memory=11MB",), 2)])
def test_a_concurrency_that_is_found_out_moves_the_same_bytes(
    start: Start, boto: S3Client, bucket: str, memory: tuple[str, ...], most: int | None
) -> None:
    data = noise(3 * PART + 1)
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    for words in (
        ("put", f"s3://{bucket}/k"),
        ("get", f"s3://{bucket}/k"),
        ("verify", f"s3://{bucket}/k"),
        ("cp", f"s3://{bucket}/from", f"s3://{bucket}/to"),
    ):
        code, live = start.run(*words, "-s", str(PART), "-c", "auto", *memory, stdin=data)
        assert code == 0, live.said
        found = re.fullmatch("concurrency: ([0-9]+), found by auto", live.said[-1])
        assert found is None or int(found[1]) <= (most or 512)  # mostly too short to find anything
        assert live.stdout in (b"", data) and (live.stdout == data) == (words[0] == "get")
    assert stored(boto, bucket) == data


# --- --stats, --progress ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 2 * PART + 1])
def test_statistics_are_one_line_of_json_with_the_digests_that_others_compute(
    start: Start, boto: S3Client, bucket: str, size: int
) -> None:
    data = noise(size)
    digests = {
        "md5": hashlib.md5(data).hexdigest(),
        "crc64nvme": b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode(),
    }
    for words in (["put", f"s3://{bucket}/k"], ["get", f"s3://{bucket}/k"], ["verify", f"s3://{bucket}/k"]):
        code, live = start.run(*words, *SMALL, "--stats", "json", stdin=data)
        assert code == 0, live.said
        values = json.loads(live.said[-1])
        assert len(live.said) == 3
        assert values["bytes"] == size
        assert values["etag"] == boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
        assert {name: values["digests"][name] for name in digests} == digests
        assert values["verified"][:2] == ["md5", "crc64nvme"]
        assert values["retries"] == {}
        assert values["seconds"] > 0
        assert values["parts"] == -(-size // PART) or not size
        assert values["cpu_seconds"]["parent"] > 0
        assert values["peak_memory_bytes"] > 2**20 or not size
        if size:
            moved = {name: stage["bytes"] for name, stage in values["stages"].items() if stage["bytes"]}
            assert moved.pop("transfer") == size, "every byte is booked, and once"
            assert set(moved.values()) == {size}
            assert 0 < values["latency_seconds"]["p50"] <= values["latency_seconds"]["max"]


def test_statistics_are_text_for_people_too(start: Start, bucket: str) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", "--stats=text", stdin=DATA)
    assert code == 0
    said = dict(line.split(": ", 1) for line in put.said[2:] if ": " in line)
    assert said["bytes"] == str(len(DATA))
    assert said["verified"] == "md5, crc64nvme"
    assert f"md5 {md5(DATA)}" in said["digests"]
    assert said["retries"] == "none"
    assert said["bottleneck"].startswith("too short")
    assert [line.split()[0] for line in put.said if line.startswith(("stage", "read", "transfer"))] == [
        "stage",
        "read",
        "transfer",
    ]


@pytest.mark.parametrize("command", ["put", "get", "cp"])
def test_a_trace_has_each_part_once_and_every_byte(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, command: str
) -> None:
    data = noise(2 * PART + 1)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    source = tmp_path / "source"
    source.write_bytes(data)
    words = {"put": ["put", f"s3://{bucket}/new"], "get": ["get", f"s3://{bucket}/k"]}
    words["cp"] = ["cp", str(source), f"s3://{bucket}/traced"]
    trace = tmp_path / "trace.json"
    code, live = start.run(*words[command], *SMALL, f"--trace={trace}", stdin=data)
    assert code == 0, live.said
    spans = [line for line in json.loads(trace.read_text()) if line["ph"] == "X"]
    moved = [span for span in spans if span["name"] == ("receive" if command == "get" else "send")]
    assert sorted(span["args"]["part"] for span in moved) == [1, 2, 3]
    assert sum(span["args"]["bytes"] for span in moved) == len(data)
    assert all(span["dur"] >= 0 and span["ts"] >= 0 for span in spans)


def test_a_trace_that_cannot_be_written_fails_before_anything_is_sent(
    start: Start, relay: Relay, bucket: str, tmp_path: Path
) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", f"--trace={tmp_path}/no/t", stdin=DATA)
    assert (code, put.said) == (
        1,
        [f"gof3r error: cannot write {tmp_path}/no/t: No such file or directory"],
    )
    assert relay.connections == 0


def test_statistics_of_another_form_are_a_usage_error(start: Start, relay: Relay, bucket: str) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", "--stats=xml", stdin=DATA)
    assert (code, put.said[0]) == (2, "gof3r error: --stats: 'xml' is neither text nor json")
    assert relay.connections == 0


def test_a_trace_is_not_written_over_what_is_moved(start: Start, bucket: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(DATA)
    for words in (["put", f"s3://{bucket}/k", str(mine)], ["get", f"s3://{bucket}/k", str(mine)]):
        code, live = start.run(*words, f"--trace={mine}")
        assert code == 2 and "--trace: " in live.said[0], live.said
        assert mine.read_bytes() == DATA


@pytest.mark.parametrize("option", ["--progress", "--no-progress"])
def test_progress_of_a_short_run_adds_nothing_to_a_log(start: Start, bucket: str, option: str) -> None:
    code, put = start.run("put", f"s3://{bucket}/k", option, stdin=DATA)
    assert code == 0
    assert len(put.said) == 2


def seen(terminal: int, end: bytes) -> bytes:
    """What is on ``terminal``, up to ``end``."""
    text = b""
    while end not in text:
        assert select.select([terminal], [], [], PATIENCE)[0], text
        text += os.read(terminal, 1000)
    return text


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """One that we read, and the name by which a program opens it."""
    ours, theirs = os.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_on_a_terminal_progress_is_shown_and_taken_off_again(
    start: Start, terminal: tuple[int, str], bucket: str
) -> None:
    ours, name = terminal
    put = start("put", f"s3://{bucket}/k", shell=f'exec "$@" 2> {name}')
    seen(ours, b"0 parts in flight")  # within two seconds, while its producer is idle
    put.feed(DATA)
    assert put.end() == 0
    last = seen(ours, b"verified: md5+crc64nvme\r\n").split(b"\r\x1b[K")[-1]
    assert re.fullmatch(rb"duration: \S+\r\n[^\r\n]+, verified: md5\+crc64nvme\r\n", last)


def test_without_progress_a_terminal_gets_the_last_lines_alone(
    start: Start, terminal: tuple[int, str], bucket: str
) -> None:
    ours, name = terminal
    code, _ = start.run("put", f"s3://{bucket}/k", "--no-progress", stdin=DATA, shell=f'exec "$@" 2> {name}')
    assert code == 0
    assert b"\x1b" not in seen(ours, b"verified: md5+crc64nvme\r\n")


# --- for people and shells ------------------------------------------------------------------


def test_the_manual_page_is_one_that_man_can_show(start: Start) -> None:
    code, page = start.run("-m")
    assert code == 0
    roff = page.stdout.decode()
    assert roff.startswith(".TH GOF3R 1 ")
    assert [roff.count(f'\n.SH "GOF3R {name.upper()}"\n') for name in COMMANDS] == [1] * len(COMMANDS)
    renderers = (["mandoc", "-T", "utf8"], ["groff", "-man", "-ww", "-T", "utf8"])
    for command in (each for each in renderers if shutil.which(each[0])):
        shown = subprocess.run(command, input=page.stdout, capture_output=True, check=True)
        assert shown.stderr == b""
        text = re.sub("\x1b\\[[0-9;]*m|.\x08", "", shown.stdout.decode())
        for what in ("NAME", "GOF3R PUT", "EXIT STATUS", "--if-none-match", "put s3://my-bucket/db.sql"):
            assert what in text, command


_ASK = """\
source ./script
for line in "$@"; do
    COMP_WORDS=(gof3r $line)
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _gof3r
    echo "$line: ${COMPREPLY[*]}"
done
"""


def test_bash_completes_commands_options_values_and_files(start: Start, tmp_path: Path) -> None:
    code, script = start.run("completion", "bash")
    assert code == 0
    (tmp_path / "script").write_bytes(script.stdout)
    (tmp_path / "archive.tar").touch()
    offered = {
        "p": "put presign",
        "uploads a": "abort",
        "put --if": "--if-none-match",
        "put --stats j": "json",
        "put -b b -p arch": "archive.tar",
        "cp arch": "archive.tar",
        "get --expected": "",
    }
    bash = ["bash", "--norc", "-c", _ASK, "bash", *offered]
    done = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{line}: {words}" for line, words in offered.items()]
