"""Options of single items: how they are written, kept, and put over the run's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.config import Config
from gof3r.engine.errors import UsageError
from gof3r.migrate import options
from gof3r.migrate.options import NONE, Options
from gof3r.usage.moving import CP

OPTIONS = st.builds(
    Options,
    acl=st.sampled_from(["", "private"]),
    headers=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x;y", "ä", "a:b"])), max_size=3).map(
        tuple
    ),
    source_headers=st.lists(st.just(("x-amz-request-payer", "requester")), max_size=1).map(tuple),
    checksums=st.sampled_from([None, ("md5",), ("crc64nvme",), ("md5", "crc64nvme")]),
    md5=st.none() | st.booleans(),
    if_none_match=st.none() | st.booleans(),
    part_size=st.none() | st.integers(1, 2**40),
)


def test_each_is_an_option_of_cp() -> None:
    assert all(f"--{name}" in CP for name in options.NAMES)


@given(OPTIONS)
def test_what_is_kept_comes_back(given: Options) -> None:
    assert options.from_text(options.as_text(given)) == given
    assert (options.as_text(given) == "") is (given == NONE)


@given(st.dictionaries(st.sampled_from(["acl", "checksum", "versionId", "partsize"]), st.text(), min_size=1))
def test_any_value_can_be_written_in_a_csv(given: dict[str, str]) -> None:
    escaped = {name: value.replace("\\", "\\\\").replace(";", "\\;") for name, value in given.items()}
    assert options.parse_text(";".join(f"{name}={value}" for name, value in escaped.items())) == given


@given(st.text("acl=;\\ no-md5header:", max_size=20))
def test_any_text_is_options_or_a_usage_error(text: str) -> None:
    try:
        options.read(options.parse_text(text))
    except UsageError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NONE, Config(part_size=7, checksums=("md5",))),
        (Options(md5=False, part_size=9), Config(part_size=9, checksums=("md5",), md5=False)),
        (Options(md5=True, checksums=("crc64nvme",)), Config(part_size=7, checksums=("crc64nvme",))),
    ],
)
def test_an_items_own_word_counts_more_than_the_runs(given: Options, expected: Config) -> None:
    assert options.config_for(given, Config(part_size=7, checksums=("md5",))) == expected
