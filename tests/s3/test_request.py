"""Names and endpoints arrive on the wire as the bytes that were given."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.engine.s3.request import (
    check_names,
    encode,
    needs_path_style,
    parse_endpoint,
    parse_object_url,
    relocated,
    request_for,
)
from gof3r.engine.values import Endpoint, Target

AWS = Endpoint("https", "s3.amazonaws.com")
ANY_BYTES = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def target(key: str = "k", bucket: str = "b", endpoint: Endpoint = AWS, path_style: bool = False) -> Target:
    return Target(endpoint, "us-east-1", bucket, key, path_style)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a%20b", "a%2520b"),
        ("-._~", "-._~"),
        ("!*'()$,;:@&=", "%21%2A%27%28%29%24%2C%3B%3A%40%26%3D"),
        ("?#[]", "%3F%23%5B%5D"),
        ("é", "%C3%A9"),
        ("🪣", "%F0%9F%AA%A3"),
        ("\udcff", "%FF"),
        ("\x00\n\x7f", "%00%0A%7F"),
        ("a/b", "a%2Fb"),
    ],
)
def test_only_the_unreserved_characters_of_sigv4_are_left_as_they_are(text: str, encoded: str) -> None:
    assert encode(text) == encoded


@given(ANY_BYTES)
def test_encoding_keeps_every_byte(text: str) -> None:
    assert unquote_to_bytes(encode(text)) == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("../a/./b", "/../a/./b"),
        ("a//b/", "/a//b/"),
        ("/a", "//a"),
        ("a+b", "/a%2Bb"),
        ("a?b#c%d", "/a%3Fb%23c%25d"),
        ("~/*", "/~/%2A"),
    ],
)
def test_nothing_in_a_key_is_normalised(key: str, path: str) -> None:
    assert request_for(target(key), "get_object", "GET").path == path


@given(ANY_BYTES, st.booleans())
def test_the_path_ends_in_the_keys_own_bytes(key: str, path_style: bool) -> None:
    operation = "get_object" if key else "list_objects"
    path = request_for(target(key, path_style=path_style), operation, "GET").path
    assert unquote_to_bytes(path) == (b"/b/" if path_style else b"/") + key.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("endpoint", "path_style", "url"),
    [
        (AWS, False, "https://b.s3.amazonaws.com/k"),
        (AWS, True, "https://s3.amazonaws.com/b/k"),
        (Endpoint("https", "h", 443), True, "https://h/b/k"),
        (Endpoint("http", "h", 80), True, "http://h/b/k"),
        (Endpoint("http", "h", 443), True, "http://h:443/b/k"),
        (Endpoint("https", "h.io", 9000), False, "https://b.h.io:9000/k"),
        (Endpoint("http", "[::1]", 9000), True, "http://[::1]:9000/b/k"),
        (Endpoint("http", "h", None, "/p/q"), True, "http://h/p/q/b/k"),
        (Endpoint("http", "h", None, "/p"), False, "http://b.h/p/k"),
    ],
)
def test_a_request_goes_to_bucket_and_key_at_the_endpoint(
    endpoint: Endpoint, path_style: bool, url: str
) -> None:
    assert request_for(target(endpoint=endpoint, path_style=path_style), "get_object", "GET").url == url


def test_the_bucket_of_a_path_is_encoded_whole() -> None:
    assert request_for(target(bucket="My Bucket", path_style=True), "x", "GET").path == "/My%20Bucket/k"


def test_the_query_is_canonical_sorted_encoded_and_with_an_equals_sign_always() -> None:
    query = [("uploads", ""), ("partNumber", "2"), ("a b", "c/d+e="), ("Z", "~")]
    assert request_for(target(), "x", "GET", query).query == "Z=~&a%20b=c%2Fd%2Be%3D&partNumber=2&uploads="


@pytest.mark.parametrize(
    ("bucket", "host", "expected"),
    [
        ("bucket", "s3.amazonaws.com", False),
        ("my-bucket-1", "minio", False),
        ("a.b", "s3.amazonaws.com", True),
        ("Bucket", "s3.amazonaws.com", True),
        ("a_b", "s3.amazonaws.com", True),
        ("-b", "s3.amazonaws.com", True),
        ("b-", "s3.amazonaws.com", True),
        ("b" * 64, "s3.amazonaws.com", True),
        ("bé", "s3.amazonaws.com", True),
        ("bucket", "localhost", True),
        ("bucket", "localhost.", True),
        ("bucket", "localhost.localstack.cloud", False),
        ("bucket", "127.0.0.1", True),
        ("bucket", "127.1", True),
        ("bucket", "[::1]", True),
    ],
)
def test_path_style_is_chosen_where_the_bucket_cannot_be_a_host_label(
    bucket: str, host: str, expected: bool
) -> None:
    assert needs_path_style(bucket, Endpoint("https", host)) is expected


@pytest.mark.parametrize(
    ("text", "ssl", "endpoint"),
    [
        ("s3.amazonaws.com", True, Endpoint("https", "s3.amazonaws.com")),
        ("S3.Amazonaws.Com", False, Endpoint("http", "s3.amazonaws.com")),
        ("localhost:9000", True, Endpoint("https", "localhost", 9000)),
        ("my_store-1:80", False, Endpoint("http", "my_store-1", 80)),
        ("[::1]:9000", False, Endpoint("http", "[::1]", 9000)),
        ("[FE80::1]", True, Endpoint("https", "[fe80::1]")),
        ("http://h:1", True, Endpoint("http", "h", 1)),
        ("HTTPS://h/", False, Endpoint("https", "h")),
        (" https://h/a/b%20c// ", True, Endpoint("https", "h", None, "/a/b%20c")),
        ("h:65535/p q", True, Endpoint("https", "h", 65535, "/p%20q")),
    ],
)
def test_an_endpoint_is_a_host_or_a_url_and_its_scheme_wins(text: str, ssl: bool, endpoint: Endpoint) -> None:
    assert parse_endpoint(text, ssl) == endpoint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no host"),
        ("http://", "no host"),
        (":9000", "no host"),
        ("ftp://h", "scheme"),
        ("://h", "scheme"),
        ("a://http://h", "scheme"),
        ("h:", "''"),
        ("h:0", "'0'"),
        ("h:65536", "'65536'"),
        ("h:9000x", "'9000x'"),
        ("h:９", "'９'"),
        ("h:" + "9" * 5000, "'9999"),
        ("::1", "brackets"),
        ("[::1]9000", "all that may follow"),
        ("[::g]", "[::g]"),
        ("[fe80::1%eth0]", "[fe80::1%eth0]"),
        ("[]", "[]"),
        ("h ost", "'h ost'"),
        ("h\nost", "not a host name"),
        ("bücket.de", "'bücket.de'"),
        ("a..b", "'a..b'"),
        ("user:secret@h", "user"),
        ("h?x", "query"),
        ("h/p#x", "fragment"),
    ],
)
def test_a_bad_endpoint_is_refused_in_one_line_with_the_reason_and_an_example(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_endpoint(text)
    line = str(refused.value)
    assert said in line
    assert "\n" not in line
    assert len(line) <= 300


def test_a_password_in_an_endpoint_is_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        parse_endpoint("https://user:secret@host")
    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_other_text_is_an_endpoint_that_can_be_sent_or_a_usage_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except UsageError:
        return
    url = request_for(target(endpoint=endpoint, path_style=True), "x", "GET").url
    assert url.isascii() and url.isprintable() and " " not in url


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("s3://b/k", ("b", "k")),
        ("s3://b//k/", ("b", "/k/")),
        ("s3://b/../a?x=1#y%20 +", ("b", "../a?x=1#y%20 +")),
        ("s3://a.b/s3://c/d", ("a.b", "s3://c/d")),
    ],
)
def test_the_key_of_a_url_is_taken_byte_for_byte(text: str, names: tuple[str, str]) -> None:
    assert parse_object_url(text) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begin"),
        ("b/k", "begin"),
        ("s3:/b/k", "begin"),
        ("http://b/k", "begin"),
        ("s3", "begin"),
        ("s3:///k", "bucket"),
        ("s3://b", "key is missing"),
        ("s3://b/", "key is missing"),
    ],
)
def test_what_is_no_objects_url_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_object_url(text)


@pytest.mark.parametrize("key", ["k" * 1024, "é" * 512, "\n", "../..", "//"])
def test_any_key_of_up_to_1024_bytes_is_accepted(key: str) -> None:
    check_names("bucket", key)


@pytest.mark.parametrize(
    ("bucket", "key", "said"),
    [
        ("", "k", "bucket's name is empty"),
        ("b", "", "key is empty"),
        ("b/c", "k", "slash"),
        ("b\r\nHost: x", "k", "control"),
        ("b\x7f", "k", "control"),
        ("b", "k" * 1025, "1025 bytes"),
        ("b", "é" * 513, "1026 bytes"),
        ("b", "\udcff", "UTF-8"),
        ("b\ud800", "k", "UTF-8"),
    ],
)
def test_names_that_no_request_can_carry_are_refused(bucket: str, key: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_names(bucket, key)


@pytest.mark.parametrize(
    ("host", "moved"),
    [
        ("b.s3.us-east-1.amazonaws.com", "b.s3.eu-west-1.amazonaws.com"),
        ("s3.us-gov-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        ("b.s3.amazonaws.com", "b.s3.eu-west-1.amazonaws.com"),
        ("s3.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        ("s3.cn-north-1.amazonaws.com.cn", "s3.eu-west-1.amazonaws.com.cn"),
        ("b.s3.dualstack.us-east-1.amazonaws.com", "b.s3.dualstack.eu-west-1.amazonaws.com"),
        ("b.s3-fips.us-east-1.amazonaws.com", "b.s3-fips.eu-west-1.amazonaws.com"),
        ("b.s3-fips.dualstack.us-east-1.amazonaws.com", "b.s3-fips.dualstack.eu-west-1.amazonaws.com"),
        ("s3-us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        ("s3.us-east-1.amazonaws.com:8443", "s3.eu-west-1.amazonaws.com:8443"),
        ("us-east-1.s3.us-east-1.amazonaws.com", "us-east-1.s3.eu-west-1.amazonaws.com"),
        ("s3.us-east-1.s3.us-east-1.amazonaws.com", "s3.us-east-1.s3.eu-west-1.amazonaws.com"),
        ("b.s3-accelerate.amazonaws.com", "b.s3-accelerate.amazonaws.com"),
        ("s3.us-east-1.example.com", "s3.us-east-1.example.com"),
        ("s3.us-east-1.amazonaws.com.example.com", "s3.us-east-1.amazonaws.com.example.com"),
        ("s3.us-east-1.notamazonaws.com", "s3.us-east-1.notamazonaws.com"),
        ("xs3.us-east-1.amazonaws.com", "xs3.us-east-1.amazonaws.com"),
        ("127.0.0.1:9000", "127.0.0.1:9000"),
    ],
)
def test_a_request_moves_to_the_buckets_region_within_aws_and_stays_at_any_other_host(
    host: str, moved: str
) -> None:
    request = replace(request_for(target(), "x", "GET", [("a", "b")], [("c", "d")]), authority=host)
    assert relocated(request, "eu-west-1") == replace(request, authority=moved, region="eu-west-1")


SSE_C_KEY = ("X-Amz-Server-Side-Encryption-Customer-Key", "k")
PAYER = ("x-amz-request-payer", "requester")


@pytest.mark.parametrize(("operation", "encrypted"), [("get_object", True), ("delete_object", False)])
def test_the_headers_of_a_target_come_before_the_requests_and_a_customers_key_only_where_s3_knows_it(
    operation: str, encrypted: bool
) -> None:
    at = replace(target(), headers=(SSE_C_KEY, PAYER))
    own = (SSE_C_KEY, PAYER) if encrypted else (PAYER,)
    assert request_for(at, operation, "GET", (), [("a", "b")]).headers == (*own, ("a", "b"))


def test_neither_a_target_nor_a_request_shows_a_customers_key() -> None:
    at = replace(target(), headers=((SSE_C_KEY[0], "hidden"),))
    assert "hidden" not in repr(at) + str(at) + repr(request_for(at, "get_object", "GET"))


@pytest.mark.parametrize(("path_style", "path"), [(False, "/"), (True, "/b/")])
def test_a_target_without_a_key_is_its_bucket(path_style: bool, path: str) -> None:
    assert request_for(target("", path_style=path_style), "list_objects", "GET").path == path


def test_no_operation_on_an_object_is_made_one_on_its_bucket() -> None:
    """An abort without a key would be DeleteBucket."""
    with pytest.raises(UsageError, match="abort_multipart_upload needs a key"):
        request_for(target(""), "abort_multipart_upload", "DELETE", [("uploadId", "i")])
