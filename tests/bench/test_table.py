"""What people and spreadsheets read of a run, and of two."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.bench import table
from gof3r.bench.measured import GiB, KiB, Measured, MiB, Run, Setting
from gof3r.config import parse_size
from tests.bench.samples import MACHINE, ONE, RUN, RUNS, measured, run

SMALL = replace(
    measured(0.5),
    setting=Setting("put", 1000, 1000, None, None),
    series=(),
    first_byte=(),
    latency=(),
    retries={},
    binds="",
)
SLOW = replace(
    measured(20, 64 * MiB, 1000),
    first_byte=(1.5, 2.0, 12.2, 30.0),
    latency=(3.1, 4.0, 99.5, 120.5),
    retries={"SlowDown": 12_000, "InternalError": 345},
    memory=64_000_000_000,
    binds="throttling",
)


# --- numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 B"), (1, "1 B"), (KiB, "1 KiB"), (1000, "1 kB"), (16 * MiB, "16 MiB"), (GiB, "1 GiB")),
        *((20_000_000, "20 MB"), (20_971_521, "20971521 B"), (1536 * MiB, "1536 MiB"), (5 << 40, "5 TiB")),
    ],
)
def test_a_size_is_told_exactly(size: int, text: str) -> None:
    assert table.size_text(size) == text


@given(st.integers(0, 1 << 50))
def test_no_size_loses_a_byte(size: int) -> None:
    assert parse_size(table.size_text(size)) == size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "-"), (0.0, "0.00"), (0.524, "0.52"), (9.996, "10.0"), (12.34, "12.3"), (99.96, "100")),
        *((4521.4, "4521"), (-0.5, "-0.50")),
    ],
)
def test_a_figure_has_three_digits_and_all_before_the_point(value: float | None, text: str) -> None:
    assert table.figure(value) == text


# --- a run --------------------------------------------------------------------------


def test_a_run_is_a_table_and_what_to_do_with_it() -> None:
    chosen = measured(1240, concurrency=38, workers=None, auto=True)
    told = list(table.lines(run(ONE, chosen, SLOW, SMALL)))
    assert [line.split() for line in told[1:6]] == [
        "size part -c ers all p50 lowest req/s p50 p99 p50 p99 max s/GiB MB tries binds".split(),
        "1 GiB 16 MiB 40 2 1250 1250 1200 74.5 20.1 80.3 501 703 1204 0.60 720 3 network".split(),
        "1 GiB 16 MiB 38* 1* 1240 1240 1116 74.5 20.1 80.3 501 703 1204 0.61 720 3 network".split(),
        "1 GiB 64 MiB 1000 2 20.0 20.0 18.0 74.5".split()
        + "1500 12200 3100 99500 120500 37.6 64000 12345 throttling".split(),
        "1 kB 1 kB 40* 2* 0.50 - - 74.5 - - - - - 1503 720 0 -".split(),
    ]
    assert told[6:] == [
        "",
        "*: chosen by gof3r",
        "machine: c6in.4xlarge, AMD EPYC 7R13, 16 cores, 32.0 GiB, ens5 12.5 Gbit/s, Linux 6.1.0, Python "
        "3.11.7, PycURL/7.49.0",
        "  libcurl/8.23.0 OpenSSL/3.6.5, gof3r 1.0.0",
        "measured: put s3://bucket/bench at https://s3.eu-west-1.amazonaws.com, 2025-11-24T16:00:00Z, gof3r "
        "1.0.0, 10 s each",
        "  after 2 s, checksums crc64nvme",
        "best: put 1 GiB in parts of 16 MiB, -c auto, workers auto: 1240 MB/s",
        "there: the network or the server binds: try a larger -c",
        "use: gof3r put s3://bucket/KEY -c 38 -s 16MiB --checksum crc64nvme --no-md5",
    ]


def test_names_stand_above_their_columns() -> None:
    assert table.heading().splitlines() == [
        "                         work- ------ MB/s ------         first byte ms  --- latency ms ---"
        "   CPU  peak   re-",
        "     size     part    -c   ers   all   p50 lowest  req/s    p50    p99   p50   p99    max"
        " s/GiB    MB tries      binds",
    ]


def test_rows_can_be_printed_as_they_come() -> None:
    told = list(table.lines(run(ONE, SLOW)))
    assert told[:4] == [*table.heading().splitlines(), table.row(ONE), table.row(SLOW)]
    assert {len(line) for line in told[1:4]} == {table.WIDTH}


@pytest.mark.parametrize("results", [[], [replace(ONE, sent=0)]])
def test_where_nothing_was_moved_no_command_is_told(results: list[Measured]) -> None:
    assert list(table.lines(run(*results)))[-1] == "best: none, no byte was moved"


def test_without_a_choice_there_is_no_note_about_it() -> None:
    assert "*: chosen by gof3r" not in list(table.lines(RUN))


@given(RUNS)
def test_nothing_in_a_run_reaches_the_terminal_as_a_control_character(any_run: Run) -> None:
    for line in [*table.lines(any_run), *table.compare(any_run, RUN), *table.compare(RUN, any_run)]:
        assert line.isprintable()


# --- for spreadsheets ---------------------------------------------------------------


def test_a_spreadsheet_gets_each_setting_with_plain_numbers() -> None:
    first, second = csv.DictReader(io.StringIO(table.csv_text(run(ONE, SMALL))))
    assert first == {
        "mode": "put",
        "object_size_bytes": str(GiB),
        "part_size_bytes": str(16 * MiB),
        "set_concurrency": "40",
        "set_workers": "2",
        "concurrency": "40",
        "workers": "2",
        "seconds": "10.0",
        "sent_bytes": "12500000000",
        "received_bytes": "0",
        "bytes_per_second": "1250000000",
        "requests": "745",
        "first_byte_p50_seconds": "0.0201",
        "first_byte_p90_seconds": "0.0402",
        "first_byte_p99_seconds": "0.0803",
        "first_byte_max_seconds": "0.1604",
        "latency_p50_seconds": "0.501",
        "latency_p90_seconds": "0.602",
        "latency_p99_seconds": "0.703",
        "latency_max_seconds": "1.204",
        "retries": '{"SlowDown": 3}',
        "cpu_seconds": '{"parent": 4.0, "worker 1": 2.5, "collector": 0.5}',
        "cpu_seconds_per_gib": "0.601295",
        "peak_memory_bytes": "720000000",
        "binds": "network",
        "advice": "the network or the server binds: try a larger -c",
        "each_second_bytes": "1200000000 1250000000 1300000000",
    }
    assert (second["set_concurrency"], second["concurrency"], second["latency_p50_seconds"]) == ("", "40", "")


@given(RUNS)
def test_a_spreadsheet_of_any_run_has_a_row_for_each_setting(any_run: Run) -> None:
    rows = list(csv.reader(io.StringIO(table.csv_text(any_run))))
    assert len(rows) == len(any_run.results) + 1
    assert {len(row) for row in rows} == {27}


# --- two runs -----------------------------------------------------------------------


def test_two_runs_stand_side_by_side() -> None:
    faster = replace(ONE, sent=ONE.sent * 2, latency=(0.5, 0.6, 0.35, 1.2))
    auto = measured(1000, 8 * MiB, 33, None, auto=True)
    slower = replace(auto, concurrency=50, workers=2, sent=auto.sent // 2, first_byte=())
    new = replace(run(slower, faster, measured(7, MiB)), version="1.1.0", began=1.765e9)
    told = list(table.compare(run(ONE, auto, SLOW), new))
    assert told[:3] == [
        "old: put s3://bucket/bench at https://s3.eu-west-1.amazonaws.com, 2025-11-24T16:00:00Z, gof3r 1.0.0",
        "new: put s3://bucket/bench at https://s3.eu-west-1.amazonaws.com, 2025-12-06T05:46:40Z, gof3r 1.1.0",
        "",
    ]
    assert max(map(len, told)) <= table.WIDTH
    assert [line.split() for line in told[4:7]] == [
        ["mode", "size", "part", "-c", "ers", *["old", "new", "change"] * 4],
        "put 1 GiB 8 MiB auto auto 1000 500 -50.0% 20.1 - - 703 703 +0.0% 0.75 1.50 +100.0%".split(),
        "put 1 GiB 16 MiB 40 2 1250 2500 +100.0% 20.1 20.1 +0.0% 703 350 -50.2% 0.60 0.30 -50.0%".split(),
    ]
    assert told[7:] == [
        "",
        "only in old: put 1 GiB in parts of 64 MiB, -c 1000, 2 workers",
        "only in new: put 1 GiB in parts of 1 MiB, -c 40, 2 workers",
        "rate: +0.0% over 2 settings (geometric mean)",
    ]


def test_what_differs_besides_is_named() -> None:
    moved = replace(
        RUN,
        endpoint="http://localhost:9000",
        checksums=("md5",),
        machine={**MACHINE, "cores": 2, "nics_mbit": {"eth0": 0}, "gof3r": "2.0.0", "rack": "b"},
    )
    assert " ".join(list(table.compare(RUN, moved))[2:4]).split(", ") == [
        "not the same: endpoint https://s3.eu-west-1.amazonaws.com (now http://localhost:9000)",
        "checksums crc64nvme (now md5)",
        "  16 cores (now 2 cores)",
        "ens5 12.5 Gbit/s (now eth0 of unknown speed)",
        "rack unknown (now rack b)",
    ]


def test_two_runs_without_a_common_setting_have_no_table() -> None:
    assert list(table.compare(run(ONE), run(SLOW)))[2:] == [
        "",
        "only in old: put 1 GiB in parts of 16 MiB, -c 40, 2 workers",
        "only in new: put 1 GiB in parts of 64 MiB, -c 1000, 2 workers",
        "rate: no setting was measured in both",
    ]


def test_the_mean_of_a_double_and_a_half_is_no_change() -> None:
    old, new = run(measured(100), measured(100, MiB)), run(measured(200), measured(50, MiB))
    assert list(table.compare(old, new))[-1] == "rate: +0.0% over 2 settings (geometric mean)"
    assert list(table.compare(run(ONE), run(ONE)))[-1] == "rate: +0.0% over 1 setting (geometric mean)"
