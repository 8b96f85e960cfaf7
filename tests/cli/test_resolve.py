"""From a command to its order: names, directions, headers, and the words of every refusal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r import ordering, resolve
from gof3r.arguments import Command
from gof3r.config import Config
from gof3r.engine import orders
from gof3r.engine.errors import UsageError
from gof3r.engine.orders import Signer
from gof3r.engine.values import Credentials
from gof3r.resolve import Resolved

NOWHERE: Mapping[str, str] = {"HOME": "/nowhere"}
NAMED = {"bucket": "bucket", "key": "key"}

Kind = TypeVar("Kind", bound=orders.Order)


def ask(
    name: str,
    *arguments: str,
    options: Mapping[str, str] = {},
    environ: Mapping[str, str] = {},
    flags: tuple[str, ...] = (),
    **rest: Any,
) -> Resolved:
    command = Command(name, options, frozenset(flags), arguments=arguments, **rest)
    return resolve.order(command, {**NOWHERE, **environ})


def ordered(kind: type[Kind], name: str, *arguments: str, **rest: Any) -> Kind:
    order = ask(name, *arguments, **rest).order
    assert isinstance(order, kind)
    return order


def test_a_put_by_default_is_s3gof3rs() -> None:
    put = ordered(orders.Put, "put", options=NAMED)
    assert (str(put.target), put.headers, put.expected_size) == ("s3://bucket/key", (), None)
    assert (put.checksums, put.sidecar, put.if_none_match) == (("md5", "crc64nvme"), True, False)
    assert put.terms == orders.Terms()


def test_what_is_given_is_ordered() -> None:
    options = {
        **NAMED,
        **{"concurrency": "3", "partsize": "64MiB", "retries": "2", "workers": "64", "profile": "p"},
        **{"memory": "1GiB", "limit-rate": "10MB", "expected-size": "5g", "acl": "private"},
    }
    flags = ("no-md5", "if-none-match", "no-sign-request")
    headers = ("x-amz-meta-a:1", "x-amz-request-payer: requester")
    put = ordered(orders.Put, "put", options=options, flags=flags, headers=headers)
    assert put.terms == orders.Terms(
        signer=Signer(sign=False, profile="p"),
        retries=2,
        concurrency=3,
        part_size=64 * 2**20,
        memory=2**30,
        workers=64,
        rate=10**7,
    )
    assert (put.expected_size, put.if_none_match, put.sidecar) == (5 * 2**30, True, False)
    assert put.headers == (("x-amz-meta-a", "1"), ("x-amz-acl", "private"))
    assert put.target.headers == (("x-amz-request-payer", "requester"),)


@pytest.mark.parametrize("command", ["put", "get", "verify"])
def test_auto_leaves_the_concurrency_to_be_found(command: str) -> None:
    terms = ask(command, options={**NAMED, "concurrency": "auto", "memory": "1GiB"}).order.terms
    assert (terms.concurrency, terms.memory) == (None, 2**30)


def test_a_get_takes_its_version_and_what_it_may_not_prove() -> None:
    options = {**NAMED, "versionId": "v1"}
    get = ordered(orders.Get, "get", options=options, flags=("no-md5",))
    assert (get.target.version_id, get.sidecar, get.unproven) == ("v1", False, True)
    assert not ordered(orders.Get, "get", options=options).unproven


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": "0"}, "concurrency: 0 is not a whole number from 1 to 10000"),
        ({"concurrency": "many"}, "--concurrency: 'many' is not a whole number"),
        ({"concurrency": "AUTO"}, "--concurrency: 'AUTO' is not a whole number"),
        ({"retries": "1.5"}, "--retries: '1.5' is not a whole number"),
        ({"workers": "-1"}, "workers: -1 is not a whole number from 1 to 64"),
        ({"workers": "9" * 5000}, "--workers: '9"),
        ({"checksum": ""}, "checksums: '' is none of"),
        ({"checksum": "md5,sha1"}, "checksums: 'sha1' is none of"),
        ({"partsize": "big"}, "not a size .*: 'big'"),
        ({"expected-size": "big"}, "not a size .*: 'big'"),
        ({"bucket": "a/b"}, "bucket 'a/b'"),
        ({"key": ""}, "the key is empty"),
        ({"key": "k" * 1025}, "the key has 1025 bytes"),
        ({"key": "k" * 1016}, "too long for its md5 sidecar, whose key is 9 bytes longer; use --no-md5"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_in_one_line(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        ask("put", options={**NAMED, **options})
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("command", ["get", "verify"])
def test_what_is_read_is_read_in_parts_worth_a_request(command: str) -> None:
    assert ask(command, options={**NAMED, "partsize": "16KiB"})
    with pytest.raises(UsageError, match="^part size: what is read is read in parts of at least 16384 bytes"):
        ask(command, options={**NAMED, "partsize": "16383"})
    assert ask("put", options={**NAMED, "partsize": "1"})  # raised to S3's minimum


def test_a_key_as_long_as_s3_allows_needs_no_room_for_a_sidecar_that_is_not_written() -> None:
    assert ask("put", options={**NAMED, "key": "k" * 1015})
    assert ask("put", options={**NAMED, "key": "k" * 1024}, flags=("no-md5",))
    assert ask("get", options={**NAMED, "key": "k" * 1024})


@pytest.mark.parametrize("name", ["", "-", "/dev/stdin", "/dev/stdout"])
def test_the_stream_has_four_names(name: str) -> None:
    assert ask("put", options={**NAMED, "path": name}).path == ""
    assert ask("get", "s3://b/k", name).path == ""


def test_a_url_names_bucket_key_and_then_the_file() -> None:
    got = ask("get", "s3://b/dir//k?x#y", "./-")
    assert isinstance(got.order, orders.Get)
    assert (str(got.order.target), got.path) == ("s3://b/dir//k?x#y", "./-")


@pytest.mark.parametrize("command", ["put", "get", "info", "verify", "rm"])
@pytest.mark.parametrize(
    ("options", "arguments", "said"),
    [
        ({}, (), "no object is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        ({"bucket": "b"}, (), "no key is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        ({"key": "k"}, (), "no bucket is named: give -b BUCKET -k KEY, or s3://BUCKET/KEY"),
        (NAMED, ("s3://b/k",), "named twice: by -b/-k and by 's3://b/k'"),
        ({"key": "k"}, ("s3://b",), "named twice"),
        ({}, ("s3://b",), "the key is missing"),
        ({}, ("b/k",), "does not begin with s3://"),
    ],
)
def test_an_object_is_named_once(
    command: str, options: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ask(command, *arguments, options=options)


def test_a_file_is_named_once() -> None:
    with pytest.raises(UsageError, match="the file is named twice: by -p and by 'f'"):
        ask("put", "s3://b/k", "f", options={"path": ""})


@pytest.mark.parametrize(("command", "kind"), [("info", orders.Info), ("verify", orders.Verify)])
def test_an_object_is_looked_at_in_its_version(command: str, kind: type[orders.Info | orders.Verify]) -> None:
    options, headers = {"versionId": "v1", "retries": "3"}, ("x-amz-request-payer:requester",)
    order = ordered(kind, command, "s3://b/k", options=options, headers=headers)
    assert (str(order.target), order.target.version_id) == ("s3://b/k", "v1")
    assert order.target.headers == (("x-amz-request-payer", "requester"),)
    assert order.terms.retries == 3


@pytest.mark.parametrize("arguments", [("get", "s3://b/k"), ("rm", "s3://b/k"), ("cp", "s3://b/k", "f")])
def test_where_nothing_is_stored_a_header_of_an_object_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="header 'Content-Type': nothing is stored here"):
        ask(*arguments, headers=("Content-Type:text/plain",))


def test_rm_takes_many_objects_but_one_version() -> None:
    remove = ordered(orders.Remove, "rm", "s3://b/k", "s3://a.b/dir/", options={"endpoint": "s3.example.org"})
    assert [(str(target), target.path_style) for target in remove.targets] == [
        ("s3://b/k", False),
        ("s3://a.b/dir/", True),
    ]
    assert ordered(orders.Remove, "rm", options={**NAMED, "versionId": "v"}).targets[0].version_id == "v"
    with pytest.raises(UsageError, match="a version belongs to one object"):
        ask("rm", "s3://b/k", "s3://b/l", options={"versionId": "v"})
    with pytest.raises(UsageError, match="named twice"):
        ask("rm", "s3://b/k", "s3://b/l", options=NAMED)
    with pytest.raises(UsageError, match="nothing to remove"):
        ordering.remove_order(Config(), NOWHERE, [])


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://b", "b", ""), ("s3://b/", "b", ""), ("s3://b/a//b/", "b", "a//b/"), ("s3://b//a", "b", "/a")],
)
def test_ls_takes_a_bucket_and_a_prefix(url: str, bucket: str, prefix: str) -> None:
    for order in (ordered(orders.List, "ls", url), ordered(orders.Uploads, "uploads ls", url)):
        assert (order.target.bucket, order.target.key) == (bucket, prefix)


@pytest.mark.parametrize("url", ["", "b", "b/k", "s3://", "s3:///k", "http://b/k"])
def test_what_is_no_buckets_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is not a bucket's URL .example: s3://bucket/prefix"):
        ask("ls", url)
    with pytest.raises(UsageError, match="bucket 'a\\\\nb'"):
        ask("ls", "s3://a\nb")


def test_uploads_are_listed_all_and_aborted_only_when_it_is_said_which() -> None:
    assert ordered(orders.Uploads, "uploads ls", "s3://b").older_than == 0
    with pytest.raises(
        UsageError, match="which uploads. give --older-than AGE .0: all of them., or --upload-id"
    ):
        ask("uploads abort", "s3://b")
    every = ordered(orders.Uploads, "uploads abort", "s3://b", options={"older-than": "0"})
    assert (every.abort, every.older_than, every.upload_id) == (True, 0, "")
    old = ordered(orders.Uploads, "uploads abort", "s3://b", options={"older-than": "7d"})
    assert old.older_than == 7 * 86_400
    one = ordered(orders.Uploads, "uploads abort", "s3://b/k", options={"upload-id": "u"})
    assert (one.target.key, one.upload_id) == ("k", "u")
    with pytest.raises(UsageError, match="--upload-id: name the upload's key as well"):
        ask("uploads abort", "s3://b", options={"upload-id": "u"})


@pytest.mark.parametrize(
    ("source", "destination", "target", "path"),
    [
        ("dir/file", "s3://b/k", "s3://b/k", "dir/file"),
        ("dir/file", "s3://b", "s3://b/file", "dir/file"),
        ("dir/file", "s3://b/", "s3://b/file", "dir/file"),
        ("./file", "s3://b/a/", "s3://b/a/file", "./file"),
        ("-", "s3://b/k", "s3://b/k", ""),
        ("/dev/stdin", "s3://b/k", "s3://b/k", ""),
    ],
)
def test_cp_from_a_file_is_a_put(source: str, destination: str, target: str, path: str) -> None:
    asked = ask("cp", source, destination, headers=("x-amz-meta-a:1",), flags=("if-none-match",))
    assert isinstance(asked.order, orders.Put)
    assert (str(asked.order.target), asked.path) == (target, path)
    assert (asked.order.headers, asked.order.if_none_match) == ((("x-amz-meta-a", "1"),), True)


@pytest.mark.parametrize(
    ("source", "destination", "path"),
    [
        ("s3://b/a/k", "file", "file"),
        ("s3://b/a/k", "dir/", "dir/k"),
        ("s3://b/a/k", "/", "/k"),
        ("s3://b/a/k", "-", ""),
        ("s3://b/a/k", "/dev/stdout", ""),
        ("s3://b/a/", "file", "file"),
    ],
)
def test_cp_to_a_file_is_a_get(source: str, destination: str, path: str) -> None:
    asked = ask("cp", source, destination)
    assert isinstance(asked.order, orders.Get)
    assert (str(asked.order.target), asked.path) == (source, path)


def test_cp_to_a_directory_that_exists_takes_the_keys_last_piece(tmp_path: Path) -> None:
    assert ask("cp", "s3://b/a/k", str(tmp_path)).path == str(tmp_path / "k")


@pytest.mark.parametrize(
    ("source", "destination", "target"),
    [
        ("s3://b/a/k", "s3://c/l", "s3://c/l"),
        ("s3://b/a/k", "s3://c", "s3://c/k"),
        ("s3://b/a/k", "s3://c/d/", "s3://c/d/k"),
        ("s3://b/a/", "s3://c/l", "s3://c/l"),
    ],
)
def test_cp_from_object_to_object_is_a_copy(source: str, destination: str, target: str) -> None:
    copy = ordered(orders.Copy, "cp", source, destination)
    assert (str(copy.source), str(copy.target)) == (source, target)


@pytest.mark.parametrize(
    ("arguments", "rest", "said"),
    [
        (("a", "b"), {}, "neither of them is an s3:// URL: cp.1."),
        (("-", "s3://b"), {}, "'s3://b': the source has no name to put there: name the key"),
        (("dir/", "s3://b/"), {}, "the source has no name"),
        (("s3://b/a/", "s3://c/"), {}, "the source has no name"),
        (("s3://b/a/", "dir/"), {}, "'s3://b/a/': its last piece is no file's name"),
        (("s3://b/a/..", "dir/"), {}, "its last piece is no file's name"),
        (("s3://b/.", "dir/"), {}, "its last piece is no file's name"),
        (("s3://b", "f"), {}, "the key is missing"),
        (("f", "s3:///k"), {}, "is not a bucket's URL"),
        (("s3://b/k", ""), {}, "the file's name is empty"),
        (("", "s3://b/k"), {}, "the file's name is empty"),
        (("s3://b/k", "f"), {"flags": ("if-none-match",)}, "--if-none-match is for an object"),
        (("f", "s3://b/k"), {"options": {"source-region": "r"}}, "this one is a local file"),
        (("f", "s3://b/k"), {"options": {"versionId": "v"}}, "this one is a local file"),
        (("f", "s3://b/k"), {"source_headers": ("x-amz-request-payer:r",)}, "this one is a local file"),
        (("s3://b/k", "s3://c/k"), {"source_headers": ("a:b",)}, "header 'a': nothing is stored here"),
        (("s3://b/k", "s3://c/" + "k" * 1020), {}, "too long for its md5 sidecar"),
    ],
)
def test_a_copy_that_cannot_be_meant_is_refused(
    arguments: tuple[str, str], rest: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ask("cp", *arguments, **rest)


def test_each_side_of_a_copy_has_its_headers() -> None:
    copy = ordered(
        orders.Copy,
        "cp",
        "s3://b/k",
        "s3://c/k",
        options={"acl": "private"},
        headers=("x-amz-expected-bucket-owner:1", "x-amz-meta-a:1"),
        source_headers=("x-amz-request-payer:requester",),
    )
    assert copy.headers == (("x-amz-meta-a", "1"), ("x-amz-acl", "private"))
    assert copy.target.headers == (("x-amz-expected-bucket-owner", "1"),)
    assert copy.source.headers == (("x-amz-request-payer", "requester"),)
    down = ordered(
        orders.Get,
        "cp",
        "s3://b/k",
        "f",
        headers=("x-amz-expected-bucket-owner:1",),
        source_headers=("x-amz-request-payer:requester",),
    )
    assert down.target.headers == (
        ("x-amz-expected-bucket-owner", "1"),
        ("x-amz-request-payer", "requester"),
    )


STORE = {"endpoint": "http://127.0.0.1:9000"}
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


@pytest.mark.parametrize(
    ("options", "flags", "server_side", "role"),
    [
        ({}, (), True, "main"),
        (STORE, (), True, "main"),
        ({"region": "eu-west-1", "source-region": "us-west-2"}, (), True, "main"),
        ({"region": "us-gov-west-1", "source-region": "us-east-1"}, (), False, "main"),
        ({"region": "us-gov-west-1", "source-region": "us-gov-east-1"}, (), True, "main"),
        ({"region": "cn-north-1", "source-region": "us-east-1"}, (), False, "main"),
        ({"endpoint": "s3.eu-west-1.amazonaws.com", "source-endpoint": "s3.amazonaws.com"}, (), True, "main"),
        ({"source-endpoint": "http://127.0.0.1:9000"}, (), False, "main"),
        ({**STORE, "source-endpoint": "http://127.0.0.1:9001"}, (), False, "main"),
        ({**STORE, "source-endpoint": "http://127.0.0.1:9000"}, (), True, "main"),
        ({"source-profile": "other"}, (), False, "source"),
        ({"profile": "one", "source-profile": "one"}, (), True, "main"),
        ({"profile": "one", "source-profile": "other"}, (), False, "source"),
        ({}, ("no-sign-request",), False, "main"),
    ],
)
def test_a_server_copies_by_itself_within_one_service_and_for_one_signer(
    options: dict[str, str], flags: tuple[str, ...], server_side: bool, role: str
) -> None:
    copy = ordered(orders.Copy, "cp", "s3://b/k", "s3://c/k", options=options, flags=flags)
    assert (copy.server_side, copy.source.role, copy.target.role) == (server_side, role, "main")
    assert copy.terms.source_signer.profile == options.get("source-profile", options.get("profile", ""))
    assert copy.terms.signer.profile == options.get("profile", "")


def test_an_endpoint_or_a_profile_of_the_source_brings_its_own_region() -> None:
    def regions(**options: str) -> tuple[str, str]:
        options = {name.replace("_", "-"): value for name, value in options.items()}
        copy = ordered(orders.Copy, "cp", "s3://b/k", "s3://c/k", options=options)
        return copy.source.region, copy.target.region

    assert regions(region="eu-west-1") == ("eu-west-1", "eu-west-1")
    assert regions(region="eu-west-1", source_region="eu-west-2") == ("eu-west-2", "eu-west-1")
    assert regions(region="eu-west-1", source_endpoint="s3.eu-west-3.amazonaws.com") == (
        "eu-west-3",
        "eu-west-1",
    )
    assert regions(region="eu-west-1", source_profile="absent") == ("us-east-1", "eu-west-1")
    down = ordered(orders.Get, "cp", "s3://b/k", "f", options={"source-endpoint": "http://127.0.0.1:9000"})
    assert (str(down.target.endpoint), down.target.role) == ("http://127.0.0.1:9000", "main")


def test_one_ca_bundle_serves_both_sides_of_a_copy(tmp_path: Path) -> None:
    one, two, config = tmp_path / "one.pem", tmp_path / "two.pem", tmp_path / "config"
    one.touch()
    two.touch()
    config.write_text(f"[default]\nca_bundle = {one}\n[profile two]\nca_bundle = {two}\n[profile none]\n")
    environ = {"AWS_CONFIG_FILE": str(config)}

    def bundle(**options: str) -> str:
        options = {name.replace("_", "-"): value for name, value in options.items()}
        copy = ordered(orders.Copy, "cp", "s3://b/k", "s3://c/k", options=options, environ=environ)
        return copy.terms.ca_bundle

    assert bundle(source_profile="none") == str(one)
    assert bundle(profile="none", source_profile="two") == str(two)
    with pytest.raises(UsageError, match="a CA bundle each"):
        bundle(source_profile="two")
    assert bundle(source_profile="two", ca_bundle=str(one)) == str(one)


def test_keys_of_a_library_go_outright() -> None:
    config = Config(access_key="id", secret_key="key", token="token")
    put = ordering.put_order(config, NOWHERE, "b", "k")
    assert put.terms.signer.keys == Credentials("id", "key", "token")
    copy = ordering.copy_order(config, NOWHERE, ("b", "k"), ("c", "k"), source_config=Config())
    assert (copy.server_side, copy.source.role, copy.terms.source_signer.keys) == (False, "source", None)
    read = ordering.read_order(config, NOWHERE, "b", "k", version_id="v")
    assert read.target.version_id == "v"


def presigned(*arguments: str, options: Mapping[str, str] = {}, **rest: Any) -> ordering.Presign:
    return resolve.presign(Command("presign", options, arguments=arguments, **rest), NOWHERE)


def test_a_url_is_presigned_for_an_hour_to_get_unless_said_otherwise() -> None:
    asked = presigned("s3://b/k")
    assert (str(asked.target), asked.method, asked.seconds) == ("s3://b/k", "GET", 3600)
    asked = presigned("s3://b/k", options={"method": "put", "expires": "7d", "profile": "p"})
    assert (asked.method, asked.seconds, asked.signer.profile) == ("PUT", 604_800, "p")


@pytest.mark.parametrize(
    ("options", "flags", "said"),
    [
        ({"expires": "0"}, (), "--expires: 0 seconds are not from 1 to 604800"),
        ({"expires": "8d"}, (), "--expires: 691200 seconds"),
        ({"expires": "3600"}, (), "not a time .*90s"),
        ({"method": "DELETE"}, (), "--method: 'DELETE' is neither GET nor PUT"),
        ({}, ("no-sign-request",), "presign needs credentials"),
    ],
)
def test_a_url_that_would_be_no_use_is_not_presigned(
    options: dict[str, str], flags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        presigned("s3://b/k", options=options, flags=frozenset(flags))


INI = {
    "put": {"endpoint": "e", "region": "r", "profile": "p", "ca-bundle": "c", "concurrency": "3"},
    "get": {"region": "r"},
}


@pytest.mark.parametrize(
    ("environ", "gone"),
    [
        ({}, set()),
        ({"AWS_REGION": ""}, set()),
        ({"AWS_REGION": "x"}, {"region"}),
        ({"AWS_ENDPOINT_URL": "x"}, {"endpoint"}),
        ({"AWS_ENDPOINT_URL_S3": "x", "AWS_CA_BUNDLE": "x"}, {"endpoint", "ca-bundle"}),
        ({"AWS_PROFILE": "x"}, {"profile"}),
        (KEYS, {"profile"}),
    ],
)
def test_the_environment_is_nearer_than_the_ini(environ: dict[str, str], gone: set[str]) -> None:
    left = resolve.beneath(INI, environ)
    assert left == {name: {key: values[key] for key in values.keys() - gone} for name, values in INI.items()}


OPTIONS = """concurrency partsize checksum retries workers region endpoint path memory limit-rate acl bucket
    key expected-size versionId source-endpoint source-region older-than upload-id""".split()


@given(
    name=st.sampled_from(["put", "get", "rm", "info", "verify", "cp", "ls", "uploads ls", "uploads abort"]),
    options=st.dictionaries(st.sampled_from(OPTIONS), st.text(max_size=12)),
    arguments=st.lists(st.sampled_from(["s3://b/k", "s3://b", "s3://"]) | st.text(max_size=5), max_size=2),
    headers=st.lists(st.text(max_size=12), max_size=1),
)
def test_any_values_make_an_order_or_a_usage_error(
    name: str, options: dict[str, str], arguments: list[str], headers: list[str]
) -> None:
    count = {"cp": 2, "ls": 1, "uploads ls": 1, "uploads abort": 1}.get(name)  # as the parser has seen to
    if count is not None:
        arguments = [*arguments, "s3://b/k", "s3://b/k"][:count]
    try:
        resolved = ask(name, *arguments, options=options, headers=tuple(headers))
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        terms = resolved.order.terms
        assert (terms.concurrency or 1) >= 1 and terms.part_size >= 1 and terms.retries >= 1
