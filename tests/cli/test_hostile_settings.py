"""Whatever a user, a file or the environment says is understood, or refused in one line of ours."""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import dotfile, ini, resolve, usage
from gof3r.arguments import Command, options_of, parse
from gof3r.config import MAX_SIZE, Config, parse_age, parse_size
from gof3r.engine.errors import UsageError
from gof3r.engine.s3 import operations, sigv4
from gof3r.engine.s3.request import (
    check_names,
    encode,
    needs_path_style,
    parse_bucket_url,
    parse_endpoint,
    parse_object_url,
)
from gof3r.engine.values import Credentials, Target
from gof3r.header import parse_header, sort_headers
from gof3r.places import place

NUMBERS = ["-1", "1e9", "NaN", "１２", "9" * 5000, "0", "00", " 5", "0x5", "+5", "5.0", "1_000", "", "٣"]
SIZES = ["5MiB", "1025TiB", "5 GB", "1YB", "20M B", "7d", "90s", "1w", "64mib", "0"]
HOSTS = [
    *(
        "h:0",
        "h:65536",
        "h:９０",
        "[::1]:9000",
        "[::1%eth0]",
        "[",
        "]",
        "[::1",
        "a..b",
        "-",
        "bücher.example",
    ),
    *("user:pass@h", "http://", "https://h/../x?y#z", "HTTP://H/%2F", "ftp://h", "//h", "h/\ud800", "h:1:2"),
]
NAMES = [
    "s3://",
    "s3://b",
    "s3://b/",
    "s3:///k",
    "s3://b/k",
    "S3://b/k",
    "s3://b\0/k",
    "s3://b/\ud800",
    "-",
    "--",
]
CONTROLS = ["\0", "\x1b[2J", "a\r\nb", "\u202e", "\x9b", "\ud800", "\udcff", "\U0010ffff", "\x85", "\u2028"]
WORDS = st.sampled_from([*NUMBERS, *SIZES, *HOSTS, *NAMES, *CONTROLS]) | st.text(
    st.characters(),
    max_size=20,  # with surrogates: bytes of argv and of the environment that are not UTF-8
)


def refused(use: Callable[[], object]) -> bool:
    """Whether ``use`` is refused, and that in one line."""
    try:
        use()
    except UsageError as error:
        assert str(error).isprintable() and 0 < len(str(error)) <= 500
        return True
    return False


# --- single values ------------------------------------------------------------------

PARSERS: list[Callable[[str], object]] = [
    parse_size,
    parse_age,
    parse_endpoint,
    parse_object_url,
    parse_bucket_url,
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@given(text=WORDS)
def test_any_text_is_a_value_or_refused(parser: Callable[[str], object], text: str) -> None:
    refused(lambda: parser(text))


@given(
    st.integers(0, 1 << 60),
    st.sampled_from(["", "B", "K", "KiB", "kB", "M", "mib", "MB", "G", "GiB", "TB", "tib"]),
)
def test_a_size_is_its_number_times_its_unit_or_beyond_all(number: int, unit: str) -> None:
    power = " kmgt".index(unit[:1].lower().replace("b", "") or " ")
    size = number * (1000 if unit[1:].lower() == "b" else 1024) ** power
    assert refused(lambda: parse_size(f"{number}{unit}")) is (size > MAX_SIZE)
    if size <= MAX_SIZE:
        assert parse_size(f"{number} {unit}") == size


@given(st.text(st.characters()).filter(lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text)))
def test_what_is_encoded_decodes_to_its_bytes(text: str) -> None:
    from urllib.parse import unquote_to_bytes

    assert unquote_to_bytes(encode(text)) == text.encode("utf-8", "surrogateescape")
    assert re.fullmatch("(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", encode(text))


@given(
    WORDS, WORDS, WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=3), st.booleans(), st.integers(0, 1 << 33)
)
def test_what_is_accepted_can_be_signed_and_sent(
    endpoint: str, bucket: str, key: str, headers: list[tuple[str, str]], path_style: bool, now: int
) -> None:
    """No name that passes the checks fails later, or is more than one line of ASCII on the wire."""
    keys = Credentials("id", "secret", "token")

    def use() -> None:
        check_names(bucket, key)
        here = parse_endpoint(endpoint)
        given, _ = sort_headers(headers)
        in_path = path_style or needs_path_style(bucket, here)
        target = Target(here, "us-east-1", bucket, key, in_path, headers=given)
        request = operations.get_object(target, 0, 9, "e")
        assert request.path.isascii() and request.path.isprintable()
        for name, value in sigv4.sign(request, keys, now):
            assert not re.search("[\r\n\0]", name + value)
        assert re.fullmatch("[!-~]+", sigv4.presign(request, keys, now, 60))

    refused(use)


@given(st.lists(WORDS | WORDS.map(lambda text: f"x-amz-meta-a:{text}"), max_size=3))
def test_any_headers_are_sent_as_they_are_or_refused(texts: list[str]) -> None:
    refused(lambda: sort_headers([parse_header(text) for text in texts]))


ANYTHING = (
    WORDS | st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.binary(max_size=5)
)
FIELDS = sorted(Config.__dataclass_fields__)


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.lists(WORDS, max_size=2).map(tuple), max_size=3)
)
def test_any_settings_of_the_library_are_taken_or_refused(settings: dict[str, Any]) -> None:
    if not refused(lambda: Config(**settings)):
        assert 1 <= parse_size(Config(**settings).part_size) <= MAX_SIZE


# --- the command line, with everything behind it ------------------------------------------------------------

OPTIONS = sorted(
    {option for text in usage.COMMANDS.values() for option in options_of(text)} | {"md5Check-off"}
)
ARGV = st.lists(
    st.one_of(
        st.sampled_from(
            [*usage.COMMANDS, "copy", "s3://b/k", "--", "-", "-k", "-k=", "-mx", "-s1", "-c0", "--=", "-="]
        ),
        st.sampled_from(OPTIONS).map(lambda name: f"--{name}"),
        st.builds("--{}={}".format, st.sampled_from(OPTIONS), WORDS),
        WORDS,
    ),
    max_size=7,
)
VARIABLES = ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_CONFIG_FILE", "HOME"]
ENVIRONS = st.dictionaries(st.sampled_from(VARIABLES), WORDS.map(lambda text: text.replace("\0", "")))
NOWHERE = {"HOME": "/nowhere"}


@given(ARGV, ENVIRONS)
def test_any_command_line_is_an_order_or_refused(words: list[str], environ: dict[str, str]) -> None:
    try:
        asked = parse(words)
    except UsageError:  # shown with its control characters taken out: test_main
        return
    if isinstance(asked, Command) and asked.name != "completion":
        make = resolve.presign if asked.name == "presign" else resolve.order
        refused(lambda: make(asked, {**NOWHERE, **environ}))


# --- files ------------------------------------------------------------------

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [f"[{name}]" for name in usage.COMMANDS] + ["[", "[]", "]", "=", ";", 'a="', "[put]\0"]
        ),
        st.builds("{} = {}".format, st.sampled_from(OPTIONS), WORDS),
        st.builds("{}={}".format, st.sampled_from(OPTIONS), WORDS.map(json.dumps)),
        WORDS,
    ),
    max_size=8,
)
FILES = LINES.map(lambda lines: "\n".join(["[put]", *lines]).encode("utf-8", "surrogatepass")) | st.binary(
    max_size=60
)
PUT = parse(["put", "s3://b/k"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "file"


@given(content=FILES)
def test_any_bytes_are_an_ini_file_or_refused_by_its_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    def use() -> None:
        text = dotfile.read(str(file))
        assert text is not None
        assert isinstance(PUT, Command)
        resolve.config_of(ini.combine(PUT, ini.read(text, str(file))))

    try:
        refused(use)
        use()
    except UsageError as error:
        assert str(error).startswith(f"{file}:")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_value_can_be_written_into_an_ini_file(value: str) -> None:
    assert ini.read(f"[put]\nprofile = {json.dumps(value)}", "ini") == {"put": {"profile": (value,)}}


SETTINGS = [
    "region",
    "endpoint_url",
    "services",
    "ca_bundle",
    "s3",
    "use_fips_endpoint",
    "aws_secret_access_key",
]
AWS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "[default]",
                "[profile p]",
                "[services s]",
                "[",
                "[]",
                "s3 =",
                "  endpoint_url = h",
                "services=s",
            ]
        ),
        st.builds("{} = {}".format, st.sampled_from(SETTINGS), WORDS),
        st.builds("  {} = {}".format, st.sampled_from(SETTINGS), WORDS),
        WORDS,
    ),
    max_size=8,
).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")) | st.binary(max_size=60)


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@given(content=AWS, profile=st.sampled_from(["", "p", "s", "a]b", "\x1b"]) | WORDS)
def test_any_bytes_are_a_file_of_aws_or_refused(
    file: Path, variable: str, content: bytes, profile: str
) -> None:
    file.write_bytes(content)
    refused(lambda: place(Config(profile=profile), {**NOWHERE, variable: str(file)}))


# --- what stands in the place of a file ------------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def without_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def long(path: Path) -> None:
    path.write_bytes(b";" * (dotfile.MOST + 1))


def damaged(path: Path) -> None:
    path.write_bytes(b"[put]\n\xff\n")


def circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fifo, "it is no regular file"),
        (without_end, "it is no regular file"),
        (folder, "it is no regular file"),
        (long, "it is longer than 1048576 bytes: it is no file of settings"),
        (damaged, "it is not UTF-8"),
        (circle, "it cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_of_settings_is_refused_at_once(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "ini"
    make(path)
    with pytest.raises(UsageError, match=f"^{path}: {said}$"):
        dotfile.read(str(path))


def test_the_longest_file_is_read_and_a_missing_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ini"
    assert dotfile.read(str(path)) is None
    path.write_bytes(b";" * dotfile.MOST)
    assert dotfile.read(str(path)) == ";" * dotfile.MOST
    assert dotfile.read(str(path / "beneath a file")) is None
    assert dotfile.read("/dev/null/ini") is None  # HOME=/dev/null
    assert dotfile.read("/dev/null") is None  # switched off


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_a_home_in_the_environment_the_systems_is_taken(
    environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = pwd.struct_passwd(("u", "x", 1, 1, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): entry}.__getitem__)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nregion = of-home\n")
    assert dotfile.home(environ) == str(tmp_path)
    assert place(Config(), environ).region == "of-home"


def test_who_has_no_home_has_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody: dict[int, pwd.struct_passwd] = {}
    monkeypatch.setattr(pwd, "getpwuid", nobody.__getitem__)
    assert dotfile.home({}) == ""
    assert place(Config(), {}).region == "us-east-1"
    assert dotfile.home({"HOME": "/h"}) == "/h"
