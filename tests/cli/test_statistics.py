"""What --stats prints, and what --trace writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gof3r import report, statistics
from gof3r.engine.books import STAGES, Binding, Books, Stage
from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.events import Event, Filled, Hashed, Receipt, Written
from gof3r.engine.orders import Result
from gof3r.engine.values import Failure, Job, Part, Request, Response, Slot, Timing, Verdict
from gof3r.trace import Trace

RECEIPT = Receipt(2**30, "e-2", ("md5", "crc64nvme"), "v1", {"md5": b"\x01\xff", "crc64nvme": bytes(8)})
BOOKS = Books(
    seconds=2.0,
    stages=tuple(
        Stage(name, 1.0 if name == "sink" else 0.0, 2**30 if name == "sink" else 0) for name in STAGES
    ),
    connections=7.5,
    limit=10.0,
    parts=52,
    latency=[n / 1000 for n in range(1, 101)],
    first_byte=[n / 10000 for n in range(1, 101)],
)
RESULT = Result(
    RECEIPT,
    {"SlowDown": 3},
    2.5,
    BOOKS,
    Binding("sink", "the sink binds: a faster reader"),
    {"parent": 0.25, "worker 1": 0.5},
    248_000_000,
)


def test_statistics_are_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    report.Report(100.0, stats="json").done(RECEIPT, RESULT, 100.5)
    assert json.loads(capsys.readouterr().err.splitlines()[2]) == {
        "bytes": 2**30,
        "seconds": 0.5,
        "bytes_per_second": 2**31,
        "etag": "e-2",
        "version_id": "v1",
        "verified": ["md5", "crc64nvme"],
        "digests": {"md5": "01ff", "crc64nvme": "AAAAAAAAAAA="},
        "retries": {"SlowDown": 3},
        "binds": "sink",
        "advice": "the sink binds: a faster reader",
        "stages": {"sink": {"seconds": 1.0, "bytes": 2**30}},
        "concurrency_found": None,
        "parts": 52,
        "parts_seconds": 2.0,
        "connections": 7.5,
        "latency_seconds": {"p50": 0.05, "p90": 0.09, "p99": 0.099, "max": 0.1},
        "first_byte_seconds": {"p50": 0.005, "p90": 0.009, "p99": 0.0099, "max": 0.01},
        "cpu_seconds": {"parent": 0.25, "worker 1": 0.5},
        "peak_memory_bytes": 248_000_000,
    }


def test_statistics_for_people_are_a_line_for_each_fact(capsys: pytest.CaptureFixture[str]) -> None:
    report.Report(100.0, stats="text").done(RECEIPT, RESULT, 100.5)
    assert capsys.readouterr().err.splitlines()[2:] == [
        f"bytes: {2**30}",
        "seconds: 0.5",
        f"bytes_per_second: {2**31}",
        "etag: e-2",
        "version_id: v1",
        "verified: md5, crc64nvme",
        "digests: md5 01ff, crc64nvme AAAAAAAAAAA=",
        "retries: SlowDown 3",
        "stage            seconds   share      MB/s",
        "sink               1.000     50%     1,074",
        "part latency: p50 50.0 ms, p90 90.0 ms, p99 99.0 ms, max 100.0 ms",
        "first byte: p50 5.0 ms, p90 9.0 ms, p99 9.9 ms, max 10.0 ms",
        "connections: 7.5 at a time, 52 parts",
        "CPU seconds: parent 0.25, worker 1 0.50; 0.75 in all, 0.75 a GiB",
        "peak memory: 248.0 MB",
        "bottleneck: the sink binds: a faster reader",
    ]


def test_an_object_without_parts_has_no_stages() -> None:
    nothing = Result(RECEIPT, {}, 0.1, Books(), Binding("", "too short"), {"parent": 0.1})
    said = list(statistics.text(Receipt(0, "e", ()), nothing, 0.1))
    assert not any(line.startswith(("stage", "part latency", "connections")) for line in said)
    assert "verified: none" in said
    assert said[-1] == "bottleneck: too short"


# --- the timeline ------------------------------------------------------------------

SLOT = Slot(3, 0, 100)


def verdict(direction: Any, timing: Timing, failure: Failure | None = None) -> Verdict:
    request = Request("upload_part", "PUT", "http", "h", "/")
    job = Job(9, 2, request, None, part=Part(7, 0, 100), slot=SLOT, direction=direction)
    return Verdict(job, 1, Response(200, {}), failure, timing=timing)


def traced(path: Path, *events: Event) -> list[dict[str, Any]]:
    trace = Trace(str(path))
    for event in events:
        trace.happened(event)
    trace.close()
    return [line for line in json.loads(path.read_text()) if line["ph"] == "X"]


def test_a_sent_part_is_a_row_of_what_happened_to_its_slot(tmp_path: Path) -> None:
    sent = verdict("send", Timing(1.0, 1.5, 1.75, 3.0, 3.5, 3.5, 3.5))
    lines = traced(
        tmp_path / "t", Filled(SLOT, 100, False, began=0.5, waited=0.1), sent, Hashed(SLOT, 100, 0.1)
    )
    assert [(line["name"], line["pid"], line["tid"]) for line in lines] == [
        ("read", 1, 3),
        ("part digests", 1, 3),
        ("connect", 1, 3),
        ("send", 1, 3),
        ("first byte", 1, 3),
        ("stream digest", 2, 3),
    ]
    assert [line["dur"] for line in lines[1:5]] == [0.5e6, 0.25e6, 1.25e6, 0.5e6]
    assert lines[1]["args"] == {"part": 7, "bytes": 100, "attempt": 2, "worker": 1}


def test_a_received_part_is_written_in_the_collectors_rows(tmp_path: Path) -> None:
    got = verdict("receive", Timing(1.0, 1.0, 1.0, 1.0, 1.5, 3.0, 3.25))
    written = Written(Part(7, 0, 100), SLOT, turn=0.5, hashing=0.25, writing=0.125)
    lines = traced(tmp_path / "t", got, written)
    assert [line["name"] for line in lines] == [
        *("first byte", "receive", "part digests"),
        *("reorder wait", "stream digest", "sink"),
    ]
    assert [line["dur"] for line in lines[3:]] == [0.5e6, 0.25e6, 0.125e6]


def test_an_attempt_that_failed_is_told_with_its_error(tmp_path: Path) -> None:
    failure = Failure("server", "SlowDown", "", 503)
    (line,) = traced(tmp_path / "t", verdict("send", Timing(1.0, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0), failure))
    assert (line["name"], line["args"]["error"], line["args"]["status"]) == ("failed", "SlowDown", 503)


def test_what_a_killed_transfer_leaves_is_a_line_for_each_event(tmp_path: Path) -> None:
    trace = Trace(str(tmp_path / "t"))
    trace.happened(Hashed(SLOT, 100, 0.1))
    trace._file.flush()
    opening, *lines = (tmp_path / "t").read_text().splitlines()
    assert opening == "["
    trace.drop()
    assert all(json.loads(line.removesuffix(",")) for line in lines)


def test_a_trace_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Gof3rError, match="cannot write .*: No such file or directory"):
        Trace(str(tmp_path / "no" / "t"))


def test_a_full_disk_ends_the_trace_and_not_the_transfer() -> None:
    trace = Trace("/dev/full")
    for _ in range(1000):
        trace.happened(Hashed(SLOT, 100, 0.1))
    trace.close()
    assert trace.lost == "--trace: /dev/full is not complete: No space left on device"
