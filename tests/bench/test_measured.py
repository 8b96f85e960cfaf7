"""What counts as the best setting, the command line it makes, and the file of a run."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.arguments import Command, parse
from gof3r.bench import measured
from gof3r.bench.measured import GiB, Measured, MiB, Setting
from gof3r.engine.errors import UsageError
from gof3r.resolve import config_of
from tests.bench.samples import ONE, RUN, RUNS, run
from tests.bench.samples import measured as at

# --- the best -----------------------------------------------------------------------


def test_the_rate_counts_both_ways() -> None:
    assert replace(ONE, sent=3_000, received=1_000, seconds=2.0).rate == 2_000.0


def test_a_setting_that_moved_nothing_has_no_cost_for_each_gib() -> None:
    assert replace(ONE, sent=GiB, received=GiB).cpu_per_gib == 3.5
    assert replace(ONE, sent=0).cpu_per_gib is None


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([at(1000), at(1031), at(900)], 1),
        ([at(1000, concurrency=80), at(971, concurrency=20)], 1),
        ([at(1000, concurrency=80), at(969, concurrency=20)], 0),
        ([at(1000, 64 * MiB, 10), at(990, 16 * MiB, 30)], 1),
        ([at(1000, workers=4), at(990, workers=2), at(995, workers=3)], 1),
        ([at(990), at(1000), at(980)], 1),
        ([at(1000, concurrency=40), at(990, concurrency=20, auto=True)], 1),
    ],
    ids=["rate", "near", "not near", "parts of less memory", "workers", "all alike", "what auto chose"],
)
def test_the_best_is_the_fastest_but_for_a_little_the_smallest(
    results: list[Measured], expected: int
) -> None:
    assert measured.best(results) is results[expected]


@pytest.mark.parametrize("results", [[], [replace(ONE, sent=0)]])
def test_where_nothing_was_moved_nothing_is_best(results: list[Measured]) -> None:
    assert measured.best(results) is None


# --- the command line ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "changes", "expected"),
    [
        (ONE, {"checksums": ("md5", "crc64nvme")}, "put s3://bucket/KEY -c 40 -s 16MiB --workers 2 --no-md5"),
        (
            ONE,
            {"mode": "get", "url": "s3://b"},
            "get s3://b/KEY -c 40 -s 16MiB --workers 2 --checksum crc64nvme --no-md5",
        ),
        (
            at(1, 20 * MiB, 10, None),
            {"checksums": ("md5", "crc64nvme"), "endpoint": "https://s3.cn-north-1.amazonaws.com.cn"},
            "put s3://bucket/KEY --no-md5",
        ),
        (
            at(1, 20_000_000, 33, None, auto=True),
            {"checksums": ("md5", "crc64nvme"), "endpoint": "http://127.0.0.1:9000"},
            "put s3://bucket/KEY -c 33 -s 20000000 --endpoint=http://127.0.0.1:9000 --no-md5",
        ),
        (
            at(1, 20 * MiB, 10, None),
            {"checksums": ("md5", "crc64nvme"), "endpoint": "notamazonaws.com"},
            "put s3://bucket/KEY --endpoint=notamazonaws.com --no-md5",
        ),
        (
            at(1, 20 * MiB, 10, None),
            {"checksums": ("md5", "crc64nvme"), "url": "s3://a b/c;d", "endpoint": "amazonaws.com"},
            "put 's3://a b/KEY' --no-md5",
        ),
    ],
)
def test_the_command_line_has_what_is_no_default(
    one: Measured, changes: dict[str, Any], expected: str
) -> None:
    assert measured.command(replace(RUN, **changes), one) == f"gof3r {expected}"


def test_a_mixed_run_has_two_command_lines() -> None:
    line = measured.command(replace(RUN, mode="mixed"), ONE)
    assert [half.split()[1] for half in line.split("; ")] == ["put", "get"]


@given(size=st.integers(1, 5 * GiB), concurrency=st.integers(1, 100), workers=st.none() | st.integers(1, 64))
def test_gof3r_takes_the_command_line_and_means_the_same(
    size: int, concurrency: int, workers: int | None
) -> None:
    line = measured.command(RUN, at(1, size, concurrency, workers))
    command = parse(shlex.split(line)[1:])
    assert isinstance(command, Command)
    config = config_of(command)
    assert (config.part_size, config.concurrency, config.workers) == (size, concurrency, workers)
    assert (config.checksums, config.md5) == (RUN.checksums, False)


# --- the file -----------------------------------------------------------------------


def test_the_file_has_names_with_units_and_what_follows_from_the_rest() -> None:
    document = json.loads(measured.as_json(RUN))
    (result,) = document.pop("results")
    assert document == {
        "gof3r_bench": 1,
        "version": "1.0.0",
        "began_epoch_seconds": 1_764_000_000.5,
        "mode": "put",
        "url": "s3://bucket/bench",
        "endpoint": "https://s3.eu-west-1.amazonaws.com",
        "duration_seconds": 10.0,
        "warmup_seconds": 2.0,
        "checksums": ["crc64nvme"],
        "given": [],
        "machine": RUN.machine,
        "best": {"bytes_per_second": 1_250_000_000, **result["setting"]},
        "command": measured.command(RUN, ONE),
    }
    assert result == {
        "setting": {
            "mode": "put",
            "object_size_bytes": GiB,
            "part_size_bytes": 16 * MiB,
            "concurrency": 40,
            "workers": 2,
        },
        "concurrency": 40,
        "workers": 2,
        "seconds": 10.0,
        "sent_bytes": 12_500_000_000,
        "received_bytes": 0,
        "bytes_per_second": 1_250_000_000,
        "requests": 745,
        "each_second_bytes": [1.20e9, 1.25e9, 1.30e9],
        "first_byte_seconds": {"p50": 0.0201, "p90": 0.0402, "p99": 0.0803, "max": 0.1604},
        "latency_seconds": {"p50": 0.501, "p90": 0.602, "p99": 0.703, "max": 1.204},
        "retries": {"SlowDown": 3},
        "cpu_seconds": {"parent": 4.0, "worker 1": 2.5, "collector": 0.5},
        "peak_memory_bytes": 720_000_000,
        "binds": "network",
        "advice": "the network or the server binds: try a larger -c",
    }


def test_a_run_in_which_nothing_succeeded_has_no_best() -> None:
    document = json.loads(measured.as_json(run()))
    assert (document["best"], document["command"]) == (None, None)


@given(RUNS)
def test_what_is_read_is_what_was_written(any_run: measured.Run) -> None:
    assert measured.from_json(measured.as_json(any_run), "file") == any_run


WRITTEN = json.loads(measured.as_json(run(ONE, at(900, auto=True, workers=None))))


def changed(*path: str | int, to: object) -> str:
    """The file with another value at ``path``."""
    document = json.loads(json.dumps(WRITTEN))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON: Expecting value"),
        ("size,part\n1,2\n", "no JSON: Expecting value"),
        ("{" * 200_000, "no JSON"),
        ("[" * 200_000, "nested too deeply"),
        ("[]", "it does not say gof3r_bench"),
        ("9" * 5000, ""),
        (changed("gof3r_bench", to=2), "its format is 2, and this version reads 1"),
        (changed("mode", to="PUT"), "mode: none of 'put', 'get', 'mixed'"),
        (changed("version", to=1), "version: no text"),
        (changed("began_epoch_seconds", to=1e17), "began_epoch_seconds: no time"),
        (changed("duration_seconds", to=float("inf")), "duration_seconds: no number"),
        (changed("warmup_seconds", to=float("nan")), "warmup_seconds: no number"),
        (changed("results", 0, "seconds", to=-1.0), "seconds: no number from 0"),
        (changed("machine", "cores", to=10**19), "machine: cores: no number"),
        (changed("duration_seconds", to=True), "duration_seconds: no number"),
        (changed("checksums", to="md5"), "checksums: no list"),
        (changed("machine", "cpu", to=[1]), "machine: cpu: neither text nor number"),
        (changed("machine", "cpu", to={"a": {}}), "machine: cpu: neither text nor number"),
        (changed("results", to={}), "results: no list"),
        (changed("results", 1, to=None), "results: 2.: no object"),
        (changed("results", 0, "setting", to={}), "results: 1.: setting: mode is missing"),
        (changed("results", 0, "sent_bytes", to=-1), "results: 1.: sent_bytes: no whole number"),
        (changed("results", 0, "received_bytes", to=10**19), "received_bytes: no whole number"),
        (changed("results", 0, "requests", to=1.0), "requests: no whole number"),
        (changed("results", 0, "latency_seconds", to={"p50": 1}), "latency_seconds: p90 is missing"),
        (changed("results", 0, "retries", to={"a": "b"}), "retries: a: no whole number"),
        (changed("results", 0, "binds", to="moon"), "binds: none of 'source'"),
        (changed("results", 0, "each_second_bytes", to=[1, None]), "each_second_bytes: 2.: no number"),
    ],
)
def test_what_is_no_result_is_told_in_one_line(text: str, why: str) -> None:
    with pytest.raises(UsageError) as found:
        measured.from_json(text, "old\n.json")
    line = str(found.value)
    assert line.startswith("old .json is no result of gof3r bench: ") and why in line
    assert line.isprintable() and len(line) <= 300


def test_a_setting_of_another_mode_is_a_setting_all_the_same() -> None:
    read = measured.from_json(changed("results", 0, "setting", "mode", to="get"), "")
    assert read.results[0].setting == Setting("get", GiB, 16 * MiB, 40, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Of everything in a document but itself."""
    found = [path] if path else []
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return found + [place for name, one in inner for place in places(one, (*path, name))]


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.integers(0, len(json.dumps(WRITTEN))).map(lambda end: json.dumps(WRITTEN)[:end])
    | st.builds(lambda path, value: changed(*path, to=value), st.sampled_from(places(WRITTEN)), JSON)
)
def test_any_text_is_a_run_that_can_be_written_again_or_a_usage_error(text: str) -> None:
    try:
        read = measured.from_json(text, "file")
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert measured.from_json(measured.as_json(read), "again") == read
