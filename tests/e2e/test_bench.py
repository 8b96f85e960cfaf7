"""``gof3r bench``: what it measures is what passed, its results can be read again, and nothing is left."""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import Uploads
from tests.e2e.live import Live, Start, noise, until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SHORT = ("--duration=1s", "--warmup=0s", "-s", "5MiB", "-c", "3")


def left(boto: S3Client, bucket: str) -> list[str]:
    listed = boto.list_object_versions(Bucket=bucket)
    entries: list[Any] = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
    return [entry["Key"] for entry in entries]


def measured(start: Start, *words: str) -> dict[str, Any]:
    code, live = start.run("bench", *words, "--json")
    assert code == 0, live.said
    result: dict[str, Any] = json.loads(live.stdout)
    return result


@pytest.mark.parametrize(
    ("mode", "size", "part"),
    [
        ("put", "10MiB", 5 << 20),
        ("put", "64KiB", 1 << 16),
        ("get", "10MiB", 5 << 20),
        ("get", "64KiB", 1 << 16),
        ("mixed", "10MiB", 5 << 20),
        ("mixed", "64KiB", 1 << 16),
    ],
)
def test_every_mode_measures_what_passes_and_leaves_nothing(
    start: Start, boto: S3Client, bucket: str, uploads: Uploads, mode: str, size: str, part: int
) -> None:
    run = measured(start, mode, f"s3://{bucket}/some/prefix", *SHORT, f"--size={size}")
    (one,) = run["results"]
    assert one["setting"]["part_size_bytes"] == part
    assert one["seconds"] >= 1 and one["requests"] > 0
    assert (one["sent_bytes"] > 0) == (mode != "get")
    assert (one["received_bytes"] > 0) == (mode != "put")
    assert sum(one["each_second_bytes"]) > 0
    assert 0 < one["first_byte_seconds"]["p50"] <= one["latency_seconds"]["max"]
    assert one["peak_memory_bytes"] > 2**20 and one["cpu_seconds"]["worker 1"] >= 0
    assert one["concurrency"] == 3 and one["retries"] == {}
    verb = "get" if mode == "get" else "put"
    assert run["command"].startswith(f"gof3r {verb} s3://{bucket}/KEY -c 3")
    assert left(boto, bucket) == [] and uploads.pending() == []


def test_the_table_has_a_row_for_each_setting_and_what_to_use(start: Start, bucket: str) -> None:
    words = (*SHORT[:2], "--size=1KiB,2KiB", "-c", "2,auto")
    code, live = start.run("bench", "put", f"s3://{bucket}", *words)
    assert code == 0, live.said
    lines = live.stdout.decode().splitlines()
    rows = [line.split()[:4] for line in lines if " KiB " in line and "MB/s" not in line]
    assert rows[:4] == [["1", "KiB", "1", "KiB"], ["1", "KiB", "1", "KiB"], ["2", "KiB", "2", "KiB"]] + [
        ["2", "KiB", "2", "KiB"]
    ]
    assert any(line.startswith("use: gof3r put ") for line in lines)
    assert "4 settings, about 4s" in live.said[0]


def test_a_result_is_drawn_compared_and_a_spreadsheet(start: Start, bucket: str, tmp_path: Path) -> None:
    run = measured(start, "put", f"s3://{bucket}", *SHORT, "--size=1KiB")
    old, picture = tmp_path / "old.json", tmp_path / "new.png"
    old.write_text(json.dumps(run))
    words = (*SHORT, "--size=1KiB", f"--compare={old}", f"--plot={picture}")
    code, live = start.run("bench", "put", f"s3://{bucket}", *words, "--csv")
    assert code == 0, live.said
    (row,) = csv.DictReader(io.StringIO(live.stdout.decode()))
    assert row["object_size_bytes"] == "1024" and int(row["requests"]) > 0
    assert any("over 1 setting (geometric mean)" in line for line in live.said)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_existing_object_is_read_and_stays(start: Start, boto: S3Client, bucket: str) -> None:
    data = noise((6 << 20) + 1)
    boto.put_object(Bucket=bucket, Key="mine", Body=data)
    run = measured(start, "get", f"s3://{bucket}/mine", *SHORT, "--existing")
    (one,) = run["results"]
    assert one["setting"]["object_size_bytes"] == len(data) and one["received_bytes"] > 0
    assert left(boto, bucket) == ["mine"]


def test_all_versions_of_what_was_made_are_gone(start: Start, boto: S3Client, versioned: str) -> None:
    measured(start, "mixed", f"s3://{versioned}", *SHORT, "--size=1KiB")
    assert left(boto, versioned) == []


def stopped(start: Start, boto: S3Client, bucket: str, mode: str, number: int) -> Live:
    live = start("bench", mode, f"s3://{bucket}", "--size=12MiB", "-s", "5MiB", "-c", "3")
    until(lambda: bool(left(boto, bucket) if mode == "get" else under_way(boto, bucket)), "it has begun")
    live.signal(number)
    return live


def under_way(boto: S3Client, bucket: str) -> list[Any]:
    return list(boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []))


@pytest.mark.parametrize("mode", ["put", "get"])
def test_a_run_that_is_stopped_leaves_nothing(
    start: Start, boto: S3Client, bucket: str, uploads: Uploads, mode: str
) -> None:
    live = stopped(start, boto, bucket, mode, signal.SIGINT)
    assert live.end() == 130
    assert left(boto, bucket) == [] and uploads.pending() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("put", "s3://nobodys", "--json", "--csv"), "--json and --csv"),
        (("put", "s3://nobodys", "--compare=nowhere.json"), "--compare: cannot read nowhere.json"),
        (("put", "s3://nobodys", "--plot=x.gif"), "a plot is a .png or an .svg"),
        (("get", "s3://nobodys", "-c", "10000", "-s", "5GiB", "--size=1TiB"), "MiB are free"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_measured(
    start: Start, bucket: str, words: tuple[str, ...], said: str
) -> None:
    code, live = start.run("bench", *words)
    assert code == 2 and said in live.said[-2], live.said


def test_a_bucket_that_is_not_there_is_one_line(start: Start) -> None:
    code, live = start.run("bench", "put", "s3://nobody-has-this", *SHORT)
    assert code == 1
    assert "NoSuchBucket" in live.said[-1] and "Traceback" not in "".join(live.said)
