"""What a command asks to be measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.arguments import Command, parse
from gof3r.bench.sweep import LISTS, Sweep, asked, fitted
from gof3r.engine.errors import UsageError

MiB = 2**20
MANY = ("-s", "8MiB,16MiB", "-c", "4,auto", "--workers=1")
GiB = 2**30
ENVIRON = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_REGION": "r", "HOME": "/nowhere"}


def sweep(*words: str) -> Sweep:
    command = parse(["bench", *words])
    assert isinstance(command, Command)
    return asked(command, ENVIRON, "1a2b")


def points(*words: str) -> list[tuple[int, int, int | None, int | None]]:
    """Object size, part size, concurrency and workers of each setting."""
    return [(s.object_size, s.part_size, s.concurrency, s.workers) for s in sweep(*words).settings]


def test_without_options_it_is_parts_of_three_sizes_and_four_numbers_of_connections() -> None:
    found = sweep("get", "s3://bucket")
    assert [(s.part_size // MiB, s.concurrency) for s in found.settings] == [
        (part, number) for part in (8, 20, 64) for number in (5, 10, 20, 40)
    ]
    assert {(s.mode, s.object_size, s.workers) for s in found.settings} == {("get", GiB, None)}
    assert (found.duration, found.warmup, found.checksums) == (10, 2, ("crc64nvme",))


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://bucket", "gof3r-bench-1a2b/"),
        ("s3://bucket/", "gof3r-bench-1a2b/"),
        ("s3://bucket/a/b", "a/b/gof3r-bench-1a2b/"),
        ("s3://bucket/a/b/", "a/b/gof3r-bench-1a2b/"),
    ],
)
def test_everything_is_below_a_key_of_its_own(url: str, key: str) -> None:
    assert sweep("put", url).target.key == key


def test_every_combination_is_measured_once() -> None:
    assert points(
        "put", "s3://b", "--size=1MiB,64MiB", "-s", "8MiB,16MiB", "-c", "4,auto", "--workers=1"
    ) == [
        *((MiB, MiB, 4, 1), (MiB, MiB, None, 1)),  # one part holds it, whatever the part size
        *((64 * MiB, 8 * MiB, 4, 1), (64 * MiB, 8 * MiB, None, 1)),
        *((64 * MiB, 16 * MiB, 4, 1), (64 * MiB, 16 * MiB, None, 1)),
    ]


@pytest.mark.parametrize(("mode", "part"), [("put", 5 * MiB), ("mixed", 5 * MiB), ("get", MiB)])
def test_what_s3_takes_as_no_part_is_measured_as_the_smallest(mode: str, part: int) -> None:
    found = sweep(mode, "s3://b", "-s", "1MiB,5MiB", "-c", "4")
    assert found.settings[0].part_size == part
    assert len(found.settings) == (2 if mode == "get" else 1)
    assert bool(found.warnings) == (mode != "get")


def test_options_of_the_connection_are_kept_for_the_command_line() -> None:
    found = sweep("get", "s3://b", "--region=eu-west-1", "--path-style", "--endpoint=http://127.0.0.1:7")
    assert found.given == ("--region=eu-west-1", "--path-style")
    assert str(found.target.endpoint) == "http://127.0.0.1:7"


def test_an_object_that_is_there_is_read_as_it_is() -> None:
    found = sweep("get", "s3://bucket/the/key", "--existing", "-s", "1MiB,2MiB,4MiB", "-c", "4")
    assert (found.existing, found.target.key) == (True, "the/key")
    assert [s.part_size for s in fitted(found.settings, 3 * MiB)] == [MiB, 2 * MiB, 3 * MiB]
    assert [s.part_size for s in fitted(found.settings, 100)] == [100]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("put", "bucket"), "not a bucket's URL"),
        (
            ("put", "s3://b", "-c", "0"),
            "--concurrency: '0' is neither a whole number from 1 to 10000 nor",
        ),
        (("put", "s3://b", "-c", "5,"), "--concurrency: '' is neither"),
        (("put", "s3://b", "-c", "5,many"), "--concurrency: 'many' is neither"),
        (
            ("put", "s3://b", "--workers=65"),
            "--workers: '65' is neither a whole number from 1 to 64 nor",
        ),
        (("put", "s3://b", "-s", "big"), "--partsize: not a size"),
        (("put", "s3://b", "--size=0"), "--size: it is from one byte to 48.8 TiB"),
        (("put", "s3://b", "-s", "6GiB", "--size=1TiB"), "a part has at most 5 GiB"),
        (("get", "s3://b", "-s", "1KiB"), "at least 16384 bytes"),
        (("get", "s3://b", "--duration=5"), "--duration: not a time"),
        (("get", "s3://b", "--duration=0s"), "--duration: at least 1s"),
        (("get", "s3://b", "--warmup=x"), "--warmup: not a time"),
        (("get", "s3://b", "--checksum=sha1"), "checksums: 'sha1' is none of"),
        (("put", "s3://b/k", "--existing"), "--existing"),
        (("get", "s3://b/k", "--existing", "--size=5MiB"), "--existing"),
        (("get", "s3://b", "--existing"), "key"),
        (("delete", "s3://b"), "these arguments do not fit"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        sweep(*words)
    assert said in str(raised.value) and str(raised.value).isprintable()


@given(
    st.sampled_from(["put", "get", "mixed"]),
    st.dictionaries(st.sampled_from(LISTS), st.text()),
)
def test_anything_is_a_sweep_or_one_line(mode: str, options: dict[str, str]) -> None:
    command = Command("bench", options, arguments=(mode, "s3://bucket"))
    try:
        found = asked(command, ENVIRON, "x")
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert found.settings and found.duration >= 1
        assert all(setting.part_size <= setting.object_size for setting in found.settings)
