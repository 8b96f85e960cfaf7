"""Settings: their defaults, their checks, and the words of every refusal."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.config import Config, parse_age, parse_size
from gof3r.engine.errors import UsageError


def test_the_defaults_are_s3gof3rs() -> None:
    config = Config()
    assert (config.concurrency, config.part_size, config.retries) == (10, 20 * 2**20, 10)
    assert (config.checksums, config.md5, config.sign, config.ssl) == (("md5", "crc64nvme"), True, True, True)
    assert (config.workers, config.memory, config.limit_rate) == (None, None, None)


def test_equal_settings_are_equal_however_they_were_written() -> None:
    assert Config(part_size="20 MiB", memory="200M", checksums=("CRC64NVME", " md5")) == Config(
        part_size=20 * 2**20, memory=200 * 2**20
    )


def test_secrets_never_show() -> None:
    assert "SECRET" not in repr(Config(access_key="id", secret_key="SECRET1", token="SECRET2"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20971520", 20971520),
        ("0", 0),
        ("5B", 5),
        ("20MB", 20 * 10**6),
        ("20 MB", 20 * 10**6),
        (" 20mb ", 20 * 10**6),
        ("64MiB", 64 * 2**20),
        ("64mib", 64 * 2**20),
        ("64M", 64 * 2**20),
        ("5g", 5 * 2**30),
        ("1K", 1024),
        ("1kB", 1000),
        ("2TiB", 2 * 2**40),
        ("2TB", 2 * 10**12),
        (7, 7),
    ],
)
def test_mb_is_ten_to_the_six_and_mib_two_to_the_twenty(text: int | str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1.5GB", "1e6", "20 M B", "20MiBs", "0x10", "٣MB", -1])
def test_what_is_not_a_size_is_refused_with_examples(text: int | str) -> None:
    with pytest.raises(UsageError, match="not a size .*20MB, 64MiB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1025TiB", "1126000000000000", "9" * 5000, "9" * 5000 + "T"])
def test_a_size_beyond_all_is_refused_by_the_limit(text: str) -> None:
    assert parse_size("1024TiB") == parse_size("0" * 5000 + "1024TiB") == 1 << 50
    with pytest.raises(UsageError, match="a size is at most 1024 TiB, not '"):
        parse_size(text)


@given(st.text() | st.from_regex(r"[0-9]{0,20} ?[kKmMgGtT]?[iI]?[bB]?", fullmatch=True))
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), (" 7D ", 604_800), ("0d", 0)],
)
def test_an_age_has_a_unit_or_is_0(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "1w", "7 d", "1d12h", "٣d", "9" * 5000 + "d"])
def test_what_is_not_an_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="not a time .*90s, 30m, 12h, 7d") as raised:
        parse_age(text)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"concurrency": 0}, "concurrency: 0 is not a whole number from 1 to 10000"),
        ({"concurrency": -1}, "concurrency: -1"),
        ({"concurrency": 10_001}, "concurrency: 10001"),
        ({"concurrency": 1.5}, "concurrency: 1.5"),
        ({"concurrency": "3"}, "concurrency: '3'"),
        ({"concurrency": "Auto"}, "concurrency: 'Auto'"),
        ({"concurrency": True}, "concurrency: True"),
        ({"retries": 0}, "retries: 0 is not a whole number of at least 1"),
        ({"workers": 0}, "workers: 0 is not a whole number from 1 to 64"),
        ({"workers": 65}, "workers: 65 is not a whole number from 1 to 64"),
        ({"part_size": 0}, "part size: it must be at least one byte"),
        ({"part_size": "big"}, "part size: not a size .*: 'big'"),
        ({"memory": 0}, "memory: it must be at least one byte"),
        ({"memory": "x\ny"}, "memory: not a size"),
        ({"limit_rate": "9E"}, "rate limit: not a size"),
        ({"limit_rate": "0"}, "rate limit: it must be at least one byte"),
        ({"checksums": ("sha1",)}, "checksums: 'sha1' is none of md5, crc64nvme"),
        ({"checksums": ()}, "checksums: '' is none of"),
        ({"checksums": None}, "checksums: '' is none of"),
        ({"checksums": (5,)}, "checksums: \\(5,\\) are not all names"),
        ({"checksums": ("md5", "", "crc64nvme")}, "checksums: '' is none of"),
        ({"checksums": "md5,sha1"}, "checksums: 'md5,sha1' is none of"),
        ({"region": "us east"}, "'us east' is not a region"),
        ({"region": "a/b"}, "'a/b' is not a region"),
        ({"endpoint": "ftp://host"}, "endpoint 'ftp://host'"),
        ({"access_key": "id"}, "access_key and secret_key are given together"),
        ({"secret_key": "key"}, "access_key and secret_key are given together"),
        ({"token": "token"}, "token only beside them"),
        ({"access_key": "id", "secret_key": "key\n"}, "secret_key holds a space or a control character"),
        ({"access_key": "i d", "secret_key": "key"}, "access_key holds a space"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        Config(**given)
    assert str(raised.value).isprintable()
    assert "key\\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("checksums", "md5", "computed", "sidecar"),
    [
        (("md5", "crc64nvme"), True, ("md5", "crc64nvme"), True),
        (("crc64nvme", "md5"), True, ("md5", "crc64nvme"), True),
        (("MD5", " crc64nvme", "md5"), True, ("md5", "crc64nvme"), True),
        (("md5",), True, ("md5",), True),
        (("crc64nvme",), True, ("crc64nvme",), False),
        (("md5", "crc64nvme"), False, ("md5", "crc64nvme"), False),
        (("crc64nvme",), False, ("crc64nvme",), False),
    ],
)
def test_no_md5_leaves_out_the_sidecar_and_checksums_decide_the_rest(
    checksums: tuple[str, ...], md5: bool, computed: tuple[str, ...], sidecar: bool
) -> None:
    config = Config(checksums=checksums, md5=md5)
    assert (config.checksums, config.sidecar, config.unproven) == (computed, sidecar, not md5)


def test_settings_cost_no_libraries() -> None:
    heavy = {"botocore", "configparser", "pycurl", "subprocess", "psutil", "json", "awscrt"}
    code = f"import sys, gof3r.resolve; print(*(set(sys.modules) & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"md5": "no"}, "md5: 'no' is no bool"),
        ({"ssl": None}, "ssl: None is no bool"),
        ({"endpoint": 5}, "endpoint: 5 is no str"),
        ({"profile": b"x"}, "profile: b'x' is no str"),
        ({"access_key": 5, "secret_key": 5}, "access key: 5 is no str"),
    ],
)
def test_a_setting_of_another_type_is_refused(given: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        Config(**given)
