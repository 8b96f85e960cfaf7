"""From what was asked to what is done: precedence, checks, and the words of every refusal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import config
from gof3r.config import Command, Transfer
from gof3r.engine.errors import UsageError
from gof3r.engine.values import Endpoint

NAMED = {"bucket": "bucket", "key": "key"}
NOWHERE: Mapping[str, str] = {"HOME": "/nowhere"}


def resolve(
    options: Mapping[str, str] = {}, *flags: str, environ: Mapping[str, str] = {}, **rest: Any
) -> Transfer:
    command = Command("put", {**NAMED, **options}, frozenset(flags), **rest)
    return config.resolve(command, {**NOWHERE, **environ})


def test_the_defaults_are_s3gof3rs() -> None:
    transfer = resolve()
    assert (transfer.concurrency, transfer.part_size, transfer.retries) == (10, 20 * 2**20, 10)
    assert (transfer.path, transfer.workers, transfer.ca_bundle, transfer.headers) == ("", None, "", ())
    assert (transfer.checksums, transfer.sidecar, transfer.sign) == (("md5", "crc64nvme"), True, True)
    assert (transfer.debug, transfer.profile, transfer.target.version_id) == (False, "", "")


def test_what_is_given_is_kept() -> None:
    options = {"concurrency": "3", "partsize": "64MiB", "retries": "2", "workers": "64", "profile": "p"}
    transfer = resolve({**options, "path": "file", "versionId": "v1"}, "debug", "no-sign-request", "no-md5")
    assert (transfer.concurrency, transfer.part_size, transfer.retries) == (3, 64 * 2**20, 2)
    assert (transfer.workers, transfer.profile, transfer.path) == (64, "p", "file")
    assert (transfer.debug, transfer.sign, transfer.sidecar) == (True, False, False)
    assert transfer.target.version_id == "v1"


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
    ],
)
def test_mb_is_ten_to_the_six_and_mib_two_to_the_twenty(text: str, size: int) -> None:
    assert config.parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", "1.5GB", "1e6", "20 M B", "20MiBs", "0x10", "٣MB", "9" * 5000]
)
def test_what_is_not_a_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="not a size .*20MB, 64MiB"):
        config.parse_size(text)


@given(st.text() | st.from_regex(r"[0-9]{0,20} ?[kKmMgGtT]?[iI]?[bB]?", fullmatch=True))
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    try:
        assert config.parse_size(text) >= 0
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("x-amz-meta-a:1", ("x-amz-meta-a", "1")),
        ("X-Amz-Server-Side-Encryption: AES256", ("X-Amz-Server-Side-Encryption", "AES256")),
        ("Content-Type:text/plain; charset=utf-8", ("Content-Type", "text/plain; charset=utf-8")),
        ("x-amz-meta-url:http://h:1/", ("x-amz-meta-url", "http://h:1/")),
        ("x-amz-meta-text:häuser", ("x-amz-meta-text", "häuser")),
    ],
)
def test_a_header_is_split_at_its_first_colon(text: str, header: tuple[str, str]) -> None:
    assert config.parse_header(text) == header


RESERVED = """Host Authorization Content-MD5 Content-Length Range If-Match If-None-Match Date x-amz-date
    x-amz-content-sha256 x-amz-security-token x-amz-checksum-crc64nvme x-amz-checksum-type Transfer-Encoding
    Expect Connection x-amz-mp-object-size x-amz-copy-source x-amz-sdk-checksum-algorithm""".split()


@pytest.mark.parametrize("name", RESERVED + [name.upper() for name in RESERVED])
def test_a_header_that_is_gof3rs_own_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"header '{name}': gof3r decides"):
        config.parse_header(f"{name}:1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no colon"),
        ("x-amz-meta-a", "no colon"),
        (":1", "'' is not a header's name"),
        ("a b:1", "'a b' is not a header's name"),
        ("a\r\nb:1", "is not a header's name"),
        ("ä:1", "is not a header's name"),
        ("a:1\r\nHost: evil", "control characters"),
        ("a:1\x00", "control characters"),
        ("a:1\x85", "control characters"),
        ("a: ", "its value is empty"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        config.parse_header(text)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": "0"}, "--concurrency: '0' is not a whole number from 1 to 10000"),
        ({"concurrency": "-1"}, "--concurrency: '-1'"),
        ({"concurrency": "many"}, "--concurrency: 'many'"),
        ({"concurrency": "1.5"}, "--concurrency: '1.5'"),
        ({"retries": "0"}, "--retries: '0'"),
        ({"workers": "0"}, "--workers: '0' is not a whole number from 1 to 64"),
        ({"workers": "65"}, "--workers: '65' is not a whole number from 1 to 64"),
        ({"partsize": "0"}, "--partsize must be at least one byte"),
        ({"partsize": "big"}, "not a size .*: 'big'"),
        ({"checksum": "sha1"}, "--checksum: 'sha1' is none of md5, crc64nvme"),
        ({"checksum": ""}, "--checksum: '' is none of"),
        ({"checksum": "md5,,crc64nvme"}, "--checksum: '' is none of"),
        ({"region": "us east"}, "'us east' is not a region"),
        ({"region": "a/b"}, "'a/b' is not a region"),
        ({"endpoint": "ftp://host"}, "endpoint 'ftp://host'"),
        ({"ca-bundle": "/nowhere/ca.pem"}, "--ca-bundle: there is no file '/nowhere/ca.pem'"),
        ({"bucket": "a/b"}, "bucket 'a/b'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_option(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(options)


@pytest.mark.parametrize(
    ("text", "flags", "checksums", "sidecar"),
    [
        ("md5,crc64nvme", (), ("md5", "crc64nvme"), True),
        ("crc64nvme,md5", (), ("md5", "crc64nvme"), True),
        ("MD5, crc64nvme, md5", (), ("md5", "crc64nvme"), True),
        ("md5", (), ("md5",), True),
        ("crc64nvme", (), ("crc64nvme",), False),
        ("md5,crc64nvme", ("no-md5",), ("md5", "crc64nvme"), False),
        ("crc64nvme", ("no-md5",), ("crc64nvme",), False),
    ],
)
def test_no_md5_leaves_out_the_sidecar_and_checksum_decides_the_rest(
    text: str, flags: tuple[str, ...], checksums: tuple[str, ...], sidecar: bool
) -> None:
    transfer = resolve({"checksum": text}, *flags)
    assert (transfer.checksums, transfer.sidecar) == (checksums, sidecar)


@pytest.mark.parametrize("name", ["", "-", "/dev/stdin", "/dev/stdout"])
def test_the_stream_has_four_names(name: str) -> None:
    assert resolve({"path": name}).path == ""
    assert config.resolve(Command("get", {}, url="s3://b/k", path=name), NOWHERE).path == ""


def test_a_url_names_bucket_key_and_then_the_file() -> None:
    transfer = config.resolve(Command("get", {}, url="s3://b/dir//k?x#y", path="./-"), NOWHERE)
    assert (transfer.command, str(transfer.target), transfer.path) == ("get", "s3://b/dir//k?x#y", "./-")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (Command("put", {}), "no object is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        (Command("put", {"bucket": "b"}), "no key is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        (Command("put", {"key": "k"}), "no bucket is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        (Command("put", NAMED, url="s3://b/k"), "named twice: by -b/-k and by 's3://b/k'"),
        (Command("put", {"key": "k"}, url="s3://b"), "named twice"),
        (Command("put", {}, url="s3://b"), "the key is missing"),
        (Command("put", {}, url="b/k"), "does not begin with s3://"),
        (Command("put", {"path": ""}, url="s3://b/k", path="f"), "the file is named twice: by -p and by 'f'"),
    ],
)
def test_an_object_and_a_file_are_named_once(command: Command, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        config.resolve(command, NOWHERE)


ALL = {"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL": "http://any"}


@pytest.mark.parametrize(
    ("options", "flags", "environ", "endpoint"),
    [
        ({"endpoint": "given"}, (), ALL, Endpoint("https", "given")),
        ({}, (), ALL, Endpoint("http", "s3")),
        ({}, (), {"AWS_ENDPOINT_URL": "http://any"}, Endpoint("http", "any")),
        ({}, (), {"AWS_ENDPOINT_URL": ""}, Endpoint("https", "s3.us-east-1.amazonaws.com")),
        ({"endpoint": "given:9000"}, ("no-ssl",), {}, Endpoint("http", "given", 9000)),
        ({"endpoint": "https://given"}, ("no-ssl",), {}, Endpoint("https", "given")),
        ({}, ("no-ssl",), {}, Endpoint("http", "s3.us-east-1.amazonaws.com")),
        ({"region": "eu-west-1"}, (), {}, Endpoint("https", "s3.eu-west-1.amazonaws.com")),
        ({"region": "cn-north-1"}, (), {}, Endpoint("https", "s3.cn-north-1.amazonaws.com.cn")),
    ],
)
def test_the_endpoint_comes_from_the_nearest_place(
    options: dict[str, str], flags: tuple[str, ...], environ: dict[str, str], endpoint: Endpoint
) -> None:
    assert resolve(options, *flags, environ=environ).target.endpoint == endpoint


CONFIG = """
[default]
region = of-default
s3 =
    max_concurrent_requests = 20
[profile named]
region=of-named
[profile "two words"]
region=of-two
[profile bare]
output = json
[profile o'brien]
region = 100%sure
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text(CONFIG)
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("options", "environ", "region"),
    [
        ({"region": "given"}, {"AWS_REGION": "r", "AWS_DEFAULT_REGION": "d"}, "given"),
        ({}, {"AWS_REGION": "r", "AWS_DEFAULT_REGION": "d"}, "r"),
        ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "d"}, "d"),
        ({"profile": "named"}, {"AWS_DEFAULT_REGION": "d"}, "d"),
        ({}, {}, "of-default"),
        ({"profile": "default"}, {}, "of-default"),
        ({"profile": "named"}, {"AWS_PROFILE": "default"}, "of-named"),
        ({}, {"AWS_PROFILE": "named"}, "of-named"),
        ({"profile": "two words"}, {}, "of-two"),
        ({"profile": "bare"}, {}, "us-east-1"),
        ({"profile": "absent"}, {}, "us-east-1"),
        ({}, {"AWS_CONFIG_FILE": "/nowhere"}, "us-east-1"),
        ({}, {"AWS_CONFIG_FILE": "~/.aws/config"}, "of-default"),
        # An endpoint of AWS names its region, which s3gof3r's users rely on.
        ({"endpoint": "s3-eu-west-1.amazonaws.com"}, {}, "eu-west-1"),
        ({"endpoint": "https://s3.us-gov-west-1.amazonaws.com/"}, {}, "us-gov-west-1"),
        ({"endpoint": "s3.dualstack.eu-west-1.amazonaws.com"}, {}, "eu-west-1"),
        ({"endpoint": "s3.cn-north-1.amazonaws.com.cn"}, {}, "cn-north-1"),
        ({"endpoint": "s3-eu-west-1.amazonaws.com"}, {"AWS_REGION": "r"}, "r"),
        ({"endpoint": "s3.amazonaws.com"}, {}, "of-default"),
        ({"endpoint": "s3-external-1.amazonaws.com"}, {}, "of-default"),
        ({"endpoint": "s3.eu-west-1.amazonaws.com.example.org"}, {}, "of-default"),
    ],
)
def test_the_region_comes_from_the_nearest_place(
    options: dict[str, str], environ: dict[str, str], region: str, aws: dict[str, str]
) -> None:
    assert resolve(options, environ={**aws, **environ}).target.region == region


@pytest.mark.parametrize("content", [b"region = x\n", b"[default\n", b"[default]\n\xff = 1\n"])
def test_a_config_file_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    environ = {"AWS_CONFIG_FILE": str(path)}
    with pytest.raises(UsageError, match=f"{path}: cannot be read for the region"):
        resolve(environ=environ)
    assert resolve({"region": "given"}, environ=environ).target.region == "given"


@pytest.mark.parametrize(
    ("options", "flags", "path_style"),
    [
        ({}, (), False),
        ({}, ("path-style",), True),
        ({"bucket": "a.b"}, (), True),
        ({"endpoint": "127.0.0.1:9000"}, (), True),
        ({"endpoint": "localhost"}, (), True),
        ({"endpoint": "s3.example.org"}, (), False),
    ],
)
def test_path_style_is_used_where_a_host_name_cannot_carry_the_bucket(
    options: dict[str, str], flags: tuple[str, ...], path_style: bool
) -> None:
    assert resolve(options, *flags).target.path_style is path_style


def test_the_ca_bundle_of_the_command_line_wins(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    one.touch()
    two.touch()
    environ = {"AWS_CA_BUNDLE": str(two)}
    assert resolve({"ca-bundle": str(one)}, environ=environ).ca_bundle == str(one)
    assert resolve(environ=environ).ca_bundle == str(two)
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE: there is no file"):
        resolve(environ={"AWS_CA_BUNDLE": str(tmp_path)})


def test_headers_are_parsed_in_their_order() -> None:
    transfer = resolve(headers=("x-amz-meta-b:2", "x-amz-meta-a:1"))
    assert transfer.headers == (("x-amz-meta-b", "2"), ("x-amz-meta-a", "1"))


@given(
    st.dictionaries(
        st.sampled_from(
            ["concurrency", "partsize", "checksum", "retries", "workers", "region", "endpoint", "path"]
        ),
        st.text(max_size=12),
    )
)
def test_any_values_make_a_transfer_or_a_usage_error(options: dict[str, str]) -> None:
    try:
        transfer = resolve(options)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert transfer.concurrency >= 1 and transfer.part_size >= 1 and transfer.checksums
        assert transfer.retries >= 1 and transfer.workers != 0
